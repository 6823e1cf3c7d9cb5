"""What values are made of, as it lies: no attribute is asked for that the value did not store."""

from __future__ import annotations

import dataclasses
from types import SimpleNamespace
from typing import Any


def fields_of(value: Any) -> dict[str, Any] | None:
    """The fields of a pydantic model, a dataclass and their like, as they lie."""
    cls = type(value)
    if dataclasses.is_dataclass(cls):
        return {
            field.name: getattr(value, field.name)
            for field in dataclasses.fields(cls)
            if field.repr and hasattr(value, field.name)
        }
    if hasattr(cls, "__pydantic_fields__"):
        fields = dict(vars(value))
        extra = getattr(value, "__pydantic_extra__", None)
        return {**fields, **extra} if extra else fields
    if hasattr(cls, "__attrs_attrs__"):
        return {
            field.name: getattr(value, field.name)
            for field in cls.__attrs_attrs__
            if field.repr and hasattr(value, field.name)
        }
    if cls is SimpleNamespace:
        return dict(vars(value))
    if is_of_langgraph(cls, "Send"):  # which is none of these, and holds a state
        return {name: item for name in cls.__slots__ if (item := getattr(value, name)) is not None}
    return None


def names_in(cls: type) -> tuple[str, ...]:
    """The names that a `NamedTuple` has for its items."""
    names = getattr(cls, "_fields", ())
    return tuple(map(str, names)) if isinstance(names, tuple) else ()


def hides_itself(cls: type) -> bool:
    """Whether this is pydantic's `SecretStr`, or one of its kind."""
    return hasattr(cls, "get_secret_value")


def is_blank(value: Any) -> bool:
    """Whether there is nothing in the value that could be a secret."""
    if type(value) is str:
        return not value.strip()
    return type(value) in (list, tuple, dict) and not value


def is_of_langgraph(cls: type, name: str) -> bool:
    """Whether this is LangGraph's type of that name."""
    return cls.__name__ == name and cls.__module__ == "langgraph.types"
