"""Graphs of LangGraph."""

from __future__ import annotations

import asyncio
import operator
import sys
from typing import Annotated, Any, TypedDict

from langchain_core.runnables import RunnableConfig, RunnableLambda
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.func import entrypoint, task
from langgraph.graph import END, START, StateGraph
from langgraph.types import Command, Send, interrupt

from support.races.base import INPUTS, apause, case, step, two_steps


class State(TypedDict, total=False):
    items: list[str]
    item: str
    found: Annotated[list[str], operator.add]


def parallel_graph(**compiled: Any) -> Any:
    """Four nodes at once, each calling steps with the same names, then one."""

    def node(state: State, config: RunnableConfig) -> State:
        return {"found": [two_steps().invoke("x", config)]}

    async def anode(state: State, config: RunnableConfig) -> State:
        return {"found": [await two_steps().ainvoke("x", config)]}

    builder = StateGraph(State)
    builder.add_node("join", step("joined") | (lambda text: {"found": [text]}))
    for name in ["delta", "beta", "alpha", "gamma"]:
        builder.add_node(name, RunnableLambda(node, anode, name="work"))
        builder.add_edge(START, name)
        builder.add_edge(name, "join")
    builder.add_edge("join", END)
    return builder.compile(**compiled)


def sending_graph() -> Any:
    """One node for each item, by `Send`."""

    def route(state: State) -> list[Send]:
        return [Send("work", {"item": item}) for item in state["items"]]

    def work(state: State, config: RunnableConfig) -> State:
        return {"found": [two_steps().invoke(state["item"], config)]}

    async def awork(state: State, config: RunnableConfig) -> State:
        return {"found": [await two_steps().ainvoke(state["item"], config)]}

    builder = StateGraph(State)
    builder.add_node("work", RunnableLambda(work, awork))
    builder.add_node("join", step("joined") | (lambda text: {"found": []}))
    builder.add_conditional_edges(START, route, ["work"])
    builder.add_edge("work", "join")
    builder.add_edge("join", END)
    return builder.compile()


def graph_of_graphs() -> Any:
    builder = StateGraph(State)
    for name in ["second", "first"]:
        builder.add_node(name, parallel_graph())
        builder.add_edge(START, name)
    return builder.compile()


MANY = [f"item{number}" for number in reversed(range(12))]


@case
def graph_with_four_parallel_nodes() -> None:
    parallel_graph().invoke({"found": []})


@case
async def async_graph_with_four_parallel_nodes() -> None:
    await parallel_graph().ainvoke({"found": []})


@case
def stream_of_a_graph() -> None:
    for _ in parallel_graph().stream({"found": []}, stream_mode=["updates", "messages"]):
        pass


@case
async def astream_of_a_graph() -> None:
    async for _ in parallel_graph().astream({"found": []}):
        pass


@case
def batch_of_a_graph() -> None:
    parallel_graph().batch([{"found": [text]} for text in INPUTS])


@case
async def abatch_of_a_graph() -> None:
    await parallel_graph().abatch([{"found": [text]} for text in INPUTS])


@case
def graph_with_sends() -> None:
    sending_graph().invoke({"items": MANY, "found": []})


@case
async def async_graph_with_sends() -> None:
    await sending_graph().ainvoke({"items": MANY, "found": []})


@case
def graph_with_equal_sends() -> None:
    sending_graph().invoke({"items": ["x"] * 4, "found": []})


@case
def graph_of_subgraphs() -> None:
    graph_of_graphs().invoke({"found": []})


@case
async def async_graph_of_subgraphs() -> None:
    await graph_of_graphs().ainvoke({"found": []})


@case
def graph_with_a_checkpointer() -> None:
    graph = parallel_graph(checkpointer=InMemorySaver())
    graph.invoke({"found": []}, {"configurable": {"thread_id": "1"}})
    graph.invoke({"found": []}, {"configurable": {"thread_id": "1"}})


@case
def graph_with_commands() -> None:
    def choose(state: State) -> Any:
        step("choose").invoke("x")
        return Command(goto=[Send("work", {"item": text}) for text in INPUTS])

    def work(state: State) -> State:
        return {"found": [two_steps().invoke(state["item"])]}

    builder = StateGraph(State)
    builder.add_node("choose", choose, destinations=("work",))
    builder.add_node("work", work)
    builder.add_edge(START, "choose")
    builder.compile().invoke({"found": []})


@case
def graph_that_is_interrupted_and_resumed() -> None:
    def ask(state: State) -> State:
        return {"found": [interrupt({"ask": "which?"})]}

    builder = StateGraph(State)
    builder.add_node("work", parallel_graph())
    builder.add_node("ask", ask)
    builder.add_edge(START, "work")
    builder.add_edge("work", "ask")
    graph = builder.compile(checkpointer=InMemorySaver())
    config: RunnableConfig = {"configurable": {"thread_id": "1"}}
    graph.invoke({"found": []}, config)
    graph.invoke(Command(resume="this"), config)


@case
def graphs_that_send_their_parent_on() -> None:
    def leave(state: State) -> Any:
        return Command(graph=Command.PARENT, goto="join", update={"found": ["x"]})

    inner = StateGraph(State)
    inner.add_node("leave", leave)
    inner.add_edge(START, "leave")
    builder = StateGraph(State)
    builder.add_node("join", step("joined") | (lambda text: {"found": [text]}))
    for name in ["second", "first"]:
        builder.add_node(name, inner.compile())
        builder.add_edge(START, name)
    builder.compile().invoke({"found": []})


@case
def functional_graph() -> None:
    @task
    def work(text: str) -> str:
        return str(two_steps().invoke(text))

    @entrypoint()
    def flow(texts: list[str]) -> list[str]:
        return [future.result() for future in [work(text) for text in texts]]

    flow.invoke(INPUTS)


@case
def functional_graph_of_one_task_after_another() -> None:
    @task
    def zeta(text: str) -> str:
        return str(two_steps().invoke(text))

    @task
    def alpha(text: str) -> str:
        return str(step("inside").invoke(text))

    @entrypoint()
    def flow(text: str) -> str:
        one = zeta(text).result()
        two = step("between").invoke(one)
        return str(zeta(alpha(two).result()).result())

    flow.invoke("x")


async def async_functional_graph() -> None:
    @task
    async def work(text: str) -> str:
        await apause()
        return text

    @entrypoint()
    async def flow(texts: list[str]) -> list[str]:
        return list(await asyncio.gather(*[work(text) for text in texts]))

    await flow.ainvoke(INPUTS)


if sys.version_info >= (3, 11):  # LangGraph needs tasks that take a context
    case(async_functional_graph)
