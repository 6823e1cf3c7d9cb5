"""Tool calls against those that a test expects: which agree, and which are shown as a pair."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest
from langchain_core.messages import AIMessage
from langchain_core.outputs import ChatGeneration, LLMResult

from pytest_runlog.model.trajectory import (
    Comparison,
    Difference,
    Expected,
    calls_of,
    compare,
    differences,
    match,
)
from support.tape import Tape

if TYPE_CHECKING:
    from uuid import UUID

    from pytest_runlog import Run
    from pytest_runlog.model.trajectory import ArgsMatch, Call, Mode

Wanted = tuple[str, Any]


def ask(tape: Tape, *names: str, under: UUID | None = None) -> UUID:
    """A model asks for these tools in one message."""
    calls: list[Any] = [{"name": name, "args": {}, "id": f"{at}"} for at, name in enumerate(names)]
    model = tape.start("model", type="chat_model", under=under)
    message = ChatGeneration(message=AIMessage("", tool_calls=calls))
    tape.end(model, LLMResult(generations=[[message]]))
    return model


def call(tape: Tape, name: str, args: Any = None, *, under: UUID | None = None) -> UUID:
    run = tape.start(name, type="tool", inputs={} if args is None else args, under=under)
    tape.end(run, "done")
    return run


def made(*groups: Wanted | list[Wanted]) -> list[Call]:
    """Calls that were made: those in a list, for one message."""
    tape = Tape()
    for group in groups:
        wanted = group if isinstance(group, list) else [group]
        ask(tape, *(name for name, _ in wanted))
        for name, args in wanted:
            call(tape, name, args)
    return list(calls_of(tape.runs()))


def check(
    expected: list[Wanted], calls: list[Call], mode: Mode = "strict", how: ArgsMatch = "exact"
) -> Comparison:
    return compare([Expected(*item) for item in expected], calls, mode, how)


def holds(
    expected: list[Wanted], calls: list[Call], mode: Mode = "strict", how: ArgsMatch = "exact"
) -> bool:
    return check(expected, calls, mode, how).holds


def pairs(comparison: Comparison) -> list[tuple[int | None, int | None]]:
    return [(row.expected, row.seen) for row in comparison.rows]


MODES: list[Mode] = ["strict", "unordered", "superset", "subset"]
A, B, C = ("a", {"x": 1}), ("b", {"x": 1}), ("c", {"x": 1})


# --- Which runs are calls --------------------------------------------------------------------


def roots(tape: Tape) -> list[Run]:
    return [run for run in tape.runs() if run.parent is None]


def names(calls: list[Call]) -> list[str]:
    return [call.run.name for call in calls]


def test_calls_are_the_runs_of_tools_wherever_they_are() -> None:
    tape = Tape()
    graph = tape.start("graph")
    call(tape, "a", under=tape.start("node", under=graph))
    call(tape, "b", under=tape.start("subgraph", under=tape.start("node", under=graph)))
    call(tape, "c")

    assert names(list(calls_of(tape.runs()[:1]))) == ["a", "b"]
    assert names(list(calls_of(roots(tape)))) == ["a", "b", "c"]


def test_what_a_tool_calls_is_part_of_its_own_call() -> None:
    tape = Tape()
    outer = tape.start("research", type="tool")
    call(tape, "search", under=tape.start("agent", under=outer))
    tape.end(outer, "found")
    call(tape, "answer")

    assert names(list(calls_of(roots(tape)))) == ["research", "answer"]
    assert names(list(calls_of(roots(tape)[0].children))) == ["search"]
    assert names(list(calls_of(roots(tape), nested=True))) == ["research", "search", "answer"]


def test_the_attempts_of_a_call_are_one_call() -> None:
    tape = Tape()
    node = tape.start("node")
    for end in (tape.fail, tape.fail, tape.end):
        end(tape.start("search", type="tool", under=node), ValueError())
    call(tape, "search", under=node)

    first, second = calls_of(roots(tape))
    assert [run.attempt for run in first.runs] == [1, 2, 3]
    assert first.run.status == "ok"
    assert [run.attempt for run in second.runs] == [None]


def test_calls_that_a_model_asked_for_in_one_message_belong_together() -> None:
    tape = Tape()
    ask(tape, "a", "b")
    for name in "abab":
        call(tape, name)
    ask(tape, "a")
    call(tape, "a")

    asked = [each.asked for each in calls_of(tape.runs())]
    assert asked[0] == asked[1]
    assert len(set(asked)) == 4  # the others were not asked for, or by another message


def test_a_model_that_asks_for_nothing_does_not_come_between_a_message_and_its_calls() -> None:
    tape = Tape()
    ask(tape, "a", "b")
    call(tape, "a")
    ask(tape)
    call(tape, "b")

    first, second = calls_of(tape.runs())
    assert first.asked == second.asked


def test_a_model_that_lost_its_parent_is_known_by_the_id_of_the_call() -> None:
    tape = Tape()
    graph = tape.start("graph")
    for name in ("a", "b", "c"):
        run = tape.start(
            name, type="tool", under=graph, details={"tool_call_id": str("abc".index(name) % 2)}
        )
        tape.end(run, "done")
    ask(tape, "a", "b")
    ask(tape, "c")

    asked = [each.asked for each in calls_of(roots(tape))]
    assert asked[0] == asked[1] != asked[2]


# --- Modes -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("expected", "strict", "unordered", "superset", "subset"),
    [
        ([A, B], True, True, True, True),
        ([B, A], False, True, True, True),
        ([A], False, False, True, False),
        ([A, B, C], False, False, False, True),
        ([A, C], False, False, False, False),
        ([A, A, B], False, False, False, True),
        ([], False, False, True, False),
    ],
)
def test_a_mode_says_which_calls_there_may_be(
    expected: list[Wanted], strict: bool, unordered: bool, superset: bool, subset: bool
) -> None:
    calls = made(A, B)

    assert holds(expected, calls, "strict") == strict
    assert holds(expected, calls, "unordered") == unordered
    assert holds(expected, calls, "superset") == superset
    assert holds(expected, calls, "subset") == subset


@pytest.mark.parametrize("mode", MODES)
def test_no_calls_are_expected_and_none_made(mode: Mode) -> None:
    assert holds([], [], mode)


def test_calls_of_one_message_have_no_order() -> None:
    calls = made([A, B], C)

    assert holds([A, B, C], calls)
    assert holds([B, A, C], calls)
    assert not holds([A, C, B], calls)


def test_a_name_may_be_a_pattern() -> None:
    assert holds([("search_*", {"x": 1})], made(("search_web", {"x": 1})))
    assert holds([("a[1]", {})], made(("a[1]", {})))
    assert not holds([("search_*", {"x": 1})], made(("look_up", {"x": 1})))


# --- Matching --------------------------------------------------------------------------------


def test_an_expectation_that_fits_several_calls_leaves_the_one_that_another_needs() -> None:
    either = ("a", lambda args: args["x"] in {1, 2})
    calls = made(("a", {"x": 1}), ("a", {"x": 2}))

    for mode in MODES[1:]:
        assert holds([either, A], calls, mode)
        assert holds([A, either], calls, mode)
    assert holds([either, A], made([("a", {"x": 1}), ("a", {"x": 2})]))


def test_a_matching_is_as_large_as_it_can_be() -> None:
    fits = {0: {0}, 1: {0, 1}, 2: {1, 2}, 3: {0, 1, 2, 3}}
    found = match(4, 4, lambda row, column: column in fits[3 - row])

    assert found == {0: 3, 1: 2, 2: 1, 3: 0}


def test_a_matching_of_nothing_is_empty() -> None:
    assert match(0, 3, lambda row, column: True) == {}
    assert match(3, 0, lambda row, column: True) == {}
    assert match(2, 2, lambda row, column: False) == {}


# --- Arguments -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("expected", "exact", "superset", "subset"),
    [
        ({"q": "x", "n": 1}, True, True, True),
        ({"q": "x"}, False, True, False),
        ({"q": "x", "n": 1, "more": 2}, False, False, True),
        ({"q": "y", "n": 1}, False, False, False),
        ({}, False, True, False),
        ("x", False, False, False),
    ],
)
def test_arguments_are_compared_as_asked(
    expected: Any, exact: bool, superset: bool, subset: bool
) -> None:
    seen = {"q": "x", "n": 1}

    assert (not list(differences(expected, seen, "exact"))) == exact
    assert (not list(differences(expected, seen, "superset"))) == superset
    assert (not list(differences(expected, seen, "subset"))) == subset
    assert not list(differences(expected, seen, "ignore"))


def is_short(text: str) -> bool:
    return len(text) < 3


class Anything:
    def __eq__(self, other: object) -> bool:
        return True

    __hash__ = None  # type: ignore[assignment]


@pytest.mark.parametrize("value", [..., "x", str, is_short, Anything(), "".join])
def test_an_argument_can_be_described(value: object) -> None:
    assert not list(differences({"q": value}, {"q": "x"}, "exact"))


@pytest.mark.parametrize("value", ["y", int, str.isdecimal, None, Anything])
def test_a_description_may_be_wrong(value: object) -> None:
    (difference,) = differences({"q": value}, {"q": "x"}, "exact")

    assert difference.argument == "q"


def test_a_function_describes_all_arguments() -> None:
    assert not list(differences(lambda args: args["q"] == "x", {"q": "x"}, "exact"))
    (difference,) = differences(is_short, "long text", "exact")
    assert difference == Difference(None, "untrue", is_short)


def test_a_function_compares_the_arguments_seen_with_those_expected() -> None:
    def is_prefix(seen: Any, expected: Any) -> bool:
        return bool(seen["q"].startswith(expected["q"]))

    assert not list(differences({"q": "R"}, {"q": "RFC"}, is_prefix))
    assert list(differences({"q": "RFC"}, {"q": "R"}, is_prefix)) == [
        Difference(None, "untrue", is_prefix)
    ]


@pytest.mark.parametrize("how", ["exact", "superset", "subset"])
def test_text_in_place_of_arguments_is_compared_as_it_is(how: ArgsMatch) -> None:
    assert not list(differences("x", "x", how))
    assert list(differences("y", "x", how)) == [Difference(None, "different")]


def test_what_a_function_raises_is_a_difference() -> None:
    found = list(differences({"q": lambda text: text["x"]}, {"q": "y"}, "exact"))

    ((name, kind, detail),) = found
    assert (name, kind, type(detail)) == ("q", "raised", TypeError)


def test_what_a_comparison_raises_is_a_difference() -> None:
    class Unequal:
        def __eq__(self, other: object) -> bool:
            raise ValueError("ambiguous")

        __hash__ = None  # type: ignore[assignment]

    ((name, kind, detail),) = differences({"q": Unequal()}, {"q": "y"}, "exact")
    assert (name, kind, str(detail)) == ("q", "raised", "ambiguous")


def test_each_argument_that_differs_is_named() -> None:
    found = differences({"a": 1, "b": 2, "c": 3}, {"a": 1, "b": 3, "d": 4}, "exact")

    assert list(found) == [
        Difference("b", "different"),
        Difference("c", "missing"),
        Difference("d", "unexpected"),
    ]


# --- What is shown side by side --------------------------------------------------------------


def test_in_order_calls_are_aligned_with_few_differences() -> None:
    comparison = check([A, B, C], made(A, C))

    assert pairs(comparison) == [(0, 0), (1, None), (2, 1)]


def test_a_call_of_the_same_tool_is_the_pair_of_the_one_expected() -> None:
    comparison = check([A, ("b", {"x": 2}), C], made(A, B, C))

    assert pairs(comparison) == [(0, 0), (1, 1), (2, 2)]
    assert [row.agrees for row in comparison.rows] == [True, False, True]
    assert comparison.rows[1].differences == (Difference("x", "different"),)


def test_calls_of_different_tools_are_no_pair() -> None:
    assert pairs(check([A], made(B))) == [(0, None), (None, 0)]


def test_calls_of_one_message_are_aligned_in_the_order_that_was_expected() -> None:
    comparison = check([A, B, C, A], made([C, B, A], B))

    assert pairs(comparison) == [(0, 2), (1, 1), (2, 0), (3, None), (None, 3)]


def test_only_the_order_is_wrong() -> None:
    assert check([A, B], made(B, A)).reordered
    assert not check([A, B], made(B)).reordered
    assert not check([A, B], made(B, A), "unordered").reordered


def test_without_order_the_rows_are_those_expected_and_then_the_others() -> None:
    comparison = check([C, A, ("b", {"x": 2})], made(B, A, A), "unordered")

    assert pairs(comparison) == [(0, None), (1, 1), (2, 0), (None, 2)]


# --- Cost ------------------------------------------------------------------------------------


def test_a_function_is_asked_once_about_each_call() -> None:
    asked: list[Any] = []

    def wanted(args: Any) -> bool:
        asked.append(args)
        return bool(args["x"] == 3)

    calls = made(*[("a", {"x": at}) for at in range(4)])
    assert holds([("a", wanted)], calls, "superset")
    assert check([("a", wanted)] * 4, calls).rows

    assert len(asked) == 4 + 16


def test_long_trajectories_are_matched_without_recursion() -> None:
    calls = made(*[("a", {"x": at}) for at in range(150)])
    later: Callable[[int], Wanted] = lambda at: ("a", lambda args: args["x"] >= at)  # noqa: E731

    assert holds([later(at) for at in range(150)], calls, "unordered")
    assert not holds([later(at + 1) for at in range(150)], calls, "unordered")
