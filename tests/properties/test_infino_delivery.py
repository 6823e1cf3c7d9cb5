"""Whatever a server does, what it did not accept is told, and there is an end to it."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

from hypothesis import given
from hypothesis import strategies as st

from pytest_runlog.delivery.http import posting
from pytest_runlog.delivery.http.posting import Answer, Broke, Deadline, Failed, deliver
from pytest_runlog.delivery.http.wire import entry_of, size_of
from pytest_runlog.delivery.records import Record
from pytest_runlog.delivery.sinks import NotDelivered

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_runlog.infino.payloads import Kind


records = st.lists(
    st.builds(
        lambda log, size: (log, size),
        st.booleans(),
        st.one_of(st.integers(0, 50), st.integers(0, 20_000)),
    ),
    max_size=40,
).map(
    lambda drawn: [
        Record("log", f"{n}", 1, "prompt", "x" * size, {})
        if log
        else Record("metric", f"{n}", 1, "latency", float(size), {})
        for n, (log, size) in enumerate(drawn)
    ]
)

answers = st.lists(
    st.sampled_from([200, 200, 200, 400, 403, 404, 413, 429, 500, Broke("gone"), Failed("no")]),
    max_size=30,
)


class Scripted:
    """A route to a server with moods, which accepts what is small enough when they are over."""

    where = "the server"

    def __init__(self, moods: list[Any], limit: int, poison: set[str]) -> None:
        self.moods: Iterator[Any] = iter(moods)
        self.limit = limit
        self.poison = poison
        self.accepted: list[str] = []
        self.requests = 0

    def post(self, kind: Kind, bodies: list[dict[str, Any]]) -> Answer:
        self.requests += 1
        ids = [
            body["record_id"] if kind == "log" else body["labels"]["record_id"] for body in bodies
        ]
        mood = next(self.moods, 200)
        if isinstance(mood, Exception):
            raise mood
        if len(json.dumps(bodies)) > self.limit:
            return Answer(413)
        if self.poison & {*ids}:
            return Answer(400)
        if mood == 200:
            self.accepted += ids
        return Answer(mood)

    def explain_missing(self, kind: Kind, status: int) -> str:
        return f"no route for {kind}, {status}"


def not_delivered(records: list[Record], route: Scripted) -> list[str]:
    try:
        with patch.object(posting, "PAUSES", (0.0,) * 4):
            deliver(records, route, Deadline.after(60))
    except NotDelivered as refused:
        return [record.record_id for record in refused.records]
    return []


@given(
    records=records,
    moods=answers,
    limit=st.sampled_from([10, 1_500, 5_000, 100_000, 10_000_000]),
    poison=st.sets(st.integers(0, 39).map(str), max_size=3),
)
def test_each_record_is_accepted_once_or_told_of_and_never_both(
    records: list[Record], moods: list[Any], limit: int, poison: set[str]
) -> None:
    route = Scripted(moods, limit, poison)

    told = not_delivered(records, route)

    assert Counter(route.accepted + told) == Counter(record.record_id for record in records)
    assert told == sorted(told, key=int)
    assert route.requests <= 200 + 10 * len(records)


@given(records=records, poison=st.sets(st.integers(0, 39).map(str), max_size=3))
def test_a_server_in_a_good_mood_gets_all_but_what_it_rejects(
    records: list[Record], poison: set[str]
) -> None:
    route = Scripted([], 10_000_000, poison)
    ids = {record.record_id for record in records}

    told = {*not_delivered(records, route)}

    assert told == poison & ids
    assert {*route.accepted} == ids - poison


texts = st.text(st.characters()) | st.text().map(lambda text: text * 50)


@given(
    text=texts,
    labels=st.dictionaries(texts, texts, max_size=3),
    limit=st.integers(50, 2_000),
    log=st.booleans(),
)
def test_any_record_fits_into_its_limit_or_is_not_sent(
    text: str, labels: dict[str, str], limit: int, log: bool
) -> None:
    record = (
        Record("log", "1", 1.5, "prompt", text, labels)
        if log
        else Record("metric", "1", 1.5, "latency", 0.5, labels)
    )

    entry = entry_of(record, limit)

    whole = entry_of(record, 10_000_000)
    assert whole is not None
    if entry is None:
        assert size_of([whole]) > limit
        return
    body = json.dumps([entry.body])
    body.encode("ascii")
    assert len(body) == size_of([entry]) <= limit
    assert json.loads(body) == [entry.body]
    json.dumps(entry.body, ensure_ascii=False).encode()  # there is no half of a pair
    if size_of([whole]) <= limit:
        assert entry == whole
    else:
        kept, _, note = entry.body["prompt"].rpartition(" […] ")
        assert whole.body["prompt"].startswith(kept)
        assert "cut to fit" in note
