"""Values become plain data: whatever they are, masked, and the same on every run."""

from __future__ import annotations

import base64
import dataclasses
import json
from collections import ChainMap, OrderedDict, UserDict, defaultdict, deque
from collections.abc import Callable
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from enum import Enum, Flag, IntEnum, IntFlag
from pathlib import PurePosixPath
from types import MappingProxyType, SimpleNamespace
from typing import Any, NamedTuple, NoReturn
from unittest.mock import MagicMock, Mock
from uuid import UUID

import attrs
import pytest
from langchain_core.documents import Document
from langchain_core.messages import AIMessage, HumanMessage, RemoveMessage, ToolMessage
from langchain_core.messages.content import create_text_block
from langchain_core.prompt_values import ChatPromptValue
from langchain_core.runnables.utils import AddableDict
from langgraph.types import Send
from pydantic import BaseModel, ConfigDict, Field, SecretBytes, SecretStr

from pytest_runlog.model.data import (
    SavedError,
    error_to_data,
    group_chunks,
    metadata_to_data,
    sort_keys,
    tags_to_data,
    to_data,
    without_call_ids,
)
from pytest_runlog.model.frozen import freeze
from pytest_runlog.model.masking import Mask
from pytest_runlog.model.secrets import secrets_in

ID = UUID(int=5)
NO_MASK = Mask()


def data(value: Any) -> Any:
    converted = to_data(value, NO_MASK)
    json.dumps(converted, allow_nan=False)
    assert to_data(converted, NO_MASK) == converted
    return converted


class Color(Enum):
    RED = 1


class Mode(str, Enum):
    FAST = "fast"


class Level(IntEnum):
    LOW = 1


class Right(Flag):
    READ = 1
    WRITE = 2
    BOTH = 3
    LEND = 4


class Bits(IntFlag):
    LOW = 1


class Pair(NamedTuple):
    left: int
    right: str


@dataclasses.dataclass
class Point:
    x: int
    hidden: int = dataclasses.field(default=0, repr=False)


@dataclasses.dataclass
class Slotted:
    __slots__ = ("x",)
    x: int


@attrs.define
class Login:
    user: str
    password: str
    cache: object = attrs.field(default=None, repr=False)


class Account(NamedTuple):
    user: str
    password: str


class Settings(BaseModel):
    model_config = ConfigDict(extra="allow")
    name: str
    key: SecretStr = Field(default=SecretStr("sk-abcdef"))


class Plain:
    pass


def type_name(value: object) -> str:
    return type(value).__name__


# --- Kinds of values ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, None),
        (True, True),
        (7, 7),
        (1.5, 1.5),
        ("text", "text"),
        ("", ""),
        ([1, [2]], [1, [2]]),
        ((1, 2), [1, 2]),
        (deque([1, 2]), [1, 2]),
        (Pair(1, "a"), [1, "a"]),
        ({"a": {"b": 1}}, {"a": {"b": 1}}),
        (OrderedDict(a=1), {"a": 1}),
        (defaultdict(list, a=[1]), {"a": [1]}),
        ({3, 1, 2}, [1, 2, 3]),
        (frozenset({"b", "a"}), ["a", "b"]),
        (Color.RED, "Color.RED"),
        (Mode.FAST, "Mode.FAST"),
        (Level.LOW, "Level.LOW"),
        (Right.READ, "Right.READ"),
        (Right.READ | Right.WRITE, "Right.BOTH"),
        (Right.LEND | Right.READ, "Right.READ|LEND"),
        (Right.READ & Right.WRITE, "Right.0"),
        (Bits(5), "Bits.LOW|4"),
        (MappingProxyType({"a": {3, 1, 2}}), {"a": [1, 2, 3]}),
        (UserDict(a=1), {"a": 1}),
        (ChainMap({"a": 1}, {"b": 2}), {"a": 1, "b": 2}),
        (ID, str(ID)),
        (date(2024, 1, 2), "2024-01-02"),
        (time(3, 4), "03:04:00"),
        (datetime(2024, 1, 2, tzinfo=timezone.utc), "2024-01-02T00:00:00+00:00"),
        (PurePosixPath("/a/b"), "/a/b"),
        (ValueError("no"), {"@type": "ValueError", "message": "no"}),
        (ValueError(), {"@type": "ValueError", "message": ""}),
        (timedelta(1), {"@type": "timedelta", "repr": "datetime.timedelta(days=1)"}),
        (Decimal("1.5"), {"@type": "Decimal", "repr": "Decimal('1.5')"}),
        (1 + 2j, {"@type": "complex", "repr": "(1+2j)"}),
        (range(3), {"@type": "range", "repr": "range(0, 3)"}),
        (float("nan"), {"@type": "float", "repr": "nan"}),
        (float("-inf"), {"@type": "float", "repr": "-inf"}),
        (Plain, {"@type": "type", "repr": repr(Plain)}),
    ],
    ids=type_name,
)
def test_a_value_becomes_data(value: Any, expected: Any) -> None:
    assert data(value) == expected


