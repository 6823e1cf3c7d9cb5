"""The purchase desk, tested: which nodes ran, in which step, and what they gave."""

from __future__ import annotations

import pytest

from fakes import FakeChatModel
from graph import by_joy, purchase
from pytest_runlog import RunLogCapture

GRAPH = purchase(FakeChatModel(rule=by_joy))


def test_a_book_is_bought_that_is_wanted_and_good(runlog: RunLogCapture) -> None:
    assert GRAPH.invoke({"title": "Emma"})["decision"] == "buy"

    assert runlog.one("count_requests").output == {"requests": 3}
    assert runlog.one("read_reviews").output == {"opinion": "good"}


def test_a_book_that_nobody_asked_for_has_to_wait(runlog: RunLogCapture) -> None:
    assert GRAPH.invoke({"title": "Silas Marner"})["decision"] == "wait"

    assert runlog.one("count_requests").output == {"requests": 0}


def test_the_nodes_come_in_the_same_order_whichever_ends_first(runlog: RunLogCapture) -> None:
    GRAPH.invoke({"title": "Emma"})

    assert runlog.root.children.names == ["count_requests", "read_reviews", "decide"]


def test_only_the_reviews_need_a_model(runlog: RunLogCapture) -> None:
    GRAPH.invoke({"title": "Emma"})

    assert runlog.one(type="chat_model", under="read_reviews").model == "fake-1"
    assert not runlog.find(type="chat_model", under="count_requests")


def test_a_book_without_reviews_fails_where_they_are_read(runlog: RunLogCapture) -> None:
    with pytest.raises(KeyError):
        GRAPH.invoke({"title": "Ulysses"})

    runlog.assert_error(KeyError, match="Ulysses", name="read_reviews")
    assert runlog.root.status == "error"


def test_each_state_of_the_graph_is_streamed(runlog: RunLogCapture) -> None:
    updates = list(GRAPH.stream({"title": "Emma"}, stream_mode="updates"))

    assert updates[-1] == {"decide": {"decision": "buy"}}
    assert runlog.root.output["decision"] == "buy"
