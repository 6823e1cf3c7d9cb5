"""Values as they were: frozen when an event is recorded, thawed when somebody looks.

Containers of the standard library and LangChain's own data (messages, documents, prompt
values, generations, agent actions) are copied structurally; everything else is kept by
reference. Freezing happens inside the chain, so it does the least that keeps later changes
out: objects become `Frozen`, which thawing turns into objects again. No code of the user's
runs: types are recognised exactly, and attributes are taken as they lie.
"""

from __future__ import annotations

from collections import OrderedDict, defaultdict, deque
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

    Memo = dict[int, Any]
    Freezer = Callable[[Any, Memo], Any]

_LANGCHAIN_DATA = (
    "langchain_core.agents",
    "langchain_core.documents",
    "langchain_core.messages",
    "langchain_core.outputs",
    "langchain_core.prompt_values",
    "langchain_core.runnables.utils",  # AddableDict
    "langchain_core.structured_query",
)


class Frozen(NamedTuple):
    """A pydantic object: its type and what `BaseModel.__copy__` copies."""

    cls: type
    state: dict[str, Any]
    fields_set: tuple[str, ...]
    extra: dict[str, Any] | None
    private: dict[str, Any] | None


_NO_ITEMS = object()
_NO_MEMBERS = object()
"""They stand for an empty dict and list in the state of an object: most containers are empty.

The garbage collector looks at each container again and again while it is kept, but not at a
dict that holds only text, `None` and plain objects.
"""


def freeze(value: Any) -> Any:
    """What `thaw` makes a copy of `value` from, whatever happens to `value` until then."""
    freezer = _FREEZERS.get(type(value), _unknown)
    return value if freezer is None else freezer(value, {})


def thaw(value: Any) -> Any:
    """The value that was frozen. Containers that `freeze` made are used, not copied again."""
    return _thaw(value, {})


def _freeze(value: Any, memo: Memo) -> Any:
    freezer = _FREEZERS.get(type(value), _unknown)
    return value if freezer is None else freezer(value, memo)


def _dict(value: dict[Any, Any], memo: Memo) -> dict[Any, Any]:
    known: dict[Any, Any] | None = memo.get(id(value))
    if known is not None:
        return known
    memo[id(value)] = new = value.copy()
    for key, item in new.items():
        freezer = _FREEZERS.get(type(item), _unknown)
        if freezer is not None:
            new[key] = freezer(item, memo)
    return new


def _list(value: list[Any], memo: Memo) -> list[Any]:
    known: list[Any] | None = memo.get(id(value))
    if known is not None:
        return known
    memo[id(value)] = new = value.copy()
    for index, item in enumerate(new):
        freezer = _FREEZERS.get(type(item), _unknown)
        if freezer is not None:
            new[index] = freezer(item, memo)
    return new


def _tuple(value: tuple[Any, ...], memo: Memo) -> tuple[Any, ...]:
    items = [_freeze(item, memo) for item in value]
    if all(map(_is, items, value)):
        return value
    known: tuple[Any, ...] | None = memo.get(id(value))  # it may contain itself
    return tuple(items) if known is None else known


def _namedtuple(value: Any, memo: Memo) -> tuple[Any, ...]:
    cls = type(value)
    new: tuple[Any, ...] = cls._make(_freeze(item, memo) for item in value)
    return new


def _set(value: set[Any], _memo: Memo) -> set[Any]:
    return value.copy()  # its members are hashable, so they are not containers that change


def _deque(value: deque[Any], memo: Memo) -> deque[Any]:
    known: deque[Any] | None = memo.get(id(value))
    if known is not None:
        return known
    memo[id(value)] = new = value.copy()
    for index, item in enumerate(value):
        new[index] = _freeze(item, memo)
    return new


def _dict_subclass(value: dict[Any, Any], memo: Memo) -> dict[Any, Any]:
    known: dict[Any, Any] | None = memo.get(id(value))
    if known is not None:
        return known
    copy = value.copy()  # of a plain subclass, a plain dict
    memo[id(value)] = new = copy if type(copy) is type(value) else type(value)(copy)
    for key, item in value.items():
        new[key] = _freeze(item, memo)
    return new


def _pydantic(value: Any, memo: Memo) -> Frozen:
    known: Frozen | None = memo.get(id(value))
    if known is not None:
        return known
    state = value.__dict__.copy()
    extra = value.__pydantic_extra__
    private = value.__pydantic_private__
    memo[id(value)] = new = _new_tuple(
        Frozen,
        (
            type(value),
            state,
            tuple(value.__pydantic_fields_set__),
            extra and _dict(extra, memo),
            private and _dict(private, memo),
        ),
    )
    # Most of what a message holds is text, `None` and empty containers: those come first.
    for key, item in state.items():
        cls = type(item)
        if cls is str or item is None:
            continue
        if cls is dict:
            state[key] = _dict(item, memo) if item else _NO_ITEMS
        elif cls is list:
            state[key] = _list(item, memo) if item else _NO_MEMBERS
        else:
            freezer = _FREEZERS.get(cls, _unknown)
            if freezer is not None:
                state[key] = freezer(item, memo)
    return new


def _unknown(value: Any, memo: Memo) -> Any:
    """Decides once how the type of `value` is frozen."""
    cls = type(value)
    _FREEZERS[cls] = _freezer_of(cls)
    return _freeze(value, memo)


def _freezer_of(cls: type) -> Freezer | None:
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


def _thaw(value: Any, memo: Memo) -> Any:
    cls = type(value)
    if cls is Frozen:
        known = memo.get(id(value))
        return _object(value, memo) if known is None else known
    if cls is object:
        return {} if value is _NO_ITEMS else [] if value is _NO_MEMBERS else value
    if cls in (dict, list, deque) or isinstance(value, (dict, list)):
        if cls in _FREEZERS and id(value) not in memo:
            memo[id(value)] = value
            for key, item in value.items() if isinstance(value, dict) else enumerate(value):
                thawed = _thaw(item, memo)
                if thawed is not item:
                    value[key] = thawed
    elif isinstance(value, tuple) and cls in _FREEZERS:
        items = [_thaw(item, memo) for item in value]
        if not all(map(_is, items, value)):
            return tuple(items) if cls is tuple else cls._make(items)
    return value


def _object(frozen: Frozen, memo: Memo) -> Any:
    new: Any = object.__new__(frozen.cls)
    memo[id(frozen)] = new
    _set_attribute(new, "__dict__", _thaw(frozen.state, memo))
    _set_attribute(new, "__pydantic_fields_set__", set(frozen.fields_set))
    extra, private = frozen.extra, frozen.private
    _set_attribute(new, "__pydantic_extra__", extra if extra is None else _thaw(extra, memo))
    _set_attribute(new, "__pydantic_private__", private and _thaw(private, memo))
    return new


def _is(one: object, other: object) -> bool:
    return one is other


_HEAP_TYPE = 1 << 9
_set_attribute = object.__setattr__
_new_tuple = tuple.__new__

_FREEZERS: dict[type, Freezer | None] = {
    dict: _dict,
    list: _list,
    tuple: _tuple,
    set: _set,
    deque: _deque,
    OrderedDict: _dict_subclass,
    defaultdict: _dict_subclass,
    **dict.fromkeys((str, int, float, bool, bytes, complex, type(None), frozenset)),
}
"""How each type is frozen; `None` for by reference. Types are added as they are met."""
