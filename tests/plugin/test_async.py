"""Async tests, under each of the runners that LangChain's users have."""

from __future__ import annotations

import asyncio

import pytest

from support.inner import Project
from support.versions import IN_A_LOOP_OF_THE_MODULE

AUTO = ("--asyncio-mode=auto", "-o", "asyncio_default_fixture_loop_scope=function")
STRICT = ("--asyncio-mode=strict", "-o", "asyncio_default_fixture_loop_scope=function")


def test_pytest_asyncio_in_auto_mode(project: Project) -> None:
    result = project.run(
        """
        @pytest.fixture
        async def answer(runlog):
            return await aask("fixture")

        async def test_answer(runlog, answer):
            assert await aask("call") == ANSWER
            assert questions(runlog) == ["fixture", "call"]
            assert runlog.names == [*CHAIN, *CHAIN]
        """,
        *AUTO,
    )

    result.assert_outcomes(passed=1)


def test_pytest_asyncio_in_strict_mode(project: Project) -> None:
    result = project.run(
        """
        import pytest_asyncio

        @pytest_asyncio.fixture
        async def answer(runlog):
            return await aask("fixture")

        @pytest.mark.asyncio
        async def test_answer(runlog, answer):
            assert await aask("call") == ANSWER
            assert questions(runlog) == ["fixture", "call"]
        """,
        *STRICT,
    )

    result.assert_outcomes(passed=1)


def test_a_loop_that_tests_share_does_not_mix_their_logs(project: Project) -> None:
    result = project.run(
        f"""
        import pytest_asyncio

        pytestmark = {IN_A_LOOP_OF_THE_MODULE}

        @pytest_asyncio.fixture(scope="module")
        async def warmed_up():
            return await aask("warm up")

        async def test_first(warmed_up, runlog):
            await aask("first")
            assert questions(runlog) == ["first"]

        async def test_second(warmed_up, runlog):
            await aask("second")
            assert questions(runlog) == ["second"]
        """,
        "--asyncio-mode=strict",
        "-o",
        "asyncio_default_fixture_loop_scope=module",
    )

    result.assert_outcomes(passed=2)


def test_tasks_and_threads_that_an_async_test_starts_are_recorded(project: Project) -> None:
    result = project.run(
        """
        import asyncio

        async def test_answer(runlog):
            await asyncio.gather(aask("a"), asyncio.create_task(aask("b")))
            await asyncio.to_thread(ask, "c")
            await asyncio.get_running_loop().run_in_executor(None, ask, "d")
            assert sorted(questions(runlog)) == ["a", "b", "c", "d"]
        """,
        *AUTO,
    )

    result.assert_outcomes(passed=1)


def test_a_task_that_is_left_running_reports_to_the_test_that_started_it(project: Project) -> None:
    result = project.run(
        f"""
        import asyncio
        import pytest_asyncio
        from langchain_core.runnables import RunnableLambda

        pytestmark = {IN_A_LOOP_OF_THE_MODULE}
        kept = {{}}

        async def test_first(runlog):
            started, release = asyncio.Event(), asyncio.Event()

            # On Python 3.10, langchain-core before 1.4.8 knows the parent only from the config.
            async def slow(text, config):
                started.set()
                await release.wait()
                return await question_chain().ainvoke({{"question": text}}, config)

            task = asyncio.create_task(RunnableLambda(slow).ainvoke("late"))
            await started.wait()
            kept.update(log=runlog, task=task, release=release)

        async def test_second(runlog):
            assert kept["log"].root.status == "unfinished"
            kept["release"].set()
            assert await kept["task"] == ANSWER
            assert not runlog.runs
            assert kept["log"].names == ["slow", *CHAIN]
            assert kept["log"].root.status == "ok"
        """,
        *STRICT,
    )

    result.assert_outcomes(passed=2)


def test_anyio_on_asyncio(project: Project) -> None:
    result = project.run("""
        pytestmark = pytest.mark.anyio

        @pytest.fixture
        def anyio_backend():
            return "asyncio"

        async def test_answer(runlog):
            assert await aask("call") == ANSWER
            assert questions(runlog) == ["call"]
    """)

    result.assert_outcomes(passed=1)


def test_anyio_with_async_fixtures(project: Project) -> None:
    result = project.run("""
        pytestmark = pytest.mark.anyio

        @pytest.fixture
        def anyio_backend():
            return "asyncio"

        @pytest.fixture
        async def before():
            return await aask("before")

        @pytest.fixture
        async def after(runlog):
            await aask("after")
            yield
            await aask("teardown")

        async def test_answer(before, runlog, after):
            await aask("call")
            assert questions(runlog) == ["after", "call"]
    """)

    result.assert_outcomes(passed=1)


def test_anyio_with_one_runner_for_the_module(project: Project) -> None:
    result = project.run("""
        pytestmark = pytest.mark.anyio

        @pytest.fixture(scope="module")
        def anyio_backend():
            return "asyncio"

        @pytest.fixture(scope="module")
        async def warmed_up(anyio_backend):
            return await aask("warm up")

        async def test_first(warmed_up, runlog):
            await aask("first")
            assert questions(runlog) == ["first"]

        async def test_second(warmed_up, runlog):
            await aask("second")
            assert questions(runlog) == ["second"]
    """)

    result.assert_outcomes(passed=2)


@pytest.mark.parametrize(
    "loop",
    ["nullcontext(asyncio.run)", "closing(asyncio.new_event_loop())"],
    ids=["asyncio.run", "run_until_complete"],
)
def test_what_a_sync_test_runs_in_loops_one_after_another_keeps_its_order(
    project: Project, loop: str
) -> None:
    result = project.run(f"""
        import asyncio
        from contextlib import closing, nullcontext

        def test_answer(runlog):
            with {loop} as loop:
                run = getattr(loop, "run_until_complete", loop)
                run(aask("b"))
                run(aask("a"))
            assert questions(runlog) == ["b", "a"]
    """)

    result.assert_outcomes(passed=1)


TRIO = """
    import trio

    pytestmark = pytest.mark.anyio

    @pytest.fixture
    def anyio_backend():
        return "trio"
"""


def test_sync_chains_are_recorded_on_trio(project: Project) -> None:
    result = project.run(
        TRIO
        + """
    async def test_answer(runlog):
        ask("loop")
        await trio.to_thread.run_sync(ask, "thread")
        assert questions(runlog) == ["loop", "thread"]
    """
    )

    result.assert_outcomes(passed=1)


@pytest.mark.parametrize("args", [("-p", "no:runlog"), ("--runlog",)], ids=["without", "with"])
def test_langchain_itself_cannot_run_async_chains_on_trio(
    project: Project, args: tuple[str, ...]
) -> None:
    asyncio.set_event_loop(None)  # or Python 3.11 and older would make one, and not close it
    result = project.run(
        TRIO
        + """
    async def test_answer():
        await aask()
    """,
        *args,
    )

    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*RuntimeError: *event loop*"])
