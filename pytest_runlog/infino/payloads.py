"""What is sent to Infino about a chain, as a function of what its runs did.

The payloads are those of langchain-community's `InfinoCallbackHandler`, in its order:
`{"date": <epoch seconds>, KEY: VALUE, "labels": {…}}`. Added are the label `run_id`, which
joins a prompt, its answer and its metrics, and, when a run fails, its latency, `error` = 1
and a log `error_message`. What is not known is not sent.
"""

from __future__ import annotations

import json
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from pytest_runlog.model.data import message_of, to_data
from pytest_runlog.model.errors import step_of
from pytest_runlog.model.events import MODEL_TYPES
from pytest_runlog.model.masking import Mask, environment_secrets
from pytest_runlog.model.outcome import is_interruption
from pytest_runlog.model.usage import usage_of

if TYPE_CHECKING:
    from collections.abc import Iterable
    from uuid import UUID

Kind = Literal["metric", "log"]


class Payload(NamedTuple):
    """One call of a client: `append_log` or `append_metric`, and its body."""

    kind: Kind
    body: dict[str, Any]

    @property
    def keys(self) -> list[str]:
        """What the body tells besides when and of what: `["latency"]`."""
        return [key for key in self.body if key not in ("date", "labels")]

    def __repr__(self) -> str:
        return f"Payload(kind={self.kind!r}, body={self.shown()!r})"

    def shown(self) -> Any:
        """The body without secrets, for people to read."""
        return to_data(self.body, Mask(environment_secrets()))


class _Failure(NamedTuple):
    """An error that a run ended with, kept where it may turn up again."""

    error: BaseException
    step: int | None
    start: int
    end: int


@dataclass(slots=True)
class _Running:
    start: int
    step: int | None
    """Which step of a sequence it is."""
    latency_from: int
    failures: list[_Failure] = field(default_factory=list)
    """What its children failed with."""


class Payloads:
    """Turns what runs do into payloads, one callback at a time.

    `at` is when it happened, in nanoseconds of a monotonic clock; `date` is that in whole
    seconds since the epoch. LangChain reports things twice where a handler is there twice:
    the second report gives no payloads.

    A run is forgotten when it ends. Some never do, so no more than `most_runs` are known at
    a time, the latest; each with the last `most_errors` errors of its children.
    """

    def __init__(
        self,
        model_id: str | None = None,
        model_version: str | None = None,
        *,
        most_runs: int | None = None,
        most_errors: int | None = None,
    ) -> None:
        self.model_id = model_id
        self.model_version = model_version
        self.most_runs = most_runs
        self.most_errors = most_errors
        self._running: OrderedDict[UUID | None, _Running] = OrderedDict()
        self._ended: OrderedDict[UUID | None, None] = OrderedDict()

    def started(
        self,
        run_id: UUID | None,
        type_: str,
        inputs: Any,
        tags: Iterable[str],
        at: int,
        date: int,
    ) -> list[Payload]:
        """A run began: the prompts of a model, as LangChain reports them to handlers."""
        if run_id is not None and run_id in self._running:
            return []
        self._remember(self._running, run_id, _Running(at, step_of(tags), at))
        if type_ == "llm":
            prompts = inputs
        elif type_ == "chat_model":
            prompts = [
                " ".join(text_of(message.content) for messages in inputs for message in messages)
            ]
        else:
            prompts = []
        return [self._log(run_id, date, "prompt", prompt) for prompt in prompts]

    def restart(self, run_id: UUID | None, at: int) -> None:
        """Count the latency from here: what came before was not the model's doing."""
        running = self._running.get(run_id)
        if running is not None:
            running.latency_from = at

    def ended(
        self, run_id: UUID | None, type_: str, output: Any, at: int, date: int
    ) -> list[Payload]:
        """A run gave its output; that of a model is an `LLMResult`."""
        running = self._running.pop(run_id, None)
        if type_ not in MODEL_TYPES or self._is_repeated(run_id, running):
            return []
        return [
            *self._outcome(run_id, running, at, date, error=0),
            *(
                self._log(run_id, date, "prompt_response", answer_of(generation))
                for prompt in getattr(output, "generations", None) or []
                for generation in prompt
            ),
            *self._tokens(run_id, output, date),
        ]

    def failed(
        self,
        run_id: UUID | None,
        parent_id: UUID | None,
        type_: str,
        error: BaseException,
        response: Any,
        at: int,
        date: int,
    ) -> list[Payload]:
        """A run ended with an exception; `response` is what a model had given by then.

        A run that was only broken off, by a cancellation or a closed generator, neither
        succeeded nor failed, and took no time of its own: of a model, the tokens are sent.
        """
        running = self._running.pop(run_id, None)
        if self._is_repeated(run_id, running):
            return []
        payloads = []
        failed = not is_interruption(error)
        if type_ in MODEL_TYPES:
            if failed:
                payloads += self._outcome(run_id, running, at, date, error=1)
            payloads += self._tokens(run_id, response, date)
        if failed:
            parent = None if parent_id is None else self._running.get(parent_id)
            if not _came_from_another(error, running, parent):
                payloads.append(self._log(run_id, date, "error_message", _text_of_error(error)))
            if parent is not None:
                step, start = (None, at) if running is None else (running.step, running.start)
                parent.failures.append(_Failure(error, step, start, at))
                if self.most_errors is not None:
                    del parent.failures[: -self.most_errors]
        return payloads

    def _is_repeated(self, run_id: UUID | None, running: _Running | None) -> bool:
        """Whether this end was reported before.

        That its start is not known does not say so: LangChain leaves out the start of a
        completion model where another handler is inline (langchain#39633).
        """
        if running is None and run_id in self._ended:
            return True
        if run_id is not None:
            self._remember(self._ended, run_id, None)
        return False

    def _remember(self, known: OrderedDict[UUID | None, Any], run_id: Any, value: Any) -> None:
        known[run_id] = value
        if self.most_runs is not None and len(known) > self.most_runs:
            known.popitem(last=False)

    def _outcome(
        self, run_id: UUID | None, running: _Running | None, at: int, date: int, *, error: int
    ) -> list[Payload]:
        outcome = [self._metric(run_id, date, "error", error)]
        if running is None:
            return outcome
        return [self._metric(run_id, date, "latency", (at - running.latency_from) / 1e9), *outcome]

    def _tokens(self, run_id: UUID | None, response: Any, date: int) -> list[Payload]:
        usage = usage_of(response)
        counts = (
            ("prompt_tokens", usage.input),
            ("total_tokens", usage.total),
            ("completion_tokens", usage.output),
        )
        return [self._metric(run_id, date, key, n) for key, n in counts if n is not None]

    def _log(self, run_id: UUID | None, date: int, key: str, value: str) -> Payload:
        return Payload("log", self._body(run_id, date, key, value))

    def _metric(self, run_id: UUID | None, date: int, key: str, value: float) -> Payload:
        return Payload("metric", self._body(run_id, date, key, value))

    def _body(self, run_id: UUID | None, date: int, key: str, value: Any) -> dict[str, Any]:
        labels = {"model_id": self.model_id, "model_version": self.model_version}
        if run_id is not None:
            labels["run_id"] = str(run_id)
        return {"date": date, key: value, "labels": labels}


