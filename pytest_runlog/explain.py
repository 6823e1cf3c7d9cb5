"""Every message that a user reads: what was expected, what was seen, where, what to do."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING

from pytest_runlog.measures.units import count_text
from pytest_runlog.model.text import quote

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pytest_runlog.capture import RunLogCapture

WIDTH = 70
"""Columns of a diff, so that pytest's margins and it fit into 80."""
_LONGEST_TREE = 400
"""Lines. Of a longer tree, a failing test shows only that many names."""
_LONGEST_DIFF = 60
"""Lines."""


def nothing_recorded(what: str) -> str:
    """Why a capture may be empty."""
    return (
        f"{what}: no run was recorded. Runs are recorded from the moment the `runlog` fixture is "
        "set up to the end of the test function; embeddings and calls of a provider's SDK that "
        "do not go through LangChain are not seen."
    )


def did_you_mean(name: object, names: Iterable[str]) -> str:
    """`" (did you mean 'x'?)"`, or nothing."""
    close = get_close_matches(name, set(names), n=3, cutoff=0.5) if isinstance(name, str) else []
    return f" (did you mean {' or '.join(map(repr, close))}?)" if close else ""


def not_the_snapshot(name: str, diff: Sequence[str], *, whole: bool) -> list[str]:
    """The runs are not those of the snapshot; `diff` says where."""
    hidden = 0 if whole else len(diff) - _LONGEST_DIFF
    if hidden > 0:
        diff = [*diff[:_LONGEST_DIFF], f"… {count_text(hidden, 'more line')}, `-vv` shows all"]
    return [
        _comparison(name),
        *diff,
        *_accept("what was recorded"),
    ]


def no_snapshot(name: str, file: str) -> list[str]:
    """There is no snapshot of that name yet."""
    missing = f"There is no such snapshot yet in {file}."
    return [_comparison(name), missing, *_accept("what was recorded")]


def unknown_format(name: str, file: str) -> list[str]:
    """Syrupy says that the file is not one that this version of it wrote."""
    return [
        _comparison(name),
        f"{file} is not a file that this version of syrupy wrote.",
        "It was left as it is.",
        *_accept("it anew"),
    ]


def snapshot_of_another_level(name: str, stored: str, wanted: str) -> list[str]:
    """The snapshot was stored with another `level=`."""
    return [
        _comparison(name),
        f"The snapshot is of level {stored!r}, and compared at level {wanted!r}.",
        *_accept("that level"),
    ]


def _comparison(name: str) -> str:
    return f"[+ recorded] == [- snapshot {quote(name)}]"


def _accept(what: str) -> list[str]:
    return ["", f"To store {what}: pytest --snapshot-update"]


def unreadable_snapshot(location: str, problem: str) -> str:
    """A file that should hold a snapshot does not."""
    return (
        f"{location} is not a snapshot of runs: {problem}.\n"
        "It was left as it is. Restore it, or delete it and run pytest --snapshot-update."
    )


def no_filters() -> str:
    """`RunLogSnapshotExtension` was given `exclude=` or `include=`."""
    return (
        "RunLogSnapshotExtension stores text, which has no properties to exclude or include: "
        "compare `runlog.to_dict()` with a snapshot of JSONSnapshotExtension"
    )


def no_tree(type_name: str) -> str:
    """`RunLogSnapshotExtension` was given something else than runs."""
    return (
        f"RunLogSnapshotExtension stores trees of runs, not this {type_name}: compare it with "
        "a snapshot of another extension"
    )


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
