"""LangChain's own run logs, as oracles for ours, and what of both is compared."""

from __future__ import annotations

import asyncio
import copy
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import pytest
from langchain_core.tracers.log_stream import LogStreamCallbackHandler, RunLogPatch

from pytest_runlog.model.log import rootlog
from pytest_runlog.model.log.patches import LogWriter, Shown

if TYPE_CHECKING:
    from typing import TypeAlias

    from langchain_core.runnables import Runnable, RunnableConfig

    from pytest_runlog import RunLogCapture

Schema = Literal["original", "streaming_events"]
SCHEMAS: tuple[Schema, ...] = ("original", "streaming_events")
"""The formats of LangChain's handler: that of `astream_log`, and that of `astream_events`."""

ADDED_TO_ROOTS = {"inputs", "start_time", "end_time", "error", "tags", "metadata"}
ADDED_TO_ENTRIES = {"parent_id", "error"}
"""What our logs say and LangChain's do not."""

Operation: TypeAlias = "tuple[str, str, Any]"
"""Operation, path within the entry, and value; times are not compared."""


class Entry(NamedTuple):
    """A patch about a run that is not the root."""

    run_id: str
    key: str
    operations: list[Operation]


class StockHandler(LogStreamCallbackHandler):
    """LangChain's handler, which keeps the patches that it sends.

    It keeps copies, unless told not to: what it sends belongs to the chain, which may change it.
    """

    def __init__(self, schema: Schema, *, copies: bool, inline: bool, **filters: Any) -> None:
        super().__init__(auto_close=False, _schema_format=schema, **filters)
        self.copies = copies
        self.run_inline = inline
        self.patches: list[RunLogPatch] = []

    def send(self, *ops: dict[str, Any]) -> bool:
        self.patches.append(RunLogPatch(*(copy.deepcopy(ops) if self.copies else ops)))
        return True


def stock_handler(
    schema: Schema = "original", *, copies: bool = True, inline: bool = False, **filters: Any
) -> StockHandler:
    """LangChain's handler. Where no event loop runs it would make one, and not close it.

    Unless it is called `inline`, it is not told what happens when a task is cancelled.
    """

    async def create() -> StockHandler:
        return StockHandler(schema, copies=copies, inline=inline, **filters)

    return asyncio.run(create())


def streamed_state(
    chain: Runnable[Any, Any], value: Any, config: RunnableConfig | None = None
) -> tuple[dict[str, Any], Exception | None]:
    """The last state that `astream_log` gives, and what it failed with.

    Its handler, too, is made to send copies.
    """
    send = LogStreamCallbackHandler.send

    def send_copies(handler: LogStreamCallbackHandler, *ops: dict[str, Any]) -> bool:
        return send(handler, *copy.deepcopy(ops))

    async def last() -> tuple[dict[str, Any], Exception | None]:
        state: dict[str, Any] = {}
        try:
            async for log in chain.astream_log(value, config, diff=False):
                state = {**log.state}
        except Exception as error:
            return state, error
        return state, None

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(LogStreamCallbackHandler, "send", send_copies)
        return asyncio.run(last())


def patches_of(log: RunLogCapture, schema: Schema = "original") -> list[RunLogPatch]:
    """The patches of every root; a root's own are in the original format."""
    if schema == "original":
        return [patch for root in log.roots for patch in root.patches]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rootlog, "LogWriter", partial(LogWriter, schema))
        logs = [root._own_log for root in log.roots]
        return [RunLogPatch(*ops) for log in logs if log for ops in log.shown(Shown())]


def entries(patches: Iterable[RunLogPatch]) -> list[Entry]:
    """The patches about runs that are not the root, without what LangChain's do not have."""
    found = []
    ids: dict[str, str] = {}
    for patch in patches:
        parts = [operation["path"].split("/", 3) for operation in patch.ops]
        if parts[0][1:2] != ["logs"]:
            continue
        (key,) = {part[2] for part in parts}
        if len(parts[0]) == 3:
            ids[key] = patch.ops[0]["value"]["id"]
        operations = [
            _comparable_operation(operation["op"], "".join(part[3:]), operation["value"])
            for operation, part in zip(patch.ops, parts)
            if part[3:] != ["error"]
        ]
        found.append(Entry(ids[key], key, operations))
    return found


def joined(patches: Iterable[RunLogPatch]) -> RunLogPatch:
    """All operations of the patches as one patch."""
    return RunLogPatch(*(operation for patch in patches for operation in patch.ops))


def entries_of_log(log: RunLogPatch) -> list[Entry]:
    """The same of a log, in which each operation is alone: it no longer has patches."""
    return [entry for entry in entries(map(RunLogPatch, log.ops)) if entry.operations]


def by_run(patches: Iterable[Entry]) -> dict[str, list[list[Operation]]]:
    """The operations by the ids of the runs: which key a run has is chance's where runs race."""
    runs: dict[str, list[list[Operation]]] = {}
    for entry in patches:
        runs.setdefault(entry.run_id, []).append(entry.operations)
    return runs


def without_node_chunks(patches: Sequence[Entry]) -> list[Entry]:
    """The patches without those of the chunks of LangGraph's nodes."""
    nodes = {entry.run_id for entry in patches if is_node(entry)}
    return [entry for entry in patches if entry.run_id not in nodes or not is_chunk(entry)]


def is_node(entry: Entry) -> bool:
    """Whether this is the start of a node of LangGraph's."""
    ((_, path, value), *_) = entry.operations
    return path == "" and any(tag.startswith("graph:step:") for tag in value["tags"])


def is_chunk(entry: Entry) -> bool:
    """Whether this is a chunk and nothing else."""
    return [path for _, path, _ in entry.operations] == ["streamed_output/-"]


def comparable(state: Mapping[str, Any]) -> dict[str, Any]:
    """A state without times, its entries by the ids of the runs."""
    entries = state["logs"].values()
    return {**state, "logs": {entry["id"]: _without_times(entry) for entry in entries}}


def stripped(state: Mapping[str, Any]) -> dict[str, Any]:
    """A state of ours without what LangChain's do not have."""
    logs = {key: without(entry, ADDED_TO_ENTRIES) for key, entry in state["logs"].items()}
    return {**without(state, ADDED_TO_ROOTS), "logs": logs}


def without(mapping: Mapping[str, Any], keys: set[str]) -> dict[str, Any]:
    """The mapping without these keys, each of which must be there."""
    assert keys <= mapping.keys()
    return {key: value for key, value in mapping.items() if key not in keys}


def _comparable_operation(op: str, path: str, value: Any) -> Operation:
    if path == "end_time":
        return op, path, value and "…"
    if path == "":
        value = {key: item for key, item in value.items() if key not in ADDED_TO_ENTRIES}
        return op, path, _without_times(value)
    return op, path, value


def _without_times(entry: Mapping[str, Any]) -> dict[str, Any]:
    return {**entry, "start_time": "…", "end_time": entry["end_time"] and "…"}
