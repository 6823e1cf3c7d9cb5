"""Agents that call several tools at once."""

from __future__ import annotations

import warnings
from typing import Any
from uuid import uuid4

from langchain.agents import create_agent
from langchain.agents.middleware import ToolRetryMiddleware
from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.messages.tool import ToolCall
from langchain_core.tools import tool
from langgraph.graph import START, MessagesState, StateGraph

from support.models import chat
from support.races.base import INPUTS, apause, case, pause, two_steps


@tool
def look_up(query: str) -> str:
    """Look something up."""
    pause()
    return f"found {query}"


@tool
def weigh(query: str) -> str:
    """Weigh something."""
    return str(two_steps().invoke(query))


@tool
async def alook_up(query: str) -> str:
    """Look something up, asynchronously."""
    await apause()
    return f"found {query}"


ASKED: Any = {"messages": [HumanMessage("x")]}


def calls(*wanted: tuple[str, str]) -> AIMessage:
    return AIMessage(
        "",
        tool_calls=[
            ToolCall(name=name, args={"query": query}, id=f"call-{number}", type="tool_call")
            for number, (name, query) in enumerate(wanted)
        ],
    )


@case
def agent_with_three_parallel_tool_calls() -> None:
    model = chat(calls(("weigh", "b"), ("look_up", "b"), ("look_up", "a")), "done")
    create_agent(model, [look_up, weigh]).invoke(ASKED)


@case
def agent_with_three_equal_tool_calls() -> None:
    model = chat(calls(("look_up", "b"), ("look_up", "b"), ("look_up", "b")), "done")
    create_agent(model, [look_up, weigh]).invoke(ASKED)


@case
async def async_agent_with_three_parallel_tool_calls() -> None:
    model = chat(calls(("weigh", "b"), ("alook_up", "b"), ("alook_up", "a")), "done")
    await create_agent(model, [alook_up, weigh]).ainvoke(ASKED)


@case
def tool_node_with_parallel_calls() -> None:
    with warnings.catch_warnings():
        # That of langgraph 1.0 warns when it is imported that something in it is deprecated.
        warnings.simplefilter("ignore", DeprecationWarning)
        from langgraph.prebuilt import ToolNode

    builder = StateGraph(MessagesState)
    builder.add_node("tools", ToolNode([look_up, weigh]))
    builder.add_edge(START, "tools")
    wanted = calls(("weigh", "b"), ("look_up", "b"), ("look_up", "a"))
    builder.compile().invoke({"messages": [wanted]})


@case
async def astream_of_an_agent() -> None:
    model = chat(calls(("weigh", "b"), ("alook_up", "b"), ("alook_up", "a")), "done")
    agent = create_agent(model, [alook_up, weigh])
    async for _ in agent.astream(ASKED, stream_mode="messages"):
        pass


@case
def agent_whose_tool_calls_have_random_ids() -> None:
    wanted = calls(("weigh", "b"), ("look_up", "b"), ("look_up", "a"))
    for call in wanted.tool_calls:
        call["id"] = str(uuid4())
    create_agent(chat(wanted, "done"), [look_up, weigh]).invoke(ASKED)


@case
def agents_in_a_batch() -> None:
    model = chat(calls(("weigh", "b"), ("look_up", "b"), ("look_up", "a")), "done")
    agent = create_agent(model, [look_up, weigh])
    agent.batch([{"messages": [HumanMessage(text)]} for text in INPUTS])


def retrying_agent() -> Any:
    """An agent whose tools fail once for each query."""
    failed: set[str] = set()

    @tool
    def shaky(query: str) -> str:
        """Look something up, the second time."""
        pause()
        if query in failed:
            return f"found {query}"
        failed.add(query)
        raise ValueError(query)

    retry = ToolRetryMiddleware(max_retries=1, initial_delay=0, jitter=False)
    model = chat(calls(("shaky", "b"), ("shaky", "c"), ("shaky", "a")), "done")
    return create_agent(model, [shaky], middleware=[retry])


@case
def agent_that_runs_its_tools_again() -> None:
    retrying_agent().invoke(ASKED)


@case
async def async_agent_that_runs_its_tools_again() -> None:
    await retrying_agent().ainvoke(ASKED)


@case
def agent_whose_provider_makes_up_ids() -> None:
    """As those of providers: each time others, and no UUIDs."""
    wanted = calls(("weigh", "b"), ("look_up", "b"), ("look_up", "b"), ("look_up", "a"))
    wanted.id = f"chatcmpl-{uuid4().hex[:12]}"
    for call in wanted.tool_calls:
        call["id"] = f"call_{uuid4().hex[:12]}"
    create_agent(chat(wanted, "done"), [look_up, weigh]).invoke(ASKED)
