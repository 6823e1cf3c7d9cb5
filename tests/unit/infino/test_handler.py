from __future__ import annotations

import gc
import inspect
import json
import logging
import subprocess
import sys
import weakref
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.messages import HumanMessage
from langchain_core.outputs import Generation, LLMResult
from langchain_core.runnables import RunnableLambda

from pytest_runlog import InfinoCallbackHandler, InfinoRecorder
from pytest_runlog.infino import handler as module
from pytest_runlog.infino.clients import Refused
from support.infino import LANGCHAINS_CLASS, HandClock, ListClient, keys, values
from support.models import ModelDown, chat

if TYPE_CHECKING:
    pass

ANSWER = LLMResult(generations=[[Generation(text="hello")]])

PAGE: dict[str, tuple[Any, ...]] = {
    "on_agent_action": ("action",),
    "on_agent_finish": ("finish",),
    "on_chain_end": ({"outputs": 1},),
    "on_chain_error": (ValueError("x"),),
    "on_chain_start": ({}, {"inputs": 1}),
    "on_chat_model_start": ({}, [[HumanMessage("hi")]]),
    "on_llm_end": (ANSWER,),
    "on_llm_error": (ValueError("x"),),
    "on_llm_new_token": ("token",),
    "on_llm_start": ({}, ["hi"]),
    "on_text": ("text",),
    "on_tool_end": ("output", "observation", "llm"),
    "on_tool_error": (ValueError("x"),),
    "on_tool_start": ({}, "input"),
}
"""The methods that LangChain's reference page lists with `**kwargs` only, and arguments."""

PAGE_WITH_RUN_ID: dict[str, tuple[Any, ...]] = {
    "on_custom_event": ("name", {}),
    "on_retriever_end": ([],),
    "on_retriever_error": (ValueError("x"),),
    "on_retriever_start": ({}, "query"),
    "on_retry": (None,),
}
"""Those that it lists with a `run_id`."""

METHODS = PAGE | PAGE_WITH_RUN_ID

ATTRIBUTES = [
    "ignore_agent",
    "ignore_chain",
    "ignore_chat_model",
    "ignore_custom_event",
    "ignore_llm",
    "ignore_retriever",
    "ignore_retry",
    "raise_error",
    "run_inline",
]


@pytest.fixture
def client() -> ListClient:
    return ListClient()


@pytest.fixture
def handler(client: ListClient) -> InfinoCallbackHandler:
    return InfinoCallbackHandler(client=client)


def run(model: Any, *handlers: BaseCallbackHandler) -> None:
    model.invoke("hi", {"callbacks": [*handlers]})


def test_the_constructor_is_that_of_langchains_class_and_takes_a_client() -> None:
    theirs = inspect.signature(LANGCHAINS_CLASS).parameters
    ours = inspect.signature(InfinoCallbackHandler).parameters

    assert list(ours) == [*theirs, "client", "index"]
    assert all(ours[name].default == theirs[name].default for name in theirs)
    assert all(ours[name].kind == theirs[name].kind for name in theirs)
    assert ours["client"].kind == ours["index"].kind == inspect.Parameter.KEYWORD_ONLY


@pytest.mark.parametrize("method", METHODS)
def test_each_method_has_the_parameters_of_langchains_class_and_needs_no_others(
    method: str,
) -> None:
    theirs = [*inspect.signature(getattr(LANGCHAINS_CLASS, method)).parameters.values()]
    ours = inspect.signature(getattr(InfinoCallbackHandler, method)).parameters

    for parameter in theirs:
        if parameter.kind is inspect.Parameter.KEYWORD_ONLY:  # any of these is taken
            assert parameter.name in ours or "kwargs" in ours
        else:
            same = ours[parameter.name]
            assert (same.kind, same.default) == (parameter.kind, parameter.default)
    required = {name for name, given in ours.items() if given.default is given.empty}
    assert required <= {parameter.name for parameter in theirs}
    assert [name for name in ours if name in {given.name for given in theirs}] == [
        parameter.name for parameter in theirs if parameter.name in ours
    ]


def test_what_it_was_made_with_is_in_its_attributes(client: ListClient) -> None:
    handler = InfinoCallbackHandler("model", "1", True, client=client)

    assert isinstance(handler, BaseCallbackHandler)
    assert (handler.model_id, handler.model_version, handler.verbose) == ("model", "1", True)
    assert handler.client is client


@pytest.mark.parametrize("attribute", ATTRIBUTES)
def test_no_attribute_of_langchains_page_keeps_an_event_from_it(
    attribute: str, handler: InfinoCallbackHandler
) -> None:
    assert getattr(handler, attribute) is False


@pytest.mark.parametrize("method", PAGE)
def test_each_method_of_langchains_page_takes_what_the_page_says(
    method: str, handler: InfinoCallbackHandler
) -> None:
    assert getattr(handler, method)(*PAGE[method], anything="else") is None


@pytest.mark.parametrize("method", METHODS)
def test_each_method_of_langchains_page_takes_what_langchain_passes(
    method: str, handler: InfinoCallbackHandler
) -> None:
    passed = {"run_id": uuid4(), "parent_run_id": uuid4(), "tags": ["seq:step:1"]}

    assert getattr(handler, method)(*METHODS[method], **passed) is None


