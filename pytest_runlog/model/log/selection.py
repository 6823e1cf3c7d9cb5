"""Which runs a log is about: LangChain's filters."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple


class Selection(NamedTuple):
    """The six filters of LangChain's `LogStreamCallbackHandler`."""

    include_names: frozenset[str] | None = None
    include_types: frozenset[str] | None = None
    include_tags: frozenset[str] | None = None
    exclude_names: frozenset[str] = frozenset()
    exclude_types: frozenset[str] = frozenset()
    exclude_tags: frozenset[str] = frozenset()

    def keeps(self, name: str, type_: str, tags: Iterable[str]) -> bool:
        """Whether a run is in the log: any of what is included, none of what is excluded."""
        tags = frozenset(tags)
        included = (self.include_names, self.include_types, self.include_tags)
        return (
            included == (None, None, None)
            or name in (self.include_names or ())
            or type_ in (self.include_types or ())
            or not tags.isdisjoint(self.include_tags or ())
        ) and not (
            name in self.exclude_names
            or type_ in self.exclude_types
            or not tags.isdisjoint(self.exclude_tags)
        )


def select(**filters: Any) -> Selection:
    """The selection of filters by name, each a list of texts, or `None` for no filter."""
    selected = {}
    for name, texts in filters.items():
        if name not in Selection._fields:
            known = ", ".join(Selection._fields)
            raise TypeError(f"{name!r} is no filter of run logs; they are {known}")
        if texts is not None:
            selected[name] = _texts(name, texts)
    return Selection(**selected)


def _texts(name: str, given: Any) -> frozenset[str]:
    texts = list(given) if isinstance(given, Iterable) else [given]
    if isinstance(given, str) or not all(isinstance(text, str) for text in texts):
        raise TypeError(f"{name} takes a list of texts, not {given!r}")
    return frozenset(texts)
