"""`runlog.infino`: what a recording shows is what the handler sends."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest
from freezegun import freeze_time
from langchain_core.runnables import RunnableLambda, RunnableParallel

import pytest_runlog
from pytest_runlog import InfinoCallbackHandler, InfinoRecorder
from support.chains import (
    QUESTION,
    Unreachable,
    agent,
    broken,
    graph,
    question_chain,
    retrieval_chain,
    retriever,
)
from support.infino import in_common
from support.models import FakeCompletion, ModelDown, calling, chat, completion, flaky

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_runlog import RunLogCapture


def failing_chain() -> Any:
    return question_chain(chat(ModelDown("overloaded")))


def raising(value: Any) -> Any:
    raise ValueError(value)


CHAINS: dict[str, tuple[Callable[[], Any], Any]] = {
    "chain": (question_chain, {"question": QUESTION}),
    "completion": (lambda: question_chain(FakeCompletion()), {"question": QUESTION}),
    "retrieval": (retrieval_chain, QUESTION),
    "graph": (graph, {"question": QUESTION}),
    "agent": (agent, {"messages": [("human", QUESTION)]}),
    "tool": (lambda: RunnableLambda(str) | broken, "x"),
    "retriever": (lambda: retriever(error=TimeoutError("no index")), "x"),
    "agent with a broken tool": (
        lambda: agent(chat(calling("broken", query="x"), "sorry"), [broken]),
        {"messages": [("human", QUESTION)]},
    ),
    "failing chain": (failing_chain, {"question": QUESTION}),
    "failing graph": (lambda: graph(chat(ModelDown("overloaded"))), {"question": QUESTION}),
    "error of its own": (lambda: failing_chain() | raising, {"question": QUESTION}),
    "retries": (
        lambda: question_chain(flaky("a", times=2).with_retry(wait_exponential_jitter=False)),
        {"question": QUESTION},
    ),
    "retries in vain": (
        lambda: question_chain(
            chat(ModelDown("overloaded")).with_retry(wait_exponential_jitter=False)
        ),
        {"question": QUESTION},
    ),
    "fallbacks": (
        lambda: question_chain(flaky("a").with_fallbacks([chat("b")])),
        {"question": QUESTION},
    ),
    "fallbacks in vain": (
        lambda: question_chain(chat(ModelDown("one")).with_fallbacks([chat(ModelDown("other"))])),
        {"question": QUESTION},
    ),
    "wrapped error": (lambda: RunnableLambda(wrapping), {"question": QUESTION}),
    "parallel": (
        lambda: RunnableParallel(a=failing_chain(), b=RunnableLambda(raising)),
        {"question": QUESTION},
    ),
}


def wrapping(value: Any) -> Any:
    try:
        return failing_chain().invoke(value)
    except ModelDown as error:
        raise ValueError("no answer") from error


def invoke(chain: Any, value: Any) -> None:
    chain.invoke(value)


def stream(chain: Any, value: Any) -> None:
    list(chain.stream(value))


def ainvoke(chain: Any, value: Any) -> None:
    asyncio.run(chain.ainvoke(value))


def astream(chain: Any, value: Any) -> None:
    async def drive() -> None:
        async for _ in chain.astream(value):
            pass

    asyncio.run(drive())


every_chain = pytest.mark.parametrize("chain", CHAINS)
every_chain_in_every_way = pytest.mark.parametrize(
    ("chain", "drive"),
    [
        pytest.param(chain, drive, id=f"{chain}-{drive.__name__}")
        for chain in CHAINS
        for drive in (invoke, stream, ainvoke, astream)
        # Under coverage, Python 3.11.7 cannot parse source any more after this one.
        if (chain, drive) != ("parallel", astream)
    ],
)

FAILURES = (ModelDown, ValueError, Unreachable, TimeoutError)


def record(chain: Any, value: Any, drive: Callable[[Any, Any], None] = invoke) -> RunLogCapture:
    with pytest_runlog.record() as log, suppress(*FAILURES):
        drive(chain, value)
    return log


@every_chain_in_every_way
def test_an_error_message_is_logged_for_each_run_in_which_an_error_arose_and_no_other(
    chain: str, drive: Callable[[Any, Any], None]
) -> None:
    build, value = CHAINS[chain]

    log = record(build(), value, drive)

    logged = [body["labels"]["run_id"] for body in log.infino.logs if "error_message" in body]
    assert sorted(logged) == sorted(str(run.id) for run in log.errors)


@every_chain
def test_a_recording_shows_what_the_handler_sends_about_the_same_runs(chain: str) -> None:
    build, value = CHAINS[chain]
    sent = InfinoRecorder()
    handler = InfinoCallbackHandler(client=sent)

    with pytest_runlog.record() as log, suppress(*FAILURES):
        build().invoke(value, {"callbacks": [handler], "max_concurrency": 1})

    assert log.runs
    assert in_common(log.infino.calls) == in_common(sent.calls)
    assert errors_in(log.infino) == errors_in(sent)


def errors_in(recorder: InfinoRecorder) -> list[tuple[str, Any]]:
    return [
        (body["labels"]["run_id"], body.get("error", body.get("error_message")))
        for _, body in recorder.calls
        if "error" in body or "error_message" in body
    ]


@every_chain_in_every_way
def test_the_latencies_errors_and_tokens_are_those_of_the_model_runs(
    chain: str, drive: Callable[[Any, Any], None]
) -> None:
    build, value = CHAINS[chain]

    log = record(build(), value, drive)

    ended = [run for run in log.models if run.status in ("ok", "error")]  # none was cancelled
    infino = log.infino
    for run in ended:
        assert infino.series("latency", run_id=run.id) == [pytest.approx(run.latency)]
        assert infino.series("error", run_id=run.id) == [int(run.error is not None)]
        total = run.tokens.total
        assert infino.series("total_tokens", run_id=run.id) == ([] if total is None else [total])
    assert len(infino.series("latency")) == len(infino.series("error")) == len(ended)


def test_a_payload_is_dated_by_the_start_or_end_of_its_run() -> None:
    before = int(time.time())
    log = record(question_chain(), {"question": QUESTION})
    after = time.time()

    (model,) = log.models
    assert model.end is not None
    for body in log.infino.logs + log.infino.metrics:
        moment = model.start if "prompt" in body else model.end
        assert body["date"] == int(moment.timestamp())
        assert before <= body["date"] <= after


def test_a_payload_is_dated_by_the_clock_that_a_test_has_frozen() -> None:
    with freeze_time("2020-02-02"):
        log = record(question_chain(), {"question": QUESTION})

    dates = {body["date"] for _, body in log.infino.calls}
    assert dates <= {int(log.root.start.timestamp()) + seconds for seconds in range(60)}
    assert log.root.start.year == 2020


def test_a_run_whose_parent_nobody_saw_start_is_dated_too() -> None:
    found: list[RunLogCapture] = []

    def record_inside(value: Any) -> Any:
        found.append(record(completion("hello"), "hi"))
        return value

    before = int(time.time())
    RunnableLambda(record_inside).invoke("x")
    after = time.time()

    (log,) = found
    assert before <= log.root.start.timestamp() <= after
    assert len(log.infino.logs) == 2
    assert all(before <= body["date"] <= after for body in log.infino.logs)


def test_it_can_be_held_before_the_chain_runs() -> None:
    with pytest_runlog.record() as log:
        infino = log.infino
        assert len(infino) == 0

        question_chain().invoke({"question": QUESTION})

        assert infino is log.infino
        assert len(infino) == 7
        assert infino.logs[0]["prompt"] == QUESTION


def test_a_section_sees_its_own_payloads_and_the_whole_sees_all() -> None:
    with pytest_runlog.record() as log:
        question_chain().invoke({"question": "one"})
        with log.capture() as part:
            question_chain().invoke({"question": "two"})

    def prompts(capture: RunLogCapture) -> list[Any]:
        return [body["prompt"] for body in capture.infino.logs if "prompt" in body]

    assert prompts(part) == ["two"]
    assert prompts(log) == ["one", "two"]


def test_clearing_a_recording_clears_it_also_for_those_who_hold_it() -> None:
    with pytest_runlog.record() as log:
        infino = log.infino
        question_chain().invoke({"question": "one"})
        assert len(infino) == 7

        log.clear()
        assert len(infino) == len(log.infino) == 0

        question_chain().invoke({"question": "two"})
        assert [body["prompt"] for body in infino.logs if "prompt" in body] == ["two"]
        assert infino.calls == log.infino.calls


def test_a_model_that_has_not_ended_shows_its_prompt() -> None:
    with pytest_runlog.record() as log:
        chunks = chat("hello there").stream("hi")
        next(chunks)

        assert [call.keys for call in log.infino.calls] == [["prompt"]]
        chunks.close()  # type: ignore[attr-defined]

    assert [call.keys for call in log.infino.calls] == [["prompt"]]


def test_the_real_values_of_secrets_are_in_the_payloads_and_in_no_repr(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SERVICE_API_KEY", "sk-abc123def")

    log = record(question_chain(), {"question": "Is sk-abc123def mine?"})

    assert log.infino.logs[0]["prompt"] == "Is sk-abc123def mine?"
    assert "sk-abc123def" not in repr(log.infino) + repr(log.infino.calls)
