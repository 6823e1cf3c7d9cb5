"""What a user reads about a recording: what it holds, and why it has failed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_runlog.measures.units import count_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_runlog.capture import RunLogCapture

_LONGEST_TREE = 400
"""Lines. Of a longer tree, a failing test shows only that many names."""


def recording_failed(failures: Sequence[BaseException]) -> str:
    """Our own handlers raised; the chain did not notice."""
    times = "once" if len(failures) == 1 else f"{len(failures)} times"
    return (
        f"pytest-runlog failed {times} to record an event, so what it recorded is incomplete. The "
        "chain was not affected. The first traceback is the cause of this error; please report "
        "it. To let such tests pass: runlog_recording_errors = warn"
    )


def unreadable() -> str:
    """What was recorded cannot be shown: the user's mask hook raised, or our own code."""
    return (
        "pytest-runlog could not read what it recorded. Unless a `pytest_runlog_mask` of yours "
        "raised this, please report it:"
    )


def wider_scope() -> str:
    """The fixture was asked for by one of a wider scope."""
    return (
        "`runlog` records one test, so only tests and function-scoped fixtures can ask for it. "
        "A fixture of a wider scope opens a recording of its own:\n\n"
        "    with pytest_runlog.record() as log:\n"
        "        ..."
    )


def sections(capture: RunLogCapture) -> list[tuple[str, str]]:
    """What a failing test shows: the run tree, and what to know about it."""
    if not capture.runs:
        return []
    lines = capture.tree().split("\n")
    if len(lines) > _LONGEST_TREE:
        lines = capture.tree("shape").split("\n")
        hidden = len(lines) - _LONGEST_TREE
        if hidden > 0:
            lines[_LONGEST_TREE:] = [f"… and {count_text(hidden, 'more run')}"]
        lines.append(
            f"There are {len(capture.runs):,} runs, so only their names are shown; "
            "`print(runlog.tree())` shows all."
        )
    if unfinished := len(capture.unfinished):
        lines.append(
            f"{count_text(unfinished, 'run')} had not ended by then; no other test will see what "
            "is still to come."
        )
    return [("runlog", "\n".join(lines))]
