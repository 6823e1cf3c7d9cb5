"""Metrics of real chains, of which the true values are known: a test moves the clock itself."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from threading import Barrier
from typing import Any

import pytest
from langchain_core.caches import InMemoryCache
from langchain_core.runnables import RunnableGenerator, RunnableLambda, RunnableParallel

from pytest_runlog import RunLogCapture, record
from support.chains import broken, graph, question_chain, retriever, search
from support.clock import HandClock, clock
from support.models import ModelDown, chat, completion, flaky

__all__ = ["clock"]


@pytest.fixture
def log(clock: HandClock) -> Iterator[RunLogCapture]:
    with record() as log:
        yield log


def taking(clock: HandClock, seconds: float) -> RunnableLambda[Any, Any]:
    """A step that takes so long."""

    def step(value: Any) -> Any:
        clock.go(seconds)
        return value

    return RunnableLambda(step)


def test_the_steps_of_a_sequence_add_up(log: RunLogCapture, clock: HandClock) -> None:
    (taking(clock, 1) | taking(clock, 2) | taking(clock, 0.5)).invoke("a")

    found = log.metrics()
    assert found["latency"] == 3.5
    assert found["self_latency"] == 0
    assert found["latency_total"] == 3.5


def both_at_once(clock: HandClock, seconds: float) -> RunnableParallel[Any]:
    """Two branches that take the same seconds together."""
    barrier = Barrier(2, action=lambda: clock.go(seconds))

    def branch(value: Any) -> Any:
        barrier.wait(timeout=30)
        return value

    return RunnableParallel(left=RunnableLambda(branch), right=RunnableLambda(branch))


def test_parallel_branches_take_the_time_of_one(log: RunLogCapture, clock: HandClock) -> None:
    (taking(clock, 1) | both_at_once(clock, 2)).invoke("a")

    assert log.metrics()["latency"] == 3
    assert [run.latency for run in log.find("branch")] == [2, 2]
    assert log.one(name="RunnableParallel<left,right>").self_latency == 0


def test_the_time_of_a_step_itself_is_without_the_runs_below_it(
    log: RunLogCapture, clock: HandClock
) -> None:
    inner = taking(clock, 2)

    def step(value: str) -> Any:
        clock.go(1)
        found = inner.invoke(value)
        clock.go(0.25)
        return found

    RunnableLambda(step).invoke("a")

    assert log.metrics()["latency"] == 3.25
    assert log.metrics()["self_latency"] == 1.25


def test_models_tools_and_retrievers_are_timed_apart(
    log: RunLogCapture, clock: HandClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    def slow(seconds: float) -> Callable[[str], str]:
        def answer(_: str) -> str:
            clock.go(seconds)
            return "yes"

        return answer

    (taking(clock, 5) | chat(slow(3))).invoke("a")
    (taking(clock, 5) | chat(slow(1))).invoke("b")
    monkeypatch.setattr(search, "func", slow(2))
    search.invoke("c")
    found = log.metrics()

    assert (found["model_latency"], found["model_latency_mean"]) == (3, 2)
    assert found["tool_latency"] == 2
    assert found["retriever_latency"] is None
    retriever().invoke("d")
    assert log.metrics()["retriever_latency"] == 0
    assert log.metrics()["latency"] == 8


def test_the_first_chunk_counts_for_a_stream(log: RunLogCapture, clock: HandClock) -> None:
    def words(values: Iterator[Any]) -> Iterator[str]:
        for _ in values:
            clock.go(0.5)
            yield "one "
            clock.go(2)
            yield "two"

    assert "".join(RunnableGenerator(words).stream("a")) == "one two"

    found = log.metrics()
    assert found["ttft"] == 0.5
    assert found["latency"] == 2.5


def test_what_is_not_streamed_has_no_first_chunk(log: RunLogCapture) -> None:
    question_chain().invoke({"question": "why?"})

    assert log.metrics()["ttft"] is None


def test_an_error_that_climbs_counts_once(log: RunLogCapture) -> None:
    with pytest.raises(ModelDown):
        question_chain(chat(ModelDown("503"))).invoke({"question": "why?"})
    question_chain().invoke({"question": "why?"})

    found = log.metrics()
    assert (found["errors"], found["recovered_errors"]) == (1, 0)
    assert found["error_rate"] == 0.5


def test_errors_that_a_retry_handles_are_recovered_ones(log: RunLogCapture) -> None:
    model = flaky(times=2).with_retry(stop_after_attempt=3, wait_exponential_jitter=False)
    question_chain(model).invoke({"question": "why?"})

    found = log.metrics()
    assert (found["errors"], found["recovered_errors"], found["retries"]) == (2, 2, 2)
    assert found["error_rate"] == 0


def test_errors_that_a_fallback_handles_are_recovered_ones(log: RunLogCapture) -> None:
    chat(ModelDown("503")).with_fallbacks([chat()]).invoke("why?")

    found = log.metrics()
    assert (found["errors"], found["recovered_errors"], found["error_rate"]) == (1, 1, 0)


def test_an_error_of_a_branch_is_told_from_that_of_another_root(log: RunLogCapture) -> None:
    chain = RunnableParallel(a=broken, b=RunnableLambda(lambda value: value))
    with pytest.raises(Exception, match="no route"):
        chain.invoke("x")

    assert log.metrics()["errors"] == 1
    log.assert_budget("errors[type=tool] <= 1", "errors[type=chain] <= 0")


def test_a_stream_that_is_left_is_unfinished_and_no_error(log: RunLogCapture) -> None:
    stream = question_chain().stream({"question": "why?"})
    next(stream)

    found = log.metrics()
    assert (found["unfinished"], found["errors"], found["latency"]) == (3, 0, None)
    assert list(stream)


def test_runs_are_counted_by_type(log: RunLogCapture) -> None:
    question_chain().invoke({"question": "why?"})
    search.invoke("a")
    retriever().invoke("b")

    found = log.metrics()
    assert found["runs"] == 6
    assert (found["model_runs"], found["tool_runs"], found["retriever_runs"]) == (1, 1, 1)


def test_tokens_are_those_that_models_report(log: RunLogCapture) -> None:
    model = chat(usage=(100, 7))
    question_chain(model).batch([{"question": "a"}, {"question": "b"}, {"question": "c"}])

    found = log.metrics()
    assert (found["input_tokens"], found["output_tokens"], found["total_tokens"]) == (300, 21, 321)
    assert found["total_tokens_max"] == 107


def test_a_streamed_answer_is_counted_once(log: RunLogCapture) -> None:
    assert list(question_chain(chat(usage=(100, 7))).stream({"question": "a"}))

    assert log.metrics()["total_tokens"] == 107


def test_one_model_that_reports_nothing_makes_tokens_unknown(log: RunLogCapture) -> None:
    chat().invoke("a")
    completion().invoke("b")

    assert log.metrics()["total_tokens"] is None
    with pytest.raises(AssertionError, match="1 of 2 model runs reported no usage"):
        log.assert_budget("total_tokens <= 1_000")
    log.assert_budget("total_tokens[name=FakeChat] == 9")


def test_an_answer_from_the_cache_counts_as_if_the_model_had_given_it(log: RunLogCapture) -> None:
    calls: list[str] = []

    def answer(question: str) -> str:
        calls.append(question)
        return "yes"

    model = chat(answer, usage=(100, 7), cache=InMemoryCache())
    for _ in range(3):
        model.invoke("why?")

    assert len(calls) == 1
    assert log.metrics()["model_runs"] == 3
    assert log.metrics()["total_tokens"] == 321


def test_the_nodes_of_a_graph_are_held_to_budgets_by_path(log: RunLogCapture) -> None:
    graph().invoke({"question": "why?"})

    log.assert_budget(
        "model_runs[path='LangGraph/answer/*'] == 1",
        "retriever_runs[path='LangGraph/retrieve/*'] == 1",
    )
    with pytest.raises(AssertionError, match="matched no model run"):
        log.assert_budget("total_tokens[path='LangGraph/retrieve/*'] <= 0")


def test_a_section_has_metrics_of_its_own(log: RunLogCapture, clock: HandClock) -> None:
    taking(clock, 5).invoke("a")
    with log.capture() as part:
        taking(clock, 1).invoke("b")

    assert (part.metrics()["latency"], log.metrics()["latency"]) == (1, 5)


def test_rounds_are_measured_after_unrecorded_ones(log: RunLogCapture, clock: HandClock) -> None:
    times = iter([60, 30, 4, 2, 9, 1, 8, 3])

    def answer(_: str) -> str:
        clock.go(next(times))
        return "yes"

    chain = question_chain(chat(answer))
    sample = log.repeat(chain.invoke, {"question": "why?"}, rounds=6, warmup=2)

    assert sample.values == [4, 2, 9, 1, 8, 3]
    assert sample.results == ["yes"] * 6
    assert sample.median == 3.5
    assert list(sample.interval) == [1, 9, 0.96875]
    assert sample.percentile(100) == 9
    assert len(sample) == len(sample.log.roots) == len(log.roots) == 6
    assert repr(sample) == (
        "<LatencySample: median 3.50 s (1.00 s to 9.00 s, confidence 96.9%) of 6 rounds; "
        "order statistics, binomial (distribution-free)>"
    )
    sample.log.assert_budget("model_latency_p50 <= 4s")


def test_coroutines_are_repeated_too(log: RunLogCapture, clock: HandClock) -> None:
    def answer(_: str) -> str:
        clock.go(2)
        return "yes"

    chain = question_chain(chat(answer))

    async def measure() -> None:
        sample = await log.arepeat(chain.ainvoke, {"question": "why?"}, rounds=6)
        assert sample.values == [2] * 6
        assert sample.results == ["yes"] * 6

    asyncio.run(measure())
    assert len(log.roots) == 6


def test_no_recording_sees_the_rounds_that_warm_up(log: RunLogCapture) -> None:
    with log.capture() as part:
        part.repeat(chat().invoke, "why?", rounds=6, warmup=3)
        chat().invoke("why?")

    assert len(part.roots) == len(log.roots) == 7


def test_a_round_that_warms_up_and_fails_leaves_the_recording_open(log: RunLogCapture) -> None:
    with pytest.raises(ModelDown):
        log.repeat(chat(ModelDown("503")).invoke, "why?", rounds=6)
    chat().invoke("why?")

    assert len(log.roots) == 1


def test_rounds_that_are_too_few_for_the_confidence_are_refused(log: RunLogCapture) -> None:
    with pytest.raises(ValueError, match="a median with a confidence of 95% needs at least 6"):
        log.repeat(chat().invoke, "why?", rounds=5)
    with pytest.raises(ValueError, match="warmup=-1: cannot be negative"):
        log.repeat(chat().invoke, "why?", warmup=-1)
    with pytest.raises(TypeError, match=r"use `await runlog\.arepeat"):
        log.repeat(chat().ainvoke, "why?")
    assert not log.runs
