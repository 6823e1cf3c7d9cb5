from __future__ import annotations

import pytest

from pytest_runlog.budgeting import labels
from pytest_runlog.explain.budgets import acceptable, breaches_text, left_text, verdict_line
from pytest_runlog.measures.budget import parse_budget
from pytest_runlog.measures.judge import Verdict, judge_runs
from pytest_runlog.model.masking import Mask
from pytest_runlog.model.runs import Runs
from support.measured import SILENT, Down, answer, latencies, models
from support.tape import Tape


def verdicts(runs: Runs, *texts: str, source: str = "ini runlog_budget") -> list[Verdict]:
    budgets = [parse_budget(text, source) for text in texts]
    return judge_runs(budgets, runs, label=labels(Mask()))


def text(runs: Runs, *budgets: str, source: str = "ini runlog_budget") -> str:
    return breaches_text(verdicts(runs, *budgets, source=source), runs, Mask())


def line(runs: Runs, budget: str) -> str:
    return verdict_line(verdicts(runs, budget)[0])


def chain() -> Runs:
    tape = Tape()
    root = tape.start("chain", at=0)
    for number in range(2):
        search = tape.start("search", type="tool", under=root, at=number)
        tape.fail(search, Down("503"), at=number + 0.25)
    model = tape.start("gpt", type="chat_model", under=root, at=3)
    tape.end(model, answer(800, 112), at=5)
    tape.end(root, at=5.31)
    return tape.runs()


def test_a_breach_says_what_was_measured_how_far_over_where_and_what_to_do() -> None:
    assert (
        text(chain(), "latency <= 1.5s")
        == """\
latency <= 1.5s is 5.31 s
  3.81 s (254%) over the limit; the largest of 1 root
  largest:
    5.31 s  chain
  set by ini runlog_budget
  to accept it: latency <= 5.4s
With --runlog-on-breach=warn breaches are warnings."""
    )


def test_several_breaches_are_named_on_the_first_line() -> None:
    assert (
        text(chain(), "errors <= 0", "latency <= 6s", "total_tokens <= 900", "tool_runs >= 3")
        == """\
3 of 4 budgets: errors <= 0 is 2; total_tokens <= 900 is 912; tool_runs >= 3 is 2

errors <= 0 is 2
  2 over the limit
  among them:
    chain/search
    chain/search
  set by ini runlog_budget
  to accept it: errors <= 2
total_tokens <= 900 is 912
  12 (1.33%) over the limit; of 1 model run
  largest:
    912  chain/gpt
  set by ini runlog_budget
  to accept it: total_tokens <= 912
tool_runs >= 3 is 2
  1 (33.3%) under the limit
  set by ini runlog_budget
  to accept it: tool_runs >= 2
With --runlog-on-breach=warn breaches are warnings."""
    )


def test_an_assertion_names_no_place_and_no_option() -> None:
    assert (
        text(chain(), "errors <= 0", source="")
        == """\
errors <= 0 is 2
  2 over the limit
  among them:
    chain/search
    chain/search
  to accept it: errors <= 2"""
    )


def test_the_runs_that_selectors_could_have_meant_are_shown() -> None:
    assert (
        text(chain(), "latency[name=serach] <= 1s")
        == """\
latency[name=serach] <= 1s matched no run
  no run has name=serach (did you mean 'search'?); there is 'chain', 'gpt', 'search'
  set by ini runlog_budget"""
    )


def test_selected_runs_of_another_type_are_told() -> None:
    assert (
        text(chain(), "total_tokens[name=chain] <= 1")
        == """\
total_tokens[name=chain] <= 1 matched no model run
  it selects 1 run of another type; path="*/NAME/*" selects what ran under NAME
  set by ini runlog_budget"""
    )


def test_where_nothing_was_recorded_it_says_what_is_recorded() -> None:
    _, second, third = text(Runs(()), "errors <= 0").splitlines()

    assert second.startswith("  it cannot be judged: no run was recorded. Runs are recorded from ")
    assert third == "  set by ini runlog_budget"


def test_the_runs_that_report_no_usage_are_listed() -> None:
    assert (
        text(models(*[SILENT] * 5, answer(1, 1)), "total_tokens <= 9")
        == """\
total_tokens <= 9 is unknown: 5 of 6 model runs reported no usage
    gpt
    gpt
    gpt
    … and 2 more
  set by ini runlog_budget"""
    )


def test_known_tokens_are_at_least_what_was_used() -> None:
    first, *_ = text(models(SILENT, answer(10, 6)), "total_tokens <= 9").splitlines()

    assert first == "total_tokens <= 9 is at least 16"


