"""`Run` and `Runs`: what a chain did, as a person asks about it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, overload

from pytest_runlog.model.events import MODEL_TYPES
from pytest_runlog.model.log.selection import select
from pytest_runlog.model.masking import Mask
from pytest_runlog.model.text import HasTree, lines_of, tree_lines
from pytest_runlog.model.usage import TokenUsage, add_up

if TYPE_CHECKING:
    from typing import NoReturn
    from uuid import UUID

    from langchain_core.tracers.log_stream import RunLog, RunLogPatch

    from pytest_runlog.model.log.rootlog import RootLog
    from pytest_runlog.model.text import Level


_UNMASKED = Mask()
DERIVED = (
    *("metadata", "inputs", "output", "chunks", "events", "notes", "details", "response"),
    *("model", "usage", "start", "end"),
)
"""The members of a run that most tests do not look at."""


class Chunk(NamedTuple):
    """A streamed piece of a run's output."""

    value: Any
    at: float
    """Seconds from the start of the run."""


class RunEvent(NamedTuple):
    """Something that a run reported between its start and its end."""

    name: str
    """The name of a custom event; `"text"`, `"retry"`, `"agent_action"`, … of the others."""
    data: Any
    at: float
    """Seconds from the start of the run."""


@dataclass(frozen=True, eq=False, repr=False)
class Run(HasTree):
    """One run of a runnable, model, tool or retriever. Read-only."""

    id: UUID
    name: str
    type: str
    """`chain`, `llm`, `chat_model`, `tool`, `retriever`, `prompt` or `parser`."""
    tags: list[str]
    metadata: dict[str, Any]
    inputs: Any
    """What the runnable took: a model's messages (or prompt), a tool's arguments, …"""
    output: Any
    """What it gave: a model's message (or text), a retriever's documents, …; or `None`."""
    status: str
    """`"ok"`, `"error"`, `"unfinished"` or `"interrupted"`."""
    error: BaseException | None
    """What it failed with, if its status is `"error"`."""
    interrupt: BaseException | None
    """What broke it off, if its status is `"interrupted"`: no error of the chain's."""
    start: datetime
    end: datetime | None
    start_ns: int
    end_ns: int | None
    """Readings of the monotonic clock, for differences."""
    chunks: list[Chunk]
    """The chunks that were streamed, in order: a model's are messages or text."""
    events: list[RunEvent]
    """The custom events that the run dispatched."""
    notes: list[RunEvent]
    """What else LangChain reported: texts, retries, actions of an `AgentExecutor`, …"""
    model: str | None
    """The model's own name, such as `"gpt-4o"`, where LangChain knows it."""
    attempt: int | None
    """Which attempt of a retry this is, from 1; `None` outside of retries."""
    thread: int
    """Identifier of the thread that it started on."""
    details: dict[str, Any]
    """What else LangChain gave at the start: `invocation_params`, `tool_call_id`, …"""
    response: Any
    """The `LLMResult` of a model run, also the partial one of a failed run."""
    usage: TokenUsage
    """The usage that this run itself reported."""
    parent: Run | None = None
    children: Runs = field(default_factory=lambda: Runs(()))
    """In canonical order."""
    _own_log: RootLog | None = None
    _mask: Mask = _UNMASKED

    @property
    def is_model(self) -> bool:
        """Whether this is a run of a model, chat or completion."""
        return self.type in MODEL_TYPES

    @property
    def latency(self) -> float | None:
        """Seconds from start to end, `None` while unfinished."""
        return None if self.end_ns is None else (self.end_ns - self.start_ns) / 1e9

    @property
    def self_latency(self) -> float | None:
        """Seconds in which none of its children ran, `None` while unfinished."""
        if self.end_ns is None:
            return None
        spans = sorted(
            (child.start_ns, self.end_ns if child.end_ns is None else child.end_ns)
            for child in self.children
        )
        busy, until = 0, self.start_ns
        for start, end in spans:
            busy += max(0, min(end, self.end_ns) - max(start, until))
            until = max(until, end)
        return (self.end_ns - self.start_ns - busy) / 1e9

    @property
    def ttft(self) -> float | None:
        """Seconds to the first token or chunk, of this run or, if it gave none, of one under it.

        `None` when nothing was streamed.
        """
        if self.chunks:
            return self.chunks[0].at
        firsts = [
            run.start_ns + round(run.chunks[0].at * 1e9) for run in self.descendants if run.chunks
        ]
        return (min(firsts) - self.start_ns) / 1e9 if firsts else None

    @property
    def tokens(self) -> TokenUsage:
        """The tokens of this model run, or of the model runs under this run, added up."""
        if self.is_model:
            return self.usage
        return self.descendants.tokens

    @property
    def tool_calls(self) -> list[dict[str, Any]]:
        """The tool calls that a model asked for: dicts with `name`, `args` and `id`."""
        if not self.is_model:
            return []
        calls = (
            self.output.get("tool_calls")  # of a saved run
            if isinstance(self.output, dict)
            else getattr(self.output, "tool_calls", None)
        )
        return list(calls or [])

    @property
    def descendants(self) -> Runs:
        """The runs under this one, depth-first in canonical order."""
        return Runs(walk(self.children))

    @property
    def path(self) -> str:
        """Names from the root to this run: `"RunnableSequence/ChatOpenAI"`."""
        return "/".join(run.name for run in self._lineage())

    @property
    def root(self) -> Run:
        """The run without a parent that this one is under, or this one."""
        return self._lineage()[0]

    def tree(self, level: Level = "structure") -> str:
        """This run and what is under it as text: `"shape"`, `"structure"` or `"full"`."""
        return "\n".join(tree_lines([self], self._mask, level))

    @property
    def log(self) -> RunLog:
        """LangChain's run log of this root: `log.ops` and `log.state`."""
        return self._root_log("log").log

    def filtered_log(
        self,
        *,
        include_names: Iterable[str] | None = None,
        include_types: Iterable[str] | None = None,
        include_tags: Iterable[str] | None = None,
        exclude_names: Iterable[str] | None = None,
        exclude_types: Iterable[str] | None = None,
        exclude_tags: Iterable[str] | None = None,
        **unknown: NoReturn,
    ) -> RunLog:
        """The log of this root with only the runs that LangChain's filters would keep.

        That is, those that any of the `include_…` names, or all if none is given, without
        those that any of the `exclude_…` names. Types are those of the entries.
        """
        selection = select(
            include_names=include_names,
            include_types=include_types,
            include_tags=include_tags,
            exclude_names=exclude_names,
            exclude_types=exclude_types,
            exclude_tags=exclude_tags,
            **unknown,
        )
        return self._root_log("filtered_log").filtered(selection).log

    @property
    def patches(self) -> list[RunLogPatch]:
        """LangChain's patches of this root, in the order in which things happened."""
        return self._root_log("patches").patches

    @property
    def state(self) -> dict[str, Any]:
        """The state that all patches of this root make."""
        return self._root_log("state").state

    def state_at(self, length: int) -> dict[str, Any]:
        """The state after the first `length` patches. Raises `IndexError` if there are fewer."""
        return self._root_log("state_at").state_at(length)

    def states(self) -> Iterator[tuple[RunLogPatch, Mapping[str, Any]]]:
        """Each patch of this root, and the state after it: both to be read, and to be kept."""
        return self._root_log("states").states()

    def _root_log(self, member: str) -> RootLog:
        if self._own_log is None:
            raise AttributeError(
                f"only roots have {member!r}: {self.path!r} is part of the root "
                f"{self.root.name!r}, whose log has it; use run.root.{member}"
            )
        return self._own_log

    def _lineage(self) -> list[Run]:
        lineage = [self]
        while (parent := lineage[-1].parent) is not None:
            lineage.append(parent)
        return lineage[::-1]

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Run):
            return NotImplemented
        return (self.id, self.start_ns) == (other.id, other.start_ns)

    def __hash__(self) -> int:
        return hash(self.id)

    def _short(self) -> str:
        return f"<Run {self.path} ({self.type}, {self.status})>"


