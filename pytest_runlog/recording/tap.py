"""Shows the recorder the chunks of runs that are not models.

LangChain gives the chunks of intermediate runs only to handlers that change how models are
called, and only to the first of those. Both of the methods through which every streamed run
goes take a `transformer`, which produces the chunks: while a capture is open, that is
wrapped, and nothing that the chain or another handler can see changes. The methods are
private, so where one is missing or takes something else, runs are recorded without chunks.
"""

from __future__ import annotations

import inspect
import warnings
from contextlib import contextmanager
from functools import lru_cache, wraps
from typing import TYPE_CHECKING, Any

from pytest_runlog.recording.handler import RunLogCallbackHandler

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator
    from uuid import UUID

_METHODS = ("_transform_stream_with_config", "_atransform_stream_with_config")


class ChunksNotRecorded(UserWarning):
    """This langchain-core does not show the chunks of runs that are not models."""


@contextmanager
def tapped() -> Iterator[None]:
    """Wrap the two methods of `Runnable`, and restore them."""
    from langchain_core.runnables import Runnable

    originals = {name: vars(Runnable).get(name) for name in _METHODS}
    if not all(map(_takes_transformer, originals.values())):
        warnings.warn(
            "pytest-runlog cannot see the streamed chunks of chains with this version of "
            "langchain-core; everything else is recorded. Set runlog_chunks = false to accept it.",
            ChunksNotRecorded,
            stacklevel=2,
        )
        yield
        return
    wrappers = {name: _with_tap(original) for name, original in originals.items()}
    for name, wrapper in wrappers.items():
        setattr(Runnable, name, wrapper)
    try:
        yield
    finally:
        for name, original in originals.items():
            if vars(Runnable).get(name) is wrappers[name]:
                setattr(Runnable, name, original)
            else:
                _disarmed.add(wrappers[name])


_disarmed: set[Callable[..., Any]] = set()
"""Wrappers that somebody else wrapped in turn, so that they could not be taken off."""


@lru_cache(maxsize=8)
def _takes_transformer(method: Any) -> bool:
    try:
        parameters = list(inspect.signature(method).parameters)
    except (TypeError, ValueError):
        return False
    return parameters[:4] == ["self", "inputs", "transformer", "config"]


def _with_tap(original: Any) -> Callable[..., Any]:
    @wraps(original)
    def method(self: Any, inputs: Any, transformer: Any, *args: Any, **kwargs: Any) -> Any:
        if method in _disarmed:
            return original(self, inputs, transformer, *args, **kwargs)
        return original(self, inputs, _Transformer(transformer), *args, **kwargs)

    return method


class _Transformer:
    """A transformer whose chunks are recorded.

    It asks LangChain for the run manager and passes on what the wrapped one asks for.
    """

    __slots__ = ("config", "run_manager", "transformer")

    def __init__(self, transformer: Callable[..., Any]) -> None:
        from langchain_core.runnables.utils import accepts_config, accepts_run_manager

        self.transformer = transformer
        self.config = accepts_config(transformer)
        self.run_manager = accepts_run_manager(transformer)

    def __call__(self, inputs: Any, run_manager: Any, config: Any, **kwargs: Any) -> Any:
        if self.config:
            kwargs["config"] = config
        if self.run_manager:
            kwargs["run_manager"] = run_manager
        chunks = self.transformer(inputs, **kwargs)
        show = AsyncTap if hasattr(chunks, "__anext__") else tap
        ours = [
            handler
            for handler in run_manager.handlers
            if isinstance(handler, RunLogCallbackHandler)
        ]
        for handler in dict.fromkeys(ours):  # each once, however often it was passed
            chunks = handler.tapped(chunks, run_manager, show)
        return chunks


def tap(chunks: Iterator[Any], handler: RunLogCallbackHandler, run_id: UUID) -> Iterator[Any]:
    """Record what passes through."""
    record = handler.on_chunk
    for chunk in chunks:
        record(chunk, run_id)
        yield chunk


class AsyncTap:
    """An async iterator that records what passes through it, and closes what it wraps."""

    __slots__ = ("__dict__", "chunks", "handler", "run_id")

    def __init__(
        self, chunks: AsyncIterator[Any], handler: RunLogCallbackHandler, run_id: UUID
    ) -> None:
        self.chunks = chunks
        self.handler = handler
        self.run_id = run_id
        if hasattr(chunks, "aclose"):
            self.aclose = chunks.aclose

    def __aiter__(self) -> AsyncTap:
        return self

    async def __anext__(self) -> Any:
        chunk = await self.chunks.__anext__()
        self.handler.on_chunk(chunk, self.run_id)
        return chunk
