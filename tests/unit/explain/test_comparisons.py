"""What a plain assert on names, runs and tokens says, and what it leaves to pytest."""

from __future__ import annotations

from textwrap import dedent
from typing import TYPE_CHECKING
from unittest.mock import Mock

import pytest
from langchain_core.messages import AIMessage
from langchain_core.outputs import ChatGeneration, LLMResult

from pytest_runlog import RunLogCapture, Runs, TokenUsage
from pytest_runlog.capture import recent_captures
from pytest_runlog.explain.comparisons import explain_comparison
from support.tape import Tape, done

if TYPE_CHECKING:
    from pytest_runlog import Run


def explain(left: object, op: str, right: object, *captures: RunLogCapture) -> str | None:
    explanation = explain_comparison(op, left, right, captures)
    return None if explanation is None else "\n".join(explanation)


def text(lines: str) -> str:
    return dedent(lines).strip("\n")


@pytest.fixture
def log() -> RunLogCapture:
    tape = Tape()
    chain = tape.start("chain")
    retrieve = done(tape, "retrieve", under=chain)
    done(tape, "search", under=retrieve, type="tool", inputs={"q": "a"})
    done(tape, "search", under=retrieve, type="tool", inputs={"q": "b"})
    tape.fail(tape.start("Index", under=retrieve, type="retriever"), OSError("no index"))
    done(tape, "answer", under=chain)
    tape.end(chain, "done")
    return tape.log()


# --- Names -----------------------------------------------------------------------------------


def test_names_are_shown_in_their_tree_beside_those_expected(log: RunLogCapture) -> None:
    expected = ["chain", "retrieve", "search", "Index", "rerank", "answer", "end"]

    assert explain(log.names, "==", expected, log) == text("""
        names == expected (- expected, + seen)
          chain
            retrieve
              search
        +     search
              Index
        -   rerank
            answer
        -   end
    """)


def test_the_names_may_stand_on_the_right(log: RunLogCapture) -> None:
    assert explain(["chian"], "==", log.roots.names, log) == text("""
        expected == names (- expected, + seen)
        - chian
        + chain
    """)


def test_names_of_a_part_are_known_too(log: RunLogCapture) -> None:
    assert explain(log.tools.names, "==", ["search"], log) == text("""
        names == expected (- expected, + seen)
          search
        + search
    """)
    assert explain(log.root.children[0].descendants.names, "==", ["search", "x"], log)
    assert explain(log.find(type="[tr]*").names, "==", ["search"], log)


def test_of_names_that_are_the_same_those_near_a_difference_are_shown() -> None:
    tape = Tape()
    for number in range(12):
        done(tape, f"step {number}")
    log = tape.log()
    expected = [name for name in log.names if name != "step 6"]

    assert explain(log.names, "==", expected, log) == text("""
        names == expected (- expected, + seen)
          … 4 the same
          step 4
          step 5
        + step 6
          step 7
          step 8
          … 3 the same
    """)


def test_names_in_another_order(log: RunLogCapture) -> None:
    assert explain(log.names, "==", sorted(log.names), log).splitlines()[-1] == (  # type: ignore[union-attr]
        "The names are the same, in another order."
    )


def test_names_equal_no_tuple(log: RunLogCapture) -> None:
    assert explain(log.tools.names, "==", ("search", "search"), log) == text("""
        names == expected (- expected, + seen)
          … 2 the same
        A list equals a list only, not a tuple.
    """)


def test_names_are_looked_for_in_each_capture(log: RunLogCapture) -> None:
    tape = Tape()
    done(tape, "other")
    other = tape.log()

    assert explain(other.names, "==", ["another"], log, other) == text("""
        names == expected (- expected, + seen)
        - another
        + other
    """)


@pytest.mark.parametrize(
    ("left", "op", "right"),
    [
        ([], "==", ["search"]),
        (["apple"], "==", ["pear"]),
        (["search", 1], "==", ["search"]),
        (["search"], "!=", ["search"]),
        ("search", "==", "answer"),
        (["search"], "==", None),
        (3, "in", [1]),
        ("x", "in", "abc"),
        ("x", "in", {"search": 1}),
        ("x", "in", []),
        ("apple", "in", ["pear"]),
    ],
)
def test_what_was_not_recorded_is_left_to_pytest(
    log: RunLogCapture, left: object, op: str, right: object
) -> None:
    assert explain(left, op, right, log) is None


def test_what_only_claims_to_be_runs_or_names_is_left_to_pytest(log: RunLogCapture) -> None:
    assert explain(Mock(spec=Runs), "==", [], log) is None
    assert explain(Mock(spec=list), "==", ["search"], log) is None
    assert explain("search", "in", Mock(spec=Runs), log) is None


def test_a_name_that_is_not_among_the_names(log: RunLogCapture) -> None:
    assert explain("serch", "in", log.names, log) == text("""
        'serch' in the names of 6 runs (did you mean 'search' or 'answer'?)
        chain (chain)
          retrieve (chain)
            search (tool)
            search (tool)
            Index (retriever) ERROR
          answer (chain)
    """)


