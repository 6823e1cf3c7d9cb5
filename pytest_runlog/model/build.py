"""Events become runs: the tree, its order, and what each run took and gave."""

from __future__ import annotations

from asyncio import CancelledError
from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pytest_runlog.model.data import group_chunks, shown_metadata
from pytest_runlog.model.events import (
    Chunk,
    Custom,
    End,
    Error,
    Note,
    Start,
    Token,
)
from pytest_runlog.model.journal import Clock
from pytest_runlog.model.order import Origin, Place, sort_places
from pytest_runlog.model.runs import MODEL_TYPES, Run, RunEvent, Runs, moment, walk
from pytest_runlog.model.runs import Chunk as RunChunk
from pytest_runlog.model.usage import UNKNOWN, usage_of

if TYPE_CHECKING:
    from uuid import UUID

    from pytest_runlog.model.events import Event, Lane
    from pytest_runlog.model.order import Text

_ATTEMPT = "retry:attempt:"
_FALLBACKS = "RunnableWithFallbacks"
_INTERRUPTIONS = (CancelledError, GeneratorExit, KeyboardInterrupt, SystemExit)


def build_runs(
    events: Iterable[Event], lane: Lane, text: Text, forgotten: Iterable[UUID] = ()
) -> Runs:
    """All runs that the events tell of, depth-first in canonical order.

    `text` gives the canonical text of a value; it is called only for runs that structure
    alone does not order. Events of `forgotten` runs are left out.
    """
    drafts = _gather(events, frozenset(forgotten))
    roots = _join(drafts)
    _number_attempts(drafts)
    return Runs(walk([_finish(root) for root in sort_places(roots, lane, text)]))


def is_interruption(error: BaseException) -> bool:
    """Whether an exception broke a run off without being an error of the chain.

    That is what closes a generator, cancels a task or ends the process, and what LangGraph
    raises to pause a graph.
    """
    return isinstance(error, _INTERRUPTIONS) or _is_a(error, "GraphBubbleUp", "Cancelled")


@dataclass(eq=False)
class _Draft(Place):
    """What the events say of one run."""

    run_id: UUID
    parent_id: UUID | None
    type: str
    start_ns: int
    start: Start | None
    parent: _Draft | None = None
    reports: int = 1
    """How often LangChain reports each event: twice if a handler is there twice."""
    ending: End | Error | None = None
    tokens: list[Token] = field(default_factory=list)
    chunks: list[Chunk] = field(default_factory=list)
    customs: list[Custom] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)

    def content(self) -> Any:
        return [
            self.type,
            self.status(),
            self.attempt,
            sorted(self.tags),
            shown_metadata(self.metadata, self.tags),
            self.output(),
            self.error(),
            self.usage(),
            _model_of(self),
            group_chunks(chunk.value for chunk in self.run_chunks()),
            [[event.name, event.data] for event in self.run_events()],
        ]

    def status(self) -> str:
        if self.ending is None:
            return "unfinished"
        error = self.error()
        if error is None:
            return "ok"
        return "interrupted" if is_interruption(error) else "error"

    def runs_at(self, number: int) -> bool:
        """Whether this had not ended when the start of that number was reported."""
        return self.ending is None or self.last >= number

    def details(self) -> dict[str, Any]:
        return (self.start.details or {}) if self.start is not None else {}

    def response(self) -> Any:
        """The `LLMResult` of a model, also the partial one of a model that failed."""
        if self.type not in MODEL_TYPES:
            return None
        if isinstance(self.ending, End):
            return self.ending.output
        return (self.ending.details or {}).get("response") if self.ending is not None else None

    def output(self) -> Any:
        if isinstance(self.ending, Error):
            return _command_of(self.ending.error)
        if self.ending is None:
            return None
        if self.type in MODEL_TYPES:
            return _answer(self.ending.output)
        return self.ending.output

    def error(self) -> BaseException | None:
        """The exception that ended the run, unless it only carries a command to a graph."""
        if isinstance(self.ending, Error) and not _is_a(self.ending.error, "ParentCommand"):
            return self.ending.error
        return None

    def usage(self) -> Any:
        return usage_of(self.response()) if self.type in MODEL_TYPES else UNKNOWN

    def run_chunks(self) -> list[RunChunk]:
        tokens = [
            RunChunk(_streamed(token), self.seconds(token.at))
            for token in self.tokens[:: self.reports]
        ]
        return tokens or [RunChunk(chunk.value, self.seconds(chunk.at)) for chunk in self.chunks]

    def run_events(self) -> list[RunEvent]:
        return [
            RunEvent(custom.name, custom.data, self.seconds(custom.at))
            for custom in self.customs[:: self.reports]
        ]

    def run_notes(self) -> list[RunEvent]:
        return [
            RunEvent(note.kind, note.value, self.seconds(note.at))
            for note in self.notes[:: self.reports]
        ]

    def seconds(self, at: int) -> float:
        return (at - self.start_ns) / 1e9


def _gather(events: Iterable[Event], forgotten: frozenset[UUID]) -> list[_Draft]:
    """One draft per run, in the order in which they started."""
    drafts: list[_Draft] = []
    current: dict[UUID, _Draft] = {}
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
            draft = _begin(event)
        elif draft is None:
            draft = _begin_late(event)
        else:
            _add(draft, event, last)
            continue
        drafts.append(draft)
        current[event.run_id] = draft
        if not isinstance(event, Start):
            _add(draft, event, last)
    return drafts


