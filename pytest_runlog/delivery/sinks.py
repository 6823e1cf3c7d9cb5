"""What takes records, and how it says that it has not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pytest_runlog.delivery.records import Record


class NotDelivered(Exception):
    """Some records, or all, did not arrive, or nobody knows whether they did."""

    def __init__(self, reason: str, records: Iterable[Record]) -> None:
        super().__init__(reason)
        self.reason = reason
        """What happened, where, and how to put it right."""
        self.records = tuple(records)
        """Those that were not delivered."""


class Sink(Protocol):
    """Takes the records of a session."""

    def send(self, records: Sequence[Record]) -> None:
        """Deliver these records. Raises `NotDelivered`."""
