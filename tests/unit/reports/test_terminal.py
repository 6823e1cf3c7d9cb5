# ruff: noqa: E501 (lines of a terminal with 160 columns)
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from pytest_runlog.measures.budget import parse_budget
from pytest_runlog.measures.judge import Verdict, judge
from pytest_runlog.measures.metrics import Sample
from pytest_runlog.reports.terminal import quiet_lines, summary_lines
from pytest_runlog.session.records import TestRecord
from pytest_runlog.session.summary import Delivered, Summary

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


SESSION = [
    replace(
        RECORD,
        nodeid="tests/desk/test_questions.py::TestFilms::test_how_long_may_films_be_kept[two weeks]",
        slowest=[(0.25, "RunnableSequence/RunnableParallel<rules,question>/RulesRetriever")],
        held=3,
        skipped=["ttft <= 200ms: no run had a value"],
    ),
    replace(
        RECORD,
        nodeid="tests/test_short.py::test_it",
        slowest=[(1.5, "gpt"), (0.000_2, "parser")],
        held=2,
        breaches=["latency <= 1s is 1.5 s"],
        skipped=["ttft <= 200ms: no run had a value"],
    ),
]


def session_verdicts() -> list[Verdict]:
    def sample(values: list[float], *largest: tuple[float, str]) -> Sample:
        return Sample(len(values), len(values), 0, values, list(largest), [])

    return [
        judge(
            parse_budget("latency_p50[type=chat_model, tag=answer] <= 200ms", strict=False),
            sample([1.5, 0.25], (1.5, "gpt  tests/test_short.py::test_it"), (0.25, LONG)),
        ),
        judge(parse_budget("error_rate <= 1%", strict=False), sample([0.0] * 250)),
        judge(
            parse_budget("errors <= 0", strict=False),
            sample([1.0], (1, "gpt  tests/test_short.py::test_it")),
        ),
        judge(parse_budget("latency_p95 <= 2s", strict=False), sample([1.5, 0.25])),
    ]


LONG = (
    "RunnableSequence/RunnableParallel<rules,question>/RulesRetriever  "
    "tests/desk/test_questions.py::TestFilms::test_how_long_may_films_be_kept[two weeks]"
)


def whole(*, warns: bool = False) -> Summary:
    return Summary(SESSION, session_verdicts(), ["1 test left out: xfailed"], warns=warns)


AT_80 = """\
2 tests recorded, 8 runs, 2 model runs
tokens      18 (14 in, 4 out)
latency     p50 250 ms, p95 250 ms, max 250 ms (2 roots)
errors      0
slowest     1.50 s  gpt  tests/test_short.py::test_it
            250 ms  …les,question>/RulesRetriever  …may_films_be_kept[two weeks]
            200 us  parser  tests/test_short.py::test_it
budgets     5 held, 1 breached, 2 skipped
            ttft <= 200ms: no run had a value (2 tests)
session     BREACHED latency_p50[type=chat_model, tag=answer] <= 200ms: 875 ms,
              675 ms (338%) over the limit (p50 of 2 runs)
              1.50 s  gpt  tests/test_short.py::test_it
              250 ms  …es,question>/RulesRetriever  …ay_films_be_kept[two weeks]
            error_rate <= 1%: 0%, 2 of 2 left (0 of 250 roots failed)
            BREACHED errors <= 0: 1, 1 over the limit
              gpt  tests/test_short.py::test_it
            latency_p95 <= 2s needs 20 values for p95, and has 2; not judged
            1 test left out: xfailed"""

