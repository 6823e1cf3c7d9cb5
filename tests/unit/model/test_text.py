"""Values on one line, and runs as a tree of such lines."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import pytest
from langchain_core.documents import Document
from langchain_core.messages import AIMessage, AIMessageChunk, HumanMessage, ToolMessage
from langchain_core.messages.tool import tool_call_chunk
from langchain_core.outputs import ChatGeneration, LLMResult

from pytest_runlog.model.data import to_data
from pytest_runlog.model.masking import Mask
from pytest_runlog.model.runs import Runs
from pytest_runlog.model.text import (
    heading,
    in_snapshot,
    name_text,
    quote,
    tree_lines,
    value_text,
)
from support.tape import Tape

if TYPE_CHECKING:
    from pytest_runlog.model.text import Level


def text_of(value: Any) -> str:
    text = value_text(to_data(value, Mask()))
    assert text.isprintable()
    return text


# --- Values ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "null"),
        (True, "true"),
        (7, "7"),
        (1.0, "1.0"),
        ("a", '"a"'),
        ("", '""'),
        ('say "hi"', '"say \\"hi\\""'),
        ([], "[]"),
        ([1, "a"], '[1, "a"]'),
        ({}, "{}"),
        ({"a": [1], "b c": None}, '{"a": [1], "b c": null}'),
        (HumanMessage("hi"), 'HumanMessage("hi")'),
        (HumanMessage("hi", name="bob"), 'HumanMessage("hi", name="bob")'),
        (
            Document("text", metadata={"source": "a"}),
            'Document("text", metadata={"source": "a"})',
        ),
        (ValueError("no"), 'ValueError("no")'),
        (1 + 2j, "(1+2j)"),
        (b"ab", 'bytes(size=2, sha256="fb8e20fc2e4c")'),
        (object(), "<object object at 0x…>"),
        ({"@type": ["Person"]}, '{"@type": ["Person"]}'),
    ],
)
def test_a_value_is_one_line(value: Any, text: str) -> None:
    assert text_of(value) == text


def test_the_tool_calls_of_a_message_read_like_calls() -> None:
    message = AIMessage(
        "let me see",
        tool_calls=[
            {"name": "search", "args": {"q": "x"}, "id": "1", "type": "tool_call"},
            {"name": "add", "args": {}, "id": "2", "type": "tool_call"},
        ],
    )

    assert text_of(message) == ('AIMessage("let me see", tool_calls=[search({"q": "x"}), add({})])')


def test_a_call_that_a_model_got_wrong_is_shown_with_what_is_wrong() -> None:
    call = {"name": "search", "args": "{q", "id": "1", "error": "no JSON"}

    assert text_of(AIMessage("", invalid_tool_calls=[call])) == (
        'AIMessage(invalid_tool_calls=[search("{q", error="no JSON")])'
    )


def test_calls_and_their_results_are_shown_without_the_ids_that_link_them() -> None:
    call = {"name": "search", "args": {"q": "x"}, "id": "1", "type": "tool_call"}

    assert text_of([call]) == '[search({"q": "x"})]'
    assert text_of({"name": "search", "args": {}, "id": "1", "more": 2}) == (
        '{"args": {}, "id": "1", "more": 2, "name": "search"}'
    )
    assert text_of(ToolMessage("found", tool_call_id="1", name="search")) == (
        'ToolMessage("found", name="search")'
    )


def test_only_a_result_that_is_an_error_is_shown_with_its_status() -> None:
    message = ToolMessage("no", tool_call_id="1", status="error")

    assert text_of(message) == 'ToolMessage("no", status="error")'


def test_the_end_of_a_stream_is_shown_without_what_it_was_made_of() -> None:
    piece = tool_call_chunk(name="add", args='{"a": 1}', id="1", index=0)
    chunk = AIMessageChunk(content="so", tool_call_chunks=[piece], chunk_position="last")

    assert text_of(chunk) == 'AIMessageChunk("so", tool_calls=[add({"a": 1})])'
    assert text_of(piece) == 'add("{\\"a\\": 1}")'


def test_tool_calls_that_are_not_as_langchain_makes_them_are_shown_as_they_are() -> None:
    assert text_of({"@type": "Odd", "tool_calls": ["call", {"name": 1}]}) == (
        'Odd(tool_calls=["call", {"name": 1}])'
    )


@pytest.mark.parametrize(
    ("text", "quoted"),
    [
        ("a\nb\tc", '"a\\nb\\tc"'),
        ("\x1b[31mred\x1b[0m", '"\\u001b[31mred\\u001b[0m"'),
        ("\x9b31m", '"\\u009b31m"'),
        ("\x00\x7f", '"\\u0000\\u007f"'),
        ("\ud800", '"\\ud800"'),
        ("\u202egnp.exe", '"\\u202egnp.exe"'),
        ("a\u2028b", '"a\\u2028b"'),
        ("\U000e0001", '"\\U000e0001"'),
        ("naïve 😀 日本", '"naïve 😀 日本"'),
    ],
    ids=["space", "ansi", "c1", "nul", "surrogate", "bidi", "line separator", "tag", "letters"],
)
def test_what_a_terminal_could_take_for_a_command_is_escaped(text: str, quoted: str) -> None:
    assert quote(text) == quoted
    assert text_of(text) == quoted


@pytest.mark.parametrize(
    "value",
    [
        {"\x1b[2J": 1},
        {"@type": "\x1b[2J", "repr": "\x1b[2J"},
        {"@type": "\x1b[2J", "\x1b": "\x1b"},
        {"@type": "M", "tool_calls": [{"name": "\x1b", "args": {"\x1b": 1}}]},
        ValueError("\x1b[2J"),
    ],
    ids=["key", "repr", "type and field", "tool call", "error"],
)
def test_nothing_that_is_shown_has_control_characters(value: Any) -> None:
    assert "\\u001b" in text_of(value)


def test_long_text_is_folded_with_its_length_and_digest() -> None:
    assert text_of("x" * 160) == f'"{"x" * 160}"'
    assert text_of("x" * 161) == f'"{"x" * 100}…" (161 characters, sha256 fdb7f3c4)'


def test_folded_texts_that_differ_only_in_what_is_hidden_look_different() -> None:
    assert text_of("x" * 5000 + "a") != text_of("x" * 5000 + "b")
    assert text_of("\ud800" * 500) != text_of("\ud801" * 500)


def test_a_long_repr_is_folded() -> None:
    class Long:
        def __repr__(self) -> str:
            return "y" * 1234

    assert text_of(Long()).endswith('…" (1,234 characters, sha256 62f37ef2)')


def test_a_long_value_is_folded_as_a_whole() -> None:
    text = text_of(list(range(1000)))

    assert text.startswith("[0, 1, 2, ")
    assert text.endswith("… (4,890 characters, sha256 3e726f1b)")
    assert len(text) < 400
    assert text != text_of([*range(999), 0])


# --- Names -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("RunnableParallel<a,b>", "RunnableParallel<a,b>"),
        ("two words", "two words"),
        ("", '""'),
        (" padded ", '" padded "'),
        ("a\nb", '"a\\nb"'),
        ('a"b', '"a\\"b"'),
        ("\x1b[31m", '"\\u001b[31m"'),
        ("| in", '"| in"'),
    ],
)
def test_a_name_is_quoted_only_when_it_could_be_misread(name: str, shown: str) -> None:
    assert name_text(name) == shown


# --- Trees -------------------------------------------------------------------------------


@pytest.fixture
def runs() -> Runs:
    """A chain of a prompt, a model that is tried twice, and a parser that is interrupted."""
    tape = Tape()
    chain = tape.start("answer", inputs={"q": "hi"}, tags=["b", "a"], metadata={"user": 7})
    retry = tape.start("Chat", under=chain, inputs=[HumanMessage("hi")])
    first = tape.start("Chat", under=retry, type="chat_model", inputs=[[HumanMessage("hi")]])
    tape.fail(first, TimeoutError("slow"))
    second = tape.start(
        "Chat",
        under=retry,
        type="chat_model",
        inputs=[[HumanMessage("hi")]],
        tags=["retry:attempt:2"],
    )
    tape.token(second, "hel")
    tape.token(second, "lo")
    usage = {"input_tokens": 1, "output_tokens": 2, "total_tokens": 3}
    message = AIMessage("hello", usage_metadata=usage)
    tape.end(second, LLMResult(generations=[[ChatGeneration(message=message)]]))
    tape.end(retry, message)
    parser = tape.start("Parser", under=chain, type="parser", inputs=message)
    tape.custom(parser, "progress", {"done": 1})
    tape.fail(parser, GeneratorExit())
    tape.end(chain)
    tape.start("late", inputs="x")
    return tape.runs()


def tree(runs: Runs, level: Level) -> str:
    roots = [run for run in runs if run.parent is None]
    return "\n".join(tree_lines(roots, Mask(), level)) + "\n"


def test_the_shape_of_a_tree_is_names_types_and_what_went_wrong(runs: Runs) -> None:
    assert (
        tree(runs, "shape")
        == """\
