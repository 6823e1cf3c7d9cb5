"""The full text of what a failing assertion says."""

from __future__ import annotations

from textwrap import dedent
from typing import TYPE_CHECKING, Any

import pytest
from langchain_core.messages import AIMessage
from langchain_core.outputs import ChatGeneration, LLMResult
from langgraph.errors import GraphInterrupt
from langgraph.types import Interrupt

from pytest_runlog import RunLogCapture
from support.tape import Tape, done

if TYPE_CHECKING:
    from collections.abc import Callable


def message_of(check: Callable[[], object]) -> str:
    with pytest.raises(AssertionError) as failed:
        check()
    return str(failed.value)


def text(message: str) -> str:
    """A message as it is written here, with a bar before each line of the tree."""
    return dedent(message).strip("\n")


@pytest.fixture
def log() -> RunLogCapture:
    """A chain of a search beside an index, then a prompt and a model; an event each second."""
    tape = Tape()
    chain = tape.start("chain")
    both = tape.start("both", under=chain)
    done(tape, "search", under=both, type="tool", inputs={"query": "x"}, thread=2, after=both)
    done(tape, "Index", under=both, type="retriever", thread=3, after=both)
    tape.end(both, "found")
    done(tape, "Prompt", under=chain, type="prompt")
    done(tape, "Chat", under=chain, type="chat_model")
    tape.end(chain, "done")
    return tape.log()


# --- Runs ------------------------------------------------------------------------------------


def test_a_run_that_did_not_run(log: RunLogCapture) -> None:
    assert message_of(lambda: log.assert_ran("Caht")) == text("""
        expected a run named 'Caht', but there is none (did you mean 'Chat'?):
        chain (chain)
          both (chain)
            Index (retriever)
            search (tool)
          Prompt (prompt)
          Chat (chat_model)
        Names are those of the tree, or patterns such as '*Chat'.
    """)


def test_runs_of_which_some_did_not_run(log: RunLogCapture) -> None:
    message = message_of(lambda: log.assert_ran("chain", "Caht", "xyz"))

    assert message.splitlines()[0] == (
        "expected runs named 'chain', 'Caht' and 'xyz', but none is named "
        "'Caht' (did you mean 'Chat'?) or 'xyz':"
    )


def test_runs_that_should_not_have_run(log: RunLogCapture) -> None:
    assert message_of(lambda: log.assert_not_ran("sea*", "Chat", "other")) == text("""
        expected no run named 'sea*', 'Chat' or 'other', but there are 2:
          chain (chain)
            both (chain)
              Index (retriever)
        >     search (tool)
            Prompt (prompt)
        >   Chat (chat_model)
        A part of the test is looked at by itself with `with runlog.capture() as part:`.
    """)
    first = message_of(lambda: log.assert_not_ran("search")).splitlines()[0]
    assert first == "expected no run named 'search', but there is one:"


NOTHING = (
    "no run was recorded. Runs are recorded from the moment the `runlog` fixture is set up to "
    "the end of the test function; embeddings and calls of a provider's SDK that do not go "
    "through LangChain are not seen."
)


def test_nothing_was_recorded() -> None:
    log = RunLogCapture()

    assert message_of(lambda: log.assert_ran("a")) == f"expected a run named 'a': {NOTHING}"
    assert message_of(lambda: log.assert_not_ran("a", "b")) == (
        f"expected no run named 'a' or 'b': {NOTHING} "
        "If nothing is to run at all: `assert not runlog.runs`."
    )


# --- Order -----------------------------------------------------------------------------------


def test_a_run_that_started_before_the_other(log: RunLogCapture) -> None:
    assert message_of(lambda: log.assert_order("Prompt", ..., "search")) == text("""
        expected 'Prompt', ..., 'search' to start in this order, but 'search' started only before 'Prompt':
          chain (chain)
            both (chain)
              Index (retriever)
        >     search (tool)
        >   Prompt (prompt)
            Chat (chat_model)
        Concurrent runs come in the order of their places in the chain, not of the clock.
    """)


