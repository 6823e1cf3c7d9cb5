from __future__ import annotations

import math
import re
from collections import Counter
from typing import Any

import pytest

from pytest_runlog import RunLogCapture, record
from pytest_runlog.defaults import Options
from pytest_runlog.delivery.collecting import to_records, values_of
from pytest_runlog.delivery.records import Record
from pytest_runlog.infino.payloads import Payload
from pytest_runlog.model.masking import Mask
from support.chains import question_chain
from support.models import ModelDown, chat


def records_of(log: RunLogCapture, attempt: int = 1) -> list[Record]:
    mask = log._mask
    values = values_of(log.infino.calls, log.runs, mask, lambda run: mask.text(run.path), 5)
    return list(to_records(values, "s", "test_it.py::test_a", attempt))


def of_call(kind: Any, mask: Mask | None = None, **body: Any) -> list[Record]:
    values = values_of([Payload(kind, body)], [], mask or Mask(), str, 5)
    return list(to_records(values, "s", "n", 1))


def one(records: list[Record], key: str) -> Record:
    (found,) = [record for record in records if record.key == key]
    return found


def test_each_value_of_a_payload_is_a_record_that_says_what_it_is_of() -> None:
    with record() as log:
        question_chain().invoke({"question": "why?"})

    records = records_of(log)

    assert Counter(record.key for record in records) == Counter(
        [
            *("prompt", "latency", "error", "prompt_response"),
            *("prompt_tokens", "total_tokens", "completion_tokens", "root_latency"),
        ]
    )
    run = log.one(type="chat_model")
    assert one(records, "total_tokens") == Record(
        "metric",
        one(records, "total_tokens").record_id,
        int(run.start.timestamp()),
        "total_tokens",
        9.0,
        {
            "run_id": str(run.id),
            "chain": "RunnableSequence",
            "path": "RunnableSequence/FakeChat",
            "model_id": "fake-1",
            "session": "s",
            "nodeid": "test_it.py::test_a",
            "attempt": "1",
        },
    )
    assert one(records, "latency").value == run.latency
    assert one(records, "prompt").value == log.infino.logs[0]["prompt"]


def test_the_latency_of_a_root_is_a_metric_too() -> None:
    with record() as log:
        question_chain().invoke({"question": "why?"})

    root = one(records_of(log), "root_latency")

    assert (root.kind, root.value) == ("metric", log.root.latency)
    assert root.labels["chain"] == root.labels["path"] == "RunnableSequence"
    assert root.labels["run_id"] == str(log.root.id)
    assert root.date == log.root.start.timestamp()


def test_a_failed_model_has_an_error_and_its_message() -> None:
    with record() as log, pytest.raises(ModelDown):
        question_chain(chat(ModelDown("503"))).invoke({"question": "why?"})

    records = records_of(log)

    assert one(records, "error").value == 1
    assert one(records, "error_message").value == "ModelDown: 503"


def test_a_record_keeps_its_id_and_no_two_have_the_same() -> None:
    with record() as log:
        question_chain().batch([{"question": "why?"}, {"question": "how?"}])

    first, again = records_of(log), records_of(log)
    second = records_of(log, attempt=2)

    assert [record.record_id for record in first] == [record.record_id for record in again]
    assert len({record.record_id for record in [*first, *second]}) == 2 * len(first)


def test_nothing_that_is_masked_leaves_the_test(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_API_KEY", "sk-0123456789")

    def hook(path: str, value: object) -> object:
        return "<hidden>" if path == "infino.prompt_response" else value

    options = Options(mask_patterns=(re.compile("user-[0-9]+"),), mask_hook=hook)
    with record(options=options) as log:
        question_chain(chat("sk-0123456789")).with_config(run_name="of user-7").invoke(
            {"question": "Is sk-0123456789 of user-7?"}
        )

    records = records_of(log)

    assert "sk-0123456789" not in str(records)
    assert "user-7" not in str(records)
    assert one(records, "prompt_response").value == "<hidden>"
    assert one(records, "root_latency").labels["chain"] == "of <masked>"


def test_payloads_of_the_user_are_delivered_as_far_as_a_server_takes_them() -> None:
    labels = {"a": 1, "b": None, "run_id": "r"}
    (metric,) = of_call(
        "metric", date=10**12, score=1, name="x", bad=math.nan, big=10**400, labels=labels
    )
    assert (metric.date, metric.key, metric.value) == (5, "score", 1)
    assert metric.labels == {"a": "1", "run_id": "r", "session": "s", "nodeid": "n", "attempt": "1"}
    (log,) = of_call("log", date=-3, note={"b": [1]}, labels="none")
    assert (log.date, log.value) == (0, '{"b": [1]}')
    assert set(log.labels) == {"session", "nodeid", "attempt"}


def test_a_metric_that_is_masked_is_no_metric() -> None:
    assert of_call("metric", Mask(hook=lambda path, value: "x"), score=1) == []


def test_half_of_a_surrogate_pair_is_replaced() -> None:
    (record_,) = of_call("log", note="a\ud83d", labels={"\ude00": "\ud83d\ude00"})

    assert record_.value == "a\ufffd"
    assert record_.labels["\ufffd"] == "\U0001f600"
