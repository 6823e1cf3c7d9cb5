"""The canonical order: what the clock cannot change.

Runs that follow one another in the same thread or task keep that order. Runs that are
concurrent are ordered by structure (the step, key, branch or node that LangChain tags them
with), then by name and inputs, and last by the text of what is under them: so it is a total
order, and runs that no comparison can tell apart are interchangeable.

Each run hangs on an *anchor*: the sibling under which the start lies that its context saw
last, or the head of the list. What hangs on one anchor was started from the same point, as
far as anybody can know.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypeVar

if TYPE_CHECKING:
    from typing import TypeAlias

    from pytest_runlog.model.events import Lane

Text: TypeAlias = Callable[[Any], str]
"""Canonical text of a value, the same for values that differ only in what is volatile."""

_TAG = re.compile(r"(seq:step|map:key|branch|condition|retry:attempt|graph:step):(.*)", re.DOTALL)
_NUMBER = re.compile(r"\d+")


@dataclass(eq=False)
class Place:
    """Where a run stands: what of it the order depends on."""

    name: str
    inputs: Any
    tags: Sequence[str]
    metadata: Mapping[str, Any]
    origin: Origin | None
    children: list[Any] = field(default_factory=list, kw_only=True)
    """Its own kind of place."""

    def content(self) -> Any:
        """All else that a person can see of the run."""
        return None


PlaceT = TypeVar("PlaceT", bound=Place)


class Origin(NamedTuple):
    """Where a start came from."""

    number: int
    """Counts the starts of the process."""
    previous: int | None
    """Number of the start seen last in this context, `None` when unknown."""
    lane: Lane
    thread_name: str


def sort_places(roots: Iterable[PlaceT], lane: Lane, text: Text) -> list[PlaceT]:
    """The roots in canonical order, and below each one its children, in place.

    `lane` is the recorder's: roots that start there are known to follow one another.
    """
    sorter = _Sorter(roots, text)
    for place in sorter.deepest_first():
        own_lane = place.origin.lane if place.origin is not None else None
        place.children = sorter.siblings(place.children, place, own_lane)
    return sorter.siblings(sorter.roots, None, lane)


def structure_of(place: Place) -> tuple[tuple[int, str], ...]:
    """What LangChain's tags and LangGraph's metadata say of a run's place; comparable."""
    keys: list[tuple[int, str]] = []
    for tag in sorted(place.tags):
        found = _TAG.fullmatch(tag)
        if found is None:
            continue
        kind, which = found.groups()
        keys.append((int(which), kind) if which.isdecimal() else (0, f"{kind}:{which}"))
        if kind == "graph:step":
            path = place.metadata.get("langgraph_path") or ()
            keys += [_path_key(part) for part in path]
            keys.append((0, str(place.metadata.get("langgraph_node"))))
    return tuple(keys)


def _path_key(part: Any) -> tuple[int, str]:
    return (part, "") if isinstance(part, int) else (0, str(part))


