"""Values become plain data here, and nowhere else: masked, and safe to show or to store.

Plain data is what JSON can hold. What JSON cannot hold becomes a dict with the key
`"@type"`: LangChain's messages and documents with their fields, other objects with their
`repr`. Data that is converted again stays as it is.

Values may lie about what they are (a `Mock(spec=dict)` is an instance of `dict`), and their
code may raise. So types are looked up, not asked for, and what raises is shown as unreadable.
"""

from __future__ import annotations

import base64
import hashlib
import math
import re
from collections import deque
from collections.abc import Mapping
from datetime import date, time
from enum import Enum, Flag
from pathlib import PurePath
from typing import TYPE_CHECKING, Any
from uuid import UUID

from pytest_runlog.model.fields import fields_of, hides_itself, is_blank, is_of_langgraph, names_in
from pytest_runlog.model.masking import (
    SECRET,
    Mask,
    MaskHookFailed,
    is_secret_key,
    is_volatile_id,
)
from pytest_runlog.model.secrets import SHORT_INT

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import TypeAlias

Data: TypeAlias = Any
"""`None`, `bool`, `int`, `float`, `str`, a list of data, or a dict from `str` to data."""

_DEEPEST = 50
_LONGEST_INT = 4_000
"""In bits. `json` cannot write much longer ones, and nobody could read them."""
_SHORT_TEXT = 64
"""In characters. Base64 that is shorter is shown as it is."""
_BASE64_KEYS = frozenset({"base64", "data", "file_data"})
_BASE64_SIGNS = frozenset({"mime_type", "media_type", "source_type", "format"})
"""Beside one of these, the text under one of the keys above is a file."""
_CALLS = frozenset({"tool_call", "tool_call_chunk", "invalid_tool_call"})
_CALL_BLOCKS = frozenset({"tool_use", "server_tool_call", "function_call", "tool_result"})
_CALL_IDS = frozenset({"id", "call_id", "tool_use_id", "tool_call_id"})
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
_DATA_URL = re.compile(r"data:([\w.+/-]+)(?:;[\w.+=-]+)*;base64,")
_NODE_METADATA = frozenset(
    {"langgraph_node", "langgraph_path", "langgraph_step", "langgraph_triggers"}
)


def to_data(value: Any, mask: Mask, path: str = "") -> Data:
    """What `value` is shown as. Whatever the value is, only the user's mask hook can raise."""
    return _Conversion(mask).convert(value, path, secret=False, depth=0)


def metadata_to_data(
    metadata: Mapping[Any, Any], mask: Mask, tags: Iterable[str] = ()
) -> dict[str, Data]:
    """The metadata of a run with these tags, as far as it is shown."""
    return _dict_to_data(shown_metadata(metadata, tags), mask, "metadata")


def details_to_data(details: Mapping[str, Any], mask: Mask) -> dict[str, Data]:
    """The details of a run's start."""
    return _dict_to_data(dict(details), mask, "details")


def _dict_to_data(value: dict[Any, Any], mask: Mask, path: str) -> dict[str, Data]:
    """A dict stays one, also if the hook of the user's makes something else of it."""
    data = to_data(value, mask, path)
    return data if isinstance(data, dict) else {"masked": data}


def shown_metadata(metadata: Mapping[Any, Any], tags: Iterable[str]) -> dict[Any, Any]:
    """Metadata without what LangChain and LangGraph add anew each time.

    The place of a node is shown for the node only: what it runs inherits it, and concurrent
    tasks of an `entrypoint` get that of one another.
    """
    hidden = _VOLATILE_METADATA
    if not any(tag.startswith("graph:step:") for tag in tags):
        hidden |= _NODE_METADATA
    return {
        key: value
        for key, value in metadata.items()
        if not (isinstance(key, str) and (key in hidden or key.startswith("__")))
    }


def is_object(data: dict[Any, Data]) -> bool:
    """Whether this dict stands for an object that JSON cannot hold."""
    return isinstance(data.get("@type"), str)


def sort_keys(data: Data) -> Data:
    """The data with the keys of its dicts sorted.

    Threads fill dicts, and a stream makes them of its chunks, in the order of a race. What
    stands for an object keeps the order of its fields.
    """
    if isinstance(data, list):
        return [sort_keys(item) for item in data]
    if isinstance(data, dict):
        keys = data if is_object(data) else sorted(data)
        return {key: sort_keys(data[key]) for key in keys}
    return data


