"""A queue between threads and event loops, whichever they are.

Any thread puts things in, and any thread or event loop takes them out: the queue belongs to
none of them, so it does not matter which loop runs, was closed, or was never there.
"""

from __future__ import annotations

from asyncio import get_running_loop
from collections import deque
from contextlib import suppress
from threading import RLock
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop, Future

T = TypeVar("T")


class Channel(Generic[T]):
    """Takes what is put into it, in order, until it was closed and read to its end.

    Putting never waits. What is put after the close is kept as long as somebody may read it.
    """

    def __init__(self) -> None:
        self.closed = False
        self.exhausted = False
        """Whether it was closed, and all of it taken."""
        self._items: deque[T] = deque()
        self._waiting: list[tuple[AbstractEventLoop, Future[None]]] = []
        # Reentrant: the garbage collector may run code that puts, anywhere in here.
        self._lock = RLock()

    def put(self, item: T) -> None:
        """Add something; it is dropped if the channel is exhausted."""
        with self._lock:
            if self.exhausted:
                return
            self._items.append(item)
        self.wake()

    def close(self) -> None:
        """Say that there is no more to wait for."""
        self.closed = True
        self.wake()

    def discard(self) -> None:
        """Close it, and drop what nobody has taken."""
        with self._lock:
            self._items.clear()
            self.closed = self.exhausted = True
        self.wake()

    def take(self) -> T | None:
        """The next thing, `None` if there is none now."""
        with self._lock:
            if self._items:
                return self._items.popleft()
            self.exhausted = self.closed
            return None

    async def wait(self) -> None:
        """Wait until there may be more to take, or somebody calls `wake`."""
        loop = get_running_loop()
        waiting = (loop, loop.create_future())
        with self._lock:
            if self._items or self.closed:
                return
            self._waiting.append(waiting)
        try:
            await waiting[1]
        finally:
            with self._lock, suppress(ValueError):
                self._waiting.remove(waiting)

    def wake(self) -> None:
        """Let everybody who waits look again."""
        if not self._waiting:
            return
        with self._lock:
            waiting, self._waiting = self._waiting, []
        for loop, future in waiting:
            with suppress(RuntimeError):  # a closed loop: nobody waits on it any more
                loop.call_soon_threadsafe(_finish, future)


def _finish(future: Future[None]) -> None:
    if not future.done():
        future.set_result(None)
