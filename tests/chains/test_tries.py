"""Retries and fallbacks of LangChain, of LangGraph, of agents and of code without either."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import count
from typing import Any, TypedDict

import pytest
from langchain.agents import create_agent
from langchain.agents.middleware import (
    ModelFallbackMiddleware,
    ToolRetryMiddleware,
    wrap_model_call,
)
from langchain_core.messages import HumanMessage
from langchain_core.runnables import Runnable, RunnableConfig, RunnableLambda, RunnableParallel
from langchain_core.tools import BaseTool, tool
from langgraph.graph import END, START, StateGraph
from langgraph.types import RetryPolicy

from pytest_runlog import RunLogCapture, record
from pytest_runlog.model.tries import fallbacks
from support.chains import ANSWER, question_chain, search
from support.models import ModelDown, calling, chat, flaky
from support.versions import TELLS_TOOL_CALL_IDS

ASKED: Any = {"messages": [HumanMessage("?")]}
RETRY: Any = {"stop_after_attempt": 3, "wait_exponential_jitter": False}


@pytest.fixture
def log() -> Iterator[RunLogCapture]:
    with record() as capture:
        yield capture


def attempts(log: RunLogCapture) -> list[tuple[str, int]]:
    return [(run.name, run.attempt) for run in log.runs if run.attempt is not None]


def fell_back(log: RunLogCapture) -> list[tuple[str | None, str | None]]:
    return [(failed.model, tried.model) for failed, tried in fallbacks(log.runs)]


def model_retry(times: int) -> Any:
    @wrap_model_call
    def retry(request: Any, handler: Callable[[Any], Any]) -> Any:
        for _ in range(times):
            try:
                return handler(request)
            except ModelDown:
                continue
        return handler(request)

    return retry


def unsure(times: int) -> Any:
    """Tools that fail so often, one for sync code and one for async code."""
    calls, acalls = count(), count()

    @tool
    def guess(query: str) -> str:
        """Guess."""
        return answer(calls)

    @tool
    async def aguess(query: str) -> str:
        """Guess, asynchronously."""
        return answer(acalls)

    def answer(numbers: Iterator[int]) -> str:
        if next(numbers) < times:
            raise ValueError("no idea")
        return "42"

    return guess, aguess


def retrying(*tools: BaseTool) -> Any:
    call = calling(tools[0].name, query="?")
    retry = ToolRetryMiddleware(max_retries=2, initial_delay=0, jitter=False)
    return create_agent(chat(call, ANSWER), list(tools), middleware=[retry])


# --- Retries ---------------------------------------------------------------------------------


def test_with_retry(log: RunLogCapture) -> None:
    question_chain(flaky(ANSWER, times=2).with_retry(**RETRY)).invoke({"question": "?"})

    assert attempts(log) == [("FakeChat", 1), ("FakeChat", 2), ("FakeChat", 3)]
    assert len(log.recovered) == 2


def test_with_retry_by_another_name(log: RunLogCapture) -> None:
    flaky(ANSWER).with_retry(**RETRY).with_config(run_name="careful").invoke("?")

    assert attempts(log) == [("FakeChat", 1), ("FakeChat", 2)]


def test_a_retry_within_a_retry(log: RunLogCapture) -> None:
    model = flaky(ANSWER, times=4).with_retry(**RETRY)
    question_chain(model).with_retry(**RETRY).invoke({"question": "?"})

    models = [run.attempt for run in log.models]
    assert models == [1, 2, 3, 1, 2]
    assert log.find("RunnableSequence", status="error")[0].attempt == 1


def test_a_middleware_that_asks_the_model_again(log: RunLogCapture) -> None:
    create_agent(flaky(ANSWER, times=2), [], middleware=[model_retry(2)]).invoke(ASKED)

    assert attempts(log) == [("FakeChat", 1), ("FakeChat", 2), ("FakeChat", 3)]
    assert fell_back(log) == []


def test_a_middleware_that_runs_a_tool_again(log: RunLogCapture) -> None:
    guess, _ = unsure(2)
    retrying(guess).invoke(ASKED)

    assert attempts(log) == [("guess", 1), ("guess", 2), ("guess", 3)]


@pytest.mark.parametrize("kind", [0, 1], ids=["sync tool", "async tool"])
def test_a_middleware_that_runs_a_tool_again_in_async_code(log: RunLogCapture, kind: int) -> None:
    guess = unsure(2)[kind]
    asyncio.run(retrying(guess).ainvoke(ASKED))

    if kind == 0 and not TELLS_TOOL_CALL_IDS:
        assert attempts(log) == []  # they run in threads, and nothing tells that one follows
    else:
        assert attempts(log) == [(guess.name, 1), (guess.name, 2), (guess.name, 3)]
    assert [run.status for run in log.tools] == ["error", "error", "ok"]


class State(TypedDict, total=False):
    answer: str


def node_with_a_policy(times: int) -> Any:
    calls = count()

    def look(state: State, config: RunnableConfig) -> State:
        search.invoke("?", config)
        if next(calls) < times:
            raise ConnectionError
        return {"answer": "42"}

    async def alook(state: State, config: RunnableConfig) -> State:
        return look(state, config)

    builder = StateGraph(State)
    policy = RetryPolicy(initial_interval=0.001, jitter=False)
    builder.add_node("look", RunnableLambda(look, alook), retry_policy=policy)
    builder.add_edge(START, "look")
    builder.add_edge("look", END)
    return builder.compile()


def test_a_retry_policy_of_a_graph(log: RunLogCapture) -> None:
    node_with_a_policy(2).invoke({})

    assert attempts(log) == [("look", 1), ("look", 2), ("look", 3)]


def test_a_retry_policy_of_a_graph_in_async_code(log: RunLogCapture) -> None:
    asyncio.run(node_with_a_policy(2).ainvoke({}))

    assert attempts(log) == [("look", 1), ("look", 2), ("look", 3)]


def loop(model: Runnable[Any, Any]) -> Runnable[Any, Any]:
    def ask(question: str, config: RunnableConfig) -> Any:
        while True:
            try:
                return model.invoke(question, config)
            except ModelDown:
                continue

    async def aask(question: str, config: RunnableConfig) -> Any:
        while True:
            try:
                return await model.ainvoke(question, config)
            except ModelDown:
                continue

    return RunnableLambda(ask, aask)


def test_a_loop_written_by_hand(log: RunLogCapture) -> None:
    loop(flaky(ANSWER, times=2)).invoke("?")

    assert attempts(log) == [("FakeChat", 1), ("FakeChat", 2), ("FakeChat", 3)]


def test_a_loop_written_by_hand_in_async_code(log: RunLogCapture) -> None:
    asyncio.run(loop(flaky(ANSWER, times=2)).ainvoke("?"))

    assert attempts(log) == [("FakeChat", 1), ("FakeChat", 2), ("FakeChat", 3)]


def test_loops_at_the_same_time_do_not_count_for_each_other(log: RunLogCapture) -> None:
    RunnableParallel(a=loop(flaky(ANSWER, times=2)), b=loop(flaky(ANSWER))).invoke("?")

    assert [attempt for _, attempt in attempts(log)] == [1, 2, 3, 1, 2]


def test_the_items_of_a_batch_are_no_attempts(log: RunLogCapture) -> None:
    model = chat(ModelDown("down"))
    ask: Runnable[str, Any] = RunnableLambda(
        lambda text: model.batch([text] * 8, return_exceptions=True)
    )
    ask.invoke("?")

    assert len(log.errors) == 8
    assert attempts(log) == []


def test_calls_of_the_test_itself_are_no_attempts(log: RunLogCapture) -> None:
    model = flaky(ANSWER)
    with pytest.raises(ModelDown):
        model.invoke("?")
    model.invoke("?")

    assert attempts(log) == []


# --- Fallbacks -------------------------------------------------------------------------------

BIG = chat(ModelDown("busy"), model="big")
SMALL = chat(ANSWER, model="small")


def test_with_fallbacks(log: RunLogCapture) -> None:
    question_chain(BIG.with_fallbacks([SMALL])).invoke({"question": "?"})

    assert fell_back(log) == [("big", "small")]
    assert attempts(log) == []


def test_with_fallbacks_by_another_name(log: RunLogCapture) -> None:
    chain = question_chain(BIG).with_fallbacks([question_chain(SMALL)])
    chain.with_config(run_name="careful").invoke({"question": "?"})

    ((failed, tried),) = fallbacks(log.runs)
    assert (failed.status, tried.status) == ("error", "ok")
    assert tried.children[1].model == "small"


@pytest.mark.parametrize("method", ["invoke", "stream", "batch", "ainvoke", "astream", "abatch"])
def test_with_fallbacks_however_it_is_called(log: RunLogCapture, method: str) -> None:
    chain = question_chain(BIG).with_fallbacks([question_chain(SMALL)])
    inputs: Any = {"question": "?"}
    call = getattr(chain, method)([inputs] if "batch" in method else inputs)
    if method == "stream":
        list(call)
    elif method == "astream":
        asyncio.run(consume(call))
    elif asyncio.iscoroutine(call):
        asyncio.run(call)

    assert [tried.status for _, tried in fallbacks(log.runs)] == ["ok"]


async def consume(stream: Any) -> None:
    async for _ in stream:
        pass


def test_a_middleware_that_asks_another_model(log: RunLogCapture) -> None:
    create_agent(BIG, [], middleware=[ModelFallbackMiddleware(SMALL)]).invoke(ASKED)

    assert fell_back(log) == [("big", "small")]


def test_code_that_asks_two_models_and_then_both_again(log: RunLogCapture) -> None:
    models = [BIG, chat(ModelDown("busy"), model="small")] * 2

    def ask(question: str, config: RunnableConfig) -> str:
        for model in models:
            with suppress(ModelDown):
                return model.invoke(question, config).text
        return "nobody answers"

    RunnableLambda(ask).invoke("?")

    assert fell_back(log) == [("big", "small"), ("big", "small")]
    assert [(run.model, run.attempt) for run in log.models] == [
        ("big", 1),
        ("small", 1),
        ("big", 2),
        ("small", 2),
    ]


def test_branches_that_fail_and_succeed_are_no_fallbacks(log: RunLogCapture) -> None:
    with pytest.raises(ModelDown):
        RunnableParallel(a=BIG, b=SMALL).invoke("?")

    assert fell_back(log) == []
