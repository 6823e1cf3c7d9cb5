"""Recording in stream mode: LangChain streams, and nobody else misses anything."""

from __future__ import annotations

import asyncio
import re
import sys
from collections.abc import AsyncIterator, Callable
from typing import Any, cast

import pytest
from langchain_core.runnables import Runnable, RunnableConfig, RunnableGenerator

import pytest_runlog
from pytest_runlog import RunLogCapture, StreamingRunLogCallbackHandler
from pytest_runlog.defaults import Options
from support.chains import ANSWER, graph, question_chain
from support.doors import CASES, FAILING, INPUT, collect
from support.observed import BYSTANDERS, observe, shown
from support.patches import stock_handler

Driver = Callable[[Runnable[Any, Any], Any, RunnableConfig], Any]

pytestmark = [
    pytest.mark.filterwarnings("ignore:astream_log is deprecated"),
    pytest.mark.filterwarnings("ignore:astream_events version='v1' is deprecated"),
    pytest.mark.filterwarnings("ignore:.*MessageHistory.* (is|was) deprecated"),
    pytest.mark.filterwarnings("ignore:The (method .*_v3. is in beta|v3 streaming protocol)"),
]

DRIVERS: dict[str, Driver] = {
    "invoke": lambda chain, value, config: chain.invoke(value, config),
    "ainvoke": lambda chain, value, config: asyncio.run(chain.ainvoke(value, config)),
    "stream": lambda chain, value, config: list(chain.stream(value, config)),
    "astream": lambda chain, value, config: asyncio.run(collect(chain.astream(value, config))),
}
driven = pytest.mark.parametrize("drive", DRIVERS.values(), ids=DRIVERS)
OFTEN = 10
"""Where LangChain merges callback managers, chance decides which handler comes first."""


def chunks_of(log: RunLogCapture) -> dict[str, list[Any]]:
    return {run.path: [chunk.value for chunk in run.chunks] for run in log.runs}


@driven
def test_models_stream_whatever_the_chain_is_called_with(drive: Driver) -> None:
    with pytest_runlog.record() as by_default:
        drive(question_chain(), INPUT, {})
    with pytest_runlog.record(stream=True) as log:
        drive(question_chain(), INPUT, {})

    streamed = drive in (DRIVERS["stream"], DRIVERS["astream"])
    assert bool(by_default.one(type="chat_model").chunks) == streamed
    assert [chunk.content for chunk in chunks_of(log)["RunnableSequence/FakeChat"]] == [
        "JSON ",
        "Patch",
        "",
    ]
    assert log.one(type="chat_model").ttft is not None


@driven
@pytest.mark.parametrize("chunks", [True, False])
def test_each_chunk_is_recorded_once(drive: Driver, chunks: bool) -> None:
    with pytest_runlog.record(options=Options(chunks=chunks, stream=True)) as log:
        drive(question_chain(), INPUT, {})

    streamed = drive in (DRIVERS["stream"], DRIVERS["astream"])
    found = chunks_of(log)
    assert "".join(found["RunnableSequence/StrOutputParser"]) == (ANSWER if streamed else "")
    assert "".join(found["RunnableSequence"]) == (ANSWER if streamed else "")
    assert len(found["RunnableSequence/FakeChat"]) == 3


@pytest.mark.parametrize(
    "drive", [DRIVERS["ainvoke"], DRIVERS["astream"]], ids=["ainvoke", "astream"]
)
@pytest.mark.parametrize("chunks", [True, False])
def test_chunks_of_a_graphs_nodes_are_recorded_once(drive: Driver, chunks: bool) -> None:
    with pytest_runlog.record() as by_default:
        drive(graph(), {"question": "?"}, {})
    with pytest_runlog.record(options=Options(chunks=chunks, stream=True)) as log:
        drive(graph(), {"question": "?"}, {})

    node = log.find("answer", tag="graph:step:*")[0]
    assert [chunk.value for chunk in node.chunks] == [node.output]
    assert by_default.find("answer", tag="graph:step:*")[0].chunks == []


WATCHED = {name for name in CASES if re.search("astream_events|astream_log|events_of", name)}
"""Cases in which a streaming handler of LangChain's gives what the chain gives."""

OUT_OF_REACH = (
    {"async_agent", "async_messages_of_an_agent"} if sys.version_info < (3, 11) else set[str]()
)
"""Models run in tasks to which LangChain cannot pass a handler there, but ours reaches them."""


@pytest.mark.parametrize("name", sorted(CASES.keys() - WATCHED - FAILING - OUT_OF_REACH))
def test_a_chain_gives_what_it_gives_to_langchains_own_streaming_handler(name: str) -> None:
    def beside_theirs(config: RunnableConfig) -> Any:
        return CASES[name]({"callbacks": [stock_handler()]})

    theirs = observe(beside_theirs).outcome
    with pytest_runlog.record(stream=True) as log:
        ours = observe(CASES[name]).outcome

    assert ours == theirs
    assert log.runs
    assert log.failures == []


@pytest.mark.parametrize("name", sorted(WATCHED))
def test_streaming_handlers_of_others_miss_nothing(name: str) -> None:
    def outcome() -> list[str]:
        given = observe(CASES[name]).outcome
        return sorted(given) if "graph" in name else given

    alone = outcome()
    for _ in range(OFTEN):
        with pytest_runlog.record(stream=True) as log:
            assert outcome() == alone
        assert log.failures == []


