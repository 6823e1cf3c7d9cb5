"""A run belongs to its parent's recording, a new root to those that are open when it starts."""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Any

import pytest
from langchain_core.runnables import Runnable, RunnableConfig, RunnableLambda
from langchain_core.tracers.context import _configure_hooks

import pytest_runlog
from pytest_runlog.capture import open_capture
from pytest_runlog.defaults import Options
from support.chains import question_chain
from support.doors import INPUT
from support.models import chat

if TYPE_CHECKING:
    from pytest_runlog import RunLogCapture

NAMES = ["RunnableSequence", "ChatPromptTemplate", "FakeChat", "StrOutputParser"]


def step(name: str) -> Runnable[Any, Any]:
    return RunnableLambda(lambda value: value, name=name)


def run(name: str) -> None:
    step(name).invoke("x")


class Held:
    """A chain that waits in the middle, on a thread of its own, until it is let go."""

    def __init__(self, config: RunnableConfig | None = None) -> None:
        self.begun, self.release = threading.Event(), threading.Event()
        self.answers: list[Any] = []
        chain = step("before") | RunnableLambda(self.wait, name="wait") | step("after")
        self.thread = threading.Thread(
            target=lambda: self.answers.append(chain.invoke("x", config)), daemon=True
        )
        self.thread.start()
        assert self.begun.wait(30)

    def wait(self, value: Any) -> Any:
        self.begun.set()
        assert self.release.wait(30)
        run("inside")
        return chat().invoke(value).content and value

    def finish(self) -> None:
        self.release.set()
        self.thread.join(30)
        assert self.answers == ["x"]


HELD = ["RunnableSequence", "before", "wait", "inside", "FakeChat", "after"]


# Recordings in recordings


def test_a_root_belongs_to_every_recording_that_is_open_when_it_starts() -> None:
    with pytest_runlog.record() as outer:
        run("one")
        with pytest_runlog.record() as inner, inner.capture() as innermost:
            run("two")
        run("three")
    run("four")
    assert outer.names == ["one", "two", "three"]
    assert inner.names == innermost.names == ["two"]


def test_a_section_sees_its_runs_whole() -> None:
    with pytest_runlog.record() as log, log.capture() as section:
        question_chain(chat("a b")).invoke(INPUT)
        list(question_chain(chat("a b")).stream(INPUT))
    assert section.tree("full") == log.tree("full")
    assert section.names == NAMES * 2


def test_recordings_that_are_closed_out_of_order_see_what_ran_while_each_was_open() -> None:
    first, second, third = (open_capture(Options()) for _ in range(3))
    run("all")
    first.close()
    run("second and third")
    third.close()
    run("second")
    second.close()
    run("none")
    assert first.names == ["all"]
    assert second.names == ["all", "second and third", "second"]
    assert third.names == ["all", "second and third"]


def test_a_recording_that_is_closed_twice_stays_closed() -> None:
    with pytest_runlog.record() as other:
        log = open_capture(Options())
        log.close()
        log.close()
        run("late")
    assert log.names == []
    assert other.names == ["late"]


def test_a_section_that_is_opened_in_a_step_sees_no_runs_of_that_steps_chain() -> None:
    # They have a parent, and belong where their parent does.
    sections: list[RunLogCapture] = []

    def function(value: Any) -> None:
        with log.capture() as section:
            run("inside")
        sections.append(section)

    with pytest_runlog.record() as log:
        RunnableLambda(function).invoke("x")
    assert log.names == ["function", "inside"]
    assert sections[0].names == []


def test_recordings_one_after_another_see_each_their_own() -> None:
    logs = []
    for name in ["one", "two", "three"]:
        with pytest_runlog.record() as log:
            run(name)
        logs.append(log)
    assert [log.names for log in logs] == [["one"], ["two"], ["three"]]


# Runs that outlive their recording


