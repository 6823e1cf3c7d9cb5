from __future__ import annotations

import json

import pytest

from pytest_runlog import RunLogCapture, record
from pytest_runlog.session.records import TestRecord, record_test
from support.chains import question_chain, search
from support.models import ModelDown, chat, completion, flaky


def of(log: RunLogCapture) -> TestRecord:
    return record_test("test_it.py::test", "passed", log.runs)


def test_it_counts_runs_and_adds_up_tokens() -> None:
    with record() as log:
        question_chain().invoke({"question": "a"})
        question_chain().invoke({"question": "b"})

    made = of(log)

    assert (made.runs, made.model_runs, made.unknown_usage) == (8, 2, 0)
    assert (made.input_tokens, made.output_tokens, made.total_tokens) == (14, 4, 18)
    assert (made.errors, made.recovered, made.unfinished) == (0, 0, 0)


def test_model_runs_that_report_no_usage_are_counted_apart() -> None:
    with record() as log:
        chat().invoke("why?")
        completion().invoke("why?")

    made = of(log)

    assert (made.model_runs, made.unknown_usage, made.total_tokens) == (2, 1, 9)


def test_latencies_are_those_of_the_roots_that_ended() -> None:
    with record() as log:
        search.invoke("a")
        stream = question_chain().stream({"question": "b"})
        next(stream)
        made = of(log)
        assert list(stream)

    ended, running = log.roots
    assert made.latencies == [ended.latency]
    assert running.name == "RunnableSequence"
    assert made.unfinished == 3


def test_an_error_that_was_handled_counts_as_recovered_too() -> None:
    with record() as log:
        flaky().with_retry(wait_exponential_jitter=False).invoke("why?")
        with pytest.raises(ModelDown):
            question_chain(chat(ModelDown("503"))).invoke({"question": "why?"})

    made = of(log)

    assert (made.errors, made.recovered) == (2, 1)


def test_it_survives_the_way_from_a_worker() -> None:
    with record() as log:
        question_chain().invoke({"question": "a"})

    made = of(log)

    assert TestRecord.from_dict(json.loads(json.dumps(made.to_dict()))) == made


def test_without_runs_all_is_zero() -> None:
    with record() as log:
        pass

    assert of(log).to_dict() == {
        "nodeid": "test_it.py::test",
        "outcome": "passed",
        "runs": 0,
        "model_runs": 0,
        "unknown_usage": 0,
        "input_tokens": 0,
        "output_tokens": 0,
        "total_tokens": 0,
        "latencies": [],
        "errors": 0,
        "recovered": 0,
        "unfinished": 0,
        "slowest": [],
        "held": 0,
        "breaches": [],
        "skipped": [],
        "samples": {},
    }
