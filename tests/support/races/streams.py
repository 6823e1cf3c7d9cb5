"""Streams of what runs at the same time."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

from langchain_core.runnables import RunnableGenerator, RunnableParallel, RunnablePassthrough

from support.races.base import answering, apause, case, pause, step, two_steps, wide


@case
def stream_of_a_parallel() -> None:
    for _ in wide(4).stream("x"):
        pass


@case
def stream_of_a_parallel_of_chat_chains() -> None:
    for _ in RunnableParallel(a=answering(), b=answering()).stream({"question": "two words"}):
        pass


@case
def stream_of_assignments() -> None:
    chain = RunnablePassthrough.assign(b=two_steps(), a=answering()).assign(c=wide(2))
    for _ in chain.stream({"question": "two words"}):
        pass


@case
async def astream_of_a_parallel() -> None:
    async for _ in wide(4).astream("x"):
        pass


@case
async def astream_of_a_parallel_of_chat_chains() -> None:
    chain = RunnableParallel(a=answering(), b=answering())
    async for _ in chain.astream({"question": "two words"}):
        pass


@case
async def astream_of_assignments() -> None:
    chain = RunnablePassthrough.assign(b=two_steps(), a=answering()).assign(c=wide(2))
    async for _ in chain.astream({"question": "two words"}):
        pass


@case
async def astream_events_of_a_parallel() -> None:
    async for _ in wide(4).astream_events("x", version="v2"):
        pass


@case
async def astream_log_of_a_parallel() -> None:
    async for _ in wide(4).astream_log("x"):
        pass


@case
def transform_of_generators() -> None:
    def words(chunks: Iterator[str]) -> Iterator[str]:
        for chunk in chunks:
            pause()
            yield step("inside").invoke(chunk)

    chain = RunnableGenerator(words) | RunnableParallel(a=RunnableGenerator(words), b=two_steps())
    for _ in chain.transform(iter(["x", "y"])):
        pass


@case
async def atransform_of_generators() -> None:
    async def words(chunks: AsyncIterator[str]) -> AsyncIterator[str]:
        async for chunk in chunks:
            await apause()
            yield chunk

    async def inputs() -> AsyncIterator[str]:
        yield "x"
        yield "y"

    chain = RunnableGenerator(words) | RunnableParallel(a=RunnableGenerator(words), b=two_steps())
    async for _ in chain.atransform(inputs()):
        pass
