"""Where a run starts: the thread or task, and whether the context there is the chain's own."""

from __future__ import annotations

from asyncio import _get_running_loop, current_task
from threading import get_ident
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from asyncio import Task

    from pytest_runlog.model.events import Lane


def current_lane() -> Lane:
    """The thread, or the task if there is one, that this is called on.

    The task that a thread waits for (`asyncio.run`, `loop.run_until_complete`) counts as the
    thread: what the thread does next comes after it.
    """
    if _get_running_loop() is not None:
        task = current_task()
        if task is not None and not _is_waited_for(task):
            return (get_ident(), id(task), task.get_name())
    return (get_ident(), 0, "")


def _is_waited_for(task: Task[Any]) -> bool:
    """Whether `run_until_complete` runs until this task is done; no public name tells."""
    callbacks = getattr(task, "_callbacks", None) or ()
    return any(
        getattr(callback, "__name__", "") == "_run_until_complete_cb" for callback, _ in callbacks
    )


def is_in_run() -> bool:
    """Whether this context is one that LangChain made for the body of a run."""
    from langchain_core.runnables.config import var_child_runnable_config

    return var_child_runnable_config.get() is not None
