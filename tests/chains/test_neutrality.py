"""Recording changes nothing: not what a chain does, nor what anybody else sees of it."""

from __future__ import annotations

import asyncio
import copy
import gc
import pickle
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import pytest
from langchain_core.caches import InMemoryCache
from langchain_core.callbacks import BaseCallbackHandler, CallbackManager
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage
from langchain_core.runnables import (
    Runnable,
    RunnableConfig,
    RunnableGenerator,
    RunnableLambda,
    RunnablePassthrough,
)

import pytest_runlog
from pytest_runlog.capture import open_capture
from pytest_runlog.defaults import Options
from support import races
from support.chains import (
    question_chain,
)
from support.doors import CASES, FAILING, INPUT, RACING, collect, letters
from support.models import (
    ModelDown,
    chat,
    completion,
)
from support.observed import BYSTANDERS, Bystander, observe

pytestmark = [
    pytest.mark.filterwarnings("ignore:astream_log is deprecated"),
    pytest.mark.filterwarnings("ignore:astream_events version='v1' is deprecated"),
    pytest.mark.filterwarnings("ignore:.*MessageHistory.* (is|was) deprecated"),
    pytest.mark.filterwarnings("ignore:The (method .*_v3. is in beta|v3 streaming protocol)"),
]


@pytest.mark.parametrize("bystander", BYSTANDERS)
@pytest.mark.parametrize("name", CASES)
def test_a_chain_looks_the_same_while_it_is_recorded(name: str, bystander: str) -> None:
    without = observe(CASES[name], BYSTANDERS[bystander])
    with pytest_runlog.record() as log:
        recorded = observe(CASES[name], BYSTANDERS[bystander])
    assert recorded == without
    assert recorded.failed == (name in FAILING)
    assert log.runs
    assert log.failures == []


@pytest.mark.parametrize("bystander", BYSTANDERS)
@pytest.mark.parametrize("name", RACING)
def test_a_chain_with_races_looks_the_same_but_for_their_order(name: str, bystander: str) -> None:
    without = observe(RACING[name], BYSTANDERS[bystander])
    with pytest_runlog.record() as log:
        recorded = observe(RACING[name], BYSTANDERS[bystander])
    assert recorded.in_any_order() == without.in_any_order()
    assert not recorded.failed
    assert log.runs
    assert log.failures == []


@pytest.mark.parametrize("name", races.CASES)
def test_a_race_calls_the_same_functions_while_it_is_recorded(name: str) -> None:
    def race(config: RunnableConfig) -> Any:
        return races.CASES[name]()

    without = observe(race)
    with pytest_runlog.record() as log:
        recorded = observe(race)
    assert recorded.in_any_order() == without.in_any_order()
    assert not recorded.failed
    assert log.failures == []


def test_several_handlers_see_the_same_beside_each_other() -> None:
    def seen() -> list[list[str]]:
        handlers = [create() for create in BYSTANDERS.values() if create is not None]
        question_chain().invoke(INPUT, {"callbacks": [*handlers]})
        asyncio.run(collect(question_chain().astream(INPUT, {"callbacks": [*handlers]})))
        return [handler.events for handler in handlers]

    without = seen()
    with pytest_runlog.record():
        assert seen() == without


def test_a_chain_finds_one_more_handler_and_no_other_change() -> None:
    managers: list[Any] = []

    def look(value: Any, config: RunnableConfig) -> None:
        managers.append(config["callbacks"])

    mine = Bystander()
    config: RunnableConfig = {"callbacks": [mine], "tags": ["a"], "metadata": {"b": 1}}
    RunnableLambda(look).invoke("x", config)
    with pytest_runlog.record():
        RunnableLambda(look).invoke("x", config)
    without, recorded = managers
    assert without.handlers == [mine]
    assert [mine] == recorded.handlers[:1]
    assert len(recorded.handlers) == 2
    assert (recorded.tags, recorded.inheritable_tags) == (without.tags, without.inheritable_tags)
    assert recorded.metadata == without.metadata


