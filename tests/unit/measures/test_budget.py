from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_runlog.measures.budget import BadBudget, closest, parse_budget, selectors_text
from pytest_runlog.measures.metrics import SELECTORS, measures


@pytest.mark.parametrize(
    ("text", "subject", "operator", "limit"),
    [
        ("latency <= 1.5s", "latency", "<=", 1.5),
        ("latency<=1.5s", "latency", "<=", 1.5),
        ("  latency  <=  1.5  s  ", "latency", "<=", 1.5),
        ("latency_max < 800ms", "latency", "<", 0.8),
        ("latency_p95 <= 700ms", "latency_p95", "<=", 0.7),
        ("ttft <= 30_000us", "ttft", "<=", 0.03),
        ("latency_total <= 2min", "latency_total", "<=", 120),
        ("self_latency <= .5", "self_latency", "<=", 0.5),
        ("error_rate <= 7%", "error_rate", "<=", 0.07),
        ("error_rate <= 0.07", "error_rate", "<=", 0.07),
        ("total_tokens <= 1_000", "total_tokens", "<=", 1_000),
        ("total_tokens_total <= 5", "total_tokens", "<=", 5),
        ("errors == 0", "errors", "==", 0),
        ("model_runs[tag=answer] >= 1", "model_runs[tag=answer]", ">=", 1),
        ("runs > 0", "runs", ">", 0),
        ("latency[type=tool, name=se*] <= 1", "latency[name=se*,type=tool]", "<=", 1),
        ("runs[name='a, b]'] <= 1", 'runs[name="a, b]"]', "<=", 1),
        (r'runs[name="say \"hi\""] <= 1', 'runs[name=say "hi"]', "<=", 1),
        ("runs[ path = a b/c ] <= 1", "runs[path=a b/c]", "<=", 1),
        ("runs[tag=seq:step:1] <= 1", "runs[tag=seq:step:1]", "<=", 1),
    ],
)
def test_a_budget_is_read(text: str, subject: str, operator: str, limit: float) -> None:
    budget = parse_budget(text)

    assert (budget.subject, budget.operator, budget.limit) == (subject, operator, limit)
    assert budget.text == text.strip()


@pytest.mark.parametrize(
    ("text", "problem", "place"),
    [
        ("latncy <= 2s", "unknown metric 'latncy' (did you mean latency?)", 0),
        ("tokens <= 2", "unknown metric 'tokens' (did you mean total_tokens?)", 0),
        ("latency_p97 <= 2s", "latency has no suffix 'p97' (did you mean latency_p99?)", 0),
        ("errors_p95 <= 2", "errors takes no suffix (did you mean errors?)", 0),
        ("", "a metric is expected here, such as latency, errors or total_tokens", 0),
        ("latency[nam=x] <= 2", "unknown selector 'nam' (did you mean name?)", 8),
        (
            "latency[] <= 2",
            "a selector is expected here; selectors are name, type, tag, model, path",
            8,
        ),
        ("latency[name] <= 2", "= and a pattern are expected after name", 12),
        ("latency[name=] <= 2", "a pattern is expected after name=", 13),
        ("latency[name=''] <= 2", "a pattern is expected after name=", 13),
        ("latency[name='x] <= 2", "this quote is not closed", 13),
        ("latency[name=x <= 2", "a comma or ] is expected here", 19),
        ("latency[name=x,name=y] <= 2", "the selector name is given twice", 15),
        ("latency", "an operator is expected here; operators are <= < >= > ==", 7),
        ("latency =< 2s", "unknown operator '=<' (did you mean <=?)", 8),
        ("latency = 2s", "unknown operator '=' (did you mean ==?)", 8),
        ("latency != 2s", "unknown operator '!='; operators are <= < >= > ==", 8),
        ("latency ≤ 2s", "unknown operator '≤' (did you mean <=?)", 8),
        ("latency <=", "a number is expected here, such as 1.5s or 800ms", 10),
        ("latency <= fast", "a number is expected here, such as 1.5s or 800ms", 11),
        ("errors <= -1", "a limit cannot be negative", 10),
        ("latency <= 2sec", "unknown unit 'sec' (did you mean s?)", 12),
        ("latency <= 2m", "unknown unit 'm' (did you mean min?)", 12),
        ("latency <= 2parsec", "unknown unit 'parsec'; units are us, ms, s, min", 12),
        ("latency <= 2%", "unknown unit '%'; units are us, ms, s, min", 12),
        ("error_rate <= 1ms", "unknown unit 'ms' (did you mean %?)", 15),
        ("error_rate <= 5", "error_rate is at most 1, which is 100% (did you mean 5%?)", 14),
        ("error_rate <= 101%", "error_rate is at most 1, which is 100%", 14),
        ("errors <= 2ms", "errors takes no unit, not 'ms'", 11),
        ("latency <= 2s or so", "nothing is expected after the limit", 14),
        ("latency <= 1,5s", "nothing is expected after the limit", 12),
    ],
)
def test_what_cannot_be_read_is_pointed_at(text: str, problem: str, place: int) -> None:
    with pytest.raises(BadBudget) as raised:
        parse_budget(text, "ini runlog_budget")

    first, shown, caret = str(raised.value).split("\n")
    assert first == f"ini runlog_budget: {problem}"
    assert (shown, caret) == (f"    {text}", f"    {' ' * place}^")


