"""Values become plain data here, and nowhere else: masked, and safe to show or to store.

Plain data is what JSON can hold. What JSON cannot hold becomes a dict with the key
`"@type"`: LangChain's messages and documents with their fields, other objects with their
`repr`. Data that is converted again stays as it is.
"""

from __future__ import annotations

import dataclasses
import hashlib
import math
from datetime import date, time
from enum import Enum
from pathlib import PurePath
from typing import TYPE_CHECKING, Any
from uuid import UUID

from pytest_runlog.model.masking import (
    SECRET,
    Mask,
    is_secret_key,
    is_volatile_id,
    parts_of_secret,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import TypeAlias

Data: TypeAlias = Any
"""`None`, `bool`, `int`, `float`, `str`, a list of data, or a dict from `str` to data."""

_DEEPEST = 50
_NOT_SHOWN = frozenset({"response_metadata", "usage_metadata", "lc_versions"})
_VOLATILE_METADATA = frozenset(
    {
        "lc_versions",
        "checkpoint_id",
        "checkpoint_ns",
        "langgraph_checkpoint_ns",
        "langgraph_request_id",
        "thread_ts",
    }
)


def to_data(value: Any, mask: Mask, path: str = "") -> Data:
    """What `value` is shown as. Never fails, whatever the value is."""
    return _Conversion(mask).convert(value, path, secret=False, depth=0)


def metadata_to_data(metadata: dict[str, Any], mask: Mask, path: str = "metadata") -> Data:
    """The metadata of a run, without what LangChain and LangGraph add anew each time."""
    kept = {
        key: value
        for key, value in metadata.items()
        if key not in _VOLATILE_METADATA and not str(key).startswith("__")
    }
    return to_data(kept, mask, path)


def secrets_in(values: Iterable[Any]) -> frozenset[str]:
    """Every text that lies under a key named like a secret, or in a `SecretStr`."""
    found: set[str] = set()
    seen: set[int] = set()
    todo: list[tuple[Any, bool, int]] = [(value, False, 0) for value in values]
    while todo:
        value, secret, depth = todo.pop()
        if isinstance(value, str):
            if secret and value.strip() and value != SECRET:
                found.update(parts_of_secret(value))
        elif isinstance(value, bytes):
            if secret and value:
                found.add(value.decode("utf-8", "replace"))
        elif (revealed := _revealed(value)) is not None:
            found.update(parts_of_secret(revealed))
        elif depth < _DEEPEST and id(value) not in seen:
            members = list(_members(value))
            if members:
                seen.add(id(value))
            todo += [
                (member, secret or (isinstance(key, str) and is_secret_key(key)), depth + 1)
                for key, member in members
            ]
    return frozenset(found)


class _Conversion:
    def __init__(self, mask: Mask) -> None:
        self.mask = mask
        self.inside: set[int] = set()

    def convert(self, value: Any, path: str, *, secret: bool, depth: int) -> Data:
        hook = self.mask.hook
        if hook is not None:
            value = hook(path, value)
        if value is None or value is True or value is False:
            return value
        cls = type(value)
        if cls is str:
            return SECRET if secret and value.strip() else self.mask.text(value)
        if cls is int:
            return SECRET if secret else value
        if cls is float:
            if secret:
                return SECRET
            return value if math.isfinite(value) else {"@type": "float", "repr": repr(value)}
        if id(value) in self.inside:
            return {"@type": "cycle"}
        if depth >= _DEEPEST:
            return {"@type": "too deep"}
        self.inside.add(id(value))
        try:
            return self.container(value, path, secret, depth + 1)
        except Exception as failure:  # the value's own code raised
            return {"@type": _type_name(value), "repr": f"<unreadable: {type(failure).__name__}>"}
        finally:
            self.inside.discard(id(value))

    def container(self, value: Any, path: str, secret: bool, depth: int) -> Data:
        if isinstance(value, dict):
            return self.mapping(value, path, secret, depth)
        if isinstance(value, (list, tuple)):
            return [
                self.convert(item, f"{path}[{index}]", secret=secret, depth=depth)
                for index, item in enumerate(value)
            ]
        if isinstance(value, (set, frozenset)):
            items = [self.convert(item, f"{path}[]", secret=secret, depth=depth) for item in value]
            return sorted(items, key=repr)
        if _revealed(value) is not None:
            return SECRET
        if isinstance(value, (bytes, bytearray, memoryview)):
            return SECRET if secret else _binary(bytes(value))
        if isinstance(value, Enum):
            return self.mask.text(f"{_type_name(value)}.{value.name}")
        if isinstance(value, str):
            return SECRET if secret else self.mask.text(str.__str__(value))
        if isinstance(value, UUID):
            return self.mask.text(str(value))
        if isinstance(value, (date, time)):
            return value.isoformat()
        if isinstance(value, PurePath):
            return self.mask.text(str(value))
        if isinstance(value, BaseException):
            return {
                "@type": _type_name(value),
                "message": self.mask.text(message_of(value)),
            }
        return self.thing(value, path, secret, depth)

    def mapping(self, value: dict[Any, Any], path: str, secret: bool, depth: int) -> Data:
        data: dict[str, Data] = {}
        for key, item in list(dict.items(value)):
            name = self.mask.text(key) if isinstance(key, str) else self.key(key)
            while name in data:
                name += "'"  # 1 and "1" are different keys
            hidden = secret or (isinstance(key, str) and is_secret_key(key))
            data[name] = self.convert(
                item, f"{path}.{name}" if path else name, secret=hidden, depth=depth
            )
        return data

    def key(self, key: Any) -> str:
        if isinstance(key, (int, float)) or key is None:
            return str(key)
        data = self.convert(key, "", secret=False, depth=_DEEPEST - 2)
        return data if isinstance(data, str) else repr(data)

    def thing(self, value: Any, path: str, secret: bool, depth: int) -> Data:
        fields = _fields_of(value)
        if fields is None:
            return {"@type": _type_name(value), "repr": self.mask.text(_repr(value))}
        if _is_langchain_data(value):
            fields = {
                name: item
                for name, item in fields.items()
                if item not in _EMPTY
                and not (name == "id" and is_volatile_id(item))
                and name not in ("type", *_NOT_SHOWN)
            }
        data = self.mapping(fields, path, secret, depth)
        return {"@type": _type_name(value), **data}


class _Empty:
    """Contains what need not be shown of a message: `None`, `""`, `[]`, `{}`."""

    def __contains__(self, value: object) -> bool:
        return value is None or (type(value) in (str, list, dict, tuple) and not value)


_EMPTY = _Empty()


def message_of(error: BaseException) -> str:
    """The text of an exception, also of one whose `__str__` raises."""
    try:
        return str(error)
    except Exception as failure:
        return f"<unreadable: {type(failure).__name__}>"


def _repr(value: Any) -> str:
    try:
        return repr(value)
    except Exception as failure:
        return f"<unreadable: {type(failure).__name__}>"


def _binary(value: bytes) -> Data:
    return {
        "@type": "bytes",
        "size": len(value),
        "sha256": hashlib.sha256(value).hexdigest()[:12],
    }


def _type_name(value: Any) -> str:
    return type(value).__qualname__.rpartition("<locals>.")[2]


def _is_langchain_data(value: Any) -> bool:
    return any(
        base.__module__.startswith(("langchain_core.messages", "langchain_core.documents"))
        for base in type(value).__mro__
    )


def _fields_of(value: Any) -> dict[str, Any] | None:
    """The fields of a pydantic model or dataclass, as they lie."""
    cls = type(value)
    if hasattr(cls, "__pydantic_fields__"):
        fields = dict(vars(value))
        extra = getattr(value, "__pydantic_extra__", None)
        return {**fields, **extra} if extra else fields
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {
            field.name: getattr(value, field.name)
            for field in dataclasses.fields(value)
            if field.repr and hasattr(value, field.name)
        }
    return None


def _members(value: Any) -> Iterator[tuple[Any, Any]]:
    if isinstance(value, dict):
        yield from list(dict.items(value))
    elif isinstance(value, (list, tuple, set, frozenset)):
        yield from ((None, item) for item in list(value))
    elif isinstance(value, BaseException):
        yield from ((None, argument) for argument in value.args)
    else:
        try:
            fields = _fields_of(value)
        except Exception:  # the value's own code raised: it shows nothing either
            return
        yield from (fields or {}).items()


def _revealed(value: Any) -> str | None:
    """The text in a pydantic `SecretStr` or `SecretBytes`."""
    if type(value).__module__ != "pydantic.types":
        return None
    reveal = getattr(value, "get_secret_value", None)
    if reveal is None:
        return None
    secret = reveal()
    return secret.decode("utf-8", "replace") if isinstance(secret, bytes) else str(secret)
