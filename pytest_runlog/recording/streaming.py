"""Handlers for which LangChain streams: one hands out patches live, one records a capture.

That they have both tap methods makes LangChain drive models through `_stream`, and show them
the chunks of every streamed run. That they inherit LangChain's own base class makes
LangGraph show them those of its nodes.
"""

from __future__ import annotations

import logging
from collections import deque
from dataclasses import dataclass, field
from threading import RLock
from time import time_ns
from typing import TYPE_CHECKING, Any, Literal, TypeVar
from uuid import UUID

from langchain_core.tracers._streaming import _StreamingCallbackHandler

from pytest_runlog.model.events import END, ERROR, START, read_event
from pytest_runlog.model.log.livelog import LiveLog
from pytest_runlog.model.log.selection import Selection, select
from pytest_runlog.model.runs import moment
from pytest_runlog.recording.channel import Channel
from pytest_runlog.recording.handler import RunLogCallbackHandler, previous_start
from pytest_runlog.recording.installer import Recorder
from pytest_runlog.recording.tap import AsyncTap, tap
from pytest_runlog.recording.tasks import Home, current_home

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator, Sequence

    from langchain_core.tracers.log_stream import RunLogPatch

    from pytest_runlog.model.events import Recorded
    from pytest_runlog.model.log.livelog import Candidate

T = TypeVar("T")
_log = logging.getLogger(__name__)
_MAY_END_UNTOLD = {"chat_model", "tool", "retriever"}
"""Runs of these types start in the task that they are in, and their end is not always reported."""


