"""Records on their way to a server: in requests that fit, again where that helps, in time."""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass
from random import uniform
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from pytest_runlog.delivery.http.wire import BODY_LIMIT, MOST_ENTRIES, size_of, take
from pytest_runlog.delivery.sinks import NotDelivered
from pytest_runlog.model.journal import Clock
from pytest_runlog.model.masking import Mask, environment_secrets

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_runlog.delivery.records import Record
    from pytest_runlog.infino.payloads import Kind

PAUSES = (0.1, 0.2, 0.4, 0.8, 1.6, 3.2)
"""Seconds between tries of one request, before jitter."""

MARGIN = 0.1
"""The part of the time that is left to say what happened."""

LEAST_LIMIT = 1_000
"""A server that takes no request of so many bytes takes none."""

MOST_REJECTED = 20
"""So many records that are rejected one after the other: it is not about the records."""

MOST_REASONS = 5

THREAD = "runlog-infino"

_BUSY = (408, 425, 429)
_FORBIDDEN = (401, 403)


class Answer(NamedTuple):
    """What a server said to a request."""

    status: int
    text: str = ""
    retry_after: float = 0
    """Seconds that it asks to wait."""
    location: str = ""
    """Where it redirects to."""


class Failed(Exception):
    """Nothing can be sent, and trying again would not help. Says why, and what to do."""


class Broke(Exception):
    """A request got no answer; the next one may. Says why."""


class Route(Protocol):
    """A way to a server. Only `post` talks to it, and only on the thread of the delivery."""

    where: str
    """The server, for messages."""

    def post(self, kind: Kind, bodies: list[dict[str, Any]]) -> Answer:
        """Send some payloads of one kind. Raises `Failed` and `Broke`."""

    def explain_missing(self, kind: Kind, status: int) -> str:
        """What it means that the server has no such route, and what to do."""


@dataclass(frozen=True, slots=True)
class Deadline:
    """A moment of the monotonic clock."""

    seconds: float
    """How long it was to it when it was set."""
    at: int

    @classmethod
    def after(cls, seconds: float) -> Deadline:
        """A little less than so many seconds from now: whoever waits so long is told why."""
        return cls(seconds, Clock.now() + round(seconds * (1 - MARGIN) * 1e9))

    def left(self) -> float:
        """Seconds until then, at least 0."""
        return max(self.at - Clock.now(), 0) / 1e9


def deliver(records: Sequence[Record], route: Route, deadline: Deadline) -> None:
    """Send all records, logs first. Raises `NotDelivered` with those that were not, in time.

    The work is done on a thread of its own, since some clients have no timeouts: at the
    deadline it is left alone. What it is waiting for then may arrive all the same.
    """
    if not records:
        return
    delivery = _Delivery(records, route, deadline)
    thread = threading.Thread(target=delivery.run, daemon=True, name=THREAD)
    thread.start()
    try:
        thread.join(deadline.left())
    finally:
        left, reasons = delivery.stop()
    if left:
        shown = list(dict.fromkeys(reasons))
        if len(shown) > MOST_REASONS:
            shown[MOST_REASONS - 1 : -1] = ["…"]  # the last one is why it came to an end
        # Servers repeat what they were sent.
        raise NotDelivered(Mask(environment_secrets()).text("; ".join(shown)), left)


