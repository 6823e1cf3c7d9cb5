"""Puts the recording handler around every chain of the process while a capture is open.

LangChain asks each registered configure hook for a handler whenever it configures a run.
There is no way to unregister, so one hook is registered per process, and it answers
`None` while nothing records. It is no `ContextVar`, because threads, executors and some
test runners would not see one.

A run inherits its parent's handlers, and LangChain adds the hook's handler only where no
`Recorder` is among them: so a run reports to its parent's capture, however late it comes,
and a run without a parent to the captures that are open when it starts.
"""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, cast

from pytest_runlog.model.events import START, WITH_PARENT, records
from pytest_runlog.recording.handler import RunLogCallbackHandler
from pytest_runlog.recording.tap import tapped
from pytest_runlog.recording.versions import require_supported_langchain

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from contextlib import AbstractContextManager

    from pytest_runlog.model.events import Recorded
    from pytest_runlog.model.journal import Journal


class Recorder(RunLogCallbackHandler):
    """The handler of one capture, as LangChain sees it.

    While its capture is the only open one, all that it is told goes into its journal. From
    then on it looks up which captures were open when a root started.

    LangChain creates one itself when the last capture closes between its two looks at the
    hook; that one reports to whatever is open, like any other.
    """

    streams = False
    """Whether LangChain streams for it (`recording.streaming`)."""

    def __init__(self, *, epoch: int | None = None, chunks: bool = True) -> None:
        super().__init__(epoch=epoch)
        self.chunks = chunks
        self._readers: dict[int, Sequence[Journal]] = {}
        self._seen = 0
        self._lock = threading.RLock()
        self.share()

    def keep(self) -> None:
        """Record everything into the own journal: the capture is the only open one."""
        vars(self)["emit"] = self.journal.recorded.extend

    def share(self) -> None:
        """Record each run for the captures that its root belongs to."""
        vars(self).pop("emit", None)

    def on_failure(self, failure: Exception) -> None:
        """Note it for every capture that may miss something now."""
        for journal in {self.journal, *_hook.journals}:
            journal.failures.append(failure)

    def clear(self) -> None:
        """Forget what was recorded; what still runs is forgotten with all that it does yet."""
        with self._lock:
            self._look_back()
            self.journal.clear()
            self._seen = 0
            running, readers = self.journal.forgotten, self._readers.copy()
            self._readers = {run_id: readers[run_id] for run_id in readers if run_id in running}

    def emit(self, event: Recorded) -> None:
        """Record an event for the captures that its run belongs to."""
        _, kind, run_id = event[:3]
        readers = None if kind == START else self._readers.get(run_id)
        if readers is None:
            with self._lock:
                readers = self._readers[run_id] = self._readers_of(event)
        for journal in readers:
            journal.recorded.extend(event)

    def _readers_of(self, event: Recorded) -> Sequence[Journal]:
        """A run's first event: whoever reads its parent, or, of a root, what is open."""
        self._look_back()
        _, kind, run_id = event[:3]
        if kind != START and run_id in self._readers:
            return self._readers[run_id]
        parent_id: int | None = event[4] if kind in WITH_PARENT else None
        readers = None if parent_id is None else self._readers.get(parent_id)
        return _hook.journals if readers is None else readers

    def _look_back(self) -> None:
        """Note the runs that started while this was the only open capture."""
        for place, record in records(self.journal.recorded, self._seen):
            if record[0] == START:
                self._readers.setdefault(record[1], (self.journal,))
            self._seen = max(self._seen, place)  # other threads look back too


class _Hook:
    """What LangChain takes for a `ContextVar`."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.open: tuple[Recorder, ...] = ()
        self.handler: Recorder | None = None
        self.journals: tuple[Journal, ...] = ()
        self.registered = False
        self.tap: AbstractContextManager[None] | None = None

    def get(self) -> Recorder | None:
        """The handler that reports to all open captures, if any: one that streams if any does."""
        return self.handler

    def record_with(self, recorders: tuple[Recorder, ...]) -> None:
        """Change which captures are open, outermost first."""
        wanted = any(recorder.chunks for recorder in recorders)
        if wanted and self.tap is None:
            tap = tapped()
            tap.__enter__()
            self.tap = tap
        elif not wanted and self.tap is not None:
            self.tap.__exit__(None, None, None)
            self.tap = None
        alone = len(recorders) == 1 and recorders[0] not in self.open
        for recorder in self.open:
            recorder.share()
        self.journals = tuple(recorder.journal for recorder in recorders)
        self.open = recorders
        self.handler = max(reversed(recorders), key=lambda each: each.streams, default=None)
        if alone:
            recorders[0].keep()


_hook = _Hook()


def start_recording(*, chunks: bool = True, stream: bool = False) -> Recorder:
    """Open a capture: from now on, every run without a known parent reports to it.

    `chunks` asks for the streamed chunks of runs that are not models, `stream` makes LangChain
    stream. Raises `UnsupportedLangChain` if the installed langchain-core is too old.
    """
    with _hook.lock:
        if not _hook.registered:
            require_supported_langchain()
            from langchain_core.tracers.context import register_configure_hook

            register_configure_hook(cast("Any", _hook), inheritable=True, handle_class=Recorder)
            _hook.registered = True
        recorder = _kind(stream=stream)(
            epoch=_hook.open[0].epoch if _hook.open else None, chunks=chunks
        )
        _hook.record_with((*_hook.open, recorder))
        return recorder


def _kind(*, stream: bool) -> type[Recorder]:
    if not stream:
        return Recorder
    from pytest_runlog.recording.streaming import StreamingRecorder

    return StreamingRecorder


def stop_recording(recorder: RunLogCallbackHandler) -> None:
    """Close a capture, in any order; what already runs still reports to it."""
    with _hook.lock:
        _hook.record_with(tuple(other for other in _hook.open if other is not recorder))


@contextmanager
def unrecorded() -> Iterator[None]:
    """Record nothing for a while: runs that start in it are in no capture."""
    with _hook.lock:
        paused = _hook.open
        _hook.record_with(())
    try:
        yield
    finally:
        with _hook.lock:
            _hook.record_with((*paused, *_hook.open))


def is_recording() -> bool:
    """Whether any capture is open."""
    return bool(_hook.open)