def test_a_run_that_started_in_between(log: RunLogCapture) -> None:
    assert message_of(lambda: log.assert_order("both", "search")) == text("""
        expected 'both', 'search' to start in this order, but 'Index' started directly after 'both', not 'search':
          chain (chain)
        >   both (chain)
        >     Index (retriever)
              search (tool)
            Prompt (prompt)
            Chat (chat_model)
        `...` between two names lets other runs start there.
    """)


def test_a_run_after_which_nothing_started(log: RunLogCapture) -> None:
    message = message_of(lambda: log.assert_order("Chat", "Prompt"))

    assert message.splitlines()[0] == (
        "expected 'Chat', 'Prompt' to start in this order, but nothing started after 'Chat':"
    )
    assert ">   Chat (chat_model)" in message


def test_a_run_that_ran_once(log: RunLogCapture) -> None:
    message = message_of(lambda: log.assert_order("Chat", ..., "Chat"))

    assert message.splitlines()[0] == (
        "expected 'Chat', ..., 'Chat' to start in this order, but no other run is named 'Chat':"
    )
    assert message.splitlines()[-1] == ">   Chat (chat_model)"


def test_a_name_in_an_order_that_is_none(log: RunLogCapture) -> None:
    message = message_of(lambda: log.assert_order("chain", ..., "Caht"))

    assert message.splitlines()[0] == (
        "expected 'chain', ..., 'Caht' to start in this order, but no run is named 'Caht' "
        "(did you mean 'Chat'?):"
    )
    assert message.splitlines()[-1] == "Names are those of the tree, or patterns such as '*Chat'."


# --- At the same time ------------------------------------------------------------------------


def test_runs_that_did_not_overlap(log: RunLogCapture) -> None:
    assert message_of(lambda: log.assert_overlapped("Chat", "search")) == text("""
        expected 'Chat' and 'search' to run at the same time, but 'Chat' started 6.00 s after 'search' had ended:
          chain (chain)
            both (chain)
              Index (retriever)
        >     search (tool)
            Prompt (prompt)
        >   Chat (chat_model)
        What answers at once hardly overlaps with anything: have both wait for each other, with a `threading.Barrier(2)` for example.
    """)


def test_a_run_and_its_part(log: RunLogCapture) -> None:
    assert message_of(lambda: log.assert_overlapped("search", "both")) == text("""
        expected 'search' and 'both' to run at the same time, but 'search' is a part of 'both':
          chain (chain)
        >   both (chain)
              Index (retriever)
        >     search (tool)
            Prompt (prompt)
            Chat (chat_model)
        A run always runs at the same time as its parts.
    """)


def test_runs_of_which_one_is_missing(log: RunLogCapture) -> None:
    first = message_of(lambda: log.assert_overlapped("search", "index")).splitlines()[0]
    assert first == (
        "expected 'search' and 'index' to run at the same time, but no run is named 'index' "
        "(did you mean 'Index'?):"
    )
    first = message_of(lambda: log.assert_overlapped("search", "search")).splitlines()[0]
    assert first == "expected two runs named 'search' at the same time, but there is only one:"


# --- Errors, retries, fallbacks --------------------------------------------------------------


@pytest.fixture
def tried() -> RunLogCapture:
    """A chain that asked a model twice, then two others, and then failed itself."""
    tape = Tape()
    chain = tape.start("chain")
    models = tape.start("RunnableWithFallbacks", under=chain)
    first = tape.start("Chat", under=models)
    for late in (TimeoutError("attempt 1"), TimeoutError("attempt 2")):
        details = {"invocation_params": {"model": "big"}}
        tape.fail(tape.start("Chat", under=first, type="chat_model", details=details), late)
    tape.fail(first, late)
    for model, end in (("mid", tape.fail), ("small", tape.end)):
        details = {"invocation_params": {"model": model}}
        end(
            tape.start("Chat", under=models, type="chat_model", details=details),
            ConnectionError("busy"),
        )
    tape.end(models)
    error = ValueError("no answer")
    tape.fail(tape.start("parse", under=chain), error)
    tape.fail(chain, error)
    return tape.log()


