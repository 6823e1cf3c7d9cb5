"""The states that patches make."""

from __future__ import annotations

import copy
import sys
from collections.abc import Callable
from typing import Any

import jsonpatch
import pytest

from pytest_runlog.model.log.fold import Fold, plain
from pytest_runlog.model.runs import Run
from support.tape import Tape


def streaming(tokens: int) -> Run:
    """A root with a model that streams so many tokens."""
    tape = Tape()
    root = tape.start("root", inputs="hi")
    model = tape.start("model", under=root, type="chat_model")
    for number in range(tokens):
        tape.token(model, f"{number}")
    tape.end(model)
    tape.end(root, "done")
    return tape.runs()[0]


def branching() -> Run:
    """A root with everything that a log can hold."""
    tape = Tape()
    root = tape.start("root", inputs={"input": ""})
    one, other = tape.start("a/b", under=root), tape.start("a/b", under=root)
    inner = tape.start("~", under=other, type="llm")
    tape.token(inner, "t")
    tape.chunk(one, {"a": 1})
    tape.chunk(root, {"a": 1})
    tape.fail(inner, ValueError("no"))
    tape.end(one, {"a": 1})
    tape.fail(other, ValueError("no"))
    tape.end(root, {"a": 1}, details={"inputs": "hi"})
    return tape.runs()[0]


def flat(run: Run, patches: int | None = None) -> list[dict[str, Any]]:
    return [operation for patch in run.patches[:patches] for operation in patch.ops]


def calls_in(function: Callable[[Run], object], run: Run) -> int:
    """How many functions are called, those of C included."""
    count = 0

    def note(_frame: object, event: str, _argument: object) -> None:
        nonlocal count
        count += event in {"call", "c_call"}

    before = sys.getprofile()
    sys.setprofile(note)
    try:
        function(run)
    finally:
        sys.setprofile(before)
    return count


# --- States ------------------------------------------------------------------------------


@pytest.mark.parametrize("make", [branching, lambda: streaming(3)], ids=["branching", "streaming"])
def test_the_state_after_each_patch_is_what_jsonpatch_makes_of_them(
    make: Callable[[], Run],
) -> None:
    run = make()

    for number in range(1, len(run.patches) + 1):
        assert run.state_at(number) == jsonpatch.apply_patch(None, flat(run, number))


def test_the_state_is_the_one_after_the_last_patch() -> None:
    run = branching()

    assert run.state == run.state_at(len(run.patches)) == run.log.state
    assert run.log.ops == flat(run)


def test_before_the_first_patch_there_is_nothing() -> None:
    assert branching().state_at(0) == {}


@pytest.mark.parametrize("length", ["1", 1.5, True, None])
def test_a_state_is_asked_for_by_a_whole_number(length: Any) -> None:
    with pytest.raises(TypeError, match=f"^state_at takes a number of patches, not {length!r}$"):
        branching().state_at(length)


@pytest.mark.parametrize("length", [-1, 7, 100])
def test_a_state_after_patches_that_are_not_there_is_an_error_that_counts_them(
    length: int,
) -> None:
    run = streaming(2)

    with pytest.raises(IndexError) as raised:
        run.state_at(length)
    assert str(raised.value) == (
        f"state_at({length}): this log has 6 patches, so there are the states after 0 to 6 of them"
    )


def test_states_are_dicts_and_lists_of_their_own() -> None:
    run = branching()
    state = run.state
    state["logs"]["a/b"]["streamed_output"].append("more")
    state["streamed_output"].clear()
    state["logs"]["more"] = {}

    assert run.state == branching().state


def test_folding_does_not_change_an_operation() -> None:
    run = branching()
    patches = [patch.ops for patch in run.patches]
    before = copy.deepcopy(patches)
    fold = Fold(patches)
    plain(fold.view(len(patches)))["logs"]["a/b"]["streamed_output"].append("more")

    assert patches == before


# --- Iterating over states -----------------------------------------------------------------


def test_each_patch_comes_with_the_state_after_it() -> None:
    run = branching()
    patches, states = zip(*run.states())

    assert list(patches) == run.patches
    assert list(states) == [run.state_at(number) for number in range(1, len(patches) + 1)]


def test_a_state_that_is_kept_stays_what_it_was() -> None:
    run = streaming(3)
    kept = [state for _, state in run.states()]

    assert [len(state["logs"]) for state in kept] == [0, 1, 1, 1, 1, 1, 1]
    assert [state["final_output"] for state in kept] == [None] * 6 + ["done"]
    assert [state["logs"]["model"]["streamed_output"] for state in kept[1:]] == [
        [],
        ["0"],
        ["0", "1"],
        ["0", "1", "2"],
        ["0", "1", "2"],
        ["0", "1", "2"],
    ]


