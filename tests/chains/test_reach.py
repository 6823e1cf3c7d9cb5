"""Every run is recorded, wherever it is started, and once, however often it is reported."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import Any

import pytest
from langchain_core.callbacks import (
    AsyncCallbackManager,
    BaseCallbackHandler,
    CallbackManager,
)
from langchain_core.callbacks.manager import trace_as_chain_group
from langchain_core.outputs import Generation, LLMResult
from langchain_core.runnables import RunnableConfig, RunnableLambda
from langchain_core.runnables.config import run_in_executor

import pytest_runlog
from pytest_runlog import RunLogCallbackHandler, RunLogCapture
from support.chains import QUESTION, question_chain, search
from support.doors import CASES, INPUT, RACING
from support.models import chat, completion
from support.observed import Bystander, observe

pytestmark = [
    pytest.mark.filterwarnings("ignore:astream_log is deprecated"),
    pytest.mark.filterwarnings("ignore:astream_events version='v1' is deprecated"),
    pytest.mark.filterwarnings("ignore:.*MessageHistory.* (is|was) deprecated"),
    pytest.mark.filterwarnings("ignore:The (method .*_v3. is in beta|v3 streaming protocol)"),
]

NAMES = ["RunnableSequence", "ChatPromptTemplate", "FakeChat", "StrOutputParser"]


def ask() -> Any:
    return question_chain().invoke(INPUT)


async def aask() -> Any:
    return await question_chain().ainvoke(INPUT)


def in_a_thread(job: Callable[[], Any]) -> None:
    thread = threading.Thread(target=job)
    thread.start()
    thread.join()


def in_a_pool(job: Callable[[], Any]) -> None:
    with ThreadPoolExecutor(1) as pool:
        pool.submit(job).result()


def in_a_pool_in_a_thread(job: Callable[[], Any]) -> None:
    in_a_thread(lambda: in_a_pool(job))


async def in_the_executor_of_the_loop(job: Callable[[], Any]) -> None:
    await asyncio.get_running_loop().run_in_executor(None, job)


async def by_to_thread(job: Callable[[], Any]) -> None:
    await asyncio.to_thread(job)


async def by_langchains_executor(job: Callable[[], Any]) -> None:
    await run_in_executor(None, job)


PLACES: list[Callable[[Callable[[], Any]], Awaitable[None] | None]] = [
    in_a_thread,
    in_a_pool,
    in_a_pool_in_a_thread,
    in_the_executor_of_the_loop,
    by_to_thread,
    by_langchains_executor,
]


@pytest.mark.parametrize("place", PLACES)
def test_a_chain_is_recorded_on_any_thread(place: Any) -> None:
    async def main() -> None:
        await place(ask)

    with pytest_runlog.record() as log:
        asyncio.run(main()) if asyncio.iscoroutinefunction(place) else place(ask)
    assert log.names == NAMES
    assert len(log.roots) == 1


@pytest.mark.parametrize("place", [in_a_thread, in_a_pool, in_a_pool_in_a_thread])
def test_an_event_loop_is_recorded_on_any_thread(place: Any) -> None:
    with pytest_runlog.record() as log:
        place(lambda: asyncio.run(aask()))
    assert log.names == NAMES
    assert len(log.roots) == 1


def test_a_thread_that_was_there_before_the_recording_is_recorded() -> None:
    with ThreadPoolExecutor(1) as pool:
        pool.submit(ask).result()
        with pytest_runlog.record() as log:
            pool.submit(ask).result()
    assert log.names == NAMES


def test_a_task_that_was_there_before_the_recording_is_recorded() -> None:
    async def main() -> RunLogCapture:
        begin = asyncio.Event()

        async def work() -> None:
            await begin.wait()
            await aask()

        task = asyncio.create_task(work())
        with pytest_runlog.record() as log:
            begin.set()
            await task
        return log

    assert asyncio.run(main()).names == NAMES


def test_a_context_from_before_the_recording_is_recorded() -> None:
    context = copy_context()
    with pytest_runlog.record() as log:
        context.run(ask)
    assert log.names == NAMES


def test_a_stream_is_recorded_when_another_thread_reads_it() -> None:
    with pytest_runlog.record() as log:
        chunks = question_chain().stream(INPUT)
        next(chunks)
        in_a_thread(lambda: list(chunks))
    assert log.names == NAMES
    assert {run.status for run in log.runs} == {"ok"}


def test_a_thread_that_is_given_the_config_works_below_the_step_that_gave_it() -> None:
    def function(value: Any, config: RunnableConfig) -> None:
        in_a_thread(lambda: question_chain().invoke(INPUT, config))

    with pytest_runlog.record() as log:
        RunnableLambda(function).invoke("x")
    assert log.names == ["function", *NAMES]
    assert log.one("FakeChat").path == "function/RunnableSequence/FakeChat"


def test_a_group_of_chains_is_recorded_below_the_group() -> None:
    with (
        pytest_runlog.record() as log,
        trace_as_chain_group("group", inputs={"a": 1}) as manager,
    ):
        question_chain().invoke(INPUT, {"callbacks": manager})
        search.invoke("x", {"callbacks": manager})
    assert log.names == ["group", *NAMES, "search"]
    assert log.root.inputs == {"a": 1}


def test_a_completion_model_has_its_name_beside_an_inline_handler_of_the_users() -> None:
    # LangChain tells the start of it to inline handlers only, as soon as there is one.
    with pytest_runlog.record() as log:
        callbacks: list[BaseCallbackHandler] = [Bystander(run_inline=True)]
        asyncio.run(completion("hi").ainvoke("x", {"callbacks": callbacks}))
    assert [(run.name, run.type, run.status, run.output) for run in log.runs] == [
        ("FakeListLLM", "llm", "ok", "hi")
    ]


def test_a_run_whose_start_was_not_reported_is_recorded_from_its_end() -> None:
    (run_manager,) = CallbackManager([]).on_llm_start({}, ["x"])
    with pytest_runlog.record() as log:
        callbacks = log.config()["callbacks"]
        assert isinstance(callbacks, list)
        run_manager.handlers.extend(callbacks)
        run_manager.on_llm_end(LLMResult(generations=[[Generation(text="hi")]]))
    assert [(run.name, run.type, run.status, run.output) for run in log.runs] == [
        ("Unnamed", "llm", "ok", "hi")
    ]


# With the handlers passed by hand


def amount(log: RunLogCapture) -> list[Any]:
    """What there is of everything."""
    return [
        log.tree("shape"),
        [(run.status, len(run.chunks), len(run.events), len(run.notes)) for run in log.runs],
        [len(log.infino.metrics), len(log.infino.logs)],
    ]


@pytest.mark.parametrize("name", [*CASES, *RACING])
def test_a_run_is_recorded_once_when_the_handlers_are_passed_too(name: str) -> None:
    case = {**CASES, **RACING}[name]
    with pytest_runlog.record() as alone:
        observe(case)
    with pytest_runlog.record() as log:
        observe(lambda config: case(log.config(**config)))
    assert amount(log) == amount(alone)


@pytest.mark.parametrize("name", CASES)
def test_a_run_is_recorded_once_when_a_handler_is_passed_twice(name: str) -> None:
    with pytest_runlog.record() as alone:
        observe(CASES[name])
    with pytest_runlog.record() as log:
        handler = handler_of(log)
        observe(lambda config: CASES[name]({"callbacks": [handler, handler]}))
    assert amount(log) == amount(alone)


def handler_of(log: RunLogCapture) -> Any:
    callbacks: Any = log.config()["callbacks"]
    (handler,) = callbacks
    return handler


@pytest.mark.parametrize("manager_class", [CallbackManager, AsyncCallbackManager])
def test_a_run_is_recorded_once_when_the_handler_is_in_a_manager(manager_class: Any) -> None:
    with pytest_runlog.record() as log:
        handler = handler_of(log)
        manager = manager_class([handler], inheritable_handlers=[handler])
        if manager_class is CallbackManager:
            question_chain().invoke(INPUT, {"callbacks": manager})
        else:
            asyncio.run(question_chain().ainvoke(INPUT, {"callbacks": manager}))
    assert log.names == NAMES


def test_a_run_is_recorded_once_when_the_handler_is_that_of_a_model_and_of_the_config() -> None:
    with pytest_runlog.record() as log:
        model = chat(callbacks=[handler_of(log)])
        question_chain(model).invoke(INPUT, log.config())
    assert log.names == NAMES


def test_runs_below_one_whose_handler_is_not_inherited_are_recorded() -> None:
    def function(query: str) -> Any:
        return question_chain().invoke({"question": query})

    with pytest_runlog.record() as log:
        tool = search.model_copy(update={"func": function, "callbacks": [handler_of(log)]})
        tool.invoke(QUESTION)
    assert log.names == ["search", *NAMES]
    assert len(log.roots) == 1


def test_the_config_keeps_the_users_handlers_and_settings() -> None:
    mine = Bystander()
    callbacks: list[BaseCallbackHandler] = [mine]
    with pytest_runlog.record() as log:
        config = log.config(callbacks=callbacks, tags=["a"], max_concurrency=2)
        question_chain().invoke(INPUT, config)
    assert callbacks == [mine]
    assert (config["tags"], config["max_concurrency"]) == (["a"], 2)
    assert log.root.tags == ["a"]
    assert len(mine.events) == 8


def test_the_config_keeps_a_manager_of_the_users() -> None:
    mine = Bystander()
    manager = CallbackManager([mine], inheritable_handlers=[mine])
    with pytest_runlog.record() as log:
        question_chain().invoke(INPUT, log.config(callbacks=manager))
    assert manager.handlers == [mine]
    assert log.names == NAMES
    assert len(mine.events) == 8


# A handler of its own, without a recording


def test_a_handler_of_its_own_records_what_it_is_passed_to() -> None:
    handler = RunLogCallbackHandler()
    question_chain().invoke(INPUT, {"callbacks": [handler]})
    question_chain().invoke(INPUT)
    assert RunLogCapture(handler).names == NAMES


def test_a_handler_of_its_own_records_async_chains() -> None:
    handler = RunLogCallbackHandler()
    asyncio.run(question_chain().ainvoke(INPUT, {"callbacks": [handler]}))
    assert RunLogCapture(handler).names == NAMES


def test_a_handler_of_its_own_records_a_run_once_when_it_is_passed_twice() -> None:
    handler = RunLogCallbackHandler()
    list(question_chain(chat("a b c")).stream(INPUT, {"callbacks": [handler, handler]}))
    log = RunLogCapture(handler)
    assert log.names == NAMES
    assert [str(chunk.value.content) for chunk in log.one("FakeChat").chunks] == [
        "a ",
        "b ",
        "c",
        "",
    ]


def test_a_handler_of_its_own_and_a_recording_both_see_a_run() -> None:
    handler = RunLogCallbackHandler()
    with pytest_runlog.record() as log:
        question_chain().invoke(INPUT, {"callbacks": [handler]})
    assert log.names == RunLogCapture(handler).names == NAMES
    assert log.tree("full") == RunLogCapture(handler).tree("full")


def test_a_handler_of_its_own_and_a_recording_both_see_the_chunks() -> None:
    handler = RunLogCallbackHandler()
    with pytest_runlog.record() as log:
        list(question_chain(chat("a b c")).stream(INPUT, {"callbacks": [handler]}))
    assert [chunk.value for chunk in log.root.chunks] == ["a ", "b ", "c", ""]
    assert log.tree("full") == RunLogCapture(handler).tree("full")


def test_a_handler_of_its_own_stays_as_it_is_after_the_recording() -> None:
    handler = RunLogCallbackHandler()
    with pytest_runlog.record():
        ask()
    assert RunLogCapture(handler).names == []
