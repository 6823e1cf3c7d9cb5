"""`InfinoRecorder`: a client of Infino that keeps in memory what it is sent."""

from __future__ import annotations

from typing import Any

from pytest_runlog.infino.payloads import Kind, Payload, Payloads
from pytest_runlog.model.journal import Journal


class InfinoRecorder:
    """The payloads that were sent, in order.

    It takes the calls of every generation of `infinopy.InfinoClient`: `append_log(payload)`
    or `append_log(index, payload)`, and `append_metric` or `append_ts` likewise. Over a
    journal it also shows what `InfinoCallbackHandler` makes of them.
    """

    def __init__(self, journal: Journal | None = None) -> None:
        self._journal = Journal() if journal is None else journal
        self._seen = 0
        self._payloads = Payloads()
        self._calls: list[Payload] = []

    @property
    def calls(self) -> list[Payload]:
        """Each call as `(kind, body)`, where kind is `"metric"` or `"log"`."""
        events = self._journal.events()
        for event in events[self._seen :]:
            self._calls += self._payloads.of(event)
            self._seen += 1
        return self._calls

    @property
    def metrics(self) -> list[dict[str, Any]]:
        """The payloads of metrics, in order."""
        return self._bodies("metric")

    @property
    def logs(self) -> list[dict[str, Any]]:
        """The payloads of logs, in order."""
        return self._bodies("log")

    def series(self, key: str, **labels: Any) -> list[float]:
        """The values of one metric, in order: `series("latency", model_id="m")`.

        Latencies are in seconds.
        """
        return [
            body[key]
            for body in self.metrics
            if key in body and all(body["labels"].get(name) == labels[name] for name in labels)
        ]

    def append_log(self, *call: Any) -> None:
        """Keep a log; the payload is the last argument."""
        self._keep("log", call)

    def append_metric(self, *call: Any) -> None:
        """Keep a metric; the payload is the last argument."""
        self._keep("metric", call)

    append_ts = append_metric

    def _keep(self, kind: Kind, call: tuple[Any, ...]) -> None:
        self.calls.append(Payload(kind, dict(call[-1])))

    def _bodies(self, kind: Kind) -> list[dict[str, Any]]:
        return [body for kind_, body in self.calls if kind_ == kind]

    def __len__(self) -> int:
        return len(self.calls)

    def __repr__(self) -> str:
        return f"<InfinoRecorder: {len(self.metrics)} metrics, {len(self.logs)} logs>"
