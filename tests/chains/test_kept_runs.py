"""Runs that somebody keeps: they know all of themselves, whenever it is asked for."""

from __future__ import annotations

import copy
import gc
import pickle
import sys
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
from langchain_core.language_models import GenericFakeChatModel
from langchain_core.messages import AIMessage, ToolMessage
from langchain_core.messages.ai import UsageMetadata
from langchain_core.runnables import RunnableLambda
from langchain_core.tools import tool

import pytest_runlog
from support.chains import question_chain
from support.models import chat

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_runlog import Run

QUESTION = {"question": "What is RFC 6902?"}


def recorded() -> Run:
    with pytest_runlog.record() as log:
        assert "".join(question_chain(chat("JSON Patch")).stream(QUESTION)) == "JSON Patch"
    return log.root


def facts(run: Run) -> list[Any]:
    """All that can be known of a run and those below it."""
    own: list[Any] = [
        *(run.id, run.name, run.type, run.status, run.tags, run.metadata, run.model),
        *(run.inputs, run.output, run.response, run.usage, run.details),
        *(run.start, run.end, run.chunks, run.events, run.notes),
    ]
    return own + [facts(child) for child in run.children]


def pickled(run: Run) -> Run:
    kept: Run = pickle.loads(pickle.dumps(run))  # noqa: S301 (it is our own)
    return kept


@pytest.mark.parametrize("duplicate", [copy.deepcopy, pickled])
@pytest.mark.parametrize("looked_at", [False, True])
def test_a_copy_of_a_run_knows_what_the_run_knows(
    duplicate: Callable[[Run], Run], looked_at: bool
) -> None:
    run = recorded()
    if looked_at:
        facts(run)

    kept = duplicate(run)

    assert facts(kept) == facts(run)
    assert kept.tree("full") == run.tree("full")
    assert kept.state == run.state
    assert kept.children[1].output.content == "JSON Patch"


def test_a_run_outlives_its_recording() -> None:
    run = recorded()
    gc.collect()

    assert run.inputs == QUESTION
    assert run.children[-1].output == "JSON Patch"
    assert run.log.state["final_output"] is not None


def test_what_a_run_tells_is_one_and_the_same_object() -> None:
    run = recorded()

    assert run.inputs is run.inputs
    assert run.children[1].response is run.children[1].response
    assert run.children[1].output is run.children[1].response.generations[0][0].message


def test_what_was_measured_is_not_changed_with_what_a_run_gave() -> None:
    usage = UsageMetadata(input_tokens=1, output_tokens=2, total_tokens=3)
    message = AIMessage("hi", usage_metadata=usage, response_metadata={"model_name": "gpt"})
    with pytest_runlog.record() as log:
        GenericFakeChatModel(messages=iter([message])).invoke("x")
    log.root.output.usage_metadata["input_tokens"] = 100
    log.root.output.response_metadata["model_name"] = "other"

    assert log.tokens == (1, 2, 3)
    assert log.root.model == "gpt"


def test_threads_that_ask_at_the_same_time_get_the_same_object() -> None:
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(8) as pool:
            for _ in range(50):
                run = recorded()
                together = Barrier(8)

                def output(_: int, run: Run = run, together: Barrier = together) -> Any:
                    together.wait()
                    return run.children[1].output

                found = list(pool.map(output, range(8)))
                assert all(each is found[0] for each in found)
    finally:
        sys.setswitchinterval(interval)


class Row:
    """Raises for what it does not have, but the wrong exception."""

    def __getattr__(self, name: str) -> Any:
        raise KeyError(name)


def test_a_recording_asks_nothing_of_what_a_tool_gave() -> None:
    @tool
    def look_up(question: str) -> Row:
        """Look it up."""
        return Row()

    with pytest_runlog.record() as log:
        look_up.invoke({"question": "x"})

    assert log.names == ["look_up"]
    assert isinstance(log.root.output, Row)


def test_the_id_of_a_tool_message_is_masked_whoever_made_it() -> None:
    def answer(_: str) -> ToolMessage:
        call_id = str(uuid4())
        return ToolMessage(f"done {call_id}", tool_call_id=f"call_{call_id}")

    with pytest_runlog.record() as log:
        (RunnableLambda(answer) | (lambda message: message.content)).invoke("x")

    assert '"done <run id>"' in log.tree()


class Loses(tuple[int, ...]):
    """A named tuple of a kind that cannot be made again."""

    _fields = ("value",)

    @classmethod
    def _make(cls, items: Any) -> Any:
        raise KeyError("nope")


def test_what_goes_wrong_while_a_value_is_made_again_is_said() -> None:
    with pytest_runlog.record() as log:
        RunnableLambda[Any, int](len).invoke(Loses([1]))

    with pytest.raises(KeyError, match="nope"):
        _ = log.root.inputs


def test_what_no_run_has_is_no_attribute() -> None:
    run: Any = recorded()

    assert not hasattr(run, "outputs")
    assert not hasattr(object.__new__(type(run)), "output")


def test_a_recording_that_nobody_looks_at_needs_no_garbage_collector(
    pytester: pytest.Pytester,
) -> None:
    pytester.makepyfile(
        """
        import gc
        import weakref

        import pytest
        from langchain_core.runnables import RunnableLambda

        import pytest_runlog
        from pytest_runlog.model.build import _Draft
        from pytest_runlog.recording.installer import Recorder

        chain = RunnableLambda(lambda value: value + 1) | RunnableLambda(lambda value: value * 2)

        @pytest.fixture(scope="module", autouse=True)
        def no_collector():
            gc.collect()
            gc.disable()
            yield
            gc.enable()

        @pytest.mark.parametrize("value", range(3))
        def test_chain(value):
            assert chain.invoke(value) == 2 * value + 2

        def test_nothing_is_left_of_them():
            kinds = (pytest_runlog.Run, pytest_runlog.RunLogCapture, _Draft, Recorder)
            left = [thing for thing in gc.get_objects() if isinstance(thing, kinds)]
            assert [type(thing).__name__ for thing in left] == ["Recorder", "RunLogCapture"]

        def test_what_somebody_looked_at_stays(runlog):
            chain.invoke(1)
            KEPT.append(runlog.root)

        def test_it_is_still_there():
            (run,) = KEPT
            assert run.inputs == 1
            assert [child.output for child in run.children] == [2, 4]
            assert run.children[0].parent is run

        KEPT = []
        """
    )
    result = pytester.runpytest_subprocess("--runlog", "--runlog-budget=runs <= 3")
    result.assert_outcomes(passed=6)
