"""What is recorded stays what it was, whatever the chain does with it later."""

from __future__ import annotations

import copy
from collections import deque
from typing import Any

from hypothesis import given
from langchain_core.documents import Document
from langchain_core.messages import BaseMessage
from langchain_core.prompt_values import ChatPromptValue
from pydantic import BaseModel

from pytest_runlog.model.frozen import freeze, thaw
from pytest_runlog.model.secrets import secrets_in
from support.values import values


def same(one: Any, other: Any) -> bool:
    """Whether two values are equal and of the same types all through; NaN is NaN."""
    if one is other:
        return True
    if type(one) is not type(other):
        return False
    if isinstance(one, BaseModel):
        return same(vars(one), vars(other)) and same(one.model_extra, other.model_extra)
    if isinstance(one, dict):
        return list(one) == list(other) and all(same(one[key], other[key]) for key in one)
    if isinstance(one, (list, tuple, deque)):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, BaseException):
        return same(one.args, other.args)
    if type(one) is object:
        return True  # one is a copy
    return bool(one == other) or (one != one and other != other)


def spoil(value: Any) -> None:
    """Change everything in a value that can be changed."""
    if isinstance(value, BaseMessage):
        for part in list(vars(value).values()):
            spoil(part)
        value.content = "spoilt"
    elif isinstance(value, Document):
        spoil(value.metadata)
        value.page_content = "spoilt"
    elif isinstance(value, ChatPromptValue):
        for message in value.messages:
            spoil(message)
    elif isinstance(value, dict):
        for item in value.values():
            spoil(item)
        value["spoilt"] = True
    elif isinstance(value, (list, deque)):
        for item in value:
            spoil(item)
        value.append("spoilt")
    elif isinstance(value, tuple):
        for item in value:
            spoil(item)
    elif isinstance(value, set):
        value.add("spoilt")


@given(values)
def test_a_value_that_was_frozen_and_thawed_is_the_same(value: Any) -> None:
    assert same(thaw(freeze(value)), value)


@given(values)
def test_what_was_frozen_is_not_changed_with_the_value(value: Any) -> None:
    was = copy.deepcopy(value)
    frozen = freeze(value)
    spoil(value)

    assert same(thaw(frozen), was)


@given(values)
def test_secrets_are_found_in_what_is_frozen(value: Any) -> None:
    holder = {"other": [value], "api_key": value}

    assert secrets_in([freeze(holder)]) == secrets_in([holder])


@given(values)
def test_what_was_thawed_can_be_changed_without_changing_the_value(value: Any) -> None:
    was = copy.deepcopy(value)
    spoil(thaw(freeze(value)))

    assert same(value, was)
