"""A saved log is what was recorded, whatever was recorded."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from pytest_runlog.model.masking import Mask
from pytest_runlog.model.saved import load_runs, runs_to_dict, save_runs
from pytest_runlog.model.secrets import secrets_in
from pytest_runlog.model.text import tree_lines
from support.tape import Tape
from support.values import keys, texts, values

errors = st.builds(ValueError, values)


@given(
    name=texts,
    inputs=values,
    outcome=st.one_of(st.none(), values, errors),
    metadata=st.dictionaries(keys, values, max_size=2),
    tags=st.lists(texts, max_size=3),
    chunks=st.lists(values, max_size=2),
)
def test_what_is_loaded_is_the_data_and_the_tree_of_what_was_saved(
    name: str,
    inputs: Any,
    outcome: Any,
    metadata: dict[str, Any],
    tags: list[str],
    chunks: list[Any],
) -> None:
    tape = Tape()
    root = tape.start(name, inputs=inputs, tags=tags, metadata=metadata)
    child = tape.start(name, under=root, inputs=inputs)
    for chunk in chunks:
        tape.chunk(child, chunk)
    tape.custom(child, name, inputs)
    for run in (child, root):
        if isinstance(outcome, ValueError):
            tape.fail(run, outcome)
        elif outcome is not None:
            tape.end(run, outcome)
    saved = tape.runs()[:1]
    mask = Mask(secrets=secrets_in([inputs, outcome, metadata, chunks]))

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "run.json"
        save_runs(saved, mask, path)
        loaded = load_runs(path)[:1]

    assert runs_to_dict(loaded, Mask()) == runs_to_dict(saved, mask)
    assert list(tree_lines(loaded, Mask(), "full")) == list(tree_lines(saved, mask, "full"))