def test_objects_are_shown_by_their_repr_without_addresses() -> None:
    shown = data(Plain())

    assert shown["@type"] == "Plain"
    assert shown["repr"].endswith("Plain object at 0x…>")
    assert data(iter([])) == {"@type": "list_iterator", "repr": "<list_iterator object at 0x…>"}


def test_a_type_that_a_function_made_has_a_short_name() -> None:
    class Local(Exception):
        pass

    assert data(Local("x")) == {"@type": "Local", "message": "x"}


def test_bytes_are_shown_by_their_size_and_digest() -> None:
    digest = {"@type": "bytes", "size": 2, "sha256": "fb8e20fc2e4c"}

    assert data(b"ab") == digest
    assert data(bytearray(b"ab")) == digest
    assert data(memoryview(b"ab")) == digest


def test_dataclasses_and_pydantic_models_are_shown_by_their_fields() -> None:
    assert data(Point(1)) == {"@type": "Point", "x": 1}
    assert data(Slotted(1)) == {"@type": "Slotted", "x": 1}
    assert data(Settings.model_validate({"name": "a", "more": [1]})) == {
        "@type": "Settings",
        "name": "a",
        "key": "<secret>",
        "more": [1],
    }


def test_so_are_namespaces_and_classes_of_attrs() -> None:
    assert data(SimpleNamespace(b={2, 1}, a="x")) == {
        "@type": "SimpleNamespace",
        "b": [1, 2],
        "a": "x",
    }
    assert data(Login("Jane", "", cache=Plain())) == {
        "@type": "Login",
        "user": "Jane",
        "password": "",
    }


def test_an_integer_too_long_to_be_written_is_shown_by_its_size_and_digest() -> None:
    huge = data(10**5000)

    assert huge == {"@type": "int", "bits": 16610, "sha256": huge["sha256"]}
    assert huge != data(10**5000 + 1)
    assert data(2**4000 - 1) == 2**4000 - 1


def test_keys_become_text() -> None:
    assert data({1: "a", None: "b", False: "c", 1.5: "d", (1, 2): "e"}) == {
        "1": "a",
        "None": "b",
        "False": "c",
        "1.5": "d",
        "[1, 2]": "e",
    }
    assert data({Mode.FAST: 1, Plain: 2}) == {"Mode.FAST": 1, repr(Plain): 2}


def test_different_keys_that_read_the_same_are_kept_apart() -> None:
    assert data({1: "number", "1": "text"}) == {"1": "number", "1'": "text"}


def test_numbers_of_numpy_and_arrays_are_shown_by_their_repr() -> None:
    numpy = pytest.importorskip("numpy", reason="numpy is not needed, only shown")

    assert data(numpy.float64(1.5)) == {"@type": "float64", "repr": "np.float64(1.5)"}
    assert data(numpy.array([1, 2])) == {"@type": "ndarray", "repr": "array([1, 2])"}
    assert data({numpy.int64(1): "a"}) == {"np.int64(1)": "a"}


