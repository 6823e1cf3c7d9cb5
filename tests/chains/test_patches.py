"""Run logs of real chains."""

from __future__ import annotations

from pytest_runlog import record
from support.chains import retrieval_chain


def test_a_streamed_chain_has_a_log_of_all_its_runs() -> None:
    with record() as log:
        chunks = list(retrieval_chain().stream("What is RFC 6902?"))

    state = log.root.state
    assert state["streamed_output"] == chunks
    assert state["final_output"] == "".join(chunks)
    assert list(state["logs"]) == [
        entry["name"] for entry in state["logs"].values()
    ]  # no name is there twice
    assert sorted(state["logs"]) == sorted(log.root.descendants.names)
