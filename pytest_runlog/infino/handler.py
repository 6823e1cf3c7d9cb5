"""`InfinoCallbackHandler`: LangChain's handler of that name, without its defects."""
# ruff: noqa: ARG002 (callbacks take what LangChain passes)

from __future__ import annotations

import logging
import threading
from time import time
from typing import TYPE_CHECKING, Any

from langchain_core.callbacks import BaseCallbackHandler

from pytest_runlog.infino.clients import DEFAULT_INDEX, default_client, sender_for
from pytest_runlog.infino.payloads import Payload, Payloads
from pytest_runlog.model.journal import Clock
from pytest_runlog.model.masking import Mask, environment_secrets

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from pytest_runlog.infino.clients import InfinoClient

_logger = logging.getLogger(__name__)
_now = Clock.now

MOST_RUNS = 10_000
MOST_ERRORS = 100


class InfinoCallbackHandler(BaseCallbackHandler):
    """Sends prompts, answers, latencies, errors and token counts of models to Infino.

    The constructor, the methods and the payloads are those of langchain-community's class
    (`pytest_runlog.infino.payloads` says what is added). `client` takes `append_log` and
    `append_metric` or `append_ts`, in the calls of any generation of `infinopy`; by default
    it is an `infinopy.InfinoClient()`, and an `ImportError` says what to do where that is
    not installed. `index` is where clients of the last generation put what they are sent.
    The server drops metrics for an index that it does not know.

    One handler serves any number of concurrent runs and threads. The client is called where
    the chain runs, in async code on an executor's thread, so a client that blocks holds up
    its chain; the latencies that are sent leave that time out. A client that fails, or whose
    server refuses, loses the payload that it failed on and nothing else, and each kind of
    failure is logged once.

    What is kept of a run is dropped when it ends. Some runs never end (a cancelled call, an
    abandoned generator), so of more than 10,000 runs in flight the oldest are forgotten:
    their latencies are not sent.
    """

    def __init__(
        self,
        model_id: str | None = None,
        model_version: str | None = None,
        verbose: bool = False,
        *,
        client: InfinoClient | None = None,
        index: str = DEFAULT_INDEX,
    ) -> None:
        self.model_id = model_id
        self.model_version = model_version
        self.verbose = verbose
        self.index = index
        self.client = default_client() if client is None else client
        self._payloads = Payloads(
            model_id, model_version, most_runs=MOST_RUNS, most_errors=MOST_ERRORS
        )
        self._lock = threading.Lock()
        self._failures: set[tuple[str, ...]] = set()

    @property
    def client(self) -> InfinoClient:
        """What payloads are sent to."""
        return self._client

    @client.setter
    def client(self, client: InfinoClient) -> None:
        self._send = sender_for(client, self.index)
        self._client = client

    def __deepcopy__(self, memo: object) -> InfinoCallbackHandler:
        """Itself: a copy of a model reports to the same handler, as connections do not copy."""
        return self

    def on_llm_start(
        self,
        serialized: dict[str, Any] | None,
        prompts: list[str],
        *,
        run_id: UUID | None = None,
        tags: list[str] | None = None,
        **kwargs: Any,
    ) -> None:
        """Log the prompts of a completion model."""
        self._started(run_id, "llm", prompts, tags)

    def on_chat_model_start(
        self,
        serialized: dict[str, Any] | None,
        messages: list[list[Any]],
        *,
        run_id: UUID | None = None,
        tags: list[str] | None = None,
        **kwargs: Any,
    ) -> None:
        """Log the messages of a chat model as one prompt."""
        self._started(run_id, "chat_model", messages, tags)

    def on_chain_start(
        self,
        serialized: dict[str, Any] | None,
        inputs: Any,
        *,
        run_id: UUID | None = None,
        tags: list[str] | None = None,
        **kwargs: Any,
    ) -> None:
        """Note that a chain runs; nothing is sent."""
        self._started(run_id, "chain", inputs, tags)

    def on_tool_start(
        self,
        serialized: dict[str, Any] | None,
        input_str: str,
        *,
        run_id: UUID | None = None,
        tags: list[str] | None = None,
        **kwargs: Any,
    ) -> None:
        """Note that a tool runs; nothing is sent."""
        self._started(run_id, "tool", input_str, tags)

    def on_retriever_start(
        self,
        serialized: dict[str, Any] | None,
        query: str,
        *,
        run_id: UUID | None = None,
        tags: list[str] | None = None,
        **kwargs: Any,
    ) -> None:
        """Note that a retriever runs; nothing is sent."""
        self._started(run_id, "retriever", query, tags)

    def on_llm_end(self, response: Any, *, run_id: UUID | None = None, **kwargs: Any) -> None:
        """Log the answers; send the latency, that there was no error, and the token usage."""
        self._ended(run_id, "llm", response)

    def on_chain_end(self, outputs: Any, *, run_id: UUID | None = None, **kwargs: Any) -> None:
        """Note that a chain ended; nothing is sent."""
        self._ended(run_id, "chain", outputs)

    def on_tool_end(
        self,
        output: Any,
        observation_prefix: str | None = None,
        llm_prefix: str | None = None,
        *,
        run_id: UUID | None = None,
        **kwargs: Any,
    ) -> None:
        """Note that a tool ended; nothing is sent."""
        self._ended(run_id, "tool", output)

    def on_retriever_end(
        self, documents: Sequence[Any], *, run_id: UUID | None = None, **kwargs: Any
    ) -> None:
        """Note that a retriever ended; nothing is sent."""
        self._ended(run_id, "retriever", documents)

    def on_llm_error(
        self,
        error: BaseException,
        *,
        run_id: UUID | None = None,
        parent_run_id: UUID | None = None,
        response: Any = None,
        **kwargs: Any,
    ) -> None:
        """Log the error; send the latency, that there was an error, and the token usage."""
        self._failed(run_id, parent_run_id, "llm", error, response)

    def on_chain_error(
        self,
        error: BaseException,
        *,
        run_id: UUID | None = None,
        parent_run_id: UUID | None = None,
        **kwargs: Any,
    ) -> None:
        """Log the error, if it arose in this chain."""
        self._failed(run_id, parent_run_id, "chain", error)

    def on_tool_error(
        self,
        error: BaseException,
        *,
        run_id: UUID | None = None,
        parent_run_id: UUID | None = None,
        **kwargs: Any,
    ) -> None:
        """Log the error, if it arose in this tool."""
        self._failed(run_id, parent_run_id, "tool", error)

    def on_retriever_error(
        self,
        error: BaseException,
        *,
        run_id: UUID | None = None,
        parent_run_id: UUID | None = None,
        **kwargs: Any,
    ) -> None:
        """Log the error, if it arose in this retriever."""
        self._failed(run_id, parent_run_id, "retriever", error)

    def on_llm_new_token(self, token: Any, **kwargs: Any) -> None:
        """Do nothing."""

    def on_agent_action(self, action: Any, **kwargs: Any) -> None:
        """Do nothing."""

    def on_agent_finish(self, finish: Any, **kwargs: Any) -> None:
        """Do nothing."""

    def on_text(self, text: str, **kwargs: Any) -> None:
        """Do nothing."""

    def _started(
        self, run_id: UUID | None, type_: str, inputs: Any, tags: list[str] | None
    ) -> None:
        with self._lock:
            payloads = self._payloads.started(
                run_id, type_, inputs, tags or (), _now(), int(time())
            )
        if payloads:
            self._send_all(payloads)
            with self._lock:
                self._payloads.restart(run_id, _now())

    def _ended(self, run_id: UUID | None, type_: str, output: Any) -> None:
        at = _now()
        with self._lock:
            payloads = self._payloads.ended(run_id, type_, output, at, int(time()))
        self._send_all(payloads)

    def _failed(
        self,
        run_id: UUID | None,
        parent_id: UUID | None,
        type_: str,
        error: BaseException,
        response: Any = None,
    ) -> None:
        at = _now()
        with self._lock:
            payloads = self._payloads.failed(
                run_id, parent_id, type_, error, response, at, int(time())
            )
        self._send_all(payloads)

    def _send_all(self, payloads: list[Payload]) -> None:
        for payload in payloads:
            if self.verbose:
                key = ", ".join(payload.keys)
                print(f"Tracking {key} with Infino: {payload.shown()}")  # noqa: T201 (as LangChain's)
            try:
                self._send(payload)
            except Exception as failure:
                self._report(payload, failure)

    def _report(self, payload: Payload, failure: Exception) -> None:
        """Log what went wrong, once for each kind of failure; the chain goes on."""
        kind = (payload.kind, type(failure).__qualname__, str(getattr(failure, "status", "")))
        if kind in self._failures:
            return
        self._failures.add(kind)
        _logger.warning(
            "A %s was not sent to Infino, and the chain goes on. More failures of this kind are "
            "not logged. %s",
            payload.kind,
            Mask(environment_secrets()).text(repr(failure)),
        )
