"""Threads and executors of the user's own."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextvars import copy_context
from functools import partial
from typing import Any

from langchain_core.runnables import (
    RunnableConfig,
    RunnableGenerator,
    RunnableLambda,
    RunnableParallel,
)

from support.races.base import INPUTS, case, pause, step, two_steps, wide


def in_threads(jobs: list[Callable[[], Any]], *, copied: bool) -> None:
    threads = [
        threading.Thread(target=copy_context().run if copied else job, args=(job,) * copied)
        for job in jobs
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def jobs(config: RunnableConfig | None = None) -> list[Callable[[], Any]]:
    def job(text: str) -> Any:
        pause()
        return two_steps().invoke(text, config)

    return [partial(job, text) for text in INPUTS]


@case
def threads_with_copied_contexts() -> None:
    def function(value: Any) -> None:
        step("before").invoke(value)
        in_threads(jobs(), copied=True)
        step("after").invoke(value)

    RunnableLambda(function).invoke("x")


@case
def threads_without_contexts() -> None:
    def function(value: Any) -> None:
        step("before").invoke(value)
        in_threads(jobs(), copied=False)
        step("after").invoke(value)

    RunnableLambda(function).invoke("x")


@case
def threads_that_are_given_the_config() -> None:
    def function(value: Any, config: RunnableConfig) -> None:
        step("before").invoke(value)
        in_threads(jobs(config), copied=False)
        step("after").invoke(value)

    RunnableLambda(function).invoke("x")


@case
def threads_one_after_another() -> None:
    def function(value: Any) -> None:
        for job in jobs():
            in_threads([job], copied=True)

    RunnableLambda(function).invoke("x")


@case
def executor_with_copied_contexts() -> None:
    def function(value: Any) -> None:
        step("before").invoke(value)
        with ThreadPoolExecutor(2) as pool:
            futures = [pool.submit(copy_context().run, job) for job in jobs()]
            for future in as_completed(futures):
                future.result()
        step("after").invoke(value)

    RunnableLambda(function).invoke("x")


@case
def executor_without_contexts() -> None:
    def function(value: Any) -> None:
        step("before").invoke(value)
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(lambda job: job(), jobs()))
        step("after").invoke(value)

    RunnableLambda(function).invoke("x")


@case
def executor_that_is_given_the_config() -> None:
    def function(value: Any, config: RunnableConfig) -> None:
        step("before").invoke(value)
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(lambda job: job(), jobs(config)))
        step("after").invoke(value)

    RunnableLambda(function).invoke("x")


@case
def executors_in_executors() -> None:
    def outer(config: RunnableConfig, text: str) -> None:
        step("outer").invoke(text, config)
        with ThreadPoolExecutor(2) as pool:
            for number in range(3):
                pool.submit(copy_context().run, two_steps().invoke, f"{text}{number}", config)
        step("outer end").invoke(text, config)

    def function(value: Any, config: RunnableConfig) -> None:
        with ThreadPoolExecutor(2) as pool:
            for text in INPUTS:
                pool.submit(copy_context().run, outer, config, text)

    RunnableLambda(function).invoke("x")


@case
def executors_in_executors_without_contexts() -> None:
    def outer(text: str) -> None:
        step("outer").invoke(text)
        with ThreadPoolExecutor(2) as pool:
            for number in range(3):
                pool.submit(two_steps().invoke, f"{text}{number}")
        step("outer end").invoke(text)

    with ThreadPoolExecutor(2) as pool:
        for text in INPUTS:
            pool.submit(outer, text)


@case
def roots_from_a_pool() -> None:
    step("before").invoke("x")
    with ThreadPoolExecutor(3) as pool:
        list(pool.map(two_steps().invoke, INPUTS * 2))
    step("after").invoke("x")


@case
def roots_from_a_pool_that_is_used_twice() -> None:
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(two_steps().invoke, INPUTS))
        step("between").invoke("x")
        list(pool.map(wide(2).invoke, INPUTS))


@case
def roots_from_two_pools() -> None:
    with ThreadPoolExecutor(2) as one, ThreadPoolExecutor(2) as other:
        for text in INPUTS:
            one.submit(two_steps().invoke, text)
            other.submit(step("other").invoke, text)


@case
def several_roots_in_each_job_of_a_pool() -> None:
    def job(text: str) -> None:
        step("one").invoke(text)
        step("two").invoke(text)

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(job, INPUTS))


@case
def jobs_whose_first_steps_are_the_same() -> None:
    def job(text: str) -> None:
        step("one").invoke("x")
        pause()
        step("two").invoke(text)

    def function(value: Any) -> None:
        in_threads([partial(job, text) for text in INPUTS], copied=True)

    RunnableLambda(function).invoke("x")


@case
def jobs_that_hand_jobs_to_their_own_pool() -> None:
    with ThreadPoolExecutor(2) as pool:

        def job(text: str) -> None:
            pause()
            step("job").invoke(text)

        def outer(text: str) -> None:
            step("outer").invoke(text)
            for number in range(3):
                pool.submit(copy_context().run, job, f"{text}{number}")
            pause()
            step("outer end").invoke(text)

        def function(value: Any) -> None:
            futures = [pool.submit(copy_context().run, outer, text) for text in INPUTS]
            for future in futures:
                future.result()

        RunnableLambda(function).invoke("x")


@case
def jobs_that_outlive_the_run_that_started_them() -> None:
    with ThreadPoolExecutor(2) as pool:

        def function(value: Any) -> None:
            step("before").invoke(value)
            for job in jobs():
                pool.submit(copy_context().run, job)
            step("after").invoke(value)

        pool.submit(copy_context().run, RunnableLambda(function).invoke, "x").result()


@case
def jobs_that_start_threads_after_a_step() -> None:
    def function(value: Any) -> None:
        step("before").invoke(value)
        in_threads(jobs(), copied=True)
        step("after").invoke(value)

    RunnableLambda(function).batch(INPUTS)


@case
def stream_in_threads_without_contexts() -> None:
    def words(chunks: Iterator[str]) -> Iterator[str]:
        for chunk in chunks:
            for number in range(5):
                pause()
                yield step("inside").invoke(f"{chunk}{9 - number}")

    def job() -> None:
        chain = RunnableParallel(a=RunnableGenerator(words), b=RunnableGenerator(words))
        for _ in chain.stream("x"):
            pass

    in_threads([job, job], copied=False)


@case
def roots_from_threads() -> None:
    in_threads(jobs(), copied=False)


@case
def batches_in_threads() -> None:
    in_threads([lambda: two_steps().batch(INPUTS), lambda: step("s").batch(INPUTS)], copied=False)


@case
def event_loops_in_threads() -> None:
    async def work(text: str) -> None:
        await step("one").ainvoke(text)
        await step("two").ainvoke(text)

    def run(text: str) -> None:
        asyncio.run(work(text))

    in_threads([partial(run, text) for text in INPUTS], copied=False)
