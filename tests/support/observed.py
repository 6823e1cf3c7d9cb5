"""What a chain does, as it looks from outside: to compare it with and without recording."""

from __future__ import annotations

import asyncio
import inspect
import re
import threading
import traceback
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from pprint import pformat
from typing import Any, NamedTuple

import pytest
from langchain_core.callbacks import AsyncCallbackHandler, BaseCallbackHandler
from langchain_core.language_models import BaseLanguageModel

import pytest_runlog

_METHODS = ("_generate", "_agenerate", "_stream", "_astream", "_call", "_acall")
_VOLATILE = re.compile(
    r"[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}"  # run and message ids
    r"|0x[0-9a-f]+"  # addresses
    r"|\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d[.\d]*(\+00:00)?"  # times, as astream_log writes them
    r"|(?<='timestamp': )\d+|(?<=call_)[0-9a-f]{32}"
)
_OURS = str(Path(pytest_runlog.__file__).parent)


class Observation(NamedTuple):
    outcome: list[str]
    """What the chain returned, item by item, or how it failed."""
    calls: list[str]
    """The methods of models, and the functions that call `here`, with where they were called."""
    events: list[str]
    """What the bystander was told."""
    failed: bool = False

    def in_any_order(self) -> Observation:
        """For a chain whose parts race: everything sorted."""
        return Observation(
            sorted(self.outcome), sorted(self.calls), sorted(self.events), self.failed
        )


class Bystander(BaseCallbackHandler):
    """A handler of the user's that notes all that it is told, and where."""

    def __init__(self, *, run_inline: bool = False) -> None:
        self.run_inline = run_inline
        self.events: list[str] = []
        self.paths: dict[Any, str] = {}

    def note(self, event: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """Note an event; the ids of runs become the names of the runs above."""
        run_id = kwargs.pop("run_id", None)
        above = self.paths.get(kwargs.pop("parent_run_id", None), "")
        if "name" in kwargs:
            self.paths[run_id] = f"{above}/{kwargs['name']}"
        path = self.paths.get(run_id, f"{above}/?")
        if args and isinstance(args[0], dict) and args[0].get("type") == "not_implemented":
            # LangChain takes the repr of a model when it is first used, and gets none if
            # another thread uses it at that moment: `__dict__` changes under the repr.
            args = ({**args[0], "repr": "…"}, *args[1:])
        self.events.append(f"{event} {path} {shown([args, kwargs])} on {place()}")


class AsyncBystander(Bystander, AsyncCallbackHandler):
    """The same with coroutine functions."""


def _sync(event: str) -> Callable[..., None]:
    def method(self: Bystander, *args: Any, **kwargs: Any) -> None:
        self.note(event, args, kwargs)

    return method


def _async(event: str) -> Callable[..., Any]:
    async def method(self: Bystander, *args: Any, **kwargs: Any) -> None:
        self.note(event, args, kwargs)

    return method


for _event in [name for name in dir(BaseCallbackHandler) if name.startswith("on_")]:
    setattr(Bystander, _event, _sync(_event))
    setattr(AsyncBystander, _event, _async(_event))

BYSTANDERS: dict[str, Callable[[], Bystander] | None] = {
    "alone": None,
    "with a handler": Bystander,
    "with an inline handler": lambda: Bystander(run_inline=True),
    "with an async handler": AsyncBystander,
    "with an inline async handler": lambda: AsyncBystander(run_inline=True),
}


def stable(text: str) -> str:
    """The text without ids, addresses and times."""
    return _VOLATILE.sub("…", text)


def shown(value: Any) -> str:
    """The value as text, dicts sorted: the order of a streamed dict's keys is a race's."""
    return stable(pformat(value, width=10**9, compact=True))


def place() -> str:
    """The kind of thread that this is called on, and whether an event loop runs on it."""
    running = asyncio._get_running_loop() is not None
    name = re.sub(r"[\d_]+", "", threading.current_thread().name)
    return f"{name}{' in a loop' if running else ''}"


_calls: list[str] = []


def here(name: str) -> None:
    """Note that a function of the chain is called, and where."""
    _calls.append(f"{name} on {place()}")


def observe(
    function: Callable[[Any], Any], create: Callable[[], Bystander] | None = None
) -> Observation:
    """Call a function, or coroutine function, with a config in which a new bystander is."""
    bystander = create() if create is not None else None
    callbacks = [bystander]
    config = {"callbacks": callbacks} if bystander is not None else {}
    failed = False
    with _models_spied_on():
        _calls.clear()
        try:
            result = function(config)
            if inspect.iscoroutine(result):
                result = asyncio.run(_in_step(result))
        except BaseException as error:
            failed = True
            outcome = failure(error)
        else:
            outcome = [shown(item) for item in as_list(result)]
    assert config == ({"callbacks": callbacks} if bystander is not None else {})
    assert callbacks == [bystander]
    return Observation(outcome, _calls[:], bystander.events if bystander else [], failed)


class _Waiting(ThreadPoolExecutor):
    """Runs everything on a thread of its own, while the thread that submits it waits.

    LangChain calls a handler that is not inline in the event loop's executor, so the order of
    the events would be a race's.
    """

    def submit(self, *args: Any, **kwargs: Any) -> Future[Any]:
        future = super().submit(*args, **kwargs)
        wait([future])
        return future


async def _in_step(coroutine: Coroutine[Any, Any, Any]) -> Any:
    asyncio.get_running_loop().set_default_executor(_Waiting())
    return await coroutine


def as_list(result: Any) -> list[Any]:
    return result if isinstance(result, list) else [result]


def failure(error: BaseException) -> list[str]:
    """The type and text of an error, and the functions it came through, but for ours."""
    frames = [
        frame.name
        for frame in traceback.extract_tb(error.__traceback__)
        if not frame.filename.startswith(_OURS)
    ]
    causes = [
        f"{kind}: {cause!r}"
        for kind, cause in [("cause", error.__cause__), ("context", error.__context__)]
    ]
    return [stable(text) for text in [repr(error), " ".join(frames), *causes]]


@contextmanager
def _models_spied_on() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        for cls in dict.fromkeys(_subclasses(BaseLanguageModel)):
            for name in _METHODS:
                if name in vars(cls):
                    patch.setattr(cls, name, _spy(cls, name))
        yield


def _spy(cls: type, name: str) -> Callable[..., Any]:
    original = vars(cls)[name]

    @wraps(original)
    def method(*args: Any, **kwargs: Any) -> Any:
        here(f"{cls.__name__}.{name}")
        return original(*args, **kwargs)

    return method


def _subclasses(cls: type[Any]) -> Iterator[type[Any]]:
    for subclass in cls.__subclasses__():
        yield subclass
        yield from _subclasses(subclass)
