"""A purchase desk: a graph that counts requests and reads reviews at once, then decides."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypedDict

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage
from langgraph.graph import END, START, StateGraph
from langgraph.graph.state import CompiledStateGraph

import pytest_runlog
from fakes import FakeChatModel

REQUESTS = {"Emma": 3, "Silas Marner": 0, "Ulysses": 5}
REVIEWS = {"Emma": "A joy.", "Silas Marner": "A joy, too."}


class Suggestion(TypedDict, total=False):
    """A book that somebody wants the library to buy, and what is known about it."""

    title: str
    requests: int
    opinion: str
    decision: str


def purchase(
    model: BaseChatModel,
) -> CompiledStateGraph[Suggestion, None, Suggestion, Suggestion]:
    """The graph: takes a suggestion with a title, gives it with a decision."""

    def count_requests(state: Suggestion) -> Suggestion:
        return {"requests": REQUESTS[state["title"]]}

    def read_reviews(state: Suggestion) -> Suggestion:
        return {"opinion": model.invoke(f"Good or bad? {REVIEWS[state['title']]}").text}

    def decide(state: Suggestion) -> Suggestion:
        wanted = state["requests"] > 0 and state["opinion"] == "good"
        return {"decision": "buy" if wanted else "wait"}

    graph = StateGraph(Suggestion)
    graph.add_node(count_requests)
    graph.add_node(read_reviews)
    graph.add_node(decide)
    graph.add_edge(START, "count_requests")
    graph.add_edge(START, "read_reviews")
    graph.add_edge(["count_requests", "read_reviews"], "decide")
    graph.add_edge("decide", END)
    return graph.compile()


def by_joy(messages: Sequence[BaseMessage]) -> AIMessage:
    """What the fake model thinks of a review."""
    return AIMessage("good" if "joy" in messages[-1].text else "bad")


def main() -> None:
    """Suggest a book, and show what happened."""
    with pytest_runlog.record() as log:
        purchase(FakeChatModel(rule=by_joy)).invoke({"title": "Emma"})
    print(log.tree())


if __name__ == "__main__":
    main()