answer (chain)
  Chat (chain)
    Chat (chat_model) attempt 1 ERROR
    Chat (chat_model) attempt 2
  Parser (parser) INTERRUPTED
late (chain) UNFINISHED
"""
    )


def test_the_structure_of_a_tree_adds_what_each_run_took_and_gave(runs: Runs) -> None:
    assert (
        tree(runs, "structure")
        == """\
answer (chain)
| in     {"q": "hi"}
| out    null
  Chat (chain)
  | in     [HumanMessage("hi")]
  | out    AIMessage("hello")
    Chat (chat_model) attempt 1 ERROR
    | in     [HumanMessage("hi")]
    | error  TimeoutError("slow")
    Chat (chat_model) attempt 2
    | in     [HumanMessage("hi")]
    | out    AIMessage("hello")
  Parser (parser) INTERRUPTED
  | in     AIMessage("hello")
  | break  GeneratorExit("")
late (chain) UNFINISHED
| in     "x"
"""
    )


def test_a_full_tree_adds_tags_metadata_tokens_events_and_chunks(runs: Runs) -> None:
    assert (
        tree(runs, "full")
        == """\
answer (chain)
| tags   ["a", "b"]
| meta   {"user": 7}
| in     {"q": "hi"}
| out    null
  Chat (chain)
  | in     [HumanMessage("hi")]
  | out    AIMessage("hello")
    Chat (chat_model) attempt 1 ERROR
    | in     [HumanMessage("hi")]
    | error  TimeoutError("slow")
    Chat (chat_model) attempt 2
    | tags   ["retry:attempt:2"]
    | in     [HumanMessage("hi")]
    | out    AIMessage("hello")
    | tokens input=1 output=2 total=3
    | chunks 2: ["hel", "lo"]
  Parser (parser) INTERRUPTED
  | in     AIMessage("hello")
  | break  GeneratorExit("")
  | event  "progress" {"done": 1}
