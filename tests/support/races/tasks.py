"""Tasks of the user's own."""

from __future__ import annotations

import asyncio
from typing import Any

from langchain_core.runnables import RunnableConfig, RunnableLambda

from support.races.base import INPUTS, SlowCompletion, apause, case, step, two_steps


@case
async def gather_in_an_async_function() -> None:
    async def function(value: Any, config: RunnableConfig) -> None:
        await step("before").ainvoke(value, config)
        await asyncio.gather(*[two_steps().ainvoke(text, config) for text in INPUTS])
        await step("after").ainvoke(value, config)

    await RunnableLambda(function).ainvoke("x")


@case
async def gather_of_functions_with_several_steps() -> None:
    async def work(text: str, config: RunnableConfig) -> None:
        await step("one").ainvoke(text, config)
        await apause()
        await step("two").ainvoke(text, config)

    async def function(value: Any, config: RunnableConfig) -> None:
        await asyncio.gather(*[work(text, config) for text in INPUTS])
        await asyncio.gather(*[work(text, config) for text in INPUTS])

    await RunnableLambda(function).ainvoke("x")


@case
async def gather_of_functions_whose_first_steps_are_the_same() -> None:
    async def work(text: str, config: RunnableConfig) -> None:
        await step("one").ainvoke("x", config)
        await apause()
        await step("two").ainvoke(text, config)

    async def function(value: Any, config: RunnableConfig) -> None:
        await asyncio.gather(*[work(text, config) for text in INPUTS])

    await RunnableLambda(function).ainvoke("x")


@case
async def gather_after_a_completion_model() -> None:
    async def function(value: Any, config: RunnableConfig) -> None:
        await SlowCompletion().ainvoke(value, config)
        await asyncio.gather(*[SlowCompletion().ainvoke(text, config) for text in INPUTS])
        await SlowCompletion().ainvoke(value, config)

    await RunnableLambda(function).ainvoke("x")


@case
async def tasks_that_are_awaited_one_by_one() -> None:
    async def function(value: Any, config: RunnableConfig) -> None:
        for text in INPUTS:
            await asyncio.wait_for(step("s").ainvoke(text, config), 60)
        for text in INPUTS:
            await asyncio.to_thread(step("t").invoke, text, config)

    await RunnableLambda(function).ainvoke("x")


@case
async def as_completed_in_an_async_function() -> None:
    async def function(value: Any, config: RunnableConfig) -> None:
        for future in asyncio.as_completed([two_steps().ainvoke(i, config) for i in INPUTS]):
            await future

    await RunnableLambda(function).ainvoke("x")


@case
async def tasks_in_an_async_function() -> None:
    async def function(value: Any, config: RunnableConfig) -> None:
        first = asyncio.create_task(two_steps().ainvoke("first", config))
        await step("meanwhile").ainvoke(value, config)
        second = asyncio.create_task(two_steps().ainvoke("second", config))
        await step("meanwhile").ainvoke(value, config)
        await second
        await first
        await step("after").ainvoke(value, config)

    await RunnableLambda(function).ainvoke("x")


@case
async def executor_in_an_async_function() -> None:
    async def function(value: Any, config: RunnableConfig) -> None:
        await step("before").ainvoke(value, config)
        await asyncio.gather(
            *[asyncio.to_thread(two_steps().invoke, text, config) for text in INPUTS]
        )
        await step("after").ainvoke(value, config)

    await RunnableLambda(function).ainvoke("x")


@case
async def roots_from_tasks() -> None:
    await step("before").ainvoke("x")
    await asyncio.gather(*[two_steps().ainvoke(text) for text in INPUTS])
    await step("after").ainvoke("x")


@case
async def roots_from_tasks_with_several_roots() -> None:
    async def work(text: str) -> None:
        await step("one").ainvoke(text)
        await apause()
        await step("two").ainvoke(text)

    await asyncio.gather(*[work(text) for text in INPUTS])


@case
async def sync_roots_in_to_thread() -> None:
    await asyncio.gather(*[asyncio.to_thread(two_steps().invoke, text) for text in INPUTS])
