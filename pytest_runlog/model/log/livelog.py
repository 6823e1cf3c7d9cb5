"""The run log of one root, written while its runs run.

The rules are those of `model.rootlog`, as far as they need nothing that comes later: a root
that passes on what a run below it streams, with no chunks of its own, has none here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import UUID

from pytest_runlog.model.events import STREAM_EVENT, Chunk, Custom, End, Error, Note, Start, Token
from pytest_runlog.model.log.patches import LogWriter, Subject
from pytest_runlog.model.outcome import chunk_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from pytest_runlog.model.events import Event
    from pytest_runlog.model.log.patches import Patch, Schema


class Candidate(NamedTuple):
    """A run that a filter decides on, by the names that LangChain's `Run` has for these."""

    id: UUID
    name: str
    run_type: str
    tags: list[str]
    metadata: dict[str, Any]
    inputs: Any
    parent_run_id: UUID | None
    start_time: datetime


_OF_ROOTS = ("id", "streamed_output", "final_output", "name", "type", "logs")
"""What LangChain's `RunState` has."""
_ADDED = ("parent_id", "error")
"""What LangChain's `LogEntry` does not have."""


class LiveLog:
    """Makes the patch of each event as it happens. The first run is the root.

    `includes` says which of the other runs are in the log. With `additions` it says what
    `model.patches` adds to LangChain's logs; without, nothing but what LangChain's handler says,
    which leaves to `astream_log` what the root streams and gives.
    """

    def __init__(
        self, schema: Schema, includes: Callable[[Candidate], bool], *, additions: bool = True
    ) -> None:
        self._writer = LogWriter(schema)
        self._includes = includes
        self._additions = additions
        self._root_id: int | None = None
        self._running: set[int] = set()
        """The runs in the log that have not ended."""
        self._seen: set[int] = set()
        self._given: list[Any] = []
        """What the root has streamed."""
        self._given_as: type[Event] | None = None
        """Of a model, `stream_events(version="v3")` reports tokens and events: which came first."""

    def patch(self, event: Event, at: datetime) -> Patch:
        """The operations that an event of that time makes; none if it is not in the log."""
        if isinstance(event, Start):
            return self._start(event, at)
        if event.run_id not in self._running:
            return []
        is_root = event.run_id == self._root_id
        if isinstance(event, (End, Error)):
            self._running.remove(event.run_id)
            return self._end(event, at, is_root=is_root)
        if (isinstance(event, Note) and event.kind != STREAM_EVENT) or isinstance(event, Custom):
            return []
        return self._root_chunk(event) if is_root else self._chunk(event)

    def _start(self, event: Start, at: datetime) -> Patch:
        if event.run_id in self._seen:
            return []  # a handler that was passed twice is told twice
        is_root = self._root_id is None
        if is_root:
            self._root_id = event.run_id
        parent = event.parent_id
        subject = Subject(
            id=UUID(int=event.run_id),
            name=event.name,
            type=event.type,
            tags=event.tags,
            metadata=event.metadata or {},
            inputs=event.inputs,
            parent_id=UUID(int=parent) if parent is not None and parent in self._seen else None,
            start=at,
        )
        self._seen.add(event.run_id)
        if not is_root and not self._includes(self._candidate(subject)):
            return []
        self._running.add(event.run_id)
        patch = self._writer.start(event.run_id, subject)
        if not self._additions:
            value = patch[0]["value"]
            kept = _OF_ROOTS if is_root else value.keys() - _ADDED
            patch[0]["value"] = {name: value[name] for name in value if name in kept}
        return patch

    def _candidate(self, run: Subject) -> Candidate:
        return Candidate(
            run.id,
            run.name,
            self._writer.type_of(run),
            list(run.tags),
            run.metadata,
            run.inputs,
            run.parent_id,
            run.start,
        )

    def _chunk(self, event: Token | Chunk | Note) -> Patch:
        if isinstance(event, Token):
            return self._writer.token(event.run_id, event.token, chunk_of(event))
        return self._writer.chunk(event.run_id, chunk_of(event))

    def _root_chunk(self, event: Token | Chunk | Note) -> Patch:
        self._given_as = self._given_as or type(event)
        if not self._additions or not isinstance(event, self._given_as):
            return []
        if not isinstance(event, Note):
            self._given.append(chunk_of(event))
        return self._chunk(event)

    def _end(self, event: End | Error, at: datetime, *, is_root: bool) -> Patch:
        given = self._given if is_root else ()
        patch = self._writer.end(event.run_id, event, at, given)
        if self._additions:
            return patch
        return [] if is_root else [op for op in patch if not op["path"].endswith("/error")]