def test_an_error_that_did_not_arise(tried: RunLogCapture) -> None:
    check = lambda: tried.assert_error((KeyError, OSError), match="^no", name="p*")  # noqa: E731
    assert message_of(check) == text("""
        expected a KeyError or OSError matching '^no' in a run named 'p*', but these errors arose:
          'Chat': TimeoutError("attempt 1"), recovered
          'Chat': TimeoutError("attempt 2"), recovered
          'Chat': ConnectionError("busy"), recovered
          'parse': ValueError("no answer")

          chain (chain) ERROR
            RunnableWithFallbacks (chain)
              Chat (chain) ERROR
        >       Chat (chat_model) attempt 1 ERROR
        >       Chat (chat_model) attempt 2 ERROR
        >     Chat (chat_model) ERROR
              Chat (chat_model)
        >   parse (chain) ERROR
        An error that the chain recovered from counts too.
    """)


def test_no_error_at_all(log: RunLogCapture) -> None:
    message = message_of(lambda: log.assert_error(ArithmeticError)).splitlines()

    assert message[0] == "expected an ArithmeticError, but no error arose:"
    assert message[-1] == "An error that the chain recovered from counts too."


def test_an_error_in_a_run_that_is_none(tried: RunLogCapture) -> None:
    message = message_of(lambda: tried.assert_error(ValueError, name="parser")).splitlines()

    assert message[0] == (
        "expected a ValueError in a run named 'parser', but no run is named 'parser' "
        "(did you mean 'parse'?):"
    )


def test_an_interrupt_that_is_no_error() -> None:
    tape = Tape()
    tape.fail(tape.start("ask"), GraphInterrupt([Interrupt("sure?")]))

    assert message_of(lambda: tape.log().assert_error(GraphInterrupt)) == text("""
        expected a GraphInterrupt, but no error arose:
        > ask (chain) INTERRUPTED
        GraphInterrupt interrupted 'ask', which is no error: see `run.interrupt`.
    """)


def test_of_many_errors_ten_are_listed() -> None:
    tape = Tape()
    for number in range(12):
        tape.fail(tape.start("step"), ValueError(str(number)))
    lines = message_of(lambda: tape.log().assert_error(KeyError)).splitlines()

    assert lines[10:12] == ["  'step': ValueError(\"9\")", "  … and 2 more"]


def test_a_run_that_was_not_retried_so_often(tried: RunLogCapture) -> None:
    assert message_of(lambda: tried.assert_retried("Chat", times=2)) == text("""
        expected 'Chat' to be retried twice, but it was retried once:
          chain (chain) ERROR
            RunnableWithFallbacks (chain)
              Chat (chain) ERROR
                Chat (chat_model) attempt 1 ERROR
        >       Chat (chat_model) attempt 2 ERROR
              Chat (chat_model) ERROR
              Chat (chat_model)
            parse (chain) ERROR
        Retries of LangChain, LangGraph, middleware and loops are seen; those that a provider's SDK makes by itself (`max_retries`) are not.
    """)


@pytest.mark.parametrize(
    ("name", "times", "first"),
    [
        ("parse", None, "expected 'parse' to be retried, but it was not:"),
        ("parse", 3, "expected 'parse' to be retried 3 times, but it was not:"),
        ("Chat", 0, "expected 'Chat' not to be retried, but it was retried once:"),
        (
            "Chta",
            1,
            (
                "expected 'Chta' to be retried once, but no run is named 'Chta' "
                "(did you mean 'Chat'?):"
            ),
        ),
    ],
)
def test_what_is_said_of_retries(
    tried: RunLogCapture, name: str, times: int | None, first: str
) -> None:
    message = message_of(lambda: tried.assert_retried(name, times=times))

    assert message.splitlines()[0] == first


