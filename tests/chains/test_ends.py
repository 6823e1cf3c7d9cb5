"""However a run ends, the record says so: nothing hangs, and no interruption is an error."""

from __future__ import annotations

import asyncio
import gc
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypedDict

import pytest
from langchain_core.runnables import (
    Runnable,
    RunnableConfig,
    RunnableGenerator,
    RunnableLambda,
    RunnableParallel,
)
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.errors import GraphInterrupt
from langgraph.graph import END, START, StateGraph
from langgraph.types import Command, RetryPolicy, interrupt

import pytest_runlog
from support.chains import ANSWER, question_chain, retriever
from support.models import FakeChat, ModelDown, chat, flaky

if TYPE_CHECKING:
    from langchain_core.callbacks import AsyncCallbackManagerForLLMRun
    from langchain_core.messages import BaseMessage
    from langchain_core.outputs import ChatResult

    from pytest_runlog import Run, RunLogCapture

INPUT = {"question": "why?"}


def statuses(log: RunLogCapture) -> dict[str, str]:
    return {run.path: run.status for run in log.runs}


def passing(name: str) -> Runnable[Any, Any]:
    return RunnableLambda(lambda value: value, name=name)


def letters(chunks: Iterator[Any]) -> Iterator[str]:
    for _ in chunks:
        pass
    yield from "abc"


async def aletters(chunks: AsyncIterator[Any]) -> AsyncIterator[str]:
    async for _ in chunks:
        pass
    for letter in "abc":
        yield letter


def lettering() -> Runnable[Any, str]:
    return passing("before") | RunnableGenerator(letters, aletters)


# Broken off from outside


class Waiting:
    """Lets a test wait until a step of its chain waits for ever."""

    def __init__(self) -> None:
        self.begun = asyncio.Event()

    async def __call__(self, value: Any) -> None:
        self.begun.set()
        await asyncio.Event().wait()


async def cancel(chain: Runnable[Any, Any], waiting: Waiting) -> None:
    task = asyncio.ensure_future(chain.ainvoke("x"))
    await waiting.begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


def test_a_cancelled_chain_is_interrupted_from_the_step_to_the_root() -> None:
    async def main() -> None:
        waiting = Waiting()
        await cancel(passing("before") | RunnableLambda(waiting.__call__, name="wait"), waiting)

    with pytest_runlog.record() as log:
        asyncio.run(main())
    assert statuses(log) == {
        "RunnableSequence": "interrupted",
        "RunnableSequence/before": "ok",
        "RunnableSequence/wait": "interrupted",
    }
    assert not log.errors
    assert isinstance(log.root.interrupt, asyncio.CancelledError)
    assert log.root.error is None


class WaitingChat(FakeChat):
    """A chat model that does not answer."""

    waiting: Any

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        await self.waiting(messages)
        raise AssertionError("it was to wait for ever")


def test_a_cancelled_chat_model_is_unfinished_because_langchain_does_not_report_its_end() -> None:
    async def main() -> None:
        waiting = Waiting()
        await cancel(passing("before") | WaitingChat(answers=[], waiting=waiting), waiting)

    with pytest_runlog.record() as log:
        asyncio.run(main())
    assert statuses(log)["RunnableSequence"] == "interrupted"
    assert log.unfinished.names == ["WaitingChat"]
    assert log.unfinished[0].latency is None
    assert not log.errors


def test_a_chain_that_takes_too_long_is_interrupted() -> None:
    async def main() -> None:
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(RunnableLambda(Waiting().__call__).ainvoke("x"), timeout=0.001)

    with pytest_runlog.record() as log:
        asyncio.run(main())
    assert log.root.status == "interrupted"
    assert not log.errors


