"""What is delivered of payloads: flat records with an id, in builtin types."""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pytest_runlog.infino.payloads import Kind


@dataclass(frozen=True)
class Record:
    """One value of a payload: what is sent, and what a spool file holds."""

    kind: Kind
    """`"metric"` or `"log"`."""
    record_id: str
    """The same however often the record is delivered, so that reading can drop repeats."""
    date: float
    """Seconds since the epoch, not negative."""
    key: str
    """What the value is: `"latency"`, `"prompt"`."""
    value: float | str
    """A float of a metric, text of a log."""
    labels: dict[str, str]
    """Of what the value is: flat, and nothing but text."""

    def to_dict(self) -> dict[str, Any]:
        """The record in builtin types."""
        return dict(vars(self))

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Record:
        """The record that `to_dict` gave. Raises `ValueError` for anything else."""
        try:
            record = cls(**data)
        except TypeError as error:
            raise ValueError(f"no record: {error}") from None
        for name, right in _CHECKS.items():
            if not right(record):
                raise ValueError(f"no record: its {name} is {getattr(record, name)!r}")
        return record


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and isfinite(value)


_CHECKS: Mapping[str, Callable[[Any], object]] = {
    "kind": lambda record: record.kind in ("metric", "log"),
    "record_id": lambda record: isinstance(record.record_id, str) and record.record_id,
    "date": lambda record: _is_number(record.date) and record.date >= 0,
    "key": lambda record: isinstance(record.key, str),
    "value": lambda record: (
        isinstance(record.value, str) if record.kind == "log" else _is_number(record.value)
    ),
    "labels": lambda record: (
        isinstance(record.labels, dict)
        and all(isinstance(text, str) for pair in record.labels.items() for text in pair)
    ),
}
