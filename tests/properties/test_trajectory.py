"""Trajectories against all that could be tried, and against agentevals where both say something.

agentevals takes the first call that an expectation fits. And in its modes `"unordered"` and
`"subset"` it exchanges the calls made with those expected before it compares arguments, so that
`"subset"` and `"superset"` arguments mean the opposite there. Its verdict is ours where
neither matters.
"""

from __future__ import annotations

import json
from itertools import permutations
from typing import Any, get_args

import pytest
from agentevals.trajectory.match import (  # type: ignore[import-untyped]
    create_trajectory_match_evaluator,
)
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.messages import AIMessage
from langchain_core.outputs import ChatGeneration, LLMResult

from pytest_runlog.model.trajectory import (
    ArgsMode,
    Call,
    Expected,
    Mode,
    calls_of,
    compare,
    differences,
    match,
)
from support.tape import Tape

Made = tuple[str, dict[str, int]]

names = st.sampled_from(["a", "b"])
arguments = st.dictionaries(st.sampled_from(["x", "y"]), st.integers(0, 1), max_size=2)
messages = st.lists(st.lists(st.tuples(names, arguments), min_size=1, max_size=3), max_size=3)
"""The calls of each message."""
modes: st.SearchStrategy[Mode] = st.sampled_from(get_args(Mode))
args_modes: st.SearchStrategy[ArgsMode] = st.sampled_from(get_args(ArgsMode))


def calls_in(asked: list[list[Made]]) -> list[Call]:
    tape = Tape()
    for message in asked:
        wanted: list[Any] = [{"name": name, "args": args, "id": "1"} for name, args in message]
        model = tape.start("model", type="chat_model")
        answer = ChatGeneration(message=AIMessage("", tool_calls=wanted))
        tape.end(model, LLMResult(generations=[[answer]]))
        for name, args in message:
            tape.end(tape.start(name, type="tool", inputs=args), "done")
    return list(calls_of(tape.runs()))


def expected_in(asked: list[list[Made]]) -> list[Expected]:
    return [Expected(name, args) for message in asked for name, args in message]


def verdict(seen: list[list[Made]], wanted: list[list[Made]], mode: Mode, how: ArgsMode) -> bool:
    return compare(expected_in(wanted), calls_in(seen), mode, how).holds


def openai_messages(asked: list[list[Made]]) -> list[dict[str, Any]]:
    return [
        {
            "role": "assistant",
            "content": "",
            "tool_calls": [
                {"function": {"name": name, "arguments": json.dumps(args)}}
                for name, args in message
            ],
        }
        for message in asked
    ]


def verdict_of_agentevals(
    seen: list[list[Made]], wanted: list[list[Made]], mode: Mode, how: ArgsMode
) -> bool:
    evaluate: Any = create_trajectory_match_evaluator(
        trajectory_match_mode=mode, tool_args_match_mode=how
    )
    result = evaluate(outputs=openai_messages(seen), reference_outputs=openai_messages(wanted))
    return bool(result["score"])


def same_messages(seen: list[list[Made]], wanted: list[list[Made]]) -> bool:
    """Whether as many calls were expected of each message: we are given only the calls."""
    return [*map(len, seen)] == [*map(len, wanted)]


# --- agentevals ------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["exact", "ignore"])
@pytest.mark.parametrize("mode", get_args(Mode))
@given(seen=messages, wanted=messages)
def test_the_verdict_is_that_of_agentevals(
    mode: Mode, how: ArgsMode, seen: list[list[Made]], wanted: list[list[Made]]
) -> None:
    if mode != "strict" or same_messages(seen, wanted):
        assert verdict(seen, wanted, mode, how) == verdict_of_agentevals(seen, wanted, mode, how)


@pytest.mark.parametrize("how", ["exact", "ignore"])
@pytest.mark.parametrize("mode", get_args(Mode))
@given(calls=st.lists(st.tuples(names, arguments), max_size=4), data=st.data())
def test_so_it_is_of_calls_that_were_made_in_another_order(
    mode: Mode, how: ArgsMode, calls: list[Made], data: st.DataObject
) -> None:
    seen = [[call] for call in calls]
    wanted = data.draw(st.permutations(seen))

    assert verdict(seen, wanted, mode, how) == verdict_of_agentevals(seen, wanted, mode, how)


@pytest.mark.parametrize("how", ["subset", "superset"])
@pytest.mark.parametrize("mode", ["strict", "superset"])
@given(seen=messages, wanted=messages)
def test_what_agentevals_finds_to_match_does(
    mode: Mode, how: ArgsMode, seen: list[list[Made]], wanted: list[list[Made]]
) -> None:
    if verdict_of_agentevals(seen, wanted, mode, how):
        assert verdict(seen, wanted, mode, how)


