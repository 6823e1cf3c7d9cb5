"""`InfinoRecorder`: a client of Infino that keeps in memory what it is sent."""

from __future__ import annotations

import threading
from collections import Counter
from typing import TYPE_CHECKING, Any
from uuid import UUID

from pytest_runlog.infino.payloads import Kind, Payload, Payloads
from pytest_runlog.infino.text import payload_lines
from pytest_runlog.model.events import End, Error, Start
from pytest_runlog.model.frozen import freeze, thaw
from pytest_runlog.model.journal import Clock, Journal
from pytest_runlog.model.masking import Mask, environment_secrets
from pytest_runlog.model.secrets import secrets_in
from pytest_runlog.model.text import HasTree

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pytest_runlog.model.events import Event
    from pytest_runlog.model.runs import Run
    from pytest_runlog.model.text import Level


class InfinoRecorder(HasTree):
    """The payloads that were sent, in order.

    It takes the calls of every generation of `infinopy.InfinoClient`: `append_log(payload)`
    or `append_log(index, payload)`, and `append_metric` or `append_ts` likewise; a payload
    is a dict or, as the server takes them too, a list of dicts.

    Over a journal it also shows what `InfinoCallbackHandler` makes of what is recorded, and
    it is a live view: hold it before the chain runs, read it after.
    """

    def __init__(
        self,
        journal: Journal | None = None,
        *,
        runs: Callable[[], tuple[Sequence[Run], Mask]] | None = None,
    ) -> None:
        self._journal = Journal() if journal is None else journal
        self._runs = runs
        self._lock = threading.RLock()
        self._forget(())

    @property
    def calls(self) -> list[Payload]:
        """Each call as `(kind, body)`, where kind is `"metric"` or `"log"`."""
        return list(self._read())

    @property
    def metrics(self) -> list[dict[str, Any]]:
        """The payloads of metrics, in order."""
        return self._bodies("metric")

    @property
    def logs(self) -> list[dict[str, Any]]:
        """The payloads of logs, in order."""
        return self._bodies("log")

    def series(self, key: str, **labels: Any) -> list[float]:
        """The values of one metric, in order, of the payloads that have all these labels.

        `series("latency", run_id=run.id)` is in seconds. Empty if nothing was sent under
        that key.
        """
        wanted = {
            name: str(value) if isinstance(value, UUID) else value for name, value in labels.items()
        }
        return [
            call.body[key]
            for call in self.calls
            if call.kind == "metric"
            and key in call.keys
            and wanted.items() <= (call.body.get("labels") or {}).items()
        ]

    def tree(self, level: Level = "structure") -> str:
        """What was sent about each run as text, in canonical order, without times and dates.

        `"shape"` has the keys, `"structure"` adds the values, `"full"` the labels. What is
        not about a recorded run comes last, in the order in which it was sent.
        """
        calls = self.calls
        if self._runs is not None:
            runs, mask = self._runs()
        else:
            secrets = secrets_in(call.body for call in calls)
            runs, mask = (), Mask(environment_secrets() | secrets)
        return "\n".join(payload_lines(calls, runs, mask, level))

    def append_log(self, *call: Any, **named: Any) -> None:
        """Keep a log; the payload is the last argument."""
        self._keep("log", call, named)

    def append_metric(self, *call: Any, **named: Any) -> None:
        """Keep a metric; the payload is the last argument."""
        self._keep("metric", call, named)

    append_ts = append_metric

    def __len__(self) -> int:
        return len(self._read())

    def _why_empty(self) -> str | None:
        """Why nothing was sent, `None` if something was."""
        return None if len(self) else "nothing was sent to Infino: no model ran, and nothing failed"

    def _short(self) -> str:
        """How often each key was sent; no values, which could be secrets."""
        counts: dict[Kind, Counter[str]] = {"metric": Counter(), "log": Counter()}
        for call in self.calls:
            counts[call.kind].update(call.keys)
        parts = []
        for kind, keys in counts.items():
            number = len(self._bodies(kind))
            listed = ", ".join(f"{key}: {count}" for key, count in keys.items())
            parts.append(f"{number} {kind}{'s' * (number != 1)}" + (f" ({listed})" * bool(listed)))
        return Mask(environment_secrets()).text(f"<InfinoRecorder: {', '.join(parts)}>")

    def _read(self) -> list[Payload]:
        """The calls so far; the journal starts a new list of events when it is cleared."""
        with self._lock:
            events = self._journal.events()
            if events is not self._events:
                self._forget(events)
            for event in events[self._seen :]:
                self._seen += 1
                if event.run_id not in self._journal.forgotten:
                    self._calls += self._payloads_of(event)
            return self._calls

    def _forget(self, events: Sequence[Event]) -> None:
        self._events = events
        self._seen = 0
        self._calls: list[Payload] = []
        self._payloads = Payloads()
        self._walls: dict[int | None, int] = {}  # the wall clock at reading zero

    def _payloads_of(self, event: Event) -> list[Payload]:
        run_id = UUID(int=event.run_id)
        if isinstance(event, Start):
            return self._payloads.started(
                run_id, event.type, event.inputs, event.tags, event.at, self._date(event)
            )
        if isinstance(event, End):
            return self._payloads.ended(
                run_id, event.type, event.output, event.at, self._date(event)
            )
        if isinstance(event, Error):
            response = (event.details or {}).get("response")
            return self._payloads.failed(
                run_id,
                None if event.parent_id is None else UUID(int=event.parent_id),
                event.type,
                event.error,
                response,
                event.at,
                self._date(event),
            )
        return []

    def _date(self, event: Start | End | Error) -> int:
        """Whole seconds since the epoch: runs are dated from their root's start."""
        walls = self._walls
        if isinstance(event, Start) and event.wall:
            walls[event.run_id] = event.wall - event.at
        elif event.run_id not in walls:
            walls[event.run_id] = walls.get(event.parent_id, Clock.epoch)
        return (walls[event.run_id] + event.at) // 1_000_000_000

    def _keep(self, kind: Kind, call: tuple[Any, ...], named: dict[str, Any]) -> None:
        given = [*call, *(named[name] for name in named if name == "payload")]
        payload = given[-1] if given else None
        bodies = payload if isinstance(payload, list) else [payload]
        if not all(isinstance(body, dict) for body in bodies):
            raise TypeError(
                f"a payload is a dict, or a list of dicts, not {type(payload).__name__}"
            )
        with self._lock:
            calls = self._read()
            calls += [Payload(kind, thaw(freeze(body))) for body in bodies]

    def _bodies(self, kind: Kind) -> list[dict[str, Any]]:
        return [call.body for call in self.calls if call.kind == kind]