@pytest.mark.parametrize("error", [KeyboardInterrupt(), SystemExit(3)])
def test_what_ends_the_process_is_no_error_of_the_chain(error: BaseException) -> None:
    def function(value: Any) -> None:
        raise error

    with pytest_runlog.record() as log, pytest.raises(type(error)):
        (passing("before") | function).invoke("x")
    assert statuses(log) == {
        "RunnableSequence": "interrupted",
        "RunnableSequence/before": "ok",
        "RunnableSequence/function": "interrupted",
    }
    assert log.root.interrupt is error
    assert not log.errors


@pytest.mark.parametrize("error", [KeyboardInterrupt(), asyncio.CancelledError()])
def test_a_retriever_that_is_broken_off_is_unfinished(error: BaseException) -> None:
    with pytest_runlog.record() as log, pytest.raises(type(error)):
        (passing("before") | retriever(error=error)).invoke("x")
    assert log.unfinished.names == ["FakeRetriever"]
    assert log.root.status == "interrupted"
    assert not log.errors


# Streams


def test_a_stream_that_is_closed_early_is_read_to_its_end_by_langchain() -> None:
    with pytest_runlog.record() as log:
        chunks: Any = lettering().stream("x")
        next(chunks)
        chunks.close()
    assert set(statuses(log).values()) == {"ok"}
    assert not log.errors


def test_a_stream_that_is_broken_off_is_closed_with_its_last_reference() -> None:
    with pytest_runlog.record() as log:
        for _ in lettering().stream("x"):
            break
        gc.collect()
    assert set(statuses(log).values()) == {"ok"}


def test_a_stream_that_is_kept_open_is_unfinished() -> None:
    with pytest_runlog.record() as log:
        chunks = lettering().stream("x")
        assert next(chunks) == "a"
        assert statuses(log) == {
            "RunnableSequence": "unfinished",
            "RunnableSequence/before": "ok",
            "RunnableSequence/letters": "unfinished",
        }
    assert [chunk.value for chunk in log.root.chunks] == ["a"]
    assert list(chunks) == ["b", "c"]
    assert set(statuses(log).values()) == {"ok"}


def test_an_async_stream_that_is_closed_early_is_interrupted() -> None:
    async def main() -> None:
        chunks: Any = lettering().astream("x")
        await anext(chunks)
        await chunks.aclose()

    with pytest_runlog.record() as log:
        asyncio.run(main())
    assert log.root.status == "interrupted"
    assert isinstance(log.root.interrupt, GeneratorExit)
    assert not log.errors


def test_an_async_stream_that_is_broken_off_is_no_error() -> None:
    async def main() -> None:
        async for _ in lettering().astream("x"):
            break

    with pytest_runlog.record() as log:
        asyncio.run(main())
    assert not log.errors
    assert log.names[:1] == ["RunnableSequence"]


def test_events_that_are_broken_off_leave_no_error() -> None:
    async def main() -> None:
        events: Any = lettering().astream_events("x", version="v2")
        for _ in range(4):
            await anext(events)
        await events.aclose()

    with pytest_runlog.record() as log:
        asyncio.run(main())
    assert not log.errors
    assert log.root.status in {"interrupted", "unfinished"}


# Graphs


class State(TypedDict, total=False):
    answer: str


def asking_graph() -> Any:
    def ask(state: State) -> State:
        return {"answer": interrupt("really?")}

    builder = StateGraph(State)
    builder.add_node("ask", ask)
    builder.add_edge(START, "ask")
    return builder.compile(checkpointer=InMemorySaver())


def test_an_interrupt_of_a_graph_is_no_error_and_the_node_says_so() -> None:
    with pytest_runlog.record() as log:
        asking_graph().invoke({"answer": ""}, {"configurable": {"thread_id": "1"}})
    assert statuses(log) == {"LangGraph": "ok", "LangGraph/ask": "interrupted"}
    assert isinstance(log.one("ask").interrupt, GraphInterrupt)
    assert not log.errors


