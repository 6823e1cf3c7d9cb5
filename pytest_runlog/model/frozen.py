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
from types import UnionType
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Union, get_args, get_origin

from pytest_runlog.model.fields import hides_itself

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

DICT = object()
"""`(DICT, *keys, *values)`"""
LIST = object()
"""`(LIST, *items)`"""
OTHER = object()
"""`(OTHER, make, items)`: another container, and what makes it of its items."""
OBJECT = object()
"""`(OBJECT, id of its type, *values)`: a pydantic object with just the fields of its type."""
BARE_OBJECT = object()
"""`(BARE_OBJECT, id of its type, *values)`: the same, and its own containers are empty."""
ODD_OBJECT = object()
"""`(ODD_OBJECT, id of its type, state, extra, private)`: any other pydantic object."""
ALIKE = object()
"""`(ALIKE, frozen, content, id)`: a message that differs from a frozen one in these only."""
COPY = object()
"""`(COPY, copy)`: something that contains itself, or a value of a class that cannot be hashed."""
MARKS = frozenset({DICT, LIST, OTHER, OBJECT, BARE_OBJECT, ODD_OBJECT, ALIKE, COPY})


def freeze(value: Any) -> Any:
    """What `thaw` makes a copy of `value` from, whatever happens to `value` until then."""
    try:
        return _freeze(value, {})
    except _HARD:
        return (COPY, _copy(value, {}))


def spread(value: Any) -> tuple[Any, ...]:
    """The value frozen, as items of something flat; `gather` takes them together."""
    try:
        freezer = _FREEZERS[type(value)]
        if freezer is None:
            return (value,)
        if freezer is _text:
            return (_as_str(value),)
        frozen: Frozen = freezer(value, {})
    except _HARD:
        return (COPY, _copy(value, {}))
    return frozen


def gather(items: Sequence[Any]) -> Any:
    """The frozen value that `spread` gave items of."""
    first = items[0]
    return tuple(items) if type(first) is object and first in MARKS else first


def is_marked(items: Any) -> bool:
    """Whether this is a frozen container."""
    return type(items) is tuple and bool(items) and type(items[0]) is object and items[0] in MARKS


def thaw(value: Any) -> Any:
    """The value that was frozen, as a copy of its own."""
    return _thaw(value, {})


def _freeze(value: Any, memo: Memo) -> Any:
    freezer = _FREEZERS[type(value)]
    return value if freezer is None else freezer(value, memo)


def _freeze_all(values: Iterable[Any], memo: Memo) -> list[Any]:
    return [
        value if (freezer := _FREEZERS[type(value)]) is None else freezer(value, memo)
        for value in values
    ]


def _dict(value: dict[Any, Any], memo: Memo) -> Frozen:
    if _BY_REFERENCE.issuperset(map(type, value.values())):
        return (DICT, *value, *value.values())
    known = memo.get(id(value))
    if known is None:
        known = memo[id(value)] = (DICT, *value, *_freeze_all(value.values(), memo))
    return known


def _list(value: Sequence[Any], memo: Memo) -> Frozen:
    if len(value) == 1:  # as most lists of messages and generations have
        item = value[0]
        freezer = _FREEZERS[type(item)]
        return (LIST, item if freezer is None else freezer(item, memo))
    if _BY_REFERENCE.issuperset(map(type, value)):
        return (LIST, *value)
    known = memo.get(id(value))
    if known is None:
        known = memo[id(value)] = (LIST, *_freeze_all(value, memo))
    return known


def _text(value: str, _memo: Memo) -> str:
    """LangChain's `TextAccessor`, text that can also be called, as text.

    Each one that is kept would be an object more for the garbage collector to walk over: one
    for each streamed token.
    """
    return _as_str(value)


def _tuple(value: tuple[Any, ...], memo: Memo) -> Frozen:
    return (OTHER, tuple, _list(value, memo))


def _namedtuple(value: Any, memo: Memo) -> Frozen:
    return (OTHER, type(value)._make, _list(value, memo))


def _set(value: set[Any], _memo: Memo) -> Frozen:
    return (OTHER, set, (LIST, *value))


def _deque(value: deque[Any], memo: Memo) -> Frozen:
    limit = value.maxlen
    return (OTHER, lambda items: deque(items, limit), _list(value, memo))


def _default_dict(value: defaultdict[Any, Any], memo: Memo) -> Frozen:
    default = value.default_factory
    return (OTHER, lambda items: defaultdict(default, items), _dict(value, memo))


def _dict_subclass(value: dict[Any, Any], memo: Memo) -> Frozen:
    return (OTHER, type(value), _dict(value, memo))


def _odd_object(value: Any, memo: Memo) -> Frozen:
    extra = value.__pydantic_extra__
    private = value.__pydantic_private__
    return (
        ODD_OBJECT,
        id(type(value)),
        _dict(value.__dict__, memo),
        extra if extra is None else _dict(extra, memo),
        private if private is None else _dict(private, memo),
    )


class _Shape(NamedTuple):
    """A pydantic class, as far as freezing and thawing ask."""

    cls: Any
    names: tuple[str, ...]
    """The fields, in the order in which they are frozen."""
    others: tuple[str, ...]
    containers: dict[str, type]
    """The fields that are an empty list or dict by default, and which of both."""


