"""What a user reads about snapshots: of runs that differ, and of files that cannot be compared."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_runlog.measures.units import count_text
from pytest_runlog.model.text import quote

if TYPE_CHECKING:
    from collections.abc import Sequence

_LONGEST_DIFF = 60
"""Lines."""


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
