"""Where errors arose, and which of them something handled."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_runlog.model.runs import Run, Runs

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


def arising(runs: Iterable[Run]) -> Runs:
    """The runs in which an error began.

    LangChain reports the same exception for the run that failed and for each run above it;
    it arose in the one that has it from no child.
    """
    return Runs(
        run
        for run in runs
        if run.error is not None and not any(child.error is run.error for child in run.children)
    )


def recovered(runs: Runs) -> Runs:
    """Those of the arising errors that no root ended with, not even as the cause."""
    final = {
        id(cause)
        for run in runs
        if run.parent is None and run.error is not None
        for cause in _causes(run.error)
    }
    return Runs(run for run in arising(runs) if id(run.error) not in final)


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The error, what it was raised from, and the members of a group."""
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
        todo += getattr(cause, "exceptions", ())
