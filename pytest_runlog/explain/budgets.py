"""What a user reads about budgets: what was limited, what was measured, where, what to do."""

from __future__ import annotations

from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from typing import TYPE_CHECKING

from pytest_runlog.explain.wording import did_you_mean, nothing_recorded
from pytest_runlog.measures.budget import printable
from pytest_runlog.measures.metrics import METRICS, matches, texts_of
from pytest_runlog.measures.units import count_text, number_text, seconds_text, share_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pytest_runlog.measures.budget import Budget
    from pytest_runlog.measures.judge import Verdict
    from pytest_runlog.measures.metrics import Unit
    from pytest_runlog.model.masking import Mask
    from pytest_runlog.model.runs import Runs

_NOUNS = {
    "roots": "root",
    "models": "model run",
    "tools": "tool run",
    "retrievers": "retriever run",
    "runs": "run",
}
_LISTED = 5
_REASONS = {
    "unmatched": "no run matched",
    "unknown": "usage was not reported",
    "valueless": "no run had a value",
    "too few": "too few values",
}


def breaches_text(verdicts: Sequence[Verdict], runs: Runs, mask: Mask) -> str:
    """The budgets that fail, each with what was measured, where it was set, what to do.

    `runs` are those that they were judged by.
    """
    failing = [verdict for verdict in verdicts if verdict.fails]
    blocks = ["\n".join(_block(verdict, runs, mask)) for verdict in failing]
    if len(blocks) > 1:
        short = "; ".join(breach_line(verdict) for verdict in failing)
        blocks.insert(0, f"{len(failing)} of {count_text(len(verdicts), 'budget')}: {short}\n")
    if any(verdict.is_judged and verdict.budget.source for verdict in failing):
        blocks.append("With --runlog-on-breach=warn breaches are warnings.")
    return printable("\n".join(blocks))


def breach_line(verdict: Verdict) -> str:
    """A budget and what was measured on one line: `"latency <= 1.5s is 2.31 s"`."""
    if verdict.is_judged:
        return f"{verdict.budget.text} is {actual_text(verdict)}"
    return f"{verdict.budget.text} {unjudged_text(verdict)}"


def unjudged_text(verdict: Verdict) -> str:
    """Why a budget could not be judged."""
    sample, measure = verdict.sample, verdict.budget.measure
    noun = _noun(verdict.budget)
    if verdict.outcome == "unmatched":
        return f"matched no {noun}"
    if verdict.outcome == "unknown":
        of = f"{sample.unknown:,} of {count_text(sample.matched, noun)}"
        return f"is unknown: {of} reported no usage"
    if verdict.outcome == "valueless":
        return f"has no value: of {count_text(sample.matched, noun)} none {_lacking(verdict)}"
    return f"needs {verdict.needed:,} values for {measure.statistic}, and has {sample.known:,}"


def skipped_line(verdict: Verdict) -> str:
    """A budget that could not be judged, and why in so few words that tests share them."""
    return f"{verdict.budget.text}: {_REASONS[verdict.outcome]}"


def verdict_line(verdict: Verdict) -> str:
    """A budget of the session, what was measured, of what, and what is left."""
    text = verdict.budget.text
    if not verdict.is_judged:
        return f"{text} {unjudged_text(verdict)}; not judged"
    far = left_text(verdict) or ("" if verdict.outcome == "held" else distance_text(verdict))
    population = population_text(verdict)
    return (
        f"{text}: {actual_text(verdict)}"
        f"{f', {far}' if far else ''}{f' ({population})' if population else ''}"
    )


def distance_text(verdict: Verdict) -> str:
    """How far beyond the limit: `"810 ms (54%) over the limit"`."""
    budget, unit = verdict.budget, verdict.budget.measure.unit
    actual = 0.0 if verdict.actual is None else verdict.actual
    if actual == budget.limit:
        return "exactly the limit"
    side = "over" if actual > budget.limit else "under"
    if unit == "share":
        return f"{verdict.distance * 100:.3g} percentage points {side} the limit"
    share = f" ({share_text(verdict.distance / budget.limit)})" if budget.limit else ""
    return f"{value_text(verdict.distance, unit)}{share} {side} the limit"


def actual_text(verdict: Verdict) -> str:
    """What was measured, with its unit, and so that it differs from the limit if it does."""
    actual = 0.0 if verdict.actual is None else verdict.actual
    unit = verdict.budget.measure.unit
    text = value_text(actual, unit)
    if text == value_text(verdict.budget.limit, unit) and actual != verdict.budget.limit:
        text = f"{actual:.9g} s" if unit == "seconds" else f"{actual:.9g}"
    return f"at least {text}" if verdict.sample.unknown else text


def value_text(value: float, unit: Unit) -> str:
    """A value with its unit: `"2.31 s"`, `"0.4%"`, `"1,200"`."""
    if unit == "seconds":
        return seconds_text(value)
    return share_text(value) if unit == "share" else number_text(value)


def population_text(verdict: Verdict) -> str:
    """What a value is of: `"the largest of 3 roots"`, `"p95 of 40 roots"`."""
    sample, measure = verdict.sample, verdict.budget.measure
    noun = _noun(verdict.budget)
    if measure.unit == "share":
        failed = round(sum(sample.values))
        return f"{failed:,} of {count_text(sample.matched, noun)} failed"
    if measure.statistic == "total":
        return "" if measure.unit == "count" else f"of {count_text(sample.matched, noun)}"
    what = {"max": "the largest", "mean": "the mean"}.get(measure.statistic, measure.statistic)
    return f"{what} of {count_text(sample.known, noun)}"


