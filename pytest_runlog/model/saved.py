"""Runs as plain data: for comparison without times, and for a file with them."""

from __future__ import annotations

import json
from collections import defaultdict
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any
from uuid import UUID

from pytest_runlog.model.data import (
    SavedError,
    details_to_data,
    error_to_data,
    group_chunks,
    metadata_to_data,
    sort_keys,
    tags_to_data,
    to_data,
    without_call_ids,
)
from pytest_runlog.model.errors import causes_of
from pytest_runlog.model.log.patches import Shown
from pytest_runlog.model.log.rootlog import RootLog
from pytest_runlog.model.runs import Chunk, Run, RunEvent, Runs, log_of, walk
from pytest_runlog.model.usage import TokenUsage

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from pytest_runlog.model.data import Data
    from pytest_runlog.model.log.patches import Patch
    from pytest_runlog.model.masking import Mask

SCHEMA = 1

_LONGEST_VALUE = 40
"""Characters of a value that a message shows."""

_MALFORMED = (LookupError, TypeError, ValueError, AttributeError, RecursionError)
_SAVE_AGAIN = ". Files are written by `runlog.save(path)`: save it again"

_NONE = type(None)
_KINDS: dict[str, tuple[type, ...]] = {
    "name": (str,),
    "type": (str,),
    "status": (str,),
    "model": (str, _NONE),
    "attempt": (int, _NONE),
    "thread": (int,),
    "start_ns": (int,),
    "end_ns": (int, _NONE),
    "tags": (list,),
    "metadata": (dict,),
    "details": (dict,),
}
_KINDS_OF_ITEMS: dict[str, tuple[type, ...]] = {
    "tags": (str,),
    "tokens": (int, _NONE),
    "chunk_times": (int, float),
    "event_times": (int, float),
}
"""What the facts of a saved run are, apart from the values of the user's."""


def runs_to_dict(roots: Iterable[Run], mask: Mask) -> dict[str, Data]:
    """The runs without times and ids: the same chain on the same inputs gives the same."""
    return {"runs": [_nested(root, mask) for root in roots]}