# --- LangChain's own data ----------------------------------------------------------------


def test_a_message_is_shown_without_what_is_empty_or_made_up() -> None:
    message = AIMessage(
        "hi",
        id=f"lc_run--{ID}-0",
        response_metadata={"finish_reason": "stop"},
        usage_metadata={"input_tokens": 1, "output_tokens": 2, "total_tokens": 3},
    )

    assert data(message) == {"@type": "AIMessage", "content": "hi"}


def test_a_message_is_shown_with_what_the_user_gave() -> None:
    message = ToolMessage("done", tool_call_id="1", name="search", id="mine", artifact=[0])

    assert data(message) == {
        "@type": "ToolMessage",
        "content": "done",
        "name": "search",
        "tool_call_id": "1",
        "artifact": [0],
        "status": "success",
    }


def test_a_message_that_removes_another_is_shown_with_the_id_of_that() -> None:
    assert data(RemoveMessage(id="mine")) == {"@type": "RemoveMessage", "id": "mine"}


def test_ids_that_langchain_gives_to_content_blocks_are_left_out() -> None:
    message = HumanMessage(
        [dict(create_text_block("hi")), {"type": "text", "text": "x", "id": "mine"}]
    )

    assert data(message)["content"] == [
        {"type": "text", "text": "hi"},
        {"type": "text", "text": "x", "id": "mine"},
    ]


IMAGE = base64.b64encode(bytes(range(60))).decode()
SIZE_AND_DIGEST = {"size": 60, "sha256": "0ddde28e4083"}
IMAGE_DATA = {"@type": "bytes", **SIZE_AND_DIGEST}


