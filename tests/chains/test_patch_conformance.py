"""RunLog patches say what LangChain's own run logs say, and where they differ, why."""

from __future__ import annotations

import asyncio
import inspect
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import jsonpatch
import pytest
from langchain_core.load import dumpd
from langchain_core.messages import AIMessage
from langchain_core.outputs import ChatGenerationChunk
from langchain_core.runnables import Runnable, RunnableConfig
from langchain_core.tracers.log_stream import RunLogPatch

import pytest_runlog
from support.chains import QUESTION, agent, question_chain, retriever, search
from support.doors import CASES, INPUT, RACING, TASK, collect, falling_back, step
from support.models import FakeChat, chat, completion
from support.observed import Bystander, observe
from support.patches import (
    ADDED_TO_ENTRIES,
    ADDED_TO_ROOTS,
    SCHEMAS,
    Entry,
    Schema,
    StockHandler,
    by_run,
    comparable,
    entries,
    entries_of_log,
    is_chunk,
    is_node,
    joined,
    patches_of,
    stock_handler,
    streamed_state,
    stripped,
    without,
    without_node_chunks,
)
from support.programs import COMPOSED, FAILING, GRAPHS, UNSTREAMED, Program, always, to, yielding
from support.versions import HAS_V3_EVENTS

if TYPE_CHECKING:
    from pytest_runlog import Run, RunLogCapture

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
RUNNABLES = {**COMPOSED, **FAILING}
PROGRAMS = {
    **RUNNABLES,
    **{f"{name} alone": program for name, program in UNSTREAMED.items()},
    **GRAPHS,
}
DOORS = {**CASES, **RACING}
IN_V3 = {name for name in DOORS if name.endswith("_v3")}

driven = pytest.mark.parametrize("drive", DRIVERS.values(), ids=DRIVERS)
in_both_schemas = pytest.mark.parametrize("schema", SCHEMAS)


