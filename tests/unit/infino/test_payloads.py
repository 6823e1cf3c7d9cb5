from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
from langchain_core.messages import AIMessage
from langchain_core.outputs import ChatGeneration, Generation

from pytest_runlog.infino.payloads import Payload, Payloads, answer_of, text_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from uuid import UUID


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ("hi", "hi"),
        ("", ""),
        ([], ""),
        (["hi", "there"], "hi there"),
        ([{"type": "text", "text": "hi"}, {"type": "text", "text": "there"}], "hi there"),
        ([{"type": "image_url", "image_url": {"url": "data:…"}}], "[image_url]"),
        ([{"type": "tool_use", "name": "search", "input": {}}], "[tool_use]"),
        ([{"text": {"value": "hi"}}], "[block]"),
        ([7], "7"),
        (None, "None"),
    ],
)
def test_the_text_of_content(content: Any, text: str) -> None:
    assert text_of(content) == text


def called(**arguments: Any) -> AIMessage:
    return AIMessage("", tool_calls=[{"name": "search", "args": arguments, "id": "1"}])


def circular() -> dict[str, Any]:
    arguments: dict[str, Any] = {}
    arguments["self"] = arguments
    return arguments


class Unserializable:
    def __str__(self) -> str:
        return "a lock"


def test_the_answer_of_a_completion_is_its_text() -> None:
    assert answer_of(Generation(text="hello")) == "hello"
    assert answer_of(Generation(text="")) == ""


def test_the_answer_of_a_message_without_text_is_the_calls_that_it_makes() -> None:
    assert answer_of(ChatGeneration(message=called(q="x", n=1))) == 'search({"q": "x", "n": 1})'
    assert answer_of(ChatGeneration(message=called())) == "search({})"


def test_the_answer_of_a_message_without_text_and_calls_is_its_blocks() -> None:
    message = AIMessage([{"type": "image_url", "image_url": {"url": "data:…"}}])

    assert answer_of(ChatGeneration(message=message)) == "[image_url]"


def test_arguments_that_json_cannot_hold_are_shown_as_text() -> None:
    assert answer_of(ChatGeneration(message=called(lock=Unserializable()))) == (
        'search({"lock": "a lock"})'
    )
    message = called()
    message.tool_calls[0]["args"] = circular()
    assert answer_of(ChatGeneration(message=message)) == "search({'self': {...}})"
    message.tool_calls[0]["args"] = {(1, 2): 3}  # type: ignore[dict-item]
    assert answer_of(ChatGeneration(message=message)) == "search({(1, 2): 3})"


def test_an_error_whose_text_cannot_be_had_is_logged_by_its_type() -> None:
    class Broken(Exception):
        def __str__(self) -> str:
            raise RuntimeError

    payloads = Payloads().failed(uuid4(), None, "tool", Broken(), None, 0, 0)

    assert [call.body["error_message"] for call in payloads] == [
        "Broken: <unreadable: RuntimeError>"
    ]


def test_a_run_that_was_broken_off_sends_the_tokens_that_it_reported() -> None:
    run_id = uuid4()
    payloads = Payloads()
    payloads.started(run_id, "chat_model", [[AIMessage("hi")]], (), 0, 0)
    usage = {"input_tokens": 3, "output_tokens": 1, "total_tokens": 4}
    partial = ChatGeneration(message=AIMessage("hel", usage_metadata=usage))
    response = SimpleNamespace(generations=[[partial]])

    sent = payloads.failed(run_id, None, "llm", GeneratorExit(), response, 5, 0)

    assert [call.keys for call in sent] == [
        ["prompt_tokens"],
        ["total_tokens"],
        ["completion_tokens"],
    ]


def test_the_order_of_the_payloads_of_a_failed_call() -> None:
    run_id = uuid4()
    payloads = Payloads("model", "1")
    payloads.started(run_id, "llm", ["hi"], (), 1_000_000_000, 10)
    response = SimpleNamespace(generations=[], llm_output={"token_usage": {"prompt_tokens": 3}})

    sent = payloads.failed(run_id, None, "llm", ValueError("no"), response, 3_500_000_000, 12)

    labels = {"model_id": "model", "model_version": "1", "run_id": str(run_id)}
    assert sent == [
        Payload("metric", {"date": 12, "latency": 2.5, "labels": labels}),
        Payload("metric", {"date": 12, "error": 1, "labels": labels}),
        Payload("metric", {"date": 12, "prompt_tokens": 3, "labels": labels}),
        Payload("log", {"date": 12, "error_message": "ValueError: no", "labels": labels}),
    ]


@pytest.mark.parametrize("run_id", [uuid4, lambda: None], ids=["with run ids", "without"])
def test_the_same_exception_in_unrelated_runs_is_logged_for_each(
    run_id: Callable[[], UUID | None],
) -> None:
    payloads = Payloads()
    error = ValueError("no")

    sent = [payloads.failed(run_id(), None, "tool", error, None, 0, 0) for _ in range(2)]

    assert [len(calls) for calls in sent] == [1, 1]


def logged_of_steps(*steps: tuple[int, int, int]) -> list[bool]:
    """Of steps of a sequence that fail with one exception, each with its number, start and
    end, in the order of their ends: whether the exception is logged for it.
    """
    payloads = Payloads()
    parent = uuid4()
    payloads.started(parent, "chain", {}, (), 0, 0)
    error = ValueError("no")
    run_ids = {step: uuid4() for step in steps}
    for step in sorted(steps, key=lambda step: step[1]):
        payloads.started(run_ids[step], "chain", {}, [f"seq:step:{step[0]}"], step[1], 0)
    return [
        bool(payloads.failed(run_ids[step], parent, "chain", error, None, step[2], 0))
        for step in steps
    ]


def test_an_error_that_a_step_got_from_the_step_it_reads_from_is_logged_for_that_one() -> None:
    assert logged_of_steps((1, 10, 50), (2, 20, 60), (3, 30, 70)) == [True, False, False]


def test_an_error_of_a_step_that_reads_from_another_is_logged_for_it() -> None:
    assert logged_of_steps((2, 20, 50), (1, 10, 60)) == [True, True]


def test_the_same_exception_in_steps_that_follow_one_another_is_logged_for_each() -> None:
    assert logged_of_steps((1, 10, 20), (2, 30, 40)) == [True, True]


def test_an_error_of_what_fallbacks_tried_beside_them_is_logged_for_what_they_tried() -> None:
    assert logged_of_steps((2, 20, 30), (2, 10, 40)) == [True, False]


def test_the_repr_of_a_payload_shows_what_is_no_secret() -> None:
    payload = Payload("log", {"date": 1, "prompt": "hi", "labels": {"api_key": "abc"}})

    assert repr(payload) == (
        "Payload(kind='log', body={'date': 1, 'prompt': 'hi', 'labels': {'api_key': '<secret>'}})"
    )
