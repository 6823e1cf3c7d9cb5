from __future__ import annotations

import json
from typing import Any

import pytest

from pytest_runlog.delivery.records import Record

LOG = Record("log", "s/1", 1.5, "prompt", "why?", {"run_id": "r"})
METRIC = Record("metric", "s/2", 2, "latency", 0.25, {})


@pytest.mark.parametrize("record", [LOG, METRIC], ids=["log", "metric"])
def test_a_record_survives_json(record: Record) -> None:
    assert Record.from_dict(json.loads(json.dumps(record.to_dict()))) == record


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"kind": "trace"}, "its kind is 'trace'"),
        ({"record_id": ""}, "its record_id is ''"),
        ({"date": -1}, "its date is -1"),
        ({"date": float("nan")}, "its date is nan"),
        ({"key": None}, "its key is None"),
        ({"value": 0.5}, "its value is 0.5"),
        ({"labels": {"n": 1}}, r"its labels is \{'n': 1\}"),
        ({"more": 1}, "unexpected keyword argument 'more'"),
    ],
)
def test_what_no_record_can_hold_is_refused(changed: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=f"no record: .*{message}"):
        Record.from_dict(LOG.to_dict() | changed)


@pytest.mark.parametrize("value", ["fast", True, float("inf")])
def test_the_value_of_a_metric_is_a_number(value: object) -> None:
    with pytest.raises(ValueError, match="its value is"):
        Record.from_dict(METRIC.to_dict() | {"value": value})
