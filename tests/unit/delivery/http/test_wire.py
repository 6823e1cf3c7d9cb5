from __future__ import annotations

import json
from collections import deque
from math import inf, nan
from typing import Any

import pytest

from pytest_runlog.delivery.http.wire import BODY_LIMIT, Entry, entry_of, size_of, take
from pytest_runlog.delivery.records import Record
from support.records import DATE, LABELS, log, metric, some


def body_of(record: Record, limit: int = BODY_LIMIT) -> dict[str, Any]:
    entry = entry_of(record, limit)
    assert entry is not None
    return entry.body


def test_a_metric_has_its_labels_and_its_id_among_them() -> None:
    assert body_of(metric(0.5)) == {
        "date": 1_700_000_000,
        "latency": 0.5,
        "labels": {**LABELS, "record_id": "metric-1"},
    }


def test_a_log_has_its_labels_beside_its_text_where_the_server_keeps_them() -> None:
    assert body_of(log("hi")) == {
        "date": 1_700_000_000,
        "prompt": "hi",
        **LABELS,
        "record_id": "log-1",
    }


@pytest.mark.parametrize("name", ["date", "prompt"])
def test_a_label_of_a_log_takes_the_place_of_nothing_else(name: str) -> None:
    record = Record("log", "1", DATE, "prompt", "hi", {name: "x"})

    assert body_of(record) == {
        "date": 1_700_000_000,
        "prompt": "hi",
        f"label_{name}": "x",
        "record_id": "1",
    }


@pytest.mark.parametrize("date", [-1.0, -0.5, nan, inf, -inf])
def test_a_date_that_the_server_would_drop_a_metric_for_is_the_epoch(date: float) -> None:
    assert body_of(Record("metric", "1", date, "error", 1, {}))["date"] == 0


@pytest.mark.parametrize("value", [nan, inf, -inf])
def test_a_value_that_json_does_not_know_is_not_sent(value: float) -> None:
    assert entry_of(metric(value)) is None


def test_what_is_no_text_in_utf_8_is_replaced_and_pairs_are_joined() -> None:
    labels = {"half \ud83d": "\ude00", "pair": "\ud83d\ude00"}

    body = body_of(Record("log", "1", DATE, "prompt", "a\ud83db", labels))

    assert body["prompt"] == "a\ufffdb"
    assert body["half \ufffd"] == "\ufffd"
    assert body["pair"] == "😀"


@pytest.mark.parametrize("text", ["a", "ä", "😀", '"', "\n", "\0"])
@pytest.mark.parametrize("limit", [400, 1_000, 10_001])
def test_a_text_that_is_too_long_is_cut_to_the_last_byte_that_fits(text: str, limit: int) -> None:
    record = log(text * 20_000)

    entry = entry_of(record, limit)

    assert entry is not None
    one_more = len(json.dumps(text)) - 2
    assert limit - one_more < size_of([entry]) <= limit
    assert len(json.dumps([entry.body])) == size_of([entry])
    kept, note = entry.body["prompt"].split(" […] ")
    assert note == "(20,000 characters, cut to fit into a request)"
    assert kept == text * len(kept)
    assert kept


def test_a_text_that_fits_exactly_is_not_cut() -> None:
    whole = entry_of(log("x" * 1_000))
    assert whole is not None

    assert body_of(log("x" * 1_000), size_of([whole]))["prompt"] == "x" * 1_000
    assert "cut" in body_of(log("x" * 1_000), size_of([whole]) - 1)["prompt"]


def test_a_record_whose_labels_alone_are_too_large_is_not_sent() -> None:
    labels = {"name": "x" * 500}

    assert entry_of(Record("log", "1", DATE, "prompt", "hi", labels), 500) is None
    assert entry_of(Record("metric", "1", DATE, "latency", 1, labels), 500) is None


def test_a_request_is_as_large_as_requests_writes_it() -> None:
    entries = [entry for record in some() if (entry := entry_of(record)) is not None]

    assert size_of(entries) == len(json.dumps([entry.body for entry in entries]))
    assert size_of([]) == len("[]")


def numbered(*records: Record) -> deque[tuple[int, Record]]:
    return deque(enumerate(records))


def sizes(taken: list[tuple[int, Record, Entry]]) -> int:
    return size_of([entry for _, _, entry in taken])


def test_a_request_takes_as_many_records_as_fit_in_order() -> None:
    queue = numbered(*some(50))
    seen = []

    while queue:
        batch = take(queue, 1_000, 100, BODY_LIMIT)
        seen += [number for number, _, _ in batch]
        assert sizes(batch) <= 1_000
        if queue:
            following = entry_of(queue[0][1])
            assert following is not None
            assert sizes(batch) + following.size + 2 > 1_000

    assert seen == list(range(100))


def test_a_request_takes_no_more_records_than_it_may() -> None:
    queue = numbered(*some(5))

    assert [number for number, _, _ in take(queue, BODY_LIMIT, 4, BODY_LIMIT)] == [0, 1, 2, 3]
    assert len(queue) == 6


def test_a_record_that_is_larger_than_a_request_goes_alone() -> None:
    queue = numbered(log("x" * 2_000), log("y"))

    (only,) = take(queue, 500, 100, BODY_LIMIT)

    assert only[2].body["prompt"] == "x" * 2_000
    assert len(queue) == 1


def test_a_record_that_cannot_be_sent_is_left_at_the_head() -> None:
    queue = numbered(log("x"), metric(nan), log("y"))

    assert len(take(queue, BODY_LIMIT, 100, BODY_LIMIT)) == 1
    assert take(queue, BODY_LIMIT, 100, BODY_LIMIT) == []
    assert queue[0][0] == 1
