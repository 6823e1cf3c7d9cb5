"""`StreamingRunLogCallbackHandler`: LangChain's handler for live run logs, and what that is not."""

from __future__ import annotations

import asyncio
import copy
import gc
import sys
import threading
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import jsonpatch
import pytest
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.messages import get_buffer_string
from langchain_core.runnables import (
    Runnable,
    RunnableConfig,
    RunnableLambda,
    RunnableParallel,
)
from langchain_core.runnables import base as runnables
from langchain_core.tools import tool
from langchain_core.tracers import event_stream
from langchain_core.tracers._streaming import _StreamingCallbackHandler
from langchain_core.tracers.log_stream import LogStreamCallbackHandler, RunLogPatch

import pytest_runlog
from pytest_runlog import StreamingRunLogCallbackHandler
from pytest_runlog.model.events import Start
from pytest_runlog.model.log.livelog import LiveLog
from pytest_runlog.recording import channel, streaming
from support.chains import ANSWER, graph, question_chain
from support.doors import INPUT, collect, step
from support.models import FakeChat, ModelDown, chat
from support.observed import shown, stable
from support.patches import (
    SCHEMAS,
    Schema,
    by_run,
    entries,
    stock_handler,
)
from support.programs import COMPOSED, FAILING, GRAPHS, UNSTREAMED, Program
from support.versions import HAS_V3_EVENTS

if TYPE_CHECKING:
    from collections.abc import Awaitable

Driver = Callable[[Runnable[Any, Any], Any, RunnableConfig], Any]

pytestmark = [
    pytest.mark.filterwarnings("ignore:astream_log is deprecated"),
    pytest.mark.filterwarnings("ignore:astream_events version='v1' is deprecated"),
    pytest.mark.filterwarnings("ignore:.*MessageHistory.* (is|was) deprecated"),
]

DRIVERS: dict[str, Driver] = {
    "invoke": lambda chain, value, config: chain.invoke(value, config),
    "ainvoke": lambda chain, value, config: asyncio.run(chain.ainvoke(value, config)),
    "stream": lambda chain, value, config: list(chain.stream(value, config)),
    "astream": lambda chain, value, config: asyncio.run(collect(chain.astream(value, config))),
}
PROGRAMS = {
    **COMPOSED,
    **FAILING,
    **{f"{name} alone": program for name, program in UNSTREAMED.items()},
    **GRAPHS,
}
SEQUENTIAL = {name: program for name, program in PROGRAMS.items() if not program.races}
REPEATABLE = {
    name: program for name, program in SEQUENTIAL.items() if name not in {"agent", "history"}
}
"""Those that log the same twice. An agent's messages get an id later, which LangChain's handler
shows too early; history loads beside what is passed through, when it is streamed."""

driven = pytest.mark.parametrize("drive", DRIVERS.values(), ids=DRIVERS)
in_both_schemas = pytest.mark.parametrize("schema", SCHEMAS)


