"""One and the same order, however the runs of a chain race.

Each case of `support.races` is recorded some times, with random pauses in its steps. For a
thorough check, record it more often and let it pause longer:

    RUNLOG_ORDER_RUNS=200 RUNLOG_ORDER_PAUSE=0.002 python -m pytest tests/chains/test_order.py
"""

from __future__ import annotations

import asyncio
import hashlib
import inspect
import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from threading import Barrier
from typing import TYPE_CHECKING, Any

import pytest
from langchain.agents import create_agent
from langchain_core.callbacks import CallbackManager, dispatch_custom_event
from langchain_core.messages import HumanMessage
from langchain_core.runnables import (
    Runnable,
    RunnableBranch,
    RunnableConfig,
    RunnableLambda,
    RunnableParallel,
)

import pytest_runlog
from pytest_runlog.defaults import Options
from support.models import chat
from support.races import CASES, record
from support.races.agents import calls, look_up, weigh
from support.races.base import INPUTS, slow_answer, step, two_steps
from support.races.graphs import parallel_graph, sending_graph
from support.races.runnables import failing_first, falling_back

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pytest_runlog import Run, RunLogCapture

RUNS = int(os.environ.get("RUNLOG_ORDER_RUNS", "12"))

ASYNC_CASES = [name for name, case in CASES.items() if inspect.iscoroutinefunction(case)]
HASH_SEEDS = ["1", "2"]

pytestmark = pytest.mark.filterwarnings(
    "ignore:astream_log is deprecated:langchain_core._api.LangChainDeprecationWarning"
)


@pytest.mark.parametrize("place", ["output.nonce", ".nonce"])
def test_what_is_masked_in_an_output_by_its_place_orders_nothing(place: str) -> None:
    options = Options(mask_hook=lambda path, value: "…" if path.endswith(place) else value)

    def tree_of(nonces: str) -> str:
        books = iter([{"nonce": nonce, "title": title} for title, nonce in zip("abc", nonces)])
        next_book: RunnableLambda[str, Any] = RunnableLambda(lambda _: next(books))
        with pytest_runlog.record(options=options) as log:
            next_book.batch(["the same"] * 3)
        return log.tree()

    assert tree_of("123") == tree_of("231") == tree_of("321")


def test_what_is_masked_in_a_custom_event_by_its_place_orders_nothing() -> None:
    options = Options(mask_hook=lambda path, value: "…" if path == "events.nonce" else value)

    def tree_of(nonces: str) -> str:
        books = iter([{"nonce": nonce, "title": title} for title, nonce in zip("abc", nonces)])

        def tell(value: str) -> None:
            dispatch_custom_event("book", next(books))

        with pytest_runlog.record(options=options) as log:
            RunnableLambda(tell).batch(["the same"] * 3)
        return log.tree("full")

    assert tree_of("123") == tree_of("231") == tree_of("321")


@pytest.mark.parametrize("place", ["inputs.nonce", ".nonce"])
def test_what_is_masked_by_its_place_orders_nothing(place: str) -> None:
    options = Options(mask_hook=lambda path, value: "…" if path.endswith(place) else value)
    look = RunnableLambda(lambda book: book["title"])

    def tree_of(nonces: str) -> str:
        books = [{"title": title, "nonce": nonce} for title, nonce in zip("abc", nonces)]
        with pytest_runlog.record(options=options) as log:
            look.batch(books)
        return log.tree()

    assert tree_of("123") == tree_of("231") == tree_of("321")


@pytest.mark.parametrize("name", CASES)
def test_every_run_of_a_case_gives_the_same_names_and_the_same_full_tree(name: str) -> None:
    names, tree = record(name)

    for _ in range(RUNS - 1):
        assert record(name) == (names, tree)


@pytest.mark.parametrize("name", ASYNC_CASES)
def test_a_recording_in_a_task_gives_what_a_recording_around_the_loop_gives(name: str) -> None:
    assert record(name, in_task=True) == record(name)


