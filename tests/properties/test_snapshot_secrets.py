"""Secrets, wherever they are in what a chain does, are in no snapshot, tree or saved file."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

from hypothesis import given
from syrupy.extensions.amber import AmberSnapshotExtension
from syrupy.extensions.base import AbstractSyrupyExtension
from syrupy.extensions.json import JSONSnapshotExtension
from syrupy.extensions.single_file import SingleFileSnapshotExtension

from pytest_runlog import Run, RunLogCapture, RunLogSnapshotExtension
from pytest_runlog.model.text import HasTree, Level
from pytest_runlog.model.treediff import diff_trees
from pytest_runlog.snapshot import present
from support.secrets import Planted, planted

LEVELS: tuple[Level, ...] = ("shape", "structure", "full")
EXTENSIONS: tuple[type[AbstractSyrupyExtension], ...] = (
    AmberSnapshotExtension,
    JSONSnapshotExtension,
    SingleFileSnapshotExtension,
    RunLogSnapshotExtension,
    RunLogSnapshotExtension.at("shape"),
    RunLogSnapshotExtension.at("full"),
)


def objects(log: RunLogCapture) -> list[HasTree]:
    """All that can be compared with a snapshot."""
    runs: list[Run] = list(log.runs)
    return [log, log.runs, log.models, log.tools, log.infino, *runs]


@given(planted)
def test_no_tree_has_a_secret_in_it(plan: Planted) -> None:
    with plan.recorded() as log:
        assert log.runs
        for value in objects(log):
            for level in LEVELS:
                assert not plan.shown_in(value.tree(level))


@given(planted)
def test_no_snapshot_has_a_secret_in_it(plan: Planted) -> None:
    with plan.recorded() as log:
        for extension in [make() for make in EXTENSIONS]:
            for value in objects(log):
                written = extension.serialize(present(value, extension))
                text = written.decode() if isinstance(written, bytes) else str(written)
                assert not plan.shown_in(text)
        assert not plan.shown_in(str(JSONSnapshotExtension().serialize(log.to_dict())))


@given(planted)
def test_no_diff_and_no_saved_file_has_a_secret_in_it(plan: Planted) -> None:
    with plan.recorded() as log, tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "runs.json")
        log.save(path)
        assert not plan.shown_in(path.read_text(encoding="utf-8"))
        assert not plan.shown_in(json.dumps(json.loads(path.read_text()), ensure_ascii=False))
        loaded = RunLogCapture.load(path)
        assert not plan.shown_in(loaded.tree("full"))
        assert not plan.shown_in("\n".join(diff_trees("a (chain)", log.tree("full"), 10_000)))
