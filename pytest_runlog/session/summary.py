"""What a session came to: every report is a function of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_runlog.measures.judge import Verdict
    from pytest_runlog.session.records import TestRecord


@dataclass(frozen=True)
class Delivered:
    """What became of the records that a session had for one place."""

    to: str
    """The place, as the user wrote it, without credentials; a sink's class."""
    sent: int
    """How many records arrived."""
    kept: int = 0
    """How many did not, and are in a file."""
    file: str | None = None
    """The spool file; `None` if there is none."""
    reason: str | None = None
    """Why not all arrived; `None` if they did."""
    is_addressed: bool = True
    """Whether the file says where to send it, without anything that is missing."""


@dataclass(frozen=True)
class Summary:
    """The records and verdicts of a session."""

    records: Sequence[TestRecord]
    verdicts: Sequence[Verdict] = ()
    """On the session's budgets."""
    notes: Sequence[str] = ()
    """What to know about these verdicts."""
    warns: bool = False
    """Whether breaches are warnings only."""
    delivered: Sequence[Delivered] = ()
    """What was sent of it, and where to."""
    recorded: Sequence[TestRecord] = field(init=False)
    """The records of tests that ran a chain."""

    def __post_init__(self) -> None:
        recorded = [record for record in self.records if record.runs]
        object.__setattr__(self, "recorded", recorded)