def test_what_a_chain_does_after_its_recording_belongs_to_it() -> None:
    with pytest_runlog.record() as log:
        held = Held()
    assert log.unfinished.names == ["RunnableSequence", "wait"]
    held.finish()
    assert log.names == HELD
    assert {run.status for run in log.runs} == {"ok"}


def test_what_a_chain_does_during_another_recording_belongs_to_its_own() -> None:
    with pytest_runlog.record() as first:
        held = Held()
    with pytest_runlog.record() as second:
        run("second")
        held.finish()
    assert first.names == HELD
    assert second.names == ["second"]


def test_what_a_chain_does_after_an_inner_recording_belongs_to_both() -> None:
    with pytest_runlog.record() as outer:
        with outer.capture() as inner:
            held = Held()
        held.finish()
    assert outer.names == inner.names == HELD


def test_what_a_chain_of_the_outer_recording_does_during_an_inner_one_belongs_to_the_outer() -> (
    None
):
    with pytest_runlog.record() as outer:
        held = Held()
        with outer.capture() as inner:
            held.finish()
            run("inner")
    assert sorted(outer.names) == sorted([*HELD, "inner"])
    assert inner.names == ["inner"]


def test_a_new_root_of_an_old_thread_belongs_to_what_is_open_then() -> None:
    begin, ready = threading.Event(), threading.Event()

    def work() -> None:
        run("first")
        ready.set()
        begin.wait(30)
        run("second")

    with pytest_runlog.record() as first:
        thread = threading.Thread(target=work)
        thread.start()
        assert ready.wait(30)
    with pytest_runlog.record() as second:
        begin.set()
        thread.join(30)
    assert first.names == ["first"]
    assert second.names == ["second"]


def test_a_new_root_of_an_old_thread_belongs_nowhere_when_nothing_is_open() -> None:
    with pytest_runlog.record() as log:
        held = Held()
    thread = threading.Thread(target=run, args=["late"])
    thread.start()
    thread.join()
    held.finish()
    assert log.names == HELD


def test_a_task_that_outlives_its_recording_reports_to_it() -> None:
    async def main() -> tuple[RunLogCapture, RunLogCapture]:
        begun, release = asyncio.Event(), asyncio.Event()

        async def wait(value: Any) -> Any:
            begun.set()
            await release.wait()
            return value

        with pytest_runlog.record() as first:
            chain = RunnableLambda(wait) | step("after")
            task = asyncio.create_task(chain.ainvoke("x"))
            await begun.wait()
        with pytest_runlog.record() as second:
            release.set()
            await task
        return first, second

    first, second = asyncio.run(main())
    assert first.names == ["RunnableSequence", "wait", "after"]
    assert second.names == []


def test_a_handler_of_a_closed_recording_reports_new_roots_to_what_is_open() -> None:
    with pytest_runlog.record() as first:
        run("first")
    config = first.config()
    question_chain().invoke(INPUT, config)
    with pytest_runlog.record() as second:
        question_chain().invoke(INPUT, config)
    assert first.names == ["first"]
    assert second.names == NAMES


def test_a_chain_that_began_before_the_recording_shows_what_it_does_from_then_on() -> None:
    held = Held()
    with pytest_runlog.record() as log:
        held.finish()
    # Nobody saw their parents start, so they are roots.
    assert sorted(log.names) == ["FakeChat", "after", "inside"]
    assert len(log.roots) == 3


def test_a_cleared_recording_forgets_the_chain_in_flight_and_sees_the_next() -> None:
    with pytest_runlog.record() as log:
        held = Held()
        log.clear()
        run("next")
        held.finish()
    assert log.names == ["next"]
    assert len(log.infino.logs) == 0


# Races


