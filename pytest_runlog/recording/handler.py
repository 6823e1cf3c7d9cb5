"""The recording handler: LangChain's callbacks become records in a journal, and no more.

Everything that happens here happens inside the chain under test. So: no derivation, no
text, nothing that can block, and no exception leaves a method.
"""

from __future__ import annotations

import sys
from asyncio import _get_running_loop
from contextvars import ContextVar
from itertools import count
from threading import current_thread, get_ident
from time import time_ns
from typing import TYPE_CHECKING, Any

from langchain_core.callbacks import BaseCallbackHandler

from pytest_runlog.model.alike import MessageFreezer
from pytest_runlog.model.events import CHUNK, CUSTOM, END, ERROR, NOTE, SIZES, START, TOKEN
from pytest_runlog.model.frozen import freeze, spread
from pytest_runlog.model.journal import Clock, Journal
from pytest_runlog.recording.lanes import current_lane, is_in_run, own_metadata

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import CodeType
    from uuid import UUID

    from pytest_runlog.model.events import Recorded

_now = Clock.now
START_SIZE, END_SIZE, ERROR_SIZE, TOKEN_SIZE, CHUNK_SIZE, CUSTOM_SIZE, NOTE_SIZE = SIZES
_numbers = count(1)
previous_start: ContextVar[int] = ContextVar("pytest_runlog_previous_start", default=0)
"""The number of the start that this context saw last."""


_elsewhere: dict[int, CodeType] = {}
"""Code that reads `run_inline`, and is not that of `on_llm_start`."""


