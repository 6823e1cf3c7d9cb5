"""What one test contributes to the session, in builtin types: it travels between processes."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from pytest_runlog.model.errors import arising, recovered

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pytest_runlog.model.runs import Runs
    from pytest_runlog.model.usage import TokenUsage


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

    def to_dict(self) -> dict[str, Any]:
        """The record in builtin types."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> TestRecord:
        """The record that `to_dict` gave."""
        return cls(**data)


def record_test(nodeid: str, outcome: str, runs: Runs) -> TestRecord:
    """The numbers of a test, from its runs."""
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
        unfinished=len(runs.find(status="unfinished")),
    )


def _known(usages: Iterable[TokenUsage], part: str) -> int:
    return sum(getattr(usage, part) or 0 for usage in usages)
