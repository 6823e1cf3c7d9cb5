"""Events become runs, also when LangChain reports them late, twice, or not at all."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import UUID

import pytest
from anyio import get_cancelled_exc_class
from langchain_core.messages import AIMessage, AIMessageChunk, HumanMessage
from langchain_core.outputs import ChatGeneration, Generation, LLMResult
from langgraph.errors import GraphInterrupt, ParentCommand
from langgraph.types import Command, Interrupt

from pytest_runlog.model.outcome import is_interruption
from support.tape import Tape


def answer(text: str, **llm_output: Any) -> LLMResult:
    generation = ChatGeneration(message=AIMessage(text))
    return LLMResult(generations=[[generation]], llm_output=llm_output or None)


# --- What a run takes and gives ----------------------------------------------------------


def test_a_run_has_what_it_was_started_and_ended_with() -> None:
    tape = Tape()
    run = tape.start(
        "search",
        type="tool",
        inputs={"query": "x"},
        tags=["mine"],
        metadata={"customer": "acme"},
        details={"tool_call_id": "1"},
        thread=7,
    )
    tape.end(run, "found")
    (built,) = tape.runs()

    assert (built.id, built.name, built.type) == (run, "search", "tool")
    assert (built.inputs, built.output, built.status) == ({"query": "x"}, "found", "ok")
    assert (built.tags, built.metadata) == (["mine"], {"customer": "acme"})
    assert (built.details, built.thread) == ({"tool_call_id": "1"}, 7)
    assert (built.error, built.interrupt, built.model, built.attempt) == (None, None, None, None)


def test_inputs_that_are_known_at_the_end_replace_the_placeholder() -> None:
    tape = Tape()
    good = tape.start("good", inputs={"input": ""})
    tape.end(good, details={"inputs": "real"})
    bad = tape.start("bad", inputs={"input": ""})
    tape.fail(bad, ValueError(), details={"inputs": ["real"]})
    same = tape.start("same", inputs={"input": ""})
    tape.end(same, details={"inputs": None})

    assert [run.inputs for run in tape.runs()] == ["real", ["real"], {"input": ""}]


def test_a_model_takes_messages_and_gives_a_message() -> None:
    tape = Tape()
    run = tape.start(type="chat_model", inputs=[[HumanMessage("hi")]])
    tape.end(run, answer("hello"))
    (built,) = tape.runs()

    assert built.inputs == [HumanMessage("hi")]
    assert built.output == AIMessage("hello")
    assert built.response == answer("hello")


def test_a_completion_model_takes_text_and_gives_text() -> None:
    tape = Tape()
    run = tape.start(type="llm", inputs=["hi"])
    tape.end(run, LLMResult(generations=[[Generation(text="hello")]]))
    (built,) = tape.runs()

    assert (built.inputs, built.output) == ("hi", "hello")


@pytest.mark.parametrize("generations", [[], [[]]])
def test_a_model_that_answered_nothing_has_no_output(generations: list[Any]) -> None:
    tape = Tape()
    tape.end(tape.start(type="llm"), LLMResult(generations=generations))

    assert tape.runs()[0].output is None
    assert tape.runs()[0].status == "ok"


def test_a_model_that_failed_keeps_what_it_had_given() -> None:
    tape = Tape()
    run = tape.start(type="chat_model")
    tape.fail(
        run, ValueError(), details={"response": answer("par", token_usage={"total_tokens": 3})}
    )
    (built,) = tape.runs()

    assert built.output is None
    assert built.response == answer("par", token_usage={"total_tokens": 3})
    assert built.usage == (None, None, 3)


def test_tool_calls_are_those_of_the_message() -> None:
    call = {"name": "search", "args": {"query": "x"}, "id": "1", "type": "tool_call"}
    message = AIMessage("", tool_calls=[call])
    tape = Tape()
    tape.end(
        tape.start(type="chat_model"),
        LLMResult(generations=[[ChatGeneration(message=message)]]),
    )

    assert tape.runs()[0].tool_calls == [call]


@pytest.mark.parametrize(
    ("metadata", "details", "response", "expected"),
    [
        ({"ls_model_name": "a"}, {"invocation_params": {"model": "b"}}, {"model_name": "c"}, "a"),
        ({}, {"invocation_params": {"model": "b"}}, {"model_name": "c"}, "b"),
        ({}, {"invocation_params": {"model_name": "b"}}, {}, "b"),
        ({}, {"invocation_params": {"model_id": "b"}}, {}, "b"),
        ({}, {"invocation_params": {"model": None}}, {"model_name": "c"}, "c"),
        ({}, {}, {"model": "c"}, "c"),
        ({}, {}, {}, None),
    ],
)
def test_the_name_of_a_model_is_the_one_that_was_asked_for(
    metadata: dict[str, Any],
    details: dict[str, Any],
    response: dict[str, Any],
    expected: str | None,
) -> None:
    tape = Tape()
    run = tape.start(type="chat_model", metadata=metadata, details=details)
    tape.end(run, answer("x", **response))

    assert tape.runs()[0].model == expected


def test_the_name_of_a_model_may_come_with_its_answer() -> None:
    message = AIMessage("x", response_metadata={"model_name": "gpt-4o-2024"})
    tape = Tape()
    tape.end(
        tape.start(type="chat_model"),
        LLMResult(generations=[[ChatGeneration(message=message)]]),
    )

    assert tape.runs()[0].model == "gpt-4o-2024"


def test_only_models_have_a_model_and_usage() -> None:
    tape = Tape()
    run = tape.start(metadata={"ls_model_name": "a"})
    tape.end(run, answer("x", token_usage={"total_tokens": 3}))
    (built,) = tape.runs()

    assert built.model is None
    assert built.usage == (None, None, None)
    assert built.response is None


def test_the_chunks_of_a_model_are_messages_or_text() -> None:
    message = AIMessageChunk(content="hel")
    tape = Tape()
    run = tape.start(type="chat_model", at=0)
    tape.token(run, "hel", message, at=1)
    tape.token(run, "lo", at=2)

    assert tape.runs()[0].chunks == [(message, 1), ("lo", 2)]


def test_chunks_events_and_notes_have_seconds_from_the_start() -> None:
    tape = Tape()
    run = tape.start(at=10)
    tape.custom(run, "progress", {"done": 1}, at=11)
    tape.chunk(run, "a", at=12)
    tape.note(run, "text", "thinking", at=13)
    (built,) = tape.runs()

    assert built.events == [("progress", {"done": 1}, 1)]
    assert built.chunks == [("a", 2)]
    assert built.notes == [("text", "thinking", 3)]


# --- What LangChain leaves out, or says twice ----------------------------------------------


def test_a_run_that_does_not_end_is_unfinished() -> None:
    tape = Tape()
    run = tape.start(type="chat_model")
    tape.token(run, "a")
    (built,) = tape.runs()

    assert (built.status, built.end, built.latency, built.output) == (
        "unfinished",
        None,
        None,
        None,
    )
    assert [chunk.value for chunk in built.chunks] == ["a"]


def test_a_run_whose_start_was_not_reported_begins_with_what_was() -> None:
    tape = Tape()
    parent = tape.start("parent", at=0)
    lost = UUID(int=99)
    tape.parents[lost], tape.types[lost] = parent, "llm"
    tape.end(lost, answer("hello"), at=1)
    built = tape.runs()[1]

    assert (built.name, built.type, built.path) == ("Unnamed", "llm", "parent/Unnamed")
    assert (built.inputs, built.output, built.status) == (None, AIMessage("hello"), "ok")
    assert built.latency == 0


@pytest.mark.parametrize(
    ("report", "type_", "status"),
    [
        (lambda tape, run: tape.token(run, "a"), "llm", "unfinished"),
        (lambda tape, run: tape.chunk(run, "a"), "chain", "unfinished"),
        (lambda tape, run: tape.custom(run, "a"), "chain", "unfinished"),
        (lambda tape, run: tape.note(run, "text"), "chain", "unfinished"),
        (lambda tape, run: tape.fail(run, ValueError()), "chain", "error"),
    ],
    ids=["token", "chunk", "custom event", "note", "error"],
)
def test_any_event_tells_of_a_run(report: Any, type_: str, status: str) -> None:
    tape = Tape()
    report(tape, UUID(int=99))
    (built,) = tape.runs()

    assert (built.type, built.status, built.parent) == (type_, status, None)


def test_a_run_whose_parent_is_unknown_is_a_root() -> None:
    tape = Tape()
    tape.start("orphan", under=UUID(int=99))

    assert tape.runs()[0].parent is None


def test_events_that_are_reported_twice_happened_once() -> None:
    tape = Tape()
    root = tape.start("root")
    tape.again()
    model = tape.start("model", under=root, type="chat_model")
    tape.again()
    for text in ("a", "b"):
        tape.token(model, text)
        tape.again()
    tape.custom(model, "progress")
    tape.again()
    tape.note(model, "text")
    tape.again()
    tape.end(model, answer("ab"))
    tape.again()
    tape.end(root, "ab")
    tape.again()
    runs = tape.runs()

    assert runs.names == ["root", "model"]
    assert [chunk.value for chunk in runs[1].chunks] == ["a", "b"]
    assert [event.name for event in runs[1].events] == ["progress"]
    assert [note.name for note in runs[1].notes] == ["text"]
    assert {run.status for run in runs} == {"ok"}


def test_the_first_end_of_a_run_counts() -> None:
    tape = Tape()
    run = tape.start()
    tape.end(run, "first")
    tape.fail(run, ValueError("second"))

    assert [built.output for built in tape.runs()] == ["first"]
    assert tape.runs()[0].status == "ok"


def test_an_id_that_is_used_again_after_the_end_is_another_run() -> None:
    same = UUID(int=5)
    tape = Tape()
    tape.end(tape.start("first", run_id=same), 1)
    tape.end(tape.start("second", run_id=same), 2)

    assert tape.runs().names == ["first", "second"]
    assert tape.runs().outputs == [1, 2]


def test_what_comes_after_the_end_of_the_root_still_belongs_to_it() -> None:
    tape = Tape()
    root = tape.start("root")
    child = tape.start("child", under=root)
    tape.fail(root, ValueError())
    tape.fail(child, asyncio.CancelledError())
    tape.start("late", under=root)

    assert [(run.path, run.status) for run in tape.runs()] == [
        ("root", "error"),
        ("root/child", "interrupted"),
        ("root/late", "unfinished"),
    ]


def test_forgotten_runs_are_left_out_with_all_that_they_do() -> None:
    tape = Tape()
    old = tape.start("old")
    tape.chunk(old, "a")
    tape.end(old)
    tape.start("new")

    assert tape.runs(forgotten=[old]).names == ["new"]


def test_no_events_make_no_runs() -> None:
    assert Tape().runs() == []


# --- Interrupts and commands --------------------------------------------------------------


@pytest.mark.parametrize(
    "error",
    [
        asyncio.CancelledError(),
        GeneratorExit(),
        KeyboardInterrupt(),
        SystemExit(),
        GraphInterrupt([Interrupt("sure?")]),
    ],
    ids=lambda error: type(error).__name__,
)
def test_what_breaks_a_run_off_is_an_interrupt_and_no_error(error: BaseException) -> None:
    tape = Tape()
    tape.fail(tape.start(), error)
    (built,) = tape.runs()

    assert (built.status, built.error, built.interrupt) == ("interrupted", None, error)
    assert built.latency == 1


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_the_cancellation_of_either_async_library_is_an_interrupt(backend: str) -> None:
    import anyio

    async def cancelled() -> BaseException:
        with anyio.CancelScope() as scope:
            scope.cancel()
            try:
                await anyio.sleep_forever()
            except get_cancelled_exc_class() as error:
                caught = error
                raise
        return caught

    assert is_interruption(anyio.run(cancelled, backend=backend))


@pytest.mark.parametrize("error", [ValueError(), TimeoutError(), StopIteration()])
def test_any_other_exception_is_an_error(error: Exception) -> None:
    tape = Tape()
    tape.fail(tape.start(), error)
    (built,) = tape.runs()

    assert (built.status, built.error, built.interrupt) == ("error", error, None)


def test_a_command_for_the_parent_graph_is_an_output_and_no_error() -> None:
    command = Command(goto="next", graph=Command.PARENT)
    tape = Tape()
    tape.fail(tape.start(), ParentCommand(command))
    (built,) = tape.runs()

    assert (built.status, built.error, built.output) == ("ok", None, command)
