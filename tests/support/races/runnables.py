"""What LangChain builds of other runnables, in maps and batches."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from typing import Any

from langchain_core.callbacks import adispatch_custom_event, dispatch_custom_event
from langchain_core.runnables import (
    Runnable,
    RunnableBranch,
    RunnableConfig,
    RunnableLambda,
    RunnableParallel,
    RunnablePassthrough,
)

from support.chains import retriever
from support.races.agents import look_up
from support.races.base import INPUTS, apause, case, pause, step, two_steps, wide


@case
def each_of_a_list() -> None:
    two_steps().map().invoke(INPUTS)


@case
def each_function_of_a_list() -> None:
    (step("s").map() | step("join")).invoke(INPUTS)


@case
def each_of_equal_inputs() -> None:
    two_steps().map().invoke(["x", "x", "y", "x"])


@case
async def async_each_of_a_list() -> None:
    await two_steps().map().ainvoke(INPUTS)


@case
def batch_of_lists() -> None:
    two_steps().map().batch([INPUTS, ["b", "a"]])


@case
def branches_in_a_parallel() -> None:
    branch: Runnable[Any, Any] = RunnableBranch(
        (step("is_a") | (lambda text: text.startswith("a")), two_steps()), step("other")
    )
    RunnableParallel(one=branch, two=branch).invoke("a")
    branch.batch(INPUTS)


@case
async def async_branches_in_a_batch() -> None:
    branch: Runnable[Any, Any] = RunnableBranch(
        (step("is_a") | (lambda text: text.startswith("a")), two_steps()), step("other")
    )
    await branch.abatch(INPUTS)


def failing_first(times: int, name: str = "flaky") -> Runnable[Any, str]:
    """Fails as often for each input, then works."""
    counts: dict[str, Iterator[int]] = {text: count() for text in [*INPUTS, "x", "y"]}

    def check(value: Any) -> str:
        attempt = next(counts[value])
        if attempt < times:
            raise ValueError(f"attempt {attempt + 1}")
        return f"{value}>{name}"

    def function(value: Any) -> str:
        step("inside").invoke(value)
        return check(value)

    async def afunction(value: Any, config: RunnableConfig) -> str:
        await step("inside").ainvoke(value, config)
        return check(value)

    return RunnableLambda(function, afunction, name=name).with_retry(
        stop_after_attempt=times + 1, wait_exponential_jitter=False
    )


@case
def retries_in_a_parallel() -> None:
    RunnableParallel(a=failing_first(2), b=failing_first(11), c=two_steps()).invoke("x")


@case
def retries_in_a_batch() -> None:
    failing_first(2).batch(INPUTS)


@case
async def async_retries_in_a_parallel() -> None:
    await RunnableParallel(a=failing_first(2), b=failing_first(11)).ainvoke("x")


@case
async def async_retries_in_a_batch() -> None:
    await failing_first(2).abatch(INPUTS)


@case
def retries_of_a_sequence_in_a_batch() -> None:
    counts = {text: count() for text in INPUTS}

    def check(value: str) -> str:
        if next(counts[value[:1]]) < 2:
            raise ValueError(value)
        return value

    chain = step("one") | check
    chain.with_retry(stop_after_attempt=3, wait_exponential_jitter=False).batch(INPUTS)


def falling_back() -> Runnable[Any, str]:
    return step("first", only="a").with_fallbacks([step("second", only="b"), two_steps()])


@case
def fallbacks_in_a_parallel() -> None:
    RunnableParallel(one=falling_back(), two=falling_back()).invoke("x")


@case
def fallbacks_in_a_batch() -> None:
    falling_back().batch(INPUTS)


@case
async def async_fallbacks_in_a_parallel() -> None:
    await RunnableParallel(one=falling_back(), two=falling_back()).ainvoke("x")


@case
async def async_fallbacks_in_a_batch() -> None:
    await falling_back().abatch(INPUTS)


@case
def assignments() -> None:
    chain = RunnablePassthrough.assign(b=two_steps(), a=two_steps()).assign(c=wide(2))
    chain.invoke({"x": 1})


@case
async def async_assignments() -> None:
    chain = RunnablePassthrough.assign(b=two_steps(), a=two_steps()).assign(c=wide(2))
    await chain.ainvoke({"x": 1})


@case
def retrievers_and_tools_in_a_parallel() -> None:
    RunnableParallel(a=retriever(), b=look_up, c=retriever() | step("join")).invoke("x")


@case
def custom_events_in_a_parallel() -> None:
    def function(value: Any, config: RunnableConfig) -> Any:
        pause()
        dispatch_custom_event("progress", {"of": value}, config=config)
        return value

    RunnableParallel({key: RunnableLambda(function) for key in "cab"}).invoke("x")


@case
async def async_custom_events_in_a_parallel() -> None:
    async def function(value: Any, config: RunnableConfig) -> Any:
        await apause()
        await adispatch_custom_event("progress", {"of": value}, config=config)
        return value

    await RunnableParallel({key: RunnableLambda(function) for key in "cab"}).ainvoke("x")
