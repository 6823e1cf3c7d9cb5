"""Maps whose branches run at the same time."""

from __future__ import annotations

from langchain_core.runnables import RunnableParallel

from support.races.base import SlowCompletion, answering, case, step, sync_step, two_steps, wide


@case
def parallel_of_four_sequences() -> None:
    wide(4).invoke("x")


@case
def parallel_of_eight_sequences() -> None:
    wide(8).invoke("x")


@case
def parallel_with_max_concurrency() -> None:
    wide(8).invoke("x", {"max_concurrency": 3})


@case
def parallel_of_chat_chains() -> None:
    RunnableParallel(a=answering(), b=answering(), c=answering("why ")).invoke({"question": "x"})


@case
async def async_parallel_of_four_sequences() -> None:
    await wide(4).ainvoke("x")


@case
async def async_parallel_of_eight_sequences() -> None:
    await wide(8).ainvoke("x")


@case
async def async_parallel_of_sync_steps() -> None:
    await RunnableParallel(a=sync_step("s") | step("t"), b=sync_step("s") | step("t")).ainvoke("x")


@case
async def async_parallel_of_chat_chains() -> None:
    await RunnableParallel(a=answering(), b=answering(), c=answering()).ainvoke({"question": "x"})


@case
async def async_parallel_of_completion_models() -> None:
    model = SlowCompletion()
    await RunnableParallel(a=model | step("s"), b=model | step("s"), c=model).ainvoke("x")


@case
def parallel_in_parallel() -> None:
    RunnableParallel(a=wide(3) | step("join"), b=wide(3) | step("join")).invoke("x")


@case
async def async_parallel_in_parallel() -> None:
    await RunnableParallel(a=wide(3) | step("join"), b=wide(3) | step("join")).ainvoke("x")


@case
def sequence_around_parallels() -> None:
    (step("first") | wide(3) | step("join") | wide(3) | step("last")).invoke("x")


@case
def parallel_with_keys_that_look_like_numbers() -> None:
    RunnableParallel({key: two_steps() for key in ["10", "9", "2", "x"]}).invoke("x")


@case
def parallel_in_which_one_fails() -> None:
    # RunnableParallel waits for the branches that have started, so all of them end.
    chain = RunnableParallel(a=two_steps(), b=step("bad", only="y"), c=two_steps())
    try:
        chain.invoke("x")
    except ValueError:
        return
    raise AssertionError("b did not fail")
