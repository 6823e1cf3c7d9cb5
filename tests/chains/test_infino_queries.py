"""The questions of docs/infino.md, asked of a month of CI runs."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from pytest_runlog.delivery.opening import open_sink
from pytest_runlog.delivery.records import Record
from support.pages import blocks_of
from support.store import query

PAGE = Path(__file__).parents[2] / "docs" / "infino.md"
SLOWER, FAILING = (
    block.text for block in blocks_of(PAGE.read_text(encoding="utf-8")) if block.language == "sql"
)
DAY = 24 * 60 * 60
DAYS, SESSIONS = 30, 2


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two sessions a day; one of them was sent twice."""
    place = tmp_path_factory.mktemp("ci") / "store"
    now = time.time()
    records = [
        record
        for day in range(DAYS)
        for session in range(SESSIONS)
        for record in session_of(day, session, now)
    ]
    sink = open_sink(str(place), 60)
    sink.send(records)
    sink.send(list(session_of(1, 1, now)))
    return place


def session_of(day: int, session: int, now: float) -> list[Record]:
    """What a session had so many days ago."""
    name, date = f"{day}-{session}", now - day * DAY - session * 3600 - 60
    week = 0 if day < 7 else 1
    return [
        *run(f"{name}-a", date, "answer", (0.9, 0.5)[week] + session / 100, "What is RFC 6902?"),
        *run(f"{name}-b", date, "summary", 0.3 + day % 2 / 10, "Sum it up"),
        *run(f"{name}-c", date, "search", (0.2, 0.4)[week], f"Find {day % 3}", failed=day % 3 == 1),
    ]


def run(
    name: str, date: float, chain: str, seconds: float, prompt: str, *, failed: bool = False
) -> list[Record]:
    """The records of a chain whose model was asked once."""
    root = {"chain": chain, "path": chain, "run_id": f"root of {name}"}
    model = {"chain": chain, "path": f"{chain}/FakeChat", "run_id": name}
    records: list[tuple[Any, str, float | str, dict[str, str]]] = [
        ("log", "prompt", prompt, model),
        ("metric", "error", float(failed), model),
        ("metric", "root_latency", seconds, root),
    ]
    if failed:
        records.append(("log", "error_message", "ModelDown: 503", model))
    return [
        Record(kind, f"{name} {key}", date, key, value, labels)
        for kind, key, value, labels in records
    ]


def test_a_chain_that_got_slower_is_found(store: Path) -> None:
    assert query(store, SLOWER) == [
        {
            "chain": "answer",
            "seconds_before": pytest.approx(0.505),
            "seconds_now": pytest.approx(0.905),
            "runs_now": 14,
        }
    ]


def test_a_prompt_that_fails_is_found(store: Path) -> None:
    assert query(store, FAILING) == [
        {"prompt": "Find 1", "runs": 20, "failed": 20, "message": "ModelDown: 503"}
    ]
