"""What runs show of a claim about their order, their times, their errors or their chunks."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from pytest_runlog.model.data import SavedError
from pytest_runlog.model.runs import matches

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence
    from types import EllipsisType

    from pytest_runlog.model.runs import Run


class OrderProblem(NamedTuple):
    """Where runs stop following the order that was claimed."""

    name: str
    """What did not start when it should have."""
    after: Run | None
    """The run that it should have followed, `None` if it is not there at all."""
    directly: bool
    """Whether directly."""
    instead: Run | None
    """What followed directly, or the last run of that name before."""


def order_problem(runs: Sequence[Run], names: Sequence[str | EllipsisType]) -> OrderProblem | None:
    """Why runs of these names do not start directly one after another; `None` if they do.

    `...` stands for any runs in between.
    """
    at = 0
    before: Run | None = None
    for segment in _segments(names):
        reached = [_reached(segment, runs, start) for start in range(at, len(runs))]
        longest = max(reached, default=0)
        place = at + (reached.index(longest) if reached else 0) + longest
        if longest == len(segment):
            at, before = place, runs[place - 1]
            continue
        name = segment[longest]
        named = [run for run in runs if matches(run.name, name)]
        if not named:
            return OrderProblem(name, None, False, None)
        if longest:
            following = runs[place] if place < len(runs) else None
            return OrderProblem(name, runs[place - 1], True, following)
        return OrderProblem(name, before, False, named[-1])
    return None


def closest(ones: Iterable[Run], others: Sequence[Run]) -> tuple[Run, Run] | None:
    """The two runs that overlap, or that come closest to it, the earlier one first.

    Runs that are a part of one another come last. `None` if there are no two.
    """
    pairs = [
        (one, other) if one.start_ns <= other.start_ns else (other, one)
        for one in ones
        for other in others
        if one != other
    ]
    return min(pairs, key=lambda pair: (is_part(*pair), gap_ns(*pair)), default=None)


def gap_ns(first: Run, second: Run) -> float:
    """Nanoseconds from the end of a run to the start of a later one; negative if it came before."""
    return float("-inf") if first.end_ns is None else second.start_ns - first.end_ns


def is_part(first: Run, second: Run) -> bool:
    """Whether one of the runs is below the other."""
    return is_below(first, {second}) or is_below(second, {first})


def is_below(run: Run, tops: Collection[Run]) -> bool:
    """Whether the run is below one of these."""
    above = run.parent
    while above is not None and above not in tops:
        above = above.parent
    return above is not None


def is_instance(error: BaseException, types: tuple[type[BaseException], ...]) -> bool:
    """Whether the exception is of one of the types; of a saved one only its name is known."""
    if not isinstance(error, SavedError):
        return isinstance(error, types)
    names = {type_.__name__ for type_ in types}
    return not names.isdisjoint({type(error).__name__, "Exception", "BaseException"})


def is_or_asked(run: Run, pattern: str) -> bool:
    """Whether the run has that name, or asked a model that has it for its own or its run's."""
    if matches(run.name, pattern):
        return True
    models = [inner for inner in (run, *run.descendants) if inner.is_model]
    return any(
        matches(name, pattern) for inner in models for name in (inner.name, inner.model or "")
    )


class Wait(NamedTuple):
    """A chunk that came too late."""

    number: int
    """Of the chunk, from 1."""
    limit: float
    seconds: float


def long_wait(run: Run, ttft: float | None, max_gap: float | None) -> Wait | None:
    """The first chunk that came later than it may, in seconds after what came before it."""
    before = 0.0
    for number, chunk in enumerate(run.chunks, 1):
        limit = ttft if number == 1 else max_gap
        if limit is not None and chunk.at - before > limit:
            return Wait(number, limit, chunk.at - before)
        before = chunk.at
    return None


def _segments(names: Sequence[str | EllipsisType]) -> list[list[str]]:
    """The names between the gaps."""
    segments: list[list[str]] = [[]]
    for name in names:
        if isinstance(name, str):
            segments[-1].append(name)
        else:
            segments.append([])
    return [segment for segment in segments if segment]


def _reached(segment: Sequence[str], runs: Sequence[Run], start: int) -> int:
    """How many of the names, in order, are those of the runs from there on."""
    for number, name in enumerate(segment):
        place = start + number
        if place >= len(runs) or not matches(runs[place].name, name):
            return number
    return len(segment)
