"""How a capture records and shows; in a pytest session, what the session says."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import re
    from collections.abc import Callable

    from pytest_runlog.model.masking import MaskHook


@dataclass(frozen=True)
class Options:
    """How a capture records and shows."""

    chunks: bool = True
    """Whether the streamed chunks of runs that are not models are recorded."""
    stream: bool = False
    """Whether LangChain streams while the capture is open, as `astream_log` makes it."""
    mask_patterns: tuple[re.Pattern[str], ...] = ()
    mask_hook: MaskHook | None = None
    min_samples: int | None = None
    """How many values a percentile budget needs; `None`: as many as define the percentile."""


_sessions: list[Callable[[], Options]] = []


def enter_session(options: Callable[[], Options]) -> None:
    """From now on, take these. Sessions nest: pytest can run inside pytest."""
    _sessions.append(options)


def leave_session(options: Callable[[], Options]) -> None:
    """Undo `enter_session`."""
    _sessions.remove(options)


def session_options() -> Options | None:
    """What the innermost session says, `None` outside of any."""
    return _sessions[-1]() if _sessions else None