def programs(table: dict[str, Program]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("program", table.values(), ids=table)


def run(program: Program, drive: Driver, *handlers: BaseCallbackHandler) -> None:
    with suppress(Exception):
        drive(program.make(), program.value, {"callbacks": [*handlers]})


def state_of(patches: Sequence[RunLogPatch]) -> dict[str, Any]:
    """What the patches make, by the jsonpatch library."""
    operations = [operation for patch in patches for operation in patch.ops]
    state: dict[str, Any] = jsonpatch.apply_patch(None, copy.deepcopy(operations))
    return state


def paths_of(patches: Sequence[RunLogPatch]) -> list[str]:
    return [operation["path"] for patch in patches for operation in patch.ops]


async def read_all(handler: StreamingRunLogCallbackHandler) -> list[RunLogPatch]:
    """All patches of a log, by somebody who would notice if it did not end."""

    async def read() -> list[RunLogPatch]:
        return [patch async for patch in handler]

    return await asyncio.wait_for(read(), 30)


class Together(BaseCallbackHandler, _StreamingCallbackHandler[Any]):
    """Tells several handlers the same: LangChain taps only one of those that stream."""

    run_inline = True

    def __init__(self, *handlers: Any) -> None:
        self.handlers = handlers

    def tap_output_iter(self, run_id: Any, output: Iterator[Any]) -> Iterator[Any]:
        for handler in self.handlers:
            output = handler.tap_output_iter(run_id, output)
        return output

    def tap_output_aiter(self, run_id: Any, output: AsyncIterator[Any]) -> AsyncIterator[Any]:
        for handler in self.handlers:
            output = handler.tap_output_aiter(run_id, output)
        return output

    def on_chat_model_start(
        self, serialized: dict[str, Any], messages: list[list[Any]], **kwargs: Any
    ) -> None:
        for handler in self.handlers:
            try:
                handler.on_chat_model_start(serialized, messages, **kwargs)
            except NotImplementedError:  # as LangChain does then
                texts = [get_buffer_string(batch) for batch in messages]
                handler.on_llm_start(serialized, texts, **kwargs)


def _to_each(event: str) -> Callable[..., None]:
    def method(self: Together, *args: Any, **kwargs: Any) -> None:
        for handler in self.handlers:
            getattr(handler, event)(*args, **kwargs)

    return method


for _event in [name for name in dir(BaseCallbackHandler) if name.startswith("on_")]:
    if _event != "on_chat_model_start":
        setattr(Together, _event, _to_each(_event))


# --- It says what LangChain's handler says --------------------------------------------------------


@in_both_schemas
@pytest.mark.parametrize(
    "drive", [DRIVERS["invoke"], DRIVERS["astream"]], ids=["invoke", "astream"]
)
@programs(PROGRAMS)
def test_it_says_the_same_of_each_run_as_langchains_handler(
    program: Program, drive: Driver, schema: Schema
) -> None:
    stock = stock_handler(schema)
    alone = StreamingRunLogCallbackHandler(_schema_format=schema)
    driven = StreamingRunLogCallbackHandler(auto_close=False, _schema_format=schema)

    run(program, drive, Together(stock, alone, driven))

    assert stock.patches
    said, said_driven, said_by_stock = alone.read(), driven.read(), stock.patches
    assert by_run(entries(said)) == by_run(entries(said_by_stock))
    assert by_run(entries(said_driven)) == by_run(entries(said_by_stock))
    assert said_driven[0] == said_by_stock[0]
    assert len(said_driven) == len(said_by_stock)


@programs(REPEATABLE)
def test_astream_log_gives_the_same_with_ours_in_its_place(
    program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    def log() -> list[str]:
        async def collected() -> list[str]:
            patches: list[str] = []
            with suppress(Exception):
                async for patch in program.make().astream_log(program.value):
                    patches += [stable(repr(patch))]
            return patches

        return asyncio.run(collected())

    theirs = log()
    monkeypatch.setattr(runnables, "LogStreamCallbackHandler", StreamingRunLogCallbackHandler)

    assert theirs
    assert log() == theirs


@programs(REPEATABLE)
def test_astream_events_of_version_1_give_the_same_with_ours_in_its_place(
    program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    def events() -> list[str]:
        async def collected() -> list[str]:
            found: list[str] = []
            with suppress(Exception):
                async for event in program.make().astream_events(program.value, version="v1"):
                    found += [shown(event)]
            return found

        return asyncio.run(collected())

    theirs = events()
    monkeypatch.setattr(event_stream, "LogStreamCallbackHandler", StreamingRunLogCallbackHandler)

    assert theirs
    assert events() == theirs


FILTERS: dict[str, dict[str, Any]] = {
    "nothing": {},
    "names": {"include_names": ["FakeChat", "nobody"]},
    "no name": {"include_names": []},
    "types": {"include_types": ["llm", "chat_model", "retriever"]},
    "tags": {"include_tags": ["seq:step:1"]},
    "names and tags": {"include_names": ["FakeChat"], "include_tags": ["seq:step:1"]},
    "other names": {"exclude_names": ["FakeChat"]},
    "other types": {"exclude_types": ["llm", "chat_model"]},
    "other tags": {"exclude_tags": ["seq:step:1", "seq:step:3"]},
    "types but a tag": {"include_types": ["prompt", "parser"], "exclude_tags": ["seq:step:1"]},
    "names but a type": {"include_names": ["StrOutputParser"], "exclude_types": ["parser"]},
}


@in_both_schemas
@pytest.mark.parametrize("filters", FILTERS.values(), ids=FILTERS)
def test_filters_keep_the_runs_that_langchains_keep(
    filters: dict[str, Any], schema: Schema
) -> None:
    stock = stock_handler(schema, **filters)
    ours = StreamingRunLogCallbackHandler(_schema_format=schema, **filters)

    question_chain().invoke(INPUT, {"callbacks": [Together(stock, ours)]})

    assert entries(ours.read()) == entries(stock.patches)


def test_a_filter_can_be_changed_while_nothing_runs() -> None:
    handler = StreamingRunLogCallbackHandler()
    handler.include_types = ["parser"]

    question_chain().invoke(INPUT, {"callbacks": [handler]})

    assert list(state_of(handler.read())["logs"]) == ["StrOutputParser"]


def test_a_subclass_decides_itself_which_runs_are_in_the_log() -> None:
    class OfModels(StreamingRunLogCallbackHandler):
        def include_run(self, run: Any) -> bool:
            looked_at.append((run.name, run.run_type, run.tags, run.parent_run_id == self.root_id))
            return super().include_run(run) and run.metadata.get("ls_model_type") == "chat"

    looked_at: list[Any] = []
    handler = OfModels()

    question_chain().invoke(INPUT, {"callbacks": [handler]})

    assert list(state_of(handler.read())["logs"]) == ["FakeChat"]
    assert looked_at == [
        ("ChatPromptTemplate", "prompt", ["seq:step:1"], True),
        ("FakeChat", "chat_model", ["seq:step:2"], True),
        ("StrOutputParser", "parser", ["seq:step:3"], True),
    ]


@pytest.mark.parametrize(
    "handler_class", [StreamingRunLogCallbackHandler, LogStreamCallbackHandler]
)
def test_a_format_that_there_is_not_is_refused(handler_class: type[Any]) -> None:
    expected = "^Invalid schema format: v3. Expected one of 'original', 'streaming_events'.$"
    with pytest.raises(ValueError, match=expected):
        handler_class(_schema_format="v3")


def test_a_filter_that_is_no_list_is_refused() -> None:
    with pytest.raises(TypeError, match="include_names takes a list of texts, not 'FakeChat'"):
        StreamingRunLogCallbackHandler(include_names="FakeChat")


def test_it_has_every_public_name_of_langchains_handler_but_those_of_a_tracer() -> None:
    async def created() -> LogStreamCallbackHandler:
        return LogStreamCallbackHandler()

    theirs = asyncio.run(created())
    ours = StreamingRunLogCallbackHandler()

    names = {name for name in dir(theirs) if not name.startswith("_")}
    assert names - set(dir(ours)) == {"run_map", "order_map", "log_missing_parent"}


def test_langchain_takes_it_for_a_streaming_handler() -> None:
    model = chat(ANSWER)
    handler = StreamingRunLogCallbackHandler()

    assert isinstance(handler, _StreamingCallbackHandler)
    model.invoke("x", {"callbacks": [handler]})
    assert len(state_of(handler.read())["streamed_output"]) > 1


def test_a_copy_of_it_is_itself() -> None:
    handler = StreamingRunLogCallbackHandler()

    assert copy.copy(handler) is handler
    assert copy.deepcopy([handler])[0] is handler


# --- It says more -------------------------------------------------------------------------------


@driven
def test_the_log_of_a_handler_that_nobody_drives_is_complete(drive: Driver) -> None:
    handler = StreamingRunLogCallbackHandler()
    config: RunnableConfig = {"callbacks": [handler], "tags": ["mine"], "metadata": {"a": 1}}

    given = drive(question_chain(), INPUT, config)

    state = state_of(handler.read())
    assert state["inputs"] == INPUT
    assert state["final_output"] == ANSWER
    assert "".join(state["streamed_output"]) == ("" if given == ANSWER else ANSWER)
    assert state["start_time"] <= state["end_time"]
    assert (state["error"], state["tags"], state["metadata"]) == (None, ["mine"], {"a": 1})
    assert {entry["parent_id"] for entry in state["logs"].values()} == {state["id"]}
    assert all(entry["end_time"] for entry in state["logs"].values())


@driven
def test_a_failure_is_in_the_log(drive: Driver) -> None:
    handler = StreamingRunLogCallbackHandler()

    with pytest.raises(ModelDown):
        drive(question_chain(chat(ModelDown("down"))), INPUT, {"callbacks": [handler]})

    state = state_of(handler.read())
    failure = {"type": "ModelDown", "message": "down"}
    assert state["error"] == failure
    assert state["logs"]["FakeChat"]["error"] == failure
    assert state["logs"]["ChatPromptTemplate"]["error"] is None
    assert state["final_output"] is None


def test_chunks_of_a_graphs_nodes_are_in_the_log() -> None:
    handler = StreamingRunLogCallbackHandler()

    asyncio.run(graph().ainvoke({"question": "?"}, {"callbacks": [handler]}))

    entry = state_of(handler.read())["logs"]["answer"]
    assert entry["streamed_output"] == [entry["final_output"]]


@pytest.mark.skipif(not HAS_V3_EVENTS, reason="this langchain-core has no version 3 of events")
@pytest.mark.filterwarnings("ignore:The (method .*_v3. is in beta|v3 streaming protocol)")
def test_a_model_that_is_driven_by_events_of_version_3_streams_in_one_way() -> None:
    async def main() -> None:
        config: RunnableConfig = {"callbacks": [handler]}
        async for _ in await model.astream_events("x", config, version="v3"):
            pass

    handler = StreamingRunLogCallbackHandler()
    model: Any = chat("a b")
    asyncio.run(main())

    state = state_of(handler.read())
    assert [chunk.content for chunk in state["streamed_output"]] == ["a ", "b", ""]
    assert state["final_output"].text == "a b"


def test_events_of_a_model_that_reports_no_tokens_are_its_chunks() -> None:
    handler = StreamingRunLogCallbackHandler()
    root_id = uuid4()
    events = [{"event": "message-start"}, {"event": "message-finish"}]

    handler.on_chat_model_start({}, [[]], run_id=root_id)
    for event in events:
        handler.on_stream_event(event, run_id=root_id)
    handler.on_text("no chunk", run_id=root_id)

    assert state_of(handler.read())["streamed_output"] == events


def test_what_is_reported_of_a_run_that_was_not_seen_to_start_is_left_out() -> None:
    handler = StreamingRunLogCallbackHandler()

    handler.on_llm_new_token("a", run_id=uuid4())
    handler.on_chain_end("b", run_id=uuid4())

    assert handler.read() == []


def test_a_handler_that_is_passed_twice_has_one_entry_of_each_run() -> None:
    once, twice = StreamingRunLogCallbackHandler(), StreamingRunLogCallbackHandler()

    (step("a") | step("b")).invoke("x", {"callbacks": [once]})
    (step("a") | step("b")).invoke("x", {"callbacks": [twice, twice]})

    assert paths_of(twice.read()) == paths_of(once.read())


def test_names_that_are_no_json_pointers_make_keys_of_their_own() -> None:
    names = ["a", "a/final_output", "a~b", "a:2", "a", "~1", "/"]
    chain: Runnable[Any, Any] = step("first")
    for name in names:
        chain = chain | step(name)
    handler = StreamingRunLogCallbackHandler()

    chain.invoke("x", {"callbacks": [handler]})

    logs = state_of(handler.read())["logs"]
    assert [entry["name"] for entry in logs.values()] == ["first", *names]


def test_values_are_those_at_the_time_of_the_event() -> None:
    def change(value: dict[str, Any]) -> dict[str, Any]:
        value["list"].append("changed")
        return value

    handler = StreamingRunLogCallbackHandler()
    make: Runnable[Any, Any] = RunnableLambda(lambda value: {"list": [value]}, name="make")

    (make | change).invoke("x", {"callbacks": [handler]})

    assert state_of(handler.read())["logs"]["make"]["final_output"] == {"list": ["x"]}


def test_every_patch_applies_to_the_state_before_it() -> None:
    handler = StreamingRunLogCallbackHandler()

    list(question_chain().stream(INPUT, {"callbacks": [handler]}))

    state = None
    for patch in handler.read():
        state = jsonpatch.apply_patch(state, copy.deepcopy(patch.ops))
    assert state is not None
    assert state["final_output"] == ANSWER


# --- Reading --------------------------------------------------------------------------------------


def test_patches_can_be_read_without_an_event_loop() -> None:
    handler = StreamingRunLogCallbackHandler()
    question_chain().invoke(INPUT, {"callbacks": [handler]})

    patches = handler.read()

    assert type(patches[0]) is RunLogPatch
    assert state_of(patches)["final_output"] == ANSWER
    assert handler.read() == []


def test_patches_can_be_read_while_the_chain_runs() -> None:
    handler = StreamingRunLogCallbackHandler()
    stream = question_chain(chat("a b c")).stream(INPUT, {"callbacks": [handler]})

    lengths = [paths_of(handler.read()).count("/streamed_output/-") for _ in stream]

    assert lengths == [1] * len(lengths)
    assert len(lengths) > 3


def test_reading_without_waiting_gives_nothing_before_anything_ran() -> None:
    assert StreamingRunLogCallbackHandler().read() == []


@pytest.mark.parametrize("drive", ["invoke", "ainvoke", "astream"])
def test_iterating_beside_the_chain_ends_with_the_root(drive: str) -> None:
    async def main() -> list[RunLogPatch]:
        handler = StreamingRunLogCallbackHandler()
        chain, config = question_chain(), RunnableConfig(callbacks=[handler])
        work: dict[str, Callable[[], Awaitable[Any]]] = {
            "invoke": lambda: asyncio.to_thread(chain.invoke, INPUT, config),
            "ainvoke": lambda: chain.ainvoke(INPUT, config),
            "astream": lambda: collect(chain.astream(INPUT, config)),
        }
        patches, _ = await asyncio.gather(read_all(handler), work[drive]())
        return patches

    assert state_of(asyncio.run(main()))["final_output"] == ANSWER


def test_iterating_after_the_chain_gives_the_same() -> None:
    async def main() -> list[RunLogPatch]:
        handler = StreamingRunLogCallbackHandler()
        await question_chain().ainvoke(INPUT, {"callbacks": [handler]})
        return await read_all(handler)

    assert state_of(asyncio.run(main()))["final_output"] == ANSWER


def test_what_langchain_calls_the_receive_stream_can_be_iterated() -> None:
    async def main() -> list[RunLogPatch]:
        handler = StreamingRunLogCallbackHandler()
        await question_chain().ainvoke(INPUT, {"callbacks": [handler]})
        return [patch async for patch in handler.receive_stream]

    assert state_of(asyncio.run(main()))["final_output"] == ANSWER


def test_a_patch_is_given_once() -> None:
    async def main() -> tuple[list[RunLogPatch], list[RunLogPatch], list[RunLogPatch]]:
        handler = StreamingRunLogCallbackHandler()
        await question_chain().ainvoke(INPUT, {"callbacks": [handler]})
        first = []
        async for patch in handler:
            first.append(patch)
            if len(first) == 3:
                break
        return first, await read_all(handler), await read_all(handler)

    first, rest, nothing = asyncio.run(main())
    assert len(first) == 3
    assert state_of([*first, *rest])["final_output"] == ANSWER
    assert nothing == []


def test_two_readers_share_the_patches_and_both_end() -> None:
    async def main() -> list[list[RunLogPatch]]:
        handler = StreamingRunLogCallbackHandler()
        chain = question_chain().ainvoke(INPUT, {"callbacks": [handler]})
        first, second, _ = await asyncio.gather(read_all(handler), read_all(handler), chain)
        return [first, second]

    ids = [id(patch) for part in asyncio.run(main()) for patch in part]
    alone = StreamingRunLogCallbackHandler()
    question_chain().invoke(INPUT, {"callbacks": [alone]})
    assert len(ids) == len(set(ids)) == len(alone.read())


def test_loops_come_and_go_and_the_handler_does_not_care() -> None:
    async def create() -> StreamingRunLogCallbackHandler:
        return StreamingRunLogCallbackHandler()

    handler = asyncio.run(create())
    asyncio.run(question_chain().ainvoke(INPUT, {"callbacks": [handler]}))
    patches = asyncio.run(read_all(handler))

    assert state_of(patches)["final_output"] == ANSWER


def test_a_reader_whose_loop_was_closed_under_it_takes_nothing_along() -> None:
    handler = StreamingRunLogCallbackHandler()
    loop = asyncio.new_event_loop()
    waiting = loop.create_task(read_all(handler))
    loop.run_until_complete(asyncio.sleep(0))
    loop.run_until_complete(asyncio.sleep(0))
    waiting.cancel()
    with suppress(asyncio.CancelledError):
        loop.run_until_complete(waiting)
    loop.close()

    question_chain().invoke(INPUT, {"callbacks": [handler]})

    assert state_of(handler.read())["final_output"] == ANSWER


# --- Closing --------------------------------------------------------------------------------------


def test_what_is_sent_while_the_log_is_open_is_in_it() -> None:
    handler = StreamingRunLogCallbackHandler()

    def send(value: Any) -> Any:
        assert handler.send({"op": "add", "path": "/sent", "value": value})
        return value

    RunnableLambda(send).invoke("x", {"callbacks": [handler]})

    assert not handler.send({"op": "add", "path": "/sent", "value": "late"})
    assert state_of(handler.read())["sent"] == "x"


def test_what_is_sent_before_the_root_starts_comes_first() -> None:
    handler = StreamingRunLogCallbackHandler()
    early = {"op": "replace", "path": "", "value": {}}

    assert handler.send(early)
    step("a").invoke("x", {"callbacks": [handler]})

    assert handler.read()[0] == RunLogPatch(early)


def test_without_auto_close_the_log_is_open_until_somebody_closes_it() -> None:
    async def main() -> list[RunLogPatch]:
        handler = StreamingRunLogCallbackHandler(auto_close=False)
        reading = asyncio.create_task(read_all(handler))
        await step("a").ainvoke("x", {"callbacks": [handler]})
        await handler.send_stream.send(RunLogPatch({"op": "add", "path": "/more", "value": 1}))
        await handler.send_stream.aclose()
        await handler.send_stream.send(RunLogPatch({"op": "add", "path": "/late", "value": 2}))
        return await reading

    state = state_of(asyncio.run(main()))
    assert state["more"] == 1
    assert "late" not in state


def test_what_happens_below_a_root_that_has_ended_can_be_read_until_the_log_was_read() -> None:
    go, done = threading.Event(), threading.Event()

    def late(value: Any) -> Any:
        assert go.wait(30)
        return value

    def start(value: Any, config: RunnableConfig) -> Any:
        def work() -> None:
            (RunnableLambda(late, name="late") | step("later")).invoke(value, config)
            done.set()

        threading.Thread(target=work).start()
        return value

    handler = StreamingRunLogCallbackHandler()
    RunnableLambda(start, name="start").invoke("x", {"callbacks": [handler]})
    before = handler.send({"op": "add", "path": "/sent", "value": 1})
    go.set()
    assert done.wait(30)

    logs = state_of(handler.read())["logs"]
    assert not before
    assert logs["later"]["final_output"] == "x>later"


def test_what_happens_after_the_log_was_read_to_its_end_is_dropped() -> None:
    go, done = threading.Event(), threading.Event()

    def start(value: Any, config: RunnableConfig) -> Any:
        def work() -> None:
            assert go.wait(30)
            step("late").invoke(value, config)
            done.set()

        threading.Thread(target=work).start()
        return value

    handler = StreamingRunLogCallbackHandler()
    RunnableLambda(start, name="start").invoke("x", {"callbacks": [handler]})
    patches = handler.read()
    go.set()
    assert done.wait(30)

    assert state_of(patches)["final_output"] == "x"
    assert handler.read() == []


def test_iterating_ends_though_a_siblings_error_comes_after_the_root() -> None:
    async def wait(value: Any) -> Any:
        await asyncio.Event().wait()

    async def fail(value: Any) -> Any:
        await asyncio.sleep(0)
        raise ModelDown("down")

    async def main() -> list[RunLogPatch]:
        handler = StreamingRunLogCallbackHandler()
        reading = asyncio.create_task(read_all(handler))
        chain = RunnableParallel(a=RunnableLambda(wait), b=RunnableLambda(fail))
        with pytest.raises(ModelDown):
            await chain.ainvoke("x", {"callbacks": [handler]})
        return await reading

    state = state_of(asyncio.run(main()))
    assert state["error"] == {"type": "ModelDown", "message": "down"}


def test_a_log_that_was_forgotten_is_not_read_and_not_written_on() -> None:
    handler = StreamingRunLogCallbackHandler()

    def forget(value: Any) -> Any:
        handler.clear()
        return value

    (RunnableLambda(forget) | step("a")).invoke("x", {"callbacks": [handler]})
    assert handler.read() == []

    step("b").invoke("x", {"callbacks": [handler]})
    assert state_of(handler.read())["name"] == "b"


# --- Several roots, several threads ---------------------------------------------------------------


def test_a_second_chain_begins_a_log_of_its_own() -> None:
    handler = StreamingRunLogCallbackHandler()
    for question in "ab":
        question_chain().invoke({"question": question}, {"callbacks": [handler]})

    first, second = handler.read(), handler.read()

    assert [state_of(patches)["inputs"] for patches in (first, second)] == [
        {"question": "a"},
        {"question": "b"},
    ]
    assert str(handler.root_id) == state_of(second)["id"]


def test_each_iteration_reads_one_log() -> None:
    async def main() -> list[Any]:
        handler = StreamingRunLogCallbackHandler()
        for question in "ab":
            await question_chain().ainvoke({"question": question}, {"callbacks": [handler]})
        states = [state_of(await read_all(handler)) for _ in range(2)]
        reading = asyncio.create_task(read_all(handler))
        await asyncio.sleep(0)
        assert await reading == []
        await question_chain().ainvoke({"question": "c"}, {"callbacks": [handler]})
        states.append(state_of(await read_all(handler)))
        return [state["inputs"]["question"] for state in states]

    assert asyncio.run(main()) == ["a", "b", "c"]


def test_a_root_that_starts_before_the_first_has_ended_is_an_entry_of_its_log() -> None:
    def ask(value: Any) -> Any:
        thread = ThreadPoolExecutor(1)
        with thread:
            config: RunnableConfig = {"callbacks": [handler]}
            return thread.submit(question_chain().invoke, INPUT, config).result()

    handler = StreamingRunLogCallbackHandler()
    RunnableLambda(ask, name="ask").invoke("x", {"callbacks": [handler]})

    state = state_of(handler.read())
    assert (state["name"], state["final_output"]) == ("ask", ANSWER)
    assert state["logs"]["RunnableSequence"]["parent_id"] is None
    inner = state["logs"]["RunnableSequence"]["id"]
    assert state["logs"]["FakeChat"]["parent_id"] == inner


def test_runs_of_an_older_log_that_still_run_do_not_get_into_the_new_one() -> None:
    go, done = threading.Event(), threading.Event()

    def start(value: Any, config: RunnableConfig) -> Any:
        def wait(value: Any) -> Any:
            started.set()
            assert go.wait(30)
            return value

        def work() -> None:
            (RunnableLambda(wait, name="old") | step("older")).invoke(value, config)
            done.set()

        started = threading.Event()
        threading.Thread(target=work).start()
        assert started.wait(30)
        return value

    handler = StreamingRunLogCallbackHandler()
    RunnableLambda(start, name="start").invoke("x", {"callbacks": [handler]})

    def finish(value: Any) -> Any:
        go.set()
        assert done.wait(30)
        return value

    RunnableLambda(finish, name="finish").invoke("y", {"callbacks": [handler]})

    first, second = state_of(handler.read()), state_of(handler.read())
    assert {"old", "older"} <= first["logs"].keys()
    assert (second["name"], second["logs"]) == ("finish", {})


def test_no_patch_of_any_thread_is_lost_and_all_fit_together() -> None:
    threads, times = 8, 10
    handler = StreamingRunLogCallbackHandler(auto_close=False)
    config: RunnableConfig = {"callbacks": [handler]}
    ready = threading.Barrier(threads)

    def work() -> None:
        ready.wait()
        for _ in range(times):
            question_chain(chat("a b c")).invoke(INPUT, config)

    async def main() -> list[RunLogPatch]:
        reading = asyncio.create_task(read_all(handler))
        await asyncio.gather(*(asyncio.to_thread(work) for _ in range(threads)))
        handler.send_stream.close()
        return await reading

    def fitted() -> ThreadPoolExecutor:
        return ThreadPoolExecutor(threads)

    async def with_threads() -> list[RunLogPatch]:
        asyncio.get_running_loop().set_default_executor(fitted())
        return await main()

    patches = asyncio.run(with_threads())

    logs = state_of(patches)["logs"].values()
    models = [entry for entry in logs if entry["name"] == "FakeChat"]
    assert len(models) == threads * times
    assert all(entry["end_time"] for entry in logs)
    assert all(entry["streamed_output_str"] == ["a ", "b ", "c", ""] for entry in models)


def test_threads_that_read_and_threads_that_write_do_not_disturb_each_other(
    busy_switching: None,
) -> None:
    handler = StreamingRunLogCallbackHandler(auto_close=False)
    config: RunnableConfig = {"callbacks": [handler]}
    patches: list[RunLogPatch] = []
    stop = threading.Event()

    def read() -> None:
        while not stop.is_set():
            patches.extend(handler.read())

    readers = [threading.Thread(target=read) for _ in range(3)]
    for reader in readers:
        reader.start()
    with ThreadPoolExecutor(4) as pool:
        done = [pool.submit(question_chain().invoke, INPUT, config) for _ in range(40)]
    stop.set()
    for reader in readers:
        reader.join()
    assert {future.result() for future in done} == {ANSWER}

    paths = paths_of([*patches, *handler.read()])
    assert paths.count("") == 1
    started = [path for path in paths if path.count("/") == 2]
    assert len(set(started)) == len(started) == 40 * 4 - 1
    ends = {f"{path}/end_time" for path in started}
    assert ends == {path for path in paths if path.endswith("/end_time")}


@pytest.fixture
def busy_switching() -> Iterator[None]:
    """Threads take turns as often as they can."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(interval)


class Collecting(deque[Any]):
    def append(self, item: Any) -> None:
        gc.collect()
        super().append(item)


def collect_and_tell() -> int:
    gc.collect()
    return time.time_ns()


@pytest.mark.parametrize(
    ("module", "name", "collecting"),
    [(streaming, "time_ns", collect_and_tell), (channel, "deque", Collecting)],
    ids=["handler", "channel"],
)
def test_the_garbage_collector_may_end_a_run_in_the_middle_of_an_event(
    monkeypatch: pytest.MonkeyPatch, module: Any, name: str, collecting: Any
) -> None:
    """A generator that is collected reports its end, wherever that happens to be."""
    monkeypatch.setattr(module, name, collecting)
    handler = StreamingRunLogCallbackHandler(auto_close=False)
    config: RunnableConfig = {"callbacks": [handler]}

    def work() -> None:
        for _ in range(2):
            stream = step("left").stream("x", config)
            next(stream)
            cycle: list[Any] = [stream]
            cycle.append(cycle)
            del stream, cycle
            step("after").invoke("x", config)

    gc.disable()
    try:
        thread = threading.Thread(target=work, daemon=True)
        thread.start()
        thread.join(30)
    finally:
        gc.enable()

    assert not thread.is_alive()
    ends = [path for path in paths_of(handler.read()) if path.endswith("/end_time")]
    assert len(ends) == 3


def test_a_handler_that_is_used_again_and_again_keeps_only_its_newest_log() -> None:
    handler = StreamingRunLogCallbackHandler()

    for _ in range(5):
        question_chain().invoke(INPUT, {"callbacks": [handler]})
        assert handler.read()

    gc.collect()
    logs = [found for found in gc.get_objects() if isinstance(found, LiveLog)]
    assert sum(log._includes == handler.include_run for log in logs) == 1


# --- Runs that nobody reports the end of ----------------------------------------------------------


class Hanging(FakeChat):
    """Gives a word, and then nothing for ever."""

    async def _astream(self, *args: Any, **kwargs: Any) -> AsyncIterator[Any]:
        async for chunk in super()._astream(*args, **kwargs):
            yield chunk
            await asyncio.Event().wait()


@tool
async def hanging_tool(query: str) -> str:
    """Never answer."""
    await asyncio.Event().wait()
    return query


UNTOLD: dict[str, Callable[[], Runnable[Any, Any]]] = {
    "model": lambda: Hanging(answers=["a b"]),
    "tool": lambda: hanging_tool,
    "chain": lambda: question_chain(Hanging(answers=["a b"])),
}
untold = pytest.mark.parametrize("make", UNTOLD.values(), ids=UNTOLD)


async def until_it_hangs(handler: StreamingRunLogCallbackHandler) -> list[RunLogPatch]:
    """What there is to read when all that can happen has happened."""
    for _ in range(50):
        await asyncio.sleep(0)
    patches = handler.read()
    assert patches
    return patches


@untold
def test_iterating_ends_when_the_task_of_the_root_is_cancelled(
    make: Callable[[], Runnable[Any, Any]],
) -> None:
    async def main() -> list[RunLogPatch]:
        handler = StreamingRunLogCallbackHandler()
        value: Any = INPUT if make is UNTOLD["chain"] else "x"
        work = asyncio.create_task(make().ainvoke(value, {"callbacks": [handler]}))
        patches = await until_it_hangs(handler)
        reading = asyncio.create_task(read_all(handler))
        await asyncio.sleep(0)
        work.cancel()
        return [*patches, *await reading]

    state = state_of(asyncio.run(main()))
    assert state["id"]


async def given_up(work: Awaitable[Any]) -> None:
    """Do the work in this task until all that can happen has happened, and then no more."""
    task = asyncio.current_task()
    assert task is not None

    async def cancel() -> None:
        for _ in range(50):
            await asyncio.sleep(0)
        task.cancel()

    cancelling = asyncio.create_task(cancel())
    with suppress(asyncio.CancelledError):
        await work
    await cancelling


@untold
def test_iterating_ends_when_the_root_was_given_up_and_its_task_goes_on_to_read(
    make: Callable[[], Runnable[Any, Any]],
) -> None:
    async def main() -> list[RunLogPatch]:
        handler = StreamingRunLogCallbackHandler()
        value: Any = INPUT if make is UNTOLD["chain"] else "x"

        async def work() -> list[RunLogPatch]:
            await given_up(make().ainvoke(value, {"callbacks": [handler]}))
            return [patch async for patch in handler]

        return await asyncio.wait_for(asyncio.create_task(work()), 30)

    assert state_of(asyncio.run(main()))["id"]


@untold
def test_iterating_ends_when_the_task_that_gave_the_root_up_ends(
    make: Callable[[], Runnable[Any, Any]],
) -> None:
    async def main() -> list[RunLogPatch]:
        handler = StreamingRunLogCallbackHandler()
        value: Any = INPUT if make is UNTOLD["chain"] else "x"
        work = given_up(make().ainvoke(value, {"callbacks": [handler]}))
        patches, _ = await asyncio.gather(read_all(handler), work)
        return patches

    assert state_of(asyncio.run(main()))["id"]


@untold
def test_iterating_ends_on_another_loop_when_the_roots_was_closed(
    make: Callable[[], Runnable[Any, Any]],
) -> None:
    handler = StreamingRunLogCallbackHandler()
    value: Any = INPUT if make is UNTOLD["chain"] else "x"

    async def main() -> None:
        work = asyncio.create_task(make().ainvoke(value, {"callbacks": [handler]}))
        for _ in range(50):
            await asyncio.sleep(0)
        assert not work.done()

    asyncio.run(main())

    assert state_of(asyncio.run(read_all(handler)))["id"]


def test_a_new_root_after_one_that_was_broken_off_begins_a_log() -> None:
    handler = StreamingRunLogCallbackHandler()

    async def main() -> None:
        work = asyncio.create_task(Hanging(answers=["a"]).ainvoke("x", {"callbacks": [handler]}))
        for _ in range(50):
            await asyncio.sleep(0)
        work.cancel()

    asyncio.run(main())
    broken_off = state_of(handler.read())
    step("next").invoke("x", {"callbacks": [handler]})

    complete = state_of(handler.read())
    assert (broken_off["name"], broken_off["end_time"]) == ("Hanging", None)
    assert (complete["name"], complete["final_output"]) == ("next", "x>next")


def test_a_stream_whose_steps_are_taken_by_several_tasks_is_read_to_its_end() -> None:
    async def main() -> list[RunLogPatch]:
        handler = StreamingRunLogCallbackHandler()
        reading = asyncio.create_task(read_all(handler))
        stream = chat("a b c").astream("x", {"callbacks": [handler]})
        with suppress(StopAsyncIteration):
            while True:
                await asyncio.create_task(anext_of(stream))
                for _ in range(10):
                    await asyncio.sleep(0)
        return await reading

    async def anext_of(stream: AsyncIterator[Any]) -> Any:
        return await stream.__anext__()

    state = state_of(asyncio.run(main()))
    assert "".join(chunk.content for chunk in state["streamed_output"]) == "a b c"
    assert state["end_time"]


# --- Beside others --------------------------------------------------------------------------------


@driven
def test_it_and_a_recording_of_the_same_chain_each_have_every_chunk_once(drive: Driver) -> None:
    def logged() -> list[str]:
        handler = StreamingRunLogCallbackHandler()
        drive(question_chain(), INPUT, {"callbacks": [handler]})
        return paths_of(handler.read())

    alone = logged()
    with pytest_runlog.record() as log:
        beside = logged()

    assert beside == alone
    chunks = [chunk.value for chunk in log.one(type="parser").chunks]
    assert "".join(chunks) == (ANSWER if drive in (DRIVERS["stream"], DRIVERS["astream"]) else "")
    assert len(log.one(type="chat_model").chunks) == 3


def test_it_does_not_change_the_order_in_which_a_recording_shows_runs() -> None:
    async def both(handlers: list[BaseCallbackHandler]) -> Any:
        async def ask(name: str) -> None:
            config: RunnableConfig = {"callbacks": [*handlers]}
            await (step(f"{name}1") | step(f"{name}2")).ainvoke("x", config)
            await step(f"{name}3").ainvoke("x", config)

        await asyncio.gather(ask("b"), ask("a"))

    def origins(*handlers: BaseCallbackHandler) -> list[list[Any]]:
        with pytest_runlog.record() as log:
            asyncio.run(both([*handlers]))
        starts = [event for event in log._journal.events() if isinstance(event, Start)]
        names = {start.number: start.name for start in starts}
        return [[start.name, names.get(start.previous or 0)] for start in starts]

    assert origins(StreamingRunLogCallbackHandler()) == origins()


def test_a_failure_inside_of_it_is_logged_and_does_not_reach_the_chain(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken() -> int:
        raise RuntimeError("a defect")

    handler = StreamingRunLogCallbackHandler()
    monkeypatch.setattr(streaming, "time_ns", broken)

    assert question_chain().invoke(INPUT, {"callbacks": [handler]}) == ANSWER

    assert "Error in StreamingRunLogCallbackHandler: RuntimeError('a defect')" in caplog.text