def test_nothing_that_the_chain_is_given_changes() -> None:
    handler = Bystander()
    callbacks: list[BaseCallbackHandler] = [handler]
    config: RunnableConfig = {
        "callbacks": callbacks,
        "tags": ["a"],
        "metadata": {"b": {"c": [1]}},
        "configurable": {"d": {"e": [2]}},
    }
    messages = [SystemMessage("be kind"), HumanMessage([{"type": "text", "text": "hi"}])]
    before = [message.model_copy(deep=True) for message in messages]
    with pytest_runlog.record() as log:
        chat().invoke(messages, config)
        log.tree("full")
    assert config == {
        "callbacks": [handler],
        "tags": ["a"],
        "metadata": {"b": {"c": [1]}},
        "configurable": {"d": {"e": [2]}},
    }
    assert config["callbacks"] is callbacks
    assert messages == before


def test_a_callback_manager_of_the_users_gets_no_handler() -> None:
    mine = Bystander()
    manager = CallbackManager([mine], inheritable_handlers=[mine])
    with pytest_runlog.record() as log:
        question_chain().invoke(INPUT, {"callbacks": manager})
    assert manager.handlers == manager.inheritable_handlers == [mine]
    assert len(log.runs) == 4


def pickled(value: Any) -> Any:
    return pickle.loads(pickle.dumps(value))  # noqa: S301 (it is our own)


@pytest.mark.parametrize("duplicate", [copy.deepcopy, pickled])
def test_a_chain_can_copy_its_config(duplicate: Callable[[Any], Any]) -> None:
    def function(value: Any, config: RunnableConfig) -> Any:
        return question_chain().invoke(value, duplicate(config))

    without = RunnableLambda(function).invoke(INPUT)
    with pytest_runlog.record() as log:
        assert RunnableLambda(function).invoke(INPUT) == without
    assert log.names[1:] == [
        "RunnableSequence",
        "ChatPromptTemplate",
        "FakeChat",
        "StrOutputParser",
    ]
    assert len(log.roots) == 1


class Untouchable:
    """Whatever is done to it fails."""

    def __getattribute__(self, name: str) -> Any:
        raise RuntimeError(f"somebody asked for {name}")

    def _touched(self, *args: Any) -> Any:
        raise RuntimeError("somebody touched it")

    __eq__ = __hash__ = __iter__ = __len__ = __bool__ = __repr__ = __str__ = _touched
    __copy__ = __deepcopy__ = __reduce__ = __reduce_ex__ = __getitem__ = __contains__ = _touched


def test_objects_of_the_users_are_passed_on_untouched() -> None:
    thing, seen = Untouchable(), []

    def first(value: Any) -> dict[str, Any]:
        return {"thing": thing, "lock": threading.Lock(), "generator": iter("abc")}

    def second(value: dict[str, Any]) -> str:
        seen.append(value["thing"])
        return "".join(value["generator"])

    with pytest_runlog.record() as log:
        assert (RunnableLambda(first) | second).invoke("x") == "abc"
    assert seen[0] is thing
    assert log.failures == []


def test_values_are_handed_on_as_the_same_objects() -> None:
    values: list[Any] = [{"a": [1]}, [HumanMessage("x")], AIMessage("y")]
    passed: list[Any] = []
    with pytest_runlog.record():
        for value in values:
            (RunnableLambda(lambda value: value) | passed.append).invoke(value)
            list((RunnablePassthrough() | RunnableLambda(passed.append)).stream(value))
    assert [id(value) for value in passed] == [id(value) for value in values for _ in range(2)]


def test_an_async_chain_does_not_wait_for_a_busy_executor() -> None:
    async def main() -> str:
        release = threading.Event()
        loop = asyncio.get_running_loop()
        loop.set_default_executor(ThreadPoolExecutor(1))
        busy = loop.run_in_executor(None, release.wait)
        try:
            return await asyncio.wait_for(answers(), timeout=30)
        finally:
            release.set()
            await busy

    async def answers() -> str:
        chunks = [str(chunk.content) async for chunk in chat("hello ").astream("x")]
        return "".join([*chunks, await completion("there").ainvoke("x")])

    with pytest_runlog.record() as log:
        assert asyncio.run(main()) == "hello there"
    assert log.names == ["FakeChat", "FakeListLLM"]


STREAMING_METHODS = ("_transform_stream_with_config", "_atransform_stream_with_config")


def streamed_letters() -> Runnable[Any, str]:
    return RunnablePassthrough() | RunnableGenerator[Any, str](letters)


