"""LangChain's own `InfinoCallbackHandler`, clients, and payloads to compare."""

from __future__ import annotations

import asyncio
import threading
import warnings
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

with warnings.catch_warnings():
    # It says so once, when it is imported; the class is what ours is compared with.
    warnings.filterwarnings("ignore", ".langchain-community. is being sunset", DeprecationWarning)
    from langchain_community.callbacks import infino_callback

if TYPE_CHECKING:
    from collections.abc import Iterable

    from langchain_core.callbacks import BaseCallbackHandler

LANGCHAINS_CLASS: type[Any] = infino_callback.InfinoCallbackHandler


class ListClient:
    """A client of the generation that LangChain's class is written for, in memory."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, dict[str, Any]]] = []

    def append_log(self, payload: dict[str, Any]) -> None:
        self.calls.append(("log", payload))

    def append_ts(self, payload: dict[str, Any]) -> None:
        self.calls.append(("metric", payload))


class HandClock:
    """A clock that stands still until it is moved; replaces `_now` of a handler."""

    def __init__(self) -> None:
        self.ns = 0

    def __call__(self) -> int:
        return self.ns

    def move(self, seconds: float) -> None:
        self.ns += round(seconds * 1_000_000_000)


class Gate:
    """Where a model waits, so that a test decides what happens meanwhile."""

    def __init__(self) -> None:
        self._arrived = threading.Event()
        self._open = threading.Event()

    def wait(self) -> None:
        self._arrived.set()
        assert self._open.wait(30), "nobody opened the gate"

    def await_arrival(self) -> None:
        assert self._arrived.wait(30), "nobody came to the gate"

    def open(self) -> None:
        self._open.set()


class AsyncGate:
    """The same for the tasks of one event loop, where `number` of them are to arrive."""

    def __init__(self, number: int = 1) -> None:
        self._missing = number
        self._arrived = asyncio.Event()
        self._open = asyncio.Event()

    async def wait(self) -> None:
        self._missing -= 1
        if self._missing <= 0:
            self._arrived.set()
        await asyncio.wait_for(self._open.wait(), 30)

    async def await_arrival(self) -> None:
        await asyncio.wait_for(self._arrived.wait(), 30)

    def open(self) -> None:
        self._open.set()


def langchains_handler(client: Any, *args: Any, **kwargs: Any) -> BaseCallbackHandler:
    """LangChain's class with this client; it has no parameter for it."""
    with patch.object(infino_callback, "import_infino", lambda: client):
        handler: BaseCallbackHandler = LANGCHAINS_CLASS(*args, **kwargs)
    return handler


def in_common(calls: Iterable[tuple[str, dict[str, Any]]]) -> list[tuple[str, dict[str, Any]]]:
    """The payloads without what ours adds to LangChain's, and without times.

    Added are the label `run_id`, logs of errors, and `error` and `latency` of failed runs.
    """
    calls = list(calls)
    failed = {body["labels"].get("run_id") for _, body in calls if body.get("error") == 1}
    return [
        (kind, _without_times(body))
        for kind, body in calls
        if "error_message" not in body
        and not (body["labels"].get("run_id") in failed and {"error", "latency"} & body.keys())
    ]


def values(calls: Iterable[tuple[str, dict[str, Any]]], key: str) -> list[Any]:
    """What was sent under this key, in order."""
    return [body[key] for _, body in calls if key in body]


def keys(calls: Iterable[tuple[str, dict[str, Any]]]) -> list[str]:
    """The key of each payload, in order."""
    return [key for _, body in calls for key in body if key not in ("date", "labels")]


def by_run(calls: Iterable[tuple[str, dict[str, Any]]]) -> dict[str, dict[str, list[Any]]]:
    """What was sent of each run, by its id: the values under each key."""
    runs: dict[str, dict[str, list[Any]]] = {}
    for _, body in calls:
        of_run = runs.setdefault(body["labels"]["run_id"], {})
        for key in body.keys() - {"date", "labels"}:
            of_run.setdefault(key, []).append(body[key])
    return runs


def _without_times(body: dict[str, Any]) -> dict[str, Any]:
    assert type(body["date"]) is int
    rest = {**body, "date": int, "labels": {**body["labels"]}}
    rest["labels"].pop("run_id", None)
    if "latency" in body:
        assert type(body["latency"]) is float
        rest["latency"] = float
    return rest
