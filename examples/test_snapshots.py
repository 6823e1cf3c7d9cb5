"""What the examples do, compared with what they did: `pytest --snapshot-update` stores it anew."""

from __future__ import annotations

from syrupy.assertion import SnapshotAssertion

from agent import ask, librarian, look_up_then_reserve
from fakes import FakeChatModel
from pytest_runlog import RunLogCapture
from retrieval import desk, from_the_rules


def test_the_desk_does_what_it_did(runlog: RunLogCapture, snapshot: SnapshotAssertion) -> None:
    desk(FakeChatModel(rule=from_the_rules)).invoke("How long may films be kept?")

    assert runlog == snapshot


def test_the_librarian_asks_and_calls_what_it_did(
    runlog: RunLogCapture, snapshot: SnapshotAssertion
) -> None:
    ask(librarian(FakeChatModel(rule=look_up_then_reserve)), "Emma")

    # Not all runs: each version of LangGraph builds an agent of other nodes.
    assert runlog.models == snapshot(name="models")
    assert runlog.tools == snapshot(name="tools")
