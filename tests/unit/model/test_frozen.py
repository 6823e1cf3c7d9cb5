"""Frozen values: what was recorded stays what it was, and comes back as what it was."""

from __future__ import annotations

from collections import OrderedDict, defaultdict, deque
from typing import Any, NamedTuple

import pytest
from langchain_core.documents import Document
from langchain_core.messages import AIMessage, AIMessageChunk, HumanMessage
from langchain_core.messages.ai import UsageMetadata
from langchain_core.outputs import ChatGeneration, LLMResult
from langchain_core.prompt_values import ChatPromptValue
from langchain_core.runnables.utils import AddableDict

from pytest_runlog.model.alike import MessageFreezer
from pytest_runlog.model.frozen import freeze, gather, spread, thaw


class Pair(NamedTuple):
    one: Any
    other: Any


USAGE = UsageMetadata(input_tokens=1, output_tokens=2, total_tokens=3)
VALUES: list[Any] = [
    None,
    "text",
    [],
    {},
    (),
    [[1], {"a": [2]}],
    {"a": {"b": [{"c": ()}]}},
    ([1], "x"),
    Pair([1], 2),
    {1, 2},
    deque([[1]], maxlen=3),
    OrderedDict(b=[1], a=2),
    defaultdict(list, {"a": [1]}),
    AddableDict(a=[1]),
    HumanMessage("hi"),
    HumanMessage("hi", extra_field=[1]),
    HumanMessage([{"type": "text", "text": "hi"}]),
    AIMessage("hi", usage_metadata=USAGE),
    AIMessageChunk(content="hi", chunk_position="last"),
    Document("page", metadata={"a": [1]}),
    ChatPromptValue(messages=[HumanMessage("hi")]),
    LLMResult(generations=[[ChatGeneration(message=AIMessage("hi"))]], llm_output={"a": [1]}),
]


@pytest.mark.parametrize("value", VALUES, ids=lambda value: type(value).__name__)
def test_what_thaws_is_the_value_that_was_frozen(value: Any) -> None:
    thawed = thaw(freeze(value))

    assert thawed == value
    assert type(thawed) is type(value)
    assert repr(thawed) == repr(value)


@pytest.mark.parametrize("value", VALUES, ids=lambda value: type(value).__name__)
def test_a_value_that_was_spread_can_be_gathered(value: Any) -> None:
    assert thaw(gather(spread(value))) == value


def test_later_changes_do_not_show() -> None:
    message = AIMessage("hi")
    value: dict[str, list[Any]] = {"messages": [message], "documents": [Document("page")]}
    frozen = freeze(value)

    message.content = "changed"
    message.tool_calls.append({"name": "search", "args": {}, "id": "1"})
    value["documents"][0].metadata["score"] = 0.5
    value["messages"].append(HumanMessage("later"))

    assert thaw(frozen) == {"messages": [AIMessage("hi")], "documents": [Document("page")]}


def test_each_thawing_gives_a_copy_of_its_own() -> None:
    frozen = freeze([[1]])
    thaw(frozen)[0].append(2)

    assert thaw(frozen) == [[1]]


@pytest.mark.parametrize("container", [tuple, lambda items: Pair(*items), deque])
def test_one_of_many_values_is_not_taken_for_another(container: Any) -> None:
    values = [{"a": container(([number], number))} for number in range(300)]

    assert thaw(freeze(values)) == values


def test_what_is_shared_at_every_level_takes_no_more_time_than_its_parts() -> None:
    value: list[Any] = [[0]]
    for _ in range(60):
        value = [value] * 10

    assert len(thaw(freeze(value))) == 10


class Thing:
    """Somebody else's class."""


CHUNKS: list[Any] = [
    AIMessageChunk(content="a", id="1"),
    AIMessageChunk(content="b", id="1"),
    AIMessageChunk(content="c", id="2"),
    AIMessageChunk(content="", id="2", chunk_position="last"),
    AIMessageChunk(content=[{"type": "text", "text": "d"}], id="2"),
    AIMessageChunk(content="e", id="2", name="other"),
    AIMessageChunk(content="f", id="2", usage_metadata=USAGE),
    AIMessageChunk(content="g", id="2", response_metadata={"model_name": "small"}),
    AIMessageChunk(content="", id="2", response_metadata={"model_name": "small"}),
    AIMessageChunk(content="", id="2", response_metadata={"model_name": "large"}),
    AIMessageChunk(content="", id="2", response_metadata={"flag": 1}),
    AIMessageChunk(content="", id="2", response_metadata={"flag": True}),
    AIMessageChunk.model_validate({"content": "h", "extra_field": [1]}),
    AIMessageChunk(content="i", id=None),
    AIMessageChunk.model_construct(content="j"),
    HumanMessage("k"),
    None,
    "text",
    AIMessageChunk(content="l", id="1"),
]