@pytest.mark.parametrize(("how", "theirs"), [("subset", "superset"), ("superset", "subset")])
@given(seen=messages, wanted=messages)
def test_of_a_subset_agentevals_exchanges_the_sides_of_the_arguments(
    how: ArgsMode, theirs: ArgsMode, seen: list[list[Made]], wanted: list[list[Made]]
) -> None:
    if verdict_of_agentevals(seen, wanted, "subset", theirs):
        assert verdict(seen, wanted, "subset", how)


@given(seen=messages, data=st.data(), how=args_modes, mode=modes)
def test_what_was_made_in_another_order_within_its_messages_is_the_same_to_both(
    seen: list[list[Made]], data: st.DataObject, how: ArgsMode, mode: Mode
) -> None:
    wanted = [data.draw(st.permutations(message)) for message in seen]

    assert verdict(seen, wanted, mode, how)
    if how in {"exact", "ignore"}:
        assert verdict_of_agentevals(seen, wanted, mode, how)


def test_agentevals_takes_the_first_call_that_fits_and_we_the_one_that_is_left() -> None:
    seen: list[list[Made]] = [[("a", {"x": 0, "y": 0}), ("a", {"x": 0})]]
    wanted: list[list[Made]] = [[("a", {"x": 0}), ("a", {"x": 0, "y": 0})]]

    assert verdict(seen, wanted, "superset", "superset")
    assert not verdict_of_agentevals(seen, wanted, "superset", "superset")


# --- All that could be tried -----------------------------------------------------------------


def fits(wanted: Expected, call: Call, how: ArgsMode) -> bool:
    is_same = wanted.name == call.run.name
    return is_same and not list(differences(wanted.args, call.run.inputs, how))


def some_way(expected: list[Expected], calls: list[Call], how: ArgsMode) -> bool:
    """Whether each of what is expected can be given a call of its own, by trying all ways."""
    return any(
        all(fits(wanted, call, how) for wanted, call in zip(expected, chosen))
        for chosen in permutations(calls, len(expected))
    )


def some_way_around(expected: list[Expected], calls: list[Call], how: ArgsMode) -> bool:
    return any(
        all(fits(wanted, call, how) for wanted, call in zip(chosen, calls))
        for chosen in permutations(expected, len(calls))
    )


few_messages = st.lists(st.lists(st.tuples(names, arguments), min_size=1, max_size=2), max_size=2)


@given(seen=few_messages, wanted=few_messages, how=args_modes)
def test_a_mode_holds_if_the_calls_can_be_shared_out_so(
    seen: list[list[Made]], wanted: list[list[Made]], how: ArgsMode
) -> None:
    expected, calls = expected_in(wanted), calls_in(seen)
    all_expected, all_seen = some_way(expected, calls, how), some_way_around(expected, calls, how)

    assert compare(expected, calls, "superset", how).holds == all_expected
    assert compare(expected, calls, "subset", how).holds == all_seen
    same_number = len(expected) == len(calls)
    assert compare(expected, calls, "unordered", how).holds == (same_number and all_expected)


@given(st.lists(st.sets(st.integers(0, 4)), max_size=5))
def test_no_matching_is_larger(rows: list[set[int]]) -> None:
    found = match(len(rows), 5, lambda row, column: column in rows[row])

    assert len(set(found.values())) == len(found)
    assert all(column in rows[row] for row, column in found.items())
    largest = max(
        sum(column in row for row, column in zip(rows, columns))
        for columns in permutations(range(5))
    )
    assert len(found) == largest


@given(seen=messages, wanted=messages, mode=modes, how=args_modes)
def test_the_rows_show_each_call_once_and_differ_only_if_it_does_not_hold(
    seen: list[list[Made]], wanted: list[list[Made]], mode: Mode, how: ArgsMode
) -> None:
    expected, calls = expected_in(wanted), calls_in(seen)
    comparison = compare(expected, calls, mode, how)

    if mode == "strict" and comparison.holds:
        return
    rows = comparison.rows
    assert sorted(row.expected for row in rows if row.expected is not None) == [
        *range(len(expected))
    ]
    assert sorted(row.seen for row in rows if row.seen is not None) == [*range(len(calls))]
    odd = [row for row in rows if not row.agrees]
    if mode == "superset":
        odd = [row for row in odd if row.expected is not None]
    if mode == "subset":
        odd = [row for row in odd if row.seen is not None]
    assert bool(odd) == (not comparison.holds)
