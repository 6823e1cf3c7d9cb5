"""The canonical order: what the clock cannot change.

A chain that is run again on the same inputs gives the same order, whatever the delays, threads,
tasks and processes. Code that runs one thing after another keeps the order in which it ran.
Siblings that run at the same time are ordered by structure (the step, key, branch, attempt or
node that LangChain and LangGraph tell), by the place of their inputs in the list that their
parent was given, by name, by inputs, and last by all else that can be seen of them, of what is
under them and of what followed them. So it is a total order: runs that no comparison can tell
apart are interchangeable.

How it is known what came first: each run hangs on an *anchor*, the sibling that contains the
start that its context saw last, or the head of the list. What hangs on one anchor was started
from the same point: first come the forks, in the order above, then what the same thread or
task went on with. Which worker of a pool takes a job is chance, so the workers of a pool count
as one, and a worker belongs to a run only until the run ends.

What cannot be known, and is ordered as if it ran at the same time:

- What `batch`, `asyncio.gather` or an executor is given has no index. LangChain tells it of
  `RunnableParallel`, and the list of `.map()` shows it.
- Tasks and threads that are started and waited for one at a time look like concurrent ones
  (`asyncio.to_thread` in a loop, `asyncio.wait_for` before Python 3.12), and so do batches with
  no run between them, and completion models that async code calls with no other run between.
- A thread that was not given the context shows nothing. If it is given the config, its runs
  come first among their parent's children; if not, they are roots and come last.
- A worker's own order of runs, where it was given neither: the next job is like the next step.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections import defaultdict
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from typing import TypeAlias

    from pytest_runlog.model.events import Lane

Structure: TypeAlias = "tuple[tuple[int, int, str], ...]"
"""Kind, number and name of each thing that LangChain says of a run's place."""

_TAG = re.compile(
    r"(seq:step|graph:step|retry:attempt|condition|branch):(-?\d+|default)|(map:key):(.*)",
    re.DOTALL,
)
_KINDS = ("seq:step", "graph:step", "retry:attempt", "map:key", "condition", "branch", "path")
_PATH = _KINDS.index("path")
_WORKER = re.compile(r"(.*)_\d+", re.DOTALL)
_FALLBACKS = "RunnableWithFallbacks"


class Place(Protocol):
    """Where a run stands: what of it the order depends on."""

    children: list[Any]
    """Its own kind of place."""

    @property
    def name(self) -> str:
        """The name of the run."""

    @property
    def inputs(self) -> Any:
        """What it took."""

    @property
    def tags(self) -> Sequence[str]:
        """Its tags."""

    @property
    def metadata(self) -> Mapping[str, Any]:
        """Its metadata."""

    @property
    def origin(self) -> Origin | None:
        """Where its start came from, `None` if nobody saw it."""

    @property
    def attempt(self) -> int | None:
        """Which attempt of a retry this is. LangChain tags only some of them."""

    @property
    def last(self) -> float:
        """Number of the last start, of any run, before this one ended."""

    def content(self) -> Iterable[tuple[str, Any]]:
        """All else that a person can see of the run, each with the place where it is masked."""


PlaceT = TypeVar("PlaceT", bound=Place)


class Text(Protocol):
    """Canonical text of a value, the same for values that differ only in what is volatile."""

    def __call__(self, value: Any, path: str = "", /) -> str:
        """The text of a value that is at that place of a run."""


class Origin(NamedTuple):
    """Where a start came from."""

    number: int
    """Counts the starts of the process."""
    previous: int | None
    """Number of the start seen last in this context, `None` when unknown."""
    lane: Lane
    thread_name: str
    """`""` on the recorder's thread."""


def sort_places(roots: Iterable[PlaceT], lane: Lane, text: Text) -> list[PlaceT]:
    """The roots in canonical order, and below each one its children, in place.

    `lane` is the recorder's: roots that start there are known to follow one another. Takes
    a time proportional to `n log n` and at most a few calls of `text` for each place.
    """
    return _Sorter(roots, text).sort(lane)