def test_a_resumed_graph_is_a_run_of_its_own_that_ends_well() -> None:
    graph = asking_graph()
    config: RunnableConfig = {"configurable": {"thread_id": "1"}}
    with pytest_runlog.record() as log:
        graph.invoke({"answer": ""}, config)
        graph.invoke(Command(resume="yes"), config)
    assert [[run.status for run in [root, *root.children]] for root in log.roots] == [
        ["ok", "interrupted"],
        ["ok", "ok"],
    ]
    assert log.roots[1].output == {"answer": "yes"}


def test_an_interrupted_graph_looks_the_same_every_time() -> None:
    # What LangGraph makes an interrupt's id from differs.
    def interrupted(value: Any) -> Any:
        config: RunnableConfig = {"configurable": {"thread_id": "1"}}
        return list(asking_graph().stream({"answer": "(id='0')"}, config, stream_mode="updates"))

    logs = []
    for _ in range(2):
        with pytest_runlog.record() as log:
            RunnableLambda(interrupted).invoke("x")
        logs.append(log)
    first, second = logs
    assert first.tree("full") == second.tree("full")
    assert first.to_dict() == second.to_dict()
    assert "Interrupt(value='really?'" in first.tree()


def test_an_interrupt_in_a_graph_in_a_graph_is_no_error() -> None:
    builder = StateGraph(State)
    builder.add_node("inner", asking_graph())
    builder.add_edge(START, "inner")
    graph = builder.compile(checkpointer=InMemorySaver())
    with pytest_runlog.record() as log:
        graph.invoke({"answer": ""}, {"configurable": {"thread_id": "1"}})
    assert not log.errors
    assert log.root.status == "ok"
    assert log.one("ask").status == "interrupted"


def test_a_command_to_the_parent_graph_is_the_output_of_the_node() -> None:
    command: Command[Any] = Command(graph=Command.PARENT, goto="after", update={"answer": "up"})
    inner = StateGraph(State)
    inner.add_node("up", lambda state: command, destinations=(END,))
    inner.add_edge(START, "up")
    builder = StateGraph(State)
    builder.add_node("inner", inner.compile(), destinations=("after",))
    builder.add_node("after", lambda state: {"answer": state["answer"] + "!"})
    builder.add_edge(START, "inner")
    with pytest_runlog.record() as log:
        assert builder.compile().invoke({"answer": ""}) == {"answer": "up!"}
    assert not log.errors
    assert set(statuses(log).values()) == {"ok"}
    assert log.one("up").output.goto == "after"


def test_a_node_that_takes_too_long_is_an_error_because_langgraph_raises_one() -> None:
    async def wait(state: State) -> State:
        await asyncio.Event().wait()
        return state

    builder = StateGraph(State)
    builder.add_node("wait", wait)
    builder.add_edge(START, "wait")
    graph = builder.compile()
    graph.step_timeout = 0.01
    with pytest_runlog.record() as log, pytest.raises(asyncio.TimeoutError):
        asyncio.run(graph.ainvoke({"answer": ""}))
    assert log.errors.names == ["LangGraph"]
    assert log.one("wait").status == "interrupted"


def test_a_retried_node_has_the_error_of_its_first_attempt() -> None:
    chain = question_chain(flaky(ANSWER))
    builder = StateGraph(State)
    builder.add_node(
        "ask",
        lambda state, config: {"answer": chain.invoke(INPUT, config)},
        retry_policy=RetryPolicy(initial_interval=0, jitter=False, retry_on=ModelDown),
    )
    builder.add_edge(START, "ask")
    with pytest_runlog.record() as log:
        assert builder.compile().invoke({"answer": ""}) == {"answer": ANSWER}
    assert log.root.status == "ok"
    assert log.errors.names == log.recovered.names == ["FakeChat"]


# Errors beside others


