"""The journal: what one capture recorded, in the order in which it happened."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from pytest_runlog.model.events import End, Error, Start
from pytest_runlog.model.frozen import thaw

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from uuid import UUID

    from pytest_runlog.model.events import Event, Lane


class Clock:
    """The monotonic clock, out of reach of libraries that freeze time in tests.

    They replace the functions of `time` in every module that holds one, so this one is
    held by a class.
    """

    now: Final[Callable[[], int]] = time.perf_counter_ns


@dataclass(eq=False)
class Journal:
    """An append-only list of events; all else is derived from it.

    `list.append` is atomic, so threads that record need no lock.
    """

    lane: Lane = (0, 0, "")
    """Where the recorder was opened: runs without a parent that start there are in order."""
    events: list[Event] = field(default_factory=list)
    failures: list[Exception] = field(default_factory=list)
    """What went wrong inside our own handlers."""

    thawed: int = 0
    """How many of the events have been read."""
    forgotten: set[UUID] = field(default_factory=set)
    """Runs that had not ended when the journal was cleared."""

    def read(self) -> Sequence[Event]:
        """The events so far, with the values as they were when each was recorded."""
        events = self.events
        for index in range(self.thawed, len(events)):
            events[index] = thaw_event(events[index])
            self.thawed = index + 1
        return events

    def clear(self) -> None:
        """Forget what was recorded, and what the runs in flight will still report."""
        for event in self.events:
            if isinstance(event, Start):
                self.forgotten.add(event.run_id)
            elif isinstance(event, (End, Error)):
                self.forgotten.discard(event.run_id)
        self.events.clear()
        self.thawed = 0
        self.failures.clear()


def thaw_event(event: Event) -> Event:
    """The event with its values thawed."""
    return type(event)(*map(thaw, event))