@pytest.mark.parametrize(
    ("block", "shown"),
    [
        (
            {"type": "image", "base64": IMAGE, "mime_type": "image/png"},
            {"type": "image", "base64": IMAGE_DATA, "mime_type": "image/png"},
        ),
        (
            {"type": "image", "source_type": "base64", "data": IMAGE, "mime_type": "image/png"},
            {
                "type": "image",
                "source_type": "base64",
                "data": IMAGE_DATA,
                "mime_type": "image/png",
            },
        ),
        (
            {"type": "image", "source": {"media_type": "image/png", "data": IMAGE}},
            {"type": "image", "source": {"media_type": "image/png", "data": IMAGE_DATA}},
        ),
        (
            {"type": "input_audio", "input_audio": {"format": "wav", "data": IMAGE}},
            {"type": "input_audio", "input_audio": {"format": "wav", "data": IMAGE_DATA}},
        ),
        (
            {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{IMAGE}"}},
            {
                "type": "image_url",
                "image_url": {"url": {"@type": "bytes", "type": "image/png", **SIZE_AND_DIGEST}},
            },
        ),
    ],
    ids=["standard", "earlier standard", "Anthropic", "audio", "OpenAI"],
)
def test_files_in_content_blocks_are_shown_by_their_size_and_digest(
    block: dict[str, Any], shown: dict[str, Any]
) -> None:
    assert data(HumanMessage([block]))["content"] == [shown]


@pytest.mark.parametrize(
    "value",
    [
        {"data": IMAGE},
        {"data": "aGVsbG8=", "mime_type": "text/plain"},
        {"data": f"{IMAGE}!", "mime_type": "image/png"},
        {"url": "data:text/plain;base64,"},
        {"url": f"data:text/plain,{IMAGE}"},
    ],
    ids=["unsaid", "short", "not base64", "empty", "not encoded"],
)
def test_text_that_is_no_file_is_shown_as_it_is(value: dict[str, Any]) -> None:
    assert data(value) == value


def test_calls_and_results_can_be_compared_without_the_ids_that_link_them() -> None:
    call = {"name": "search", "args": {"id": 7}, "id": "call_x1"}
    block = {"type": "tool_use", "id": "toolu_x1", "name": "search", "input": {"id": 7}}
    messages = [
        AIMessage([block], tool_calls=[{**call, "type": "tool_call"}]),
        ToolMessage("done", tool_call_id="call_x1"),
        {"id": "mine", "call": call},
    ]

    assert without_call_ids(data(messages)) == [
        {
            "@type": "AIMessage",
            "content": [{"type": "tool_use", "name": "search", "input": {"id": 7}}],
            "tool_calls": [{"name": "search", "args": {"id": 7}, "type": "tool_call"}],
        },
        {"@type": "ToolMessage", "content": "done", "status": "success"},
        {"id": "mine", "call": {"name": "search", "args": {"id": 7}}},
    ]


@pytest.mark.parametrize("type_", [["string", "null"], {"const": "tool_call"}, None])
def test_what_has_a_type_that_is_no_text_is_no_call(type_: Any) -> None:
    schema = {"type": type_, "id": "call-1"}

    assert without_call_ids(schema) == schema


def test_the_tool_calls_of_a_message_are_shown() -> None:
    call = {"name": "search", "args": {"q": "x"}, "id": "1", "type": "tool_call"}

    assert data(AIMessage("", tool_calls=[call])) == {
        "@type": "AIMessage",
        "tool_calls": [call],
    }


def test_prompts_and_documents_are_shown_with_what_they_hold() -> None:
    assert data(ChatPromptValue(messages=[HumanMessage("hi")])) == {
        "@type": "ChatPromptValue",
        "messages": [{"@type": "HumanMessage", "content": "hi"}],
    }
    assert data(Document("text", id=str(ID), metadata={"source": "a"})) == {
        "@type": "Document",
        "metadata": {"source": "a"},
        "page_content": "text",
    }


def test_what_langgraph_sends_to_a_node_is_shown_with_what_it_holds() -> None:
    sent = Send("answer", {"messages": [HumanMessage("hi", id=str(ID))], "api_key": "abc123"})

    assert data(sent) == {
        "@type": "Send",
        "node": "answer",
        "arg": {
            "messages": [{"@type": "HumanMessage", "content": "hi"}],
            "api_key": "<secret>",
        },
    }
    assert secrets_in([sent]) == {"abc123"}


def test_metadata_is_shown_without_what_is_new_each_time() -> None:
    metadata = {
        "customer": "acme",
        "thread_id": "7",
        "langgraph_node": "plan",
        "langgraph_checkpoint_ns": "plan:1234",
        "checkpoint_ns": "plan:1234",
        "lc_versions": {"langchain-core": "1.0"},
        "__pregel_task_id": "1234",
        7: "seven",
    }

    assert metadata_to_data(metadata, NO_MASK, ["graph:step:1"]) == {
        "customer": "acme",
        "thread_id": "7",
        "langgraph_node": "plan",
        "7": "seven",
    }


def test_the_place_of_a_node_is_not_shown_for_what_the_node_runs() -> None:
    metadata = {"customer": "acme", "langgraph_node": "plan", "langgraph_step": 1}

    assert metadata_to_data(metadata, NO_MASK, ["seq:step:1"]) == {"customer": "acme"}


def test_sorted_data_has_its_keys_in_order_and_its_objects_as_they_are() -> None:
    value = {"b": [{"d": 1, "c": 2}], "a": Document("text", metadata={"f": 1, "e": 2})}

    assert json.dumps(sort_keys(data(value))) == (
        '{"a": {"@type": "Document", "metadata": {"e": 2, "f": 1}, "page_content": "text"}, '
        '"b": [{"c": 2, "d": 1}]}'
    )


def test_chunks_of_branches_are_grouped_by_branch_and_others_stay() -> None:
    chunks = [
        {"whole": 1, "input": 2},
        {"b": {"y": "1"}},
        {"a": "1"},
        {"b": {"x": "2"}},
        {"a": "2"},
        {"b": {"y": "3"}},
        "end",
        {"b": "4"},
        {"a": "3"},
    ]

    assert group_chunks(chunks) == [
        {"whole": 1, "input": 2},
        {"a": "1"},
        {"a": "2"},
        {"b": {"x": "2"}},
        {"b": {"y": "1"}},
        {"b": {"y": "3"}},
        "end",
        {"a": "3"},
        {"b": "4"},
    ]


def test_tags_are_sorted() -> None:
    assert tags_to_data(["b", "a"], NO_MASK) == ["a", "b"]


# --- Values that resist --------------------------------------------------------------------


def fail(*_: Any) -> NoReturn:
    raise RuntimeError("no")


class Resists:
    __hash__ = None  # type: ignore[assignment]
    __eq__ = __repr__ = __str__ = __bool__ = __len__ = __iter__ = __copy__ = __reduce__ = fail
    __deepcopy__ = __contains__ = __getattr__ = __format__ = fail


class ResistsList(list[Any]):
    __iter__ = fail


class ResistsText(str):
    __slots__ = ()
    __eq__ = __repr__ = __str__ = __format__ = fail
    __hash__ = str.__hash__


class ResistsNumber(int):
    __repr__ = __str__ = fail


class ResistsError(Exception):
    __str__ = __repr__ = fail


class ResistsFields(BaseModel):
    x: int = 1

    def __getattribute__(self, name: str) -> Any:
        if name == "__dict__":
            raise RuntimeError
        return super().__getattribute__(name)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (Resists(), {"@type": "Resists", "repr": "<unreadable: RuntimeError>"}),
        (ResistsList([1]), {"@type": "ResistsList", "repr": "<unreadable: RuntimeError>"}),
        (ResistsText("a"), "a"),
        (ResistsNumber(1), {"@type": "ResistsNumber", "repr": "<unreadable: RuntimeError>"}),
        (ResistsError(), {"@type": "ResistsError", "message": "<unreadable: RuntimeError>"}),
        (ResistsFields(), {"@type": "ResistsFields", "repr": "<unreadable: RuntimeError>"}),
        ({ResistsNumber(1): 2}, {"<unreadable: RuntimeError>": 2}),
        (
            [1, {"a": Resists()}],
            [1, {"a": {"@type": "Resists", "repr": "<unreadable: RuntimeError>"}}],
        ),
    ],
    ids=type_name,
)
def test_what_raises_is_shown_as_unreadable_and_the_rest_as_it_is(
    value: Any, expected: Any
) -> None:
    assert data(value) == expected