def test_a_name_that_is_among_the_names(log: RunLogCapture) -> None:
    assert explain("search", "not in", log.names, log) == text("""
        'search' not in the names of 6 runs
          chain (chain)
            retrieve (chain)
        >     search (tool)
        >     search (tool)
              Index (retriever) ERROR
            answer (chain)
    """)


# --- Runs ------------------------------------------------------------------------------------


def test_runs_where_none_were_expected(log: RunLogCapture) -> None:
    assert explain(log.errors, "==", [], log) == text("""
        runs == [] (- expected, + seen)
        + chain/retrieve/Index (retriever) ERROR: OSError("no index")
    """)


def test_runs_beside_those_expected(log: RunLogCapture) -> None:
    expected = [log.runs[1], log.tools[0]]

    assert explain(log.tools, "==", expected, log) == text("""
        runs == expected (- expected, + seen)
        - chain/retrieve (chain)
          chain/retrieve/search (tool)
        + chain/retrieve/search (tool)
    """)
    assert explain(expected, "==", log.tools, log).startswith("expected == runs")  # type: ignore[union-attr]


def test_runs_are_no_names(log: RunLogCapture) -> None:
    assert explain(log.tools, "==", ["search"], log) == text("""
        2 runs == 1 name
        These are runs, not names: compare `.names`, or use `.find(name)`.
    """)
    assert explain("search", "in", log.tools, log) == text("""
        'search' in 2 runs
        These are runs, not names: compare `.names`, or use `.find(name)`.
    """)
    assert explain(log.tools, "==", [1, 2, 3], log) == "2 runs == 3 values\nRuns equal runs only."


def test_two_runs_with_what_differs(log: RunLogCapture) -> None:
    one, other = log.tools

    assert explain(one, "==", other, log) == text("""
        chain/retrieve/search (tool) == chain/retrieve/search (tool)
          inputs {"q": "a"} != {"q": "b"}
        A run equals only itself: compare `.inputs`, `.output` or `.tree()` of runs.
    """)


def test_a_run_and_something_else_are_left_to_pytest(log: RunLogCapture) -> None:
    assert explain(log.root, "==", "chain", log) is None


def test_runs_need_no_capture(log: RunLogCapture) -> None:
    runs: list[Run] = list(log.runs)

    assert explain(Runs(runs[:1]), "==", [], *()) == text("""
        runs == [] (- expected, + seen)
        + chain (chain)
    """)


# --- Tokens ----------------------------------------------------------------------------------


def test_tokens_are_shown_with_their_names() -> None:
    assert explain(TokenUsage(7, 2, 9), "==", (7, 2, 10)) == text("""
        tokens == expected (- expected, + seen)
        - input=7 output=2 total=10
        + input=7 output=2 total=9
    """)
    assert explain((0, 0, 0), "==", TokenUsage(7, 2, 9)) == text("""
        expected == tokens (- expected, + seen)
        - input=0 output=0 total=0
        + input=7 output=2 total=9
    """)


def test_unknown_tokens_are_explained() -> None:
    assert explain(TokenUsage(None, None, None), "==", TokenUsage(1, 2, 3)) == text("""
        tokens == expected (- expected, + seen)
        - input=1 output=2 total=3
        + input=None output=None total=None
        `None` is unknown: a model run did not report its usage.
    """)


def test_tokens_are_a_tuple_of_three() -> None:
    assert explain(TokenUsage(7, 2, 9), "==", [7, 2, 9]) == text("""
        tokens == expected (- expected, + seen)
        - input=7 output=2 total=9
        + input=7 output=2 total=9
        Tokens equal a tuple, not a list.
    """)
    assert explain(TokenUsage(7, 2, 9), "==", (7, 2)) == text("""
        tokens == expected (- expected, + seen)
        - (7, 2)
        + input=7 output=2 total=9
    """)


# --- What must not be shown ------------------------------------------------------------------


def test_no_secret_is_in_an_explanation() -> None:
    tape = Tape()
    chain = tape.start("chain sk-12345678", inputs={"token": "sk-12345678"})
    for answer in ("sk-12345678", "b"):
        model = tape.start("sk-12345678", under=chain, type="chat_model", inputs=[answer])
        generation = ChatGeneration(message=AIMessage(answer))
        tape.end(model, LLMResult(generations=[[generation]]))
    tape.fail(chain, ValueError("sk-12345678"))
    log = tape.log()
    explanations = [
        explain(log.names, "==", ["sk-12345678"], log),
        explain(["sk-12345678", "x"], "==", log.models.names, log),
        explain("chain sk-1234567", "in", log.names, log),
        explain("sk-12345678", "not in", log.names, log),
        explain("sk-12345678", "in", log.runs, log),
        explain(log.errors, "==", [], log),
        explain(log.models[0], "==", log.models[1], log),
    ]

    for explanation in explanations:
        assert explanation is not None
        assert "sk-12345678" not in explanation
        assert "<secret>" in explanation


# --- Which captures --------------------------------------------------------------------------


def test_the_captures_that_were_made_last_are_known_as_long_as_they_live() -> None:
    first, second = RunLogCapture(), RunLogCapture()
    assert recent_captures()[:2] == [second, first]

    del second
    assert recent_captures()[0] is first
    for _ in range(100):
        RunLogCapture()
    assert first not in recent_captures()