def left_text(verdict: Verdict) -> str:
    """What is left of a budget: of an error rate, how many more may fail; else the value."""
    budget = verdict.budget
    if not budget.is_upper or verdict.outcome != "held":
        return ""
    if budget.measure.unit == "share":
        allowed = _whole(Decimal(repr(budget.limit)) * verdict.sample.matched, budget.operator)
        left = allowed - round(sum(verdict.sample.values))
        return f"{max(0, left):,} of {allowed:,} left"
    return f"{value_text(verdict.distance, budget.measure.unit)} left"


def _block(verdict: Verdict, runs: Runs, mask: Mask) -> Iterator[str]:
    budget = verdict.budget
    yield breach_line(verdict)
    if verdict.is_judged:
        yield f"  {_how_far(verdict)}"
        yield from _largest(verdict)
    else:
        yield from _why(verdict, runs, mask)
    if budget.source:
        yield f"  set by {budget.source}"
    if verdict.is_judged:
        yield f"  to accept it: {acceptable(verdict)}"


def _how_far(verdict: Verdict) -> str:
    population = population_text(verdict)
    far = distance_text(verdict)
    return f"{far}; {population}" if population else far


def _largest(verdict: Verdict) -> Iterator[str]:
    """The runs with the largest values, or of what is counted, the first."""
    measure = verdict.budget.measure
    if not verdict.sample.largest or not (verdict.actual or 0) > verdict.budget.limit:
        return
    valued = measure.unit in ("seconds", "tokens")
    texts = [value_text(value, measure.unit) if valued else "" for value, _ in _pairs(verdict)]
    width = max(map(len, texts))
    yield "  largest:" if valued else "  among them:"
    for text, (_, label) in zip(texts, verdict.sample.largest):
        yield f"    {text:>{width}}  {label}" if valued else f"    {label}"


def _pairs(verdict: Verdict) -> list[tuple[float, str]]:
    return verdict.sample.largest


def _why(verdict: Verdict, runs: Runs, mask: Mask) -> Iterator[str]:
    """What else is known about why a budget could not be judged."""
    budget = verdict.budget
    if verdict.outcome == "unmatched":
        if not runs:
            yield f"  {nothing_recorded('it cannot be judged')}"
            return
        for name, pattern in budget.selectors:
            if not any(matches(run, ((name, pattern),)) for run in runs):
                there = sorted({mask.text(text) for run in runs for text in texts_of(run, name)})
                shown = ", ".join(map(repr, there[:_LISTED])) or "none"
                more = ", …" if len(there) > _LISTED else ""
                yield (
                    f"  no run has {name}={pattern}{did_you_mean(pattern, there)}; "
                    f"there is {shown}{more}"
                )
        others = [run for run in runs if budget.selectors and matches(run, budget.selectors)]
        if others:
            yield (
                f"  it selects {count_text(len(others), 'run')} of another type; "
                'path="*/NAME/*" selects what ran under NAME'
            )
    elif verdict.outcome == "unknown":
        for label in verdict.sample.silent:
            yield f"    {label}"
        if verdict.sample.unknown > len(verdict.sample.silent):
            yield f"    … and {verdict.sample.unknown - len(verdict.sample.silent):,} more"
    elif verdict.outcome == "too few":
        yield (
            "  runlog.repeat(…) runs a chain many times; "
            "ini runlog_min_samples says how many values are enough"
        )


def acceptable(verdict: Verdict) -> str:
    """The budget that would just hold, with a limit of two significant digits."""
    budget, unit = verdict.budget, verdict.budget.measure.unit
    actual = 0.0 if verdict.actual is None else verdict.actual
    if budget.operator == "==":
        return f"{budget.subject} == {number_text(actual).replace(',', '_')}"
    operator = budget.operator[0] + "="
    up = budget.is_upper
    exact = Decimal(repr(actual))
    if unit == "seconds":
        factor, name = next((scale for scale in _SCALES if actual * scale[0] >= 1), _SCALES[-1])
        return f"{budget.subject} {operator} {_rounded(exact * factor, up=up)}{name}"
    if unit == "share":
        return f"{budget.subject} {operator} {_rounded(exact * 100, up=up)}%"
    whole = -(-actual // 1) if up else actual // 1
    return f"{budget.subject} {operator} {int(whole):_}"


_SCALES = ((1, "s"), (1_000, "ms"), (1_000_000, "us"))


def _whole(limit: Decimal, operator: str) -> int:
    """The largest number of failures that a limit of that operator allows."""
    return int(limit) - (operator == "<" and limit == int(limit))


def _rounded(number: Decimal, *, up: bool) -> str:
    """The number with two significant digits, more of them before the point."""
    digits = Decimal(1).scaleb(max(number.adjusted() - 1, -12)) if number else Decimal(1)
    step = min(digits, Decimal(1))
    rounded = number.quantize(step, ROUND_CEILING if up else ROUND_FLOOR)
    return f"{rounded.normalize():f}"


def _noun(budget: Budget) -> str:
    population = METRICS[budget.measure.metric].population
    if population == "roots" and budget.selectors:
        return "run"
    return _NOUNS[population]


def _lacking(verdict: Verdict) -> str:
    return METRICS[verdict.budget.measure.metric].lacking
