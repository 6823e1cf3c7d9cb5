"""Asking runs: selectors, families, times."""

from __future__ import annotations

from dataclasses import FrozenInstanceError
from datetime import datetime, timedelta, timezone

import pytest

from pytest_runlog.model.runs import Run, Runs
from support.tape import NOON, Tape


@pytest.fixture
def runs() -> Runs:
    """A chain with a retriever, a model that fails, and a second chain that has not ended."""
    tape = Tape()
    chain = tape.start("answer", tags=["mine"])
    retriever = tape.start("Docs", under=chain, type="retriever", tags=["seq:step:1"])
    tape.end(retriever, ["doc"])
    model = tape.start(
        "Chat",
        under=chain,
        type="chat_model",
        tags=["seq:step:2", "mine"],
        metadata={"ls_model_name": "gpt-4o"},
    )
    tape.fail(model, ValueError("no"))
    tape.fail(chain, ValueError("no"))
    other = tape.start("RunnableParallel<a,b>")
    tape.start("item[1]", under=other, type="tool")
    return tape.runs()


def test_find_without_selectors_gives_every_run(runs: Runs) -> None:
    assert runs.find() == runs
    assert runs.names == ["answer", "Docs", "Chat", "RunnableParallel<a,b>", "item[1]"]


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("Docs", ["Docs"]),
        ("docs", []),
        ("D?cs", ["Docs"]),
        ("*a*", ["answer", "Chat", "RunnableParallel<a,b>"]),
        ("[CD]*", ["Docs", "Chat"]),
        ("RunnableParallel<a,b>", ["RunnableParallel<a,b>"]),
        ("item[1]", ["item[1]"]),
        ("", []),
    ],
)
def test_a_name_is_exact_or_a_pattern(runs: Runs, name: str, found: list[str]) -> None:
    assert runs.find(name).names == found
    assert runs.find(name=name).names == found


@pytest.mark.parametrize(
    ("type_", "found"),
    [("retriever", ["Docs"]), ("chat_*", ["Chat"]), ("llm", []), ("t*l", ["item[1]"])],
)
def test_a_type_selects(runs: Runs, type_: str, found: list[str]) -> None:
    assert runs.find(type=type_).names == found


@pytest.mark.parametrize(
    ("tag", "found"),
    [("mine", ["answer", "Chat"]), ("seq:step:*", ["Docs", "Chat"]), ("yours", [])],
)
def test_any_one_tag_selects(runs: Runs, tag: str, found: list[str]) -> None:
    assert runs.find(tag=tag).names == found


@pytest.mark.parametrize(
    ("model", "found"), [("gpt-4o", ["Chat"]), ("gpt-*", ["Chat"]), ("*", ["Chat"]), ("o1", [])]
)
def test_a_model_selects_only_runs_of_models(runs: Runs, model: str, found: list[str]) -> None:
    assert runs.find(model=model).names == found


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("answer/Docs", ["Docs"]),
        ("answer/*", ["Docs", "Chat"]),
        ("*/item[1]", []),  # as a pattern, [1] is the character 1
        ("RunnableParallel<a,b>/item[1]", ["item[1]"]),
        ("Docs", []),
    ],
)
def test_a_path_selects(runs: Runs, path: str, found: list[str]) -> None:
    assert runs.find(path=path).names == found


@pytest.mark.parametrize(
    ("status", "found"),
    [
        ("ok", ["Docs"]),
        ("error", ["answer", "Chat"]),
        ("unfinished", ["RunnableParallel<a,b>", "item[1]"]),
        ("interrupted", []),
    ],
)
def test_a_status_selects(runs: Runs, status: str, found: list[str]) -> None:
    assert runs.find(status=status).names == found


def test_under_takes_a_run_or_a_name_or_a_pattern(runs: Runs) -> None:
    assert runs.find(under=runs[0]).names == ["Docs", "Chat"]
    assert runs.find(under="answer").names == ["Docs", "Chat"]
    assert runs.find(under="RunnableParallel*").names == ["item[1]"]
    assert runs.find(under="Docs").names == []


def test_under_reaches_every_generation_but_not_the_run_itself() -> None:
    tape = Tape()
    top = tape.start("top")
    middle = tape.start("middle", under=top)
    tape.start("bottom", under=middle)
    runs = tape.runs()

    assert runs.find(under="top").names == ["middle", "bottom"]
    assert runs.find(under=runs[1]).names == ["bottom"]