class _Delivery:
    def __init__(self, records: Sequence[Record], route: Route, deadline: Deadline) -> None:
        self._records = records
        self._route = route
        self._deadline = deadline
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self._left = dict(enumerate(records))
        self._reasons: list[str] = []
        self._settled = False
        """Of each record that is left there is a reason."""
        self._last = ""
        """What kept the last request from being accepted."""
        self._limit = BODY_LIMIT  # of a request
        self._one_limit = BODY_LIMIT  # of a record, which is cut to it
        self._most = MOST_ENTRIES
        self._tries = 0
        self._rejected = 0

    def run(self) -> None:
        """Send all that can be sent."""
        kinds: tuple[Kind, ...] = ("log", "metric")
        try:
            for kind in kinds:
                numbered = enumerate(self._records)
                queue = deque(pair for pair in numbered if pair[1].kind == kind)
                self._send(kind, queue)
                if queue:
                    return  # the time is up
        except Failed as failed:
            self._note(str(failed))
        except BaseException as error:  # of a client of whatever make
            self._note(f"{type(error).__name__} while sending to {self._route.where}: {error}")
        self._settled = True

    def stop(self) -> tuple[list[Record], list[str]]:
        """End the work. What was not accepted, and why."""
        with self._lock:
            self._stopped.set()
            reasons = list(self._reasons)
            if self._left and not self._settled:
                last = f" ({self._last})" if self._last else ""
                reasons.append(
                    f"{self._route.where} was not done within {self._deadline.seconds:.2g} s"
                    f"{last}; see that it is up, or give it longer (runlog_infino_deadline)"
                )
            return list(self._left.values()), reasons

    def _send(self, kind: Kind, queue: deque[tuple[int, Record]]) -> None:
        while queue and not self._stopped.is_set() and self._deadline.left():
            batch = take(queue, self._limit, self._most, self._one_limit)
            if not batch:
                _, record = queue.popleft()
                self._note(f"the {kind} {record.key!r} is no JSON, or too large for a request")
                continue
            size = size_of([entry for _, _, entry in batch])
            try:
                answer = self._route.post(kind, [entry.body for _, _, entry in batch])
            except Broke as broke:
                self._most = max(len(batch) // 2, 1)  # some break off where it is too much
                answer, self._last = None, str(broke)
            if answer is not None and 200 <= answer.status < 300:
                self._accepted([number for number, _, _ in batch])
                continue
            if answer is None or answer.status in _BUSY or answer.status >= 500:
                self._wait(answer)
            elif answer.status == 413:
                self._limit = size // 2
                if len(batch) == 1:
                    self._one_limit = size // 2
                if self._limit < LEAST_LIMIT:
                    raise Failed(f"{self._route.where} answers 413 even to {size} bytes")
            elif answer.status in (400, 415, 422):
                if len(batch) == 1:
                    self._reject(kind, batch[0][1], answer)
                    continue
                self._most = len(batch) // 2
            else:
                raise Failed(self._explained(kind, answer))
            queue.extendleft((number, record) for number, record, _ in reversed(batch))

    def _accepted(self, numbers: list[int]) -> None:
        with self._lock:
            for number in numbers:
                del self._left[number]
        self._tries = self._rejected = 0
        self._most = MOST_ENTRIES
        self._last = ""

    def _wait(self, answer: Answer | None) -> None:
        """Until the next try; raises `Failed` where there is none."""
        if answer is not None:
            busy = "is busy" if answer.status in _BUSY else "failed"
            self._last = f"it {busy}, and answered {answer.status}{_quoted(answer.text)}"
        if not self._deadline.left():
            return
        tries = self._tries = self._tries + 1
        pause = 0.0
        if tries <= len(PAUSES):
            pause = PAUSES[tries - 1] * uniform(0.5, 1)  # noqa: S311 (jitter)
            pause = max(pause, answer.retry_after if answer is not None else 0)
        if tries > len(PAUSES) or pause >= self._deadline.left():
            raise Failed(
                f"{self._route.where} took nothing in {tries} tr{'y' if tries == 1 else 'ies'}: "
                f"{self._last}; the log of the server says why"
            )
        self._stopped.wait(pause)

    def _reject(self, kind: Kind, record: Record, answer: Answer) -> None:
        self._note(
            f"{self._route.where} rejected the {kind} {record.key!r} with {answer.status}"
            + _quoted(answer.text)
        )
        self._most = MOST_ENTRIES
        self._rejected += 1
        if self._rejected >= MOST_REJECTED:
            raise Failed(f"it rejected {self._rejected} records one after the other")

    def _explained(self, kind: Kind, answer: Answer) -> str:
        where, status = self._route.where, answer.status
        if status in (404, 405):
            return self._route.explain_missing(kind, status)
        if status in _FORBIDDEN:
            return (
                f"{where} answered {status}: access is refused; a name and a password can stand in "
                "the address, http://NAME:PASSWORD@host"
            )
        if 300 <= status < 400:
            to = f" to {answer.location}" if answer.location else ""
            return f"{where} answered {status}: it redirects{to}, give that address"
        return f"{where} answered {status}{_quoted(answer.text)}"

    def _note(self, reason: str) -> None:
        with self._lock:
            self._reasons.append(reason)


def _quoted(text: str) -> str:
    """The beginning of what a server said, in one line."""
    line = " ".join(text.split())
    return f" {line[:200]!r}" if line else ""
