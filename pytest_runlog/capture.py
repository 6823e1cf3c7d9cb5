"""`RunLogCapture`: the object behind the fixture, a view of one journal."""

from __future__ import annotations

import json
import warnings
from collections import deque
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from weakref import ref

from pytest_runlog.assertions import Assertions
from pytest_runlog.budgeting import Budgeting
from pytest_runlog.defaults import Options, session_options
from pytest_runlog.explain import recording as explain
from pytest_runlog.explain.assertions import not_one, not_one_root
from pytest_runlog.explain.wording import nothing_recorded
from pytest_runlog.infino.recorder import InfinoRecorder
from pytest_runlog.model.build import build_runs
from pytest_runlog.model.data import to_data, without_call_ids
from pytest_runlog.model.errors import arising, recovered
from pytest_runlog.model.events import End, Start, values_in
from pytest_runlog.model.journal import Journal
from pytest_runlog.model.masking import Mask, environment_secrets, uuids_in
from pytest_runlog.model.runs import Run, Runs, show_with
from pytest_runlog.model.saved import load_runs, runs_to_dict, save_runs
from pytest_runlog.model.secrets import secrets_in
from pytest_runlog.model.text import HasTree, tree_lines

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from os import PathLike

    from langchain_core.runnables import RunnableConfig
    from langchain_core.tracers.log_stream import RunLogPatch

    from pytest_runlog.model.events import Event
    from pytest_runlog.model.order import Text
    from pytest_runlog.model.text import Level
    from pytest_runlog.model.usage import TokenUsage
    from pytest_runlog.recording.handler import RunLogCallbackHandler


_recent: deque[ref[RunLogCapture]] = deque(maxlen=32)
"""The captures that were made last, for explanations of lists that came from them."""


@dataclass(frozen=True)
class _Derived:
    """What was derived from a journal."""

    length: int
    """Of its list, or less: what was recorded meanwhile is derived the next time."""
    runs: Runs
    mask: Mask


