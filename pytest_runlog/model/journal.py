"""The journal: what one capture recorded, in the order in which it happened."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from pytest_runlog.model.events import End, Error, Start, read_event, records

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pytest_runlog.model.events import Event, Lane


class Clock:
    """The monotonic clock, out of reach of libraries that freeze time in tests.

    They replace the functions of `time` in every module that holds one, so this one is
    wrapped: a module that holds the wrapper keeps it.
    """

    now: Final[Callable[[], int]] = partial(time.perf_counter_ns)
    epoch: Final[int] = time.time_ns() - time.perf_counter_ns()
    """The wall clock when `now()` was 0: dates runs of which nobody saw the root start."""


@dataclass(eq=False)
class Journal:
    """What was recorded, in the order in which it happened; all else is derived from it."""

    lane: Lane = (0, 0, "")
    """Where the recorder was opened: runs without a parent that start there are in order."""
    recorded: list[Any] = field(default_factory=list)
    """One flat list, as `model.events` says; it only grows."""
    failures: list[Exception] = field(default_factory=list)
    """What went wrong inside our own handlers."""
    forgotten: set[int] = field(default_factory=set)
    """Runs that had not ended when the journal was cleared, and all that they start yet."""
    _read: list[Event] = field(default_factory=list)
    _place: int = 0
    """How much of the list has been read."""
    _reading: threading.Lock = field(default_factory=threading.Lock)

    def events(self) -> Sequence[Event]:
        """The events so far, each read once."""
        with self._reading:
            self._read_on()
            return self._read

    def clear(self) -> None:
        """Forget what was recorded, and what the runs in flight will still report."""
        with self._reading:
            self._read_on()
            for event in self._read:
                if isinstance(event, Start):
                    self.forgotten.add(event.run_id)
                elif isinstance(event, (End, Error)):
                    self.forgotten.discard(event.run_id)
            # What other threads have recorded meanwhile stays: it could be half of something.
            del self.recorded[: self._place]
            self._read = []
            self._place = 0
        self.failures.clear()

    def _read_on(self) -> None:
        for place, record in records(self.recorded, self._place):
            event = read_event(record)
            if isinstance(event, Start) and event.parent_id in self.forgotten:
                self.forgotten.add(event.run_id)
            self._read.append(event)
            self._place = place