def structure_of(place: Place) -> Structure:
    """What LangChain's tags and LangGraph's metadata say of a run's place; comparable.

    LangGraph's metadata is inherited, so it counts only where the run itself is a node, or a
    task that an `entrypoint` called.
    """
    keys: list[tuple[int, int, str]] = []
    if place.attempt is not None and not any(tag.startswith("retry:") for tag in place.tags):
        keys.append((_KINDS.index("retry:attempt"), place.attempt, ""))
    node, path = place.metadata.get("langgraph_node"), place.metadata.get("langgraph_path")
    is_call = isinstance(path, (list, tuple)) and bool(path) and path[-1] is True
    is_node = is_call and node == place.name
    for tag in sorted(place.tags):
        found = _TAG.fullmatch(tag)
        if found is None:
            continue
        kind, which, key_kind, key = found.groups()
        if key_kind is not None:
            keys.append((_KINDS.index(key_kind), 0, key))
        elif which == "default":
            keys.append((_KINDS.index(kind), 0, which))
        else:
            keys.append((_KINDS.index(kind), int(which), ""))
        is_node = is_node or kind == "graph:step"
    if is_node:
        keys += [*_path_keys(path), (_PATH, 0, str(node))]
    return tuple(keys)


def _path_keys(part: Any) -> Iterator[tuple[int, int, str]]:
    if isinstance(part, (list, tuple)):
        for inner in part:
            yield from _path_keys(inner)
    elif isinstance(part, int):
        yield (_PATH, part, "")
    elif part is not None:
        yield (_PATH, 0, str(part))


class _Siblings(Generic[PlaceT]):
    """The children of a run, or the roots, by what each was started after."""

    def __init__(self) -> None:
        self.line: list[PlaceT] = []
        """Started by the parent itself, one after another."""
        self.heads: list[PlaceT] = []
        """Started from where the list begins."""
        self.forks: dict[PlaceT, list[PlaceT]] = defaultdict(list)
        """By anchor: what was started from there, at the same time for all that is known."""
        self.follow: dict[PlaceT, list[PlaceT]] = defaultdict(list)
        """By anchor: what the same thread or task went on with."""
        self.strangers: list[PlaceT] = []
        """Nothing connects them with the recorder."""