def save_runs(roots: Iterable[Run], mask: Mask, path: Path) -> None:
    """Write the runs, times and patches included and secrets masked, as JSON."""
    roots = list(roots)
    runs = list(walk(roots))
    first = min((root.start_ns for root in roots), default=0)
    errors = _Errors(runs)
    places = {id(run): place for place, run in enumerate(runs)}
    saved = {
        "schema": SCHEMA,
        "errors": errors.to_data(mask),
        "runs": [
            {
                **_with_times(run, mask, first, errors),
                "parent": places.get(id(run.parent)),
                "patches": None if (log := log_of(run)) is None else log.shown(_masked(mask)),
            }
            for run in runs
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
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path} is not a saved run log: {error}{_SAVE_AGAIN}") from None
    if not isinstance(saved, dict) or not isinstance(saved.get("schema"), int):
        raise ValueError(f"{path} is not a saved run log: it has no schema version{_SAVE_AGAIN}")
    if saved["schema"] > SCHEMA:
        raise ValueError(
            f"{path} has schema version {saved['schema']}, this pytest-runlog reads up to "
            f"{SCHEMA}: install a newer one (pip install -U pytest-runlog)"
        )
    try:
        errors = _loaded_errors(saved["errors"])
        return Runs(walk(_loaded_roots(saved["runs"], errors)))
    except _MALFORMED as error:
        raise ValueError(
            f"{path} is not a complete saved run log: {_reason(error)}{_SAVE_AGAIN}"
        ) from None


def _nested(root: Run, mask: Mask) -> dict[str, Data]:
    top = _comparable(root, mask)
    todo = [(root, top)]
    while todo:
        run, data = todo.pop()
        data["children"] = [_comparable(child, mask) for child in run.children]
        todo += zip(run.children, data["children"])
    return top


def _comparable(run: Run, mask: Mask) -> dict[str, Data]:
    facts = _without_times(run, mask)
    return {name: without_call_ids(fact) for name, fact in facts.items()}


def _without_times(run: Run, mask: Mask) -> dict[str, Data]:
    facts = {
        "name": mask.text(run.name),
        "type": run.type,
        "status": run.status,
        "tags": tags_to_data(run.tags, mask),
        "metadata": metadata_to_data(run.metadata, mask, run.tags),
        "inputs": to_data(run.inputs, mask, "inputs"),
        "output": to_data(run.output, mask, "output"),
        "error": error_to_data(run.error, mask),
        "interrupt": error_to_data(run.interrupt, mask, "interrupt"),
        "model": run.model if run.model is None else mask.text(run.model),
        "tokens": run.usage._asdict(),
        "tool_calls": to_data(run.tool_calls, mask, "tool_calls"),
        "attempt": run.attempt,
        "chunks": group_chunks(_chunks_to_data(run, mask)),
        "events": [
            {"name": mask.text(event.name), "data": to_data(event.data, mask, "events")}
            for event in run.events
        ],
    }
    return {name: sort_keys(fact) for name, fact in facts.items()}


def _chunks_to_data(run: Run, mask: Mask) -> list[Data]:
    return [to_data(chunk.value, mask, "chunks") for chunk in run.chunks]


class _Errors:
    """The exceptions of all runs, each once: an exception is that of each run it went through."""

    def __init__(self, runs: Iterable[Run]) -> None:
        self.all: list[BaseException] = []
        self.numbers: dict[int, int] = {}
        for run in runs:
            if run.error is not None and id(run.error) not in self.numbers:
                self.numbers[id(run.error)] = len(self.all)
                self.all.append(run.error)

    def number(self, error: BaseException | None) -> int | None:
        return None if error is None else self.numbers[id(error)]

    def to_data(self, mask: Mask) -> list[Data]:
        return [
            {"error": error_to_data(error, mask), "causes": sorted(self.causes(error))}
            for error in self.all
        ]

    def causes(self, error: BaseException) -> set[int]:
        found = {self.numbers[id(cause)] for cause in causes_of(error) if id(cause) in self.numbers}
        return found - {self.numbers[id(error)]}


def _with_times(run: Run, mask: Mask, first: int, errors: _Errors) -> dict[str, Data]:
    return {
        **_without_times(run, mask),
        "id": str(run.id),
        "thread": run.thread,
        "start": run.start.isoformat(),
        "end": None if run.end is None else run.end.isoformat(),
        "start_ns": run.start_ns - first,
        "end_ns": None if run.end_ns is None else run.end_ns - first,
        "chunks": _chunks_to_data(run, mask),
        "chunk_times": [chunk.at for chunk in run.chunks],
        "event_times": [event.at for event in run.events],
        "notes": [
            {"name": note.name, "data": to_data(note.data, mask, "notes"), "at": note.at}
            for note in run.notes
        ],
        "details": details_to_data(run.details, mask),
        "error_number": errors.number(run.error),
    }


def _loaded_roots(saved: list[dict[str, Any]], errors: list[SavedError]) -> list[Run]:
    runs: list[Run] = []
    children: dict[int | None, list[Run]] = defaultdict(list)
    for facts in saved:
        try:
            place = facts["parent"]
            if place is not None and not 0 <= place < len(runs):
                raise ValueError("its parent does not come before it")
            run = _loaded(facts, None if place is None else runs[place], errors)
        except _MALFORMED as error:
            raise ValueError(f"run {len(runs)}: {_reason(error)}") from None
        runs.append(run)
        children[place].append(run)
    for place, run in enumerate(runs):
        object.__setattr__(run, "children", Runs(children[place]))
    return children[None]


def _reason(error: Exception) -> str:
    """What is wrong, in words where there are some."""
    return str(error) if type(error) is ValueError else repr(error)


def _check_kinds(saved: Mapping[str, Any]) -> None:
    """Raise `ValueError` for a fact that none is."""
    for name, kinds in _KINDS.items():
        if not isinstance(saved[name], kinds):
            raise ValueError(f"its {name!r} cannot be {_short(saved[name])}")
    for name, kinds in _KINDS_OF_ITEMS.items():
        items = saved[name].values() if isinstance(saved[name], dict) else saved[name]
        for item in items:
            if not isinstance(item, kinds):
                raise ValueError(f"there cannot be {_short(item)} among its {name!r}")
    for name in ("events", "notes"):
        if not all(isinstance(event["name"], str) for event in saved[name]):
            raise ValueError(f"the name of one of its {name!r} is no text")


def _short(value: Data) -> str:
    text = json.dumps(value)
    return text if len(text) <= _LONGEST_VALUE else f"{text[:_LONGEST_VALUE]}…"


def _loaded(saved: Mapping[str, Any], parent: Run | None, errors: list[SavedError]) -> Run:
    _check_kinds(saved)
    return Run(
        id=UUID(saved["id"]),
        name=saved["name"],
        type=saved["type"],
        tags=saved["tags"],
        metadata=saved["metadata"],
        inputs=saved["inputs"],
        output=saved["output"],
        status=saved["status"],
        error=None if saved["error_number"] is None else errors[saved["error_number"]],
        interrupt=None if saved["interrupt"] is None else _loaded_error(saved["interrupt"]),
        start=datetime.fromisoformat(saved["start"]),
        end=None if saved["end"] is None else datetime.fromisoformat(saved["end"]),
        start_ns=saved["start_ns"],
        end_ns=saved["end_ns"],
        chunks=[Chunk(*pair) for pair in zip(saved["chunks"], saved["chunk_times"])],
        events=[
            RunEvent(event["name"], event["data"], at)
            for event, at in zip(saved["events"], saved["event_times"])
        ],
        notes=[RunEvent(note["name"], note["data"], note["at"]) for note in saved["notes"]],
        model=saved["model"],
        attempt=saved["attempt"],
        thread=saved["thread"],
        details=saved["details"],
        response=None,
        usage=TokenUsage(**saved["tokens"]),
        parent=parent,
        _own_log=_loaded_log(saved["patches"]) if parent is None else None,
    )


def _loaded_log(patches: list[Patch]) -> RootLog:
    """The log that a root was saved with. Raises `ValueError` if it is none."""
    log = RootLog(partial(_as_saved, patches))
    log.check()
    return log


def _as_saved(patches: list[Patch], _shown: Shown) -> list[Patch]:
    return patches


def _masked(mask: Mask) -> Shown:
    def error_data(error: BaseException) -> Data:
        data = error_to_data(error, mask)
        if not isinstance(data, dict) or set(data) != {"@type", "message"}:
            return data  # what the user's hook made of it
        return {"type": data["@type"], "message": data["message"]}

    return Shown(lambda value, path: to_data(value, mask, path), mask.text, error_data)


def _loaded_errors(saved: list[dict[str, Any]]) -> list[SavedError]:
    errors = [_loaded_error(entry["error"]) for entry in saved]
    for error, entry in zip(errors, saved):
        error.exceptions = tuple(errors[number] for number in entry["causes"])
    return errors


def _loaded_error(data: Data) -> SavedError:
    error = SavedError(data)
    if isinstance(data, dict) and set(data) == {"@type", "message"}:
        error = type(str(data["@type"]), (SavedError,), {})(data["message"])
    error.data = data
    return error