class RunLogCapture(Assertions, Budgeting, HasTree):
    """What was recorded: runs, errors, tokens, the run tree, Infino's payloads.

    Everything is derived from the journal when it is asked for, so a capture can be looked
    at while the chain still runs.
    """

    def __init__(
        self,
        recorder: RunLogCallbackHandler | None = None,
        *,
        name: str | None = None,
        options: Options | None = None,
    ) -> None:
        self.name = name
        self._recorder = recorder
        self._journal = Journal() if recorder is None else recorder.journal
        self._options = Options() if options is None else options
        self._derived: _Derived | None = None
        self._is_seen = False
        """Whether anybody has these runs, who may keep them."""
        self._infino: InfinoRecorder | None = None
        self._is_loaded = False
        self._names: dict[str, int] = {}
        _recent.appendleft(ref(self))

    @property
    def runs(self) -> Runs:
        """Every run, depth-first in canonical order."""
        self._is_seen = True
        return self._derive().runs

    @property
    def roots(self) -> Runs:
        """The runs without a parent."""
        return Runs(run for run in self.runs if run.parent is None)

    @property
    def root(self) -> Run:
        """The only run without a parent; `AssertionError` unless there is exactly one."""
        __tracebackhide__ = True
        roots = self.roots
        if len(roots) != 1:
            raise AssertionError(not_one_root(self._view))
        return roots[0]

    @property
    def names(self) -> list[str]:
        """The name of each run, depth-first in canonical order."""
        return self.runs.names

    @property
    def errors(self) -> Runs:
        """The runs in which an error arose.

        An error that climbs through the runs above counts once, where it began; an interrupt
        is no error.
        """
        return arising(self.runs)

    @property
    def recovered(self) -> Runs:
        """Those of `errors` that no root ended with: something handled them."""
        return recovered(self.runs)

    @property
    def unfinished(self) -> Runs:
        """The runs that did not end."""
        return self.runs.find(status="unfinished")

    @property
    def models(self) -> Runs:
        """The runs of models, both chat and completion."""
        return Runs(run for run in self.runs if run.is_model)

    @property
    def tools(self) -> Runs:
        """The runs of tools."""
        return self.runs.find(type="tool")

    @property
    def retrievers(self) -> Runs:
        """The runs of retrievers."""
        return self.runs.find(type="retriever")

    @property
    def elapsed(self) -> float | None:
        """Seconds from the first start to the last end, `None` when nothing finished."""
        runs = self.runs
        ends = [run.end_ns for run in runs if run.end_ns is not None]
        return (max(ends) - min(run.start_ns for run in runs)) / 1e9 if ends else None

    @property
    def tokens(self) -> TokenUsage:
        """The tokens of all model runs added up; one unknown makes the sum unknown."""
        return self.runs.tokens

    @property
    def patches(self) -> list[RunLogPatch]:
        """The patches of the only root, LangChain's own class; see `Run.patches`."""
        __tracebackhide__ = True
        return self.root.patches

    @property
    def infino(self) -> InfinoRecorder:
        """What `InfinoCallbackHandler` would have sent: metrics and logs.

        Raises `RuntimeError` for a capture that was loaded: a file does not hold them.
        """
        if self._is_loaded:
            raise RuntimeError("a loaded run log has no payloads of Infino's; only a recording has")
        if self._infino is None:
            self._infino = InfinoRecorder(
                self._journal, runs=lambda: (self._derive().runs, self._derive().mask)
            )
        return self._infino

    def find(
        self,
        name: str | None = None,
        *,
        type: str | None = None,
        tag: str | None = None,
        model: str | None = None,
        path: str | None = None,
        status: str | None = None,
        under: Run | str | None = None,
        where: Callable[[Run], bool] | None = None,
    ) -> Runs:
        """The runs that match all that is given; see `Runs.find`."""
        return self.runs.find(
            name,
            type=type,
            tag=tag,
            model=model,
            path=path,
            status=status,
            under=under,
            where=where,
        )

    def one(
        self,
        name: str | None = None,
        *,
        type: str | None = None,
        tag: str | None = None,
        model: str | None = None,
        path: str | None = None,
        status: str | None = None,
        under: Run | str | None = None,
        where: Callable[[Run], bool] | None = None,
    ) -> Run:
        """The one run that matches; `AssertionError` with the tree unless exactly one does."""
        __tracebackhide__ = True
        criteria: dict[str, Any] = {
            "name": name,
            "type": type,
            "tag": tag,
            "model": model,
            "path": path,
            "status": status,
            "under": under,
            "where": where,
        }
        found = self.runs.find(**criteria)
        if len(found) != 1:
            raise AssertionError(not_one(self._view, criteria, found))
        return found[0]

    def tree(self, level: Level = "structure") -> str:
        """The run tree as text: `"shape"`, `"structure"` or `"full"`."""
        return "\n".join(tree_lines(self.roots, self._derive().mask, level))

    def to_dict(self) -> dict[str, Any]:
        """The runs as plain data, canonical and masked, without times: made for comparison."""
        return runs_to_dict(self.roots, self._derive().mask)

    def save(self, path: str | PathLike[str]) -> None:
        """Write the runs, times and patches included and secrets masked, as JSON."""
        save_runs(self.roots, self._derive().mask, Path(path))

    @classmethod
    def load(cls, path: str | PathLike[str]) -> RunLogCapture:
        """The capture that `save` wrote; values are the plain data that they became.

        Raises `ValueError` for a file that is not one, and `OSError` where it cannot be read.
        """
        capture = cls()
        capture._derived = _Derived(0, load_runs(Path(path)), Mask())
        capture._is_loaded = True
        return capture

    @contextmanager
    def capture(self, name: str | None = None) -> Iterator[RunLogCapture]:
        """Record a section: `with runlog.capture() as part:`; this capture sees it too.

        `name` labels it. A name that was given before gets a number, as LangChain numbers
        runs: `name`, `name:2`.
        """
        section = open_capture(self._options, self._label(name))
        try:
            yield section
        finally:
            section.close()

    def config(self, **more: Any) -> RunnableConfig:
        """A `RunnableConfig` with the handlers in it, and whatever else is given.

        Not needed to be recorded: it is for those who want to see the handlers passed. A
        run that is reported both ways is recorded once. `callbacks` are kept beside ours.
        """
        callbacks = more.pop("callbacks", None)
        handler = self._handler()
        if callbacks is None:
            more["callbacks"] = [handler]
        elif isinstance(callbacks, list):
            more["callbacks"] = [*callbacks, handler]
        elif hasattr(callbacks, "add_handler"):
            manager = callbacks.copy()
            manager.add_handler(handler, inherit=True)
            more["callbacks"] = manager
        else:
            raise TypeError(
                "config(callbacks=…) takes a list of handlers or a callback manager, "
                f"not {type(callbacks).__name__}"
            )
        return more  # type: ignore[return-value]

    def close(self) -> None:
        """Stop recording; runs that have started still report here. `record()` does this."""
        from pytest_runlog.recording.installer import stop_recording

        stop_recording(self._handler())

    @property
    def failures(self) -> list[Exception]:
        """What went wrong inside our handlers, if anything: the record is then incomplete."""
        return self._journal.failures

    def clear(self) -> None:
        """Forget and free what was recorded, and what the runs in flight will still do."""
        if self._recorder is not None:
            self._recorder.clear()
        else:
            self._journal.clear()
        self._derived = None
        self._infino = None

    def _why_empty(self) -> str | None:
        """Why nothing was recorded, `None` if something was."""
        return None if self.runs else nothing_recorded("expected the runs of a snapshot")

    def _short(self) -> str:
        label = f" {self.name}" if self.name else ""
        return self.tree() or f"<RunLogCapture{label}: nothing recorded>"

    def _handler(self) -> RunLogCallbackHandler:
        if self._recorder is None:
            raise RuntimeError("a loaded run log has no handlers; only a recording has")
        return self._recorder

    @property
    def _mask(self) -> Mask:
        return self._derive().mask

    def _label(self, name: str | None) -> str | None:
        if name is None:
            return None
        count = self._names[name] = self._names.get(name, 0) + 1
        return name if count == 1 else f"{name}:{count}"

    def _forget_unseen(self) -> None:
        """Drop runs that were derived only to be counted.

        They know each other, so nothing but the garbage collector would free them: over a session
        it would run far more often.
        """
        # Taken before the question: who gets these runs in another thread has said so first.
        derived, self._derived = self._derived, None
        if self._is_seen or self._is_loaded:
            self._derived = derived
        elif derived is not None:
            for run in derived.runs:
                vars(run).clear()

    def _derive(self) -> _Derived:
        derived = self._derived
        length = len(self._journal.recorded)
        if derived is None or derived.length != length:
            derived = self._derived = _derive(self._journal, length, self._options)
        return derived