def test_a_fallback_that_failed_too(tried: RunLogCapture) -> None:
    assert message_of(lambda: tried.assert_fell_back(to="mid")) == text("""
        expected a fallback to 'mid', but these were tried:
          'Chat' (mid) was tried when 'Chat' failed with TimeoutError("attempt 2"), and failed with ConnectionError("busy")
          'Chat' (small) was tried when 'Chat' (mid) failed with ConnectionError("busy")

          chain (chain) ERROR
            RunnableWithFallbacks (chain)
              Chat (chain) ERROR
                Chat (chat_model) attempt 1 ERROR
                Chat (chat_model) attempt 2 ERROR
        >     Chat (chat_model) ERROR
        >     Chat (chat_model)
            parse (chain) ERROR
        What is tried and fails too is no fallback: see `runlog.errors`.
    """)


def test_a_fallback_by_a_name_that_is_near(tried: RunLogCapture) -> None:
    message = message_of(lambda: tried.assert_fell_back(to="smal")).splitlines()

    assert message[0] == (
        "expected a fallback to 'smal', but these were tried (did you mean 'small'?):"
    )
    assert message[-1] == (
        "A fallback is what is tried next, with the same inputs, where something failed."
    )


def test_no_fallback(log: RunLogCapture) -> None:
    assert message_of(log.assert_fell_back) == text("""
        expected a fallback, but nothing was tried:
        chain (chain)
          both (chain)
            Index (retriever)
            search (tool)
          Prompt (prompt)
          Chat (chat_model)
        A fallback is what is tried next, with the same inputs, where something failed.
    """)


# --- Streams ---------------------------------------------------------------------------------


@pytest.fixture
def streamed() -> RunLogCapture:
    """A chain whose model streamed three words, the second a second late, and whose end did not."""
    tape = Tape()
    chain = tape.start("chain", at=0)
    model = tape.start("model", under=chain, at=0)
    for second, word in ((0.25, "a "), (1.5, "b "), (1.75, "c")):
        tape.chunk(model, word, at=second)
    tape.end(model, "a b c")
    upper = tape.start("upper", under=chain)
    tape.chunk(upper, "A B C")
    tape.end(upper, "A B C")
    tape.end(chain, "A B C")
    return tape.log()


def test_a_run_that_streamed_too_little(streamed: RunLogCapture) -> None:
    assert message_of(lambda: streamed.assert_streamed("upper")) == text("""
        expected 'upper' to stream at least 2 chunks, but it streamed 1 chunk:
          chain (chain)
            model (chain)
        >   upper (chain)
        `invoke` streams nothing, and a step that waits for all of its input streams one chunk.
    """)


def test_a_run_that_streamed_less_than_asked_for(streamed: RunLogCapture) -> None:
    message = message_of(lambda: streamed.assert_streamed("model", min_chunks=5)).splitlines()

    assert message[0] == "expected 'model' to stream at least 5 chunks, but it streamed 3 chunks:"
    assert message[-1] == "`min_chunks=3` would do."


def test_a_run_that_streamed_nothing_itself(streamed: RunLogCapture) -> None:
    assert message_of(lambda: streamed.assert_streamed("chain")) == text("""
        expected 'chain' to stream at least 2 chunks, but it streamed nothing:
        > chain (chain)
            model (chain)
            upper (chain)
        Below it, 'model' streamed: name that one.
    """)


def test_a_stream_that_no_run_gave(streamed: RunLogCapture) -> None:
    first = message_of(lambda: streamed.assert_streamed("modle", min_chunks=1)).splitlines()[0]

    assert first == (
        "expected 'modle' to stream at least 1 chunk, but no run is named 'modle' "
        "(did you mean 'model'?):"
    )


