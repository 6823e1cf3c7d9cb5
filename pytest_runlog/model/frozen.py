"""Values as they were: frozen when an event is recorded, thawed when somebody looks.

Containers of the standard library and LangChain's own data (messages, documents, prompt
values, generations, agent actions) are copied structurally; everything else is kept by
reference. Freezing happens inside the chain, so it does the least that keeps later changes
out. No code of the user's runs: types are recognised exactly, and attributes are taken as
they lie.

A frozen container is a tuple that begins with one of the marks below, as flat as it can be.
That is for the garbage collector, which is most of what recording costs: it walks again and
again over all that is kept, but a tuple that holds only numbers, text, `None`, plain
`object()`s and tuples of that kind is soon left out. A type is kept as its `id()` therefore.
"""

from __future__ import annotations

from collections import OrderedDict, defaultdict, deque
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    Memo = dict[int, Any]
    """What was frozen already, by the `id()` of values that live until all is frozen."""
    Frozen = tuple[Any, ...]
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

_DICT = object()
"""`(_DICT, *keys, *values)`"""
_LIST = object()
"""`(_LIST, *items)`"""
_OTHER = object()
"""`(_OTHER, make, items)`: another container, and what makes it of its items."""
_OBJECT = object()
"""`(_OBJECT, id of its type, *values)`: a pydantic object with just the fields of its type."""
_BARE_OBJECT = object()
"""`(_BARE_OBJECT, id of its type, *values)`: the same, and its own containers are empty."""
_ODD_OBJECT = object()
"""`(_ODD_OBJECT, id of its type, state, extra, private)`: any other pydantic object."""
_COPY = object()
"""`(_COPY, copy)`: something that contains itself."""
_MARKS = frozenset({_DICT, _LIST, _OTHER, _OBJECT, _BARE_OBJECT, _ODD_OBJECT, _COPY})


def freeze(value: Any) -> Any:
    """What `thaw` makes a copy of `value` from, whatever happens to `value` until then."""
    freezer = _FREEZERS[type(value)]
    if freezer is None:
        return value
    try:
        return freezer(value, {})
    except RecursionError:
        return (_COPY, _copy(value, {}))


def spread(value: Any) -> tuple[Any, ...]:
    """The value frozen, as items of something flat; `gather` takes them together."""
    freezer = _FREEZERS[type(value)]
    if freezer is None:
        return (value,)
    if freezer is _text:
        return (_as_str(value),)
    try:
        frozen: Frozen = freezer(value, {})
    except RecursionError:
        frozen = (_COPY, _copy(value, {}))
    return frozen


def gather(items: Sequence[Any]) -> Any:
    """The frozen value that `spread` gave items of."""
    return tuple(items) if _is_marked(items) else items[0]


def _is_marked(items: Sequence[Any]) -> bool:
    return bool(items) and type(items[0]) is object and items[0] in _MARKS


def thaw(value: Any) -> Any:
    """The value that was frozen, as a copy of its own."""
    return _thaw(value, {})


def _freeze(value: Any, memo: Memo) -> Any:
    freezer = _FREEZERS[type(value)]
    return value if freezer is None else freezer(value, memo)


def _dict(value: dict[Any, Any], memo: Memo) -> Frozen:
    for item in value.values():
        if _FREEZERS[type(item)] is not None:
            break
    else:
        return (_DICT, *value, *value.values())
    known = memo.get(id(value))
    if known is None:
        items = [item if type(item) is str else _freeze(item, memo) for item in value.values()]
        known = memo[id(value)] = (_DICT, *value, *items)
    return known


def _list(value: Iterable[Any], memo: Memo) -> Frozen:
    items = (_LIST, *value)
    for item in items:
        if _FREEZERS[type(item)] is not None:
            break
    else:
        return items
    known = memo.get(id(value))
    if known is None:
        if len(items) == 2:
            known = memo[id(value)] = (_LIST, _freeze(item, memo))
        else:
            known = memo[id(value)] = tuple([_freeze(item, memo) for item in items])
    return known


def _text(value: str, _memo: Memo) -> str:
    """LangChain's `TextAccessor`, text that can also be called, as text.

    Each one that is kept would be an object more for the garbage collector to walk over: one
    for each streamed token.
    """
    return _as_str(value)