class RunLogCallbackHandler(BaseCallbackHandler):
    """Records what a chain does, for `RunLogCapture` to derive runs and patches from.

    The plugin installs one around every recorded test. Attached by hand
    (`callbacks=[handler]`), it records into `journal` every run that reports to it. Values
    are copied structurally, so that they stay what they were.
    """

    def __init__(self, journal: Journal | None = None, *, epoch: int | None = None) -> None:
        self.home = current_lane()
        self.epoch = next(_numbers) if epoch is None else epoch
        """Starts numbered below it belong to earlier recordings."""
        if epoch is None:
            previous_start.set(self.epoch)  # a copy of this context is known to come from here
        self.journal = Journal(lane=self.home) if journal is None else journal
        self._messages = MessageFreezer()

    def __copy__(self) -> RunLogCallbackHandler:
        """Itself: a chain may copy its config, and still reports here."""
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> RunLogCallbackHandler:
        """Itself, as LangChain's own tracers do."""
        return self

    def __reduce__(self) -> tuple[type, tuple[()]]:
        """A new handler: a chain may pickle its config, but what unpickles it is elsewhere."""
        return (RunLogCallbackHandler, ())

    def emit(self, event: Recorded) -> None:
        """Take an event, on whatever thread the chain runs on."""
        self.journal.recorded.extend(event)

    def clear(self) -> None:
        """Forget what was recorded; what still runs is forgotten with all that it does yet."""
        self.journal.clear()

    def on_failure(self, failure: Exception) -> None:
        """Keep an exception that was raised in here, for the capture's owner to see."""
        self.journal.failures.append(failure)

    @property
    def run_inline(self) -> bool:  # type: ignore[override]
        """Whether async callback managers call this handler on the event loop itself.

        They do, because a hop through an executor would delay the chain. Only
        `AsyncCallbackManager.on_llm_start` must not know: when any handler is inline, it
        skips all the others (langchain#39633). Where it skips them anyway, or there are none,
        it may know: this handler would be skipped with the others, and its start with it.
        """
        frame = sys._getframe(1)  # noqa: SLF001
        code = frame.f_code
        if id(code) in _elsewhere:
            return True
        if frame.f_code.co_name == "<listcomp>" and frame.f_back is not None:
            frame = frame.f_back
        if frame.f_code.co_name != "on_llm_start":
            _elsewhere[id(code)] = code
            return True
        handlers = getattr(frame.f_locals.get("self"), "handlers", ())
        others = [handler for handler in handlers if not isinstance(handler, RunLogCallbackHandler)]
        return not others or any(handler.run_inline for handler in others)

    def on_chain_start(
        self,
        serialized: dict[str, Any] | None,
        inputs: Any,
        *,
        run_id: UUID,
        parent_run_id: UUID | None = None,
        tags: list[str] | None = None,
        metadata: dict[str, Any] | None = None,
        run_type: str | None = None,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        """Record the start of a run: a chain, or what `run_type` says; and where it comes from.

        A worker of a thread pool keeps the context of its first job, so this start is
        remembered only where the context is known to be the chain's own: it shows an earlier
        start, it is a task's or that of a run's body, or it is the recorder's thread.
        """
        at = _now()
        try:
            seen = previous_start.get()
            previous = seen if seen >= self.epoch else None
            number = next(_numbers)
            lane, thread = self.home, ""
            if lane[1] or lane[0] != get_ident() or _get_running_loop() is not None:
                lane = current_lane()
                if lane[0] != self.home[0]:
                    thread = current_thread().name or "unnamed"
            if not thread or lane[1] or previous is not None or is_in_run():
                previous_start.set(number)
            if metadata:
                metadata = freeze(
                    own_metadata(metadata) if "langgraph_path" in metadata else metadata
                )
            value = spread(inputs)
            self.emit(
                (
                    START_SIZE + len(value),
                    START,
                    run_id.int,
                    at,
                    None if parent_run_id is None else parent_run_id.int,
                    run_type or "chain",
                    name or _name_of(serialized, run_type),
                    tuple(tags) if tags else (),
                    metadata or None,
                    freeze(kwargs) if kwargs else None,
                    time_ns() if parent_run_id is None else 0,
                    number,
                    previous,
                    lane,
                    thread,
                )
                + value
            )
        except Exception as failure:
            self.on_failure(failure)

    def on_llm_start(
        self, serialized: dict[str, Any] | None, prompts: list[str], *, run_id: UUID, **kwargs: Any
    ) -> None:
        """Record the start of a completion model."""
        kwargs["run_type"] = "llm"
        self.on_chain_start(serialized, prompts, run_id=run_id, **kwargs)

    def on_chat_model_start(
        self,
        serialized: dict[str, Any] | None,
        messages: list[list[Any]],
        *,
        run_id: UUID,
        **kwargs: Any,
    ) -> None:
        """Record the start of a chat model."""
        kwargs["run_type"] = "chat_model"
        self.on_chain_start(serialized, messages, run_id=run_id, **kwargs)

    def on_tool_start(
        self,
        serialized: dict[str, Any] | None,
        input_str: str,
        *,
        run_id: UUID,
        inputs: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        """Record the start of a tool; `inputs` holds its arguments by name."""
        kwargs["run_type"] = "tool"
        given = input_str if inputs is None else inputs
        self.on_chain_start(serialized, given, run_id=run_id, **kwargs)

    def on_retriever_start(
        self, serialized: dict[str, Any] | None, query: str, *, run_id: UUID, **kwargs: Any
    ) -> None:
        """Record the start of a retriever."""
        kwargs["run_type"] = "retriever"
        self.on_chain_start(serialized, query, run_id=run_id, **kwargs)

    def on_chain_end(
        self,
        outputs: Any,
        *,
        run_id: UUID,
        parent_run_id: UUID | None = None,
        tags: list[str] | None = None,
        run_type: str = "chain",
        **kwargs: Any,
    ) -> None:
        """Record what a run gave."""
        at = _now()
        try:
            value = spread(outputs)
            self.emit(
                (
                    END_SIZE + len(value),
                    END,
                    run_id.int,
                    at,
                    None if parent_run_id is None else parent_run_id.int,
                    run_type,
                    freeze(kwargs) if kwargs else None,
                )
                + value
            )
        except Exception as failure:
            self.on_failure(failure)

    def on_llm_end(self, response: Any, *, run_id: UUID, **kwargs: Any) -> None:
        """Record the response (an `LLMResult`) of a model of either kind."""
        kwargs["run_type"] = "llm"
        self.on_chain_end(response, run_id=run_id, **kwargs)

    def on_tool_end(self, output: Any, *, run_id: UUID, **kwargs: Any) -> None:
        """Record the result of a tool."""
        kwargs.pop("outputs", None)  # `tool.run` passes on whatever it is given
        kwargs["run_type"] = "tool"
        self.on_chain_end(output, run_id=run_id, **kwargs)

    def on_retriever_end(self, documents: Sequence[Any], *, run_id: UUID, **kwargs: Any) -> None:
        """Record the documents that a retriever found."""
        kwargs["run_type"] = "retriever"
        self.on_chain_end(documents, run_id=run_id, **kwargs)

    def on_chain_error(
        self,
        error: BaseException,
        *,
        run_id: UUID,
        parent_run_id: UUID | None = None,
        tags: list[str] | None = None,
        run_type: str = "chain",
        **kwargs: Any,
    ) -> None:
        """Record that a run failed, and what a model had given by then."""
        at = _now()
        try:
            self.emit(
                (
                    ERROR_SIZE + 1,
                    ERROR,
                    run_id.int,
                    at,
                    None if parent_run_id is None else parent_run_id.int,
                    run_type,
                    freeze(kwargs) if kwargs else None,
                    error,
                )
            )
        except Exception as failure:
            self.on_failure(failure)

    def on_llm_error(self, error: BaseException, *, run_id: UUID, **kwargs: Any) -> None:
        """Record that a model failed."""
        kwargs["run_type"] = "llm"
        self.on_chain_error(error, run_id=run_id, **kwargs)

    def on_tool_error(self, error: BaseException, *, run_id: UUID, **kwargs: Any) -> None:
        """Record that a tool failed."""
        kwargs["run_type"] = "tool"
        self.on_chain_error(error, run_id=run_id, **kwargs)

    def on_retriever_error(self, error: BaseException, *, run_id: UUID, **kwargs: Any) -> None:
        """Record that a retriever failed."""
        kwargs["run_type"] = "retriever"
        self.on_chain_error(error, run_id=run_id, **kwargs)

    def on_llm_new_token(
        self,
        token: Any,
        *,
        chunk: Any = None,
        run_id: UUID,
        parent_run_id: UUID | None = None,
        **kwargs: Any,
    ) -> None:
        """Record a streamed token and the chunk that carried it."""
        at = _now()
        try:
            message = self._messages.spread(getattr(chunk, "message", None))
            info = getattr(chunk, "generation_info", None)
            self.emit(
                (
                    TOKEN_SIZE + len(message),
                    TOKEN,
                    run_id.int,
                    at,
                    parent_run_id.int if parent_run_id is not None else None,
                    token if type(token) is str else freeze(token),
                    freeze(info) if info else None,
                )
                + message
            )
        except Exception as failure:
            self.on_failure(failure)

    def on_chunk(self, chunk: Any, run_id: UUID) -> None:
        """Record a streamed chunk of a run that is not a model (`recording.tap`)."""
        at = _now()
        try:
            value = spread(chunk)
            self.emit((CHUNK_SIZE + len(value), CHUNK, run_id.int, at) + value)
        except Exception as failure:
            self.on_failure(failure)

    def tapped(self, chunks: Any, run_manager: Any, tap: Callable[..., Any], /) -> Any:
        """The chunks of a run that is not a model, each of which `tap` tells this handler."""
        return tap(chunks, self, run_manager.run_id)

    def on_custom_event(self, name: str, data: Any, *, run_id: UUID, **kwargs: Any) -> None:
        """Record an event that the chain dispatched itself."""
        at = _now()
        try:
            value = spread(data)
            self.emit((CUSTOM_SIZE + len(value), CUSTOM, run_id.int, at, name, *value))
        except Exception as failure:
            self.on_failure(failure)

    def on_agent_action(self, action: Any, *, run_id: UUID, **kwargs: Any) -> None:
        """Record what an agent of the `AgentExecutor` kind decided to do."""
        self._note("agent_action", action, run_id)

    def on_agent_finish(self, finish: Any, *, run_id: UUID, **kwargs: Any) -> None:
        """Record what an agent of the `AgentExecutor` kind ended with."""
        self._note("agent_finish", finish, run_id)

    def on_text(self, text: str, *, run_id: UUID, **kwargs: Any) -> None:
        """Record a text that a chain reported."""
        self._note("text", text, run_id)

    def on_retry(self, retry_state: Any, *, run_id: UUID, **kwargs: Any) -> None:
        """Record that a model call is tried again (a `tenacity.RetryCallState`)."""
        self._note("retry", retry_state, run_id)

    def on_stream_event(self, event: Any, *, run_id: UUID, **kwargs: Any) -> None:
        """Record an event of `astream_events(version="v3")`."""
        self._note("stream_event", event, run_id)

    def _note(self, kind: str, value: Any, run_id: UUID) -> None:
        at = _now()
        try:
            items = spread(value)
            self.emit((NOTE_SIZE + len(items), NOTE, run_id.int, at, kind, *items))
        except Exception as failure:
            self.on_failure(failure)


for _name in ("llm", "chat_model", "chain", "agent", "retriever", "retry", "custom_event"):
    # LangChain has properties for these, and asks one before each event.
    setattr(RunLogCallbackHandler, f"ignore_{_name}", False)


def _name_of(serialized: dict[str, Any] | None, type_: str | None) -> str:
    """The name of a run that was given none, by the rule of LangChain's tracers."""
    if serialized:
        name = serialized.get("name") or (serialized.get("id") or [None])[-1]
        if name:
            return str(name)
    return "Retriever" if type_ == "retriever" else "Unnamed"
