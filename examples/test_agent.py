"""The librarian, tested: which tools it calls, with what, and when it stops."""

from __future__ import annotations

import pytest

from agent import ask, librarian, look_up_then_reserve
from fakes import FakeChatModel
from pytest_runlog import RunLogCapture

AGENT = librarian(FakeChatModel(rule=look_up_then_reserve))


def test_a_book_is_looked_up_and_then_reserved(runlog: RunLogCapture) -> None:
    assert ask(AGENT, "Emma") == "Emma: Emma is put aside."

    runlog.assert_trajectory([("look_up", {"title": "Emma"}), ("reserve", {"title": "Emma"})])


def test_a_book_that_the_library_lacks_is_not_reserved(runlog: RunLogCapture) -> None:
    assert ask(AGENT, "Ulysses") == "Ulysses: not in this library"

    runlog.assert_called("look_up", {"title": "Ulysses"}, times=1)
    runlog.assert_not_ran("reserve")


@pytest.mark.parametrize(("title", "calls"), [("Emma", 3), ("Ulysses", 2)])
def test_the_model_is_called_once_per_step(runlog: RunLogCapture, title: str, calls: int) -> None:
    ask(AGENT, title)

    assert len(runlog.models) == calls
    assert [call["name"] for call in runlog.models[0].tool_calls] == ["look_up"]
    assert runlog.models[-1].tool_calls == []


def test_the_second_reader_costs_as_much_as_the_first(runlog: RunLogCapture) -> None:
    with runlog.capture() as first:
        ask(AGENT, "Emma")
    with runlog.capture() as second:
        ask(AGENT, "Middlemarch")

    assert first.tokens == second.tokens
    assert len(runlog.roots) == 2
