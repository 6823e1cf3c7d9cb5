"""Which task a run started in, and whether anything can still come of it there.

LangChain reports no end of some runs that are cancelled (a chat model's, a tool's). What
waits for that end must not wait for ever.
"""

from __future__ import annotations

import sys
from asyncio import _get_running_loop, current_task, events
from contextlib import contextmanager, suppress
from inspect import CO_ASYNC_GENERATOR, CO_GENERATOR
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from asyncio import Task
    from collections.abc import Callable, Iterator

_FIRST_FRAME = events.Handle._run.__code__  # noqa: SLF001
"""Of what an event loop calls, this is at the bottom."""


class Home(NamedTuple):
    """Where a run started."""

    task: Task[Any] | None = None
    """`None` in a thread without a running event loop."""
    is_stepped: bool = False
    """Whether a generator started it: the next step of that may be made by another task."""

    def is_gone(self) -> bool:
        """Whether the task has ended so that the run cannot go on."""
        task = self.task
        if task is None:
            return False
        if task.done():
            return task.cancelled() or not self.is_stepped
        return task.get_loop().is_closed()

    def is_here(self) -> bool:
        """Whether this very task does something else now, the run being over or waiting for it."""
        return self.task is not None and not self.is_stepped and self.task is _running_task()

    @contextmanager
    def watched(self, ended: Callable[[], None]) -> Iterator[None]:
        """Meanwhile, call `ended` when the task ends, unless it has ended already."""
        task = self.task
        if task is None or task.done():
            yield
            return

        def on_end(_: object) -> None:
            ended()

        _call(task, task.add_done_callback, on_end)
        try:
            yield
        finally:
            _call(task, task.remove_done_callback, on_end)


def current_home() -> Home:
    """Where a run starts now."""
    task = _running_task()
    return Home(task, task is not None and _is_stepped())


def _running_task() -> Task[Any] | None:
    return None if _get_running_loop() is None else current_task()


def _is_stepped() -> bool:
    """Whether any function that the task is in is a generator."""
    frame = sys._getframe(1)  # noqa: SLF001
    while frame.f_code is not _FIRST_FRAME:
        if frame.f_code.co_flags & (CO_GENERATOR | CO_ASYNC_GENERATOR):
            return True
        if frame.f_back is None:
            break
        frame = frame.f_back
    return False


def _call(task: Task[Any], method: Callable[[Any], object], callback: Any) -> None:
    """Call a method of the task, which only its own event loop may do."""
    loop = task.get_loop()
    if loop is _get_running_loop():
        method(callback)
    else:
        with suppress(RuntimeError):  # the loop is closed
            loop.call_soon_threadsafe(method, callback)