class StreamingRunLogCallbackHandler(RunLogCallbackHandler, _StreamingCallbackHandler[Any]):
    """Hands out the patches of a chain's run log while the chain runs.

    A drop-in for LangChain's `LogStreamCallbackHandler`: `async for patch in handler` gives
    its `RunLogPatch`es, on whatever event loop, until the root has ended. `read()` gives those
    that are there, without an event loop and without waiting. Each patch is given once.

    The log is about the first root; another root that starts before it has ended is an entry of
    it, as LangChain has it. A root that starts when the log is closed begins a new log:
    after the end of the first one, reading goes on with that.
    """

    def __init__(
        self,
        *,
        auto_close: bool = True,
        include_names: Sequence[str] | None = None,
        include_types: Sequence[str] | None = None,
        include_tags: Sequence[str] | None = None,
        exclude_names: Sequence[str] | None = None,
        exclude_types: Sequence[str] | None = None,
        exclude_tags: Sequence[str] | None = None,
        _schema_format: Literal["original", "streaming_events"] = "streaming_events",
    ) -> None:
        """Take the arguments of LangChain's class.

        Without `auto_close` the log goes on when the root has ended, until somebody closes
        `send_stream`; what the root streams and gives is then left to them, as LangChain's
        `astream_log` writes it itself. The filters name the runs that are in the log besides
        the root. `_schema_format` says how inputs and outputs are written.

        Raises `ValueError` for another format, and `TypeError` for a filter that is no list.
        """
        if _schema_format not in {"original", "streaming_events"}:
            raise ValueError(
                f"Invalid schema format: {_schema_format}. "
                "Expected one of 'original', 'streaming_events'."
            )
        super().__init__(epoch=0)
        self.auto_close = auto_close
        self.include_names = include_names
        self.include_types = include_types
        self.include_tags = include_tags
        self.exclude_names = exclude_names
        self.exclude_types = exclude_types
        self.exclude_tags = exclude_tags
        self.root_id: UUID | None = None
        self.lock = RLock()
        self.send_stream = SendStream(self)
        self._schema_format = _schema_format
        self._reading = RLock()
        self._logs = deque([self._new_log()])
        """Those that are not read to their end, and the newest; the first is read."""
        self._log_of: dict[int, _Log] = {}
        """By the runs that belong to them."""
        self._selection()

    @property
    def receive_stream(self) -> AsyncIterator[RunLogPatch]:
        """What is iterated: the handler itself."""
        return self

    def include_run(self, run: Candidate) -> bool:
        """Whether a run (it has the `id`, `name`, `run_type` and `tags` of one) is in the log."""
        return run.id != self.root_id and self._selection().keeps(run.name, run.run_type, run.tags)

    def send(self, *ops: dict[str, Any]) -> bool:
        """Add a patch of these operations; `False`, and nothing is done, if the log is closed."""
        from langchain_core.tracers.log_stream import RunLogPatch

        return self._post(RunLogPatch(*ops))

    def tap_output_iter(self, run_id: UUID, output: Iterator[T]) -> Iterator[T]:
        """The same values, each also in the log as a chunk of the run."""
        return tap(output, self, run_id)

    def tap_output_aiter(self, run_id: UUID, output: AsyncIterator[T]) -> AsyncIterator[T]:
        """The same values, each also in the log as a chunk of the run."""
        return AsyncTap(output, self, run_id)

    def tapped(self, chunks: Any, /, *_: Any) -> Any:
        """The chunks as they are: LangChain taps them for this handler, recorded or not."""
        return chunks

    def read(self) -> list[RunLogPatch]:
        """The patches that are there and that nobody has read, of one log; never waits."""
        while True:
            log = self._log_to_read()
            patches = list(self._unread(log))
            if patches or log is self._logs[-1]:
                return patches

    def __aiter__(self) -> AsyncIterator[RunLogPatch]:
        """Iterate over the patches of a log as they come, until it is closed and read."""
        return self

    async def __anext__(self) -> RunLogPatch:
        """The next patch. Ends, too, where the root was broken off and nobody was told."""
        log = self._log_to_read()
        while True:
            patch = self._next(log)
            if patch is not None:
                return patch
            if log.channel.exhausted or log.home.is_here():
                raise StopAsyncIteration
            if log.home.is_gone():
                log.channel.close()
            else:
                with log.home.watched(log.channel.wake):
                    await log.channel.wait()

    def clear(self) -> None:
        """Forget what nobody has read, and what still runs with all that it does yet."""
        with self.lock:
            for log in self._logs:
                log.channel.discard()
            self._begin_log()

    def on_failure(self, failure: Exception) -> None:
        """Log it, as LangChain logs what a handler raises."""
        _log.warning("Error in %s: %r", type(self).__name__, failure, exc_info=failure)

    def on_chain_start(self, *args: Any, **kwargs: Any) -> None:
        """Note a start, but leave no trace of it where a recorder looks for the one before."""
        token = previous_start.set(previous_start.get())
        super().on_chain_start(*args, **kwargs)
        previous_start.reset(token)

    def emit(self, event: Recorded) -> None:
        """Put an event where it is read from, on whatever thread the chain runs on."""
        _, kind, run_id = event[:3]
        with self.lock:
            log = self._log_of_start(event) if kind == START else self._log_of.get(run_id)
            if log is None:
                return
            log.channel.put((time_ns(), event))
            if kind in {END, ERROR}:
                log.running.discard(run_id)
                if run_id == log.root and self.auto_close:
                    log.channel.close()

    def _log_of_start(self, event: Recorded) -> _Log:
        """The log of the parent, else the one that is open, else a new one."""
        _, _, run_id, _, parent_id, type_ = event[:6]
        log = self._log_of.get(parent_id) if parent_id is not None else None
        if log is None:
            log = self._logs[-1]
            if log.channel.closed or log.home.is_gone():
                log.channel.close()
                log = self._begin_log()
            if log.root is None:
                log.root = run_id
                self.root_id = UUID(int=run_id)
                if type_ in _MAY_END_UNTOLD:
                    log.home = current_home()
        log.running.add(run_id)
        self._log_of[run_id] = log
        return log

    def _begin_log(self) -> _Log:
        """A new log; of the others, only what still runs is known from now on."""
        log = self._new_log()
        self._logs.append(log)
        running = self._log_of.items()
        self._log_of = {run_id: old for run_id, old in running if run_id in old.running}
        return log

    def _new_log(self) -> _Log:
        return _Log(LiveLog(self._schema_format, self.include_run, additions=self.auto_close))

    def _post(self, patch: RunLogPatch) -> bool:
        with self.lock:
            channel = self._logs[-1].channel
            if channel.closed:
                return False
            channel.put(patch)
            return True

    def _close(self) -> None:
        with self.lock:
            self._logs[-1].channel.close()

    def _log_to_read(self) -> _Log:
        with self.lock:
            while len(self._logs) > 1 and self._logs[0].channel.exhausted:
                self._logs.popleft()
            return self._logs[0]

    def _unread(self, log: _Log) -> Iterator[RunLogPatch]:
        while (patch := self._next(log)) is not None:
            yield patch

    def _next(self, log: _Log) -> RunLogPatch | None:
        from langchain_core.tracers.log_stream import RunLogPatch

        with self._reading:  # the log is written in the order of the events
            while (item := log.channel.take()) is not None:
                if not isinstance(item, tuple):
                    return item
                wall, event = item
                operations = log.live.patch(read_event(event[1:]), moment(wall, 0))
                if operations:
                    return RunLogPatch(*operations)
            return None

    def _selection(self) -> Selection:
        return select(**{name: getattr(self, name) for name in Selection._fields})


