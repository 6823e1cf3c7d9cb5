"""What happens to runs, as operations in LangChain's format."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import UUID

import pytest
from langchain_core.documents import Document
from langchain_core.messages import AIMessage, AIMessageChunk
from langchain_core.messages.tool import tool_call_chunk
from langchain_core.outputs import (
    ChatGeneration,
    ChatGenerationChunk,
    Generation,
    LLMResult,
    RunInfo,
)
from langchain_core.prompt_values import StringPromptValue

from pytest_runlog.model.log.patches import Keys, joined
from support.tape import Tape

ROOT, CHILD = UUID(int=1), UUID(int=2)
T0, T1 = "2023-11-14T22:13:20.000+00:00", "2023-11-14T22:13:21.000+00:00"
T2, T3 = "2023-11-14T22:13:22.000+00:00", "2023-11-14T22:13:23.000+00:00"

Patches = list[list[dict[str, Any]]]


def patches(tape: Tape) -> Patches:
    return [patch.ops for patch in tape.runs()[0].patches]


def add(path: str, value: Any) -> dict[str, Any]:
    return {"op": "add", "path": path, "value": value}


def replace(path: str, value: Any) -> dict[str, Any]:
    return {"op": "replace", "path": path, "value": value}


def outputs(type_: str, output: Any) -> Any:
    """What the log says of the output of a run that is not the root."""
    tape = Tape()
    child = tape.start("step", under=tape.start("root"), type=type_)
    if isinstance(output, BaseException):
        tape.fail(child, output)
    else:
        tape.end(child, output)
    return patches(tape)[-1][0]["value"]


# --- What is written, and when ------------------------------------------------------------


def test_a_log_begins_with_the_state_of_the_root() -> None:
    tape = Tape()
    tape.start("chain", inputs="hi", tags=["b", "a"], metadata={"user": 7})

    assert patches(tape) == [
        [
            replace(
                "",
                {
                    "id": str(ROOT),
                    "streamed_output": [],
                    "final_output": None,
                    "logs": {},
                    "name": "chain",
                    "type": "chain",
                    "inputs": "hi",
                    "start_time": T0,
                    "end_time": None,
                    "error": None,
                    "tags": ["b", "a"],
                    "metadata": {"user": 7},
                },
            )
        ]
    ]


def test_a_run_below_it_is_an_entry_of_its_logs() -> None:
    tape = Tape()
    tape.start("search", under=tape.start(), type="tool", tags=["t"], metadata={"user": 7})

    assert patches(tape)[1:] == [
        [
            add(
                "/logs/search",
                {
                    "id": str(CHILD),
                    "name": "search",
                    "type": "tool",
                    "tags": ["t"],
                    "metadata": {"user": 7},
                    "start_time": T1,
                    "streamed_output": [],
                    "streamed_output_str": [],
                    "final_output": None,
                    "end_time": None,
                    "parent_id": str(ROOT),
                    "error": None,
                },
            )
        ]
    ]


def test_tokens_are_appended_as_text_and_as_chunks_in_one_patch() -> None:
    chunk = AIMessageChunk(content="lo")
    tape = Tape()
    model = tape.start("Chat", under=tape.start(), type="chat_model")
    tape.token(model, "hel")
    tape.token(model, "lo", chunk)

    assert patches(tape)[2:] == [
        [
            add("/logs/Chat/streamed_output_str/-", "hel"),
            add("/logs/Chat/streamed_output/-", "hel"),
        ],
        [
            add("/logs/Chat/streamed_output_str/-", "lo"),
            add("/logs/Chat/streamed_output/-", chunk),
        ],
    ]


def test_the_chunks_of_other_runs_are_appended_where_they_happened() -> None:
    tape = Tape()
    root = tape.start()
    step = tape.start("step", under=root)
    tape.chunk(step, "a")
    tape.chunk(root, "A")

    assert patches(tape)[2:] == [
        [add("/logs/step/streamed_output/-", "a")],
        [add("/streamed_output/-", "A")],
    ]


def test_the_end_of_a_run_is_one_patch() -> None:
    tape = Tape()
    root = tape.start()
    tape.end(tape.start("step", under=root), "x")
    tape.end(root, "y")

    assert patches(tape)[2:] == [
        [add("/logs/step/final_output", {"output": "x"}), add("/logs/step/end_time", T2)],
        [add("/final_output", "y"), add("/end_time", T3)],
    ]


def test_a_run_that_fails_says_with_what() -> None:
    error = ValueError("no")
    tape = Tape()
    root = tape.start()
    tape.fail(tape.start("step", under=root), error)
    tape.fail(root, error)
    told = {"type": "ValueError", "message": "no"}

    assert patches(tape)[2:] == [
        [
            add("/logs/step/final_output", {}),
            add("/logs/step/end_time", T2),
            add("/logs/step/error", told),
        ],
        [add("/final_output", None), add("/end_time", T3), add("/error", told)],
    ]


def test_a_run_that_is_interrupted_has_no_error() -> None:
    tape = Tape()
    root = tape.start()
    tape.fail(root, asyncio.CancelledError())

    assert [operation["path"] for operation in patches(tape)[-1]] == ["/final_output", "/end_time"]


def test_an_unfinished_run_has_no_end() -> None:
    tape = Tape()
    tape.start("step", under=tape.start())

    assert tape.runs()[0].state["logs"]["step"]["end_time"] is None


def test_patches_are_in_the_order_in_which_things_happened() -> None:
    tape = Tape()
    root = tape.start()
    slow, quick = tape.start("slow", under=root), tape.start("quick", under=root)
    tape.end(quick)
    tape.chunk(slow, 1)
    tape.end(slow)

    assert [patch[0]["path"] for patch in patches(tape)] == [
        "",
        "/logs/slow",
        "/logs/quick",
        "/logs/quick/final_output",
        "/logs/slow/streamed_output/-",
        "/logs/slow/final_output",
    ]


def test_each_root_has_a_log_of_its_own() -> None:
    tape = Tape()
    one, other = tape.start("one"), tape.start("other")
    tape.start("a", under=one)
    tape.start("b", under=other)
    roots = [run for run in tape.runs() if run.parent is None]

    assert [list(root.state["logs"]) for root in roots] == [["a"], ["b"]]


def test_what_is_reported_twice_is_written_once() -> None:
    tape = Tape()
    root = tape.start()
    tape.again()
    tape.token(tape.start("m", under=root, type="llm"), "a")
    once = len(patches(tape))
    tape = Tape()
    root = tape.start()
    tape.again()
    model = tape.start("m", under=root, type="llm")
    tape.again()
    tape.token(model, "a")
    tape.again()
    tape.end(model)
    tape.again()

    assert len(patches(tape)) == once + 1


def test_a_run_whose_start_was_not_reported_is_written_from_what_was() -> None:
    tape = Tape()
    root = tape.start()
    lost = UUID(int=99)
    tape.parents[lost], tape.types[lost] = root, "llm"
    tape.end(lost, LLMResult(generations=[[Generation(text="a")]]))

    assert [patch[0]["path"] for patch in patches(tape)] == [
        "",
        "/logs/Unnamed",
        "/logs/Unnamed/final_output",
    ]


def test_a_run_that_fallbacks_tried_has_them_as_its_parent_in_the_log_too() -> None:
    tape = Tape()
    root = tape.start("root")
    fallbacks = tape.start("RunnableWithFallbacks", under=root)
    tape.start("tried", under=root)  # as LangChain reports it (langchain#36072)

    assert tape.runs()[0].state["logs"]["tried"]["parent_id"] == str(fallbacks)


def test_a_run_id_that_is_used_again_is_another_entry() -> None:
    tape = Tape()
    root = tape.start()
    for output in ("a", "b"):
        tape.end(tape.start("step", under=root, run_id=UUID(int=7)), output)
    logs = tape.runs()[0].state["logs"]

    assert {key: entry["final_output"] for key, entry in logs.items()} == {
        "step": {"output": "a"},
        "step:2": {"output": "b"},
    }


# --- Inputs of the root ------------------------------------------------------------------


def test_inputs_that_are_not_known_yet_are_none_until_the_end() -> None:
    tape = Tape()
    root = tape.start(inputs={"input": ""})
    tape.end(root, "x", details={"inputs": "real"})

    assert patches(tape)[0][0]["value"]["inputs"] is None
    assert patches(tape)[1] == [
        replace("/inputs", "real"),
        add("/final_output", "x"),
        add("/end_time", T1),
    ]


def test_inputs_that_only_look_unknown_are_there_at_the_end() -> None:
    tape = Tape()
    tape.end(tape.start(inputs={"input": ""}))

    assert tape.runs()[0].state["inputs"] == {"input": ""}


@pytest.mark.parametrize("inputs", [{"input": "x"}, {"input": []}, {"input": "", "more": 1}, ""])
def test_other_inputs_are_known_at_the_start(inputs: Any) -> None:
    tape = Tape()
    tape.end(tape.start(inputs=inputs))

    assert patches(tape)[0][0]["value"]["inputs"] == inputs
    assert patches(tape)[1][0]["path"] == "/final_output"


def test_the_inputs_of_a_model_are_its_messages() -> None:
    tape = Tape()
    tape.start(type="chat_model", inputs=[["hi"]])

    assert patches(tape)[0][0]["value"]["inputs"] == ["hi"]


# --- Outputs -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("type_", "output", "logged"),
    [
        ("chain", "x", {"output": "x"}),
        ("chain", None, {"output": None}),
        ("chain", {"a": 1}, {"a": 1}),
        ("parser", ["x"], {"output": ["x"]}),
        ("tool", {"a": 1}, {"output": {"a": 1}}),
        ("retriever", [Document("x")], {"documents": [Document("x")]}),
        ("prompt", StringPromptValue(text="x"), StringPromptValue(text="x")),
        ("prompt", {"output": "x"}, "x"),
        ("prompt", {"other": "x"}, {"other": "x"}),
        ("llm", None, {}),
        ("retriever", ValueError(), {}),
        ("prompt", ValueError(), {}),
        ("llm", ValueError(), {}),
    ],
)
def test_outputs_are_wrapped_as_langchain_wraps_them(type_: str, output: Any, logged: Any) -> None:
    assert outputs(type_, output) == logged


def test_the_response_of_a_model_is_a_dict_that_holds_the_message() -> None:
    message = AIMessage("x", id="1")
    generation = ChatGeneration(message=message, generation_info={"finish_reason": "stop"})

    assert outputs("chat_model", LLMResult(generations=[[generation]])) == {
        "generations": [
            [
                {
                    "text": "x",
                    "generation_info": {"finish_reason": "stop"},
                    "type": "ChatGeneration",
                    "message": message,
                }
            ]
        ],
        "llm_output": None,
        "run": None,
        "type": "LLMResult",
    }


def test_the_response_of_a_completion_model_has_all_its_fields() -> None:
    response = LLMResult(
        generations=[[Generation(text="x"), Generation(text="y")]],
        llm_output={"token_usage": {"total_tokens": 3}},
        run=[RunInfo(run_id=ROOT)],
    )

    assert outputs("llm", response) == response.model_dump()


def test_a_response_that_cannot_be_dumped_is_written_as_it_lies() -> None:
    class Odd:
        def __init__(self) -> None:
            self.generations: list[Any] = []
            self.llm_output = "x"

        def model_dump(self, **_options: Any) -> Any:
            raise ValueError

    assert outputs("llm", Odd()) == {"llm_output": "x", "generations": []}


def test_the_partial_response_of_a_model_that_failed_is_in_its_entry() -> None:
    tape = Tape()
    model = tape.start("Chat", under=tape.start(), type="chat_model")
    partial = LLMResult(generations=[[ChatGeneration(message=AIMessage("par"))]])
    tape.fail(model, ValueError(), details={"response": partial})

    assert patches(tape)[-1][0]["value"]["generations"][0][0]["text"] == "par"


def test_the_final_output_of_the_root_is_what_it_gave() -> None:
    message = AIMessage("x")
    tape = Tape()
    tape.end(
        tape.start(type="chat_model"),
        LLMResult(generations=[[ChatGeneration(message=message)]]),
    )

    assert tape.runs()[0].state["final_output"] == message


@pytest.mark.parametrize(
    ("chunks", "total"),
    [
        ([], None),
        (["a", "b"], "ab"),
        ([1, 2], 3),
        (["a", 1, 2], 3),
        ([None, None], None),
        ([["a"], ["b"]], ["a", "b"]),
        ([{"a": 1}, {"b": 2}], {"b": 2}),
    ],
)
def test_chunks_add_up_as_astream_log_adds_them(chunks: list[Any], total: Any) -> None:
    assert joined(chunks) == total


def test_messages_add_up_to_a_message() -> None:
    chunks = [
        AIMessageChunk(content="a", id="1", response_metadata={"model_name": "m"}),
        AIMessageChunk(
            content="b", tool_call_chunks=[tool_call_chunk(name="f", args="{", index=0)]
        ),
        AIMessageChunk(content="", tool_call_chunks=[tool_call_chunk(args="}", index=0)]),
        AIMessageChunk(content="", chunk_position="last"),
    ]

    assert joined(chunks) == chunks[0] + chunks[1] + chunks[2] + chunks[3]
    assert joined(chunks[:1]) == chunks[0]


def test_messages_that_cannot_be_added_replace_one_another() -> None:
    first = AIMessageChunk(content="", additional_kwargs={"a": "x"})
    second = AIMessageChunk(content="", additional_kwargs={"a": 1})
    with pytest.raises(TypeError):
        first + second

    assert joined([first, second]) == second


def test_a_root_that_fails_while_it_streams_ends_with_what_it_gave() -> None:
    tape = Tape()
    root = tape.start()
    tape.chunk(root, "a")
    tape.chunk(root, "b")
    tape.fail(root, ValueError())

    assert tape.runs()[0].state["final_output"] == "ab"


# --- Root chunks that LangChain does not show ----------------------------------------------


def relayed(root: str, *children: tuple[str, ...]) -> Any:
    """What a root streams of which each child with these tags gives two chunks."""
    tape = Tape()
    top = tape.start(root)
    for number, tags in enumerate(children):
        child = tape.start("child", under=top, tags=tags)
        tape.chunk(child, f"{number}a")
        tape.chunk(child, f"{number}b")
        tape.end(child)
    tape.end(top)
    return tape.runs()[0].state["streamed_output"]


def test_what_a_branch_streams_is_what_its_chosen_branch_streams() -> None:
    assert relayed("any", ("condition:1",), ("branch:1",)) == ["1a", "1b"]
    assert relayed("any", ("condition:1",), ("branch:default",)) == ["1a", "1b"]


def test_what_fallbacks_stream_is_what_the_last_one_streams() -> None:
    assert relayed("RunnableWithFallbacks", (), ()) == ["1a", "1b"]


def test_other_roots_do_not_stream_what_a_child_streams() -> None:
    assert relayed("any", (), ()) == []
    assert relayed("any", ("condition:1",), ("seq:step:1",)) == []


@pytest.mark.parametrize(
    ("generation", "streamed"),
    [
        (ChatGenerationChunk(message=AIMessageChunk(content="a")), ["a"]),
        (ChatGeneration(message=AIMessage("a")), []),
    ],
    ids=["streamed", "at once"],
)
def test_a_model_that_answers_at_once_streams_nothing_whatever_it_reports(
    generation: Any, streamed: list[str]
) -> None:
    tape = Tape()
    root = tape.start("RunnableWithFallbacks")
    model = tape.start("Chat", under=root, type="chat_model")
    tape.token(model, "a")
    tape.end(model, LLMResult(generations=[[generation]]))

    assert tape.runs()[0].state["streamed_output"] == streamed


# --- Events of stream_events(version="v3") ---------------------------------------------------


def test_the_events_of_a_model_are_appended_beside_its_tokens() -> None:
    tape = Tape()
    model = tape.start("Chat", under=tape.start(), type="chat_model")
    tape.note(model, "stream_event", {"event": "message-start"})
    tape.token(model, "a")
    run = tape.runs()[0]

    assert run.children[0].chunks == [({"event": "message-start"}, 1.0)]
    assert run.state["logs"]["Chat"]["streamed_output"] == [{"event": "message-start"}, "a"]
    assert run.state["logs"]["Chat"]["streamed_output_str"] == ["a"]


def test_a_model_at_the_root_streams_its_events() -> None:
    tape = Tape()
    model = tape.start(type="chat_model")
    tape.note(model, "stream_event", {"event": "message-start"})
    tape.token(model, "a")

    assert tape.runs()[0].state["streamed_output"] == [{"event": "message-start"}]


def test_other_notes_are_no_chunks() -> None:
    tape = Tape()
    run = tape.start()
    tape.note(run, "text", "thinking")
    tape.custom(run, "progress", 1)

    assert len(patches(tape)) == 1
    assert [note.name for note in tape.runs()[0].notes] == ["text"]


# --- Keys --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("names", "keys"),
    [
        (["a", "b", "a", "a"], ["a", "b", "a:2", "a:3"]),
        (["x:2", "x", "x"], ["x:2", "x", "x:3"]),
        (["x", "x", "x:2"], ["x", "x:2", "x:2:2"]),
        (["x:2", "x:3", "x", "x", "x"], ["x:2", "x:3", "x", "x:4", "x:5"]),
        (["", ""], ["", ":2"]),
    ],
)
def test_keys_follow_langchains_rule_and_are_unique(names: list[str], keys: list[str]) -> None:
    new = Keys()

    assert [new.new(name) for name in names] == keys


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("a/b", "/logs/a~1b"),
        ("a~b", "/logs/a~0b"),
        ("~1", "/logs/~01"),
        ("", "/logs/"),
        ("-", "/logs/-"),
        ("0", "/logs/0"),
        ("a/final_output", "/logs/a~1final_output"),
    ],
)
def test_names_are_escaped_in_paths(name: str, path: str) -> None:
    tape = Tape()
    child = tape.start(name, under=tape.start())
    tape.chunk(child, "x")

    assert [patch[0]["path"] for patch in patches(tape)[1:]] == [path, f"{path}/streamed_output/-"]
    assert list(tape.runs()[0].state["logs"]) == [name]


# --- What is handed out ------------------------------------------------------------------


def test_patches_and_states_can_be_changed_without_changing_the_log() -> None:
    tape = Tape()
    root = tape.start()
    tape.chunk(tape.start("step", under=root), "a")
    run = tape.runs()[0]
    for patch in run.patches:
        for operation in patch.ops:
            if isinstance(operation["value"], dict):
                operation["value"]["streamed_output"].append("changed")
                operation["value"].get("logs", {})["changed"] = {}
            operation["path"] = "changed"
    run.state["logs"].clear()
    run.log.ops.clear()

    assert [patch.ops for patch in run.patches] == patches(tape)
    assert list(run.state["logs"]) == ["step"]
    assert run.state["logs"]["step"]["streamed_output"] == ["a"]