def test_a_chunk_that_came_late(streamed: RunLogCapture) -> None:
    assert message_of(lambda: streamed.assert_streamed("model", max_gap=0.5)) == text("""
        expected 'model' to pause for at most 500 ms, but it paused for 1.25 s before chunk 2:
          chain (chain)
        >   model (chain)
            upper (chain)
        This is the time of one run: a busy machine makes it longer.
    """)
    first = message_of(lambda: streamed.assert_streamed("model", ttft=0.1)).splitlines()[0]
    assert first == "expected 'model' to give its first chunk within 100 ms, but it took 250 ms:"


def test_chunks_that_do_not_add_up() -> None:
    tape = Tape()
    run = tape.start("run")
    for chunk in ("a", "b"):
        tape.chunk(run, chunk)
    tape.end(run, "abc")

    assert message_of(lambda: tape.log().assert_streamed("run")) == text("""
        expected the chunks of 'run' to add up to its output, but they do not:
          chunks "ab"
          output "abc"

        > run (chain)
    """)


@pytest.mark.parametrize(
    ("error", "seen", "advice"),
    [
        (ValueError("no"), 'it failed with ValueError("no") after 2 chunks', None),
        (GeneratorExit(), 'it was interrupted by GeneratorExit("") after 2 chunks', None),
        (
            None,
            "it has not ended after 2 chunks",
            "Take all chunks of the stream before this, for example with `list(chain.stream(…))`.",
        ),
    ],
)
def test_a_stream_that_did_not_come_to_its_end(
    error: BaseException | None, seen: str, advice: str | None
) -> None:
    tape = Tape()
    run = tape.start("run")
    for chunk in ("a", "b"):
        tape.chunk(run, chunk)
    if error is not None:
        tape.fail(run, error)
    lines = message_of(lambda: tape.log().assert_streamed("run")).splitlines()

    assert lines[0] == f"expected 'run' to stream to its end, but {seen}:"
    assert lines[2:] == ([] if advice is None else [advice])


# --- Tools -----------------------------------------------------------------------------------


@pytest.fixture
def agent() -> RunLogCapture:
    """An agent that asked for two searches at once and for an addition, which failed first."""
    tape = Tape()
    top = tape.start("agent")

    def ask(*calls: tuple[str, Any]) -> None:
        wanted: Any = [{"name": name, "args": args, "id": "1"} for name, args in calls]
        model = tape.start("Chat", type="chat_model", under=top)
        answer = ChatGeneration(message=AIMessage("", tool_calls=wanted))
        tape.end(model, LLMResult(generations=[[answer]]))

    ask(("search", {"q": "a"}), ("search", {"q": "b"}))
    for query in "ab":
        done(tape, "search", under=top, type="tool", inputs={"q": query})
    ask(("add", {"a": 1, "b": 2}), ("nothing", {}))
    for end in (tape.fail, tape.end):
        end(tape.start("add", under=top, type="tool", inputs={"a": 1, "b": 2}), ValueError("no"))
    tape.end(top)
    return tape.log()


def test_a_tool_that_was_called_with_other_arguments(agent: RunLogCapture) -> None:
    def is_long(text: str) -> bool:
        return len(text) > 3

    check = lambda: agent.assert_called("search", {"q": is_long, "n": ...}, times=2)  # noqa: E731
    assert message_of(check) == text("""
        expected 'search' to be called twice with {"n": ..., "q": is_long}, but it was called with other arguments (- expected, + seen):
        - search({"n": ..., "q": is_long})
        + search({"q": "a"})
        ? q: is_long is false for "a"
        ? n is missing
        + search({"q": "b"})
        ? q: is_long is false for "b"
        ? n is missing

          agent (chain)
            Chat (chat_model)
        >   search (tool)
        >   search (tool)
            Chat (chat_model)
            add (tool) attempt 1 ERROR
            add (tool) attempt 2
        An argument can be `...` for any value, or a function of it; `args` a function of them all.
    """)