class _Sorter(Generic[PlaceT]):
    def __init__(self, roots: Iterable[PlaceT], text: Text) -> None:
        self.roots = list(roots)
        self.text = text
        self.entered: dict[PlaceT, int] = {}
        """Places are numbered depth-first, so those under one are without a gap."""
        self.left: dict[PlaceT, int] = {}
        self.started: dict[int, int] = {}
        """For the number of each start, that of its place."""
        self.structures: dict[PlaceT, Structure] = {}
        self.hanging: dict[PlaceT, list[PlaceT]] = {}
        """The siblings that hang on a place, in order."""
        self.tree_digests: dict[PlaceT, bytes] = {}
        self.branch_digests: dict[PlaceT, bytes] = {}

    def sort(self, lane: Lane) -> list[PlaceT]:
        for place in reversed(self.enter_all()):  # children before their parents
            if len(place.children) > 1:
                own_lane = place.origin.lane if place.origin is not None else None
                place.children = self.siblings(place.children, place, own_lane)
        return self.siblings(self.roots, None, lane)

    def enter_all(self) -> list[PlaceT]:
        """Note where each place stands; returns them depth-first."""
        order: list[PlaceT] = []
        todo = [(root, False) for root in reversed(self.roots)]
        while todo:
            place, done = todo.pop()
            if done:
                self.left[place] = len(order)
                continue
            self.entered[place] = len(order)
            if place.origin is not None:
                self.started[place.origin.number] = len(order)
            order.append(place)
            self.structures[place] = structure_of(place)
            todo.append((place, True))
            todo += [(child, False) for child in reversed(place.children)]
        return order

    def siblings(
        self, places: list[PlaceT], parent: PlaceT | None, lane: Lane | None
    ) -> list[PlaceT]:
        """The children of `parent`, or the roots, in canonical order."""
        if len(places) < 2:
            return places
        group = self.group(places, parent, lane)
        keys = self.keys(parent)
        # What hangs on a place started after it: from the last to the first, all that hangs
        # on what is put in order is in order itself.
        for anchor in sorted({*group.forks, *group.follow}, key=_number, reverse=True):
            self.hanging[anchor] = [
                *self.forked(group.forks[anchor], keys),
                *self.following(group.follow[anchor], keys),
            ]
        heads = self.forked(group.heads, keys)
        strangers = self.forked(group.strangers, keys)
        result: list[PlaceT] = []
        todo = [*heads, *group.line, *strangers][::-1]
        while todo:
            place = todo.pop()
            result.append(place)
            todo += reversed(self.hanging.get(place, ()))
        return result

    def group(
        self, places: list[PlaceT], parent: PlaceT | None, lane: Lane | None
    ) -> _Siblings[PlaceT]:
        """What each of the places was started after."""
        group: _Siblings[PlaceT] = _Siblings()
        entered = [self.entered[place] for place in places]
        self.drop_common_structure(places)
        tries = parent is not None and parent.name == _FALLBACKS  # one after another, anywhere
        for place in sorted(places, key=_number):
            origin = place.origin
            if origin is None:
                group.strangers.append(place)
                continue
            at_home = lane is not None and _is_on_thread(origin, lane, parent)
            untagged = not self.structures[place]
            if tries or (at_home and untagged and origin.lane == lane):
                group.line.append(place)
                continue
            anchor = self.anchor(origin, places, entered)
            if at_home and origin.previous is None and lane is not None and not lane[1]:
                anchor = group.line[-1] if group.line else None  # it stood there meanwhile
            if anchor is not None and untagged and _goes_on(origin, anchor.origin):
                group.follow[anchor].append(place)
            elif anchor is not None:
                group.forks[anchor].append(place)
            elif parent is None and origin.previous is None and not at_home:
                group.strangers.append(place)
            else:
                group.heads.append(place)
        return group

    def drop_common_structure(self, places: list[PlaceT]) -> None:
        """A tag that all siblings have, because the user gave it, tells nothing of their order."""
        common = {key for key in self.structures[places[0]] if key[0] != _PATH}
        for place in places:
            common.intersection_update(self.structures[place])
        if common:
            for place in places:
                kept = [key for key in self.structures[place] if key not in common]
                self.structures[place] = tuple(kept)

    def anchor(self, origin: Origin, places: list[PlaceT], entered: list[int]) -> PlaceT | None:
        """The sibling that contains the start that was seen last before this one."""
        seen = self.started.get(origin.previous or 0)
        at = -1 if seen is None else bisect_right(entered, seen) - 1
        if seen is None or at < 0 or self.left[places[at]] <= seen:
            return None
        return places[at] if _number(places[at]) < origin.number else None

    def keys(self, parent: PlaceT | None) -> list[Callable[[PlaceT], Any]]:
        """What concurrent siblings are compared by, one after another."""
        texts: dict[PlaceT, str] = {}
        indexes: dict[str, int] = {}

        def inputs(place: PlaceT) -> str:
            if place not in texts:
                texts[place] = self.text(place.inputs, "inputs")
            return texts[place]

        def index(place: PlaceT) -> int:
            """Where the inputs of a run stand in the list that its parent was given."""
            listed = parent.inputs if parent is not None else None
            if not isinstance(listed, list) or not listed:
                return 0
            if not indexes:
                for number, item in enumerate(listed):
                    indexes.setdefault(self.text(item, "inputs"), number)
            return indexes.get(inputs(place), len(listed))

        def name(place: PlaceT) -> str:
            return self.text(place.name)

        return [
            self.structures.__getitem__,
            index,
            name,
            inputs,
            self.own_text,
            self.text_below,
            self.branch_digest,
        ]

    def forked(self, places: list[PlaceT], keys: Sequence[Callable[[PlaceT], Any]]) -> list[PlaceT]:
        """Concurrent siblings, by each key in turn, and only as far as it is needed."""
        if len(places) < 2 or not keys:
            return places
        groups: dict[Any, list[PlaceT]] = defaultdict(list)
        for place in places:
            groups[keys[0](place)].append(place)
        return [place for key in sorted(groups) for place in self.forked(groups[key], keys[1:])]

    def following(
        self, places: list[PlaceT], keys: Sequence[Callable[[PlaceT], Any]]
    ) -> list[PlaceT]:
        """What one thread or task did, in the order in which it did it.

        A job that a worker of a pool handed to the same pool may have run on the same worker.
        """
        is_pool = len(places) > 1 and _pool_of(places[0].origin) is not None
        return self.forked(places, keys) if is_pool else places

    def own_text(self, place: PlaceT) -> str:
        """All that can be seen of a run, without what is under it."""
        seen = [("", place.name), ("inputs", place.inputs), *place.content()]
        return "\n".join(self.text(value, at) for at, value in seen)

    def text_below(self, place: PlaceT) -> str:
        """Names and inputs of what is under a run, and of what hangs on it."""
        below = [*place.children, *self.hanging_on(place)]
        if not below:
            return ""
        inputs = (self.text(inner.inputs, "inputs") for inner in below)
        return "\n".join([self.text([inner.name for inner in below]), *inputs])

    def branch_digest(self, place: PlaceT) -> bytes:
        """Stands for a run, what is under it, and what hangs on it."""
        return _digest(place, self.branch_digests, self.hanging_on, self.tree_digest)

    def tree_digest(self, place: PlaceT) -> bytes:
        """Stands for a run and what is under it."""
        return _digest(place, self.tree_digests, _children, self.own_digest)

    def own_digest(self, place: PlaceT) -> bytes:
        return sha256(self.own_text(place).encode("utf-8", "surrogatepass")).digest()

    def hanging_on(self, place: PlaceT) -> Sequence[PlaceT]:
        return self.hanging.get(place, ())


