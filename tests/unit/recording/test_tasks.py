from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from threading import Thread
from typing import Any

from pytest_runlog.recording.tasks import Home, current_home


async def home() -> Home:
    return current_home()


async def ended(task: asyncio.Task[Any]) -> None:
    await asyncio.wait({task}, timeout=30)
    assert task.done()


def test_a_thread_without_a_loop_never_ends_a_run() -> None:
    home = current_home()

    assert home == Home(None, is_stepped=False)
    assert not home.is_gone()
    assert not home.is_here()


def test_a_run_is_gone_when_its_task_has_ended() -> None:
    async def main() -> tuple[bool, bool]:
        started: list[Home] = []

        async def work() -> None:
            started.append(current_home())
            await asyncio.sleep(0)

        task = asyncio.create_task(work())
        await asyncio.sleep(0)
        before = started[0].is_gone()
        await ended(task)
        return before, started[0].is_gone()

    assert asyncio.run(main()) == (False, True)


def test_a_run_that_a_generator_started_is_gone_only_if_the_task_was_cancelled() -> None:
    async def steps(hangs: bool) -> AsyncIterator[Home]:
        home = current_home()
        yield home
        if hangs:
            await asyncio.Event().wait()

    async def main(hangs: bool) -> bool:
        started: list[Home] = []

        async def work() -> None:
            async for home in steps(hangs):
                started[:] = [home]

        task = asyncio.create_task(work())
        for _ in range(10):
            await asyncio.sleep(0)
        task.cancel()
        await ended(task)
        return started[0].is_gone()

    assert asyncio.run(main(hangs=True))
    assert not asyncio.run(main(hangs=False))


def test_a_sync_generator_counts_too() -> None:
    def steps() -> Iterator[Home]:
        yield current_home()

    async def main() -> Home:
        return next(steps())

    assert asyncio.run(main()).is_stepped


def test_what_waits_for_the_loop_does_not_count() -> None:
    def outside() -> Iterator[Home]:
        yield asyncio.run(home())

    assert not next(outside()).is_stepped


def test_a_task_that_does_something_else_has_left_its_run() -> None:
    async def main() -> tuple[bool, bool]:
        mine = await home()
        others = await asyncio.create_task(home())
        return mine.is_here(), others.is_here()

    assert asyncio.run(main()) == (True, False)


def test_a_run_is_gone_when_its_loop_was_closed_under_it() -> None:
    loop = asyncio.new_event_loop()
    hanging = asyncio.Event().wait()
    task = loop.create_task(hanging)
    started = Home(task)
    loop.run_until_complete(asyncio.sleep(0))
    before = started.is_gone()
    loop.close()

    assert (before, started.is_gone()) == (False, True)
    hanging.close()
    task._log_destroy_pending = False  # type: ignore[attr-defined]


def test_the_end_of_a_task_is_told_to_whoever_watches_from_whichever_loop() -> None:
    async def main() -> list[str]:
        told: list[str] = []
        go = asyncio.Event()

        async def work() -> Home:
            home = current_home()
            await go.wait()
            return home

        task = asyncio.create_task(work())
        watched = Home(task)

        def elsewhere() -> None:
            async def watch() -> None:
                ended = asyncio.Event()
                loop = asyncio.get_running_loop()

                def on_end() -> None:
                    loop.call_soon_threadsafe(ended.set)

                with watched.watched(on_end):
                    main_loop.call_soon_threadsafe(go.set)
                    await asyncio.wait_for(ended.wait(), 30)
                told.append("elsewhere")

            asyncio.run(watch())

        main_loop = asyncio.get_running_loop()
        thread = Thread(target=elsewhere)
        with watched.watched(lambda: told.append("here")):
            thread.start()
            await ended(task)
            await asyncio.to_thread(thread.join)
        return sorted(told)

    assert asyncio.run(main()) == ["elsewhere", "here"]


def test_nobody_is_told_of_an_end_that_was_there_before() -> None:
    async def main() -> list[str]:
        told: list[str] = []
        task = asyncio.create_task(home())
        await ended(task)
        with Home(task).watched(lambda: told.append("ended")):
            await asyncio.sleep(0)
        return told

    assert asyncio.run(main()) == []


def test_who_has_stopped_watching_is_told_nothing() -> None:
    async def main() -> list[str]:
        told: list[str] = []
        task = asyncio.create_task(home())
        with Home(task).watched(lambda: told.append("ended")):
            pass
        await ended(task)
        await asyncio.sleep(0)
        return told

    assert asyncio.run(main()) == []