def test_a_metric_that_is_near_to_none_is_answered_with_all() -> None:
    with pytest.raises(BadBudget, match="unknown metric 'wxyz'; metrics are latency, self_latency"):
        parse_budget("wxyz <= 2")


@pytest.mark.parametrize("value", [3, None, ["latency <= 2s"], b"latency <= 2s"])
def test_what_is_no_text_is_refused(value: Any) -> None:
    with pytest.raises(BadBudget, match=r"^a budget is text such as 'latency <= 2s', not "):
        parse_budget(value)


def test_control_characters_do_not_reach_the_terminal() -> None:
    with pytest.raises(BadBudget) as raised:
        parse_budget("latency\x1b[2J <= 2s")

    assert str(raised.value).isprintable() is False
    assert "\x1b" not in str(raised.value)


@pytest.mark.parametrize(
    ("operator", "actual", "holds"),
    [
        ("<=", 2, True),
        ("<=", 2.1, False),
        ("<", 2, False),
        ("<", 1.9, True),
        (">=", 2, True),
        (">=", 1.9, False),
        (">", 2, False),
        (">", 2.1, True),
        ("==", 2, True),
        ("==", 3, False),
    ],
)
def test_operators_compare(operator: str, actual: float, holds: bool) -> None:
    assert parse_budget(f"runs {operator} 2").holds(actual) is holds


@pytest.mark.parametrize(
    ("closer", "farther", "replaces"),
    [
        ("latency <= 1s", "latency <= 2s", True),
        ("latency < 1s", "latency_max <= 2s", True),
        ("latency <= 1s", "latency >= 2s", False),
        ("latency <= 1s", "latency_p95 <= 2s", False),
        ("latency <= 1s", "ttft <= 2s", False),
        ("latency <= 1s", "latency[type=tool] <= 2s", False),
        ("runs[type=tool,name=a] <= 1", "runs[name='a', type=tool] <= 2", True),
        ("runs == 1", "runs <= 2", True),
        ("runs == 1", "runs >= 2", True),
        ("runs <= 2", "runs == 1", True),
        ("total_tokens <= 2", "total_tokens_total <= 1", True),
    ],
)
def test_a_closer_budget_replaces_one_on_the_same_with_the_same_direction(
    closer: str, farther: str, replaces: bool
) -> None:
    assert parse_budget(closer).replaces(parse_budget(farther)) is replaces


def test_the_closest_level_counts_and_within_one_all_do() -> None:
    levels = [
        ["errors <= 1"],
        ["latency <= 1s", "latency <= 2s", "errors <= 2"],
        ["latency <= 3s", "runs <= 9"],
    ]

    chosen = closest([[parse_budget(text) for text in level] for level in levels])

    assert [budget.text for budget in chosen] == [
        "errors <= 1",
        "latency <= 1s",
        "latency <= 2s",
        "runs <= 9",
    ]


@given(
    st.dictionaries(
        st.sampled_from(SELECTORS), st.text(min_size=1).filter(str.strip), min_size=1
    ).map(lambda selectors: tuple(sorted(selectors.items()))),
    st.sampled_from(sorted(measures())),
)
def test_selectors_of_any_text_can_be_written_and_read(
    selectors: tuple[tuple[str, str], ...], metric: str
) -> None:
    budget = parse_budget(f"{metric}{selectors_text(selectors)} <= 1")

    assert budget.selectors == selectors
    assert parse_budget(f"{budget.subject} <= 1").measure == measures()[metric]


@given(st.text())
def test_any_text_is_read_or_refused(text: str) -> None:
    with suppress(BadBudget):
        assert parse_budget(text).limit >= 0
