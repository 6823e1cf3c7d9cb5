from __future__ import annotations

import pytest

from pytest_runlog.measures.budget import parse_budget
from pytest_runlog.measures.judge import Verdict, judge_runs, samples_that_define
from pytest_runlog.model.runs import Runs
from support.measured import SILENT, answer, latencies, models
from support.tape import Tape


def verdict(
    text: str, runs: Runs, *, strict: bool = True, min_samples: int | None = None
) -> Verdict:
    (found,) = judge_runs([parse_budget(text, strict=strict)], runs, min_samples=min_samples)
    return found


@pytest.mark.parametrize(
    ("text", "outcome", "actual"),
    [
        ("latency <= 3s", "held", 3),
        ("latency < 3s", "breached", 3),
        ("latency_mean <= 2s", "held", 2),
        ("latency_total <= 5s", "breached", 6),
        ("runs >= 3", "held", 3),
        ("runs == 4", "breached", 3),
        ("errors <= 0", "held", 0),
        ("model_runs <= 0", "held", 0),
        ("error_rate <= 0%", "held", 0),
    ],
)
def test_a_budget_is_held_or_breached(text: str, outcome: str, actual: float) -> None:
    found = verdict(text, latencies(1, 2, 3))

    assert (found.outcome, found.actual) == (outcome, actual)
    assert found.fails is (outcome == "breached")


def test_a_verdict_says_how_far_from_the_limit_it_is() -> None:
    assert verdict("latency <= 2s", latencies(1, 2.5)).distance == 0.5
    assert verdict("runs >= 4", latencies(1, 2)).distance == 2


def stuck() -> Runs:
    tape = Tape()
    tape.start("stuck")
    return tape.runs()


@pytest.mark.parametrize(
    ("text", "runs", "outcome"),
    [
        ("latency <= 1s", Runs(()), "unmatched"),
        ("errors <= 0", Runs(()), "unmatched"),
        ("latency[type=tool] <= 1s", latencies(1), "unmatched"),
        ("runs[name=nobody] <= 5", latencies(1), "unmatched"),
        ("runs[name=nobody] >= 1", latencies(1), "unmatched"),
        ("model_latency <= 1s", latencies(1), "unmatched"),
        ("total_tokens <= 5", latencies(1), "unmatched"),
        ("total_tokens <= 5", models(SILENT), "unknown"),
        ("total_tokens <= 5", models(SILENT, answer(1, 1)), "unknown"),
        ("total_tokens >= 1", models(SILENT, answer(1, 1)), "unknown"),
        ("total_tokens_mean <= 1", models(SILENT, answer(1, 1)), "unknown"),
        ("total_tokens_p50 <= 1", models(SILENT, answer(1, 1)), "unknown"),
        ("ttft <= 1s", latencies(1), "valueless"),
        ("latency <= 1s", stuck(), "valueless"),
        ("latency_total <= 1s", stuck(), "valueless"),
        ("latency_p95 <= 1s", latencies(1, 2), "too few"),
    ],
)
def test_what_cannot_be_judged_fails_where_it_is_strict_only(
    text: str, runs: Runs, outcome: str
) -> None:
    strict, lenient = verdict(text, runs), verdict(text, runs, strict=False)

    assert strict.outcome == lenient.outcome == outcome
    assert (strict.fails, lenient.fails) == (True, False)


@pytest.mark.parametrize("text", ["total_tokens <= 15", "total_tokens_max < 16"])
def test_known_tokens_that_exceed_the_limit_are_a_breach_whatever_the_others_are(text: str) -> None:
    found = verdict(text, models(SILENT, answer(10, 6)), strict=False)

    assert (found.outcome, found.actual) == ("breached", 16)


@pytest.mark.parametrize("limit", ["<= 0", "== 0", "< 1"])
@pytest.mark.parametrize("metric", ["runs", "model_runs", "tool_runs", "retriever_runs"])
def test_that_there_shall_be_no_such_run_holds_where_there_is_none(metric: str, limit: str) -> None:
    assert verdict(f"{metric}[name=nobody] {limit}", latencies(1)).outcome == "held"
    assert verdict(f"{metric} {limit}", Runs(())).outcome == "held"


@pytest.mark.parametrize(("percent", "needed"), [(50, 2), (90, 10), (95, 20), (99, 100)])
def test_a_percentile_needs_so_many_values_that_some_lie_beyond_it(
    percent: int, needed: int
) -> None:
    assert samples_that_define(percent) == needed
    few, enough = (
        verdict(f"latency_p{percent} <= 3s", latencies(*[1.0] * count))
        for count in (needed - 1, needed)
    )
    assert (few.outcome, few.needed, enough.outcome) == ("too few", needed, "held")


def test_how_many_values_are_enough_can_be_set() -> None:
    assert verdict("latency_p99 <= 3s", latencies(1), min_samples=1).outcome == "held"
    assert verdict("latency_p50 <= 3s", latencies(1, 2), min_samples=3).outcome == "too few"
