"""Values as they were: frozen when an event is recorded, thawed when somebody looks.

Containers of the standard library and LangChain's own data (messages, documents, prompt
values, generations, agent actions) are copied structurally; everything else is kept by
reference. Freezing happens inside the chain, so it does the least that keeps later changes
out: objects become tuples, which thawing turns into objects again. No code of the user's
runs: types are recognised exactly, and attributes are taken as they lie.

Tuples, because of the garbage collector. What is recorded is kept, and the collector walks
over all that is kept again and again; but it lets go of tuples and dicts that hold only
numbers, text, `None` and plain `object()`s. So an object's type is kept as its `id()`.
"""

from __future__ import annotations

from collections import OrderedDict, defaultdict, deque
from operator import itemgetter
from typing import TYPE_CHECKING, Any

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

_OBJECT = object()
"""Begins a frozen object: `(_OBJECT, id of its type, state, fields set, extra, private)`."""
_PLAIN = object()
"""Begins a frozen object with nothing but text in it: `(_PLAIN, id of its type, values)`."""
_NO_ITEMS = object()
_NO_MEMBERS = object()
"""They stand for an empty dict and list in the state of an object: most containers are empty."""


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


def _object(value: Any, memo: Memo) -> tuple[Any, ...]:
    """A pydantic object, as `BaseModel.__copy__` takes it apart."""
    known: tuple[Any, ...] | None = memo.get(id(value))
    if known is not None:
        return known
    state = value.__dict__.copy()
    extra = value.__pydantic_extra__
    private = value.__pydantic_private__
    memo[id(value)] = new = (
        _OBJECT,
        id(type(value)),
        state,
        tuple(value.__pydantic_fields_set__),
        extra and _dict(extra, memo),
        private and _dict(private, memo),
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


def _message_freezer(cls: Any) -> Freezer:
    """Freezes a message. Most hold text and nothing else, which takes the least time."""
    factories = {name: field.default_factory for name, field in cls.__pydantic_fields__.items()}
    containers = tuple(name for name in factories if factories[name] in (dict, list))
    others = tuple(name for name in factories if name not in containers)
    values_of = itemgetter(*others)
    shape = id(cls)
    _PLAIN_TYPES[shape] = (cls, others, {name: factories[name] for name in containers})

    def freeze_message(value: Any, memo: Memo) -> Any:
        state = value.__dict__
        try:
            for name in containers:
                item = state[name]
                if item or type(item) not in _CONTAINER_TYPES:
                    return _object(value, memo)
            values = values_of(state)
        except KeyError:  # it was made without validation
            return _object(value, memo)
        for item in values:
            if item is not None and type(item) is not str:
                return _object(value, memo)
        if value.__pydantic_extra__ or value.__pydantic_private__:
            return _object(value, memo)
        return (_PLAIN, shape, values)

    return freeze_message


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
        _TYPES[id(cls)] = cls
        is_message = any(base.__name__ == "BaseMessage" for base in cls.__mro__)
        return _message_freezer(cls) if is_message else _object
    if issubclass(cls, dict) and cls.__module__.startswith(_LANGCHAIN_DATA):
        return _dict_subclass
    return None


def _thaw(value: Any, memo: Memo) -> Any:
    cls = type(value)
    if cls is object:
        return {} if value is _NO_ITEMS else [] if value is _NO_MEMBERS else value
    if isinstance(value, tuple) and cls in _FREEZERS:
        if value and value[0] is _PLAIN:
            return _plain_again(value)
        if value and value[0] is _OBJECT:
            known = memo.get(id(value))
            return _object_again(value, memo) if known is None else known
        items = [_thaw(item, memo) for item in value]
        if all(map(_is, items, value)):
            return value
        return tuple(items) if cls is tuple else cls._make(items)
    if isinstance(value, (dict, list, deque)) and cls in _FREEZERS and id(value) not in memo:
        memo[id(value)] = value
        for key, item in value.items() if isinstance(value, dict) else enumerate(value):
            thawed = _thaw(item, memo)
            if thawed is not item:
                value[key] = thawed
    return value


def _object_again(frozen: tuple[Any, ...], memo: Memo) -> Any:
    _, shape, state, fields_set, extra, private = frozen
    new: Any = object.__new__(_TYPES[shape])
    memo[id(frozen)] = new
    _set_attribute(new, "__dict__", _thaw(state, memo))
    _set_attribute(new, "__pydantic_fields_set__", set(fields_set))
    _set_attribute(new, "__pydantic_extra__", extra if extra is None else _thaw(extra, memo))
    _set_attribute(new, "__pydantic_private__", private and _thaw(private, memo))
    return new


def _plain_again(frozen: tuple[Any, ...]) -> Any:
    _, shape, values = frozen
    cls, names, factories = _PLAIN_TYPES[shape]
    state = dict(zip(names, values))
    new = object.__new__(cls)
    given = {name for name in names if state[name] != cls.__pydantic_fields__[name].default}
    _set_attribute(new, "__pydantic_fields_set__", given)
    state.update({name: factory() for name, factory in factories.items()})
    _set_attribute(new, "__dict__", {name: state[name] for name in cls.__pydantic_fields__})
    _set_attribute(new, "__pydantic_extra__", {} if cls.model_config.get("extra") else None)
    _set_attribute(new, "__pydantic_private__", None)
    return new


def _is(one: object, other: object) -> bool:
    return one is other


_HEAP_TYPE = 1 << 9
_CONTAINER_TYPES = (dict, list)
_set_attribute = object.__setattr__

_TYPES: dict[int, type] = {}
"""The types of frozen objects by their `id()`; they are kept here, so ids stay theirs."""
_PLAIN_TYPES: dict[int, tuple[Any, tuple[str, ...], dict[str, Callable[[], Any]]]] = {}
"""Of each type of message: the type, its fields that hold text, its containers."""

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