class Facts(Protocol):
    """What the members of a run are derived from, each when it is first asked for."""

    def fact(self, name: str) -> Any:
        """The value of that member."""


class _Later:
    """A member of a run that is not known yet; what is known hides it."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __get__(self, run: Run | None, _owner: type[Run]) -> Any:
        if run is None or "_facts" not in run.__dict__:
            raise AttributeError(self._name)
        return run.__dict__.setdefault(self._name, run.__dict__["_facts"].fact(self._name))


for _name in DERIVED:
    setattr(Run, _name, _Later(_name))

# Serializers and data classes that copy themselves would take a run for its fields.
del Run.__dataclass_fields__


def run_from(facts: Facts, **known: Any) -> Run:
    """A run of which all but `DERIVED` is known."""
    run = object.__new__(Run)
    run.__dict__.update(known, _facts=facts)
    return run


class Runs(Sequence[Run], HasTree):
    """Several runs, in canonical order."""

    __slots__ = ("_runs",)

    def __init__(self, runs: Iterable[Run]) -> None:
        self._runs = tuple(runs)

    @property
    def names(self) -> list[str]:
        """The name of each run."""
        return [run.name for run in self._runs]

    @property
    def latencies(self) -> list[float | None]:
        """The latency of each run in seconds, `None` for unfinished ones."""
        return [run.latency for run in self._runs]

    @property
    def outputs(self) -> list[Any]:
        """The output of each run."""
        return [run.output for run in self._runs]

    @property
    def tokens(self) -> TokenUsage:
        """The tokens of the model runs among these, added up; one unknown makes them unknown."""
        return add_up(run.usage for run in self._runs if run.is_model)

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
        """The runs that match all that is given.

        Strings are exact or patterns as in `fnmatch` (`*`, `?`, `[abc]`). `under` is a run,
        or the name of one, that the run must lie below; `where` is any function of a run.
        """
        return Runs(
            run
            for run in self._runs
            if (name is None or matches(run.name, name))
            and (type is None or matches(run.type, type))
            and (tag is None or any(matches(tag_, tag) for tag_ in run.tags))
            and (model is None or (run.model is not None and matches(run.model, model)))
            and (path is None or matches(run.path, path))
            and (status is None or matches(run.status, status))
            and (under is None or _is_under(run, under))
            and (where is None or where(run))
        )

    def tree(self, level: Level = "structure") -> str:
        """These runs and no others as text, each below the closest one that it is part of."""
        return "\n".join(lines_of(self._runs, mask_of, level))

    def overlapped(self) -> bool:
        """Whether any two of these ran at the same time."""
        spans = sorted(
            (run.start_ns, float("inf") if run.end_ns is None else run.end_ns) for run in self._runs
        )
        return any(start < end for (_, end), (start, _) in zip(_running_ends(spans), spans[1:]))

    @overload
    def __getitem__(self, index: int) -> Run: ...
    @overload
    def __getitem__(self, index: slice) -> Runs: ...
    def __getitem__(self, index: int | slice) -> Run | Runs:
        if isinstance(index, slice):
            return Runs(self._runs[index])
        return self._runs[index]

    def __len__(self) -> int:
        return len(self._runs)

    def __iter__(self) -> Iterator[Run]:
        return iter(self._runs)

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Runs):
            return self._runs == other._runs
        if isinstance(other, (list, tuple)):
            return list(self._runs) == list(other)
        return NotImplemented

    __hash__ = None  # type: ignore[assignment]

    def _short(self) -> str:
        return f"[{', '.join(map(repr, self._runs))}]"


def walk(runs: Iterable[Run]) -> Iterator[Run]:
    """Each run and the runs under it, depth-first."""
    todo = [iter(runs)]
    while todo:
        run = next(todo[-1], None)
        if run is None:
            todo.pop()
        else:
            yield run
            todo.append(iter(run.children))


def log_of(run: Run) -> RootLog | None:
    """What the members of a root that are about its log come from; other runs have none."""
    return run._own_log  # noqa: SLF001 (no member of it for users to see)


def show_with(runs: Iterable[Run], mask: Mask) -> None:
    """Mask these runs where they are shown."""
    for run in runs:
        object.__setattr__(run, "_mask", mask)


def moment(wall: int, ns: int) -> datetime:
    """The time `ns` nanoseconds after `wall`, which is in nanoseconds since the epoch."""
    epoch = datetime(1970, 1, 1, tzinfo=timezone.utc)
    return epoch + timedelta(microseconds=(wall + ns) / 1000)


def mask_of(run: Run) -> Mask:
    """What is masked where the run is shown."""
    return run._mask  # noqa: SLF001 (no member of it for users to see)


def matches(value: str, pattern: str) -> bool:
    """Whether the value is the pattern, or one that the pattern fits, as in `fnmatch`."""
    return value == pattern or fnmatchcase(value, pattern)


def _is_under(run: Run, ancestor: Run | str) -> bool:
    parent = run.parent
    while parent is not None:
        if parent == ancestor or (isinstance(ancestor, str) and matches(parent.name, ancestor)):
            return True
        parent = parent.parent
    return False


def _running_ends(spans: list[tuple[int, float]]) -> Iterator[tuple[int, float]]:
    latest = float("-inf")
    for start, end in spans:
        latest = max(latest, end)
        yield start, latest
