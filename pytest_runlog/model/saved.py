"""Runs as plain data: for comparison without times, and for a file with them."""

from __future__ import annotations

import json
from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

from pytest_runlog.model.data import metadata_to_data, to_data
from pytest_runlog.model.runs import Chunk, Run, RunEvent, Runs, walk
from pytest_runlog.model.usage import TokenUsage

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from pytest_runlog.model.data import Data
    from pytest_runlog.model.masking import Mask

SCHEMA = 1


class SavedError(Exception):
    """An exception as it was saved: its type's name and its text."""


def runs_to_dict(roots: Iterable[Run], mask: Mask) -> dict[str, Data]:
    """The runs without times and ids: the same chain on the same inputs gives the same."""
    return {"runs": [_nested(root, mask, _without_times) for root in roots]}


def save_runs(roots: Iterable[Run], mask: Mask, path: Path) -> None:
    """Write the runs, times included and secrets masked, as JSON."""
    roots = list(roots)
    first = min((root.start_ns for root in roots), default=0)
    saved = {
        "schema": SCHEMA,
        "runs": [
            _nested(root, mask, lambda run, mask: _with_times(run, mask, first)) for root in roots
        ],
    }
    text = json.dumps(saved, indent=1, ensure_ascii=True)
    path.write_text(text + "\n", encoding="utf-8")


def load_runs(path: Path) -> Runs:
    """The runs of a file that `save_runs` wrote; values are the plain data they became.

    Raises `ValueError` for a file that is not one, naming the file and what is wrong.
    """
    try:
        saved = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path} is not a saved run log: {error}") from None
    if not isinstance(saved, dict) or not isinstance(saved.get("schema"), int):
        raise ValueError(f"{path} is not a saved run log: it has no schema version")
    if saved["schema"] > SCHEMA:
        raise ValueError(
            f"{path} has schema version {saved['schema']}, this pytest-runlog reads up to "
            f"{SCHEMA}: install a newer one (pip install -U pytest-runlog)"
        )
    try:
        return Runs(walk([_loaded(root, None) for root in saved["runs"]]))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ValueError(f"{path} is not a complete saved run log: {error!r}") from None


def _nested(root: Run, mask: Mask, facts: Any) -> dict[str, Data]:
    top: dict[str, Data] = facts(root, mask)
    todo = [(root, top)]
    while todo:
        run, data = todo.pop()
        data["children"] = [facts(child, mask) for child in run.children]
        todo += zip(run.children, data["children"])
    return top


def _without_times(run: Run, mask: Mask) -> dict[str, Data]:
    return {
        "name": mask.text(run.name),
        "type": run.type,
        "status": run.status,
        "tags": sorted(to_data(run.tags, mask, "tags")),
        "metadata": metadata_to_data(run.metadata, mask),
        "inputs": to_data(run.inputs, mask, "inputs"),
        "output": to_data(run.output, mask, "output"),
        "error": to_data(run.error, mask, "error"),
        "interrupt": to_data(run.interrupt, mask, "interrupt"),
        "model": run.model,
        "tokens": run.usage._asdict(),
        "tool_calls": to_data(run.tool_calls, mask, "tool_calls"),
        "attempt": run.attempt,
        "chunks": [to_data(chunk.value, mask, "chunks") for chunk in run.chunks],
        "events": [
            {"name": mask.text(event.name), "data": to_data(event.data, mask, "events")}
            for event in run.events
        ],
    }


def _with_times(run: Run, mask: Mask, first: int) -> dict[str, Data]:
    return {
        **_without_times(run, mask),
        "id": str(run.id),
        "thread": run.thread,
        "start": run.start.isoformat(),
        "end": None if run.end is None else run.end.isoformat(),
        "start_ns": run.start_ns - first,
        "end_ns": None if run.end_ns is None else run.end_ns - first,
        "chunk_times": [chunk.at for chunk in run.chunks],
        "event_times": [event.at for event in run.events],
    }


def _loaded(saved: Mapping[str, Any], parent: Run | None) -> Run:
    run = Run(
        id=UUID(saved["id"]),
        name=saved["name"],
        type=saved["type"],
        tags=saved["tags"],
        metadata=saved["metadata"],
        inputs=saved["inputs"],
        output=saved["output"],
        status=saved["status"],
        error=_loaded_error(saved["error"]),
        interrupt=_loaded_error(saved["interrupt"]),
        start=datetime.fromisoformat(saved["start"]),
        end=None if saved["end"] is None else datetime.fromisoformat(saved["end"]),
        start_ns=saved["start_ns"],
        end_ns=saved["end_ns"],
        chunks=[Chunk(*pair) for pair in zip(saved["chunks"], saved["chunk_times"])],
        events=[
            RunEvent(event["name"], event["data"], at)
            for event, at in zip(saved["events"], saved["event_times"])
        ],
        notes=[],
        model=saved["model"],
        attempt=saved["attempt"],
        thread=saved["thread"],
        details={},
        response=None,
        usage=TokenUsage(**saved["tokens"]),
        parent=parent,
    )
    children = Runs([_loaded(child, run) for child in saved["children"]])
    object.__setattr__(run, "children", children)
    return run


def _loaded_error(saved: Any) -> SavedError | None:
    if saved is None:
        return None
    named: type[SavedError] = type(str(saved["@type"]), (SavedError,), {})
    return named(saved.get("message", ""))