def test_a_tool_that_was_called_less_often(agent: RunLogCapture) -> None:
    assert message_of(lambda: agent.assert_called("search", {"q": "b"}, times=3)) == text("""
        expected 'search' to be called 3 times with {"q": "b"}, but it was called once so:
          agent (chain)
            Chat (chat_model)
            search (tool)
        >   search (tool)
            Chat (chat_model)
            add (tool) attempt 1 ERROR
            add (tool) attempt 2
    """)


def test_the_attempts_of_a_call_are_one(agent: RunLogCapture) -> None:
    message = message_of(lambda: agent.assert_called("add", times=2)).splitlines()

    assert message[0] == "expected 'add' to be called twice, but it was called once:"
    assert message[-1] == "The attempts of one call are one call."


def test_a_tool_that_a_model_asked_for_and_that_did_not_run(agent: RunLogCapture) -> None:
    message = message_of(lambda: agent.assert_called("nothing")).splitlines()

    assert message[0] == "expected 'nothing' to be called, but it was not:"
    assert message[-1] == "A model asked for 'nothing', but no such tool ran."


def test_a_tool_that_was_not_called(log: RunLogCapture) -> None:
    message = message_of(lambda: log.assert_called("serch", {"q": 1})).splitlines()

    assert message[0] == (
        "expected 'serch' to be called with {\"q\": 1}, but it was not (did you mean 'search'?):"
    )
    assert message[-1] == (
        "Only tools that LangChain runs are seen, none that are called as plain functions."
    )


def test_a_run_that_is_no_tool(log: RunLogCapture) -> None:
    message = message_of(lambda: log.assert_called("Chat")).splitlines()

    assert message[0] == "expected 'Chat' to be called, but it is a chat_model, not a tool:"
    assert message[-2:] == [
        ">   Chat (chat_model)",
        "`assert_ran` checks runs of any type.",
    ]


def test_of_many_other_calls_ten_are_shown() -> None:
    tape = Tape()
    for number in range(12):
        done(tape, "search", type="tool", inputs={"n": number})
    lines = message_of(lambda: tape.log().assert_called("search", {"n": 12})).splitlines()

    assert lines[21:23] == ["? n: expected 12, seen 9", "  … 2 more calls"]


# --- Trajectories ----------------------------------------------------------------------------

TREE = """
          agent (chain)
            Chat (chat_model)
            search (tool)
            search (tool)
            Chat (chat_model)
            add (tool) attempt 1 ERROR
            add (tool) attempt 2
"""


def tree(*marked: int) -> str:
    lines = dedent(TREE).strip("\n").split("\n")
    return "\n".join(
        f"> {line}" if number in marked else f"  {line}" for number, line in enumerate(lines)
    )


def test_a_trajectory_that_differs_in_all_ways(agent: RunLogCapture) -> None:
    check = lambda: agent.assert_trajectory(  # noqa: E731
        [
            ("search", {"q": "b"}),
            ("search", {"q": "c", "n": 1}),
            ("look_up", ...),
            ("add", {"a": 1, "b": int}),
            ("remove", {}),
        ]
    )
    assert message_of(check) == (
        "expected exactly these tool calls in this order, but 1 call has other arguments and "
        "2 calls are missing (- expected, + seen):\n"
        '  search({"q": "b"})\n'
        '- search({"n": 1, "q": "c"})\n'
        '+ search({"q": "a"})\n'
        '? q: expected "c", seen "a"\n'
        "? n is missing\n"
        "- look_up(...)\n"
        '  add({"a": 1, "b": 2}) in 2 attempts\n'
        "- remove({})\n"
        f"\n{tree(2)}\n"
        'With args="superset" only the arguments that you name count, with "ignore" none.'
    )