def test_every_process_gives_the_same_whatever_its_hash_seed() -> None:
    processes = [
        subprocess.Popen(  # noqa: S603 (our own interpreter and code)
            [sys.executable, "-W", "ignore", "-c", DIGESTS],
            env={
                **os.environ,
                "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
                "PYTHONHASHSEED": seed,
            },
            stdout=subprocess.PIPE,
            text=True,
        )
        for seed in HASH_SEEDS
    ]
    outputs = [process.communicate()[0] for process in processes]

    assert [process.returncode for process in processes] == [0, 0]
    for output in outputs:
        assert json.loads(output) == {name: digest(name) for name in CASES}


DIGESTS = """
import json
from support.races import CASES, record
import hashlib
print(json.dumps(
    {name: hashlib.sha256(repr(record(name)).encode()).hexdigest() for name in CASES}
))
"""


def digest(name: str) -> str:
    return hashlib.sha256(repr(record(name)).encode()).hexdigest()


# --- Concurrent runs -----------------------------------------------------------------------


def shown(runs: Iterable[Run]) -> list[str]:
    """Name and input of each run."""
    return [f"{run.name} {run.inputs}" for run in runs]


def test_branches_of_a_parallel_are_ordered_by_key(runlog: RunLogCapture) -> None:
    RunnableParallel({key: step(f"step {key}") for key in "cab"}).invoke("x")

    assert runlog.root.children.names == ["step a", "step b", "step c"]


def test_steps_of_a_sequence_are_ordered_by_number(runlog: RunLogCapture) -> None:
    sequence = step("0") | step("1")
    for number in range(2, 12):
        sequence = sequence | step(str(number))
    sequence.invoke("x")

    assert runlog.root.children.names == [str(number) for number in range(12)]


def test_roots_of_a_batch_are_ordered_by_input(runlog: RunLogCapture) -> None:
    step("before").invoke("x")
    step("s").batch(INPUTS)

    assert shown(runlog.roots) == ["before x", "s a", "s b", "s c", "s d"]


def test_items_of_a_list_are_ordered_by_index(runlog: RunLogCapture) -> None:
    step("s").map().invoke(INPUTS)

    assert shown(runlog.root.children) == ["s d", "s b", "s a", "s c"]


def test_conditions_come_before_the_branch_that_they_choose(runlog: RunLogCapture) -> None:
    no: Runnable[Any, bool] = RunnableLambda(lambda _: False, name="no")
    yes: Runnable[Any, bool] = RunnableLambda(lambda _: True, name="yes")
    RunnableBranch((no, step("first")), (yes, step("a chosen one")), step("default")).invoke("x")

    assert runlog.root.children.names == ["no", "yes", "a chosen one"]


def test_conditions_come_before_the_default(runlog: RunLogCapture) -> None:
    no: Runnable[Any, bool] = RunnableLambda(lambda _: False, name="no")
    RunnableBranch((no, step("first")), step("default")).invoke("x")

    assert runlog.root.children.names == ["no", "default"]


def test_attempts_are_ordered_by_number(runlog: RunLogCapture) -> None:
    failing_first(11).invoke("x")

    assert [run.attempt for run in runlog.root.children] == list(range(1, 13))


def test_attempts_of_a_sequence_in_a_batch_are_ordered_by_number(runlog: RunLogCapture) -> None:
    chain = step("one") | failing_first(0, "two") | step("three", only="none")
    retrying = chain.with_retry(stop_after_attempt=3, wait_exponential_jitter=False)
    retrying.batch(["x>one", "y>one"], return_exceptions=True)

    for root in runlog.roots:
        assert [run.attempt for run in root.children] == [1, 2, 3]


def test_fallbacks_are_ordered_as_they_were_tried(runlog: RunLogCapture) -> None:
    falling_back().invoke("x")

    assert runlog.root.children.names == ["first", "second", "RunnableSequence"]