def _digest(
    place: PlaceT,
    known: dict[PlaceT, bytes],
    below: Callable[[PlaceT], Sequence[PlaceT]],
    own: Callable[[PlaceT], bytes],
) -> bytes:
    """The digest of a place and of those below it, without recursion."""
    todo = [place]
    while todo:
        top = todo[-1]
        missing = [] if top in known else [inner for inner in below(top) if inner not in known]
        if missing:
            todo += missing
            continue
        todo.pop()
        if top not in known:
            known[top] = sha256(own(top) + b"".join(map(known.__getitem__, below(top)))).digest()
    return known[place]


def _children(place: Place) -> list[Any]:
    return place.children


def _number(place: Place) -> int:
    return place.origin.number if place.origin is not None else 0


def _is_on_thread(origin: Origin, lane: Lane, parent: Place | None) -> bool:
    """Whether a start is on the thread of its parent, and the thread is the parent's still.

    A worker of a pool takes another job once its job has ended, and identifiers are reused.
    """
    if origin.lane[0] != lane[0]:
        return False
    return parent is None or not origin.thread_name or origin.number <= parent.last


def _goes_on(origin: Origin, earlier: Origin | None) -> bool:
    """Whether two starts are on the same thread or task, or on workers of the same pool."""
    if earlier is None:
        return False
    pool = _pool_of(origin)
    return origin.lane == earlier.lane if pool is None else pool == _pool_of(earlier)


def _pool_of(origin: Origin | None) -> str | None:
    """The name of the thread pool that a start may be on, without that of the worker."""
    if origin is None or origin.lane[1] or not origin.thread_name:
        return None
    worker = _WORKER.fullmatch(origin.thread_name)
    return origin.thread_name if worker is None else worker[1]