def test_a_message_may_hold_what_resists() -> None:
    shown = data(ToolMessage("done", tool_call_id="1", artifact=Resists()))

    assert shown["artifact"] == {"@type": "Resists", "repr": "<unreadable: RuntimeError>"}
    assert shown["content"] == "done"


def test_mocks_are_shown_as_what_they_are_and_not_as_what_they_pretend_to_be() -> None:
    assert data(Mock(spec=dict)) == {"@type": "Mock", "repr": "<Mock spec='dict' id=…>"}
    assert data(MagicMock(spec=str)) == {
        "@type": "MagicMock",
        "repr": "<MagicMock spec='str' id=…>",
    }
    assert data(Mock(spec=Document, name="doc")) == {
        "@type": "Mock",
        "repr": "<Mock name='doc' spec='Document' id=…>",
    }


def test_values_that_contain_themselves_are_cut_where_they_begin_again() -> None:
    items: list[Any] = [1]
    items.append(items)
    mapping: dict[str, Any] = {}
    mapping["self"] = (mapping, 2)

    assert data(items) == [1, {"@type": "cycle"}]
    assert data(mapping) == {"self": [{"@type": "cycle"}, 2]}


def test_a_value_that_is_there_twice_is_shown_twice() -> None:
    shared = [1]

    assert data([shared, shared]) == [[1], [1]]


def test_values_that_are_nested_too_deep_are_cut() -> None:
    deep: Any = "bottom"
    for _ in range(10_000):
        deep = [deep]

    shown = data(deep)
    for _ in range(50):
        assert isinstance(shown, list)
        (shown,) = shown
    assert shown == {"@type": "too deep"}