def test_fallbacks_in_a_batch_are_ordered_as_they_were_tried(runlog: RunLogCapture) -> None:
    falling_back().batch(["x", "y"])

    for root in runlog.roots:
        assert root.children.names == ["first", "second", "RunnableSequence"]


def test_fallbacks_in_async_code_are_ordered_as_they_were_tried(runlog: RunLogCapture) -> None:
    asyncio.run(falling_back().ainvoke("x"))

    fallbacks = ["RunnableWithFallbacks", "first", "second", "RunnableSequence"]
    assert [name for name in runlog.names if name in fallbacks] == fallbacks


def test_fallbacks_in_an_async_batch_are_ordered_as_they_were_tried(runlog: RunLogCapture) -> None:
    asyncio.run(falling_back().abatch(["x", "y"]))

    for root in runlog.roots:
        assert root.children.names == ["first", "second", "RunnableSequence"]


def test_nodes_of_a_graph_are_ordered_by_step_and_name(runlog: RunLogCapture) -> None:
    parallel_graph().invoke({"found": []})

    assert runlog.root.children.names == ["alpha", "beta", "delta", "gamma", "join"]


def test_sends_are_ordered_by_index(runlog: RunLogCapture) -> None:
    items = [f"item{number}" for number in range(12, 0, -1)]
    sending_graph().invoke({"items": items, "found": []})

    sent = [run for run in runlog.root.children if run.name == "work"]
    assert [run.inputs["item"] for run in sent] == items


def test_tool_calls_of_an_agent_are_ordered_as_the_model_asked(runlog: RunLogCapture) -> None:
    model = chat(calls(("weigh", "z"), ("look_up", "y"), ("weigh", "x")), "done")
    create_agent(model, [look_up, weigh]).invoke({"messages": [HumanMessage("x")]})

    assert [run.inputs["query"] for run in runlog.tools] == ["z", "y", "x"]


def test_runs_of_threads_without_context_are_roots_and_come_last(runlog: RunLogCapture) -> None:
    step("before").invoke("x")
    with ThreadPoolExecutor(3) as pool:
        list(pool.map(step("a job").invoke, INPUTS))
    step("zz after").invoke("x")

    assert shown(runlog.roots) == [
        "before x",
        "zz after x",
        "a job a",
        "a job b",
        "a job c",
        "a job d",
    ]


def test_runs_of_threads_that_were_given_the_config_come_first(runlog: RunLogCapture) -> None:
    def function(value: Any, config: RunnableConfig) -> None:
        step("before").invoke(value)
        with ThreadPoolExecutor(3) as pool:
            list(pool.map(lambda text: step("job").invoke(text, config), INPUTS))

    RunnableLambda(function).invoke("x")

    assert shown(runlog.root.children) == ["job a", "job b", "job c", "job d", "before x"]


def test_tasks_that_are_awaited_one_by_one_are_ordered_as_if_they_were_not(
    runlog: RunLogCapture,
) -> None:
    async def function(value: Any, config: RunnableConfig) -> None:
        for text in INPUTS:
            await asyncio.create_task(step("s").ainvoke(text, config))

    asyncio.run(RunnableLambda(function).ainvoke("x"))

    assert shown(runlog.root.children) == ["s a", "s b", "s c", "s d"]


def test_batches_with_nothing_between_them_are_ordered_as_one(runlog: RunLogCapture) -> None:
    step("s").batch(["d", "b"])
    step("s").batch(["c", "a"])

    assert shown(runlog.roots) == ["s a", "s b", "s c", "s d"]


# --- Code that runs one thing after another --------------------------------------------------


def test_a_function_keeps_the_order_of_its_steps(runlog: RunLogCapture) -> None:
    def function(value: Any) -> None:
        for name in ["z", "y", "x"]:
            step(name).invoke(value)
            chat(slow_answer, name="model").invoke(name)

    RunnableLambda(function).invoke("x")

    assert runlog.root.children.names == ["z", "model", "y", "model", "x", "model"]


