"""Code that runs one thing after another, beside other code that does."""

from __future__ import annotations

from typing import Any

from langchain_core.runnables import RunnableConfig, RunnableLambda, RunnableParallel

from support.models import chat
from support.races.base import SlowCompletion, case, slow_answer, step, wide


@case
def steps_of_a_function() -> None:
    def function(value: Any) -> None:
        for name in ["z", "y", "x"]:
            step(name).invoke(value)
            SlowCompletion().invoke(name)

    RunnableLambda(function).invoke("x")


@case
async def steps_of_an_async_function() -> None:
    async def function(value: Any, config: RunnableConfig) -> None:
        for name in ["z", "y", "x"]:
            await step(name).ainvoke(value, config)
            await SlowCompletion().ainvoke(name, config)

    await RunnableLambda(function).ainvoke("x")


@case
async def models_one_after_another_in_an_async_function() -> None:
    async def function(value: Any, config: RunnableConfig) -> None:
        for text in ["z", "y", "x"]:
            await SlowCompletion().ainvoke(text, config)
        for text in ["z", "y", "x"]:
            await chat(slow_answer).ainvoke(text, config)

    await RunnableLambda(function).ainvoke("x")


@case
async def streams_one_after_another_in_an_async_function() -> None:
    async def function(value: Any, config: RunnableConfig) -> None:
        for name in ["z", "y", "x"]:
            async for _ in (step(name) | wide(2)).astream(value, config):
                pass
            async for _ in chat(slow_answer).astream(name, config):
                pass

    await RunnableLambda(function).ainvoke("x")


@case
def streams_one_after_another_in_a_function() -> None:
    def function(value: Any) -> None:
        for name in ["z", "y", "x"]:
            for _ in (step(name) | wide(2)).stream(value):
                pass

    RunnableParallel(a=function, b=function).invoke("x")


@case
def steps_with_tags_like_those_of_langchain() -> None:
    def function(value: Any) -> None:
        for name in ["z", "y", "x"]:
            step(name).invoke(value)

    RunnableLambda(function).invoke("x", {"tags": ["branch:2", "seq:step:1"]})


@case
async def sync_function_in_an_async_chain() -> None:
    def function(value: Any) -> None:
        for name in ["z", "y", "x"]:
            step(name).invoke(value)

    await RunnableParallel(a=function, b=function).ainvoke("x")