def streaming_methods() -> list[Any]:
    return [vars(Runnable)[name] for name in STREAMING_METHODS]


def test_langchains_methods_are_restored_when_the_last_recording_closes() -> None:
    originals = streaming_methods()
    with pytest_runlog.record() as outer:
        assert streaming_methods() != originals
        with outer.capture():
            list(question_chain().stream(INPUT))
        assert streaming_methods() != originals
    assert streaming_methods() == originals


def test_langchains_methods_are_restored_in_whatever_order_recordings_close() -> None:
    originals = streaming_methods()
    first, second, third = (open_capture(Options()) for _ in range(3))
    for capture in (first, third, second):
        assert streaming_methods() != originals
        capture.close()
    assert streaming_methods() == originals


def test_langchains_methods_are_restored_after_an_error() -> None:
    originals = streaming_methods()
    with pytest.raises(ModelDown), pytest_runlog.record():
        list(question_chain(chat(ModelDown("down"))).stream(INPUT))
    assert streaming_methods() == originals


def test_langchains_methods_stay_as_they_are_without_chunks() -> None:
    originals = streaming_methods()
    with pytest_runlog.record(options=Options(chunks=False)) as log:
        assert streaming_methods() == originals
        list(question_chain().stream(INPUT))
    assert [bool(run.chunks) for run in log.runs] == [False, False, True, False]


def test_a_wrapper_that_somebody_else_put_around_ours_goes_on_working(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    name = STREAMING_METHODS[0]
    monkeypatch.setattr(Runnable, name, vars(Runnable)[name])  # restores it after the test
    calls: list[str] = []
    with pytest_runlog.record():
        ours = vars(Runnable)[name]

        def theirs(self: Any, *args: Any, **kwargs: Any) -> Any:
            calls.append("theirs")
            return ours(self, *args, **kwargs)

        setattr(Runnable, name, theirs)
    chunks = list(streamed_letters().stream("x"))
    assert chunks == list("abcdef")
    assert calls
    assert vars(Runnable)[name] is theirs


def test_a_wrapper_that_somebody_put_back_is_in_nobodys_way(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    name = STREAMING_METHODS[0]
    monkeypatch.setattr(Runnable, name, vars(Runnable)[name])  # restores it after the test
    with pytest.MonkeyPatch.context() as theirs, pytest_runlog.record():
        theirs.setattr(Runnable, name, lambda *args, **kwargs: iter(()))
    with pytest_runlog.record() as log:
        assert list(streamed_letters().stream("x")) == list("abcdef")
    assert [chunk.value for chunk in log.root.chunks] == list("abcdef")


def test_a_stream_that_is_open_when_the_recording_ends_goes_on() -> None:
    with pytest_runlog.record() as log:
        chunks = streamed_letters().stream("x")
        first = next(chunks)
    assert [first, *chunks] == list("abcdef")
    assert log.root.status == "ok"
    assert [chunk.value for chunk in log.root.chunks] == list("abcdef")


def test_a_stream_that_was_open_before_the_recording_goes_on_unrecorded() -> None:
    chunks = streamed_letters().stream("x")
    first = next(chunks)
    with pytest_runlog.record() as log:
        assert [first, *chunks] == list("abcdef")
    assert log.names == []


def test_what_a_failed_stream_has_not_read_is_closed_when_the_log_is_cleared() -> None:
    # Its frames live as long as the exception does, and the log shows the exception itself.
    closed: list[str] = []

    def source(chunks: Iterator[Any]) -> Iterator[str]:
        try:
            yield from "abc"
        finally:
            closed.append("source")

    def reader(chunks: Iterator[str]) -> Iterator[str]:
        yield next(chunks)
        raise ValueError("enough")

    with pytest_runlog.record() as log:
        with suppress(ValueError):
            list((RunnableGenerator(source) | RunnableGenerator(reader)).stream("x"))
        assert isinstance(log.root.error, ValueError)
        log.clear()
        gc.collect()
        assert closed == ["source"]


def test_a_cached_answer_is_taken_from_the_cache() -> None:
    cache = InMemoryCache()

    def calls() -> list[str]:
        return observe(lambda config: chat(cache=cache).invoke("x", config)).calls

    with pytest_runlog.record():
        assert calls() == ["FakeChat._generate on MainThread"]
        assert calls() == []
    assert calls() == []