def _object_freezer(cls: Any) -> Freezer:
    """A function that freezes the objects of a pydantic class.

    Each class gets one that has its fields as variables, as `dataclasses` and `namedtuple` do
    it: what it takes is the bytecodes that are run. Fields that can only hold text or numbers
    are not looked at. Most messages hold text and nothing else: they take the least.
    """
    fields = cls.__pydantic_fields__
    factories = {name: field.default_factory for name, field in fields.items()}
    containers = {name: made for name, made in factories.items() if made in _CONTAINERS}
    others = tuple(name for name in fields if name not in containers)
    SHAPES[id(cls)] = _Shape(cls, (*others, *containers), others, containers)

    variables = {name: f"v{place}" for place, name in enumerate(fields)}
    looked_at = [name for name in others if not _is_plain(fields[name].annotation)]
    plain = "".join(f"{variables[name]}, " for name in others)
    inner = "".join(f"freeze({variables[name]}, memo), " for name in containers)
    code = [
        "def freeze_object(value, memo):",
        "    state = value.__dict__",
        "    if value.__pydantic_extra__ or value.__pydantic_private__ or (*state,) != NAMES:",
        "        return odd_object(value, memo)",
        f"    {''.join(f'{variable}, ' for variable in variables.values())} = state.values()",
        *[
            line.format(v=variables[name])
            for name in looked_at
            for line in _FREEZE_FIELD[_may_be_text(fields[name].annotation)]
        ],
    ]
    if containers:
        held = "".join(f"{variables[name]}, " for name in containers)
        code += [
            f"    if ({held}) != EMPTY:",
            f"        return (OBJECT, {id(cls)}, {plain}{inner})",
        ]
    code += [f"    return (BARE_OBJECT, {id(cls)}, {plain})"]
    names: dict[str, Any] = {
        "OBJECT": OBJECT,
        "BARE_OBJECT": BARE_OBJECT,
        "NAMES": tuple(fields),
        "EMPTY": tuple(made() for made in containers.values()),
        "FREEZERS": _FREEZERS,
        "freeze": _freeze,
        "odd_object": _odd_object,
    }
    exec("\n".join(code), names)  # noqa: S102
    freezer: Freezer = names["freeze_object"]
    return freezer


_FREEZE_FIELD = {
    may_be_text: (
        f"    if {'type({v}) is not str and ' * may_be_text}{{v}} is not None:",
        "        freezer = FREEZERS[type({v})]",
        "        if freezer is not None: {v} = freezer({v}, memo)",
    )
    for may_be_text in (True, False)
}


def _may_be_text(annotation: Any) -> bool:
    return annotation is str or annotation is Any or any(map(_may_be_text, get_args(annotation)))


def _is_plain(annotation: Any) -> bool:
    """Whether a field of that type holds nothing that can change."""
    if annotation in _PLAIN or get_origin(annotation) is Literal:
        return True
    return get_origin(annotation) in _UNIONS and all(map(_is_plain, get_args(annotation)))


class _Freezers(dict[type, "Freezer | None"]):
    """How each type is frozen; `None` for by reference. Types are added as they are met."""

    def __missing__(self, cls: type) -> Freezer | None:
        freezer = self[cls] = _freezer_of(cls)
        if freezer is None:
            _BY_REFERENCE.add(cls)
        return freezer


def _freezer_of(cls: Any) -> Freezer | None:
    if cls.__flags__ & _HEAP_TYPE == 0:
        return None  # a type written in C: nothing is known about it
    if hides_itself(cls):
        return None
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
    if not is_marked(value):
        return value
    mark = value[0]
    if mark is COPY:
        return value[1]
    known = memo.get(id(value))
    if known is None:
        known = memo[id(value)] = _thaw_container(mark, value, memo)
    return known


def _thaw_container(mark: object, value: tuple[Any, ...], memo: Memo) -> Any:
    if mark is LIST:
        return [_thaw(item, memo) for item in value[1:]]
    if mark is DICT:
        middle = len(value) // 2 + 1
        return dict(zip(value[1:middle], [_thaw(item, memo) for item in value[middle:]]))
    if mark is OTHER:
        return value[1](_thaw(value[2], memo))
    if mark is ALIKE:
        _, frozen, content, name = value
        own = {"content": content, "id": name}
        others = SHAPES[frozen[1]].others
        items = [own.get(name, item) for name, item in zip(others, frozen[2:])]
        rest = frozen[2 + len(others) :]
        return _thaw_container(frozen[0], (*frozen[:2], *items, *rest), memo)
    shape = SHAPES[value[1]]
    if mark is ODD_OBJECT:
        return _make_object(shape.cls, *[_thaw(item, memo) for item in value[2:]])
    items = [_thaw(item, memo) for item in value[2:]]
    if mark is BARE_OBJECT:
        items += [make() for make in shape.containers.values()]
    given = dict(zip(shape.names, items))
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
    """A structural copy of something that cannot be frozen."""
    cls: Any = type(value)
    try:
        freezer = _FREEZERS[cls]
    except TypeError:
        return value
    if freezer is None or freezer in (_text, _set):
        return value if freezer is None else _thaw(freezer(value, {}), {})
    if id(value) in memo:
        return memo[id(value)]
    if id(cls) in SHAPES:
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


_HARD = (RecursionError, TypeError)
"""Raised where something contains itself, or is of a class that cannot be hashed."""
_HEAP_TYPE = 1 << 9
_PLAIN = (str, int, float, bool, type(None))
_UNIONS = (Union, UnionType)
_CONTAINERS = (dict, list)
_set_attribute = object.__setattr__
_as_str = str.__str__

SHAPES: dict[int, _Shape] = {}
"""The pydantic classes by their `id()`; they are kept here, so the ids stay theirs."""

_BY_REFERENCE: set[type] = {str, int, float, bool, bytes, complex, type(None), frozenset}
"""The types of which `_FREEZERS` has said so."""

_FREEZERS = _Freezers(
    {
        dict: _dict,
        list: _list,
        tuple: _tuple,
        set: _set,
        deque: _deque,
        OrderedDict: _dict_subclass,
        defaultdict: _default_dict,
        **dict.fromkeys(_BY_REFERENCE),
    }
)