def test_a_state_reads_like_a_dict() -> None:
    *_, (_, state) = branching().states()

    assert dict(state) == branching().state
    assert list(state["logs"]) == ["a/b", "a/b:2", "~"]
    assert state.get("nothing") is None
    assert "nothing" not in state
    assert len(state) == len(branching().state)
    assert repr(state) == repr(branching().state)
    assert state != {}


def test_a_key_that_is_not_there_yet_is_not_there() -> None:
    (_, before), *_ = streaming(1).states()

    assert "model" not in before["logs"]
    with pytest.raises(KeyError, match="model"):
        before["logs"]["model"]


def test_a_stream_reads_like_a_list() -> None:
    *_, (_, state) = streaming(3).states()
    stream = state["logs"]["model"]["streamed_output_str"]

    assert (stream[0], stream[-1], stream[1:], stream[::-1]) == (
        "0",
        "2",
        ["1", "2"],
        ["2", "1", "0"],
    )
    assert "".join(stream) == "012"
    assert "2" in stream
    assert (stream == ["0", "1", "2"], stream == stream[:], stream == "012") == (True, True, False)
    assert repr(stream) == "['0', '1', '2']"
    with pytest.raises(IndexError):
        stream[3]


@pytest.mark.parametrize("view", [lambda state: state, lambda state: state["streamed_output"]])
def test_states_cannot_be_changed(view: Callable[[Any], Any]) -> None:
    (_, state), *_ = streaming(1).states()

    with pytest.raises(TypeError):
        view(state)[0] = "changed"


# --- Cost --------------------------------------------------------------------------------


USES: dict[str, Callable[[Run], object]] = {
    "patches": lambda run: run.patches,
    "state": lambda run: run.state,
    "states": lambda run: [len(state["logs"]) for _, state in run.states()],
    "log": lambda run: run.log,
    "filtered_log": lambda run: run.filtered_log(include_types=["llm"]),
}


def test_ten_times_the_tokens_take_about_ten_times_the_calls() -> None:
    small, large = streaming(10_000), streaming(100_000)
    few = {name: calls_in(use, small) for name, use in USES.items()}
    many = {name: calls_in(use, large) for name, use in USES.items()}

    assert {name: many[name] <= 12 * few[name] for name in USES} == dict.fromkeys(USES, True)


def test_a_stream_is_not_copied_for_each_state() -> None:
    run = streaming(1_000)
    streams = [state["logs"].get("model", {}).get("streamed_output") for _, state in run.states()]

    assert len({id(stream._list) for stream in streams if stream is not None}) == 1


# --- Patches that are none -----------------------------------------------------------------

START = {"op": "replace", "path": "", "value": {"logs": {}, "streamed_output": []}}
ENTRY = {"op": "add", "path": "/logs/a", "value": {"streamed_output": []}}


@pytest.mark.parametrize(
    "operations",
    [
        [ENTRY],
        [START, START],
        [START, ENTRY, ENTRY],
        [START, {"op": "add", "path": "/logs/b/final_output", "value": 1}],
        [START, {"op": "add", "path": "/logs/b/streamed_output/-", "value": 1}],
        [START, {"op": "add", "path": "/final_output/a/b", "value": 1}],
        [START, {"op": "add", "path": "/streamed_output", "value": []}],
        [START, {"op": "replace", "path": "/logs", "value": {}}],
        [START, {"op": "add", "path": "/streamed_output/0", "value": 1}],
        [START, {"op": "add", "path": "/logs/b", "value": 1}],
        [START, {"op": "remove", "path": "/logs"}],
        [START, {"op": "add", "path": 5, "value": 1}],
        [START, 5],
        [{**START, "value": 5}],
        [{**START, "value": {"logs": {"a": 1}}}],
    ],
)
def test_an_operation_that_no_log_has_there_is_an_error(operations: list[Any]) -> None:
    with pytest.raises(ValueError, match=f"patch {len(operations)} is none of a run log"):
        Fold([operation] for operation in operations)


def test_logs_may_begin_with_entries() -> None:
    start = {**START, "value": {"logs": {"a": {"streamed_output": ["x"]}}, "streamed_output": []}}
    more = {"op": "add", "path": "/logs/a/streamed_output/-", "value": "y"}

    assert plain(Fold([[start], [more]]).view(2)) == {
        "logs": {"a": {"streamed_output": ["x", "y"]}},
        "streamed_output": [],
    }
