"""The events of a journal: what LangChain reported, when, from where.

Times are `perf_counter_ns` readings; `at` orders events and is subtracted, never shown.

What is recorded is one flat list for the events of a journal, because each object that is
kept makes the garbage collector look at everything more often. An event is in it as
`size, kind, *fields, *value`: how many items come after the size, the place of its type in
`KINDS`, run ids as integers, and what the chain gave, frozen (`model.frozen`). A list takes
all that at once, so threads need no lock.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import UUID

from pytest_runlog.model.frozen import gather, thaw

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from typing import TypeAlias


Lane: TypeAlias = "tuple[int, int, str]"
"""What runs one thing after another: a thread, or a task of an event loop on it.

Thread identifier, `id()` of the task and name of the task; zero and `""` outside of tasks.
An id is reused after its task ends, so the name is part of the lane.
"""


MODEL_TYPES = frozenset({"llm", "chat_model"})
"""The types of model runs: completion models and chat models."""


class Start(NamedTuple):
    """A run began."""

    run_id: UUID
    at: int
    parent_id: UUID | None
    type: str
    name: str
    inputs: Any
    tags: tuple[str, ...]
    metadata: dict[str, Any] | None
    details: dict[str, Any] | None
    """What else LangChain said: `invocation_params`, `tool_call_id`, …"""
    wall: int
    """`time.time_ns()`; a run below another is dated from the root's, so that they fit."""
    number: int
    """Counts the starts of the process."""
    previous: int | None
    """Number of the start seen last in this context, `None` when unknown."""
    lane: Lane
    thread_name: str


class End(NamedTuple):
    """A run gave its output."""

    run_id: UUID
    at: int
    parent_id: UUID | None
    type: str
    output: Any
    details: dict[str, Any] | None
    """`inputs` where they were a placeholder at the start."""


class Error(NamedTuple):
    """A run ended with an exception."""

    run_id: UUID
    at: int
    parent_id: UUID | None
    type: str
    error: BaseException
    details: dict[str, Any] | None
    """`inputs` as above; `response`, what a model had given before it failed."""


class Token(NamedTuple):
    """A model streamed a token."""

    run_id: UUID
    at: int
    parent_id: UUID | None
    token: Any
    message: Any
    """The message chunk that carried the token, `None` for completion models."""
    info: dict[str, Any] | None
    """LangChain's `generation_info` of the chunk."""


class Chunk(NamedTuple):
    """A run other than a model streamed a piece of its output."""

    run_id: UUID
    at: int
    value: Any


class Custom(NamedTuple):
    """`dispatch_custom_event` was called."""

    run_id: UUID
    at: int
    name: str
    data: Any


class Note(NamedTuple):
    """LangChain reported something else about a run.

    `kind` is `"text"`, `"retry"`, `"agent_action"`, `"agent_finish"` or `"stream_event"`.
    """

    run_id: UUID
    at: int
    kind: str
    value: Any


STREAM_EVENT = "stream_event"
"""The kind of the notes that are streamed: events of `stream_events(version="v3")`."""

Event: TypeAlias = Start | End | Error | Token | Chunk | Custom | Note

KINDS: tuple[type[Event], ...] = (Start, End, Error, Token, Chunk, Custom, Note)
START, END, ERROR, TOKEN, CHUNK, CUSTOM, NOTE = range(len(KINDS))
WITH_PARENT = (START, END, ERROR, TOKEN)
"""Kinds that are recorded with the id of the parent run, after the time."""

Recorded: TypeAlias = "tuple[Any, ...]"
"""`(size, kind, *fields, *value)`"""

_VALUE = tuple(
    kind._fields.index(name)
    for kind, name in zip(
        KINDS, ("inputs", "output", "error", "message", "value", "data", "value"), strict=True
    )
)
"""The field of each kind that is recorded last, spread out if it is frozen."""

SIZES = tuple(len(kind._fields) for kind in KINDS)
"""What `size` is for each kind, before the value."""


def records(recorded: Sequence[Any], start: int = 0) -> Iterator[tuple[int, Sequence[Any]]]:
    """Each `(kind, *fields, *value)` from a place in the list on, and the place after it."""
    while start < len(recorded):
        end = start + 1 + recorded[start]
        yield end, recorded[start + 1 : end]
        start = end


def read_event(record: Sequence[Any]) -> Event:
    """The event of `(kind, *fields, *value)`, with the values as they were when it happened."""
    kind = record[0]
    cls, count = KINDS[kind], SIZES[kind]
    fields = [thaw(value) for value in record[1:count]]
    fields.insert(_VALUE[kind], thaw(gather(record[count:])))
    fields[0] = UUID(int=fields[0])
    if kind in WITH_PARENT and fields[2] is not None:
        fields[2] = UUID(int=fields[2])
    event: Event = cls(*fields)
    return event


def values_in(events: Iterable[Event]) -> Iterator[Any]:
    """What the chain put into the events: inputs, outputs, metadata, errors."""
    for event in events:
        if isinstance(event, Start):
            yield from (event.inputs, event.metadata, event.details)
        elif isinstance(event, End):
            yield from (event.output, event.details)
        elif isinstance(event, Error):
            yield from (event.error, event.details)
        elif isinstance(event, Custom):
            yield event.data
        elif isinstance(event, (Chunk, Note)):
            yield event.value
        else:
            yield from (event.token, event.message, event.info)
