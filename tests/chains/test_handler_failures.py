"""A failure inside a handler of ours: the chain does not notice, and the recording knows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from langchain_core.callbacks import adispatch_custom_event, dispatch_custom_event
from langchain_core.runnables import Runnable, RunnableConfig, RunnableLambda

import pytest_runlog
from pytest_runlog.model.events import KINDS
from support.chains import question_chain, retriever, search
from support.doors import INPUT, collect
from support.models import ModelDown, chat, completion
from support.observed import Bystander, observe

if TYPE_CHECKING:
    from pytest_runlog import RunLogCapture


class Full(Exception):
    """What our handler fails with."""


def eventful() -> Runnable[Any, Any]:
    """A chain that makes LangChain report every kind of event."""

    def function(value: Any, run_manager: Any, config: RunnableConfig) -> Any:
        run_manager.on_text("a text")
        dispatch_custom_event("progress", {"of": value}, config=config)
        search.invoke(value, config)
        retriever().invoke(value, config)
        completion().invoke(value, config)
        return {"question": value}

    async def afunction(value: Any, run_manager: Any, config: RunnableConfig) -> Any:
        await run_manager.on_text("a text")
        await adispatch_custom_event("progress", {"of": value}, config=config)
        await search.ainvoke(value, config)
        await retriever().ainvoke(value, config)
        await completion().ainvoke(value, config)
        return {"question": value}

    broken = question_chain(chat(ModelDown("down")))
    return RunnableLambda(function, afunction) | broken.with_fallbacks([question_chain()])


def stream(config: RunnableConfig) -> Any:
    return list(eventful().stream("x", config))


async def astream(config: RunnableConfig) -> Any:
    return await collect(eventful().astream("x", config))


def fail(log: RunLogCapture, *kinds: type) -> None:
    """Make the handler fail to record events of these kinds."""
    callbacks: Any = log.config()["callbacks"]
    handler = callbacks[0]
    emit = handler.emit

    def emit_or_fail(event: Any) -> None:
        if KINDS[event[1]] in kinds:
            raise Full(KINDS[event[1]].__name__)
        emit(event)

    handler.emit = emit_or_fail


@pytest.mark.parametrize("door", [stream, astream])
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_a_failure_to_record_an_event_is_kept_and_the_chain_goes_on(kind: type, door: Any) -> None:
    without = observe(door, Bystander)
    with pytest_runlog.record() as log:
        fail(log, kind)
        recorded = observe(door, Bystander)
        failures = list(log.failures)
        log.failures.clear()
    assert recorded == without
    assert not recorded.failed
    assert {str(failure) for failure in failures} == {kind.__name__}
    assert {type(failure) for failure in failures} == {Full}


@pytest.mark.parametrize("door", [stream, astream])
@pytest.mark.parametrize("name", ["freeze", "spread"])
def test_a_failure_to_copy_values_is_kept_and_the_chain_goes_on(
    name: str, door: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*args: Any) -> Any:
        raise Full

    without = observe(door, Bystander)
    monkeypatch.setattr(f"pytest_runlog.recording.handler.{name}", full)
    with pytest_runlog.record() as log:
        recorded = observe(door, Bystander)
        failures = list(log.failures)
        log.failures.clear()
    assert recorded == without
    assert {type(failure) for failure in failures} == {Full}


def test_the_other_events_are_recorded() -> None:
    with pytest_runlog.record() as log:
        fail(log, *[kind for kind in KINDS if kind.__name__ == "End"])
        question_chain().invoke(INPUT)
        log.failures.clear()
    assert log.names == ["RunnableSequence", "ChatPromptTemplate", "FakeChat", "StrOutputParser"]
    assert {run.status for run in log.runs} == {"unfinished"}


def test_a_run_whose_start_was_not_recorded_is_still_there() -> None:
    with pytest_runlog.record() as log:
        fail(log, *[kind for kind in KINDS if kind.__name__ == "Start"])
        chat("hi").invoke("x")
        log.failures.clear()
    assert [(run.type, run.status, run.output.content) for run in log.runs] == [("llm", "ok", "hi")]


def test_a_failure_is_known_to_every_recording_that_is_open() -> None:
    with pytest_runlog.record() as outer:
        with outer.capture() as inner:
            fail(inner, *KINDS)
            assert chat("hi").invoke("x").content == "hi"
        failures = [len(outer.failures), len(inner.failures)]
        outer.failures.clear()
    assert failures == [2, 2]


def test_an_interruption_inside_a_handler_is_let_through() -> None:
    # Control-C can hit anywhere, also in a handler.
    def interrupted(event: Any) -> None:
        raise KeyboardInterrupt

    with pytest_runlog.record() as log:
        callbacks: Any = log.config()["callbacks"]
        callbacks[0].emit = interrupted
        with pytest.raises(KeyboardInterrupt):
            chat().invoke("x")
    assert log.failures == []