def _came_from_another(
    error: BaseException, running: _Running | None, parent: _Running | None
) -> bool:
    """Whether another run failed with this error before, by the rule of `model.errors`."""
    if running is None:
        return False
    if any(failure.error is error for failure in running.failures):
        return True
    if running.step is None or parent is None:
        return False
    return any(
        failure.error is error
        and failure.step is not None
        and (failure.step, -failure.start) < (running.step, -running.start)
        and failure.end > running.start
        for failure in parent.failures
    )


def text_of(content: Any) -> str:
    """The text of a message: its string, or the text of its blocks; others by their type."""
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        return str(content)
    return " ".join(_block_text(block) for block in content)


def answer_of(generation: Any) -> str:
    """The text of a generation; where it has none, the tool calls that it asks for."""
    message = getattr(generation, "message", None)
    # Before langchain-core 1.2.12 a generation has the text of the first block only.
    text = max(str(generation.text), str(getattr(message, "text", "")), key=len)
    if text:
        return text
    calls = [
        *(getattr(message, "tool_calls", None) or []),
        *(getattr(message, "invalid_tool_calls", None) or []),
    ]
    if calls:
        return "; ".join(f"{call['name']}({_arguments(call['args'])})" for call in calls)
    return text_of(getattr(message, "content", ""))


def _block_text(block: Any) -> str:
    if isinstance(block, str):
        return block
    if isinstance(block, dict):
        text = block.get("text")
        return text if isinstance(text, str) else f"[{block.get('type', 'block')}]"
    return str(block)


def _arguments(arguments: Any) -> str:
    if isinstance(arguments, str):
        return arguments  # of a call that the model got wrong
    try:
        return json.dumps(arguments, default=str)
    except (TypeError, ValueError):
        return str(arguments)


def _text_of_error(error: BaseException) -> str:
    message = message_of(error)
    return f"{type(error).__name__}: {message}" if message else type(error).__name__