def _begin(start: Start) -> _Draft:
    inputs = start.inputs
    if start.type in MODEL_TYPES and isinstance(inputs, list) and len(inputs) == 1:
        inputs = inputs[0]  # LangChain reports each prompt as a run of its own
    return _Draft(
        start.name,
        inputs,
        start.tags,
        start.metadata or {},
        Origin(start.number, start.previous, start.lane, start.thread_name),
        start.run_id,
        start.parent_id,
        start.type,
        start.at,
        start,
    )


def _begin_late(event: Event) -> _Draft:
    """A run whose start LangChain did not report (langchain#39633)."""
    type_ = getattr(event, "type", "llm" if isinstance(event, Token) else "chain")
    parent_id = getattr(event, "parent_id", None)
    return _Draft("Unnamed", None, [], {}, None, event.run_id, parent_id, type_, event.at, None)


def _add(draft: _Draft, event: Event, last: int) -> None:
    if isinstance(event, (End, Error)):
        if draft.ending is None:
            draft.ending = event
            draft.last = last
            if event.details is not None and event.details.get("inputs") is not None:
                draft.inputs = event.details["inputs"]
    elif isinstance(event, Token):
        draft.tokens.append(event)
    elif isinstance(event, Chunk):
        draft.chunks.append(event)
    elif isinstance(event, Custom):
        draft.customs.append(event)
    elif not isinstance(event, Start):
        draft.notes.append(event)


def _join(drafts: list[_Draft]) -> list[_Draft]:
    """Make the tree, and return its roots: the runs whose parents nobody saw start."""
    known: dict[UUID, _Draft] = {}
    numbered: dict[int | None, _Draft] = {}
    named = {draft.parent_id for draft in drafts}
    lonely = {draft for draft in drafts if draft.name == _FALLBACKS and draft.run_id not in named}
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


def _number_attempts(drafts: list[_Draft]) -> None:
    """Tell the attempts of retries: LangChain tags all but the first, which has their name."""
    for draft in drafts:
        draft.attempt = _tagged_attempt(draft)
    for parent in drafts:
        attempts = [child for child in parent.children if child.name == parent.name]
        if any(child.attempt is not None for child in attempts):
            for child in attempts:
                child.attempt = child.attempt or 1


def _finish(root: _Draft) -> Run:
    """The runs of a tree, parents first, so that each knows its parent."""
    wall = root.start.wall if root.start is not None else 0
    wall = wall or Clock.epoch + root.start_ns
    top = _to_run(root, None, wall, root.start_ns)
    todo = [(root, top)]
    while todo:
        draft, run = todo.pop()
        children = [_to_run(child, run, wall, root.start_ns) for child in draft.children]
        object.__setattr__(run, "children", Runs(children))
        todo += zip(draft.children, children)
    return top


def _to_run(draft: _Draft, parent: Run | None, wall: int, wall_ns: int) -> Run:
    error = draft.error()
    status = draft.status()
    end_ns = draft.ending.at if draft.ending is not None else None
    return Run(
        id=draft.run_id,
        name=draft.name,
        type=draft.type,
        tags=list(draft.tags),
        metadata=dict(draft.metadata),
        inputs=draft.inputs,
        output=draft.output(),
        status=status,
        error=error if status == "error" else None,
        interrupt=error if status == "interrupted" else None,
        start=moment(wall, draft.start_ns - wall_ns),
        end=None if end_ns is None else moment(wall, end_ns - wall_ns),
        start_ns=draft.start_ns,
        end_ns=end_ns,
        chunks=draft.run_chunks(),
        events=draft.run_events(),
        notes=draft.run_notes(),
        model=_model_of(draft),
        attempt=draft.attempt,
        thread=draft.origin.lane[0] if draft.origin is not None else 0,
        details=draft.details(),
        response=draft.response(),
        usage=draft.usage(),
        parent=parent,
    )


def _model_of(draft: _Draft) -> str | None:
    """The name that was asked for; failing that, the name that the provider answered with."""
    if draft.type not in MODEL_TYPES:
        return None
    parameters = draft.details().get("invocation_params")
    response = draft.response()
    sources: list[tuple[Any, tuple[str, ...]]] = [
        (draft.metadata, ("ls_model_name",)),
        (parameters, ("model", "model_name", "model_id")),
        (getattr(draft.output(), "response_metadata", None), ("model_name", "model")),
        (getattr(response, "llm_output", None), ("model_name", "model")),
    ]
    for source, keys in sources:
        if isinstance(source, Mapping):
            for key in keys:
                if isinstance(source.get(key), str):
                    return str(source[key])
    return None


def _answer(response: Any) -> Any:
    """The message, or text, of a model's first generation."""
    for prompt in getattr(response, "generations", None) or []:
        for generation in prompt:
            message = getattr(generation, "message", None)
            return generation.text if message is None else message
    return None


def _streamed(token: Token) -> Any:
    """What a model streamed: a message chunk, or text."""
    return token.token if token.message is None else token.message


def _tagged_attempt(place: Place) -> int | None:
    for tag in place.tags:
        number = tag[len(_ATTEMPT) :]
        if tag.startswith(_ATTEMPT) and number.isdecimal():
            return int(number)
    return None


def _command_of(error: BaseException) -> Any:
    """The command that a node sends to the parent graph by raising."""
    return error.args[0] if _is_a(error, "ParentCommand") and error.args else None


def _is_a(error: BaseException, *names: str) -> bool:
    return any(base.__name__ in names for base in type(error).__mro__)