@pytest.mark.parametrize("text", ["\x00\x1b[31mred\x07", "\ud800", "a\u2028b\u202e", "\U0001f600"])
def test_text_is_kept_whatever_characters_it_has(text: str) -> None:
    assert data({text: text}) == {text: text}


# --- Secrets -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "secret",
    [
        "sk-1",
        b"sk-1",
        1234,
        12.5,
        ID,
        Decimal(5),
        ["a", "b"],
        {"user": "bob"},
        Point(1),
        PurePosixPath("/key"),
        Plain(),
        SecretStr("x"),
        ("a",),
    ],
    ids=type_name,
)
def test_any_value_under_the_key_of_a_secret_is_one(secret: Any) -> None:
    assert data({"api_key": secret, "other": 1}) == {"api_key": "<secret>", "other": 1}


@pytest.mark.parametrize("blank", [None, True, False, "", " ", [], {}])
def test_under_the_key_of_a_secret_nothing_and_switches_are_shown(blank: Any) -> None:
    assert data({"token": blank}) == {"token": blank}


@pytest.mark.parametrize("secret", [SecretStr("abc"), SecretBytes(b"abc"), [SecretStr("abc")]])
def test_a_secret_of_pydantic_is_one_under_any_key(secret: Any) -> None:
    assert "abc" not in json.dumps(data({"x": secret}))
    assert secrets_in([secret]) == {"abc"}


@pytest.mark.parametrize(
    "holder",
    [
        MappingProxyType({"password": "pass-word"}),
        UserDict(password="pass-word"),
        SimpleNamespace(password="pass-word"),
        Login("Jane", "pass-word"),
        Account("Jane", "pass-word"),
    ],
    ids=type_name,
)
def test_a_field_can_be_the_key_of_a_secret(holder: Any) -> None:
    assert "pass-word" not in json.dumps(data(holder))
    assert secrets_in([holder]) == {"pass-word"}


def test_a_secret_of_a_type_of_the_users_is_one() -> None:
    class Key(SecretStr):
        pass

    assert data([Key("abc")]) == ["<secret>"]


@pytest.mark.parametrize("was", [lambda value: value, freeze])
def test_secrets_are_found_wherever_they_lie(was: Callable[[Any], Any]) -> None:
    values = [
        {"headers": {"Authorization": "Bearer abcdefgh"}},
        [Settings(name="n")],
        HumanMessage("hi", additional_kwargs={"password": "pass-word"}),
        ValueError({"token": ("tok-1", [b"tok-2"])}),
        {"credentials": {"user": "bob", "ids": [12345678, ID]}},
        {"total_tokens": 1234567, "name": "nobody"},
        ({"a", "b"}, deque([{"token": "in-deque"}])),
        Account("ann", "in-named-tuple"),
        {"chunks": AddableDict(secret="in-addable")},
    ]

    assert secrets_in(map(was, values)) == {
        "Bearer abcdefgh",
        "abcdefgh",
        "sk-abcdef",
        "pass-word",
        "tok-1",
        "tok-2",
        "bob",
        "12345678",
        str(ID),
        "in-deque",
        "in-named-tuple",
        "in-addable",
    }


class Hidden(NamedTuple):
    value: str

    def get_secret_value(self) -> str:
        return self.value


class HiddenPage(Document):
    def get_secret_value(self) -> str:
        return self.page_content


class Numbered(tuple):  # type: ignore[type-arg]
    _fields = (0, 1)

    @classmethod
    def _make(cls, items: Any) -> Any:
        return cls(items)


class Unnamed(Numbered):
    @property
    def _fields(self) -> NoReturn:  # type: ignore[override]
        raise AssertionError


@pytest.mark.parametrize("was", [lambda value: value, freeze])
@pytest.mark.parametrize("value", [Hidden("pass-word"), HiddenPage(page_content="pass-word")])
def test_what_hides_itself_is_a_secret(value: Any, was: Callable[[Any], Any]) -> None:
    assert secrets_in([was([value])]) == {"pass-word"}


