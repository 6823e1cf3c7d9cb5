"""What Infino's retired server takes of records: JSON below its limit, on its routes.

Of a log it keeps text at the top level and nothing else, so labels stand there; of a metric
it keeps labels that are text. It takes a list of payloads as it takes one. Its routes changed
twice, and with them the calls of `infinopy`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from math import isfinite
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections import deque
    from collections.abc import Sequence

    from pytest_runlog.delivery.records import Record
    from pytest_runlog.infino.payloads import Kind

BODY_LIMIT = 2_000_000
"""Bytes of a request. The server takes 2 MiB, and since March 2024 5 MiB."""

MOST_ENTRIES = 1_000
"""In one request, so that what is sent again after a failure is not much."""

_BRACKETS = 2
_COMMA = 2


class Generation(NamedTuple):
    """Servers and clients that understand each other."""

    servers: str
    clients: str
    log: str
    metric: str

    def route(self, kind: Kind, index: str) -> str:
        """Where records of this kind are posted to."""
        return (self.log if kind == "log" else self.metric).format(index=index)


TS = Generation("before November 2023", "infinopy up to 0.0.5", "/append_log", "/append_ts")
METRIC = Generation(
    "from November 2023 to March 2024", "infinopy 0.0.6 and 0.0.7", "/append_log", "/append_metric"
)
INDEX = Generation(
    "since March 2024",
    "the infinopy at the head of its repository",
    "/{index}/append_log",
    "/{index}/append_metric",
)


@dataclass(frozen=True, slots=True)
class Entry:
    """A record as a server gets it."""

    body: dict[str, Any]
    size: int
    """Bytes, as JSON in ASCII."""


def entry_of(record: Record, limit: int = BODY_LIMIT) -> Entry | None:
    """The record as a payload that fits into a request; text that does not is cut.

    `None` if it cannot be made to fit, or is no JSON.
    """
    value = record.value
    if isinstance(value, str):
        value = _without_surrogates(value)
    elif not isfinite(value):
        return None
    room = limit - _BRACKETS
    entry = _sized(_body(record, value))
    if entry.size <= room:
        return entry
    if not isinstance(value, str):
        return None
    note = f" […] ({len(value):,} characters, cut to fit into a request)"
    room -= _sized(_body(record, note)).size
    if room < 0:
        return None
    return _sized(_body(record, _cut(value, room) + note))


def take(
    queue: deque[tuple[int, Record]], limit: int, most: int, one_limit: int
) -> list[tuple[int, Record, Entry]]:
    """What comes next and fits into a request: at least one record, though, and at most `most`.

    A record alone is cut to fit into `one_limit`. One that fits into no request is left at the
    head of the queue.
    """
    taken: list[tuple[int, Record, Entry]] = []
    size = _BRACKETS
    while queue and len(taken) < most:
        number, record = queue[0]
        entry = entry_of(record, one_limit)
        if entry is None or (taken and size + entry.size > limit):
            break
        queue.popleft()
        taken.append((number, record, entry))
        size += entry.size + _COMMA
    return taken


def size_of(entries: Sequence[Entry]) -> int:
    """The bytes of a request with these entries."""
    return _BRACKETS + sum(entry.size for entry in entries) + _COMMA * max(len(entries) - 1, 0)


def _body(record: Record, value: float | str) -> dict[str, Any]:
    # A date that is no number of seconds since the epoch has the server drop a metric in silence.
    date = int(record.date) if isfinite(record.date) and record.date > 0 else 0
    labels = {
        _without_surrogates(name): _without_surrogates(text)
        for name, text in {**record.labels, "record_id": record.record_id}.items()
    }
    key = _without_surrogates(record.key)
    if record.kind == "metric":
        return {"date": date, key: value, "labels": labels}
    taken = ("date", key)
    flat = {f"label_{name}" if name in taken else name: text for name, text in labels.items()}
    return {"date": date, key: value, **flat}


def _sized(body: dict[str, Any]) -> Entry:
    return Entry(body, len(json.dumps(body)))


def _cut(text: str, room: int) -> str:
    """The longest beginning of the text that takes no more bytes than this as JSON."""
    fits, too_long = 0, min(len(text), room) + 1
    while too_long - fits > 1:
        middle = (fits + too_long) // 2
        if len(json.dumps(text[:middle])) - len('""') <= room:
            fits = middle
        else:
            too_long = middle
    return text[:fits]


def _without_surrogates(text: str) -> str:
    """The text as it can be in UTF-8: halves of surrogate pairs are no text to the server."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text