def test_where_is_any_function_of_a_run(runs: Runs) -> None:
    assert runs.find(where=lambda run: run.output == ["doc"]).names == ["Docs"]


def test_all_selectors_must_match(runs: Runs) -> None:
    assert runs.find(type="chat_model", tag="mine", status="error", under="answer").names == [
        "Chat"
    ]
    assert runs.find("Docs", type="chat_model").names == []


def test_what_find_gives_can_be_asked_again(runs: Runs) -> None:
    assert runs.find(tag="mine").find(type="chain").names == ["answer"]


def test_a_path_names_the_runs_from_the_root_down(runs: Runs) -> None:
    assert [run.path for run in runs] == [
        "answer",
        "answer/Docs",
        "answer/Chat",
        "RunnableParallel<a,b>",
        "RunnableParallel<a,b>/item[1]",
    ]


def test_root_parent_and_children_are_the_family(runs: Runs) -> None:
    chain, retriever, model, *_ = runs

    assert [run.root.name for run in runs[:3]] == ["answer"] * 3
    assert chain.parent is None
    assert model.parent is chain
    assert chain.children == [retriever, model]
    assert model.children == []


def test_descendants_are_depth_first() -> None:
    tape = Tape()
    top = tape.start("top")
    first = tape.start("first", under=top)
    tape.start("below first", under=first)
    tape.start("second", under=top)
    root, *_ = tape.runs()

    assert root.descendants.names == ["first", "below first", "second"]
    assert root.descendants[1].descendants == []


def test_a_tree_may_be_deeper_than_the_stack_of_python() -> None:
    tape = Tape()
    parent = tape.start("0")
    for depth in range(1, 3000):
        parent = tape.start(str(depth), under=parent)

    root, *_ = runs = tape.runs()

    assert len(root.descendants) == 2999
    assert runs[-1].path.count("/") == 2999
    assert runs[-1].root is root


# --- Times -------------------------------------------------------------------------------


def span(start: float, end: float | None) -> Run:
    tape = Tape()
    run = tape.start(at=start)
    if end is not None:
        tape.end(run, at=end)
    return tape.runs()[0]


def test_latency_is_the_seconds_from_start_to_end() -> None:
    assert span(1, 3.5).latency == 2.5
    assert span(1, None).latency is None
    assert Runs([span(1, 2), span(1, None)]).latencies == [1, None]


def test_start_and_end_are_dates_in_utc() -> None:
    noon = datetime.fromtimestamp(NOON / 1e9, timezone.utc)
    tape = Tape()
    root = tape.start(at=1)
    child = tape.start(under=root, at=2)
    tape.end(child, at=3)
    tape.end(root, at=4.5)
    root_run, child_run = tape.runs()

    assert (root_run.start, root_run.end) == (
        noon + timedelta(seconds=1),
        noon + timedelta(seconds=4.5),
    )
    assert (child_run.start, child_run.end) == (
        noon + timedelta(seconds=2),
        noon + timedelta(seconds=3),
    )
    assert span(1, None).end is None


def parent_of(*spans: tuple[float, float | None], until: float | None = 10) -> Run:
    """A run from second 0 to `until` with children of these spans."""
    tape = Tape()
    parent = tape.start(at=0)
    for start, end in spans:
        child = tape.start(under=parent, at=start)
        if end is not None:
            tape.end(child, at=end)
    if until is not None:
        tape.end(parent, at=until)
    return tape.runs()[0]


@pytest.mark.parametrize(
    ("spans", "expected"),
    [
        ([], 10),
        ([(1, 3), (4, 5)], 7),
        ([(1, 5), (2, 3)], 6),
        ([(1, 5), (4, 8)], 3),
        ([(4, 8), (1, 5)], 3),
        ([(0, 10)], 0),
        ([(8, 15)], 8),
        ([(8, None)], 8),
        ([(12, 15)], 10),
        ([(2, 2)], 10),
    ],
    ids=[
        "no children",
        "one after another",
        "one in another",
        "overlapping",
        "overlapping, the later one first",
        "all of the time",
        "outlasting the parent",
        "unfinished",
        "after the parent",
        "no time at all",
    ],
)
def test_self_latency_leaves_out_the_time_in_which_any_child_ran(
    spans: list[tuple[float, float | None]], expected: float
) -> None:
    assert parent_of(*spans).self_latency == expected


