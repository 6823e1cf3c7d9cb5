"""Freezes the messages of a stream, most of which differ in their text only."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytest_runlog.model.frozen import ALIKE, BARE_OBJECT, OBJECT, spread, thaw

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pytest_runlog.model.frozen import Frozen

_TEXT_ONLY = (str, object)  # text, and the marks


class MessageFreezer:
    """Freezes the messages of streams, most of which are like the one before but for their text.

    Of such a message only the text and the id are kept. That takes half of the time, and a
    sixth of the memory. Messages of streams that alternate may be like each other as well.
    """

    __slots__ = ("_last",)

    def __init__(self) -> None:
        self._last: tuple[Any, dict[str, Any], Frozen] = (None, {}, ())
        """The last that holds only text: its class, its fields, and what it was frozen to."""

    def spread(self, value: Any) -> tuple[Any, ...]:
        """What `spread` gives, or `(ALIKE, frozen, content, id)`."""
        cls, fields, frozen = self._last
        if type(value) is cls:
            own = value.__dict__
            content, name = own.get("content"), own.get("id")
            fields["content"], fields["id"] = content, name
            try:
                if type(content) is str and own == fields and not value.__pydantic_extra__:
                    return (ALIKE, frozen, content, name)
            except Exception:  # something in there, such as an array, does not compare
                self._last = (None, {}, ())
        items = spread(value)
        if items[0] in (OBJECT, BARE_OBJECT) and _is_text_only(items[2:]):
            fields = thaw(items).__dict__
            if "content" in fields and "id" in fields:
                self._last = (type(value), fields, items)
        return items


def _is_text_only(items: Iterable[Any]) -> bool:
    """Whether all that is in there compares as text does: `1 == True` would be the same."""
    return all(
        _is_text_only(item) if type(item) is tuple else item is None or type(item) in _TEXT_ONLY
        for item in items
    )
