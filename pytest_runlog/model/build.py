"""Events become runs: the tree, its order, and what each run took and gave."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any
from uuid import UUID

from pytest_runlog.model.data import group_chunks, shown_metadata
from pytest_runlog.model.events import (
    MODEL_TYPES,
    STREAM_EVENT,
    Chunk,
    Custom,
    End,
    Error,
    Note,
    Start,
    Token,
)
from pytest_runlog.model.journal import Clock
from pytest_runlog.model.log.rootlog import keep_logs
from pytest_runlog.model.order import Origin, sort_places
from pytest_runlog.model.outcome import (
    chunk_of,
    error_of,
    inputs_of,
    late_inputs_of,
    output_of,
    response_of,
    status_of,
)
from pytest_runlog.model.runs import Chunk as RunChunk
from pytest_runlog.model.runs import Run, RunEvent, Runs, moment, run_from, walk
from pytest_runlog.model.tries import FALLBACKS, number_attempts, number_repetitions
from pytest_runlog.model.usage import UNKNOWN, usage_of

if TYPE_CHECKING:
    from datetime import datetime

    from pytest_runlog.model.events import Event, Lane
    from pytest_runlog.model.order import Text
    from pytest_runlog.model.usage import TokenUsage


def build_runs(
    events: Iterable[Event], lane: Lane, text: Text, forgotten: Iterable[int] = ()
) -> Runs:
    """All runs that the events tell of, depth-first in canonical order.

    `text` gives the canonical text of a value; it is called only for runs that structure
    alone does not order. Events of `forgotten` runs are left out.
    """
    drafts, history = _gather(events, frozenset(forgotten))
    roots = _join(drafts)
    number_attempts(drafts)
    runs: dict[_Draft, Run] = {}
    roots = sort_places(roots, lane, text)
    number_repetitions(drafts, text)
    tops = [_finish(root, runs) for root in roots]
    keep_logs(tops, history, runs)
    for draft in drafts:
        draft.unlink()
    return Runs(walk(tops))


class _Draft:
    """What the events say of one run: a `Place` and a `Try`, and the `Facts` of its run."""

    def __init__(self, first: Event) -> None:
        self.run_id = first.run_id
        self.start_ns = first.at
        self.start: Start | None = None
        self.ending: End | Error | None = None
        self.parent: _Draft | None = None
        self.children: list[_Draft] = []
        self.attempt: int | None = None
        self.last: float = float("inf")
        self.reports = 1
        """How often LangChain reports each event: twice if a handler is there twice."""
        self.heard: Counter[object] | None = None
        """How many events of a kind were reported, if each is reported more than once."""
        self.tokens: list[Token] = []
        self.stream_events: list[Note] = []
        self.chunks: list[Chunk] = []
        self.customs: list[Custom] = []
        self.notes: list[Note] = []
        self.wall = 0
        """The wall clock at the start, in nanoseconds since the epoch."""
        if isinstance(first, Start):
            self.start = first
            self.name, self.type, self.tags = first.name, first.type, first.tags
            self.parent_id = first.parent_id
            self.origin: Origin | None = Origin(
                first.number, first.previous, first.lane, first.thread_name
            )
        else:  # LangChain did not report its start (langchain#39633)
            self.name, self.tags, self.origin = "Unnamed", (), None
            self.type = getattr(first, "type", "llm" if isinstance(first, Token) else "chain")
            self.parent_id = getattr(first, "parent_id", None)

    @cached_property
    def inputs(self) -> Any:
        late = late_inputs_of(self.ending)
        if late is not None or self.start is None:
            return late
        return inputs_of(self.type, self.start.inputs)

    @cached_property
    def metadata(self) -> Mapping[str, Any]:
        return (self.start.metadata or {}) if self.start is not None else {}

    def content(self) -> Iterator[tuple[str, Any]]:
        yield "", [self.type, self.status(), self.attempt, self.usage(), self.model_name()]
        yield "tags", sorted(self.tags)
        yield "metadata", shown_metadata(self.metadata, self.tags)
        yield "output", self.output()
        yield "error", self.error()
        yield "chunks", group_chunks(chunk.value for chunk in self.run_chunks())
        for event in self.run_events():
            yield "", event.name
            yield "events", event.data

    def fact(self, name: str) -> Any:
        return _FACTS[name](self)

    def unlink(self) -> None:
        """Forget the others: what refers to itself waits for the garbage collector."""
        self.parent = None
        self.children = []

    def status(self) -> str:
        return status_of(self.ending)

    def runs_at(self, number: int) -> bool:
        """Whether this had not ended when the start of that number was reported."""
        return self.ending is None or self.last >= number

    def details(self) -> dict[str, Any]:
        return (self.start.details or {}) if self.start is not None else {}

    def response(self) -> Any:
        return response_of(self.type, self.ending)

    def output(self) -> Any:
        return output_of(self.type, self.ending)

    def error(self) -> BaseException | None:
        return error_of(self.ending)

    def model_name(self) -> str | None:
        return _model_of(self)

    def usage(self) -> TokenUsage:
        if self.type not in MODEL_TYPES or self.ending is None:
            return UNKNOWN
        if isinstance(self.ending, End):
            return usage_of(next(self.ending.values()))
        return usage_of(response_of(self.type, self.ending.untouched()))

    def run_chunks(self) -> list[RunChunk]:
        """What it streamed: v3 events, else what a model reported, else what was tapped."""
        pieces: list[Token | Chunk | Note] = [*(self.stream_events or self.tokens or self.chunks)]
        return [RunChunk(chunk_of(piece), self.seconds(piece.at)) for piece in pieces]

    def run_events(self) -> list[RunEvent]:
        return [
            RunEvent(custom.name, custom.data, self.seconds(custom.at)) for custom in self.customs
        ]

    def run_notes(self) -> list[RunEvent]:
        return [RunEvent(note.kind, note.value, self.seconds(note.at)) for note in self.notes]

    def seconds(self, at: int) -> float:
        return (at - self.start_ns) / 1e9

    def began(self) -> datetime:
        return moment(self.wall, 0)

    def ended(self) -> datetime | None:
        return None if self.ending is None else moment(self.wall, self.ending.at - self.start_ns)


_FACTS: Mapping[str, Callable[[_Draft], Any]] = {
    "metadata": lambda draft: dict(draft.metadata),
    "inputs": lambda draft: draft.inputs,
    "output": _Draft.output,
    "chunks": _Draft.run_chunks,
    "events": _Draft.run_events,
    "notes": _Draft.run_notes,
    "details": _Draft.details,
    "response": _Draft.response,
    "model": _Draft.model_name,
    "usage": _Draft.usage,
    "start": _Draft.began,
    "end": _Draft.ended,
}


def _gather(
    events: Iterable[Event], forgotten: frozenset[int]
) -> tuple[list[_Draft], list[tuple[_Draft, Event]]]:
    """One draft per run, in the order in which they started, and what happened to which."""
    drafts: list[_Draft] = []
    history: list[tuple[_Draft, Event]] = []
    current: dict[int, _Draft] = {}
    gone = set(forgotten)
    last = 0
    for event in events:
        if event.run_id in gone:
            continue
        if isinstance(event, Start) and event.parent_id in gone:
            gone.add(event.run_id)
            continue
        draft = current.get(event.run_id)
        if isinstance(event, Start):
            last = max(last, event.number)
            if draft is not None and draft.ending is None and draft.start is not None:
                draft.reports += 1
                # The context has seen the last of the reports.
                draft.origin = draft.origin and draft.origin._replace(number=event.number)
                continue
        if draft is None or isinstance(event, Start):
            draft = _Draft(event)
            drafts.append(draft)
            current[event.run_id] = draft
        if _add(draft, event, last):
            history.append((draft, event))
    return drafts, history


def _add(draft: _Draft, event: Event, last: int) -> bool:
    """Whether the event is news: what is reported twice happened once."""
    if draft.reports > 1 and not isinstance(event, Chunk):  # the tap knows each handler once
        draft.heard = Counter() if draft.heard is None else draft.heard
        draft.heard[type(event)] += 1
        if draft.heard[type(event)] % draft.reports != 1:
            return False
    if isinstance(event, (End, Error)):
        if draft.ending is not None:
            return False
        draft.ending = event
        draft.last = last
    elif isinstance(event, Token):
        draft.tokens.append(event)
    elif isinstance(event, Chunk):
        draft.chunks.append(event)
    elif isinstance(event, Custom):
        draft.customs.append(event)
    elif isinstance(event, Note):
        (draft.stream_events if event.kind == STREAM_EVENT else draft.notes).append(event)
    return True


def _join(drafts: list[_Draft]) -> list[_Draft]:
    """Make the tree, and return its roots: the runs whose parents nobody saw start."""
    known: dict[int, _Draft] = {}
    numbered: dict[int | None, _Draft] = {}
    named = {draft.parent_id for draft in drafts}
    lonely = {draft for draft in drafts if draft.name == FALLBACKS and draft.run_id not in named}
    roots = []
    for draft in drafts:
        parent = known.get(draft.parent_id) if draft.parent_id is not None else None
        known[draft.run_id] = draft
        if lonely and draft.origin is not None:
            before = numbered.get(draft.origin.previous)
            parent = _tried_by(draft, draft.origin.number, before, parent, lonely) or parent
            numbered[draft.origin.number] = draft
        if parent is None:
            roots.append(draft)
        else:
            draft.parent = parent
            parent.children.append(draft)
    return roots


def _tried_by(
    draft: _Draft,
    number: int,
    before: _Draft | None,
    parent: _Draft | None,
    lonely: Container[_Draft],
) -> _Draft | None:
    """The run of a `RunnableWithFallbacks` that tries this one, under which it belongs.

    What it tries gets its own config, and so LangChain reports its own parent for both
    (langchain#36072). It tries one after another and does nothing else: so it is the one that
    the context of the new run has seen start, with the same parent, of which nothing runs.
    Where LangChain names it as the parent of anything (a batch), it names it always.
    """
    while before is not None and before is not parent:
        if (
            before in lonely
            and before.parent_id == draft.parent_id
            and before.runs_at(number)
            and not any(child.runs_at(number) for child in before.children)
        ):
            return before
        before = before.parent
    return None


def _finish(root: _Draft, runs: dict[_Draft, Run]) -> Run:
    """The runs of a tree, parents first, so that each knows its parent and is dated from it."""
    root.wall = (root.start.wall if root.start is not None else 0) or Clock.epoch + root.start_ns
    top = runs[root] = _to_run(root, None)
    todo = [root]
    while todo:
        draft = todo.pop()
        for child in draft.children:
            child.wall = draft.wall + child.start_ns - draft.start_ns
            runs[child] = _to_run(child, runs[draft])
        object.__setattr__(runs[draft], "children", Runs(runs[child] for child in draft.children))
        todo += draft.children
    return top


def _to_run(draft: _Draft, parent: Run | None) -> Run:
    error = draft.error()
    status = draft.status()
    return run_from(
        draft,
        id=UUID(int=draft.run_id),
        name=draft.name,
        type=draft.type,
        tags=list(draft.tags),
        status=status,
        error=error if status == "error" else None,
        interrupt=error if status == "interrupted" else None,
        start_ns=draft.start_ns,
        end_ns=draft.ending.at if draft.ending is not None else None,
        attempt=draft.attempt,
        thread=draft.origin.lane[0] if draft.origin is not None else 0,
        parent=parent,
    )


def _model_of(draft: _Draft) -> str | None:
    """The name that was asked for; failing that, the name that the provider answered with."""
    if draft.type not in MODEL_TYPES:
        return None
    start = None if draft.start is None else draft.start.untouched()
    ending = None if draft.ending is None else draft.ending.untouched()
    details = (start.details or {}) if start is not None else {}
    sources: list[tuple[Any, tuple[str, ...]]] = [
        (start.metadata if start is not None else None, ("ls_model_name",)),
        (details.get("invocation_params"), ("model", "model_name", "model_id")),
        (
            getattr(output_of(draft.type, ending), "response_metadata", None),
            ("model_name", "model"),
        ),
        (getattr(response_of(draft.type, ending), "llm_output", None), ("model_name", "model")),
    ]
    for source, keys in sources:
        if isinstance(source, Mapping):
            for key in keys:
                if isinstance(source.get(key), str):
                    return str(source[key])
    return None