@pytest.mark.parametrize("name", ["inner_astream_events_v2", "inner_astream_log"])
def test_what_others_are_shown_is_recorded_too(name: str) -> None:
    for _ in range(OFTEN):
        with pytest_runlog.record(stream=True) as log:
            observe(CASES[name])
        (parser,) = log.find(type="parser")
        assert "".join(chunk.value for chunk in parser.chunks) == ANSWER


@driven
def test_a_streaming_handler_of_ours_misses_nothing_either(drive: Driver) -> None:
    def logged() -> list[Any]:
        handler = StreamingRunLogCallbackHandler()
        drive(question_chain(), INPUT, {"callbacks": [handler]})
        return [
            (operation["path"], shown(operation["value"]))
            for patch in handler.read()
            for operation in patch.ops
        ]

    alone = logged()
    with pytest_runlog.record(stream=True) as log:
        beside = logged()

    assert [path for path, _ in beside] == [path for path, _ in alone]
    assert beside == alone
    streamed = drive in (DRIVERS["stream"], DRIVERS["astream"])
    assert "".join(chunks_of(log)["RunnableSequence"]) == (ANSWER if streamed else "")


@pytest.mark.parametrize("drive", [DRIVERS["stream"], DRIVERS["astream"]], ids=["sync", "async"])
def test_a_handler_that_comes_after_the_recorder_is_tapped_in_its_stead(drive: Driver) -> None:
    def chunks(*handlers: Any) -> list[Any]:
        stock = stock_handler()
        drive(question_chain(), INPUT, {"callbacks": [*handlers, stock]})
        return [op["value"] for patch in stock.patches for op in patch.ops if is_parsed(op)]

    def is_parsed(operation: dict[str, Any]) -> bool:
        return bool(operation["path"] == "/logs/StrOutputParser/streamed_output/-")

    alone = chunks()
    with pytest_runlog.record(stream=True) as log:
        recorder = cast("list[Any]", log.config()["callbacks"])[0]
        beside = chunks(recorder)

    assert beside == alone
    assert "".join(alone) == "".join(chunks_of(log)["RunnableSequence/StrOutputParser"]) == ANSWER


def test_a_stream_that_is_closed_early_closes_what_is_tapped_for_another_handler() -> None:
    async def closed_in_time(*handlers: Any) -> bool:
        closed = False

        async def words(chunks: AsyncIterator[Any]) -> AsyncIterator[str]:
            nonlocal closed
            try:
                yield "a"
                yield "b"
            finally:
                closed = True

        stream: Any = RunnableGenerator(words).astream("x", {"callbacks": [*handlers]})
        await stream.__anext__()
        await stream.aclose()
        return closed

    stock = stock_handler()
    assert asyncio.run(closed_in_time(stock))
    with pytest_runlog.record(stream=True) as log:
        recorder = cast("list[Any]", log.config()["callbacks"])[0]
        assert asyncio.run(closed_in_time(recorder, stock))


# --- Captures beside and within each other --------------------------------------------------------


def test_langchain_streams_while_any_open_capture_asks_for_it() -> None:
    def streams() -> bool:
        with pytest_runlog.record(options=Options()) as log:
            question_chain().invoke(INPUT)
        return bool(log.one(type="chat_model").chunks)

    seen = [streams()]
    with pytest_runlog.record(stream=True):
        seen.append(streams())
        with pytest_runlog.record(stream=False):
            seen.append(streams())
    seen.append(streams())
    with pytest_runlog.record(stream=False), pytest_runlog.record(stream=True):
        seen.append(streams())

    assert seen == [False, True, True, False, True]


def test_a_section_streams_as_the_recording_that_it_is_a_section_of() -> None:
    with pytest_runlog.record(stream=True) as log, log.capture() as part:
        question_chain().invoke(INPUT)

    assert len(part.one(type="chat_model").chunks) == 3
    assert chunks_of(part) == chunks_of(log)


def test_captures_of_both_kinds_record_the_same() -> None:
    with (
        pytest_runlog.record(stream=True) as outer,
        pytest_runlog.record(stream=False) as inner,
    ):
        list(question_chain().stream(INPUT))

    assert chunks_of(outer) == chunks_of(inner)
    assert "".join(chunks_of(inner)["RunnableSequence"]) == ANSWER


def test_handlers_that_are_passed_by_hand_record_each_chunk_once() -> None:
    with pytest_runlog.record(stream=True) as log:
        list(question_chain().stream(INPUT, log.config()))

    assert "".join(chunks_of(log)["RunnableSequence/StrOutputParser"]) == ANSWER


def test_the_order_of_runs_is_that_of_any_recording() -> None:
    def names(**options: Any) -> list[str]:
        with pytest_runlog.record(**options) as log:
            for chain in (question_chain(), graph()):
                chain.invoke({"question": "?"})
        return log.names

    assert names(stream=True) == names()


@pytest.mark.parametrize("bystander", BYSTANDERS)
def test_other_handlers_are_told_what_they_are_told_beside_langchains_own(bystander: str) -> None:
    def beside_theirs(config: RunnableConfig) -> Any:
        callbacks: list[Any] = [*cast("list[Any]", config.get("callbacks") or []), stock_handler()]
        return question_chain().invoke(INPUT, {"callbacks": callbacks})

    theirs = observe(beside_theirs, BYSTANDERS[bystander]).events
    with pytest_runlog.record(stream=True):
        ours = observe(lambda config: question_chain().invoke(INPUT, config), BYSTANDERS[bystander])

    assert ours.events == theirs