@pytest.mark.parametrize(
    "value",
    [
        {MagicMock(spec=str): [{"password": "pass-word"}]},
        Numbered([{"password": "pass-word"}, 2]),
        Unnamed([{"password": "pass-word"}, 2]),
    ],
)
def test_secrets_are_found_in_what_pretends_to_be_something_else(value: Any) -> None:
    assert secrets_in([freeze(value)]) == {"pass-word"}


def test_a_value_that_is_there_twice_is_a_secret_where_its_key_says_so() -> None:
    shared = ["sk-12345678"]

    assert secrets_in([{"names": shared, "api_keys": shared}]) == {"sk-12345678"}
    assert secrets_in([{"api_keys": shared, "names": shared}]) == {"sk-12345678"}


def test_secrets_are_looked_for_in_what_resists_and_in_circles() -> None:
    circle: dict[str, Any] = {"password": "pass-word"}
    circle["self"] = circle

    assert secrets_in([Resists(), ResistsList([1]), ResistsFields(), circle]) == {"pass-word"}
    assert secrets_in([{ResistsText("password"): "pass-word"}]) == {"pass-word"}


def test_a_class_that_cannot_be_hashed_hides_no_secret_beside_it() -> None:
    class Equal(type):
        def __eq__(cls, other: object) -> bool:
            return True

        __hash__ = None  # type: ignore[assignment]

    class Unhashable(metaclass=Equal):
        pass

    value = {"thing": Unhashable(), "password": "pass-word"}

    assert secrets_in([value, Unhashable()]) == {"pass-word"}
    assert data(value)["password"] == "<secret>"
    assert data(value)["thing"]["@type"] == "Unhashable"


def test_a_secret_number_is_masked_elsewhere_but_small_numbers_are_not() -> None:
    value = {"token": 12345678, "again": 12345678, "text": "12345678", "count": 5}
    mask = Mask(secrets=secrets_in([value, {"token": 5}]))

    assert to_data(value, mask) == {
        "token": "<secret>",
        "again": "<secret>",
        "text": "<secret>",
        "count": 5,
    }


def test_secrets_are_masked_in_keys_reprs_and_errors() -> None:
    class Client:
        def __repr__(self) -> str:
            return "Client(key='sk-12345678')"

    mask = Mask(secrets=frozenset({"sk-12345678"}))
    value = {"sk-12345678": Client(), "error": ValueError("bad key sk-12345678")}

    assert to_data(value, mask) == {
        "<secret>": {"@type": "Client", "repr": "Client(key='<secret>')"},
        "error": {"@type": "ValueError", "message": "bad key <secret>"},
    }


# --- The user's hook ---------------------------------------------------------------------


def test_the_hook_is_told_where_each_value_is_and_gives_what_to_show() -> None:
    seen: list[str] = []

    def hook(path: str, value: Any) -> Any:
        seen.append(path)
        return "<hidden>" if path == "inputs.user.name" else value

    value = {"user": {"name": "bob", "age": 3}, "items": [{"a": 1}, {2}]}

    assert to_data(value, Mask(hook=hook), "inputs") == {
        "user": {"name": "<hidden>", "age": 3},
        "items": [{"a": 1}, [2]],
    }
    assert seen == [
        "inputs",
        "inputs.user",
        "inputs.user.name",
        "inputs.user.age",
        "inputs.items",
        "inputs.items[0]",
        "inputs.items[0].a",
        "inputs.items[1]",
        "inputs.items[1][]",
    ]


def test_what_the_hook_gives_is_masked_as_well() -> None:
    mask = Mask(hook=lambda path, value: {"api_key": "sk"} if value == 1 else value)

    assert to_data([1], mask) == [{"api_key": "<secret>"}]


def test_an_error_that_was_saved_is_shown_as_it_was() -> None:
    error = SavedError("no")
    error.data = {"@type": "ValueError", "message": "no"}

    assert error_to_data(error, NO_MASK) == {"@type": "ValueError", "message": "no"}
    assert error_to_data(ValueError("no"), NO_MASK) == {"@type": "ValueError", "message": "no"}
    assert error_to_data(None, NO_MASK) is None