def without_call_ids(data: Data) -> Data:
    """The data without the ids that link tool calls with their results.

    Providers make them up for each call, and they say nothing that the order does not.
    """
    if isinstance(data, list):
        return [without_call_ids(item) for item in data]
    if not isinstance(data, dict):
        return data
    if is_call(data) or _is_of_type(data, _CALL_BLOCKS):
        hidden = _CALL_IDS
    else:
        hidden = frozenset({"tool_call_id"}) if is_object(data) else frozenset()
    return {key: without_call_ids(item) for key, item in data.items() if key not in hidden}


def is_call(data: dict[Any, Data]) -> bool:
    """Whether this dict is a call that a model asks for, as LangChain writes it."""
    return _is_of_type(data, _CALLS) or data.keys() == {"name", "args", "id"}


def _is_of_type(data: dict[Any, Data], types: frozenset[str]) -> bool:
    """Whether the key `type`, under which there can be anything, has one of these."""
    type_ = data.get("type")
    return isinstance(type_, str) and type_ in types


def group_chunks(chunks: Iterable[Any], depth: int = 0) -> list[Any]:
    """Chunks, or the data of chunks, in an order that no race can change.

    The branches of a `RunnableParallel` stream at the same time, each chunk a dict with one
    key. Between other chunks, those are grouped by their key, and then by the key below it.
    """
    grouped: list[Any] = []
    branches: dict[Any, list[Any]] = {}
    for chunk in [*chunks, None]:
        if isinstance(chunk, dict) and len(chunk) == 1 and not is_object(chunk):
            ((key, value),) = chunk.items()
            branches.setdefault(key, []).append(value)
            continue
        for key in sorted(branches, key=str):
            values = branches[key]
            if len(values) > 1 and depth < _DEEPEST:
                values = group_chunks(values, depth + 1)
            grouped += [{key: value} for value in values]
        branches.clear()
        grouped.append(chunk)
    return grouped[:-1]


def tags_to_data(tags: Iterable[str], mask: Mask) -> list[str]:
    """The tags of a run. LangChain merges them through sets, so they are sorted."""
    data = to_data(list(tags), mask, "tags")
    shown = data if isinstance(data, list) else [data]
    return sorted(tag if isinstance(tag, str) else repr(tag) for tag in shown)


def error_to_data(error: BaseException | None, mask: Mask, path: str = "error") -> Data:
    """What an exception is shown as, or one that was saved."""
    return error.data if isinstance(error, SavedError) else to_data(error, mask, path)


class SavedError(Exception):
    """An exception as it was saved: a type of the same name with the same text."""

    data: Data = None
    exceptions: tuple[SavedError, ...] = ()
    """The errors of other runs that it was raised from, or because of."""


