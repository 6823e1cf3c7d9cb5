"""Token usage, as the many kinds of models report it. Unknown is not zero."""

from __future__ import annotations

from typing import Any

import pytest
from langchain_core.messages import AIMessage
from langchain_core.messages.ai import UsageMetadata
from langchain_core.outputs import ChatGeneration, Generation, LLMResult

from pytest_runlog.model.usage import TokenUsage, add_up, usage_of

UNKNOWN = (None, None, None)


def chat_result(*usages: tuple[int, int, int] | None, **llm_output: Any) -> LLMResult:
    generations: list[Any] = [
        ChatGeneration(
            message=AIMessage(
                "x",
                usage_metadata=None
                if usage is None
                else UsageMetadata(
                    input_tokens=usage[0], output_tokens=usage[1], total_tokens=usage[2]
                ),
            )
        )
        for usage in usages
    ]
    return LLMResult(generations=[generations], llm_output=llm_output or None)


def completion_result(llm_output: dict[str, Any] | None) -> LLMResult:
    return LLMResult(generations=[[Generation(text="x")]], llm_output=llm_output)


def test_a_chat_model_reports_on_its_message() -> None:
    assert usage_of(chat_result((7, 2, 9))) == TokenUsage(input=7, output=2, total=9)


def test_a_total_that_is_more_than_its_parts_is_kept() -> None:
    assert usage_of(chat_result((7, 2, 30))) == (7, 2, 30)


def test_what_a_chat_model_reports_twice_counts_once() -> None:
    response = chat_result((7, 2, 9), token_usage={"prompt_tokens": 7, "completion_tokens": 2})

    assert usage_of(response) == (7, 2, 9)


def test_several_completions_of_one_call_share_its_usage() -> None:
    assert usage_of(chat_result((7, 2, 9), (7, 2, 9))) == (7, 2, 9)
    assert usage_of(chat_result(None, (7, 2, 9))) == (7, 2, 9)


@pytest.mark.parametrize(
    ("llm_output", "expected"),
    [
        (None, UNKNOWN),
        ({}, UNKNOWN),
        ({"token_usage": {}}, UNKNOWN),
        ({"token_usage": None}, UNKNOWN),
        ({"token_usage": "many"}, UNKNOWN),
        (
            {"token_usage": {"prompt_tokens": 7, "completion_tokens": 2, "total_tokens": 9}},
            (7, 2, 9),
        ),
        ({"token_usage": {"prompt_tokens": 7, "completion_tokens": 2}}, (7, 2, 9)),
        ({"token_usage": {"total_tokens": 9}}, (None, None, 9)),
        ({"token_usage": {"prompt_tokens": 7}}, (7, None, None)),
        ({"token_usage": {"prompt_tokens": 0, "completion_tokens": 0}}, (0, 0, 0)),
        ({"usage": {"input_tokens": 7, "output_tokens": 2}}, (7, 2, 9)),
        ({"token_usage": {"prompt_tokens": "7", "completion_tokens": True}}, UNKNOWN),
    ],
)
def test_a_completion_model_reports_beside_its_answer(
    llm_output: dict[str, Any] | None, expected: tuple[int | None, ...]
) -> None:
    assert usage_of(completion_result(llm_output)) == expected


@pytest.mark.parametrize("response", [None, "text", object()])
def test_the_usage_of_what_is_no_response_is_unknown(response: object) -> None:
    assert usage_of(response) == UNKNOWN


def test_no_usages_add_up_to_zero() -> None:
    assert add_up([]) == (0, 0, 0)


def test_usages_add_up() -> None:
    assert add_up([TokenUsage(1, 2, 3), TokenUsage(10, 20, 30)]) == (11, 22, 33)


def test_one_unknown_makes_the_sum_unknown() -> None:
    assert add_up([TokenUsage(1, 2, 3), TokenUsage(None, None, 30)]) == (None, None, 33)
