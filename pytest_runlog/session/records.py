"""What one test contributes to the session, in builtin types: it travels between processes."""

from __future__ import annotations

from dataclasses import dataclass, field
from heapq import nsmallest
from typing import TYPE_CHECKING, Any

from pytest_runlog.explain.budgets import breach_line, skipped_line
from pytest_runlog.measures.judge import judge
from pytest_runlog.measures.metrics import Observed, Sample, merge, take_sample
from pytest_runlog.model.errors import arising, recovered

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from pytest_runlog.measures.budget import Budget
    from pytest_runlog.measures.judge import Verdict
    from pytest_runlog.model.runs import Run, Runs
    from pytest_runlog.model.usage import TokenUsage

SLOWEST = 3
"""How many of its slowest runs a test tells."""
_PROPERTIES = "runlog."


@dataclass(frozen=True)
class TestRecord:
    """The numbers of one recorded test."""

    __test__ = False

    nodeid: str
    outcome: str
    """`passed`, `failed` or `skipped`, as on pytest's report."""
    runs: int
    model_runs: int
    unknown_usage: int
    """Model runs that did not report how many tokens they used."""
    input_tokens: int
    output_tokens: int
    total_tokens: int
    """Tokens of the model runs that reported them."""
    latencies: list[float]
    """Seconds of each root that ended."""
    errors: int
    recovered: int
    unfinished: int
    slowest: list[tuple[float, str]] = field(default_factory=list)
    """The runs that took the longest, without the runs below them: seconds and path."""
    held: int = 0
    """How many budgets the test kept."""
    breaches: list[str] = field(default_factory=list)
    """The budgets that it did not, each with what was measured."""
    skipped: list[str] = field(default_factory=list)
    """The budgets that it could not be held to, each with why, in a few words."""
    samples: dict[str, list[Any]] | None = field(default_factory=dict)
    """What the session's budgets are judged by; `None` if they leave this test out."""

    def to_dict(self) -> dict[str, Any]:
        """The record in builtin types."""
        data = dict(vars(self))
        data["slowest"] = [list(pair) for pair in self.slowest]
        return data

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> TestRecord:
        """The record that `to_dict` gave."""
        slowest = [(seconds, label) for seconds, label in data["slowest"]]
        return cls(**{**data, "slowest": slowest})


def record_test(
    nodeid: str,
    outcome: str,
    runs: Runs,
    *,
    label: Callable[[Run], str] = lambda run: run.path,
    verdicts: Iterable[Verdict] = (),
    session_budgets: Iterable[Budget] | None = (),
) -> TestRecord:
    """The numbers of a test, from its runs and from the verdicts on its budgets.

    `label` says what runs are called; `session_budgets` are those that the session will be
    held to, `None` if that is no matter of this test.
    """
    verdicts = list(verdicts)
    usages = [run.usage for run in runs if run.is_model]
    return TestRecord(
        nodeid=nodeid,
        outcome=outcome,
        runs=len(runs),
        model_runs=len(usages),
        unknown_usage=sum(usage.total is None for usage in usages),
        input_tokens=_known(usages, "input"),
        output_tokens=_known(usages, "output"),
        total_tokens=_known(usages, "total"),
        latencies=[run.latency for run in runs if run.parent is None and run.latency is not None],
        errors=len(arising(runs)),
        recovered=len(recovered(runs)),
        unfinished=sum(run.status == "unfinished" for run in runs),
        slowest=_slowest(runs, label),
        held=sum(verdict.outcome == "held" for verdict in verdicts),
        breaches=[breach_line(verdict) for verdict in verdicts if verdict.fails],
        skipped=[
            skipped_line(verdict)
            for verdict in verdicts
            if not verdict.is_judged and not verdict.fails
        ],
        samples=None if session_budgets is None else _samples(session_budgets, runs, label, nodeid),
    )


def judge_session(
    budgets: Iterable[Budget], records: Sequence[TestRecord], min_samples: int | None
) -> list[Verdict]:
    """A verdict on each budget of the session, by what its tests contributed."""
    return [
        judge(
            budget,
            merge(
                Sample.from_data(record.samples[budget.subject])
                for record in sorted(records, key=lambda record: record.nodeid)
                if record.samples and budget.subject in record.samples
            ),
            min_samples,
        )
        for budget in budgets
    ]


def add_properties(properties: list[tuple[str, object]], record: TestRecord) -> None:
    """Let JUnit tell the numbers: flat names, in place of those of an earlier attempt."""
    kept = [pair for pair in properties if not pair[0].startswith(_PROPERTIES)]
    properties[:] = [*kept, *_properties(record)] if record.runs else kept


def _properties(record: TestRecord) -> Iterable[tuple[str, object]]:
    yield _PROPERTIES + "runs", record.runs
    yield _PROPERTIES + "model_runs", record.model_runs
    if record.latencies:
        yield _PROPERTIES + "latency", round(max(record.latencies), 9)
    yield _PROPERTIES + "errors", record.errors
    yield _PROPERTIES + "recovered_errors", record.recovered
    yield _PROPERTIES + "unfinished", record.unfinished
    if not record.unknown_usage:
        yield _PROPERTIES + "input_tokens", record.input_tokens
        yield _PROPERTIES + "output_tokens", record.output_tokens
        yield _PROPERTIES + "total_tokens", record.total_tokens
    if record.breaches:
        yield _PROPERTIES + "breaches", "; ".join(record.breaches)


def _samples(
    budgets: Iterable[Budget], runs: Runs, label: Callable[[Run], str], nodeid: str
) -> dict[str, list[Any]]:
    observed = Observed(runs)

    def placed(run: Run) -> str:
        return f"{label(run)}  {nodeid}"

    return {
        budget.subject: take_sample(budget.measure.metric, budget.selectors, observed, placed)
        .compact(budget.measure.statistic)
        .to_data()
        for budget in budgets
    }


def _slowest(runs: Runs, label: Callable[[Run], str]) -> list[tuple[float, str]]:
    timed = [(-(run.self_latency or 0), run) for run in runs if run.end_ns is not None]
    return [
        (-negative, label(run))
        for negative, run in nsmallest(SLOWEST, timed, key=lambda pair: pair[0])
    ]


def _known(usages: Iterable[TokenUsage], part: str) -> int:
    return sum(getattr(usage, part) or 0 for usage in usages)