def test_an_error_of_a_sibling_after_the_roots_is_recorded() -> None:
    async def main() -> None:
        waiting = Waiting()

        async def fail(value: Any) -> None:
            await waiting.begun.wait()
            raise ValueError("no")

        with pytest.raises(ValueError, match="no"):
            await RunnableParallel(a=waiting.__call__, b=fail).ainvoke("x")

    with pytest_runlog.record() as log:
        asyncio.run(main())
    assert log.root.status == "error"
    assert log.errors.names == ["fail"]
    waiting_run = log.one(tag="map:key:a")
    assert waiting_run.status == "interrupted"
    assert waiting_run.end_ns is not None
    assert log.root.end_ns is not None
    assert waiting_run.end_ns > log.root.end_ns


def test_the_error_of_an_attempt_is_recovered_when_a_later_one_ends_well() -> None:
    model = flaky(ANSWER, times=2).with_retry(stop_after_attempt=3, wait_exponential_jitter=False)
    with pytest_runlog.record() as log:
        question_chain(model).invoke(INPUT)
    attempts = log.root.children.find("FakeChat")[0].children
    assert [(run.attempt, run.status) for run in attempts] == [
        (1, "error"),
        (2, "error"),
        (3, "ok"),
    ]
    assert log.recovered == log.errors == attempts[:2]


def test_the_error_of_the_last_attempt_is_not_recovered() -> None:
    model = flaky(ANSWER, times=2).with_retry(stop_after_attempt=2, wait_exponential_jitter=False)
    with pytest_runlog.record() as log, pytest.raises(ModelDown, match="attempt 2"):
        question_chain(model).invoke(INPUT)
    assert [run.attempt for run in log.errors] == [1, 2]
    assert [run.attempt for run in log.recovered] == [1]


def test_an_error_that_the_chain_itself_catches_is_recovered() -> None:
    def function(value: Any) -> str:
        with suppress(ModelDown):
            chat(ModelDown("down")).invoke(value)
        return "anyway"

    with pytest_runlog.record() as log:
        RunnableLambda(function).invoke("x")
    assert log.recovered.names == ["FakeChat"]


# Fallbacks, which LangChain reports with wrong parents (langchain#36072)


def down(name: str) -> Runnable[Any, Any]:
    def function(value: Any) -> Any:
        raise ModelDown(name)

    return RunnableLambda(function, name=name)


FALLING_BACK = ["RunnableWithFallbacks", "z first", "y second", "a third"]


def falling_back() -> Runnable[Any, Any]:
    return down("z first").with_fallbacks([down("y second"), passing("a third")])


def tried(run: Run) -> list[str]:
    return [child.name for child in run.children]


@pytest.mark.parametrize("with_config", [False, True])
@pytest.mark.parametrize("asynchronous", [False, True])
@pytest.mark.parametrize("in_a_sequence", [False, True])
def test_what_fallbacks_try_is_below_them_in_the_order_in_which_it_was_tried(
    *, in_a_sequence: bool, asynchronous: bool, with_config: bool
) -> None:
    chain = falling_back()
    if in_a_sequence:
        chain = passing("before") | chain | passing("after")
    with pytest_runlog.record() as log:
        config = log.config() if with_config else None
        if asynchronous:
            asyncio.run(chain.ainvoke("x", config))
        else:
            chain.invoke("x", config)
    expected = ["RunnableSequence", "before", *FALLING_BACK, "after"]
    assert log.names == (expected if in_a_sequence else FALLING_BACK)
    assert tried(log.one("RunnableWithFallbacks")) == FALLING_BACK[1:]
    assert log.errors.names == log.recovered.names == FALLING_BACK[1:3]


def test_fallbacks_of_fallbacks_are_each_below_their_own() -> None:
    inner = down("b").with_fallbacks([passing("a")])
    with pytest_runlog.record() as log:
        (passing("before") | down("c").with_fallbacks([inner])).invoke("x")
    outer, nested = log.find("RunnableWithFallbacks")
    assert tried(outer) == ["c", "RunnableWithFallbacks"]
    assert outer.children[1] == nested
    assert tried(nested) == ["b", "a"]


