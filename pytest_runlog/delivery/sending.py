"""Delivers a spool file: what arrived is removed from it, and nothing else."""

from __future__ import annotations

import threading
from dataclasses import asdict, dataclass
from time import monotonic
from typing import TYPE_CHECKING, Any, NamedTuple

from pytest_runlog.delivery.opening import open_sink
from pytest_runlog.delivery.sinks import NotDelivered
from pytest_runlog.delivery.spool import (
    SpoolInUse,
    SpoolUnreadable,
    claimed,
    read_spool,
    write_spool,
)
from pytest_runlog.delivery.uris import credentials_of, without_credentials
from pytest_runlog.measures.units import count_text
from pytest_runlog.model.masking import Mask, environment_secrets

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from pytest_runlog.delivery.records import Record
    from pytest_runlog.delivery.sinks import Sink

THREAD = "runlog-send"
"""The name of a thread that may outlive its deadline."""
LATE = "it was not done before the deadline"


@dataclass(frozen=True)
class Sent:
    """What became of a spool file."""

    file: str
    to: str | None = None
    """The URI, without credentials."""
    sent: int = 0
    """How many records arrived."""
    kept: int = 0
    """How many records are left in the file."""
    reason: str | None = None
    """Why not all of them arrived; `None` if they did."""
    note: str | None = None
    """What else to know."""

    def to_dict(self) -> dict[str, Any]:
        """The same in builtin types."""
        return asdict(self)

    @property
    def text(self) -> str:
        """The same for a person to read."""
        lines = []
        if self.sent or self.reason is None:
            lines.append(f"{self.file}: {count_text(self.sent, 'record')} sent to {self.to}")
        if self.reason is not None:
            kept = f"{count_text(self.kept, 'record')} kept" if self.kept else "nothing sent"
            lines.append(f"{self.file}: {kept}: {self.reason}")
        if self.note is not None:
            lines.append(f"{self.file}: {self.note}")
        return "\n".join(lines)


class Attempt(NamedTuple):
    """What came of handing records to a sink."""

    left: Sequence[Record]
    """Those that did not arrive, or may not have."""
    reason: str | None


def send_spool(path: Path, to: str | None, seconds: float, tell: Callable[[Sent], None]) -> None:
    """Deliver a file to the URI `to`, or to its own, and `tell` what became of it.

    It takes no longer than `seconds`. A sink may still be busy then, in a daemon thread.
    """
    until = monotonic() + seconds
    opened: list[Sink] = []
    try:
        with claimed(path):
            sent = _send(path, to, seconds, opened)
    except SpoolUnreadable as error:
        sent = Sent(str(path), reason=str(error))
    except SpoolInUse:
        sent = Sent(str(path), reason="another process is writing or sending it just now")
    except OSError as error:
        sent = Sent(str(path), reason=shown(error))
    tell(sent)
    tidy = getattr(opened[0], "tidy", None) if opened and sent.reason is None else None
    if tidy is not None:
        # All has arrived: that its place could not be tidied up as well is no failure.
        start(tidy, ())(until - monotonic())


def start(send: Callable[[], None], records: Sequence[Record]) -> Callable[[float], Attempt]:
    """Begin to send these records in a thread; call the result to wait for it so many seconds."""
    outcome: list[BaseException | None] = []

    def run() -> None:
        try:
            send()
        except BaseException as error:
            outcome.append(error)
        else:
            outcome.append(None)

    thread = threading.Thread(target=run, name=THREAD, daemon=True)
    thread.start()

    def wait(seconds: float) -> Attempt:
        thread.join(max(seconds, 0))
        if not outcome:
            return Attempt(records, LATE)
        error = outcome[0]
        if error is None:
            return Attempt((), None)
        if isinstance(error, NotDelivered):
            return Attempt(error.records, error.reason if error.records else None)
        return Attempt(records, shown(error))

    return wait


def shown(error: BaseException) -> str:
    """An exception on one line."""
    return " ".join(f"{type(error).__name__}: {error}".split())


def _without_secrets(reason: str, uri: str) -> str:
    """What others say of a failure, which may show how it was tried."""
    mask = Mask(environment_secrets() | frozenset(credentials_of(uri)))
    return mask.text(reason.replace(uri, without_credentials(uri)))


def _send(path: Path, to: str | None, seconds: float, opened: list[Sink]) -> Sent:
    until = monotonic() + seconds
    spool = read_spool(path)
    uri = to or spool.to
    count = len(spool.records)
    note = "its last line is incomplete, as after a crash, and was left out" if spool.cut else None
    if uri is None:
        why = "it does not say where to send it; name a place with --to"
        return Sent(str(path), None, 0, count, why, note)

    def send() -> None:
        try:
            opened.append(open_sink(uri, until - monotonic()))
        except NotDelivered as error:
            raise NotDelivered(error.reason, spool.records) from error
        opened[0].send(spool.records)

    left, reason = Attempt((), None)
    if count:
        left, reason = start(send, spool.records)(until - monotonic())
        reason = reason and _without_secrets(reason, uri)
    try:
        if not left:
            path.unlink()
        elif len(left) < count:
            write_spool(path, spool.to, left)
    except OSError as error:
        reason = f"what arrived cannot be removed from it, and would be sent again: {shown(error)}"
        return Sent(str(path), without_credentials(uri), count - len(left), count, reason, note)
    return Sent(str(path), without_credentials(uri), count - len(left), len(left), reason, note)