def test_an_async_function_keeps_the_order_of_its_steps(runlog: RunLogCapture) -> None:
    async def function(value: Any, config: RunnableConfig) -> None:
        for name in ["z", "y", "x"]:
            await step(name).ainvoke(value, config)
            await chat(slow_answer, name="model").ainvoke(name, config)

    asyncio.run(RunnableLambda(function).ainvoke("x"))

    assert runlog.root.children.names == ["z", "model", "y", "model", "x", "model"]


def test_a_sync_function_in_an_async_chain_keeps_the_order_of_its_steps(
    runlog: RunLogCapture,
) -> None:
    # On Python 3.10, langchain-core before 1.4.8 knows the parent there only from the config.
    def function(value: Any, config: RunnableConfig) -> None:
        for name in ["z", "y", "x"]:
            step(name).invoke(value, config)

    both = RunnableParallel(a=RunnableLambda(function), b=RunnableLambda(function))
    asyncio.run(both.ainvoke("x"))

    for run in runlog.find("function"):
        assert run.children.names == ["z", "y", "x"]


def test_streams_in_a_function_keep_their_order(runlog: RunLogCapture) -> None:
    def function(value: Any) -> None:
        for name in ["z", "y", "x"]:
            list(step(name).stream(value))

    RunnableLambda(function).invoke("x")

    assert runlog.root.children.names == ["z", "y", "x"]


def test_streams_in_an_async_function_keep_their_order(runlog: RunLogCapture) -> None:
    async def function(value: Any, config: RunnableConfig) -> None:
        for name in ["z", "y", "x"]:
            async for _ in step(name).astream(value, config):
                pass

    asyncio.run(RunnableLambda(function).ainvoke("x"))

    assert runlog.root.children.names == ["z", "y", "x"]


def test_threads_stand_between_what_came_before_and_after(runlog: RunLogCapture) -> None:
    def function(value: Any) -> None:
        step("z before").invoke(value)
        with ThreadPoolExecutor(3) as pool:
            for text in INPUTS:
                pool.submit(copy_context().run, step("job").invoke, text)
        step("after").invoke(value)

    RunnableLambda(function).invoke("x")

    assert shown(runlog.root.children) == [
        "z before x",
        "job a",
        "job b",
        "job c",
        "job d",
        "after x",
    ]


def test_tasks_stand_between_what_came_before_and_after(runlog: RunLogCapture) -> None:
    async def function(value: Any, config: RunnableConfig) -> None:
        await step("z before").ainvoke(value, config)
        await asyncio.gather(*[step("task").ainvoke(text, config) for text in INPUTS])
        await step("after").ainvoke(value, config)

    asyncio.run(RunnableLambda(function).ainvoke("x"))

    assert shown(runlog.root.children) == [
        "z before x",
        "task a",
        "task b",
        "task c",
        "task d",
        "after x",
    ]


def test_a_batch_comes_before_what_ran_after_it(runlog: RunLogCapture) -> None:
    step("s").batch(INPUTS)
    step("after").invoke("x")

    assert shown(runlog.roots) == ["s a", "s b", "s c", "s d", "after x"]


def test_threads_of_a_job_stand_between_what_came_before_and_after(runlog: RunLogCapture) -> None:
    def function(value: Any) -> None:
        step("z before").invoke(value)
        with ThreadPoolExecutor(3) as pool:
            for text in INPUTS:
                pool.submit(copy_context().run, step("job").invoke, text)
        step("after").invoke(value)

    with ThreadPoolExecutor(2) as jobs:
        list(jobs.map(RunnableLambda(function).invoke, ["x", "y"]))

    for root in runlog.roots:
        assert root.children.names == ["z before", "job", "job", "job", "job", "after"]