def test_every_public_name_of_langchains_class_is_here() -> None:
    theirs = {name for name in dir(LANGCHAINS_CLASS) if name[0] != "_"}

    assert theirs <= {*dir(InfinoCallbackHandler)}


def test_calls_without_a_run_id_are_taken_as_one_after_another(
    handler: InfinoCallbackHandler, client: ListClient
) -> None:
    for _ in range(2):
        handler.on_llm_start({}, ["hi"])
        handler.on_llm_end(ANSWER)

    assert keys(client.calls) == ["prompt", "latency", "error", "prompt_response"] * 2
    assert client.calls[0][1]["labels"] == {"model_id": None, "model_version": None}


def test_the_client_can_be_replaced(handler: InfinoCallbackHandler, client: ListClient) -> None:
    recorder = InfinoRecorder()
    handler.client = recorder

    run(chat(), handler)

    assert client.calls == []
    assert len(recorder) == 7


def test_payloads_are_json(handler: InfinoCallbackHandler, client: ListClient) -> None:
    with pytest.raises(ModelDown):
        run(chat(ModelDown("no")), handler)
    run(chat(), handler)

    assert [json.loads(json.dumps(body)) for _, body in client.calls] == [
        body for _, body in client.calls
    ]


def test_a_payload_is_dated_in_whole_seconds(
    handler: InfinoCallbackHandler, client: ListClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "time", lambda: 1_700_000_000.9)

    run(chat(), handler)

    assert {body["date"] for _, body in client.calls} == {1_700_000_000}


