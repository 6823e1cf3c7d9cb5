"""What a sample says about a budget."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from pytest_runlog.measures.metrics import METRICS, RUN_COUNTS, Observed, statistic_of, take_sample

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from pytest_runlog.measures.budget import Budget
    from pytest_runlog.measures.metrics import Sample
    from pytest_runlog.model.runs import Run, Runs

Outcome = Literal["held", "breached", "unmatched", "valueless", "unknown", "too few"]


@dataclass(frozen=True)
class Verdict:
    """Whether a budget holds, and what it was judged by."""

    budget: Budget
    outcome: Outcome
    """`unmatched`: there was no such run; `valueless`: none of them has a value; `unknown`:
    some models did not report their usage; `too few`: for a percentile.
    """
    actual: float | None
    """What was measured, of what is known."""
    sample: Sample
    needed: int = 0
    """How many values a percentile needs."""

    @property
    def is_judged(self) -> bool:
        """Whether it could be judged."""
        return self.outcome in ("held", "breached")

    @property
    def fails(self) -> bool:
        """Whether it is a breach: the limit is exceeded, or nobody could say, and must."""
        return self.outcome == "breached" or (not self.is_judged and self.budget.strict)

    @property
    def distance(self) -> float:
        """How far the actual value is from the limit, to the nanosecond."""
        return 0.0 if self.actual is None else round(abs(self.actual - self.budget.limit), 9)


def judge_runs(
    budgets: Iterable[Budget],
    runs: Runs,
    *,
    min_samples: int | None = None,
    label: Callable[[Run], str] = lambda run: run.path,
) -> list[Verdict]:
    """A verdict on each budget, by these runs.

    `min_samples` is how many values a percentile needs, `None` = as many as define it.
    """
    observed = Observed(runs)
    verdicts = []
    for budget in budgets:
        metric, selectors = budget.measure.metric, budget.selectors
        verdict = judge(budget, take_sample(metric, selectors, observed), min_samples)
        if verdict.fails:  # only then do the runs matter
            verdict = replace(verdict, sample=take_sample(metric, selectors, observed, label))
        verdicts.append(verdict)
    return verdicts


def judge(budget: Budget, sample: Sample, min_samples: int | None = None) -> Verdict:
    """The verdict on a budget, by this sample."""
    actual = statistic_of(sample, budget.measure.statistic)
    needed = _needed(budget, min_samples)
    outcome: Outcome
    if not sample.matched and not _asks_for_none(budget):
        outcome = "unmatched"
    elif sample.unknown:
        outcome = "breached" if _is_exceeded_already(budget, actual) else "unknown"
    elif actual is None or not (sample.known or _asks_for_none(budget)):
        outcome = "valueless"
    elif sample.known < needed:
        outcome = "too few"
    else:
        outcome = "held" if budget.holds(actual) else "breached"
    return Verdict(budget, outcome, actual, sample, needed)


def samples_that_define(percent: int) -> int:
    """How many values a percentile needs to be one: so many that some lie beyond it."""
    return math.ceil(100 / (100 - percent))


def _needed(budget: Budget, min_samples: int | None) -> int:
    percent = budget.measure.percent
    if percent is None:
        return 0
    return samples_that_define(percent) if min_samples is None else min_samples


def _asks_for_none(budget: Budget) -> bool:
    """Whether it says that there shall be no such run: then none is what it asks for."""
    most = budget.limit if budget.operator in ("<=", "==") else budget.limit - 1
    return (
        budget.measure.metric in RUN_COUNTS
        and (budget.is_upper or budget.operator == "==")
        and most <= 0
    )


def _is_exceeded_already(budget: Budget, actual: float | None) -> bool:
    """Whether what is known exceeds the limit, whatever the rest is."""
    return (
        actual is not None
        and budget.is_upper
        and budget.measure.statistic in ("total", "max")
        and METRICS[budget.measure.metric].unit == "tokens"
        and not budget.holds(actual)
    )
