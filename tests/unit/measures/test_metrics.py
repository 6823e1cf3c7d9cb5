from __future__ import annotations

import json

import pytest

from pytest_runlog.measures.metrics import (
    METRICS,
    SUFFIXES,
    Observed,
    Sample,
    measures,
    merge,
    metrics_of,
    statistic_of,
    take_sample,
)
from pytest_runlog.model.runs import Runs
from support.measured import SILENT, Down, answer, latencies, models
from support.tape import Tape


def agent() -> Runs:
    """Two roots, 12 s and 5 s: retrieval beside a tool, a model that is retried, a failure."""
    tape = Tape()
    root = tape.start("agent", at=0)
    rules = tape.start("rules", under=root, type="retriever", at=1)
    search = tape.start("search", under=root, type="tool", at=2)
    tape.end(rules, [], at=4)
    tape.end(search, "found", at=5)
    first = tape.start("gpt", under=root, type="chat_model", tags=["answer"], at=6)
    tape.fail(first, Down("503"), details={"response": answer(10, 0)}, at=7)
    second = tape.start("gpt", under=root, type="chat_model", tags=["retry:attempt:2"], at=8)
    tape.token(second, "y", at=10)
    tape.end(second, answer(10, 5), at=11)
    tape.end(root, at=12)
    failing = tape.start("lookup", type="tool", at=20)
    tape.fail(failing, Down("no route"), at=25)
    tape.start("stuck", at=26)
    return tape.runs()


EXPECTED = {
    "latency": 12,
    "self_latency": 5,  # 12 - (5 - 1) - 3; the other root has no children: 5
    "ttft": 10,
    "model_latency": 3,
    "tool_latency": 5,
    "retriever_latency": 3,
    "errors": 2,
    "recovered_errors": 1,
    "unfinished": 1,
    "error_rate": 1 / 3,
    "input_tokens": 20,
    "output_tokens": 5,
    "total_tokens": 25,
    "runs": 7,
    "model_runs": 2,
    "tool_runs": 2,
    "retriever_runs": 1,
    "retries": 1,
}


def test_the_table_is_that_of_the_expected_values() -> None:
    assert set(EXPECTED) == set(METRICS)


@pytest.mark.parametrize("name", METRICS)
def test_a_metric_is_what_the_tape_says(name: str) -> None:
    assert metrics_of(agent())[name] == pytest.approx(EXPECTED[name])


def test_every_name_is_in_the_metrics_of_a_log() -> None:
    assert list(metrics_of(agent())) == list(measures())
    assert len(measures()) == len(METRICS) + 9 * len(SUFFIXES)


def test_counts_and_tokens_are_whole_numbers() -> None:
    found = metrics_of(agent())

    assert {type(found[name]) for name in ("runs", "errors", "total_tokens")} == {int}


def test_suffixes_are_statistics_over_the_population() -> None:
    found = metrics_of(latencies(4, 1, 2, 3))

    assert {name: value for name, value in found.items() if name.startswith("latency")} == {
        "latency": 4,
        "latency_p50": 2.5,
        "latency_p90": pytest.approx(3.7),
        "latency_p95": pytest.approx(3.85),
        "latency_p99": pytest.approx(3.97),
        "latency_mean": 2.5,
        "latency_max": 4,
        "latency_total": 10,
    }


def test_of_nothing_times_are_unknown_and_counts_are_zero() -> None:
    found = metrics_of(Runs(()))

    assert {name for name, value in found.items() if value == 0} == {
        "errors",
        "recovered_errors",
        "unfinished",
        "input_tokens",
        "input_tokens_total",
        "output_tokens",
        "output_tokens_total",
        "total_tokens",
        "total_tokens_total",
        "runs",
        "model_runs",
        "tool_runs",
        "retriever_runs",
        "retries",
    }
    assert {value for value in found.values() if value != 0} == {None}


