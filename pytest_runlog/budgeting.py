"""What a capture measures of itself: metrics, budgets, and rounds of the same call."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pytest_runlog.explain.budgets import breaches_text
from pytest_runlog.measures.budget import parse_budget
from pytest_runlog.measures.confidence import METHOD, Interval, median_interval, rounds_needed
from pytest_runlog.measures.judge import Verdict, judge_runs
from pytest_runlog.measures.metrics import metrics_of
from pytest_runlog.measures.statistics import percentile
from pytest_runlog.measures.units import count_text, seconds_text
from pytest_runlog.model.journal import Clock
from pytest_runlog.model.text import name_text

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable
    from contextlib import AbstractContextManager

    from pytest_runlog.capture import RunLogCapture, _Derived
    from pytest_runlog.defaults import Options
    from pytest_runlog.measures.budget import Budget
    from pytest_runlog.model.masking import Mask
    from pytest_runlog.model.runs import Run, Runs


@dataclass(frozen=True, repr=False)
class LatencySample:
    """How long the rounds of a call took."""

    values: list[float]
    """Seconds of each round, in order."""
    results: list[Any]
    """What each round gave."""
    log: RunLogCapture
    """The runs of the rounds."""
    confidence: float
    """The confidence that was asked for."""

    @property
    def median(self) -> float:
        """The median of the rounds in seconds."""
        return self.percentile(50)

    @property
    def interval(self) -> Interval:
        """The confidence interval of the median: `low` and `high` in seconds, and `coverage`.

        It lies between two of the sorted values, which the binomial distribution chooses, so
        nothing is assumed about how the times are distributed.
        """
        return median_interval(self.values, self.confidence)

    @property
    def method(self) -> str:
        """How the interval is found."""
        return METHOD

    def percentile(self, percent: float) -> float:
        """The linearly interpolated percentile of the rounds in seconds."""
        return percentile(self.values, percent)

    def __len__(self) -> int:
        return len(self.values)

    def __repr__(self) -> str:
        low, high, coverage = self.interval
        return (
            f"<LatencySample: median {seconds_text(self.median)} "
            f"({seconds_text(low)} to {seconds_text(high)}, confidence {coverage:.1%}) of "
            f"{count_text(len(self), 'round')}; {self.method}>"
        )


class Budgeting:
    """The members of `RunLogCapture` that measure."""

    if TYPE_CHECKING:
        _options: Options

        @property
        def runs(self) -> Runs:
            """Every run."""
            ...

        @property
        def _mask(self) -> Mask: ...

        def _derive(self) -> _Derived: ...

        def capture(self, name: str | None = None) -> AbstractContextManager[RunLogCapture]:
            """Record a section."""
            ...

    def metrics(self) -> dict[str, float | None]:
        """Every metric that a budget can limit, by name; `None` = unknown, or of no run.

        Times are in seconds, `error_rate` is a share from 0 to 1.
        """
        return metrics_of(self.runs)

    def assert_budget(self, *budgets: str) -> None:
        """Hold what has been recorded to budgets such as `"latency <= 1.5s"`.

        Raises `AssertionError` that says for each breach what was measured, and of what, and
        for a budget that cannot be judged why not; `ValueError` for one that cannot be read.
        """
        __tracebackhide__ = True
        if not budgets:
            raise ValueError("assert_budget takes at least one budget, such as 'latency <= 2s'")
        verdicts = judge_budgets(self, [parse_budget(text) for text in budgets])
        if any(verdict.fails for verdict in verdicts):
            raise AssertionError(breaches_text(verdicts, self.runs, self._mask))

    def repeat(
        self,
        fn: Callable[..., Any],
        *args: Any,
        rounds: int = 20,
        warmup: int = 1,
        confidence: float = 0.95,
    ) -> LatencySample:
        """Call `fn(*args)` many times, and measure how long each round takes.

        `warmup` rounds come first; they are not recorded, not by any capture. Raises
        `ValueError` for fewer rounds than a median of that confidence needs: 6 for 0.95.
        """
        _check_rounds(rounds, warmup, confidence)
        if inspect.iscoroutinefunction(fn):
            raise TypeError("repeat calls plain functions; use `await runlog.arepeat(…)`")
        from pytest_runlog.recording.installer import unrecorded

        with unrecorded():
            for _ in range(warmup):
                fn(*args)
        times: list[int] = []
        results: list[Any] = []
        with self.capture() as log:
            for _ in range(rounds):
                start = Clock.now()
                result = fn(*args)
                times.append(Clock.now() - start)
                results.append(result)
        return LatencySample([time / 1e9 for time in times], results, log, confidence)

    async def arepeat(
        self,
        fn: Callable[..., Awaitable[Any]],
        *args: Any,
        rounds: int = 20,
        warmup: int = 1,
        confidence: float = 0.95,
    ) -> LatencySample:
        """Await `fn(*args)` many times, one after another, and measure each; see `repeat`."""
        _check_rounds(rounds, warmup, confidence)
        from pytest_runlog.recording.installer import unrecorded

        with unrecorded():
            for _ in range(warmup):
                await fn(*args)
        times: list[int] = []
        results: list[Any] = []
        with self.capture() as log:
            for _ in range(rounds):
                start = Clock.now()
                result = await fn(*args)
                times.append(Clock.now() - start)
                results.append(result)
        return LatencySample([time / 1e9 for time in times], results, log, confidence)


def judge_budgets(capture: Budgeting, budgets: Iterable[Budget]) -> list[Verdict]:
    """A verdict on each budget by what the capture has recorded; runs are named by path."""
    return judge_runs(
        budgets,
        capture._derive().runs,  # noqa: SLF001 (its own, and no run leaves this)
        min_samples=capture._options.min_samples,  # noqa: SLF001 (its own)
        label=labels(capture._mask),  # noqa: SLF001
    )


def labels(mask: Mask) -> Callable[[Run], str]:
    """What runs are called in reports: their path, masked, and on one line."""
    known: dict[int, tuple[Run, str]] = {}  # the run too, so that no other one gets its id

    def label(run: Run) -> str:
        if id(run) not in known:
            names = [mask.text(name) for name in _names(run)]
            text = "/".join(name if name.isidentifier() else name_text(name) for name in names)
            known[id(run)] = (run, text)
        return known[id(run)][1]

    return label


def _names(run: Run) -> list[str]:
    names = [run.name]
    while run.parent is not None:
        run = run.parent
        names.append(run.name)
    return names[::-1]


def _check_rounds(rounds: int, warmup: int, confidence: float) -> None:
    needed = rounds_needed(confidence)
    if rounds < needed:
        raise ValueError(
            f"rounds={rounds}: a median with a confidence of {confidence:.0%} needs at least "
            f"{needed} rounds"
        )
    if warmup < 0:
        raise ValueError(f"warmup={warmup}: cannot be negative")
