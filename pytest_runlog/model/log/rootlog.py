"""The run log of one root: its patches, and the states that they make."""

from __future__ import annotations

from collections import deque
from functools import cached_property, partial
from itertools import chain
from typing import TYPE_CHECKING, Any, cast

from pytest_runlog.model.events import STREAM_EVENT, Chunk, End, Error, Note, Start, Token
from pytest_runlog.model.log.fold import Fold, plain
from pytest_runlog.model.log.patches import Keys, LogWriter, Shown, Subject, escape
from pytest_runlog.model.log.selection import Selection
from pytest_runlog.model.outcome import chunk_of
from pytest_runlog.model.runs import walk
from pytest_runlog.model.tries import FALLBACKS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from typing import TypeAlias

    from langchain_core.tracers.log_stream import RunLog, RunLogPatch, RunState

    from pytest_runlog.model.events import Event
    from pytest_runlog.model.log.patches import Operation, Patch
    from pytest_runlog.model.runs import Run

Step: TypeAlias = "tuple[Run, Event]"
"""Something that happened to a run."""


class RootLog:
    """Patches and states, derived from what happened to the runs of a tree when asked for."""

    def __init__(self, write: Callable[[Shown], Iterable[Patch]]) -> None:
        self._write = write

    @cached_property
    def operations(self) -> list[Patch]:
        """The operations of each patch; not to be changed."""
        return list(self._write(Shown()))

    def shown(self, shown: Shown) -> list[Patch]:
        """The same, written for somebody who must not see everything."""
        return list(self._write(shown))

    @property
    def patches(self) -> list[RunLogPatch]:
        """The patches as LangChain has them: each time new ones, which may be changed."""
        from langchain_core.tracers.log_stream import RunLogPatch

        return [RunLogPatch(*map(_copy, patch)) for patch in self.operations]

    @property
    def log(self) -> RunLog:
        """All patches as one, with the state that they make."""
        from langchain_core.tracers.log_stream import RunLog

        operations = [_copy(operation) for patch in self.operations for operation in patch]
        return RunLog(*operations, state=cast("RunState", self.state))

    @property
    def state(self) -> dict[str, Any]:
        """The state after all patches."""
        return self.state_at(len(self.operations))

    def state_at(self, length: int) -> dict[str, Any]:
        """The state after that many patches; before the first it is an empty dict."""
        if type(length) is not int:
            raise TypeError(f"state_at takes a number of patches, not {length!r}")
        count = len(self.operations)
        if not 0 <= length <= count:
            raise IndexError(
                f"state_at({length!r}): this log has {count} patches, so there are the states "
                f"after 0 to {count} of them"
            )
        state: dict[str, Any] = plain(self.fold.view(length))
        return state

    def states(self) -> Iterator[tuple[RunLogPatch, Mapping[str, Any]]]:
        """Each patch, and a view of the state after it. The patches are to be read only."""
        from langchain_core.tracers.log_stream import RunLogPatch

        view = self.fold.view
        for length, patch in enumerate(self.operations, 1):
            # What starts a run is a dict, of which jsonpatch may change the lists.
            is_start = type(patch[0]["value"]) is dict
            yield RunLogPatch(*(map(_copy, patch) if is_start else patch)), view(length)

    def check(self) -> None:
        """Raise an exception unless these are the patches of a run log."""
        if self.operations[0][0]["path"]:
            raise ValueError(f"no run log begins with {self.operations[0][0]['path']!r}")
        for operation in chain.from_iterable(self.operations):
            if operation["op"] not in {"add", "replace"}:
                raise ValueError(f"no run log has the operation {operation['op']!r}")
        self.fold.view(self.fold.length)
        deque(filtered(self.operations, Selection()), maxlen=0)

    def filtered(self, selection: Selection) -> RootLog:
        """The log with only the runs that are selected."""
        return RootLog(lambda _shown: filtered(self.operations, selection))

    @cached_property
    def fold(self) -> Fold:
        """All patches, folded."""
        return Fold(self.operations)


class Histories:
    """What happened to the runs of each root, sorted out when it is first asked for."""

    def __init__(
        self, roots: Sequence[Run], history: Iterable[tuple[Any, Event]], runs: Mapping[Any, Run]
    ) -> None:
        self._roots = roots
        self._history = history
        self._runs = runs

    def write(self, root: Run, shown: Shown) -> Iterator[Patch]:
        """The patches of a root."""
        return write(root, self._by_root[id(root)], shown)

    @cached_property
    def _by_root(self) -> dict[int, list[Step]]:
        steps: dict[int, list[Step]] = {id(root): [] for root in self._roots}
        root_of = {id(run): id(root) for root in self._roots for run in walk([root])}
        for key, event in self._history:
            run = self._runs[key]
            steps[root_of[id(run)]].append((run, event))
        return steps