def test_fallbacks_beside_each_other_have_each_their_own() -> None:
    async def main() -> None:
        async def both(value: Any, config: RunnableConfig) -> None:
            await asyncio.gather(*[falling_back().ainvoke(text, config) for text in "xyz"])

        await RunnableLambda(both).ainvoke("x")

    with pytest_runlog.record() as log:
        asyncio.run(main())
    assert tried(log.root) == ["RunnableWithFallbacks"] * 3
    for run, text in zip(log.root.children, "xyz"):
        assert tried(run) == FALLING_BACK[1:]
        assert {child.inputs for child in run.children} == {text}


def test_fallbacks_after_each_other_have_each_their_own() -> None:
    def function(value: Any, config: RunnableConfig) -> None:
        falling_back().invoke("one", config)
        passing("between").invoke("x", config)
        falling_back().invoke("two", config)

    with pytest_runlog.record() as log:
        RunnableLambda(function).invoke("x")
    assert log.names == ["function", *FALLING_BACK, "between", *FALLING_BACK]


def test_retries_of_fallbacks_have_each_their_own() -> None:
    chain = (
        down("b")
        .with_fallbacks([down("a")])
        .with_retry(stop_after_attempt=2, wait_exponential_jitter=False)
    )
    with pytest_runlog.record() as log, pytest.raises(ModelDown):
        (passing("before") | chain).invoke("x")
    attempts = log.find("RunnableWithFallbacks")[1:]
    assert [(run.attempt, tried(run)) for run in attempts] == [(1, ["b", "a"]), (2, ["b", "a"])]


def test_a_run_that_the_user_put_below_another_stays_there() -> None:
    given: list[RunnableConfig] = []

    def outer(value: Any, config: RunnableConfig) -> None:
        given.append(config)
        chain = RunnableLambda(inner, name="inner").with_fallbacks([passing("never")])
        chain.invoke(value, config)

    def inner(value: Any) -> None:
        passing("elsewhere").invoke(value, given[0])

    with pytest_runlog.record() as log:
        RunnableLambda(outer).invoke("x")
    assert tried(log.root) == ["RunnableWithFallbacks", "elsewhere"]
    assert tried(log.one("RunnableWithFallbacks")) == ["inner"]


def test_a_run_beside_fallbacks_in_another_task_stays_beside_them() -> None:
    async def main() -> None:
        trying, started = asyncio.Event(), asyncio.Event()

        async def first(value: Any) -> None:
            trying.set()
            await started.wait()

        async def other(config: RunnableConfig) -> None:
            await trying.wait()
            started.set()
            await passing("other").ainvoke("x", config)

        async def both(value: Any, config: RunnableConfig) -> None:
            chain = RunnableLambda(first, name="first").with_fallbacks([passing("never")])
            await asyncio.gather(chain.ainvoke("x", config), other(config))

        await RunnableLambda(both).ainvoke("x")

    with pytest_runlog.record() as log:
        asyncio.run(main())
    assert sorted(tried(log.root)) == ["RunnableWithFallbacks", "other"]
    assert tried(log.one("RunnableWithFallbacks")) == ["first"]


# Looked at while it still runs


def test_a_log_can_be_read_while_its_chain_waits() -> None:
    begun, release = threading.Event(), threading.Event()

    def wait(value: Any) -> Any:
        begun.set()
        release.wait()
        return value

    with pytest_runlog.record() as log:
        thread = threading.Thread(
            target=(passing("before") | wait | passing("after")).invoke, args="x"
        )
        thread.start()
        begun.wait()
        assert statuses(log) == {
            "RunnableSequence": "unfinished",
            "RunnableSequence/before": "ok",
            "RunnableSequence/wait": "unfinished",
        }
        release.set()
        thread.join()
    assert log.unfinished == []
    assert log.names == ["RunnableSequence", "before", "wait", "after"]
