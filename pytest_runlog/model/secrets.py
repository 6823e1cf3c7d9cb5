"""Finds what must not be shown: the text of secrets, wherever they lie in what was recorded."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from pathlib import PurePath
from typing import TYPE_CHECKING, Any
from uuid import UUID

from pytest_runlog.model.fields import fields_of, hides_itself, is_blank, names_in
from pytest_runlog.model.masking import SECRET, is_secret_key, parts_of_secret

if TYPE_CHECKING:
    from collections.abc import Iterable

_DEEPEST = 50
SHORT_INT = 16
"""In bits. A secret that is a shorter number is not looked for elsewhere."""


def secrets_in(values: Iterable[Any]) -> frozenset[str]:
    """Every text that lies under a key named like a secret, or in a `SecretStr`."""
    found: set[str] = set()
    seen: set[tuple[int, bool]] = set()
    todo: list[tuple[Any, bool, int]] = [(value, False, 0) for value in values]
    while todo:
        value, secret, depth = todo.pop()
        if not secret and _is_scalar(value):
            continue
        revealed, members = _look_into(value, secret=secret)
        if revealed is not None:
            found.update(parts_of_secret(revealed))
        elif members and depth < _DEEPEST and (id(value), secret) not in seen:
            seen.add((id(value), secret))
            todo += [(member, secret or is_secret_key(key), depth + 1) for key, member in members]
    return frozenset(found)


def _is_scalar(value: Any) -> bool:
    """Told by identity: a class may not be hashable, or be equal to any other."""
    cls = type(value)
    return cls is str or value is None or cls is int or cls is bool or cls is float or cls is bytes


def _look_into(value: Any, *, secret: bool) -> tuple[str | None, list[tuple[str, Any]]]:
    """The text of a value that is a secret, else what it contains."""
    try:
        revealed = _revealed(value, secret=secret)
        return revealed, _members(value) if revealed is None else []
    except Exception:  # the value's own code raised: it is not shown either
        return None, []


def _members(value: Any) -> list[tuple[str, Any]]:
    """What a value contains, with the names of what has one."""
    cls = type(value)
    if issubclass(cls, (list, tuple, set, frozenset, deque)):
        return _items_of(value)
    if issubclass(cls, Mapping):
        items = list(dict.items(value if issubclass(cls, dict) else dict(value)))
        return [
            (str.__str__(key) if issubclass(type(key), str) else "", item) for key, item in items
        ]
    if issubclass(cls, BaseException):
        return [("", argument) for argument in value.args]
    return list((fields_of(value) or {}).items())


def _items_of(value: Iterable[Any]) -> list[tuple[str, Any]]:
    """The items of a list, a tuple or a set, with the names that a `NamedTuple` has for them."""
    names, items = names_in(type(value)), list(value)
    return [*zip(names, items), *(("", item) for item in items[len(names) :])]


def _revealed(value: Any, *, secret: bool) -> str | None:
    """The text of a secret that could turn up elsewhere: of any value where `secret`."""
    cls = type(value)
    if hides_itself(cls):
        value, secret = value.get_secret_value(), True
        cls = type(value)
    if not secret or is_blank(value):
        return None
    if issubclass(cls, str):
        text = str.__str__(value)
        return None if text == SECRET else text
    if issubclass(cls, bytes):
        return bytes(value).decode("utf-8", "replace")
    if issubclass(cls, (UUID, PurePath)) or (cls is int and value.bit_length() > SHORT_INT):
        return str(value)
    return None
