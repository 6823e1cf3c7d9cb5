from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from pytest_runlog.reports.terminal import Summary, quiet_lines, summary_lines
from pytest_runlog.session.records import TestRecord

RECORD = TestRecord(
    nodeid="test_it.py::test_a",
    outcome="passed",
    runs=4,
    model_runs=1,
    unknown_usage=0,
    input_tokens=7,
    output_tokens=2,
    total_tokens=9,
    latencies=[0.25],
    errors=0,
    recovered=0,
    unfinished=0,
)


def lines_of(records: Sequence[TestRecord]) -> list[str]:
    return [line.text for line in summary_lines(Summary(records))]


def quiet(records: Sequence[TestRecord]) -> list[str]:
    return [line.text for line in quiet_lines(Summary(records))]


EMPTY = replace(RECORD, runs=0, model_runs=0, latencies=[])
TOOL = replace(RECORD, runs=1, model_runs=0, latencies=[0.001])
SILENT = replace(RECORD, unknown_usage=1, input_tokens=0, output_tokens=0, total_tokens=0)


def test_one_test() -> None:
    assert lines_of([RECORD]) == [
        "1 test recorded, 4 runs, 1 model run",
        "tokens      9 (7 in, 2 out)",
        "latency     p50 250 ms, p95 250 ms, max 250 ms (1 root)",
        "errors      0",
    ]
    assert quiet([RECORD]) == [
        "runlog: 1 test recorded, 4 runs, 1 model run, tokens 9 (7 in, 2 out), errors 0"
    ]


def test_many_tests_are_added_up_and_their_latencies_taken_together() -> None:
    records = [
        replace(RECORD, latencies=[second / 10, second / 5], input_tokens=1_000, total_tokens=1_002)
        for second in range(1, 11)
    ]
    records[3] = replace(records[3], errors=3, recovered=2, unfinished=1)

    assert lines_of(records) == [
        "10 tests recorded, 40 runs, 10 model runs",
        "tokens      10,020 (10,000 in, 20 out)",
        "latency     p50 750 ms, p95 1.81 s, max 2.00 s (20 roots)",
        "errors      3 (2 recovered)",
        "unfinished  1 run",
    ]


def test_usage_that_some_models_did_not_report_makes_the_sum_a_lower_bound() -> None:
    lines = lines_of([RECORD, SILENT])

    assert lines[1] == "tokens      at least 9 (7 in, 2 out; 1 of 2 model runs reported none)"


def test_usage_that_no_model_reported_is_unknown_not_zero() -> None:
    assert lines_of([SILENT])[1] == ("tokens      unknown (no model run reported its usage)")
    (line,) = quiet([SILENT])
    assert line == (
        "runlog: 1 test recorded, 4 runs, 1 model run, tokens unknown (no model run reported its "
        "usage), errors 0"
    )


def test_without_model_runs_nothing_is_said_of_tokens() -> None:
    assert quiet([TOOL]) == ["runlog: 1 test recorded, 1 run, 0 model runs, errors 0"]
    assert not [line for line in lines_of([TOOL]) if line.startswith("tokens")]


def test_without_a_finished_root_nothing_is_said_of_latency() -> None:
    lines = lines_of([replace(RECORD, latencies=[], unfinished=4)])

    assert lines == [
        "1 test recorded, 4 runs, 1 model run",
        "tokens      9 (7 in, 2 out)",
        "errors      0",
        "unfinished  4 runs",
    ]


def test_tests_that_ran_no_chain_do_not_count() -> None:
    assert lines_of([EMPTY, RECORD]) == lines_of([RECORD])


def test_nothing_recorded_gives_no_summary() -> None:
    assert not lines_of([])
    assert not lines_of([EMPTY])
    assert not quiet([])
    assert not quiet([EMPTY])
