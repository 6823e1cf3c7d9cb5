"""The events of a journal: what LangChain reported, when, from where.

Times are `perf_counter_ns` readings; `at` orders events and is subtracted, never shown.

What is recorded is one flat list for the events of a journal, because each object that is
kept makes the garbage collector look at everything more often. An event is in it as
`size, kind, *fields, *value`: how many items come after the size, the place of its type in
`KINDS`, run ids as integers, and what the chain gave, frozen (`model.frozen`). A list takes
all that at once, so threads need no lock.

Of most of it nobody asks. So an event that is read thaws a value when it is asked for it.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from itertools import chain
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from pytest_runlog.model.frozen import gather, thaw
from pytest_runlog.model.unthawed import class_of

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


EventT = TypeVar("EventT", bound="_Reported")


@dataclass(eq=False)
class _Reported:
    """Something that LangChain reported about a run."""

    run_id: int
    """`UUID.int` of the run's id: comparing integers is what takes the least."""
    at: int

    given: ClassVar[tuple[str, ...]]
    """The fields that hold what the chain gave; the first is recorded last, spread out."""

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            """A value that was frozen, the first time that it is asked for."""
            frozen = self.__dict__.get("_frozen", {})
            if name not in frozen:
                raise AttributeError(f"{type(self).__name__} has no {name!r}")
            return self.__dict__.setdefault(name, thaw(frozen[name]))

    def untouched(self: EventT) -> EventT:
        """The same event with values of its own, which nobody can have changed."""
        if "_frozen" not in self.__dict__:
            return self
        fresh = object.__new__(type(self))
        fresh.__dict__.update(
            (name, value) for name, value in self.__dict__.items() if name not in self.given
        )
        return fresh

    def __getstate__(self) -> dict[str, Any]:
        """All of it thawed: a copy of what is frozen could not be."""
        given = {name: getattr(self, name) for name in self.given}
        return {name: self.__dict__[name] for name in self.__dict__ if name != "_frozen"} | given

    def values(self) -> Iterator[Any]:
        """What the chain put into it: inputs, outputs, metadata, errors; frozen if it was read."""
        values = self.__dict__.get("_frozen", self.__dict__)
        return (values[name] for name in self.given)


@dataclass(eq=False)
class Start(_Reported):
    """A run began."""

    given = ("inputs", "metadata", "details")
    parent_id: int | None
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


@dataclass(eq=False)
class End(_Reported):
    """A run gave its output."""

    given = ("output", "details")
    parent_id: int | None
    type: str
    output: Any
    details: dict[str, Any] | None
    """`inputs` where they were a placeholder at the start."""

    @property
    def output_class(self) -> str:
        """The name of the class of the output, if it is LangChain's: known without a copy."""
        return str(class_of(next(self.values())).__name__)


@dataclass(eq=False)
class Error(_Reported):
    """A run ended with an exception."""

    given = ("error", "details")
    parent_id: int | None
    type: str
    error: BaseException
    details: dict[str, Any] | None
    """`inputs` as above; `response`, what a model had given before it failed."""


@dataclass(eq=False)
class Token(_Reported):
    """A model streamed a token."""

    given = ("message", "token", "info")
    parent_id: int | None
    token: Any
    message: Any
    """The message chunk that carried the token, `None` for completion models."""
    info: dict[str, Any] | None
    """LangChain's `generation_info` of the chunk."""


@dataclass(eq=False)
class Chunk(_Reported):
    """A run other than a model streamed a piece of its output."""

    given = ("value",)
    value: Any


@dataclass(eq=False)
class Custom(_Reported):
    """`dispatch_custom_event` was called."""

    given = ("data",)
    name: str
    data: Any


@dataclass(eq=False)
class Note(_Reported):
    """LangChain reported something else about a run.

    `kind` is `"text"`, `"retry"`, `"agent_action"`, `"agent_finish"` or `"stream_event"`.
    """

    given = ("value",)
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

_FIELDS = tuple(
    tuple(field.name for field in fields(kind) if field.name != kind.given[0]) for kind in KINDS
)
"""The fields of each kind that are recorded before what the chain gave."""

SIZES = tuple(1 + len(names) for names in _FIELDS)
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
    cls = KINDS[kind]
    event: Event = object.__new__(cls)
    state = event.__dict__
    state.update(zip(_FIELDS[kind], record[1:]))
    frozen = state["_frozen"] = {cls.given[0]: gather(record[SIZES[kind] :])}
    for name in cls.given[1:]:
        frozen[name] = state.pop(name)
    return event


def values_in(events: Iterable[Event]) -> Iterator[Any]:
    """What the chain put into the events, each value frozen or as it was."""
    return chain.from_iterable(event.values() for event in events)
