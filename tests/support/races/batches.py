"""Batches."""

from __future__ import annotations

from itertools import count
from typing import Any

from langchain_core.runnables import RunnableConfig, RunnableLambda, RunnableParallel

from support.races.base import INPUTS, QUESTIONS, answering, case, pause, step, two_steps, wide


@case
def batch_of_a_sequence() -> None:
    two_steps().batch(INPUTS)


@case
def batch_of_a_chat_chain() -> None:
    answering().batch(QUESTIONS)


@case
def batch_with_max_concurrency() -> None:
    two_steps().batch(INPUTS, {"max_concurrency": 2})


@case
def batch_one_at_a_time() -> None:
    step("s").batch(INPUTS, {"max_concurrency": 1})


@case
def batch_of_a_function() -> None:
    step("s").batch(INPUTS)


@case
def batch_of_a_function_with_max_concurrency() -> None:
    step("s").batch(INPUTS * 3, {"max_concurrency": 2})


@case
def batch_of_equal_inputs() -> None:
    two_steps().batch(["x", "x", "x"])


@case
def batch_of_a_parallel() -> None:
    wide(3).batch(INPUTS)


@case
def batch_of_a_sequence_with_a_parallel() -> None:
    (step("first") | wide(3) | step("join")).batch(INPUTS)


@case
def batch_of_a_function_that_runs_a_parallel() -> None:
    def function(value: Any) -> Any:
        one = step("before").invoke(value)
        many = wide(3).invoke(one)
        return step("after").invoke(many)

    RunnableLambda(function).batch(INPUTS)


@case
def batch_inside_a_parallel() -> None:
    def function(values: Any) -> Any:
        return two_steps().batch(values)

    RunnableParallel(a=function, b=function).invoke(INPUTS)


@case
def batch_of_batches() -> None:
    def function(value: Any) -> Any:
        return step("inner").batch([f"{value}{number}" for number in range(3)])

    RunnableLambda(function).batch(INPUTS)


@case
def batch_after_a_run() -> None:
    step("before").invoke("x")
    step("s").batch(INPUTS)
    step("after").invoke("x")


@case
def batch_before_a_run() -> None:
    step("s").batch(INPUTS)
    step("after").invoke("x")


@case
def batch_in_which_answers_are_handed_out() -> None:
    answers = count()

    def function(value: Any) -> str:
        step("before").invoke(value)
        pause()
        return f"answer {next(answers)}"

    RunnableLambda(function).batch(["x", "x", "x"])


@case
def two_batches() -> None:
    step("s").batch(INPUTS)
    step("s").batch(INPUTS)


@case
def batch_in_which_some_fail() -> None:
    step("s", only="a").batch(INPUTS, return_exceptions=True)


@case
def batch_as_completed() -> None:
    list(two_steps().batch_as_completed(INPUTS))


@case
def batch_as_completed_with_max_concurrency() -> None:
    list(two_steps().batch_as_completed(INPUTS, {"max_concurrency": 2}))


@case
async def abatch_of_a_sequence() -> None:
    await two_steps().abatch(INPUTS)


@case
async def abatch_of_a_chat_chain() -> None:
    await answering().abatch(QUESTIONS)


@case
async def abatch_of_a_function() -> None:
    await step("s").abatch(INPUTS)


@case
async def abatch_with_max_concurrency() -> None:
    await two_steps().abatch(INPUTS, {"max_concurrency": 2})


@case
async def abatch_of_a_parallel() -> None:
    await wide(3).abatch(INPUTS)


@case
async def abatch_as_completed() -> None:
    async for _ in two_steps().abatch_as_completed(INPUTS):
        pass


@case
async def abatch_as_completed_with_max_concurrency() -> None:
    async for _ in two_steps().abatch_as_completed(INPUTS, {"max_concurrency": 2}):
        pass


@case
async def abatch_of_a_function_that_runs_a_parallel() -> None:
    async def function(value: Any, config: RunnableConfig) -> Any:
        one = await step("before").ainvoke(value, config)
        many = await wide(3).ainvoke(one, config)
        return await step("after").ainvoke(many, config)

    await RunnableLambda(function).abatch(INPUTS)
