"""Records to deliver."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_runlog.delivery.records import Record

if TYPE_CHECKING:
    from collections.abc import Iterable

DATE = 1_700_000_000.75
LABELS = {"run_id": "run-1", "model_id": "gpt-4"}


def log(text: str, record_id: str = "log-1", key: str = "prompt") -> Record:
    return Record("log", record_id, DATE, key, text, LABELS)


def metric(value: float, record_id: str = "metric-1", key: str = "latency") -> Record:
    return Record("metric", record_id, DATE, key, value, LABELS)


def some(number: int = 5) -> list[Record]:
    """So many logs and as many metrics, each with an id of its own."""
    return [
        record
        for n in range(number)
        for record in (log(f"text {n}", f"log-{n}"), metric(float(n), f"metric-{n}"))
    ]


def ids(records: Iterable[Record]) -> list[str]:
    """Their ids, in order."""
    return [record.record_id for record in records]