def recent_captures() -> list[RunLogCapture]:
    """The captures that were made last and are still there, the last one first."""
    return [capture for made in list(_recent) if (capture := made()) is not None]


class RecordingIncomplete(UserWarning):
    """The recorder failed, in a recording that no test reports."""


@contextmanager
def record(
    name: str | None = None, *, stream: bool | None = None, options: Options | None = None
) -> Iterator[RunLogCapture]:
    """Record what runs in the `with` block: in fixtures of any scope, scripts, notebooks.

    The same as the `runlog` fixture; in a pytest session its settings apply, unless `options`
    are given. `stream` is that of the marker `runlog`. Recordings nest, and an outer one sees
    what an inner one sees.
    """
    if options is None:
        options = session_options() or Options()
    if stream is not None:
        options = replace(options, stream=stream)
    capture = open_capture(options, name)
    try:
        yield capture
    finally:
        capture.close()
    from pytest_runlog.recording.installer import is_recording

    if capture.failures and not is_recording():
        message = f"{explain.recording_failed(capture.failures)}\n{capture.failures[0]!r}"
        warnings.warn(RecordingIncomplete(message), stacklevel=3)


def open_capture(options: Options, name: str | None = None) -> RunLogCapture:
    """Start recording. Raises `UnsupportedLangChain` if langchain-core is too old."""
    from pytest_runlog.recording.installer import start_recording

    recorder = start_recording(chunks=options.chunks, stream=options.stream)
    return RunLogCapture(recorder, name=name, options=options)


def _derive(journal: Journal, length: int, options: Options) -> _Derived:
    events = list(journal.events())
    mask = _mask_of(events, options)
    runs = build_runs(events, journal.lane, _canonical_text(mask), journal.forgotten)
    show_with(runs, mask)
    return _Derived(length, runs, mask)


def _mask_of(events: Sequence[Event], options: Options) -> Mask:
    return Mask(
        secrets=environment_secrets() | secrets_in(values_in(events)),
        run_ids=frozenset(_ids_in(events)),
        patterns=options.mask_patterns,
        hook=options.mask_hook,
    )


def _ids_in(events: Iterable[Event]) -> Iterator[int]:
    """The ids that were made up: of runs, of LangGraph's tasks, and of tool calls."""
    for event in events:
        yield event.run_id
        if isinstance(event, Start):
            metadata = event.metadata or {}
            yield from uuids_in(str(metadata.get("langgraph_checkpoint_ns", "")))
        if isinstance(event, Start) and event.type == "tool":
            yield from uuids_in(str((event.details or {}).get("tool_call_id", "")))
        elif isinstance(event, End) and event.output_class == "ToolMessage":
            # What the start tells from langchain-core 1.2 on.
            yield from uuids_in(str(getattr(event.output, "tool_call_id", "")))


def _canonical_text(mask: Mask) -> Text:
    def text(value: Any, path: str = "") -> str:
        return json.dumps(without_call_ids(to_data(value, mask, path)), sort_keys=True)

    return text
