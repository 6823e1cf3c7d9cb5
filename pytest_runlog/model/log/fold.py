"""Folding: the state of a run log after any number of its patches.

A fold keeps each value with the number of the patch that wrote it, so a state is nothing but
a number and a view: it costs nothing to make, and stays what it is whatever comes after it.
Operations are read and never changed. They are those that `model.patches` writes.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from operator import itemgetter
from typing import TYPE_CHECKING, Any, overload

from pytest_runlog.model.log.patches import unescape

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pytest_runlog.model.log.patches import Patch

_LONGEST = 200
"""Characters of an operation that a message shows."""
_STREAMS = frozenset({"streamed_output", "streamed_output_str"})
_GROWING = _STREAMS | {"logs"}
_number = itemgetter(0)


class Fold:
    """Patches, folded one after another. Most of them append to a stream: that is quick."""

    def __init__(self, patches: Iterable[Patch] = ()) -> None:
        self.length = 0
        """How many have been folded."""
        self._state = _Dict()
        self._streams: dict[str, _List] = {}
        """What each path that ends in `/-` appends to."""
        for patch in patches:
            self.add(patch)

    def add(self, patch: Patch) -> None:
        """Fold one more patch. Raises `ValueError` for one that no run log has there."""
        self.length += 1
        for operation in patch:
            try:
                path, value = operation["path"], operation["value"]
                stream = self._streams.get(path) or self._stream(path)
                if stream is None:
                    self._write(path.split("/")[1:], value)
                else:
                    stream.items.append(value)
                    stream.numbers.append(self.length)
            except (LookupError, TypeError, ValueError, AttributeError):
                shown = repr(operation)[:_LONGEST]
                raise ValueError(
                    f"patch {self.length} is none of a run log at that place: {shown}"
                ) from None

    def view(self, length: int) -> DictView:
        """The state after that many patches."""
        return DictView(self._state, length)

    def _stream(self, path: str) -> _List | None:
        """What the path appends to, if it does."""
        *parts, last = path.split("/")[1:] or [""]
        place = self._place(parts) if last == "-" else None
        if not isinstance(place, _List):
            return None
        self._streams[path] = place
        return place

    def _write(self, path: list[str], value: Any) -> None:
        """Write a value. Only `/-` inserts, so `add` and `replace` mean the same."""
        if not path:
            if self.length > 1:
                raise ValueError("a log begins once")
            self._state = _Dict.of_run(value, self.length)
        elif len(path) == 2 and path[0] == "logs":
            logs, key = self._place(["logs"]), unescape(path[1])
            if key in logs.written:
                raise ValueError("each run has a key of its own")
            logs.write(key, _Dict.of_run(value, self.length), self.length)
        elif path[-1] in _GROWING:
            raise ValueError("streams and logs are only added to")
        else:
            self._place(path[:-1]).write(unescape(path[-1]), value, self.length)

    def _place(self, parts: list[str]) -> Any:
        """The newest of what lies at a path."""
        place: Any = self._state
        for part in parts:
            place = place.newest(unescape(part))
        return place


class _Dict:
    """What was written under each key, and by which patch, oldest first."""

    def __init__(self) -> None:
        self.written: dict[str, list[tuple[int, Any]]] = {}
        self.numbers: list[int] = []
        """Which patch added each key."""

    @classmethod
    def of_run(cls, value: Mapping[str, Any], number: int) -> _Dict:
        """A state or an entry: its streams are lists that grow, its logs a dict that does."""
        new = cls()
        for name, item in value.items():
            if name in _STREAMS:
                new.write(name, _List(item, number), number)
            elif name == "logs":
                logs = cls()
                for key, entry in item.items():
                    logs.write(key, cls.of_run(entry, number), number)
                new.write(name, logs, number)
            else:
                new.write(name, item, number)
        return new

    def write(self, key: str, value: Any, number: int) -> None:
        if key in self.written:
            self.written[key].append((number, value))
        else:
            self.written[key] = [(number, value)]
            self.numbers.append(number)

    def newest(self, key: str) -> Any:
        return self.written[key][-1][1]


class _List:
    """What was appended, and by which patch."""

    def __init__(self, items: Iterable[Any], number: int) -> None:
        self.items = list(items)
        self.numbers = [number] * len(self.items)


class DictView(Mapping[str, Any]):
    """A dict as it was after some patch, read-only; equal to a dict with the same items."""

    __slots__ = ("_dict", "_length")

    def __init__(self, written: _Dict, length: int) -> None:
        self._dict = written
        self._length = length

    def __getitem__(self, key: str) -> Any:
        versions = self._dict.written[key]
        found = bisect_right(versions, self._length, key=_number)
        if not found:
            raise KeyError(key)
        return _view(versions[found - 1][1], self._length)

    def __iter__(self) -> Iterator[str]:
        return islice(self._dict.written, len(self))

    def __len__(self) -> int:
        return bisect_right(self._dict.numbers, self._length)

    def __repr__(self) -> str:
        return repr(plain(self))


class ListView(Sequence[Any]):
    """A list as it was after some patch, read-only; equal to a list with the same items."""

    __slots__ = ("_list", "_size")

    def __init__(self, written: _List, length: int) -> None:
        self._list = written
        self._size = bisect_right(written.numbers, length)

    @overload
    def __getitem__(self, index: int) -> Any: ...
    @overload
    def __getitem__(self, index: slice) -> list[Any]: ...
    def __getitem__(self, index: int | slice) -> Any:
        places = range(self._size)[index]
        if isinstance(places, range):
            return [self._list.items[place] for place in places]
        return self._list.items[places]

    def __iter__(self) -> Iterator[Any]:
        return islice(self._list.items, self._size)

    def __len__(self) -> int:
        return self._size

    def __eq__(self, other: object) -> bool:
        if isinstance(other, (list, ListView)):
            return len(self) == len(other) and list(self) == list(other)
        return NotImplemented

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return repr(list(self))


def plain(view: Any) -> Any:
    """A state that was viewed as dicts and lists of its own."""
    if isinstance(view, DictView):
        return {key: plain(value) for key, value in view.items()}
    return list(view) if isinstance(view, ListView) else view


def _view(value: Any, length: int) -> Any:
    if isinstance(value, _Dict):
        return DictView(value, length)
    return ListView(value, length) if isinstance(value, _List) else value
