"""What is delivered of a test: its payloads and the latency of its roots, masked and flat.

Builtin types only: they travel on the report of the test, from an xdist worker too.
"""

from __future__ import annotations

import json
from hashlib import blake2b
from math import isfinite
from typing import TYPE_CHECKING, Any, TypeAlias

from pytest_runlog.delivery.records import Record
from pytest_runlog.model.data import to_data

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from pytest_runlog.infino.payloads import Kind, Payload
    from pytest_runlog.model.masking import Mask
    from pytest_runlog.model.runs import Run

ROOT_LATENCY = "root_latency"
"""A metric that the handler does not send: the seconds of a root, so of a whole chain."""
_YEAR_10000 = 253_402_300_800
"""Seconds from the epoch: no date of Python's, and of most stores, comes later."""
Value: TypeAlias = "tuple[Kind, float, str, float | str, dict[str, str]]"
"""Kind, date, key, value and labels, as in a `Record`."""


def values_of(
    calls: Iterable[Payload],
    runs: Iterable[Run],
    mask: Mask,
    label: Callable[[Run], str],
    now: float,
) -> list[Value]:
    """What was sent about these runs, and how long their roots took.

    Labels are those of the payload, besides `chain`, the name of the root, `path` and
    `model_id`, the model's own name, of its run. `now` is the date of payloads without one.
    """
    runs = list(runs)
    known = {str(run.id): run for run in runs}
    values = [value for call in calls for value in _values(call, known, mask, label, now)]
    values += [
        ("metric", run.start.timestamp(), ROOT_LATENCY, run.latency, _of_run(run, mask, label))
        for run in runs
        if run.parent is None and run.latency is not None
    ]
    return values


def to_records(
    values: Iterable[Value], session: str, nodeid: str, attempt: int
) -> Iterator[Record]:
    """The records of an attempt of a test, each with an id that is always the same."""
    labels = {"session": session, "nodeid": nodeid, "attempt": str(attempt)}
    for position, (kind, date, key, value, own) in enumerate(values):
        name = "\0".join([session, nodeid, str(attempt), str(position)])
        record_id = blake2b(name.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
        yield Record(kind, record_id, max(date, 0), key, value, {**own, **labels})


def _values(
    call: Payload, known: Mapping[str, Run], mask: Mask, label: Callable[[Run], str], now: float
) -> Iterator[Value]:
    own = call.body.get("labels")
    own = dict(own) if isinstance(own, dict) else {}
    run_id = own.pop("run_id", None)
    labels = {} if run_id is None else {"run_id": str(run_id)}
    if run_id is not None and (run := known.get(str(run_id))) is not None:
        labels.update(_of_run(run, mask, label))
    shown = to_data(own, mask, "infino.labels")
    if isinstance(shown, dict):
        labels.update(
            (_text(key), _text(value)) for key, value in shown.items() if value is not None
        )
    given: Any = call.body.get("date")
    date = float(given) if _is_number(given) and given < _YEAR_10000 else now
    for key in call.keys:
        data = to_data({key: call.body[key]}, mask, "infino")
        value = next(iter(data.values())) if isinstance(data, dict) else data
        if call.kind == "log":
            value = _text(value)
        elif not _is_number(value):
            continue  # the server would drop it too, or it was masked
        else:
            value = float(value)
        yield call.kind, date, _text(key), value, labels


def _of_run(run: Run, mask: Mask, label: Callable[[Run], str]) -> dict[str, str]:
    labels = {"run_id": str(run.id), "path": _text(label(run)), "chain": _text(label(run.root))}
    if run.model is not None:
        labels["model_id"] = _text(mask.text(run.model))
    return labels


def _is_number(value: Any) -> bool:
    try:
        return isinstance(value, (int, float)) and isfinite(value)
    except OverflowError:  # an integer that no float can hold
        return False


def _text(value: Any) -> str:
    """Text that every store takes: half of a surrogate pair is replaced."""
    text = value if isinstance(value, str) else json.dumps(value)
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