def test_one_model_that_reports_no_usage_makes_every_token_metric_unknown() -> None:
    found = metrics_of(models(answer(10, 5), SILENT))

    assert {value for name, value in found.items() if "tokens" in name} == {None}


def test_statistics_over_tokens_are_over_model_runs() -> None:
    found = metrics_of(models(answer(10, 5), answer(20, 5), answer(30, 5)))

    assert found["input_tokens"] == 60
    assert found["input_tokens_max"] == 30
    assert found["input_tokens_mean"] == 20
    assert found["output_tokens_p95"] == 5


def sample(metric: str, runs: Runs, /, **selectors: str) -> Sample:
    return take_sample(
        metric, tuple(sorted(selectors.items())), Observed(runs), lambda run: run.name
    )


@pytest.mark.parametrize(
    ("selectors", "values"),
    [
        ({}, [12, 5]),
        ({"type": "tool"}, [3, 5]),
        ({"name": "se*"}, [3]),
        ({"name": "g?t", "tag": "answer"}, [1]),
        ({"path": "agent/*"}, [3, 3, 1, 3]),
        ({"type": "chat_model", "tag": "retry:attempt:*"}, [3]),
        ({"model": "*"}, []),
    ],
)
def test_selectors_choose_from_all_runs_not_only_from_roots(
    selectors: dict[str, str], values: list[float]
) -> None:
    assert sample("latency", agent(), **selectors).values == values


def test_an_exact_text_selects_even_where_it_is_no_pattern_for_itself() -> None:
    tape = Tape()
    tape.end(tape.start("a[1]"))

    assert sample("runs", tape.runs(), name="a[1]").matched == 1


def test_a_type_that_the_metric_is_not_about_selects_nothing() -> None:
    assert sample("model_latency", agent(), type="tool").matched == 0
    assert sample("total_tokens", agent(), name="agent").matched == 0


def test_the_largest_values_are_kept_with_what_their_runs_are_called() -> None:
    found = take_sample("latency", (("path", "*"),), Observed(agent()), lambda run: run.name)

    assert found.largest == [(12, "agent"), (5, "lookup"), (3, "rules")]


def test_the_runs_that_report_no_usage_are_named() -> None:
    found = sample("total_tokens", models(SILENT, answer(1, 1), SILENT))

    assert (found.matched, found.known, found.unknown) == (3, 1, 2)
    assert found.silent == ["gpt", "gpt"]


def test_runs_that_did_not_end_have_no_latency_and_make_nothing_unknown() -> None:
    found = sample("latency", agent())

    assert (found.matched, found.known, found.unknown) == (3, 2, 0)


@pytest.mark.parametrize("statistic", SUFFIXES)
def test_merged_samples_say_what_one_sample_of_all_runs_says(statistic: str) -> None:
    seconds = [0.1, 0.2, 0.3, 0.7, 1.1, 0.6, 0.5, 2.3]
    whole = sample("latency", latencies(*seconds))
    parts = [
        sample("latency", latencies(*seconds[start : start + 3])).compact(statistic)
        for start in (6, 0, 3)
    ]

    merged = merge(Sample.from_data(json.loads(json.dumps(part.to_data()))) for part in parts)

    assert statistic_of(merged, statistic) == pytest.approx(statistic_of(whole, statistic))
    assert (merged.matched, merged.known) == (8, 8)
    assert [value for value, _ in merged.largest] == [2.3, 1.1, 0.7]


def test_what_is_merged_does_not_depend_on_the_order() -> None:
    parts = [sample("latency", latencies(second)).compact("total") for second in (0.1, 0.2, 0.3)]

    totals = {statistic_of(merge(order), "total") for order in (parts, parts[::-1])}

    assert totals == {0.6}


def test_a_compact_sample_has_one_value_unless_it_is_for_a_percentile() -> None:
    whole = sample("latency", latencies(1, 2, 3))

    assert whole.compact("max").values == [3]
    assert whole.compact("mean").values == [6]
    assert whole.compact("p95") is whole
