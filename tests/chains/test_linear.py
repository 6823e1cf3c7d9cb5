"""What is derived from ten times as many runs takes about ten times as many operations.

Calls are counted, of Python functions and of C functions, so no clock decides.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from cProfile import Profile
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from langchain_core.runnables import Runnable, RunnableLambda, RunnableParallel

import pytest_runlog
from pytest_runlog import RunLogCapture
from support.models import chat

AT_MOST = 12
"""Times as many calls, where ten would be linear and a hundred quadratic."""

step: Runnable[Any, Any] = RunnableLambda(lambda value: value).with_config(run_name="step")


def sequences(count: int) -> None:
    chain: Any = step | chat("answer") | step
    for number in range(count // 4):
        chain.invoke(f"question {number}")


def siblings_in_a_batch(count: int) -> None:
    questions = [f"question {number * 7919 % count}" for number in range(count)]

    def in_a_batch(value: str) -> None:
        step.batch(questions)

    RunnableLambda(in_a_batch).invoke("x")


def siblings_of_the_same_inputs(count: int) -> None:
    def in_threads(value: str) -> None:
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(step.invoke, ["the same"] * count))

    RunnableLambda(in_threads).invoke("x")


def branches(count: int) -> None:
    parallel = RunnableParallel({f"key {number}": step for number in range(100)})
    for number in range(count // 100):
        parallel.invoke(f"question {number}")


def errors(count: int) -> None:
    def fail(value: int) -> None:
        raise ValueError(value)

    chain = step | RunnableLambda(fail)
    chain.batch(list(range(count // 3 + 1)), return_exceptions=True)


SHAPES = {
    sequences: 10_000,
    siblings_in_a_batch: 3_000,
    siblings_of_the_same_inputs: 3_000,
    branches: 3_000,
    errors: 3_000,
}
"""And the number of runs, which is compared with a tenth of it."""


def everything_of_each_run(log: RunLogCapture, folder: Path) -> None:
    for run in log.runs:
        for name in ("latency", "self_latency", "ttft", "tokens", "tool_calls", "path", "root"):
            getattr(run, name)
        repr(run)


def every_choice(log: RunLogCapture, folder: Path) -> None:
    log.find("step", type="chain", tag="x*", path="*/step", status="ok", under="step")
    log.find(where=lambda run: run.error is not None)
    _ = log.models, log.tools, log.errors, log.recovered, log.unfinished


DERIVED: dict[str, Callable[[RunLogCapture, Path], object]] = {
    "runs": lambda log, folder: (log.runs, log.names, log.elapsed, log.tokens),
    "each run": everything_of_each_run,
    "choices": every_choice,
    "overlapped": lambda log, folder: log.runs.overlapped(),
    "tree": lambda log, folder: log.tree("full"),
    "to_dict": lambda log, folder: log.to_dict(),
    "infino": lambda log, folder: (log.infino.metrics, log.infino.logs),
    "saved file": lambda log, folder: log.save(folder / "log.json"),
}


def calls_of(function: Callable[[], object]) -> int:
    profile = Profile()
    profile.runcall(function)
    return sum(entry.callcount for entry in profile.getstats())


@pytest.fixture(scope="module", params=SHAPES, ids=lambda shape: str(shape.__name__))
def calls(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, tuple[int, int]]:
    """What each derivation takes for few runs and for many."""
    folder = tmp_path_factory.mktemp("saved")
    counts = []
    for amount in (SHAPES[request.param] // 10, SHAPES[request.param]):
        with pytest_runlog.record() as log:
            request.param(amount)
        counts.append({what: calls_of(partial(f, log, folder)) for what, f in DERIVED.items()})
        assert amount <= len(log.runs) <= amount * 1.01 + 2
    few, many = counts
    return {what: (few[what], many[what]) for what in DERIVED}


@pytest.mark.parametrize("what", DERIVED)
def test_ten_times_the_runs_take_ten_times_the_calls(
    calls: dict[str, tuple[int, int]], what: str
) -> None:
    few, many = calls[what]

    assert 0 < few < many <= AT_MOST * few