class SendStream:
    """By what LangChain's `astream_log` adds patches to a handler's log, and closes it."""

    def __init__(self, handler: StreamingRunLogCallbackHandler) -> None:
        self._handler = handler

    async def send(self, item: RunLogPatch) -> None:
        """Add a patch, unless the log is closed."""
        self.send_nowait(item)

    def send_nowait(self, item: RunLogPatch) -> None:
        """Add a patch, unless the log is closed."""
        self._handler._post(item)  # noqa: SLF001

    async def aclose(self) -> None:
        """Close the log."""
        self.close()

    def close(self) -> None:
        """Close the log: reading ends when all of it is read."""
        self._handler._close()  # noqa: SLF001


@dataclass(eq=False)
class _Log:
    """One log of a handler, and what is known of its runs."""

    live: LiveLog
    channel: Channel[tuple[int, Recorded] | RunLogPatch] = field(default_factory=Channel)
    root: int | None = None
    home: Home = field(default_factory=Home)
    """Where the root started, if that tells whether it still runs."""
    running: set[int] = field(default_factory=set)


class StreamingRecorder(Recorder, _StreamingCallbackHandler[Any]):
    """The handler of a capture in stream mode.

    Chunks that `recording.tap` shows it, LangChain's own tap would show it again, and that one
    shows them to one handler only: here it is another one's turn.
    """

    streams = True

    def __init__(self, *, epoch: int | None = None, chunks: bool = True) -> None:
        super().__init__(epoch=epoch, chunks=chunks)
        self._in_vain: set[UUID] = set()
        """Runs that LangChain is about to tap, though their chunks are recorded already."""

    def tap_output_iter(self, run_id: UUID, output: Iterator[T]) -> Iterator[T]:
        """The same values, recorded as chunks of the run unless they are already."""
        return output if self._is_in_vain(run_id) else tap(output, self, run_id)

    def tap_output_aiter(self, run_id: UUID, output: AsyncIterator[T]) -> AsyncIterator[T]:
        """The same values, recorded as chunks of the run unless they are already."""
        return output if self._is_in_vain(run_id) else AsyncTap(output, self, run_id)

    def tapped(self, chunks: Any, run_manager: Any, tap: Callable[..., Any], /) -> Any:
        """The chunks of a run, and tapped by the handler that LangChain would choose without us.

        It chooses the first streaming handler. If that is this one, it is about to tap in vain,
        and the next handler has its turn here.
        """
        chunks = super().tapped(chunks, run_manager, tap)
        run_id = run_manager.run_id
        streaming = [
            handler
            for handler in run_manager.handlers
            if isinstance(handler, _StreamingCallbackHandler)
        ]
        if streaming[0] is not self:
            return chunks
        self._in_vain.add(run_id)
        others = [other for other in streaming if not isinstance(other, StreamingRecorder)]
        if not others:
            return chunks
        if hasattr(chunks, "__anext__"):
            return _Tapped(others[0].tap_output_aiter(run_id, chunks), chunks)
        return others[0].tap_output_iter(run_id, chunks)

    def _is_in_vain(self, run_id: UUID) -> bool:
        if run_id not in self._in_vain:
            return False
        self._in_vain.remove(run_id)
        return True


class _Tapped:
    """An async iterator that somebody taps: what is closed is the one below, as in LangChain."""

    def __init__(self, tapped: AsyncIterator[Any], chunks: Any) -> None:
        self._tapped = tapped
        if hasattr(chunks, "aclose"):
            self.aclose = chunks.aclose

    def __aiter__(self) -> AsyncIterator[Any]:
        return self

    async def __anext__(self) -> Any:
        return await self._tapped.__anext__()
