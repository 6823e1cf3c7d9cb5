"""What is sent to Infino about a chain, as a function of the recorded events.

The payloads are those of langchain-community's `InfinoCallbackHandler`, in its order:
`{"date": <epoch seconds>, KEY: VALUE, "labels": {…}}`. Added are the label `run_id`, which
joins a prompt, its answer and its metrics, and, when a run fails, its latency, `error` = 1
and a log `error_message`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from pytest_runlog.model.build import is_interruption
from pytest_runlog.model.data import message_of
from pytest_runlog.model.events import End, Error, Start
from pytest_runlog.model.runs import MODEL_TYPES
from pytest_runlog.model.usage import usage_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from uuid import UUID

    from pytest_runlog.model.events import Event

Kind = Literal["metric", "log"]


class Payload(NamedTuple):
    """One call of a client: `append_log` or `append_metric`, and its body."""

    kind: Kind
    body: dict[str, Any]


@dataclass
class _Running:
    start: Start
    errors: list[BaseException] = field(default_factory=list)
    """What its children failed with: an error that climbs is reported once."""


class Payloads:
    """Turns events into payloads, one event at a time; keeps only what still runs."""

    def __init__(self, model_id: str | None = None, model_version: str | None = None) -> None:
        self.model_id = model_id
        self.model_version = model_version
        self._running: dict[UUID, _Running] = {}

    def of(self, event: Event) -> Iterator[Payload]:
        """The payloads that this event gives rise to."""
        if isinstance(event, Start):
            if event.run_id not in self._running:
                self._running[event.run_id] = _Running(event)
                yield from self._started(event)
        elif isinstance(event, (End, Error)):
            running = self._running.pop(event.run_id, None)
            if running is not None:
                yield from self._ended(running, event)

    def _started(self, start: Start) -> Iterator[Payload]:
        if start.type == "llm":
            for prompt in start.inputs:
                yield self._payload("log", start, start.at, "prompt", prompt)
        elif start.type == "chat_model":
            prompt = " ".join(
                text_of(message.content) for messages in start.inputs for message in messages
            )
            yield self._payload("log", start, start.at, "prompt", prompt)

    def _ended(self, running: _Running, end: End | Error) -> Iterator[Payload]:
        start = running.start
        failure = None
        if isinstance(end, Error) and not is_interruption(end.error):
            failure = end.error
        if start.type in MODEL_TYPES:
            response = end.output if isinstance(end, End) else (end.details or {}).get("response")
            latency = (end.at - start.at) / 1e9
            yield self._payload("metric", start, end.at, "latency", latency)
            yield self._payload("metric", start, end.at, "error", int(failure is not None))
            yield from self._answered(start, end.at, response)
        if failure is not None:
            if not any(error is failure for error in running.errors):
                text = f"{type(failure).__name__}: {message_of(failure)}"
                yield self._payload("log", start, end.at, "error_message", text)
            parent = self._running.get(start.parent_id) if start.parent_id is not None else None
            if parent is not None:
                parent.errors.append(failure)

    def _answered(self, start: Start, at: int, response: Any) -> Iterator[Payload]:
        for prompt in getattr(response, "generations", None) or []:
            for generation in prompt:
                yield self._payload("log", start, at, "prompt_response", _answer_of(generation))
        usage = usage_of(response)
        for key, count in (
            ("prompt_tokens", usage.input),
            ("total_tokens", usage.total),
            ("completion_tokens", usage.output),
        ):
            if count is not None:
                yield self._payload("metric", start, at, key, count)

    def _payload(self, kind: Kind, start: Start, at: int, key: str, value: Any) -> Payload:
        seconds = (start.wall + at - start.at) // 1_000_000_000
        labels = {
            "model_id": self.model_id,
            "model_version": self.model_version,
            "run_id": str(start.run_id),
        }
        return Payload(kind, {"date": seconds, key: value, "labels": labels})


def text_of(content: Any) -> str:
    """The text of a message: its string, or the text of its blocks; others by their type."""
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        return str(content)
    return " ".join(_block_text(block) for block in content)


def _block_text(block: Any) -> str:
    if isinstance(block, str):
        return block
    if isinstance(block, dict):
        text = block.get("text")
        return text if isinstance(text, str) else f"[{block.get('type', 'block')}]"
    return str(block)


def _answer_of(generation: Any) -> str:
    """The text of a generation; where it has none, the tool calls that it asks for."""
    if generation.text:
        return str(generation.text)
    message = getattr(generation, "message", None)
    calls = getattr(message, "tool_calls", None)
    if calls:
        return "; ".join(
            f"{call['name']}({json.dumps(call['args'], default=str)})" for call in calls
        )
    return text_of(getattr(message, "content", ""))
