"""Where errors arose, and which of them something handled."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_runlog.model.runs import Run, Runs

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_STEP = "seq:step:"


def arising(runs: Iterable[Run]) -> Runs:
    """The runs in which an error began.

    LangChain reports the same exception for the run that failed and for each run that it
    then went through; it arose in the one that has it from no other.
    """
    return Runs(
        run
        for run in runs
        if run.error is not None and not any(source.error is run.error for source in _sources(run))
    )


def recovered(runs: Runs) -> Runs:
    """Those of the arising errors that no root ended with, not even as the cause."""
    final = {
        id(cause)
        for run in runs
        if run.parent is None and run.error is not None
        for cause in causes_of(run.error)
    }
    return Runs(run for run in arising(runs) if id(run.error) not in final)


def _sources(run: Run) -> Iterator[Run]:
    """The runs that an exception can have come from: those below, and some beside it.

    While a sequence streams, a step reads from the one before it, and gets its exception.
    What `with_fallbacks` tries in a sequence is reported beside it, as the same step.
    """
    yield from run.children
    step = step_of(run.tags)
    if step is None or run.parent is None:
        return
    for other in run.parent.children:
        other_step = step_of(other.tags)
        if (
            other_step is not None
            and (other_step, -other.start_ns) < (step, -run.start_ns)
            and _overlap(run, other)
        ):
            yield other


def step_of(tags: Iterable[str]) -> int | None:
    """Which step of a sequence a run with these tags is."""
    for tag in tags:
        number = tag[len(_STEP) :]
        if tag.startswith(_STEP) and number.isdecimal():
            return int(number)
    return None


def _overlap(one: Run, other: Run) -> bool:
    return (
        one.end_ns is not None
        and other.end_ns is not None
        and one.start_ns < other.end_ns
        and other.start_ns < one.end_ns
    )


def causes_of(error: BaseException) -> Iterator[BaseException]:
    """The error, what it was raised from or because of, and the members of a group."""
    todo: list[BaseException] = [error]
    seen: set[int] = set()
    while todo:
        cause = todo.pop()
        if id(cause) in seen:
            continue
        seen.add(id(cause))
        yield cause
        if cause.__cause__ is not None:
            todo.append(cause.__cause__)
        elif cause.__context__ is not None and not cause.__suppress_context__:
            todo.append(cause.__context__)
        todo += getattr(cause, "exceptions", ())