class _Sorter(Generic[PlaceT]):
    def __init__(self, roots: Iterable[PlaceT], text: Text) -> None:
        self.roots = list(roots)
        self.text = text
        self.numbered: dict[int, Place] = {}
        self.structures: dict[PlaceT, tuple[tuple[int, str], ...]] = {}
        self.parents: dict[PlaceT, PlaceT | None] = dict.fromkeys(self.roots)
        self.order = list(self.roots)
        self.subtrees: dict[PlaceT, str] = {}
        for place in self.order:  # it grows on the way
            self.order += place.children
            self.parents.update(dict.fromkeys(place.children, place))
            self.structures[place] = structure_of(place)
            if place.origin is not None:
                self.numbered[place.origin.number] = place

    def deepest_first(self) -> Iterable[PlaceT]:
        return reversed(self.order)

    def siblings(
        self, places: list[PlaceT], parent: PlaceT | None, lane: Lane | None
    ) -> list[PlaceT]:
        """The children of `parent`, or the roots, in canonical order."""
        if len(places) < 2:
            return places
        places = sorted(places, key=_number)
        line: list[PlaceT] = []  # started by the parent itself, one after another
        forks: dict[PlaceT | None, list[PlaceT]] = defaultdict(list)
        follow: dict[PlaceT | None, list[PlaceT]] = defaultdict(list)
        strangers: list[PlaceT] = []
        for place in places:
            origin = place.origin
            if origin is None:
                strangers.append(place)
            elif origin.lane == lane and not self.structures[place]:
                line.append(place)
            else:
                anchor = self.anchor(origin, parent)
                if anchor is None and parent is None and self.is_foreign(origin, lane):
                    strangers.append(place)
                elif anchor is not None and self.goes_on(origin, place, anchor):
                    follow[anchor].append(place)
                else:
                    forks[anchor].append(place)
        result: list[PlaceT] = []
        todo = [
            *reversed(self.forked(strangers, parent)),
            *reversed(line),
            *reversed(self.forked(forks[None], parent)),
        ]
        # `todo` is a stack: strangers lie at its bottom, so that they come last.
        while todo:
            place = todo.pop()
            result.append(place)
            todo += reversed(follow[place])
            todo += reversed(self.forked(forks[place], parent))
        return result

    def is_foreign(self, origin: Origin, lane: Lane | None) -> bool:
        """Whether nothing connects a root with the recorder: its thread saw no other start."""
        return (
            origin.previous is None
            and origin.lane[1] == 0
            and (lane is None or origin.lane[0] != lane[0])
        )

    def goes_on(self, origin: Origin, place: PlaceT, anchor: PlaceT) -> bool:
        """Whether the place was started after its anchor by the same thread or task."""
        return (
            not self.structures[place]
            and anchor.origin is not None
            and origin.lane == anchor.origin.lane
        )

    def anchor(self, origin: Origin, parent: PlaceT | None) -> PlaceT | None:
        """The sibling that contains the start that was seen last before this one."""
        seen = self.numbered.get(origin.previous or 0)
        while seen is not None:
            above = self.parents[seen]
            if above == parent:
                return seen
            seen = above
        return None

    def forked(self, places: list[PlaceT], parent: PlaceT | None) -> list[PlaceT]:
        """Concurrent siblings, by each key in turn, and only as far as it is needed."""
        if len(places) < 2:
            return places
        keys: list[Callable[[PlaceT], Any]] = [
            self.structures.__getitem__,
            self.index_in(parent),
            lambda place: self.text(place.name),
            lambda place: self.text(place.inputs),
            _executor_number,
            self.subtree,
        ]
        return self._by(places, keys)

    def _by(self, places: list[PlaceT], keys: list[Callable[[PlaceT], Any]]) -> list[PlaceT]:
        if len(places) < 2 or not keys:
            return places
        groups: dict[Any, list[PlaceT]] = defaultdict(list)
        for place in places:
            groups[keys[0](place)].append(place)
        return [place for key in sorted(groups) for place in self._by(groups[key], keys[1:])]

    def index_in(self, parent: PlaceT | None) -> Callable[[PlaceT], int]:
        """Where the inputs of a run stand in the list that its parent was given."""
        listed = parent.inputs if parent is not None else None
        indexes: dict[str, int] = {}
        for index, item in enumerate(listed if isinstance(listed, list) else ()):
            indexes.setdefault(self.text(item), index)
        return lambda place: indexes.get(self.text(place.inputs), len(indexes)) if indexes else 0

    def subtree(self, place: PlaceT) -> str:
        known = self.subtrees.get(place)
        if known is None:
            own = self.text(
                [place.name, sorted(place.tags), place.metadata, place.inputs, place.content()]
            )
            known = "\n".join([own, *map(self.subtree, place.children), ""])
            self.subtrees[place] = known
        return known


def _number(place: Place) -> int:
    return place.origin.number if place.origin is not None else 0


def _executor_number(place: Place) -> tuple[int, int]:
    """Numbers of the executor and the task, which count up as they are created."""
    if place.origin is None:
        return (0, 0)
    executor, _, _worker = place.origin.thread_name.rpartition("_")
    return (_last_number(executor), _last_number(place.origin.lane[2]))


def _last_number(text: str) -> int:
    numbers = _NUMBER.findall(text)
    return int(numbers[-1]) if numbers else 0
