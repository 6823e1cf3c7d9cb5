"""Records, and what a store of the embedded engine holds of them."""

from __future__ import annotations

import os
from importlib import import_module
from pathlib import Path
from typing import Any

from pytest_runlog.delivery.engine import storage_options
from pytest_runlog.delivery.records import Record

DATE = 1_780_000_000.0


def metric(number: int = 0, value: float = 0.5, **labels: str) -> Record:
    return Record("metric", f"m{number}", DATE + number, "latency", value, labels)


def log(number: int = 0, text: str = "why?", **labels: str) -> Record:
    return Record("log", f"l{number}", DATE + number, "prompt", text, labels)


def query(place: Path | str, sql: str) -> list[dict[str, Any]]:
    """What the engine answers."""
    options = storage_options(str(place), os.environ)
    store = import_module("infino").connect(str(place), storage_options=options)
    return [dict(row) for row in store.query_sql(sql).to_pylist()]


def record_ids(place: Path, table: str) -> list[str]:
    return [row["record_id"] for row in query(place, f"SELECT record_id FROM {table} ORDER BY 1")]  # noqa: S608