def programs(table: dict[str, Program]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("program", table.values(), ids=table)


def run(program: Program, drive: Driver, *handlers: Any) -> Any:
    """What the chain gives, or what it fails with."""
    try:
        # Completion models fail if the list is there and empty.
        config: RunnableConfig = {"callbacks": [*handlers]} if handlers else {}
        return drive(program.make(), program.value, config)
    except Exception as error:
        return error


PASSES_PARENTS = sys.version_info >= (3, 11)
"""Before, LangChain cannot pass its handlers through a task that it creates."""


def assert_says_the_same(ours: list[Entry], stock: StockHandler, log: RunLogCapture) -> None:
    """Of every run that is not a root: LangChain's handler takes a second root for an entry."""
    roots = {str(root.id) for root in log.roots}
    theirs = by_run(
        entry for entry in without_node_chunks(entries(stock.patches)) if entry.run_id not in roots
    )
    found = by_run(ours)
    assert stock.patches
    assert {key: found[key] for key in found if PASSES_PARENTS or key in theirs} == theirs


# --- LangChain's handler on the same run ---------------------------------------------------------


@in_both_schemas
@driven
@programs(PROGRAMS)
def test_langchains_handler_on_the_same_run_says_the_same_of_each_run(
    program: Program, drive: Driver, schema: Schema
) -> None:
    stock = stock_handler(schema)

    with pytest_runlog.record() as log:
        run(program, drive, stock)

    assert_says_the_same(entries(patches_of(log, schema)), stock, log)


@driven
@programs({name: program for name, program in RUNNABLES.items() if not program.races})
def test_where_nothing_races_it_says_it_in_the_same_order_and_with_the_same_keys(
    program: Program, drive: Driver
) -> None:
    stock = stock_handler()

    with pytest_runlog.record() as log:
        run(program, drive, stock)

    assert entries(log.root.patches) == entries(stock.patches)


def enter(door: str, *handlers: Any) -> None:
    """Run a chain by a door; what it fails with does not matter here."""
    with suppress(Exception, asyncio.CancelledError, KeyboardInterrupt, SystemExit):
        result = DOORS[door]({"callbacks": [*handlers]})
        if inspect.iscoroutine(result):
            asyncio.run(result)


@in_both_schemas
@pytest.mark.parametrize("door", sorted(DOORS.keys() - IN_V3))
def test_it_says_the_same_by_whichever_door_a_chain_is_entered(door: str, schema: Schema) -> None:
    stock = stock_handler(schema)

    with pytest_runlog.record() as log:
        enter(door, stock)

    assert_says_the_same(entries(patches_of(log, schema)), stock, log)


# --- astream_log on the same run -----------------------------------------------------------------


def root_of(log: RunLogCapture, state: dict[str, Any]) -> Run:
    (root,) = log.find(where=lambda run: str(run.id) == state["id"])
    return root


@pytest.mark.parametrize("name", RUNNABLES)
def test_the_last_state_of_astream_log_is_ours_but_for_what_we_add(name: str) -> None:
    program = RUNNABLES[name]

    with pytest_runlog.record() as log:
        state, error = streamed_state(program.make(), program.value)

    ours: Any = root_of(log, state).state
    assert comparable(stripped(ours)) == comparable(state)
    assert ours["logs"].keys() == state["logs"].keys()
    assert (error is not None) == (name in FAILING)


@programs(PROGRAMS)
def test_a_state_has_what_we_add_and_nothing_else(program: Program) -> None:
    with pytest_runlog.record() as log:
        state, _ = streamed_state(program.make(), program.value)

    ours: Any = root_of(log, state).state
    assert ours.keys() == state.keys() | ADDED_TO_ROOTS
    for entry, theirs in zip(ours["logs"].values(), state["logs"].values(), strict=True):
        assert entry.keys() == theirs.keys() | ADDED_TO_ENTRIES


# --- What the chain itself gave ------------------------------------------------------------------


FAILING_WHEN_INVOKED = {
    *FAILING,
    *["graph that fails", "agent that fails"],
    *["nothing", "streamed json that is none"],  # a parser takes no nothing
}


@pytest.mark.parametrize("door", ["stream", "astream"])
@programs(COMPOSED)
def test_a_root_streamed_what_its_caller_got(program: Program, door: str) -> None:
    with pytest_runlog.record() as log:
        given = run(program, DRIVERS[door])

    assert log.root.state["streamed_output"] == given


@pytest.mark.parametrize("door", ["invoke", "ainvoke"])
@pytest.mark.parametrize("name", sorted(PROGRAMS.keys() - FAILING_WHEN_INVOKED))
def test_a_root_ended_with_what_its_caller_got(name: str, door: str) -> None:
    with pytest_runlog.record() as log:
        given = run(PROGRAMS[name], DRIVERS[door])

    assert log.roots[0].state["final_output"] == given


@pytest.mark.parametrize("name", ["branch to a model", "fallbacks of a model"])
def test_what_another_handler_makes_a_model_stream_is_not_what_the_root_streamed(name: str) -> None:
    with pytest_runlog.record() as log:
        message = run(COMPOSED[name], DRIVERS["invoke"], stock_handler())

    assert [str(chunk.value.content) for chunk in log.models[-1].chunks] == ["hello ", "there", ""]
    assert log.root.state["streamed_output"] == []
    assert log.root.state["final_output"] == message


def test_nor_is_it_if_the_model_fails_part_way() -> None:
    with pytest_runlog.record() as log:
        run(FAILING["branch to a model alone that breaks"], DRIVERS["invoke"], stock_handler())

    assert [str(chunk.value.content) for chunk in log.models[-1].chunks] == ["one ", "two "]
    assert log.root.state["streamed_output"] == []


class Refused(Exception):
    """An error with the response of a provider, which LangChain adds to what was generated."""

    response = SimpleNamespace(status_code=500, headers={}, json=dict)


class Refusing(FakeChat):
    """Fails so when it has streamed a word."""

    def _stream(self, *args: Any, **kwargs: Any) -> Iterator[ChatGenerationChunk]:
        yield next(super()._stream(*args, **kwargs))
        raise Refused


def test_what_a_branch_streamed_until_its_provider_refused_is_what_the_root_streamed() -> None:
    given: list[Any] = []

    with pytest_runlog.record() as log, suppress(Refused):
        given.extend(to(Refusing(answers=["hello there"])).stream("x"))

    assert [str(chunk.content) for chunk in given] == ["hello "]
    assert log.root.state["streamed_output"] == given


# --- What cannot be known from callbacks ---------------------------------------------------------


@pytest.mark.parametrize(
    ("door", "at_the_end"), [("stream", ["hello ", "there", ""]), ("invoke", [])]
)
@pytest.mark.parametrize("name", ["branch to a model", "fallbacks of a model"])
def test_nobody_is_told_whether_a_model_is_streamed_until_it_ends(
    name: str, door: str, at_the_end: list[str]
) -> None:
    # So what it reports counts as the root's while it runs, as it is if the root is streamed.
    with pytest_runlog.record() as log:
        reader = Reader(log)
        run(COMPOSED[name], DRIVERS[door], reader, stock_handler())

    def streamed_in(patches: list[RunLogPatch]) -> list[str]:
        return [str(chunk.content) for chunk in applied(patches)["streamed_output"]]

    in_between = map(streamed_in, reader.read[str(log.root.id)])
    assert max(in_between, key=len) == ["hello ", "there", ""]
    assert streamed_in(log.root.patches) == at_the_end


@programs(UNSTREAMED)
def test_nobody_is_told_whether_a_root_that_does_not_stream_is_streamed(program: Program) -> None:
    # `stream` calls `invoke` and yields what it gives, outside of any callback.
    with pytest_runlog.record() as log:
        state, _ = streamed_state(program.make(), program.value)

    ours = comparable(stripped(root_of(log, state).state))
    theirs = comparable(state)
    assert (ours.pop("streamed_output"), ours.pop("final_output")) == ([], log.root.output)
    assert theirs.pop("streamed_output") != []
    assert theirs.pop("final_output") == log.root.output
    assert ours == theirs


@pytest.mark.parametrize("where", ["in the chain", "in the config"])
def test_fallbacks_by_another_name_are_not_known_to_be_fallbacks(where: str) -> None:
    # They have the name to tell them by; and what they call may name no parent (langchain#36072).
    named: RunnableConfig = {"run_name": "named"}
    chain = falling_back().with_config(named) if where == "in the chain" else falling_back()

    with pytest_runlog.record() as log:
        state, _ = streamed_state(chain, INPUT, named if where == "in the config" else None)

    assert log.roots.names == ["named"]
    assert state["streamed_output"] == ["JSON ", "Patch", ""]
    assert root_of(log, state).state["streamed_output"] == []
    assert root_of(log, state).state["final_output"] == state["final_output"]


@programs(GRAPHS)
def test_what_langgraph_streams_is_shown_to_streaming_handlers_only(program: Program) -> None:
    with pytest_runlog.record() as log:
        state, _ = streamed_state(program.make(), program.value)

    root = root_of(log, state)
    ours = comparable(stripped(root.state))
    theirs = comparable(state)
    nodes = [key for key, entry in theirs["logs"].items() if "graph:step:" in str(entry["tags"])]
    finished = [
        entry for key, entry in ours["logs"].items() if key in nodes and entry["final_output"]
    ]
    assert nodes
    for node in nodes:
        chunks = theirs["logs"][node].pop("streamed_output")
        assert bool(chunks) == (ours["logs"][node] in finished)
        assert ours["logs"][node].pop("streamed_output") == []
    if theirs["name"] == "LangGraph":
        assert ours.pop("streamed_output") == []
        assert ours.pop("final_output") == root.output
        updates = {node for update in theirs.pop("streamed_output") for node in update}
        assert updates == {entry["name"] for entry in finished}
        assert theirs.pop("final_output") != root.output or not finished
    assert ours == theirs


@pytest.mark.parametrize("drive", [DRIVERS["invoke"], DRIVERS["stream"]], ids=["invoke", "stream"])
@programs(GRAPHS)
def test_langgraph_shows_nobody_the_chunks_of_nodes_unless_it_is_async(
    program: Program, drive: Driver
) -> None:
    stock = stock_handler()

    with pytest_runlog.record() as log:
        run(program, drive, stock)

    seen = entries(stock.patches)
    assert any(is_node(entry) for entry in seen)
    assert without_node_chunks(seen) == seen
    assert_says_the_same(entries(patches_of(log)), stock, log)


@pytest.mark.skipif(not HAS_V3_EVENTS, reason="this langchain-core has no v3 events")
@pytest.mark.parametrize("door", sorted(IN_V3))
def test_v3_events_are_chunks_that_langchains_handler_does_not_know(door: str) -> None:
    stock = stock_handler()

    with pytest_runlog.record() as log:
        enter(door, stock)

    ours = entries(patches_of(log))
    events = [entry for entry in ours if is_chunk(entry) and "event" in entry.operations[0][2]]
    assert bool(events) == (log.models[0].parent is not None)
    assert_says_the_same([entry for entry in ours if entry not in events], stock, log)


# --- Where LangChain's handler is wrong ----------------------------------------------------------


def both_logs(
    chain: Runnable[Any, Any], value: Any = "x", schema: Schema = "original", *, copies: bool = True
) -> tuple[Run, StockHandler]:
    """Invoke a chain with LangChain's handler; its root, and the handler."""
    stock = stock_handler(schema, copies=copies)
    with pytest_runlog.record() as log:
        chain.invoke(value, {"callbacks": [stock]})
    return log.root, stock


def applied(patches: list[RunLogPatch]) -> Any:
    return jsonpatch.apply_patch(None, joined(patches).ops)


@pytest.mark.parametrize("name", ["a/b", "a~b"])
def test_a_name_that_is_a_path_makes_langchains_patches_inapplicable(name: str) -> None:
    root, stock = both_logs(step(name) | step("a"))

    with pytest.raises((jsonpatch.JsonPatchConflict, jsonpatch.JsonPointerException)):
        applied(stock.patches)
    assert list(applied(root.patches)["logs"]) == [name, "a"]
    assert applied(root.patches) == root.state


def test_a_name_that_leads_into_another_entry_overwrites_that_in_langchains_log() -> None:
    root, stock = both_logs(step("a") | step("a/final_output"))

    (entry,) = applied(stock.patches)["logs"].values()
    assert entry["final_output"]["name"] == "a/final_output"
    assert [entry["final_output"] for entry in root.state["logs"].values()] == [
        {"output": "x>a"},
        {"output": "x>a>a/final_output"},
    ]


def test_names_that_look_like_keys_share_them_in_langchains_log() -> None:
    root, stock = both_logs(step("x:2") | step("x") | step("x"))

    assert list(applied(stock.patches)["logs"]) == ["x:2", "x"]
    assert list(root.state["logs"]) == ["x:2", "x", "x:3"]


def test_a_chunk_that_the_chain_changes_later_changes_in_langchains_log() -> None:
    def change(value: dict[str, list[str]]) -> str:
        value["seen"].append("later")
        return "done"

    stock = stock_handler(copies=False)

    with pytest_runlog.record() as log:
        list((yielding({"seen": []}) | change).stream("x", {"callbacks": [stock]}))

    entry: Any = log.root.state["logs"]["yielding"]
    assert applied(stock.patches)["logs"]["yielding"]["streamed_output"] == [{"seen": ["later"]}]
    assert entry["streamed_output"] == [{"seen": []}]


def test_messages_that_an_agent_changes_later_change_in_langchains_log() -> None:
    stock = stock_handler(copies=False)

    with pytest_runlog.record() as log:
        agent().invoke(TASK, {"callbacks": [stock]})

    theirs = applied(stock.patches)["logs"]["search"]["final_output"]
    ours: Any = log.root.state["logs"]["search"]["final_output"]
    assert theirs["output"].id is not None
    assert ours["output"].id is None


def test_a_dict_that_looks_like_a_message_becomes_one_in_langchains_log() -> None:
    dumped = dumpd(AIMessage("hi"))

    root, stock = both_logs(always(dumped) | step("a"))

    assert applied(stock.patches)["logs"]["always"]["final_output"] == AIMessage("hi")
    assert root.state["logs"]["always"]["final_output"] == dumped


def test_a_run_whose_output_json_cannot_hold_never_ends_in_langchains_log() -> None:
    model = chat(AIMessage("hi", additional_kwargs={"of": {1}}), disable_streaming=True)

    root, stock = both_logs(question_chain(model), INPUT)

    assert applied(stock.patches)["logs"]["FakeChat"]["end_time"] is None
    entry: Any = root.state["logs"]["FakeChat"]
    assert entry["end_time"] is not None
    (((generation,),),) = [entry["final_output"]["generations"]]
    assert generation["message"].additional_kwargs == {"of": {1}}


def test_a_run_whose_output_contains_itself_never_ends_in_langchains_log() -> None:
    output: dict[str, Any] = {}
    output["self"] = output

    root, stock = both_logs(always(output) | (lambda value: "done"))

    assert applied(stock.patches)["logs"]["always"]["end_time"] is None
    entry: Any = root.state["logs"]["always"]
    assert entry["end_time"] is not None
    assert list(entry["final_output"]["self"]["self"]) == ["self"]


def test_tuples_in_a_message_are_lists_in_langchains_log() -> None:
    model = chat(AIMessage("hi", additional_kwargs={"of": (1, 2)}), disable_streaming=True)

    root, stock = both_logs(question_chain(model), INPUT)

    def message(state: Any) -> Any:
        return state["logs"]["FakeChat"]["final_output"]["generations"][0][0]["message"]

    assert message(applied(stock.patches)).additional_kwargs == {"of": [1, 2]}
    assert message(root.state).additional_kwargs == {"of": (1, 2)}


def test_the_second_root_is_an_entry_of_the_first_in_langchains_log() -> None:
    stock = stock_handler()

    with pytest_runlog.record() as log:
        for value in "xy":
            step("a").invoke(value, {"callbacks": [stock]})

    assert list(applied(stock.patches)["logs"]) == ["a"]
    assert [root.state["logs"] for root in log.roots] == [{}, {}]
    assert [root.state["final_output"] for root in log.roots] == ["x>a", "y>a"]


def test_astream_log_goes_on_with_what_a_none_has_replaced() -> None:
    # It writes the difference of two outputs, and takes the one before for None, too.
    with pytest_runlog.record() as log:
        state, _ = streamed_state(yielding("a", None), "x")

    assert (state["streamed_output"], state["final_output"]) == (["a", None], "a")
    assert log.root.state["streamed_output"] == ["a", None]
    assert log.root.state["final_output"] is log.root.output is None


# --- Filters -------------------------------------------------------------------------------------


def labelled() -> Runnable[Any, Any]:
    """A chain with runs of all types, and two runs of some names."""
    return (
        always(QUESTION)
        | retriever().with_config(tags=["mine", "found"])
        | (lambda documents: documents[0].page_content)
        | search.with_config(metadata={"a": 1})
        | (lambda text: {"question": text})
        | question_chain().with_config(tags=["mine"], run_name="named")
        | question_chain(completion()).with_config(run_name="named")
        | step("last")
    )


FILTERS: list[dict[str, Any]] = [
    {"include_names": ["FakeChat", "last"]},
    {"include_names": ["nobody"]},
    {"include_names": []},
    {"include_types": ["llm", "tool"]},
    {"include_types": ["retriever"]},
    {"include_types": []},
    {"include_tags": ["mine"]},
    {"include_tags": ["seq:step:1", "found"]},
    {"include_tags": []},
    {"exclude_names": ["RunnableLambda", "named"]},
    {"exclude_names": []},
    {"exclude_types": ["chain"]},
    {"exclude_types": ["llm", "prompt", "parser"]},
    {"exclude_tags": ["mine", "seq:step:2"]},
    {"exclude_tags": []},
    {"include_names": ["named"], "include_types": ["tool"], "include_tags": ["found"]},
    {"include_names": ["named"], "exclude_tags": ["mine"]},
    {"include_types": ["llm"], "exclude_names": ["FakeChat"]},
    {"include_tags": ["mine"], "exclude_types": ["chain"]},
    {},
]


@pytest.mark.parametrize(
    "drive", [DRIVERS["invoke"], DRIVERS["astream"]], ids=["invoke", "astream"]
)
@pytest.mark.parametrize("filters", FILTERS, ids=str)
def test_a_filtered_log_has_what_langchains_handler_with_these_filters_has(
    filters: dict[str, Any], drive: Driver
) -> None:
    stock = stock_handler(**filters)

    with pytest_runlog.record() as log:
        drive(labelled(), "x", {"callbacks": [stock]})

    filtered = log.root.filtered_log(**filters)
    assert entries_of_log(filtered) == entries_of_log(joined(stock.patches))
    assert filtered.state == applied([filtered])
    assert without(dict(filtered.state), {"logs"}) == without(dict(log.root.state), {"logs"})


# --- jsonpatch -----------------------------------------------------------------------------------


@programs({**PROGRAMS, "names": Program(lambda: step("a/b") | step("a~1") | step("a~0/:2"), "x")})
def test_jsonpatch_makes_of_the_patches_what_we_make_of_them(program: Program) -> None:
    with pytest_runlog.record() as log:
        run(program, DRIVERS["astream"])

    assert log.roots
    for root in log.roots:
        state = None
        for length, patch in enumerate(root.patches, 1):
            state = jsonpatch.apply_patch(state, patch.ops)
            assert state == root.state_at(length)
        assert applied(root.patches) == root.state == root.log.state
        assert joined(root.patches).ops == root.log.ops


def test_applying_patches_changes_nothing_of_ours() -> None:
    with pytest_runlog.record() as log:
        run(COMPOSED["sequence"], DRIVERS["stream"])
    before = str(log.root.patches)

    for _ in range(2):
        assert applied(log.root.patches) == log.root.state
        assert applied([log.root.log]) == log.root.state
    assert str(log.root.patches) == before


# --- Reading while a chain runs ------------------------------------------------------------------


class Reader(Bystander):
    """A handler of the user's that reads the patches at each event."""

    def __init__(self, log: RunLogCapture) -> None:
        super().__init__()
        self.log = log
        self.read: dict[str, list[list[RunLogPatch]]] = {}

    def note(self, event: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        super().note(event, args, kwargs)
        for root in self.log.roots:
            self.read.setdefault(str(root.id), []).append(root.patches)
            assert root.state_at(len(self.read[str(root.id)][-1])) == root.log.state


@pytest.mark.parametrize("name", DOORS)
def test_a_chain_looks_the_same_while_its_patches_are_read(name: str) -> None:
    without_recording = observe(DOORS[name], Bystander)

    with pytest_runlog.record() as log:
        recorded = observe(DOORS[name], lambda: Reader(log))

    if name in RACING:
        recorded, without_recording = recorded.in_any_order(), without_recording.in_any_order()
    assert recorded == without_recording
    assert log.roots[0].patches
    assert log.failures == []


@driven
@programs(PROGRAMS)
def test_what_is_read_while_a_chain_runs_is_the_beginning_of_what_there_is_at_the_end(
    program: Program, drive: Driver
) -> None:
    with pytest_runlog.record() as log:
        reader = Reader(log)
        run(program, drive, reader)

    assert reader.read
    for root in log.roots:
        for patches in reader.read.get(str(root.id), []):
            assert root.patches[: len(patches)] == patches
