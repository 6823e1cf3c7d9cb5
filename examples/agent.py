"""A librarian: an agent that looks a book up and reserves it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from langchain.agents import create_agent
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.tools import tool
from langgraph.graph.state import CompiledStateGraph

import pytest_runlog
from fakes import FakeChatModel

SHELVES = {"Emma": "shelf 12", "Middlemarch": "shelf 9"}


@tool
def look_up(title: str) -> str:
    """Say where a book is."""
    return SHELVES.get(title, "not in this library")


@tool
def reserve(title: str) -> str:
    """Put a book aside."""
    return f"{title} is put aside."


def librarian(model: BaseChatModel) -> CompiledStateGraph[Any, Any, Any, Any]:
    """The agent: takes and gives `{"messages": …}`."""
    return create_agent(
        model, [look_up, reserve], system_prompt="You help the readers of a library."
    )


def ask(agent: CompiledStateGraph[Any, Any, Any, Any], title: str) -> str:
    """Ask the agent for a book; gives its answer."""
    answer = agent.invoke({"messages": [("human", title)]})
    return str(answer["messages"][-1].text)


def look_up_then_reserve(messages: Sequence[BaseMessage]) -> AIMessage:
    """What the fake model does: looks the book up, and reserves it if it is there."""
    last = messages[-1]
    if last.type == "human":
        return _call("look_up", last.text)
    if last.text.startswith("shelf"):
        return _call("reserve", messages[1].text)
    return AIMessage(f"{messages[1].text}: {last.text}")


def _call(name: str, title: str) -> AIMessage:
    return AIMessage("", tool_calls=[{"name": name, "args": {"title": title}, "id": f"{name}-1"}])


def main() -> None:
    """Ask for a book, and show what happened."""
    with pytest_runlog.record() as log:
        ask(librarian(FakeChatModel(rule=look_up_then_reserve)), "Emma")
    print(log.tree("shape"))
    for run in log.tools:
        print(f"{run.name}({run.inputs['title']!r}) -> {run.output.text!r}")


if __name__ == "__main__":
    main()