def keep_logs(
    roots: Sequence[Run], history: Iterable[tuple[Any, Event]], runs: Mapping[Any, Run]
) -> None:
    """Give each root its log. `runs` says which run a key of the history stands for."""
    histories = Histories(roots, history, runs)
    for root in roots:
        object.__setattr__(root, "_own_log", RootLog(partial(histories.write, root)))


def write(root: Run, steps: Sequence[Step], shown: Shown) -> Iterator[Patch]:
    """The patches of a root, from what happened to it and to the runs below it."""
    writer = LogWriter(shown=shown)
    relayed = _relayed(root, steps)
    has_events = any(run is root and _is_streamed_event(event) for run, event in steps)
    given: list[Any] = []
    for run, event in steps:
        key = id(run)
        if key not in writer:
            yield writer.start(key, _subject(run, event))
        if isinstance(event, (Token, Chunk)):
            chunk = chunk_of(event)
            if run is root or run is relayed:
                given.append(chunk)
            if isinstance(event, Chunk):
                yield writer.chunk(key, chunk)
            elif run is not root or not has_events:
                yield writer.token(key, event.token, chunk)
            if run is relayed:
                yield writer.chunk(id(root), chunk)
        elif isinstance(event, Note) and _is_streamed_event(event):
            yield writer.chunk(key, event.value)
        elif isinstance(event, (End, Error)) and run.end is not None:
            yield writer.end(key, event, run.end, given)


def filtered(patches: Iterable[Patch], selection: Selection) -> Iterator[Patch]:
    """The patches of a log without those of other runs; keys are numbered anew."""
    keys = Keys()
    places: dict[str, str | None] = {}
    for patch in patches:
        place = _place_of(patch[0]["path"])
        if place and place not in places:
            entry = patch[0]["value"]
            kept = selection.keeps(entry["name"], entry["type"], _texts(entry["tags"]))
            places[place] = f"/logs/{escape(keys.new(entry['name']))}" if kept else None
        new = places.get(place, place)
        if new is not None:
            yield [{**op, "path": new + op["path"][len(place) :]} for op in patch]


def _texts(tags: Any) -> list[str]:
    """The tags of an entry, which a hook of the user's may have made anything of."""
    return [tag for tag in tags if isinstance(tag, str)] if isinstance(tags, list) else []


def _place_of(path: str) -> str:
    """The path of the run that an operation is about: `""` of the root."""
    parts = path.split("/", 3)
    return f"/logs/{parts[2]}" if parts[1:2] == ["logs"] else ""


def _subject(run: Run, event: Event) -> Subject:
    return Subject(
        id=run.id,
        name=run.name,
        type=run.type,
        tags=run.tags,
        metadata=run.metadata,
        inputs=event.inputs if isinstance(event, Start) else None,
        parent_id=None if run.parent is None else run.parent.id,
        start=run.start,
    )


def _relayed(root: Run, steps: Iterable[Step]) -> Run | None:
    """The run whose chunks are the root's, though LangChain does not show them as such.

    That is what a `RunnableBranch` chose, or a `RunnableWithFallbacks` ended up with: they
    stream what it streams, by a `stream()` of their own. It may be one of them itself.
    """
    if root.chunks or not root.children:
        return None
    children: dict[int, dict[int, Run]] = {}
    for run, _ in steps:
        children.setdefault(id(run.parent), {})[id(run)] = run
    run = root
    while not run.chunks and id(run) in children:
        started = list(children[id(run)].values())
        if run.name != FALLBACKS and not all(map(_is_of_branch, started)):
            return None
        run = started[-1]
    return run if run.chunks and _is_streamed(run) else None


def _is_streamed_event(event: Event) -> bool:
    """Whether this is an event of `stream_events(version="v3")`."""
    return isinstance(event, Note) and event.kind == STREAM_EVENT


def _is_of_branch(run: Run) -> bool:
    """Whether a run is a condition or a branch of a `RunnableBranch`."""
    return any(tag.startswith(("condition:", "branch:")) for tag in run.tags)


def _is_streamed(run: Run) -> bool:
    """Whether `stream()` was called: a model may report tokens without, and answer at once.

    Streamed, it ends with a chunk of all it gave, also where it failed. Before, nobody knows.
    """
    if not run.is_model or run.response is None:
        return True
    return any(
        type(generation).__name__.endswith("Chunk")
        for prompt in getattr(run.response, "generations", None) or []
        for generation in prompt
    )


def _copy(operation: Operation) -> Operation:
    """An operation of which jsonpatch may change what it changes: old versions do."""
    value = operation["value"]
    if type(value) is dict and operation["path"].count("/") in (0, 2):
        value = {
            name: item.copy() if type(item) in (dict, list) else item
            for name, item in value.items()
        }
        return {**operation, "value": value}
    return operation.copy()