@contextmanager
def rapid_switches() -> Iterator[None]:
    """Let threads take turns as often as they can."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        yield
    finally:
        sys.setswitchinterval(before)


def together(jobs: list[Callable[[], None]]) -> None:
    """Call all of them at the same time, and raise what any of them raises."""
    errors: list[BaseException] = []
    start = threading.Barrier(len(jobs))

    def work(job: Callable[[], None]) -> None:
        start.wait(30)
        try:
            job()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=[job]) for job in jobs]
    with rapid_switches():
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(120)
    assert errors == []


def test_recordings_that_open_and_close_on_many_threads_each_see_their_own_runs_whole() -> None:
    failures: list[Exception] = []

    def job(name: str) -> None:
        chain = step("first") | step("second").with_config(tags=[name])
        for _ in range(30):
            with pytest_runlog.record() as log:
                assert chain.with_config(run_name=name).invoke("x") == "x"
            (own,) = [root for root in log.roots if root.name == name]
            assert [child.name for child in own.children] == ["first", "second"]
            assert {child.status for child in own.children} == {"ok"}
            failures.extend(log.failures)

    together([lambda name=f"job {number}": job(name) for number in range(6)])  # type: ignore[misc]
    assert failures == []


def test_chains_that_run_while_recordings_open_and_close_never_notice() -> None:
    done = threading.Event()
    counts: list[int] = []

    def flicker() -> None:
        while not done.is_set():
            with pytest_runlog.record() as log:
                pass
            assert log.failures == []

    def work() -> None:
        chain = step("one") | question_chain(chat("a b"))
        try:
            for _ in range(60):
                assert chain.invoke(INPUT) == "a b"
                assert list(chain.stream(INPUT)) == ["a ", "b", ""]
            counts.append(60)
        finally:
            done.set()

    together([flicker, flicker, work, work])
    assert counts == [60, 60]


def test_async_chains_that_run_while_recordings_open_and_close_never_notice() -> None:
    done = threading.Event()

    def flicker() -> None:
        while not done.is_set():
            with pytest_runlog.record():
                pass

    def work() -> None:
        async def main() -> None:
            for _ in range(60):
                assert await question_chain(chat("a b")).ainvoke(INPUT) == "a b"

        try:
            asyncio.run(main())
        finally:
            done.set()

    together([flicker, flicker, work])


def test_an_outer_recording_misses_nothing_while_inner_ones_open_and_close() -> None:
    done = threading.Event()

    def flicker() -> None:
        while not done.is_set():
            with pytest_runlog.record():
                pass

    def work() -> None:
        try:
            for _ in range(60):
                (step("one") | step("two")).invoke("x")
        finally:
            done.set()

    with pytest_runlog.record() as log:
        together([flicker, flicker, work])
    assert log.failures == []
    assert log.names == ["RunnableSequence", "one", "two"] * 60
    assert {run.status for run in log.runs} == {"ok"}


@pytest.mark.parametrize("nested", [False, True], ids=["recording", "section"])
def test_a_recording_that_is_cleared_while_chains_run_shows_no_half_of_anything(
    nested: bool,
) -> None:
    done = threading.Event()
    chain = step("one") | step("two")
    with pytest_runlog.record() as outer, outer.capture() if nested else nullcontext(outer) as log:

        def clear() -> None:
            while not done.is_set():
                log.clear()
                assert {root.name for root in log.roots} <= {"RunnableSequence"}
                assert set(log.names) <= {"RunnableSequence", "one", "two"}

        def work() -> None:
            try:
                for _ in range(200):
                    chain.invoke("x")
            finally:
                done.set()

        together([clear, work, work])
        log.clear()
        chain.invoke("x")
    assert log.names == ["RunnableSequence", "one", "two"]
    assert outer.failures == []


def test_a_recording_that_closes_between_langchains_two_looks_is_not_noticed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # LangChain asks the hook whether there is a handler, and then asks again for the handler.
    log = open_capture(Options())
    hook = next(hook for hook, *_ in _configure_hooks if hook.get() is not None)
    get = type(hook).get
    looks: list[Any] = []

    def get_and_close(self: Any) -> Any:
        looks.append(get(self))
        log.close()
        return looks[-1]

    monkeypatch.setattr(type(hook), "get", get_and_close)
    assert (step("one") | step("two")).invoke("x") == "x"
    assert [look is None for look in looks[:2]] == [False, True]
    assert log.names == []