late (chain) UNFINISHED
| in     "x"
"""
    )


def test_runs_can_be_marked(runs: Runs) -> None:
    lines = list(tree_lines(runs[:1], Mask(), "shape", marked=runs.find("Parser")))

    assert lines == [
        "  answer (chain)",
        "    Chat (chain)",
        "      Chat (chat_model) attempt 1 ERROR",
        "      Chat (chat_model) attempt 2",
        ">   Parser (parser) INTERRUPTED",
    ]


def test_a_tree_of_no_runs_is_empty() -> None:
    assert list(tree_lines([], Mask())) == []


def test_an_unknown_level_is_an_error_that_names_the_levels(runs: Runs) -> None:
    with pytest.raises(
        ValueError,
        match=r"^tree level 'ful' is not one of 'shape', 'structure', 'full'$",
    ):
        list(tree_lines(runs, Mask(), "ful"))  # type: ignore[arg-type]


def test_unknown_tokens_are_called_unknown() -> None:
    tape = Tape()
    run = tape.start("m", type="llm", inputs="x")
    result = LLMResult(generations=[], llm_output={"token_usage": {"prompt_tokens": 3}})
    tape.end(run, result)

    assert "| tokens input=3 output=unknown total=unknown" in tree(tape.runs(), "full")


def test_the_name_of_a_run_is_masked_and_escaped() -> None:
    tape = Tape()
    tape.end(tape.start("ask sk-12345678\n"))
    mask = Mask(secrets=frozenset({"sk-12345678"}))

    assert heading(tape.runs()[0], mask) == '"ask <secret>\\n" (chain)'


def test_the_keys_of_dicts_are_shown_in_order() -> None:
    tape = Tape()
    tape.end(tape.start("map", inputs={"b": {"d": 1, "c": 2}, "a": 3}), {"y": 1, "x": 2})

    assert tree(tape.runs(), "structure") == (
        'map (chain)\n| in     {"a": 3, "b": {"c": 2, "d": 1}}\n| out    {"x": 2, "y": 1}\n'
    )


def test_the_chunks_of_branches_are_shown_by_branch() -> None:
    tape = Tape()
    run = tape.start("map")
    for chunk in [{"b": "1"}, {"a": "2"}, {"b": "3"}]:
        tape.chunk(run, chunk)

    assert '| chunks 3: [{"a": "2"}, {"b": "1"}, {"b": "3"}]\n' in tree(tape.runs(), "full")


def test_the_place_of_a_node_is_shown_for_the_node_only() -> None:
    metadata = {"langgraph_node": "plan", "customer": "acme"}
    tape = Tape()
    node = tape.start("plan", tags=["graph:step:1"], metadata=metadata)
    tape.start("Chat", under=node, metadata=metadata)
    full = tree(tape.runs()[:1], "full")

    assert '| meta   {"customer": "acme", "langgraph_node": "plan"}\n' in full
    assert '  | meta   {"customer": "acme"}\n' in full


# --- Single runs and selections ----------------------------------------------------------


def test_the_tree_of_a_run_is_that_run_and_what_is_below_it(runs: Runs) -> None:
    assert runs.find("Chat")[0].tree("shape") == (
        "Chat (chain)\n  Chat (chat_model) attempt 1 ERROR\n  Chat (chat_model) attempt 2"
    )


def test_the_tree_of_runs_has_each_of_them_below_the_closest_that_it_is_part_of(
    runs: Runs,
) -> None:
    assert runs.tree("full") + "\n" == tree(runs, "full")
    assert runs.find(type="chat_model").tree("shape") == (
        "Chat (chat_model) attempt 1 ERROR\nChat (chat_model) attempt 2"
    )
    assert runs.find(where=lambda run: run.is_model or run.parent is None).tree("shape") == (
        "answer (chain)\n"
        "  Chat (chat_model) attempt 1 ERROR\n"
        "  Chat (chat_model) attempt 2\n"
        "late (chain) UNFINISHED"
    )
    assert Runs([runs[2], runs[2]]).tree("shape") == "\n".join([heading(runs[2], Mask())] * 2)


def test_a_selection_has_no_unknown_level_either(runs: Runs) -> None:
    with pytest.raises(ValueError, match=r"^tree level 'ful' is not one of "):
        runs.tree("ful")  # type: ignore[arg-type]


def test_a_model_is_shown_by_its_own_name_but_in_a_shape() -> None:
    tape = Tape()
    tape.end(tape.start("Chat", type="chat_model", metadata={"ls_model_name": "gpt\n5"}))
    (run,) = tape.runs()

    assert run.tree("shape") == "Chat (chat_model)"
    assert run.tree("structure").startswith('Chat (chat_model "gpt\\n5")\n')


def test_only_where_a_snapshot_is_compared_a_repr_is_the_tree(runs: Runs) -> None:
    parser = runs.find("Parser")

    assert repr(parser) == "[<Run answer/Parser (parser, interrupted)>]"
    with in_snapshot():
        assert repr(parser) == parser.tree()
        assert repr([parser[0]]) == f"[{parser.tree()}]"
        assert repr(Runs([])) == "no runs"
    assert repr(parser[0]) == "<Run answer/Parser (parser, interrupted)>"


def test_nobody_takes_a_run_for_its_fields(runs: Runs) -> None:
    assert not dataclasses.is_dataclass(runs[0])
