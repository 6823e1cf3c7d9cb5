"""`InfinoCallbackHandler`: LangChain's handler of that name, without its defects."""

from __future__ import annotations

import logging
import threading
from importlib import import_module
from typing import TYPE_CHECKING, Any, Protocol

from pytest_runlog.infino.payloads import Payload, Payloads
from pytest_runlog.model.events import read_event
from pytest_runlog.recording.handler import EventHandler

if TYPE_CHECKING:
    from pytest_runlog.model.events import RecordedEvent

_logger = logging.getLogger(__name__)


class InfinoClient(Protocol):
    """What the handler sends to: `infinopy.InfinoClient`, or any object like it.

    It also has `append_metric` or, in older generations, `append_ts`.
    """

    def append_log(self, payload: dict[str, Any], /) -> Any:
        """Send a log."""


class InfinoCallbackHandler(EventHandler):
    """Sends prompts, answers, latencies, errors and token counts of models to Infino.

    The constructor, the methods and the payloads are those of langchain-community's class
    (`pytest_runlog.infino.payloads` says what is added). `client` takes `append_log` and
    `append_metric` or `append_ts`; by default it is an `infinopy.InfinoClient()`, and an
    `ImportError` says what to do where that is not installed.

    One handler serves any number of concurrent runs. A client that fails loses the payload
    that it failed on and nothing else; the failure is logged.
    """

    def __init__(
        self,
        model_id: str | None = None,
        model_version: str | None = None,
        verbose: bool = False,
        *,
        client: InfinoClient | None = None,
    ) -> None:
        super().__init__()
        self.client = _default_client() if client is None else client
        self.model_id = model_id
        self.model_version = model_version
        self.verbose = verbose
        self._payloads = Payloads(model_id, model_version)
        self._lock = threading.Lock()
        self.emit = self._take

    def _take(self, event: RecordedEvent) -> None:
        """Send what the event gives rise to."""
        with self._lock:
            payloads = list(self._payloads.of(read_event(event)))
        for payload in payloads:
            if self.verbose:
                print(f"Tracking with Infino: {payload.body}")  # noqa: T201 (verbose, as in LangChain)
            try:
                self._send(payload)
            except Exception as failure:
                self.on_failure(failure)

    def on_failure(self, failure: Exception) -> None:
        """Log what went wrong; the chain goes on."""
        _logger.warning("A payload was not sent to Infino: %r", failure)

    def _send(self, payload: Payload) -> None:
        client: Any = self.client
        if payload.kind == "log":
            client.append_log(payload.body)
        elif hasattr(client, "append_metric"):
            client.append_metric(payload.body)
        else:
            client.append_ts(payload.body)


def _default_client() -> InfinoClient:
    try:
        infinopy = import_module("infinopy")
    except ImportError:
        raise ImportError(
            "InfinoCallbackHandler needs a client: pass client=…, any object with append_log and "
            "append_metric or append_ts (pytest_runlog.InfinoRecorder() keeps everything in "
            "memory), or install the vendor's infinopy from its repository; there is no infinopy "
            "on the package index"
        ) from None
    client: InfinoClient = infinopy.InfinoClient()
    return client