AT_160 = """\
2 tests recorded, 8 runs, 2 model runs
tokens      18 (14 in, 4 out)
latency     p50 250 ms, p95 250 ms, max 250 ms (2 roots)
errors      0
slowest     1.50 s  gpt  tests/test_short.py::test_it
            250 ms  RunnableSequence/RunnableParallel<rules,question>/RulesRetriever  …/test_questions.py::TestFilms::test_how_long_may_films_be_kept[two weeks]
            200 us  parser  tests/test_short.py::test_it
budgets     5 held, 1 breached, 2 skipped
            ttft <= 200ms: no run had a value (2 tests)
session     BREACHED latency_p50[type=chat_model, tag=answer] <= 200ms: 875 ms, 675 ms (338%) over the limit (p50 of 2 runs)
              1.50 s  gpt  tests/test_short.py::test_it
              250 ms  RunnableSequence/RunnableParallel<rules,question>/RulesRetriever  …est_questions.py::TestFilms::test_how_long_may_films_be_kept[two weeks]
            error_rate <= 1%: 0%, 2 of 2 left (0 of 250 roots failed)
            BREACHED errors <= 0: 1, 1 over the limit
              gpt  tests/test_short.py::test_it
            latency_p95 <= 2s needs 20 values for p95, and has 2; not judged
            1 test left out: xfailed"""


@pytest.mark.parametrize(("width", "text"), [(80, AT_80), (160, AT_160)])
def test_a_whole_summary_fits_its_terminal(width: int, text: str) -> None:
    lines = [line.text for line in summary_lines(whole(), width)]

    assert "\n".join(lines) == text
    assert max(map(len, lines)) <= width


def test_breaches_are_red_and_what_only_warns_is_yellow() -> None:
    def coloured(summary: Summary, colour: str) -> list[str]:
        return [line.text[:23] for line in summary_lines(summary) if line.markup == {colour: True}]

    red = [
        "budgets     5 held, 1 b",
        "session     BREACHED la",
        "              675 ms (3",
        "              1.50 s  g",
        "              250 ms  …",
        "            BREACHED er",
        "              gpt  test",
    ]
    assert coloured(whole(), "red") == red
    assert not coloured(whole(), "yellow")
    assert coloured(whole(warns=True), "yellow") == [red[0], "            tests/test_", *red[1:]]
    assert not coloured(whole(warns=True), "red")


def test_breaches_that_are_warnings_are_listed_up_to_five() -> None:
    records = [
        replace(RECORD, nodeid=f"test_it.py::test_{number}", breaches=["errors <= 0 is 1"])
        for number in range(7)
    ]

    lines = [line.text for line in summary_lines(Summary(records, warns=True))]

    assert lines[-6:] == [
        *[f"            test_it.py::test_{number}: errors <= 0 is 1" for number in range(5)],
        "            … and 2 more",
    ]


def test_quiet_lines_tell_only_what_the_session_exceeds() -> None:
    texts = [line.text for line in quiet_lines(whole(), 200)]

    assert texts == [
        texts[0],
        (
            "runlog: BREACHED latency_p50[type=chat_model, tag=answer] <= 200ms: 875 ms, 675 ms (338%) "
            "over the limit (p50 of 2 runs)"
        ),
        *texts[2:4],
        "runlog: BREACHED errors <= 0: 1, 1 over the limit",
        "              gpt  tests/test_short.py::test_it",
    ]
    assert texts[0].endswith("errors 0, budgets 5 held, 1 breached, 2 skipped")


ARRIVED = Delivered("./store", 1234)
KEPT = Delivered("s3://ci", 2, 1, "/spool/a.jsonl", "no answer")
LOST = Delivered("Mine", 0, 3, None, "OSError: full")


def test_what_was_delivered_is_the_last_line() -> None:
    lines = [line.text for line in summary_lines(Summary([RECORD], delivered=[ARRIVED]))]

    assert lines[-1] == "infino      1,234 records sent to ./store"


def test_what_was_not_delivered_is_said_with_its_file_and_reason() -> None:
    lines = list(summary_lines(Summary([RECORD], delivered=[KEPT, LOST]), 160))[-3:]

    assert [line.text for line in lines] == [
        "infino      2 records sent to s3://ci",
        "            1 record kept in /spool/a.jsonl: no answer",
        "infino      lost 3 records: OSError: full",
    ]
    assert [line.markup for line in lines] == [{}, {"yellow": True}, {"yellow": True}]


def test_a_quiet_summary_says_what_was_not_delivered_only() -> None:
    summary = Summary([RECORD], delivered=[ARRIVED, LOST])

    assert [line.text for line in quiet_lines(summary)][1:] == [
        "runlog: lost 3 records: OSError: full"
    ]
