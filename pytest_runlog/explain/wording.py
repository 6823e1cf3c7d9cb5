"""What messages have in common."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

WIDTH = 70
"""Columns of a diff, so that pytest's margins and it fit into 80."""


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
