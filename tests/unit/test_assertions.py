"""The assertions of a capture: what they hold for, and what they cannot be asked."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
from langchain_core.messages import AIMessage, AIMessageChunk
from langchain_core.messages.tool import tool_call_chunk
from langchain_core.outputs import ChatGeneration, Generation, LLMResult
from langgraph.errors import GraphInterrupt
from langgraph.types import Interrupt

from pytest_runlog import RunLogCapture
from support.tape import Tape, done

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

FAILURE = ValueError("no route")


def fails(check: Callable[[], object]) -> bool:
    try:
        check()
    except AssertionError:
        return True
    return False


@pytest.fixture
def log() -> RunLogCapture:
    """`chain` of `retrieve`, in which a tool and a retriever ran, and `answer`."""
    tape = Tape()
    chain = tape.start("chain")
    retrieve = tape.start("retrieve", under=chain)
    done(tape, "search", under=retrieve, type="tool", inputs={"query": "x"})
    done(tape, "Index", under=retrieve, type="retriever")
    tape.end(retrieve, "found")
    answer = tape.start("answer", under=chain)
    done(tape, "Chat[4o]", under=answer, type="chat_model")
    tape.end(answer, "done")
    tape.end(chain, "done")
    return tape.log()


# --- What ran --------------------------------------------------------------------------------


def test_runs_ran_by_name_or_pattern(log: RunLogCapture) -> None:
    log.assert_ran("search")
    log.assert_ran("search", "chain", "Chat*", "Chat[4o]", "?ndex")

    assert fails(lambda: log.assert_ran("Search"))
    assert fails(lambda: log.assert_ran("search", "Chat"))


def test_a_run_that_failed_or_has_not_ended_ran() -> None:
    tape = Tape()
    tape.fail(tape.start("failed"), FAILURE)
    tape.start("unfinished")

    tape.log().assert_ran("failed", "unfinished")


def test_runs_did_not_run_if_none_has_the_name(log: RunLogCapture) -> None:
    log.assert_not_ran("Search")
    log.assert_not_ran("Chat", "*Search")

    assert fails(lambda: log.assert_not_ran("search"))
    assert fails(lambda: log.assert_not_ran("Search", "Chat*"))
    assert fails(lambda: log.assert_not_ran("Chat[4o]"))


# --- Order -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "names",
    [
        ["chain"],
        ["chain", "retrieve", "search", "Index", "answer", "Chat*"],
        ["search", "Index"],
        ["retrieve", ..., "answer"],
        ["chain", ..., "answer", "Chat*"],
        ["chain", ..., "search", ..., "Chat*"],
        ["retrieve", ..., "search"],
        [..., "search", ...],
        ["chain", ..., ..., "Index"],
        ["*", "*", "*"],
        ["*", ..., "Index", "*"],
    ],
)
def test_runs_start_in_this_order(log: RunLogCapture, names: list[Any]) -> None:
    log.assert_order(*names)


@pytest.mark.parametrize(
    "names",
    [
        ["retrieve", "answer"],
        ["answer", ..., "retrieve"],
        ["search", ..., "search"],
        ["search", "search"],
        ["Chat*", "chain"],
        ["Chat*", ..., "*"],
        ["search", "Index", "Chat*"],
        ["nothing"],
        ["search", ..., "nothing"],
    ],
)
def test_runs_do_not_start_in_this_order(log: RunLogCapture, names: list[Any]) -> None:
    assert fails(lambda: log.assert_order(*names))


def test_a_name_that_ran_twice_is_taken_where_the_rest_fits() -> None:
    tape = Tape()
    for name in ("a", "b", "a", "c", "a", "d"):
        done(tape, name)
    log = tape.log()

    log.assert_order("a", "c")
    log.assert_order("a", ..., "a", "d")
    log.assert_order("a", "b", ..., "a", ..., "a")
    assert fails(lambda: log.assert_order("a", "c", ..., "a", "c"))


# --- At the same time ------------------------------------------------------------------------


def at_once(*spans: tuple[str, float, float | None]) -> RunLogCapture:
    """Runs below one chain, each from some second to another."""
    tape = Tape()
    chain = tape.start("chain", at=0)
    runs = [(tape.start(name, under=chain, at=start), end) for name, start, end in spans]
    for run, end in runs:
        if end is not None:
            tape.end(run, at=end)
    return tape.log()


def test_runs_overlap_if_one_starts_before_the_other_ends() -> None:
    log = at_once(("a", 1, 3), ("b", 2, 4), ("c", 3, 5))

    log.assert_overlapped("a", "b")
    log.assert_overlapped("b", "a")
    assert fails(lambda: log.assert_overlapped("a", "c"))


def test_two_runs_of_one_name_can_overlap() -> None:
    at_once(("a", 1, 3), ("a", 2, 4)).assert_overlapped("a", "a")
    at_once(("a", 1, 3), ("b", 2, 4)).assert_overlapped("[ab]", "[ab]")

    assert fails(lambda: at_once(("a", 1, 3)).assert_overlapped("a", "a"))


def test_a_run_that_has_not_ended_overlaps_with_all_later_ones() -> None:
    at_once(("a", 1, None), ("b", 5, 6)).assert_overlapped("a", "b")

    assert fails(lambda: at_once(("a", 5, None), ("b", 1, 2)).assert_overlapped("a", "b"))


def test_a_run_and_its_parts_do_not_count_as_overlapping() -> None:
    log = at_once(("a", 1, 3))

    assert fails(lambda: log.assert_overlapped("chain", "a"))
    assert fails(lambda: log.assert_overlapped("a", "chain"))


def test_any_two_runs_of_the_names_will_do() -> None:
    at_once(("a", 1, 2), ("b", 3, 5), ("a", 4, 6)).assert_overlapped("a", "b")


# --- Errors ----------------------------------------------------------------------------------


@pytest.fixture
def failed() -> RunLogCapture:
    """`search` failed and `chain` with it, after it coped with a failure of `guess`."""
    tape = Tape()
    chain = tape.start("chain")
    guess = tape.start("guess", under=chain)
    tape.fail(guess, KeyError("a"))
    search = tape.start("search", under=chain)
    tape.fail(search, FAILURE)
    tape.fail(chain, FAILURE)
    return tape.log()


def test_an_error_is_found_by_type_text_and_the_runs_it_went_through(
    failed: RunLogCapture,
) -> None:
    failed.assert_error(ValueError)
    failed.assert_error(Exception)
    failed.assert_error((TypeError, ValueError))
    failed.assert_error(ValueError, match="route$")
    failed.assert_error(ValueError, match=re.compile("ROUTE", re.IGNORECASE))
    failed.assert_error(ValueError, name="search")
    failed.assert_error(ValueError, name="ch*", match="no")


def test_an_error_that_was_recovered_from_is_found_too(failed: RunLogCapture) -> None:
    failed.assert_error(KeyError, match="'a'")
    failed.assert_error(LookupError, name="guess")


def test_another_error_is_not_found(failed: RunLogCapture) -> None:
    assert fails(lambda: failed.assert_error(TypeError))
    assert fails(lambda: failed.assert_error(ValueError, match="^route"))
    assert fails(lambda: failed.assert_error(ValueError, name="guess"))
    assert fails(lambda: failed.assert_error(KeyError, name="chain"))
    assert fails(lambda: failed.assert_error(ValueError, name="nothing"))


def test_an_interrupt_is_no_error() -> None:
    tape = Tape()
    tape.fail(tape.start("ask"), GraphInterrupt([Interrupt("sure?")]))

    assert fails(lambda: tape.log().assert_error(GraphInterrupt))


def test_a_saved_error_is_known_by_the_name_of_its_type(
    failed: RunLogCapture, tmp_path: Path
) -> None:
    failed.save(tmp_path / "log.json")
    loaded = RunLogCapture.load(tmp_path / "log.json")

    loaded.assert_error(ValueError, match="no route", name="search")
    loaded.assert_error(Exception, name="guess")
    assert fails(lambda: loaded.assert_error(TypeError))


# --- Retries and fallbacks -------------------------------------------------------------------


def tried(*ends: str) -> RunLogCapture:
    tape = Tape()
    chain = tape.start("chain")
    for end in ends:
        run = tape.start("step", under=chain)
        tape.end(run) if end == "ok" else tape.fail(run, ValueError(end))
    done(tape, "other", under=chain)
    return tape.log()


def test_a_retry_is_an_attempt_after_the_first() -> None:
    log = tried("1", "2", "ok")

    log.assert_retried("step")
    log.assert_retried("step", times=2)
    log.assert_retried("*", times=2)
    log.assert_retried("other", times=0)
    assert fails(lambda: log.assert_retried("step", times=3))
    assert fails(lambda: log.assert_retried("step", times=0))
    assert fails(lambda: log.assert_retried("other"))
    assert fails(lambda: log.assert_retried("nothing", times=0))


def test_retries_of_several_calls_are_added_up() -> None:
    log = tried("1", "2", "ok", "1", "ok")

    log.assert_retried("step", times=3)


def fell_back(*ends: str) -> RunLogCapture:
    """What `with_fallbacks` tries: models named after letters, each failing but those given."""
    tape = Tape()
    chain = tape.start("RunnableWithFallbacks")
    for letter, end in zip("abc", ends):
        step = tape.start(f"step {letter}", under=chain)
        details = {"invocation_params": {"model": f"gpt-{letter}"}}
        model = tape.start("Chat", type="chat_model", under=step, details=details)
        for run in (model, step):
            tape.end(run) if end == "ok" else tape.fail(run, FAILURE)
    return tape.log()


def test_a_fallback_is_named_by_what_was_tried_or_by_the_model_that_it_asked() -> None:
    log = fell_back("failed", "ok")

    log.assert_fell_back()
    for name in ("step b", "step *", "gpt-b", "Chat"):
        log.assert_fell_back(to=name)
    for name in ("step a", "gpt-a", "step"):
        assert fails(lambda name=name: log.assert_fell_back(to=name))  # type: ignore[misc]


def test_a_fallback_that_failed_is_none() -> None:
    log = fell_back("failed", "failed", "ok")

    log.assert_fell_back(to="gpt-c")
    assert fails(lambda: log.assert_fell_back(to="gpt-b"))
    assert fails(lambda: fell_back("failed", "failed").assert_fell_back())


def test_without_a_failure_nothing_falls_back() -> None:
    assert fails(lambda: fell_back("ok").assert_fell_back())


# --- Streams ---------------------------------------------------------------------------------


def streamed(*chunks: Any, output: Any, type: str = "chain", **ends: Any) -> RunLogCapture:
    """A run that gave a chunk each second, from second 1 on."""
    tape = Tape()
    run = tape.start("run", type=type, at=0)
    for second, chunk in enumerate(chunks, 1):
        if type == "chain":
            tape.chunk(run, chunk, at=second)
        else:
            tape.token(run, "", chunk, at=second)
    tape.end(run, output, **ends)
    return tape.log()


def test_a_run_streamed_if_it_gave_at_least_two_chunks() -> None:
    streamed("a", "b", output="ab").assert_streamed("run")

    assert fails(lambda: streamed("ab", output="ab").assert_streamed("run"))
    assert fails(lambda: streamed(output="ab").assert_streamed("run"))


def test_the_least_number_of_chunks_can_be_given() -> None:
    streamed("ab", output="ab").assert_streamed("run", min_chunks=1)
    streamed("a", "b", "c", output="abc").assert_streamed("run", min_chunks=3)

    assert fails(lambda: streamed("a", "b", output="ab").assert_streamed("run", min_chunks=3))


def test_the_chunks_must_add_up_to_the_output() -> None:
    streamed(["a"], ["b"], output=["a", "b"]).assert_streamed("run")

    assert fails(lambda: streamed("a", "b", output="aB").assert_streamed("run"))
    assert fails(lambda: streamed(["a"], ["b"], output=["b"]).assert_streamed("run"))


def test_chunks_that_cannot_be_added_are_not() -> None:
    streamed({"a": 1}, {"a": 2}, output={"all": 3}).assert_streamed("run")


def answer(message: Any) -> LLMResult:
    return LLMResult(generations=[[ChatGeneration(message=message)]])


def pieces(*texts: str) -> list[AIMessageChunk]:
    return [AIMessageChunk(content=text) for text in texts]


def test_the_chunks_of_a_model_are_messages_of_another_class_than_its_answer() -> None:
    def model(*chunks: Any, output: AIMessage) -> RunLogCapture:
        return streamed(*chunks, output=answer(output), type="chat_model")

    model(*pieces("a ", "b"), output=AIMessage("a b", id="other")).assert_streamed("run")
    blocks = [AIMessageChunk(content=[{"type": "text", "text": text, "index": 0}]) for text in "ab"]
    model(*blocks, output=AIMessage([{"type": "text", "text": "ab"}])).assert_streamed("run")
    assert fails(lambda: model(*pieces("a ", "b"), output=AIMessage("a")).assert_streamed("run"))


def test_the_tool_calls_of_a_model_are_part_of_what_it_streamed() -> None:
    def asking(name: str) -> RunLogCapture:
        chunks = [
            AIMessageChunk(
                content="",
                tool_call_chunks=[tool_call_chunk(name=first, args=args, id="1", index=0)],
            )
            for first, args in (("search", '{"q": '), (None, '"x"}'))
        ]
        call: Any = {"name": name, "args": {"q": "x"}, "id": "1"}
        output = AIMessage("", tool_calls=[call])
        return streamed(*chunks, output=answer(output), type="chat_model")

    asking("search").assert_streamed("run")
    assert fails(lambda: asking("look_up").assert_streamed("run"))


def test_the_text_of_a_completion_model_adds_up() -> None:
    tape = Tape()
    run = tape.start("run", type="llm")
    for text in ("a ", "b"):
        tape.token(run, text)
    tape.end(run, LLMResult(generations=[[Generation(text="a b")]]))

    tape.log().assert_streamed("run")


def test_a_saved_stream_adds_up(tmp_path: Path) -> None:
    output = answer(AIMessage("a b"))
    streamed(*pieces("a ", "b"), output=output, type="chat_model").save(tmp_path / "log.json")

    RunLogCapture.load(tmp_path / "log.json").assert_streamed("run")


def test_events_of_a_model_are_not_added_up() -> None:
    tape = Tape()
    run = tape.start("run", type="chat_model")
    for event in ("message-start", "message-finish"):
        tape.note(run, "stream_event", {"event": event})
    tape.end(run, answer(AIMessage("a")))

    tape.log().assert_streamed("run")


def test_the_times_of_chunks_can_be_limited() -> None:
    log = streamed("a", "b", "c", output="abc")

    log.assert_streamed("run", ttft=1, max_gap=1)
    log.assert_streamed("run", ttft=1.5)
    assert fails(lambda: log.assert_streamed("run", ttft=0.5))
    assert fails(lambda: log.assert_streamed("run", max_gap=0.5))


@pytest.mark.parametrize("error", [None, FAILURE, GeneratorExit()])
def test_a_stream_must_come_to_its_end(error: BaseException | None) -> None:
    tape = Tape()
    run = tape.start("run")
    for chunk in "ab":
        tape.chunk(run, chunk)
    if error is not None:
        tape.fail(run, error)

    assert fails(lambda: tape.log().assert_streamed("run"))


def test_each_run_of_the_name_must_have_streamed() -> None:
    tape = Tape()
    for chunks in ("ab", "a"):
        run = tape.start("run")
        for chunk in chunks:
            tape.chunk(run, chunk)
        tape.end(run, chunks)

    assert fails(lambda: tape.log().assert_streamed("run"))
    assert fails(lambda: tape.log().assert_streamed("nothing"))


# --- Tools -----------------------------------------------------------------------------------


def called(*calls: tuple[str, Any]) -> RunLogCapture:
    tape = Tape()
    agent = tape.start("agent")
    for name, args in calls:
        done(tape, name, under=agent, type="tool", inputs=args)
    done(tape, "other", under=agent)
    return tape.log()


def test_a_tool_was_called_with_arguments_so_many_times() -> None:
    log = called(("search", {"q": "x"}), ("search", {"q": "y"}), ("search", {"q": "x"}))

    log.assert_called("search")
    log.assert_called("search", times=3)
    log.assert_called("sea*", {"q": "x"}, times=2)
    log.assert_called("search", {"q": str.islower}, times=3)
    log.assert_called("search", lambda args: args["q"] > "x", times=1)
    log.assert_called("search", {"q": "z"}, times=0)
    log.assert_called("remove", times=0)
    assert fails(lambda: log.assert_called("search", times=2))
    assert fails(lambda: log.assert_called("search", {"q": "z"}))
    assert fails(lambda: log.assert_called("search", {"q": "x", "more": 1}))
    assert fails(lambda: log.assert_called("search", {}))
    assert fails(lambda: log.assert_called("remove"))
    assert fails(lambda: log.assert_called("other"))


def test_a_tool_that_a_tool_called_was_called() -> None:
    tape = Tape()
    outer = tape.start("outer", type="tool")
    done(tape, "inner", under=outer, type="tool")
    tape.end(outer)
    log = tape.log()

    log.assert_called("inner")
    log.assert_trajectory(["outer"])
    log.assert_trajectory(["inner"], under="outer")
    log.assert_trajectory(["inner"], under=log.root)


def test_the_trajectory_under_a_name_is_that_below_the_topmost_runs_of_it() -> None:
    tape = Tape()
    for number in range(2):
        agent = tape.start("agent")
        inner = tape.start("agent", under=agent)
        done(tape, f"tool {number}", under=inner, type="tool")
    done(tape, "tool 2", type="tool")
    log = tape.log()

    log.assert_trajectory(["tool 0", "tool 1", "tool 2"])
    log.assert_trajectory(["tool 0", "tool 1"], under="agent")
    log.assert_trajectory(["tool 1"], under=log.roots[1])
    assert fails(lambda: log.assert_trajectory([], under="nothing"))


def test_calls_are_expected_as_pairs_names_or_tool_calls() -> None:
    log = called(("search", {"q": "x"}), ("add", {"a": 1}))

    for call in (("search", {"q": "x"}), ["search", {"q": "x"}], "search", ("search",)):
        log.assert_trajectory([call, ("add", ...)])
    tool_call = {"name": "search", "args": {"q": "x"}, "id": "1", "type": "tool_call"}
    log.assert_trajectory((tool_call, "a*"))
    assert fails(lambda: log.assert_trajectory([{**tool_call, "args": {}}, "add"]))


def test_modes_of_calls_and_of_arguments_are_passed_on() -> None:
    log = called(("search", {"q": "x", "n": 1}), ("add", {"a": 1}))

    log.assert_trajectory([("add", {}), ("search", {"q": "x"})], mode="unordered", args="superset")
    log.assert_trajectory([("search", {"q": "y"})], mode="superset", args="ignore")
    log.assert_trajectory(
        [("add", {"a": 1, "b": 2}), "remove", "search"], mode="subset", args="subset"
    )
    log.assert_trajectory(["search", "add"], args=lambda seen, wanted: False)
    assert fails(
        lambda: log.assert_trajectory(
            [("search", {}), ("add", {})], args=lambda seen, wanted: "n" in seen
        )
    )


# --- Nothing ---------------------------------------------------------------------------------

EVERY_ASSERTION: list[Callable[[RunLogCapture], object]] = [
    lambda log: log.assert_ran("a"),
    lambda log: log.assert_not_ran("a"),
    lambda log: log.assert_order("a"),
    lambda log: log.assert_overlapped("a", "b"),
    lambda log: log.assert_error(ValueError),
    lambda log: log.assert_retried("a"),
    lambda log: log.assert_retried("a", times=0),
    lambda log: log.assert_fell_back(),
    lambda log: log.assert_streamed("a"),
    lambda log: log.assert_called("a"),
    lambda log: log.assert_called("a", times=0),
    lambda log: log.assert_trajectory([]),
    lambda log: log.assert_trajectory([], mode="superset"),
    lambda log: log.assert_trajectory([], under="a"),
    lambda log: log.assert_always(lambda _state: True),
    lambda log: log.one("a"),
    lambda log: log.root,
]


@pytest.mark.parametrize("check", EVERY_ASSERTION)
def test_no_assertion_holds_when_nothing_was_recorded(
    check: Callable[[RunLogCapture], object],
) -> None:
    with pytest.raises(AssertionError, match=r"^expected .*: no run was recorded\. Runs are"):
        check(RunLogCapture())


# --- What cannot be asked --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("check", "message"),
    [
        (lambda log: log.assert_ran(), "assert_ran takes the names of runs"),
        (lambda log: log.assert_not_ran(), "assert_not_ran takes the names of runs"),
        (lambda log: log.assert_order(...), "assert_order takes the names of runs"),
        (lambda log: log.assert_ran(["a"]), "assert_ran takes the names of runs, not a list"),
        (
            lambda log: log.assert_not_ran(log.root),
            "assert_not_ran takes the names of runs, not a Run",
        ),
        (lambda log: log.assert_order("a", None), "assert_order takes the names of runs, not None"),
        (lambda log: log.assert_overlapped("a", int), "not the class int"),
        (lambda log: log.assert_called(3), "assert_called takes the names of runs, not an int"),
        (lambda log: log.assert_called("a", times="1"), "times is a whole number, not a str"),
        (lambda log: log.assert_retried("a", times=True), "times is a whole number, not a bool"),
        (lambda log: log.assert_retried("a", times=1.0), "times is a whole number, not a float"),
        (lambda log: log.assert_fell_back(to=3), "takes the names of runs, not an int"),
        (lambda log: log.assert_streamed("a", min_chunks="2"), "min_chunks is a whole number"),
        (
            lambda log: log.assert_streamed("a", ttft="1s"),
            "ttft is in seconds, a number, not a str",
        ),
        (lambda log: log.assert_error(), "missing 1 required positional argument"),
        (
            lambda log: log.assert_error("ValueError"),
            "an exception class or a tuple of them, not a str",
        ),
        (lambda log: log.assert_error(FAILURE), "not a ValueError"),
        (lambda log: log.assert_error((ValueError, int)), "not the class int"),
        (lambda log: log.assert_error(()), "an exception class or a tuple of them"),
        (
            lambda log: log.assert_error(ValueError, match=3),
            "match is a regular expression, not an int",
        ),
        (lambda log: log.assert_error(ValueError, name=3), "takes the names of runs, not an int"),
        (lambda log: log.assert_trajectory("search"), "takes a list of calls, not a str"),
        (lambda log: log.assert_trajectory({"name": "a"}), "takes a list of calls, not a dict"),
        (
            lambda log: log.assert_trajectory([3]),
            r"such as \('search', {'query': 'x'}\), not an int",
        ),
        (lambda log: log.assert_trajectory([("a", {}, 1)]), "not a tuple"),
        (lambda log: log.assert_trajectory([{"name": "a"}]), "not a dict"),
        (
            lambda log: log.assert_trajectory([], under=3),
            "under is a run or the name of one, not an int",
        ),
    ],
)
def test_what_is_of_a_wrong_type_is_an_error_and_no_failure(
    log: RunLogCapture, check: Callable[[Any], object], message: str
) -> None:
    with pytest.raises(TypeError, match=message):
        check(log)


@pytest.mark.parametrize(
    ("check", "message"),
    [
        (lambda log: log.assert_called("a", times=-1), "times is at least 0, not -1"),
        (lambda log: log.assert_streamed("a", min_chunks=0), "min_chunks is at least 1, not 0"),
        (lambda log: log.assert_streamed("a", max_gap=-0.1), "max_gap is in seconds, at least 0"),
        (lambda log: log.assert_streamed("a", ttft=float("nan")), "ttft is in seconds, at least 0"),
        (
            lambda log: log.assert_error(ValueError, match="("),
            r"match='\(' is no regular expression",
        ),
        (
            lambda log: log.assert_trajectory([], mode="loose"),
            "mode='loose' is none of 'strict', 'unordered', 'subset', 'superset'",
        ),
        (
            lambda log: log.assert_trajectory([], args="all"),
            "args='all' is none of 'exact', 'ignore', 'subset', 'superset'",
        ),
    ],
)
def test_a_value_that_makes_no_sense_is_an_error_and_no_failure(
    log: RunLogCapture, check: Callable[[Any], object], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        check(log)