def _tuple(value: tuple[Any, ...], memo: Memo) -> Frozen:
    return (_OTHER, tuple, _list(value, memo))


def _namedtuple(value: Any, memo: Memo) -> Frozen:
    return (_OTHER, type(value)._make, _list(value, memo))


def _set(value: set[Any], _memo: Memo) -> Frozen:
    return (_OTHER, set, (_LIST, *value))


def _deque(value: deque[Any], memo: Memo) -> Frozen:
    limit = value.maxlen
    return (_OTHER, lambda items: deque(items, limit), _list(value, memo))


def _default_dict(value: defaultdict[Any, Any], memo: Memo) -> Frozen:
    default = value.default_factory
    return (_OTHER, lambda items: defaultdict(default, items), _dict(value, memo))


def _dict_subclass(value: dict[Any, Any], memo: Memo) -> Frozen:
    return (_OTHER, type(value), _dict(value, memo))


def _odd_object(value: Any, memo: Memo) -> Frozen:
    extra = value.__pydantic_extra__
    private = value.__pydantic_private__
    return (
        _ODD_OBJECT,
        id(type(value)),
        _dict(value.__dict__, memo),
        extra if extra is None else _dict(extra, memo),
        private if private is None else _dict(private, memo),
    )


class _Shape(NamedTuple):
    """A pydantic class, as far as freezing and thawing ask."""

    cls: Any
    others: tuple[str, ...]
    containers: dict[str, type]
    """The fields that are an empty list or dict by default, and which of both."""


def _object_freezer(cls: Any) -> Freezer:
    """A function that freezes the objects of a pydantic class.

    Each class gets one with its field names in it, as `dataclasses` and `namedtuple` do it:
    that takes a third of the time of a loop over the names. Most messages hold text and
    nothing else: they take the least.
    """
    fields = cls.__pydantic_fields__
    factories = {name: field.default_factory for name, field in fields.items()}
    containers = {name: made for name, made in factories.items() if made in _CONTAINERS}
    others = tuple(name for name in fields if name not in containers)
    _SHAPES[id(cls)] = _Shape(cls, others, containers)

    variables = {name: f"v{place}" for place, name in enumerate((*others, *containers))}
    plain = "".join(f"{variables[name]}, " for name in others)
    inner = "".join(f"freeze({variables[name]}, memo), " for name in containers)
    filled = "".join(
        f" or {variables[name]} or type({variables[name]}) is not {made.__name__}"
        for name, made in containers.items()
    )
    code = [
        "def freeze_object(value, memo):",
        "    state = value.__dict__",
        "    if value.__pydantic_extra__ or value.__pydantic_private__:",
        "        return odd_object(value, memo)",
        f"    if len(state) != {len(fields)}:",
        "        return odd_object(value, memo)",
        "    try:",
        *[f"        {variable} = state[{name!r}]" for name, variable in variables.items()],
        "    except KeyError:",
        "        return odd_object(value, memo)",
        *[
            f"    if type({variables[name]}) is not str and {variables[name]} is not None: "
            f"{variables[name]} = freeze({variables[name]}, memo)"
            for name in others
        ],
        f"    if False{filled}:",
        f"        return (OBJECT, {id(cls)}, {plain}{inner})",
        f"    return (BARE_OBJECT, {id(cls)}, {plain})",
    ]
    names: dict[str, Any] = {
        "OBJECT": _OBJECT,
        "BARE_OBJECT": _BARE_OBJECT,
        "freeze": _freeze,
        "odd_object": _odd_object,
    }
    exec("\n".join(code), names)  # noqa: S102
    freezer: Freezer = names["freeze_object"]
    return freezer


class _Freezers(dict[type, "Freezer | None"]):
    """How each type is frozen; `None` for by reference. Types are added as they are met."""

    def __missing__(self, cls: type) -> Freezer | None:
        freezer = self[cls] = _freezer_of(cls)
        return freezer


def _freezer_of(cls: Any) -> Freezer | None:
    if cls.__flags__ & _HEAP_TYPE == 0:
        return None  # a type written in C: nothing is known about it
    if issubclass(cls, tuple) and cls.__bases__ == (tuple,) and hasattr(cls, "_fields"):
        return _namedtuple
    if not any(base.__module__.startswith(_LANGCHAIN_DATA) for base in cls.__mro__):
        return None
    if hasattr(cls, "__pydantic_fields__"):
        return _object_freezer(cls)
    if cls.__module__.startswith(_LANGCHAIN_DATA):
        if issubclass(cls, dict):
            return _dict_subclass
        if issubclass(cls, str):
            return _text
    return None


