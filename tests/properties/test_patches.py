"""Whatever happens to runs, their patches apply, and fold into the states that were."""

from __future__ import annotations

import asyncio
import copy
import tempfile
from pathlib import Path
from typing import Any

import jsonpatch
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.documents import Document
from langchain_core.messages import AIMessage, AIMessageChunk
from langchain_core.outputs import ChatGeneration, Generation, LLMResult

from pytest_runlog.model.masking import Mask
from pytest_runlog.model.runs import Run, Runs
from pytest_runlog.model.saved import load_runs, save_runs
from pytest_runlog.model.secrets import secrets_in
from support.tape import Tape
from support.values import texts
from support.values import values as any_values

names = st.one_of(
    texts, st.sampled_from(["x", "x:2", "x:3", "a/b", "a~b", "~1", "", "-", "0", "logs"])
)
types = st.sampled_from(["chain", "llm", "chat_model", "tool", "retriever", "prompt", "parser"])
values = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        texts,
        st.builds(Document, page_content=texts),
        st.builds(AIMessage, content=texts),
        st.builds(AIMessageChunk, content=texts),
        st.just({"input": ""}),
    ),
    lambda nested: st.one_of(
        st.lists(nested, max_size=3), st.dictionaries(names, nested, max_size=3)
    ),
    max_leaves=6,
)
"""What equals its copy: the library copies what it applies."""
responses = st.one_of(
    texts.map(lambda text: LLMResult(generations=[[Generation(text=text)]])),
    texts.map(lambda text: LLMResult(generations=[[ChatGeneration(message=AIMessage(text))]])),
)
errors = st.one_of(texts.map(ValueError), st.builds(asyncio.CancelledError))


@st.composite
def logs(draw: st.DrawFn, values: st.SearchStrategy[Any] = values) -> Runs:
    """Runs to which anything has happened, in any order."""
    tape = Tape()
    running = [tape.start(draw(names), type=draw(types), inputs=draw(values))]
    for _ in range(draw(st.integers(0, 12))):
        run = draw(st.sampled_from(running))
        happened = draw(st.sampled_from(["start", "start", "token", "chunk", "v3", "end", "fail"]))
        if happened == "start":
            tags = draw(st.sampled_from([[], ["branch:1"], ["condition:1"], ["seq:step:1"]]))
            running.append(
                tape.start(draw(names), under=run, type=draw(types), inputs=draw(values), tags=tags)
            )
        elif happened == "token":
            tape.token(run, draw(texts), draw(st.one_of(st.none(), values)))
        elif happened == "chunk":
            tape.chunk(run, draw(values))
        elif happened == "v3":
            tape.note(run, "stream_event", draw(values))
        elif happened == "end":
            is_model = tape.types[run] in {"llm", "chat_model"}
            details = draw(st.one_of(st.none(), st.fixed_dictionaries({"inputs": values})))
            tape.end(run, draw(responses if is_model else values), details=details)
        else:
            tape.fail(run, draw(errors))
    return tape.runs()


def flat(run: Run, patches: int | None = None) -> list[dict[str, Any]]:
    return [operation for patch in run.patches[:patches] for operation in patch.ops]


@given(logs())
def test_jsonpatch_makes_the_same_state_of_each_prefix(runs: Runs) -> None:
    for number, (_, state) in enumerate(runs[0].states(), 1):
        assert state == jsonpatch.apply_patch(None, flat(runs[0], number))
        assert state == runs[0].state_at(number)


@given(logs())
def test_the_log_adds_up_as_langchain_adds_patches(runs: Runs) -> None:
    first, *others = runs[0].patches
    added = runs[0].log
    if others:
        added = first + others[0]
        for patch in others[1:]:
            added += patch

    assert added.state == runs[0].state
    assert added.ops == flat(runs[0])


@given(logs())
def test_folding_changes_no_operation(runs: Runs) -> None:
    before = copy.deepcopy(flat(runs[0]))
    states = [dict(state) for _, state in runs[0].states()]

    assert states[-1] == runs[0].state
    assert flat(runs[0]) == before


@given(logs())
def test_each_run_below_the_root_is_one_entry(runs: Runs) -> None:
    entries = runs[0].state["logs"].values()

    assert {entry["id"] for entry in entries} == {str(run.id) for run in runs[0].descendants}
    assert len(entries) == len(runs[0].descendants)


@given(logs())
def test_an_entry_says_what_its_run_says(runs: Runs) -> None:
    entries = {entry["id"]: entry for entry in runs[0].state["logs"].values()}

    for run in runs[0].descendants:
        entry, parent = entries[str(run.id)], run.parent
        assert (entry["name"], entry["tags"]) == (run.name, run.tags)
        assert parent is not None
        assert entry["parent_id"] == str(parent.id)
        assert (entry["end_time"] is None) == (run.status == "unfinished")
        assert (entry["error"] is None) == (run.error is None)


@given(logs(), st.lists(names, max_size=3))
def test_a_filtered_log_is_a_log_of_fewer_runs(runs: Runs, excluded: list[str]) -> None:
    filtered = runs[0].filtered_log(exclude_names=excluded)
    kept = [run for run in runs[0].descendants if run.name not in excluded]

    assert jsonpatch.apply_patch(None, filtered.ops) == filtered.state
    assert {entry["id"] for entry in filtered.state["logs"].values()} == {
        str(run.id) for run in kept
    }


@given(logs(any_values))
def test_patches_of_any_values_are_written_and_folded(runs: Runs) -> None:
    for _, state in runs[0].states():
        assert set(state) >= {"logs", "final_output", "streamed_output"}


@given(logs(any_values))
def test_a_loaded_log_is_that_of_the_saved_runs(runs: Runs) -> None:
    mask = Mask(secrets=secrets_in(run.inputs for run in runs))
    with tempfile.TemporaryDirectory() as folder:
        path, again = Path(folder) / "run.json", Path(folder) / "again.json"
        save_runs(runs[:1], mask, path)
        loaded = load_runs(path)
        save_runs(loaded[:1], Mask(), again)
        assert again.read_text("utf-8") == path.read_text("utf-8")

    assert len(loaded[0].patches) == len(runs[0].patches)
    assert loaded[0].state == jsonpatch.apply_patch(None, flat(loaded[0]))
    ids = [[entry["id"] for entry in root.state["logs"].values()] for root in (loaded[0], runs[0])]
    assert ids[0] == ids[1]