def test_a_trajectory_in_another_order(agent: RunLogCapture) -> None:
    assert message_of(lambda: agent.assert_trajectory(["add", "search", "search"])) == (
        "expected exactly these tool calls in this order, but they were made in another order "
        "(- expected, + seen):\n"
        "- add(...)\n"
        '  search({"q": "a"})\n'
        '  search({"q": "b"})\n'
        '+ add({"a": 1, "b": 2}) in 2 attempts\n'
        f"\n{tree(5, 6)}\n"
        'With mode="unordered", the order of the calls does not count.'
    )


def test_calls_that_were_not_expected(agent: RunLogCapture) -> None:
    check = lambda: agent.assert_trajectory(  # noqa: E731
        [("search", lambda args: args["q"] == "b"), ("other", {})], mode="subset"
    )
    assert message_of(check) == (
        "expected no other tool calls than these, but 2 calls were not expected "
        "(- expected, + seen):\n"
        '  search({"q": "b"})\n'
        '+ search({"q": "a"})\n'
        '+ add({"a": 1, "b": 2}) in 2 attempts\n'
        f"\n{tree(2, 5, 6)}\n"
        "A call that is fine can be added to those expected."
    )


def test_calls_that_are_missing(agent: RunLogCapture) -> None:
    check = lambda: agent.assert_trajectory(  # noqa: E731
        [("add", {"a": 1}), ("search", {"q": lambda q: {}[q]}), "remove"], mode="superset"
    )
    assert message_of(check) == (
        "expected at least these tool calls, but 2 calls have other arguments and 1 call is "
        "missing (- expected, + seen):\n"
        '- add({"a": 1})\n'
        '+ add({"a": 1, "b": 2}) in 2 attempts\n'
        "? b is not expected\n"
        '- search({"q": <lambda>})\n'
        '+ search({"q": "a"})\n'
        '? q: KeyError("\'a\'") was raised for "a"\n'
        "- remove(...)\n"
        f"\n{tree(2, 5, 6)}\n"
        'With args="superset" only the arguments that you name count, with "ignore" none.'
    )


def test_arguments_that_a_function_compared(agent: RunLogCapture) -> None:
    def same_keys(seen: Any, expected: Any) -> bool:
        return bool(seen.keys() == expected.keys())

    check = lambda: agent.assert_trajectory(  # noqa: E731
        [("search", {"q": 1}), ("search", {}), ("add", {"a": 1, "b": 1})], args=same_keys
    )
    assert message_of(check).splitlines()[:5] == [
        (
            "expected exactly these tool calls in this order, but 1 call has other arguments "
            "(- expected, + seen):"
        ),
        '  search({"q": "a"})',
        "- search({})",
        '+ search({"q": "b"})',
        '? same_keys is false for {"q": "b"}',
    ]


@pytest.mark.parametrize(
    ("expected", "options", "advice"),
    [
        (["search", "search"], {}, 'With mode="superset", other calls are fine.'),
        (["search"] * 3 + ["add"], {}, 'With mode="subset", not all of them need be made.'),
        (
            ["nothing"],
            {"mode": "superset"},
            "A model asked for 'nothing', but no such tool ran.",
        ),
        (
            [("search", {"q": 1}), "search", "add"],
            {"args": "superset"},
            (
                "An argument can be `...` for any value, or a function of it; `args` a function of "
                "them all."
            ),
        ),
    ],
)
def test_what_can_be_done_about_a_trajectory(
    agent: RunLogCapture, expected: list[Any], options: dict[str, Any], advice: str
) -> None:
    message = message_of(lambda: agent.assert_trajectory(expected, **options))

    assert message.splitlines()[-1] == advice


def test_calls_where_none_were_expected(agent: RunLogCapture) -> None:
    assert message_of(lambda: agent.assert_trajectory([], mode="unordered")) == (
        "expected no tool calls, but there were 3:\n"
        '+ search({"q": "a"})\n'
        '+ search({"q": "b"})\n'
        '+ add({"a": 1, "b": 2}) in 2 attempts\n'
        f"\n{tree(2, 3, 5, 6)}\n"
        'With mode="superset", other calls are fine.'
    )