def _thaw(value: Any, memo: Memo) -> Any:
    if type(value) is not tuple or not value:
        return value
    mark = value[0]
    if type(mark) is not object or mark not in _MARKS:
        return value
    if mark is _COPY:
        return value[1]
    known = memo.get(id(value))
    if known is None:
        known = memo[id(value)] = _thaw_container(mark, value, memo)
    return known


def _thaw_container(mark: object, value: tuple[Any, ...], memo: Memo) -> Any:
    if mark is _LIST:
        return [_thaw(item, memo) for item in value[1:]]
    if mark is _DICT:
        middle = len(value) // 2 + 1
        return dict(zip(value[1:middle], [_thaw(item, memo) for item in value[middle:]]))
    if mark is _OTHER:
        return value[1](_thaw(value[2], memo))
    shape = _SHAPES[value[1]]
    if mark is _ODD_OBJECT:
        return _make_object(shape.cls, *[_thaw(item, memo) for item in value[2:]])
    items = [_thaw(item, memo) for item in value[2:]]
    if mark is _BARE_OBJECT:
        items += [make() for make in shape.containers.values()]
    given = dict(zip((*shape.others, *shape.containers), items))
    state = {name: given[name] for name in shape.cls.__pydantic_fields__}
    extra: Any = {} if shape.cls.model_config.get("extra") == "allow" else None
    return _make_object(shape.cls, state, extra, None)


def _make_object(cls: Any, state: dict[str, Any], extra: Any, private: Any) -> Any:
    """As pydantic's `BaseModel.__copy__`; a field counts as set if it is not the default."""
    new = object.__new__(cls)
    given = {
        name
        for name, field in cls.__pydantic_fields__.items()
        if name in state and not _is_default(state[name], field)
    }
    _set_attribute(new, "__dict__", state)
    _set_attribute(new, "__pydantic_fields_set__", given | set(extra or ()))
    _set_attribute(new, "__pydantic_extra__", extra)
    _set_attribute(new, "__pydantic_private__", private)
    return new


def _is_default(value: Any, field: Any) -> bool:
    if type(value) in _CONTAINERS:
        return not value and field.default_factory in _CONTAINERS
    return value is field.default or (type(value) is str and value == field.default)


def _copy(value: Any, memo: Memo) -> Any:
    """A structural copy of something that contains itself."""
    cls: Any = type(value)
    freezer = _FREEZERS[cls]
    if freezer is None or freezer in (_text, _set):
        return value if freezer is None else _thaw(freezer(value, {}), {})
    if id(value) in memo:
        return memo[id(value)]
    if id(cls) in _SHAPES:
        memo[id(value)] = new = object.__new__(cls)
        _set_attribute(new, "__dict__", _copy(value.__dict__, memo))
        _set_attribute(new, "__pydantic_fields_set__", value.__pydantic_fields_set__.copy())
        _set_attribute(new, "__pydantic_extra__", _copy(value.__pydantic_extra__, memo))
        _set_attribute(new, "__pydantic_private__", _copy(value.__pydantic_private__, memo))
        return new
    if isinstance(value, tuple):
        items = [_copy(item, memo) for item in value]
        return memo.setdefault(id(value), tuple(items) if cls is tuple else cls._make(items))
    new = memo[id(value)] = cls.__new__(cls)
    if isinstance(value, dict):
        new.update((key, _copy(item, memo)) for key, item in value.items())
    else:
        new.extend(_copy(item, memo) for item in value)
    return new


_HEAP_TYPE = 1 << 9
_CONTAINERS = (dict, list)
_set_attribute = object.__setattr__
_as_str = str.__str__

_SHAPES: dict[int, _Shape] = {}
"""The pydantic classes by their `id()`; they are kept here, so the ids stay theirs."""

_FREEZERS = _Freezers(
    {
        dict: _dict,
        list: _list,
        tuple: _tuple,
        set: _set,
        deque: _deque,
        OrderedDict: _dict_subclass,
        defaultdict: _default_dict,
        **dict.fromkeys((str, int, float, bool, bytes, complex, type(None), frozenset)),
    }
)
