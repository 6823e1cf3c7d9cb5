"""Finds what must not be shown: the text of secrets, wherever they lie in what was recorded."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from pathlib import PurePath
from typing import TYPE_CHECKING, Any
from uuid import UUID

from pytest_runlog.model.fields import fields_of, hides_itself, is_blank, names_in
from pytest_runlog.model.masking import SECRET, is_secret_key, parts_of_secret
from pytest_runlog.model.unthawed import held_in

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_DEEPEST = 100
SHORT_INT = 16
"""In bits. A secret that is a shorter number is not looked for elsewhere."""


def secrets_in(values: Iterable[Any]) -> frozenset[str]:
    """Every text that lies under a key named like a secret, or in a `SecretStr`.

    Values may be frozen (`model.frozen`): nobody may ever ask for them.
    """
    found: set[str] = set()
    seen: dict[tuple[int, bool], Any] = {}  # kept, so that no other value gets the same id
    todo = [(value, False, 0) for value in values if not _is_scalar(value)]
    while todo:
        value, secret, depth = todo.pop()
        revealed, names, members = _look_into(value, secret=secret)
        if revealed is not None:
            found.update(parts_of_secret(revealed))
        elif members and depth < _DEEPEST and (id(value), secret) not in seen:
            seen[id(value), secret] = value
            depth += 1
            if secret:
                todo += [(member, True, depth) for member in members]
                continue
            todo += [
                (member, False, depth)
                for member in members
                if type(member) is not str and not _is_scalar(member)
            ]
            if any(map(is_secret_key, names)):
                todo += [
                    (member, True, depth)
                    for name, member in zip(names, members)
                    if is_secret_key(name)
                ]
    return frozenset(found)


def _is_scalar(value: Any) -> bool:
    """Told by identity: a class may not be hashable, or be equal to any other."""
    cls = type(value)
    return value is None or cls is str or cls is int or cls is bool or cls is float or cls is bytes


def _look_into(value: Any, *, secret: bool) -> tuple[str | None, Sequence[str], Sequence[Any]]:
    """The text of a value that is a secret, else the names and items of what it contains.

    What is not named comes last.
    """
    try:
        held = held_in(value)
        if held is not None:
            return None, *held
        revealed = _revealed(value, secret=secret)
        return revealed, *(_members(value) if revealed is None else ((), ()))
    except Exception:  # the value's own code raised: it is not shown either
        return None, (), ()


def _members(value: Any) -> tuple[Sequence[str], Sequence[Any]]:
    """What a value contains, with the names of what has one."""
    if _is_scalar(value):
        return (), ()
    cls = type(value)
    if issubclass(cls, (list, tuple, set, frozenset, deque)):
        return names_in(cls), list(value)
    if issubclass(cls, Mapping):
        items = dict.items(value if issubclass(cls, dict) else dict(value))
        keys = [str.__str__(key) if issubclass(type(key), str) else "" for key, _ in items]
        return keys, [item for _, item in items]
    if issubclass(cls, BaseException):
        return (), value.args
    fields = fields_of(value) or {}
    return list(fields), list(fields.values())


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
