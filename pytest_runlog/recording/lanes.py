"""Where a run starts: the thread or task, the chain's own context or not, the place in a graph."""

from __future__ import annotations

import sys
from asyncio import _get_running_loop, current_task
from threading import get_ident
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from asyncio import Task

    from pytest_runlog.model.events import Lane

_LANGGRAPH = "langgraph._internal._runnable"
"""The module of what LangGraph calls its nodes and tasks with."""
_CALLS = ("invoke", "ainvoke")


def current_lane() -> Lane:
    """The thread, or the task if there is one, that this is called on.

    The task that a thread waits for (`asyncio.run`, `loop.run_until_complete`) counts as the
    thread: what the thread does next comes after it.
    """
    loop = _get_running_loop()
    if loop is not None:
        task = current_task(loop)
        if task is not None and not _is_waited_for(task):
            return (get_ident(), id(task), task.get_name())
    return (get_ident(), 0, "")


def _is_waited_for(task: Task[Any]) -> bool:
    """Whether `run_until_complete` runs until this task is done; no public name tells."""
    for callback, _ in getattr(task, "_callbacks", None) or ():
        if getattr(callback, "__name__", "") == "_run_until_complete_cb":
            return True
    return False


def is_in_run() -> bool:
    """Whether this context is one that LangChain made for the body of a run."""
    from langchain_core.runnables.config import var_child_runnable_config

    return var_child_runnable_config.get() is not None


def own_metadata(metadata: dict[str, Any]) -> dict[str, Any]:
    """The metadata of the run that starts here, with its own place in a graph.

    Calls of LangGraph's tasks share a callback manager, so one that starts may be told the
    place of another that starts at the same time. The config of each call is its own.
    """
    path = metadata.get("langgraph_path")
    if type(path) is not tuple or path[-1:] != (True,):  # not that of a call
        return metadata
    frame = sys._getframe(1)  # noqa: SLF001
    while frame.f_back is not None:
        frame = frame.f_back
        name = frame.f_code.co_name
        if name in _CALLS and frame.f_globals.get("__name__") == _LANGGRAPH:
            own = (frame.f_locals.get("config") or {}).get("metadata") or {}
            place = {key: own[key] for key in own if key.startswith("langgraph_")}
            return {**metadata, **place}
    return metadata
