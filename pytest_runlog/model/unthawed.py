"""Looks into what is frozen, for what does not need a copy of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytest_runlog.model.fields import names_in
from pytest_runlog.model.frozen import (
    ALIKE,
    BARE_OBJECT,
    COPY,
    DICT,
    LIST,
    OBJECT,
    ODD_OBJECT,
    OTHER,
    SHAPES,
    is_marked,
    thaw,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


def held_in(value: Any) -> tuple[Sequence[str], Sequence[Any]] | None:
    """What a frozen container holds, frozen; first that to which a key or a field gives a name.

    `None` for all that is no frozen container.
    """
    if not is_marked(value):
        return None
    mark = value[0]
    if mark is LIST:
        return (), value[1:]
    if mark is DICT:
        middle = len(value) // 2 + 1
        keys = [str.__str__(key) if issubclass(type(key), str) else "" for key in value[1:middle]]
        return keys, value[middle:]
    if mark is OTHER:
        made = getattr(value[1], "__self__", None)  # a named tuple's class has a method for it
        return ((), value[2:]) if made is None else (names_in(made), value[2][1:])
    if mark is ALIKE:
        return ("", "content", "id"), value[1:]
    if mark in (COPY, ODD_OBJECT):
        return (), value[-1:] if mark is COPY else value[2:4]
    return SHAPES[value[1]].names, value[2:]


def field_of(value: Any, name: str) -> Any:
    """What an attribute of an object holds, `None` if it has none; frozen, if the object is."""
    if not is_marked(value):
        return getattr(value, name, None)
    if value[0] not in (OBJECT, BARE_OBJECT):
        return getattr(thaw(value), name, None)
    fields = dict(zip(SHAPES[value[1]].names, value[2:]))
    return fields.get(name)


def items_of(value: Any) -> Iterable[Any]:
    """What a list holds, frozen, if the list is."""
    return value[1:] if is_marked(value) and value[0] is LIST else thaw(value) or ()


def class_of(value: Any) -> Any:
    """The class of what was frozen: of LangChain's data, of containers just any."""
    is_object = is_marked(value) and value[0] in (OBJECT, BARE_OBJECT, ODD_OBJECT)
    return SHAPES[value[1]].cls if is_object else type(value)