def test_self_latency_of_an_unfinished_run_is_unknown() -> None:
    assert parent_of((1, 2), until=None).self_latency is None


def test_ttft_is_the_time_to_the_first_chunk() -> None:
    tape = Tape()
    run = tape.start(at=1)
    tape.chunk(run, "a", at=3)
    tape.chunk(run, "b", at=4)

    assert tape.runs()[0].ttft == 2


def test_ttft_of_a_run_without_chunks_is_that_of_the_first_below_it() -> None:
    tape = Tape()
    root = tape.start(at=1)
    slow = tape.start(under=root, type="llm", at=2)
    fast = tape.start(under=root, type="llm", at=3)
    tape.token(fast, "a", at=5)
    tape.token(slow, "b", at=6)
    root_run, slow_run, fast_run = tape.runs()

    assert root_run.ttft == 4
    assert slow_run.ttft == 4
    assert fast_run.ttft == 2


def test_ttft_is_unknown_when_nothing_was_streamed() -> None:
    assert parent_of((1, 2)).ttft is None


@pytest.mark.parametrize(
    ("spans", "expected"),
    [
        ([], False),
        ([(0, 9)], False),
        ([(0, 1), (2, 3)], False),
        ([(0, 1), (1, 2)], False),
        ([(0, 2), (1, 3)], True),
        ([(1, 3), (0, 2)], True),
        ([(0, 9), (1, 2), (3, 4)], True),
        ([(0, 9), (9, 9), (10, 11)], False),
        ([(0, 5), (1, 2), (4, 6)], True),
        ([(0, None), (5, 6)], True),
        ([(0, 1), (5, None)], False),
    ],
)
def test_runs_overlapped_when_two_ran_at_the_same_time(
    spans: list[tuple[float, float | None]], expected: bool
) -> None:
    assert Runs(span(*times) for times in spans).overlapped() is expected


# --- Runs as a sequence ------------------------------------------------------------------


def test_runs_are_a_sequence(runs: Runs) -> None:
    assert len(runs) == 5
    assert runs[0].name == "answer"
    assert runs[-1] in runs
    assert [run.name for run in reversed(runs[:2])] == ["Docs", "answer"]
    assert isinstance(runs[1:3], Runs)
    assert runs[1:3].names == ["Docs", "Chat"]
    assert runs.index(runs[2]) == 2
    assert not Runs([])


def test_runs_equal_lists_and_tuples_of_the_same_runs(runs: Runs) -> None:
    assert runs[:2] == [runs[0], runs[1]]
    assert runs[:2] == (runs[0], runs[1])
    assert runs[:2] == Runs([runs[0], runs[1]])
    assert runs[:2] != [runs[1], runs[0]]
    assert runs[:2] != "answer"


def test_outputs_are_those_of_each_run(runs: Runs) -> None:
    assert runs[:3].outputs == [None, ["doc"], None]


def test_a_run_equals_itself_however_often_it_is_derived() -> None:
    tape = Tape()
    tape.start()

    assert tape.runs()[0] == tape.runs()[0]
    assert {tape.runs()[0]} == {tape.runs()[0]}
    assert tape.runs()[0] != "step"


def test_runs_of_the_same_id_are_different_when_they_started_at_other_times() -> None:
    assert span(1, 2) != span(3, 4)


def test_a_run_cannot_be_changed(runs: Runs) -> None:
    with pytest.raises(FrozenInstanceError):
        runs[0].name = "other"  # type: ignore[misc]


def test_the_repr_of_a_run_says_where_it_is_and_how_it_ended(runs: Runs) -> None:
    assert repr(runs[1:3]) == (
        "[<Run answer/Docs (retriever, ok)>, <Run answer/Chat (chat_model, error)>]"
    )


def test_only_models_have_tool_calls() -> None:
    call = {"name": "search", "args": {}, "id": "1", "type": "tool_call"}
    tape = Tape()
    chain = tape.start()
    tape.end(chain, {"tool_calls": [call]})

    assert tape.runs()[0].tool_calls == []