def test_each_job_keeps_the_order_of_its_steps(runlog: RunLogCapture) -> None:
    def job(text: str) -> None:
        step("z first").invoke("the same")
        step("second").invoke(text)

    def function(value: Any) -> None:
        with ThreadPoolExecutor(3) as pool:
            for text in ["b", "a"]:
                pool.submit(copy_context().run, job, text)

    RunnableLambda(function).invoke("x")

    assert shown(runlog.root.children) == [
        "z first the same",
        "second a",
        "z first the same",
        "second b",
    ]


def test_roots_of_tests_keep_the_order_in_which_they_ran(runlog: RunLogCapture) -> None:
    step("z").invoke("x")
    asyncio.run(step("y").ainvoke("x"))
    two_steps().invoke("x")
    asyncio.run(step("x").ainvoke("x"))

    assert runlog.roots.names == ["z", "y", "RunnableSequence", "x"]


def test_tasks_of_an_entrypoint_are_ordered_as_they_were_called(runlog: RunLogCapture) -> None:
    from langgraph.func import entrypoint, task

    @task
    def zeta(text: str) -> str:
        return f"{text}z"

    @task
    def alpha(text: str) -> str:
        return f"{text}a"

    @entrypoint()
    def flow(text: str) -> str:
        return str(zeta(alpha(zeta(text).result()).result()).result())

    flow.invoke("x")

    assert runlog.one("flow").children.names == ["zeta", "alpha", "zeta"]


def test_tasks_of_an_entrypoint_that_start_at_once_are_ordered_as_they_were_called(
    monkeypatch: pytest.MonkeyPatch, runlog: RunLogCapture
) -> None:
    from langgraph.func import entrypoint, task

    # LangGraph notes the place of a call in a manager that all calls share, and then starts it.
    both_are_noted = Barrier(2)
    original = CallbackManager.on_chain_start

    def start(self: CallbackManager, *args: Any, **kwargs: Any) -> Any:
        if kwargs["name"] == "work":
            both_are_noted.wait(10)
        return original(self, *args, **kwargs)

    monkeypatch.setattr(CallbackManager, "on_chain_start", start)

    @task
    def work(text: str) -> str:
        return text

    @entrypoint()
    def flow(texts: list[str]) -> list[str]:
        return [future.result() for future in [work(text) for text in texts]]

    flow.invoke(["b", "a"])

    assert shown(runlog.one("flow").children) == ["work {'text': 'b'}", "work {'text': 'a'}"]
    assert [run.metadata["langgraph_path"][2] for run in runlog.find("work")] == [0, 1]


@pytest.mark.skipif(
    sys.version_info < (3, 11),
    reason="before Python 3.11 LangGraph calls no async tasks below a graph that is invoked",
)
def test_async_tasks_below_a_node_of_another_graph_have_places_of_their_own(
    runlog: RunLogCapture,
) -> None:
    from langgraph.func import entrypoint, task
    from langgraph.graph import MessagesState, StateGraph

    @task
    async def work(text: str) -> str:
        return text

    @entrypoint()
    async def flow(texts: list[str]) -> list[str]:
        return [await future for future in [work(text) for text in texts]]

    def outer(state: MessagesState) -> dict[str, Any]:
        return {"messages": asyncio.run(flow.ainvoke(["b", "a"]))}

    graph = StateGraph(MessagesState)
    graph.add_node("outer", outer)
    graph.set_entry_point("outer")
    graph.compile().invoke({"messages": []})

    assert shown(runlog.one("flow").children) == ["work {'text': 'b'}", "work {'text': 'a'}"]
    assert [run.metadata["langgraph_node"] for run in runlog.find("work")] == ["work", "work"]


def test_tags_of_the_users_that_look_like_langchains_change_nothing(runlog: RunLogCapture) -> None:
    def function(value: Any) -> None:
        for name in ["z", "y", "x"]:
            step(name).invoke(value)

    RunnableLambda(function).invoke("x", {"tags": ["branch:2", "seq:step:1", "branch:main"]})

    assert runlog.root.children.names == ["z", "y", "x"]
