"""The assertions of a capture on real chains, graphs and agents."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain.agents.middleware import ModelFallbackMiddleware, ToolRetryMiddleware
from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.messages.tool import ToolCall
from langchain_core.output_parsers import JsonOutputParser
from langchain_core.runnables import Runnable, RunnableConfig, RunnableLambda, RunnableParallel
from langchain_core.tools import tool
from langgraph.graph import END, START, MessagesState, StateGraph

from pytest_runlog import RunLogCapture, record
from pytest_runlog.model.streams import adds_up
from support.chains import (
    ANSWER,
    QUESTION,
    Unreachable,
    add,
    agent,
    broken,
    graph,
    question_chain,
    retrieval_chain,
    retriever,
    search,
)
from support.models import FakeCompletion, ModelDown, calling, chat, flaky, streaming_completion

ASKED: Any = {"messages": [HumanMessage("?")]}
INPUT = {"question": QUESTION}


@pytest.fixture
def log() -> Iterator[RunLogCapture]:
    with record() as capture:
        yield capture


def fails(check: Callable[[], object]) -> bool:
    try:
        check()
    except AssertionError:
        return True
    return False


def asking(*calls: tuple[str, dict[str, Any]]) -> AIMessage:
    """The message of a model that asks for these tools at once."""
    return AIMessage(
        "",
        tool_calls=[
            ToolCall(name=name, args=args, id=f"call-{number}", type="tool_call")
            for number, (name, args) in enumerate(calls)
        ],
    )


SEARCH, ADD = ("search", {"query": "RFC"}), ("add", {"a": 1, "b": 2})


# --- Order -----------------------------------------------------------------------------------


def test_the_steps_of_a_chain_are_in_order(log: RunLogCapture) -> None:
    question_chain().invoke(INPUT)

    log.assert_order("RunnableSequence", "ChatPromptTemplate", "FakeChat", "StrOutputParser")
    log.assert_order("Chat*", ..., "*Parser")


def test_branches_are_in_canonical_order_whichever_was_faster(log: RunLogCapture) -> None:
    for _ in range(5):
        retrieval_chain().invoke(QUESTION)

    log.assert_order("FakeRetriever", ..., "search", ..., "FakeChat")
    log.assert_order("join", "search")


def test_the_nodes_of_a_graph_are_in_order(log: RunLogCapture) -> None:
    asyncio.run(graph().ainvoke(INPUT))

    log.assert_order("retrieve", "FakeRetriever", "answer")
    log.assert_order("retrieve", ..., "answer", ..., "FakeChat")
    assert fails(lambda: log.assert_order("answer", ..., "retrieve"))


# --- Trajectories ----------------------------------------------------------------------------


def test_an_agent_that_calls_one_tool_after_another(log: RunLogCapture) -> None:
    model = chat(asking(SEARCH), asking(ADD), ANSWER)
    create_agent(model, [search, add]).invoke(ASKED)

    log.assert_trajectory([SEARCH, ADD])
    assert fails(lambda: log.assert_trajectory([ADD, SEARCH]))
    log.assert_called("search", {"query": str.isupper}, times=1)


@pytest.mark.parametrize("order", [[SEARCH, ADD], [ADD, SEARCH]])
def test_calls_that_an_agent_makes_at_once_have_no_order(log: RunLogCapture, order: Any) -> None:
    model = chat(asking(SEARCH, ADD), asking(ADD), ANSWER)
    asyncio.run(create_agent(model, [search, add]).ainvoke(ASKED))

    log.assert_trajectory([*order, ADD])
    log.assert_trajectory([ADD, *order], mode="unordered")
    assert fails(lambda: log.assert_trajectory([ADD, ADD, SEARCH]))


def test_tools_that_code_calls_have_an_order(log: RunLogCapture) -> None:
    def work(text: str, config: RunnableConfig) -> Any:
        search.invoke({"query": "RFC"}, config)
        return add.invoke({"a": 1, "b": 2}, config)

    RunnableLambda(work).invoke("?")

    log.assert_trajectory([SEARCH, ADD])
    assert fails(lambda: log.assert_trajectory([ADD, SEARCH]))


def test_an_agent_that_is_a_tool_is_one_call(log: RunLogCapture) -> None:
    @tool
    def research(topic: str) -> str:
        """Ask another agent."""
        inner = create_agent(chat(asking(SEARCH, ADD), ANSWER), [search, add])
        return str(inner.invoke(ASKED)["messages"][-1].text)

    model = chat(asking(("research", {"topic": "JSON"}), ADD), ANSWER)
    create_agent(model, [research, add]).invoke(ASKED)

    log.assert_trajectory([("research", {"topic": "JSON"}), ADD])
    log.assert_trajectory([SEARCH, ADD], under="research")
    log.assert_called("search", times=1)
    log.assert_called("add", times=2)


def test_the_calls_of_a_subgraph_are_calls(log: RunLogCapture) -> None:
    builder = StateGraph(MessagesState)
    builder.add_node("first", create_agent(chat(asking(SEARCH), ANSWER), [search]))
    builder.add_node("second", create_agent(chat(asking(ADD), ANSWER), [add]))
    builder.add_edge(START, "first")
    builder.add_edge("first", "second")
    builder.add_edge("second", END)
    builder.compile().invoke(ASKED)

    log.assert_trajectory([SEARCH, ADD])
    log.assert_trajectory([SEARCH], under="first")
    log.assert_trajectory([ADD], under="second")


def subgraphs_side_by_side() -> Any:
    builder = StateGraph(MessagesState)
    builder.add_node("a", create_agent(chat(asking(SEARCH), asking(SEARCH), ANSWER), [search]))
    builder.add_node("b", create_agent(chat(asking(ADD, ADD), ANSWER), [add]))
    for node in "ab":
        builder.add_edge(START, node)
        builder.add_edge(node, END)
    return builder.compile()


def test_the_calls_of_concurrent_subgraphs_come_by_their_places(log: RunLogCapture) -> None:
    for _ in range(5):
        with log.capture() as part:
            subgraphs_side_by_side().invoke(ASKED)
        part.assert_trajectory([SEARCH, SEARCH, ADD, ADD])
        part.assert_trajectory([ADD, ADD], under="b")


def test_a_tool_that_is_run_again_is_one_call(log: RunLogCapture) -> None:
    failures = [ValueError("busy")]

    @tool
    def shaky(query: str) -> str:
        """Look something up, the second time."""
        if failures:
            raise failures.pop()
        return "found"

    retry = ToolRetryMiddleware(max_retries=1, initial_delay=0, jitter=False)
    model = chat(asking(("shaky", {"query": "x"}), SEARCH), ANSWER)
    create_agent(model, [shaky, search], middleware=[retry]).invoke(ASKED)

    log.assert_trajectory([("shaky", {"query": "x"}), SEARCH])
    log.assert_called("shaky", times=1)
    log.assert_retried("shaky", times=1)
    log.assert_error(ValueError, match="busy", name="shaky")
    assert log.recovered == log.errors


def test_a_call_that_failed_was_made(log: RunLogCapture) -> None:
    with pytest.raises(Unreachable):
        create_agent(chat(calling("broken", query="x")), [broken]).invoke(ASKED)

    log.assert_trajectory([("broken", {"query": "x"})])
    log.assert_error(Unreachable, match="no route to x", name="broken")
    log.assert_error(Unreachable, name="LangGraph")


def test_a_call_of_a_tool_that_there_is_not_was_not_made(log: RunLogCapture) -> None:
    create_agent(chat(asking(("nothing", {})), ANSWER), [search]).invoke(ASKED)

    log.assert_trajectory([])
    with pytest.raises(AssertionError, match="A model asked for 'nothing', but no such tool ran"):
        log.assert_called("nothing")


def test_a_saved_agent_can_be_asserted_on(log: RunLogCapture, tmp_path: Any) -> None:
    model = chat(asking(SEARCH, ADD), ANSWER)
    create_agent(model, [search, add]).invoke(ASKED)
    log.save(tmp_path / "log.json")
    loaded = RunLogCapture.load(tmp_path / "log.json")

    loaded.assert_trajectory([ADD, SEARCH])
    loaded.assert_order("model", ..., "tools", "search", ..., "tools", "add", ..., "FakeChat")


# --- At the same time ------------------------------------------------------------------------


def meeting(names: str) -> list[tuple[str, Runnable[str, str]]]:
    """Steps that wait for each other."""
    barrier = threading.Barrier(len(names))

    def step(text: str) -> str:
        barrier.wait(timeout=60)
        return text

    return [(name, RunnableLambda(step, name=f"step {name}")) for name in names]


def test_branches_that_wait_for_each_other_overlap(log: RunLogCapture) -> None:
    RunnableParallel(dict(meeting("ab"))).invoke("x")

    log.assert_overlapped("step a", "step b")
    log.assert_overlapped("step *", "step *")


def test_the_items_of_a_batch_overlap(log: RunLogCapture) -> None:
    ((_, step),) = meeting("x")
    barrier = threading.Barrier(2)

    def both(text: str) -> str:
        barrier.wait(timeout=60)
        return step.invoke(text)

    RunnableLambda(both).batch(["a", "b"])

    log.assert_overlapped("both", "both")


def test_the_steps_of_a_sequence_do_not_overlap(log: RunLogCapture) -> None:
    question_chain().invoke(INPUT)

    assert fails(lambda: log.assert_overlapped("ChatPromptTemplate", "FakeChat"))
    assert fails(lambda: log.assert_overlapped("RunnableSequence", "FakeChat"))


# --- Retries and fallbacks -------------------------------------------------------------------


def test_a_model_that_is_asked_again(log: RunLogCapture) -> None:
    model = flaky(ANSWER, times=2).with_retry(wait_exponential_jitter=False)
    question_chain(model).invoke(INPUT)

    log.assert_retried("FakeChat", times=2)
    log.assert_error(ModelDown, match="attempt 1")
    assert fails(log.assert_fell_back)


def test_another_model_that_is_asked(log: RunLogCapture) -> None:
    big, small = chat(ModelDown("busy"), model="big"), chat(ANSWER, model="small")
    question_chain(big.with_fallbacks([small])).invoke(INPUT)
    create_agent(big, [], middleware=[ModelFallbackMiddleware(small)]).invoke(ASKED)

    log.assert_fell_back(to="small")
    log.assert_fell_back(to="FakeChat")
    assert fails(lambda: log.assert_fell_back(to="big"))
    assert fails(lambda: log.assert_retried("FakeChat"))


def test_a_chain_in_the_place_of_another(log: RunLogCapture) -> None:
    big = question_chain(chat(ModelDown("busy"), model="big"))
    small = question_chain(chat(ANSWER, model="small")).with_config(run_name="plan b")
    big.with_fallbacks([small]).invoke(INPUT)

    log.assert_fell_back(to="plan b")
    log.assert_fell_back(to="small")


def test_a_retriever_in_the_place_of_another(log: RunLogCapture) -> None:
    down: Runnable[str, Any] = retriever(error=ConnectionError("down"))
    down.with_fallbacks([search]).invoke("x")

    log.assert_fell_back(to="search")
    log.assert_error(ConnectionError, name="FakeRetriever")


# --- Streams ---------------------------------------------------------------------------------

STREAMING: dict[str, Any] = {
    "chat model": lambda: list(chat("a b c").stream("?")),
    "completion model": lambda: list(FakeCompletion(answer="a b c").stream("?")),
    "chain": lambda: list(question_chain(chat("a b c")).stream(INPUT)),
    "map": lambda: list(RunnableParallel(a=question_chain(chat("a b"))).stream(INPUT)),
    "json": lambda: list((chat('{"a": [1, 2]}') | JsonOutputParser()).stream("?")),
    "agent": lambda: list(agent().stream(ASKED, stream_mode="messages")),
    "fallbacks": lambda: list(
        question_chain(chat(ModelDown("busy")))
        .with_fallbacks([question_chain(chat("a b c"))])
        .stream(INPUT)
    ),
}


@pytest.mark.parametrize("call", STREAMING.values(), ids=STREAMING)
def test_what_runs_stream_adds_up_to_their_output(
    log: RunLogCapture, call: Callable[[], object]
) -> None:
    call()

    streamed = [run for run in log.runs if run.chunks and run.status == "ok"]
    assert streamed
    assert [run.path for run in streamed if not adds_up(run)] == []


def test_a_model_streams_tool_calls(log: RunLogCapture) -> None:
    list(chat(asking(SEARCH, ADD)).stream("?"))

    log.assert_streamed("FakeChat")


def test_what_waits_for_all_of_its_input_does_not_stream(log: RunLogCapture) -> None:
    chain = question_chain(chat("a b c")) | RunnableLambda(str.upper, name="upper")
    list(chain.stream(INPUT))

    log.assert_streamed("StrOutputParser", min_chunks=3)
    assert fails(lambda: log.assert_streamed("upper"))


def test_what_is_invoked_does_not_stream(log: RunLogCapture) -> None:
    question_chain().invoke(INPUT)

    assert fails(lambda: log.assert_streamed("FakeChat", min_chunks=1))


def test_a_stream_that_is_not_read_to_its_end_is_none(log: RunLogCapture) -> None:
    stream = question_chain(chat("a b c")).stream(INPUT)
    next(stream)
    next(stream)

    with pytest.raises(AssertionError, match="it has not ended after 2 chunks"):
        log.assert_streamed("StrOutputParser")
    assert len(list(stream)) == 2


def test_the_characters_of_a_model_without_tokens_are_seen_behind_it(log: RunLogCapture) -> None:
    list((streaming_completion("abc") | RunnableLambda(str, name="text")).stream("?"))

    assert fails(lambda: log.assert_streamed("FakeStreamingListLLM"))
    assert [chunk.value for chunk in log.one("text").chunks] == ["abc"]
