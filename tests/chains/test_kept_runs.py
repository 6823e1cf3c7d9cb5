"""Runs that somebody keeps: they know all of themselves, whenever it is asked for."""

from __future__ import annotations

import copy
import gc
import pickle
from typing import TYPE_CHECKING, Any

import pytest

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