class _Conversion:
    def __init__(self, mask: Mask) -> None:
        self.mask = mask
        self.inside: set[int] = set()

    def convert(
        self, value: Any, path: str, *, secret: bool, depth: int, is_base64: bool = False
    ) -> Data:
        value = self.mask.replaced(path, value)
        if value is None or value is True or value is False:
            return value
        cls = type(value)
        if secret and not is_blank(value):
            return SECRET
        if cls is str:
            return _file(value, is_base64=is_base64) or self.mask.text(value)
        if cls is int:
            return self.number(value)
        if cls is float:
            return value if math.isfinite(value) else {"@type": "float", "repr": repr(value)}
        if id(value) in self.inside:
            return {"@type": "cycle"}
        if depth >= _DEEPEST:
            return {"@type": "too deep"}
        self.inside.add(id(value))
        try:
            return self.container(value, cls, path, depth + 1)
        except MaskHookFailed:
            raise
        except Exception as failure:  # the value's own code raised
            return {
                "@type": self.type_name(value),
                "repr": f"<unreadable: {type(failure).__name__}>",
            }
        finally:
            self.inside.discard(id(value))

    def number(self, value: int) -> Data:
        if value.bit_length() <= SHORT_INT:
            return value
        if value.bit_length() <= _LONGEST_INT:
            return SECRET if str(value) in self.mask.secrets else value
        digest = hashlib.sha256(hex(value).encode()).hexdigest()[:12]
        return {"@type": "int", "bits": value.bit_length(), "sha256": digest}

    def container(self, value: Any, cls: type, path: str, depth: int) -> Data:
        if issubclass(cls, dict):
            return self.mapping(value, path, depth)
        if issubclass(cls, (list, tuple, deque)):
            hidden = {at for at, name in enumerate(names_in(cls)) if is_secret_key(name)}
            return [
                self.convert(item, f"{path}[{index}]", secret=index in hidden, depth=depth)
                for index, item in enumerate(value)
            ]
        if issubclass(cls, (set, frozenset)):
            items = [self.convert(item, f"{path}[]", secret=False, depth=depth) for item in value]
            return sorted(items, key=repr)
        if issubclass(cls, Mapping):
            return self.mapping(dict(value), path, depth)
        if hides_itself(cls):
            return SECRET
        if issubclass(cls, (bytes, bytearray, memoryview)):
            return _binary(bytes(value))
        if issubclass(cls, Enum):
            return self.mask.text(f"{_type_name(value)}.{_member_name(value)}")
        if issubclass(cls, str):
            return self.mask.text(str.__str__(value))
        if issubclass(cls, UUID):
            return self.mask.text(str(value))
        if issubclass(cls, (date, time)):
            return value.isoformat()
        if issubclass(cls, PurePath):
            return self.mask.text(str(value))
        if issubclass(cls, BaseException):
            return {
                "@type": self.type_name(value),
                "message": self.mask.text(message_of(value)),
            }
        return self.thing(value, path, depth)

    def mapping(self, value: dict[Any, Any], path: str, depth: int) -> Data:
        data: dict[str, Data] = {}
        holds_file = not _BASE64_SIGNS.isdisjoint(value)
        for key, item in list(dict.items(value)):
            if key == "id" and "type" in value and _is_auto_id(item):
                continue  # of a content block
            name = self.key(key)
            hidden = is_secret_key(name)
            while name in data:
                name += "'"  # 1 and "1" are different keys
            data[name] = self.convert(
                item,
                f"{path}.{name}" if path else name,
                secret=hidden,
                depth=depth,
                is_base64=holds_file and name in _BASE64_KEYS,
            )
        return data

    def key(self, key: Any) -> str:
        if issubclass(type(key), str) and not issubclass(type(key), Enum):
            return self.mask.text(str.__str__(key))
        if type(key) in (int, bool, float, type(None)):
            return str(key) if type(key) is not int else str(self.number(key))
        data = self.convert(key, "", secret=False, depth=_DEEPEST - 2)
        if isinstance(data, dict) and "repr" in data:
            return str(data["repr"])
        return data if isinstance(data, str) else repr(data)

    def type_name(self, value: Any) -> str:
        return self.mask.text(_type_name(value))

    def thing(self, value: Any, path: str, depth: int) -> Data:
        fields = fields_of(value)
        if fields is None:
            return {"@type": self.type_name(value), "repr": self.mask.text(_repr(value))}
        if _is_langchain_data(value):
            fields = {
                name: item
                for name, item in fields.items()
                if item not in _EMPTY
                and not (name == "id" and _is_made_up(value, item))
                and name not in ("type", *_NOT_SHOWN)
            }
        elif is_of_langgraph(type(value), "Interrupt"):  # its id differs every time
            fields = {name: item for name, item in fields.items() if name != "id"}
        data = self.mapping(fields, path, depth)
        return {"@type": self.type_name(value), **data}


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


def _binary(value: bytes, **more: str) -> Data:
    return {
        "@type": "bytes",
        **more,
        "size": len(value),
        "sha256": hashlib.sha256(value).hexdigest()[:12],
    }


def _file(text: str, *, is_base64: bool) -> Data | None:
    """What an image or another file in base64 is shown as; `None` if the text is none."""
    found = _DATA_URL.match(text)
    if len(text) < _SHORT_TEXT or not (is_base64 or found):
        return None
    try:
        content = base64.b64decode(text[found.end() if found else 0 :], validate=True)
    except ValueError:
        return None
    return _binary(content, type=found[1]) if found else _binary(content)


def _type_name(value: Any) -> str:
    return type(value).__qualname__.rpartition("<locals>.")[2]


def _is_langchain_data(value: Any) -> bool:
    return any(
        base.__module__.startswith(("langchain_core.messages", "langchain_core.documents"))
        for base in type(value).__mro__
    )


def _is_auto_id(value: Any) -> bool:
    """Whether LangChain made this id for something that had none."""
    return type(value) is str and value.startswith("lc_") and is_volatile_id(value)


def _is_made_up(value: Any, id_: Any) -> bool:
    """Whether the id of a message or document says nothing: all but a message to remove it."""
    if is_volatile_id(id_):
        return True
    names = {base.__name__ for base in type(value).__mro__}
    return "BaseMessage" in names and "RemoveMessage" not in names


def _member_name(member: Enum) -> str:
    """The name of a member of an enumeration; several flags have one from Python 3.11 on."""
    if not isinstance(member, Flag) or member.name in type(member).__members__:
        return member.name
    single = [flag for flag in type(member) if flag.value.bit_count() == 1]
    names = [str(flag.name) for flag in single if flag.value & member.value]
    rest = member.value & ~sum(flag.value for flag in single)
    return "|".join([*names, str(rest)] if rest or not names else names)