def test_the_time_that_the_client_takes_is_no_latency_of_the_model(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = HandClock()
    monkeypatch.setattr(module, "_now", clock)

    class Slow(ListClient):
        def append_log(self, payload: dict[str, Any]) -> None:
            clock.move(5)
            super().append_log(payload)

        def append_ts(self, payload: dict[str, Any]) -> None:
            clock.move(5)
            super().append_ts(payload)

    def answer(text: str) -> str:
        clock.move(0.5)
        return text

    client = Slow()
    run(chat(answer), InfinoCallbackHandler(client=client))

    assert values(client.calls, "latency") == [0.5]


def test_a_handler_that_is_there_twice_sends_once(
    handler: InfinoCallbackHandler, client: ListClient
) -> None:
    run(chat("hello", usage=None), handler, handler)
    with pytest.raises(ModelDown):
        run(chat(ModelDown("no")), handler, handler)

    assert keys(client.calls) == [
        *("prompt", "latency", "error", "prompt_response"),
        *("prompt", "latency", "error", "error_message"),
    ]


def test_a_run_id_may_be_used_again(handler: InfinoCallbackHandler, client: ListClient) -> None:
    run_id = uuid4()
    for _ in range(2):
        chat("hello", usage=None).invoke("hi", {"callbacks": [handler], "run_id": run_id})

    assert keys(client.calls) == ["prompt", "latency", "error", "prompt_response"] * 2


# A client that fails


class Failing:
    """A client that raises, one by one, what it is given."""

    def __init__(self, *failures: BaseException) -> None:
        self.failures = list(failures)

    def append_log(self, payload: dict[str, Any]) -> None:
        raise self.failures.pop(0)

    append_metric = append_log


def warnings_of(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records]


def test_each_kind_of_failure_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    client = Failing(
        ConnectionError("no route"),  # prompt, a log
        ConnectionError("no route"),  # latency, a metric
        ConnectionError("no route"),
        TimeoutError("too slow"),  # prompt_response, a log
        *(ConnectionError("other words") for _ in range(20)),
    )
    handler = InfinoCallbackHandler(client=client)

    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            run(chat("hello", usage=None), handler)

    rest = "and the chain goes on. More failures of this kind are not logged."
    assert warnings_of(caplog) == [
        f"A log was not sent to Infino, {rest} ConnectionError('no route')",
        f"A metric was not sent to Infino, {rest} ConnectionError('no route')",
        f"A log was not sent to Infino, {rest} TimeoutError('too slow')",
    ]


def test_each_status_that_a_server_refuses_with_is_logged_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    client = Failing(Refused(429), Refused(404), *(Refused(404) for _ in range(20)))
    handler = InfinoCallbackHandler(client=client)

    with caplog.at_level(logging.WARNING):
        run(chat(), handler)

    assert [message.rpartition("logged. ")[2] for message in warnings_of(caplog)] == [
        "Refused('the server answered 429')",
        "Refused('the server answered 404 (are client and server of one generation?)')",
        "Refused('the server answered 404 (are client and server of one generation?)')",
    ]


def test_what_is_logged_of_a_failure_shows_no_secret(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INFINO_PASSWORD", "hunter2hunter2")
    failure = ConnectionError("http://me:hunter2hunter2@infino.example:3000")
    handler = InfinoCallbackHandler(client=Failing(*[failure] * 20))

    with caplog.at_level(logging.WARNING):
        run(chat(), handler)

    assert "http://me:<secret>@infino.example:3000" in caplog.text
    assert "hunter2" not in caplog.text


def test_what_ends_the_process_is_not_held_up() -> None:
    handler = InfinoCallbackHandler(client=Failing(KeyboardInterrupt()))

    with pytest.raises(KeyboardInterrupt):
        run(chat(), handler)


# What is shown


def test_verbose_prints_each_payload_as_langchains_class_does(
    client: ListClient, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "time", lambda: 1.0)
    handler = InfinoCallbackHandler("model", "1", True, client=client)

    handler.on_llm_start({}, ["hi"])

    assert capsys.readouterr().out == (
        "Tracking prompt with Infino: {'date': 1, 'prompt': 'hi', "
        "'labels': {'model_id': 'model', 'model_version': '1'}}\n"
    )


def test_verbose_prints_no_secret_and_sends_the_real_value(
    client: ListClient, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SERVICE_TOKEN", "tok-123456")
    handler = InfinoCallbackHandler(verbose=True, client=client)

    handler.on_llm_start({}, ["my token is tok-123456"])

    assert "'prompt': 'my token is <secret>'" in capsys.readouterr().out
    assert values(client.calls, "prompt") == ["my token is tok-123456"]


def test_it_prints_nothing_unless_verbose(
    handler: InfinoCallbackHandler, capsys: pytest.CaptureFixture[str]
) -> None:
    run(chat(), handler)

    assert capsys.readouterr().out == ""


# In production


def test_what_was_kept_of_a_run_is_let_go_of_when_it_ends(handler: InfinoCallbackHandler) -> None:
    class Failure(Exception):
        """One that can be referred to weakly."""

    failures: list[weakref.ref[Failure]] = []

    def fail(value: Any) -> Any:
        failure = Failure()
        failures.append(weakref.ref(failure))
        raise failure

    chain = RunnableLambda(lambda value: value) | RunnableLambda(fail)
    for _ in range(20):
        with pytest.raises(Failure):
            chain.invoke("x", {"callbacks": [handler]})
    gc.collect()

    assert len(failures) == 20
    assert [failure() for failure in failures] == [None] * 20


def size_of(handler: InfinoCallbackHandler) -> int:
    """How many objects are kept for it."""
    seen: set[int] = set()
    todo: list[Any] = [vars(handler)["_payloads"]]
    while todo:
        thing = todo.pop()
        if id(thing) not in seen and not inspect.isclass(thing) and not inspect.ismodule(thing):
            seen.add(id(thing))
            todo += gc.get_referents(thing)
    return len(seen)


@pytest.mark.parametrize("limit", [10, 100])
def test_its_memory_is_bounded_though_no_run_ever_ends(
    limit: int, client: ListClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MOST_RUNS", limit)
    handler = InfinoCallbackHandler(client=client)

    def start(number: int) -> None:
        for _ in range(number):
            handler.on_llm_start({}, ["hi"], run_id=uuid4())

    start(limit)
    full = size_of(handler)
    start(limit)

    assert size_of(handler) <= full


def test_its_memory_is_bounded_though_a_run_fails_below_forever(
    client: ListClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MOST_RUNS", 10)
    monkeypatch.setattr(module, "MOST_ERRORS", 5)
    handler = InfinoCallbackHandler(client=client)
    parent = uuid4()
    handler.on_chain_start({}, {}, run_id=parent)

    def fail(number: int) -> None:
        for _ in range(number):
            run_id = uuid4()
            handler.on_tool_start({}, "x", run_id=run_id)
            handler.on_tool_error(ValueError("no"), run_id=run_id, parent_run_id=parent)

    fail(10)
    full = size_of(handler)
    fail(50)

    assert size_of(handler) <= full
    assert len(client.calls) == 60


def test_a_run_that_was_forgotten_sends_all_but_its_latency(
    client: ListClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MOST_RUNS", 2)
    handler = InfinoCallbackHandler(client=client)
    run_ids = [uuid4() for _ in range(3)]
    for run_id in run_ids:
        handler.on_llm_start({}, ["hi"], run_id=run_id)
    client.calls.clear()

    handler.on_llm_end(ANSWER, run_id=run_ids[0])
    assert keys(client.calls) == ["error", "prompt_response"]

    handler.on_llm_end(ANSWER, run_id=run_ids[2])
    assert keys(client.calls)[2:] == ["latency", "error", "prompt_response"]


def test_a_deep_copy_of_a_model_reports_to_the_same_handler(
    handler: InfinoCallbackHandler, client: ListClient
) -> None:
    model = chat("hello", usage=None, callbacks=[handler])

    run(model.model_copy(deep=True))

    assert len(client.calls) == 4


def test_importing_it_imports_no_client_no_tokenizer_and_no_tracer() -> None:
    code = (
        "import sys; from pytest_runlog import InfinoCallbackHandler, InfinoRecorder; "
        "InfinoCallbackHandler(client=InfinoRecorder()); "
        "print({'infinopy', 'infino', 'tiktoken', 'langchain_community', 'requests'} "
        "& {*sys.modules})"
    )

    done = subprocess.run(  # noqa: S603 (our own code)
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )

    assert done.stdout.strip() == "set()"
