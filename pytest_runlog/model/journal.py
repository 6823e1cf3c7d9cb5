"""The journal: what one capture recorded, in the order in which it happened."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from pytest_runlog.model.events import End, Error, Lane, Start

if TYPE_CHECKING:
    from collections.abc import Callable
    from uuid import UUID

    from pytest_runlog.model.events import Event


class Clock:
    """The monotonic clock, out of reach of libraries that freeze time in tests.

    They replace the functions of `time` in every module that holds one, so this one is
    held by a class.
    """

    now: Final[Callable[[], int]] = time.perf_counter_ns


@dataclass(eq=False)
class Journal:
    """An append-only list of events; all else is derived from it.

    `list.append` is atomic, so threads need no lock.
    """

    lane: Lane = field(default_factory=lambda: Lane(0))
    """Where the recorder was opened: runs without a parent that start there are in order."""
    events: list[Event] = field(default_factory=list)
    failures: list[Exception] = field(default_factory=list)
    """What went wrong inside our own handlers."""

    forgotten: set[UUID] = field(default_factory=set)
    """Runs that had not ended when the journal was cleared."""

    def clear(self) -> None:
        """Forget what was recorded, and what the runs in flight will still report."""
        for event in self.events:
            if isinstance(event, Start):
                self.forgotten.add(event.run_id)
            elif isinstance(event, (End, Error)):
                self.forgotten.discard(event.run_id)
        self.events.clear()
        self.failures.clear()
