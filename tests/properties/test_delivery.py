"""What leaves a test for a store: never a secret, and always what a store takes."""

from __future__ import annotations

import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from pytest_runlog.budgeting import labels
from pytest_runlog.delivery.collecting import to_records, values_of
from pytest_runlog.delivery.records import Record
from pytest_runlog.delivery.spool import SpoolUnreadable, read_spool, write_spool
from pytest_runlog.infino.payloads import Kind, Payload
from pytest_runlog.model.masking import Mask
from support.secrets import Planted, planted
from support.values import values as anything

payloads = st.builds(
    Payload,
    st.sampled_from(["metric", "log"]),
    st.dictionaries(st.text() | st.sampled_from(["date", "labels"]), anything, max_size=4),
)


@given(planted)
def test_no_record_has_a_secret(plant: Planted) -> None:
    with plant.recorded() as log:
        values = values_of(log.infino.calls, log.runs, log._mask, labels(log._mask), 0)
        records = [record.to_dict() for record in to_records(values, "s", "n", 1)]

    assert records
    assert not plant.shown_in(json.dumps(records, ensure_ascii=False))


@given(st.lists(payloads, max_size=5), st.floats(0, 1e10))
def test_whatever_a_payload_holds_its_records_can_be_kept_and_stored(
    calls: list[Any], now: float
) -> None:
    records = list(to_records(values_of(calls, [], Mask(), str, now), "s", "n", 1))

    for record in records:
        assert Record.from_dict(json.loads(json.dumps(record.to_dict()))) == record
        texts = [record.key, *record.labels, *record.labels.values(), str(record.value)]
        assert "".join(texts).encode()  # no half of a surrogate pair
    assert len({record.record_id for record in records}) == len(records)


@given(st.lists(st.text(max_size=20), min_size=1, max_size=5), st.data())
def test_wherever_a_file_is_cut_off_whole_records_are_read(
    texts: list[str], data: st.DataObject
) -> None:
    kind: Kind = "log"
    records = [Record(kind, str(n), n, "note", text, {}) for n, text in enumerate(texts)]
    with TemporaryDirectory() as folder:
        path = Path(folder, "a.jsonl")
        write_spool(path, "s3://bucket", records)
        whole = path.read_bytes()
        length = data.draw(st.integers(0, len(whole)))
        path.write_bytes(whole[:length])
        try:
            held = read_spool(path)
        except SpoolUnreadable:
            assert b"\n" not in whole[:length]
            return

    assert held.records == records[: whole[:length].count(b"\n") - 1]
    assert held.cut == (whole[:length][-1:] != b"\n")
