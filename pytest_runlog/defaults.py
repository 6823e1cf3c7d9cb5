"""The options of a recording that is given none: in a pytest session they are the session's."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_runlog.capture import Options

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