def test_too_few_values_for_a_percentile_say_how_many_are_needed() -> None:
    assert (
        text(latencies(1, 2), "latency_p95 <= 9s")
        == """\
latency_p95 <= 9s needs 20 values for p95, and has 2
  runlog.repeat(…) runs a chain many times; ini runlog_min_samples says how many values are enough
  set by ini runlog_budget"""
    )


def test_runs_that_lack_the_value_are_counted() -> None:
    assert text(latencies(1, 2), "ttft <= 9s").startswith(
        "ttft <= 9s has no value: of 2 roots none streamed\n"
    )


def test_names_are_masked_and_on_one_line() -> None:
    tape = Tape()
    tape.end(tape.start("say\nsk-123\x1b[2J"))
    runs = tape.runs()
    mask = Mask(secrets=frozenset({"sk-123"}))
    budgets = [parse_budget("latency <= 1us"), parse_budget("latency[name=x] <= 1us")]

    shown = breaches_text(judge_runs(budgets, runs, label=labels(mask)), runs, mask)

    assert "sk-123" not in shown
    assert "\x1b" not in shown
    assert r'"say\n<secret>\u001b[2J"' in shown


@pytest.mark.parametrize(
    ("runs", "budget", "expected"),
    [
        (latencies(0.4, 0.3), "latency <= 500ms", "400 ms, 100 ms left (the largest of 2 roots)"),
        (latencies(0.6), "latency <= 500ms", "600 ms, 100 ms (20%) over the limit (*)"),
        (latencies(0.5), "latency < 500ms", "500 ms, exactly the limit (*)"),
        (latencies(0.5000001), "latency <= 500ms", "0.5000001 s, 0 us (2e-05%) over *"),
        (chain(), "errors <= 5", "2, 3 left"),
        (chain(), "total_tokens <= 1_000", "912, 88 left (of 1 model run)"),
        (chain(), "tool_runs >= 1", "2"),
        (chain(), "error_rate[type=tool] <= 50%", "100%, 50 percentage points over the limit (*)"),
    ],
)
def test_a_line_has_what_was_measured_and_what_is_left(
    runs: Runs, budget: str, expected: str
) -> None:
    shown = line(runs, budget)
    start, _, end = expected.partition("*")

    assert shown.startswith(f"{budget}: {start}")
    assert shown.endswith(end)


def failing(failed: int, of: int) -> Runs:
    tape = Tape()
    for number in range(of):
        run = tape.start(inputs=number)
        tape.fail(run, Down(str(number))) if number < failed else tape.end(run)
    return tape.runs()


@pytest.mark.parametrize(
    ("failed", "of", "budget", "expected"),
    [
        (0, 100, "error_rate <= 1%", "1 of 1 left"),
        (1, 100, "error_rate <= 1%", "0 of 1 left"),
        (4, 200, "error_rate <= 3.5%", "3 of 7 left"),
        (0, 100, "error_rate < 1%", "0 of 0 left"),
        (0, 199, "error_rate <= 1%", "1 of 1 left"),
        (2, 100, "error_rate <= 1%", ""),
    ],
)
def test_an_error_budget_tells_how_many_more_may_fail(
    failed: int, of: int, budget: str, expected: str
) -> None:
    assert left_text(verdicts(failing(failed, of), budget)[0]) == expected


@pytest.mark.parametrize(
    ("runs", "budget", "expected"),
    [
        (latencies(2.31), "latency <= 1s", "latency <= 2.4s"),
        (latencies(2.3), "latency < 1s", "latency <= 2.3s"),
        (latencies(0.8123), "latency <= 1ms", "latency <= 813ms"),
        (latencies(0.000_412), "latency <= 1us", "latency <= 412us"),
        (latencies(123.4), "latency_mean <= 1s", "latency_mean <= 124s"),
        (latencies(2.39), "latency >= 3s", "latency >= 2.3s"),
        (failing(1, 3), "error_rate <= 1%", "error_rate <= 34%"),
        (models(answer(1200, 34)), "total_tokens <= 1", "total_tokens <= 1_234"),
        (models(answer(1, 2), answer(2, 2)), "total_tokens_mean <= 1", "total_tokens_mean <= 4"),
        (chain(), "runs[type=tool] == 3", "runs[type=tool] == 2"),
        (models(answer(1200, 34)), "total_tokens == 1", "total_tokens == 1_234"),
    ],
)
def test_the_budget_that_would_accept_it_holds(runs: Runs, budget: str, expected: str) -> None:
    shown = acceptable(verdicts(runs, budget)[0])

    assert shown == expected
    assert verdicts(runs, shown)[0].outcome == "held"