def test_messages_of_a_stream_come_back_as_they_were() -> None:
    freezer = MessageFreezer()
    frozen = [gather(freezer.spread(chunk)) for chunk in [*CHUNKS, *CHUNKS]]

    thawed = [thaw(each) for each in frozen]

    assert thawed == [*CHUNKS, *CHUNKS]
    assert list(map(repr, thawed)) == list(map(repr, [*CHUNKS, *CHUNKS]))
    assert list(map(type, thawed)) == list(map(type, [*CHUNKS, *CHUNKS]))


def test_of_a_message_that_is_like_the_one_before_the_text_is_kept() -> None:
    freezer = MessageFreezer()
    provider = {"model_provider": "fake"}
    freezer.spread(AIMessageChunk(content="a", id="1", response_metadata=provider))

    items = freezer.spread(AIMessageChunk(content="b", id="1", response_metadata=provider.copy()))

    assert items[2:] == ("b", "1")


def test_messages_of_a_stream_may_hold_what_does_not_compare() -> None:
    class Odd:
        def __eq__(self, other: object) -> bool:
            raise ValueError("ambiguous")

        __hash__ = None  # type: ignore[assignment]

    odd = Odd()
    freezer = MessageFreezer()
    freezer.spread(AIMessageChunk(content="a", additional_kwargs={"logits": "none"}))

    frozen = gather(freezer.spread(AIMessageChunk(content="b", additional_kwargs={"logits": odd})))

    assert thaw(frozen).additional_kwargs["logits"] is odd


def test_a_message_of_a_stream_is_its_own_whatever_becomes_of_the_one_before() -> None:
    freezer = MessageFreezer()
    one, other = AIMessageChunk(content="a"), AIMessageChunk(content="b")
    freezer.spread(one)
    one.tool_calls.append({"name": "search", "args": {}, "id": "1"})
    one.additional_kwargs["changed"] = True

    frozen = gather(freezer.spread(other))
    other.tool_calls.append({"name": "search", "args": {}, "id": "1"})

    assert thaw(frozen) == AIMessageChunk(content="b")


def test_other_objects_are_kept_by_reference() -> None:
    thing = Thing()

    assert thaw(freeze({"thing": thing}))["thing"] is thing


class Equal(type):
    """Makes classes that are equal to any other, and cannot be hashed."""

    def __eq__(cls, other: object) -> bool:
        return True

    __hash__ = None  # type: ignore[assignment]


class Unhashable(metaclass=Equal):
    """A class that no dict can be asked for."""


@pytest.mark.parametrize("take", [freeze, lambda value: gather(spread(value))])
def test_a_class_need_not_be_hashable(take: Any) -> None:
    thing = Unhashable()
    value: dict[str, Any] = {
        "a": thing,
        "b": [thing, [1]],
        "c": HumanMessage("hi", additional_kwargs={"x": thing}),
    }
    frozen, frozen_thing = take(value), take(thing)
    value["b"].append(2)

    thawed = thaw(frozen)
    assert thaw(frozen_thing) is thing
    assert thawed["a"] is thing
    assert thawed["b"][0] is thing
    assert thawed["b"][1:] == [[1]]
    assert thawed["c"].additional_kwargs["x"] is thing


def test_a_tuple_of_the_users_that_begins_with_an_object_is_a_tuple() -> None:
    value = (object(), 1)

    assert thaw(freeze(value)) == value


def test_the_text_that_langchain_wraps_is_text() -> None:
    text = AIMessage("hi").text

    assert type(thaw(freeze(text))) is str
    assert thaw(freeze(text)) == "hi"


def cyclic_list() -> Any:
    value: list[Any] = [1]
    value.append(value)
    return value


def cyclic_dict() -> Any:
    value: dict[Any, Any] = {}
    value[1] = value
    return value


def cyclic_deque() -> Any:
    value: deque[Any] = deque([1])
    value.append(value)
    return value


@pytest.mark.parametrize("make", [cyclic_list, cyclic_dict, cyclic_deque])
def test_a_container_that_contains_itself_does_so_again(make: Any) -> None:
    value = make()

    thawed = thaw(freeze(value))

    assert thawed is not value
    assert thawed[1] is thawed


def test_a_message_that_contains_itself_does_so_again() -> None:
    message = HumanMessage("hi")
    message.additional_kwargs["of"] = ([message], {message.content})

    thawed = thaw(freeze(message))

    assert isinstance(thawed, HumanMessage)
    assert thawed is not message
    assert thawed.additional_kwargs["of"][0][0] is thawed
    assert thawed.additional_kwargs["of"][1] == {"hi"}


def test_a_message_made_without_validation_thaws_with_the_fields_it_has() -> None:
    message = HumanMessage.model_construct(content="hi")
    del message.__dict__["name"]

    assert thaw(freeze(message)).__dict__ == message.__dict__