def test_no_call_where_some_were_expected() -> None:
    tape = Tape()
    done(tape, "chain")

    assert message_of(lambda: tape.log().assert_trajectory([("search", "x")])) == text("""
        expected exactly these tool calls in this order, but no tool was called (- expected, + seen):
        - search("x")

        chain (chain)
        Only tools that LangChain runs are seen, none that are called as plain functions.
    """)


def test_a_trajectory_under_a_run_that_is_none(agent: RunLogCapture) -> None:
    message = message_of(lambda: agent.assert_trajectory([], under="agnet")).splitlines()

    assert message[0] == (
        "expected exactly these tool calls in this order under 'agnet', but no run is named "
        "'agnet' (did you mean 'agent'?):"
    )


def test_long_stretches_that_agree_are_folded() -> None:
    tape = Tape()
    for number in range(20):
        done(tape, "step", type="tool", inputs={"n": number})
    log = tape.log()
    expected = [("step", {"n": number}) for number in range(20)]
    expected[10] = ("step", {"n": -1})

    lines = message_of(lambda: log.assert_trajectory(expected)).splitlines()
    assert lines[1:10] == [
        "  … 8 calls as expected",
        '  step({"n": 8})',
        '  step({"n": 9})',
        '- step({"n": -1})',
        '+ step({"n": 10})',
        "? n: expected -1, seen 10",
        '  step({"n": 11})',
        '  step({"n": 12})',
        "  … 7 calls as expected",
    ]


# --- Long trees, and what must not be shown --------------------------------------------------


def test_of_a_long_tree_what_is_around_the_marked_runs_is_shown() -> None:
    tape = Tape()
    chain = tape.start("chain")
    for number in range(100):
        done(tape, f"step {number}", under=chain)
    tape.end(chain)

    assert message_of(lambda: tape.log().assert_not_ran("step 5", "step 90")) == text("""
        expected no run named 'step 5' or 'step 90', but there are 2:
          chain (chain)
          … 3 runs
            step 3 (chain)
            step 4 (chain)
        >   step 5 (chain)
            step 6 (chain)
            step 7 (chain)
          … 80 runs
            step 88 (chain)
            step 89 (chain)
        >   step 90 (chain)
            step 91 (chain)
            step 92 (chain)
          … 7 runs
        A part of the test is looked at by itself with `with runlog.capture() as part:`.
    """)


def test_of_a_long_tree_without_marked_runs_the_beginning_is_shown() -> None:
    tape = Tape()
    for number in range(100):
        done(tape, f"step {number}")
    lines = message_of(lambda: tape.log().assert_ran("nothing")).splitlines()

    assert lines[1:41] == [f"step {number} (chain)" for number in range(40)]
    assert lines[41] == "  … 60 runs"


def test_messages_show_no_secrets_and_obey_no_control_characters() -> None:
    tape = Tape()
    inputs = {"password": "sk-12345678", "q": "\x1b[31m sk-12345678"}
    done(tape, "search \x1b[0m sk-12345678", type="tool", inputs=inputs)
    log = tape.log()
    expected = {"password": "another", "q": "sk-12345678 \x07"}
    messages = [
        message_of(lambda: log.assert_ran("sk-12345678")),
        message_of(lambda: log.assert_called("search*", expected)),
        message_of(lambda: log.assert_trajectory([("search*", expected)])),
        message_of(lambda: log.assert_error(ValueError, match="sk-12345678", name="sk-12345678")),
    ]

    for message in messages:
        assert "sk-1" not in message
        assert "<secret>" in message
        assert message.replace("\n", "").isprintable()
    assert '? password: expected "<secret>", seen "<secret>"' in messages[1]
