"""Retries and fallbacks, as they are recognised in events."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from pytest_runlog.model.tries import fallbacks
from support.tape import Tape

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from pytest_runlog import Run

FAILURE = ValueError("no")


def attempts(tape: Tape) -> list[tuple[str, int | None]]:
    return [(run.name, run.attempt) for run in tape.runs()]


def fail(tape: Tape, name: str, under: UUID, **start: Any) -> UUID:
    run = tape.start(name, under=under, **start)
    tape.fail(run, FAILURE)
    return run


def succeed(tape: Tape, name: str, under: UUID, **start: Any) -> UUID:
    run = tape.start(name, under=under, **start)
    tape.end(run, "done")
    return run


def ask(tape: Tape, model: str, under: UUID, *, error: bool = False, **start: Any) -> UUID:
    details = {"invocation_params": {"model": model}}
    end = fail if error else succeed
    return end(tape, "Chat", under, type="chat_model", details=details, **start)


# --- Attempts that LangChain marks -----------------------------------------------------------


def test_attempts_are_numbered_by_their_tags_and_the_first_has_none() -> None:
    tape = Tape()
    wrapper = tape.start("model")
    for tags in ([], ["retry:attempt:2"], ["retry:attempt:3"]):
        tape.fail(tape.start("model", under=wrapper, tags=tags), ValueError())

    assert [run.attempt for run in tape.runs()] == [None, 1, 2, 3]


def test_the_first_attempt_has_the_name_of_the_others_whatever_the_wrapper_is_called() -> None:
    tape = Tape()
    wrapper = tape.start("careful")
    fail(tape, "model", wrapper)
    succeed(tape, "model", wrapper, tags=["retry:attempt:2"])

    assert attempts(tape) == [("careful", None), ("model", 1), ("model", 2)]


def test_a_child_of_the_same_name_is_no_attempt_unless_another_follows() -> None:
    tape = Tape()
    parent = tape.start("chain")
    tape.start("chain", under=parent)

    assert [run.attempt for run in tape.runs()] == [None, None]


def test_children_of_an_attempt_are_no_attempts() -> None:
    tape = Tape()
    wrapper = tape.start("chain")
    first = tape.start("chain", under=wrapper)
    tape.start("step", under=first)
    tape.start("chain", under=wrapper, tags=["retry:attempt:2"])

    assert attempts(tape) == [("chain", None), ("chain", 1), ("step", None), ("chain", 2)]


def test_a_tag_that_only_looks_like_an_attempt_is_none() -> None:
    tape = Tape()
    tape.start("chain", tags=["retry:attempt:many"])

    assert tape.runs()[0].attempt is None


def test_runs_of_one_tool_call_are_attempts_wherever_they_run() -> None:
    tape = Tape()
    node = tape.start("tools")
    for thread, end in ((2, tape.fail), (3, tape.fail), (2, tape.end)):
        run = tape.start(
            "search", under=node, type="tool", details={"tool_call_id": "1"}, thread=thread
        )
        end(run, FAILURE)

    assert attempts(tape) == [("tools", None), ("search", 1), ("search", 2), ("search", 3)]


@pytest.mark.parametrize(
    "second",
    [
        {"details": {"tool_call_id": "2"}, "inputs": "other"},
        {"details": {"tool_call_id": "1"}, "inputs": "other", "type": "chain"},
    ],
    ids=["another call", "no tool"],
)
def test_runs_of_different_tool_calls_are_no_attempts(second: dict[str, Any]) -> None:
    tape = Tape()
    node = tape.start("tools")
    fail(tape, "search", node, type="tool", details={"tool_call_id": "1"})
    succeed(tape, "search", node, **{"type": "tool", **second})

    assert attempts(tape) == [("tools", None), ("search", None), ("search", None)]


def test_a_tool_call_that_was_answered_is_not_tried_again() -> None:
    tape = Tape()
    node = tape.start("tools")
    for _ in range(2):
        succeed(tape, "search", node, type="tool", details={"tool_call_id": "1"})

    assert attempts(tape) == [("tools", None), ("search", None), ("search", None)]


# --- Repetitions that it knows nothing of ----------------------------------------------------


def test_what_is_run_again_after_it_failed_is_an_attempt() -> None:
    tape = Tape()
    loop = tape.start("loop")
    fail(tape, "step", loop, inputs="x")
    fail(tape, "step", loop, inputs="x")
    succeed(tape, "step", loop, inputs="x")

    assert attempts(tape) == [("loop", None), ("step", 1), ("step", 2), ("step", 3)]


def test_what_is_run_again_after_it_succeeded_is_none() -> None:
    tape = Tape()
    loop = tape.start("loop")
    succeed(tape, "step", loop, inputs="x")
    succeed(tape, "step", loop, inputs="x")

    assert attempts(tape) == [("loop", None), ("step", None), ("step", None)]


def test_attempts_are_numbered_anew_after_one_succeeded() -> None:
    tape = Tape()
    loop = tape.start("loop")
    for _ in range(2):
        fail(tape, "step", loop, inputs="x")
        succeed(tape, "step", loop, inputs="x")

    assert [run.attempt for run in tape.runs()] == [None, 1, 2, 1, 2]


@pytest.mark.parametrize(
    "second",
    [{"inputs": "y"}, {"name": "other"}, {"type": "tool"}, {"tags": ["graph:step:2"]}],
    ids=["inputs", "name", "type", "place"],
)
def test_what_differs_from_what_failed_is_no_attempt(second: dict[str, Any]) -> None:
    tape = Tape()
    loop = tape.start("loop")
    fail(tape, "step", loop, inputs="x", tags=["graph:step:1"])
    succeed(tape, under=loop, **{"name": "step", "inputs": "x", "tags": ["graph:step:1"], **second})

    assert [run.attempt for run in tape.runs()] == [None, None, None]


def test_what_started_before_the_other_failed_is_no_attempt() -> None:
    tape = Tape()
    loop = tape.start("loop")
    first = tape.start("step", under=loop, inputs="x")
    second = tape.start("step", under=loop, inputs="x")
    tape.fail(first, FAILURE)
    tape.end(second)

    assert attempts(tape) == [("loop", None), ("step", None), ("step", None)]


def test_what_the_thread_of_its_parent_ran_before_counts_whatever_the_context_saw() -> None:
    tape = Tape()
    loop = tape.start("loop")
    fail(tape, "step", loop, inputs="x")
    succeed(tape, "step", loop, inputs="x", after=loop)

    assert attempts(tape) == [("loop", None), ("step", 1), ("step", 2)]


def test_elsewhere_what_the_context_saw_counts() -> None:
    tape = Tape()
    loop = tape.start("loop")
    first = fail(tape, "step", loop, inputs="x", thread=2, after=loop)
    succeed(tape, "step", loop, inputs="x", thread=3, after=first)

    assert attempts(tape) == [("loop", None), ("step", 1), ("step", 2)]


def test_a_run_whose_context_saw_nothing_fail_is_no_attempt() -> None:
    tape = Tape()
    loop = tape.start("loop")
    fail(tape, "step", loop, inputs="x")
    succeed(tape, "step", loop, inputs="x", thread=2, after=loop)

    assert attempts(tape) == [("loop", None), ("step", None), ("step", None)]


def test_what_ran_below_the_one_that_failed_does_not_hide_it() -> None:
    tape = Tape()
    loop = tape.start("loop")
    first = tape.start("agent", under=loop, inputs="x")
    succeed(tape, "search", first, type="tool")
    tape.fail(first, FAILURE)
    succeed(tape, "agent", loop, inputs="x")

    assert attempts(tape) == [("loop", None), ("agent", 1), ("search", None), ("agent", 2)]


def test_roots_are_no_attempts_because_the_test_itself_may_have_called_twice() -> None:
    tape = Tape()
    tape.fail(tape.start("chain", inputs="x"), FAILURE)
    tape.end(tape.start("chain", inputs="x"))

    assert attempts(tape) == [("chain", None), ("chain", None)]


def test_another_model_of_the_same_class_is_no_attempt() -> None:
    tape = Tape()
    node = tape.start("model")
    ask(tape, "big", node, error=True)
    ask(tape, "small", node)

    assert [run.attempt for run in tape.runs()] == [None, None, None]


def test_each_model_has_attempts_of_its_own() -> None:
    tape = Tape()
    node = tape.start("model")
    for model in ("big", "small", "big"):
        ask(tape, model, node, error=True)
    ask(tape, "small", node)

    assert [(run.model, run.attempt) for run in tape.runs()[1:]] == [
        ("big", 1),
        ("small", 1),
        ("big", 2),
        ("small", 2),
    ]


@pytest.mark.parametrize(("second", "numbers"), [("big", [1, 2]), ("small", [None, None])])
def test_a_chain_is_the_same_if_its_first_model_is(second: str, numbers: list[Any]) -> None:
    tape = Tape()
    loop = tape.start("loop")
    failed = tape.start("chain", under=loop)
    ask(tape, "big", failed, error=True)
    tape.fail(failed, FAILURE)
    tried = tape.start("chain", under=loop)
    ask(tape, second, tried)
    tape.end(tried)

    assert [run.attempt for run in tape.runs() if run.name == "chain"] == numbers


def test_what_with_fallbacks_tries_are_no_attempts_though_they_look_the_same() -> None:
    tape = Tape()
    wrapper = tape.start("RunnableWithFallbacks")
    fail(tape, "step", wrapper, inputs="x")
    succeed(tape, "step", wrapper, inputs="x")

    assert [run.attempt for run in tape.runs()] == [None, None, None]


# --- Fallbacks -------------------------------------------------------------------------------


def fell_back(tape: Tape) -> Sequence[tuple[str, str]]:
    def name(run: Run) -> str:
        return run.model or run.name

    return [(name(failed), name(tried)) for failed, tried in fallbacks(tape.runs())]


def test_what_with_fallbacks_tries_after_a_failure_is_a_fallback() -> None:
    tape = Tape()
    wrapper = tape.start("RunnableWithFallbacks")
    fail(tape, "first", wrapper, inputs="x")
    fail(tape, "second", wrapper, inputs={"input": "x", "error": FAILURE})
    succeed(tape, "third", wrapper, inputs={"input": "x", "error": FAILURE})

    assert fell_back(tape) == [("first", "second"), ("second", "third")]


def test_what_with_fallbacks_tries_first_is_none() -> None:
    tape = Tape()
    wrapper = tape.start("RunnableWithFallbacks")
    succeed(tape, "first", wrapper)

    assert fell_back(tape) == []


def test_another_model_after_the_same_question_is_a_fallback() -> None:
    tape = Tape()
    node = tape.start("model")
    ask(tape, "big", node, error=True)
    ask(tape, "mid", node, error=True)
    ask(tape, "small", node)

    assert fell_back(tape) == [("big", "mid"), ("mid", "small")]


def test_going_back_to_the_first_model_is_no_fallback() -> None:
    tape = Tape()
    node = tape.start("model")
    for model in ("big", "small", "big"):
        ask(tape, model, node, error=True)
    ask(tape, "small", node)

    assert fell_back(tape) == [("big", "small"), ("big", "small")]


@pytest.mark.parametrize(
    "second",
    [{"inputs": "y"}, {"tags": ["map:key:b"]}],
    ids=["inputs", "place"],
)
def test_what_differs_in_more_than_the_model_is_no_fallback(second: dict[str, Any]) -> None:
    tape = Tape()
    node = tape.start("model")
    ask(tape, "big", node, error=True, inputs="x", tags=["map:key:a"])
    ask(tape, "small", node, **{"inputs": "x", "tags": ["map:key:a"], **second})

    assert fell_back(tape) == []


def test_what_ran_at_the_same_time_is_no_fallback() -> None:
    tape = Tape()
    node = tape.start("model")
    first = tape.start("first", under=node)
    second = tape.start("second", under=node)
    tape.fail(first, FAILURE)
    tape.end(second)

    assert fell_back(tape) == []


def test_an_attempt_is_no_fallback() -> None:
    tape = Tape()
    loop = tape.start("loop")
    fail(tape, "step", loop)
    succeed(tape, "step", loop)

    assert fell_back(tape) == []
