"""Structural copies: what a value was at the time of the event.

Containers of the standard library and LangChain's own data (messages, documents, prompt
values, generations, agent actions) are copied; everything else is kept by reference. No
code of the user's runs: types are recognised exactly, attributes are taken as they lie.
"""

from __future__ import annotations

from collections import OrderedDict, defaultdict, deque
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    Memo = dict[int, Any]
    Copier = Callable[[Any, Memo], Any]

_LANGCHAIN_DATA = (
    "langchain_core.agents",
    "langchain_core.documents",
    "langchain_core.messages",
    "langchain_core.outputs",
    "langchain_core.prompt_values",
    "langchain_core.runnables.utils",  # AddableDict
    "langchain_core.structured_query",
)


def copy_value(value: Any) -> Any:
    """A copy of `value` that later changes of its containers do not reach."""
    copier = _COPIERS.get(type(value), _unknown)
    if copier is None:
        return value
    return copier(value, {})


def _copy(value: Any, memo: Memo) -> Any:
    copier = _COPIERS.get(type(value), _unknown)
    if copier is None:
        return value
    known = memo.get(id(value))
    return copier(value, memo) if known is None else known


def _dict(value: dict[Any, Any], memo: Memo) -> dict[Any, Any]:
    memo[id(value)] = new = value.copy()
    copiers = _COPIERS
    for key, item in new.items():
        if copiers.get(type(item), _unknown) is not None:
            new[key] = _copy(item, memo)
    return new


def _list(value: list[Any], memo: Memo) -> list[Any]:
    memo[id(value)] = new = value.copy()
    copiers = _COPIERS
    for index, item in enumerate(new):
        if copiers.get(type(item), _unknown) is not None:
            new[index] = _copy(item, memo)
    return new


def _tuple(value: tuple[Any, ...], memo: Memo) -> tuple[Any, ...]:
    items = [_copy(item, memo) for item in value]
    if all(map(_is, items, value)):
        return value
    known: tuple[Any, ...] | None = memo.get(id(value))  # it may contain itself
    return tuple(items) if known is None else known


def _namedtuple(value: Any, memo: Memo) -> tuple[Any, ...]:
    cls = type(value)
    new: tuple[Any, ...] = cls._make(_copy(item, memo) for item in value)
    return new


def _set(value: set[Any], _memo: Memo) -> set[Any]:
    return value.copy()  # its members are hashable, so they are not containers that change


def _sequence(value: deque[Any], memo: Memo) -> deque[Any]:
    memo[id(value)] = new = value.copy()
    for index, item in enumerate(value):
        new[index] = _copy(item, memo)
    return new


def _pydantic(value: Any, memo: Memo) -> Any:
    """As pydantic's `BaseModel.__copy__`, one level deeper at each container."""
    cls = type(value)
    memo[id(value)] = new = object.__new__(cls)
    setattr_ = object.__setattr__
    setattr_(new, "__dict__", _dict(value.__dict__, memo))
    setattr_(new, "__pydantic_fields_set__", value.__pydantic_fields_set__.copy())
    extra = value.__pydantic_extra__
    setattr_(new, "__pydantic_extra__", extra if extra is None else _dict(extra, memo))
    private = getattr(value, "__pydantic_private__", None)
    setattr_(new, "__pydantic_private__", private if private is None else _dict(private, memo))
    return new


def _dict_subclass(value: dict[Any, Any], memo: Memo) -> dict[Any, Any]:
    copy = value.copy()  # of a plain subclass, a plain dict
    memo[id(value)] = new = copy if type(copy) is type(value) else type(value)(copy)
    for key, item in value.items():
        new[key] = _copy(item, memo)
    return new


def _unknown(value: Any, memo: Memo) -> Any:
    """Decides once how the type of `value` is copied."""
    cls = type(value)
    copier = _COPIERS[cls] = _copier_of(cls)
    return value if copier is None else _copy(value, memo)


def _copier_of(cls: type) -> Copier | None:
    if cls.__flags__ & _HEAP_TYPE == 0:
        return None  # a type written in C: nothing is known about it
    if issubclass(cls, tuple) and cls.__bases__ == (tuple,) and hasattr(cls, "_fields"):
        return _namedtuple
    if not any(base.__module__.startswith(_LANGCHAIN_DATA) for base in cls.__mro__):
        return None
    if hasattr(cls, "__pydantic_fields__"):
        return _pydantic
    if issubclass(cls, dict) and cls.__module__.startswith(_LANGCHAIN_DATA):
        return _dict_subclass
    return None


def _is(one: object, other: object) -> bool:
    return one is other


_HEAP_TYPE = 1 << 9

_COPIERS: dict[type, Copier | None] = {
    dict: _dict,
    list: _list,
    tuple: _tuple,
    set: _set,
    deque: _sequence,
    OrderedDict: _dict_subclass,
    defaultdict: _dict_subclass,
    **dict.fromkeys((str, int, float, bool, bytes, complex, type(None), frozenset)),
}
"""How each type is copied; `None` for by reference. Types are added as they are met."""
