"""A clock that stands still until it is told to go on: what a chain takes is what a test says."""

from __future__ import annotations

import threading

import pytest

from pytest_runlog.model.journal import Clock


class HandClock:
    """Takes the place of the monotonic clock."""

    def __init__(self) -> None:
        self.now = 0
        self._lock = threading.Lock()

    def go(self, seconds: float) -> None:
        """Let so much time pass."""
        with self._lock:
            self.now += round(seconds * 1e9)

    def read(self) -> int:
        """Nanoseconds, as `time.perf_counter_ns` gives them."""
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> HandClock:
    """The clock of all that is recorded in this test."""
    hand = HandClock()
    monkeypatch.setattr("pytest_runlog.recording.handler._now", hand.read)
    monkeypatch.setattr(Clock, "now", hand.read)
    return hand
