"""`runlog(stream=True)` and `runlog_stream`: LangChain streams while a test is recorded."""

from __future__ import annotations

import pytest

from support.inner import Project

STREAMS = """
        def streams(log):
            return bool(log.one(type="chat_model").chunks)
"""


def test_a_marked_test_has_its_models_stream(project: Project) -> None:
    result = project.run(
        """
        @pytest.mark.runlog(stream=True)
        def test_marked(runlog):
            assert ask() == ANSWER
            assert [chunk.value.content for chunk in runlog.models[0].chunks] == [
                "JSON ", "Patch", ""
            ]

        def test_not_marked(runlog):
            assert ask() == ANSWER
            assert runlog.models[0].chunks == []
        """
    )

    result.assert_outcomes(passed=2)


def test_the_ini_key_is_for_every_test_and_for_recordings_by_hand(project: Project) -> None:
    result = project.run(
        f"""
        import pytest_runlog
        {STREAMS}
        @pytest.fixture(scope="module")
        def before():
            with pytest_runlog.record() as log:
                ask()
            return log

        def test_fixture(runlog):
            ask()
            assert streams(runlog)

        def test_by_hand(before):
            assert streams(before)

        def test_by_hand_otherwise():
            with pytest_runlog.record(stream=False) as log:
                ask()
            assert not streams(log)

        @pytest.mark.runlog(stream=False)
        def test_marked_otherwise(runlog):
            ask()
            assert not streams(runlog)
        """,
        ini="runlog_stream = true",
    )

    result.assert_outcomes(passed=4)


def test_the_closest_marker_that_names_it_counts(project: Project) -> None:
    result = project.run(
        f"""
        pytestmark = pytest.mark.runlog(stream=True)
        {STREAMS}
        class TestAll:
            @pytest.mark.runlog(session=False)
            def test_another_argument(self, runlog):
                ask()
                assert streams(runlog)

            @pytest.mark.runlog(stream=False)
            def test_the_same(self, runlog):
                ask()
                assert not streams(runlog)

        @pytest.mark.runlog(stream=False)
        class TestOthers:
            def test_closer(self, runlog):
                ask()
                assert not streams(runlog)
        """
    )

    result.assert_outcomes(passed=3)


def test_a_marked_test_is_recorded_without_the_fixture(project: Project) -> None:
    result = project.run(
        """
        @pytest.mark.runlog(stream=True)
        def test_answer():
            ask()
            assert False
        """
    )

    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*- runlog -*", "RunnableSequence (chain)*"])


def test_it_ends_with_the_test(project: Project) -> None:
    result = project.run(
        """
        import pytest_runlog

        called = []

        def model():
            from support.models import FakeChat

            class Noting(FakeChat):
                def _generate(self, *args, **kwargs):
                    called.append("generate")
                    return super()._generate(*args, **kwargs)

                def _stream(self, *args, **kwargs):
                    called.append("stream")
                    return super()._stream(*args, **kwargs)

            return Noting(answers=["x"])

        @pytest.mark.runlog(stream=True)
        def test_streamed(runlog):
            model().invoke("?")

        def test_recorded(runlog):
            model().invoke("?")

        def test_not_recorded():
            model().invoke("?")
            assert called == ["stream", "generate", "generate"]
        """,
        "-p",
        "no:randomly",
    )

    result.assert_outcomes(passed=3)


def test_async_tests_stream_too(project: Project) -> None:
    result = project.run(
        f"""
        {STREAMS}
        @pytest.mark.asyncio
        @pytest.mark.runlog(stream=True)
        async def test_answer(runlog):
            assert await aask() == ANSWER
            assert streams(runlog)
        """,
        "-o",
        "asyncio_default_fixture_loop_scope=function",
    )

    result.assert_outcomes(passed=1)


@pytest.mark.parametrize(
    ("marker", "message"),
    [
        ("stream='yes'", "@pytest.mark.runlog(stream='yes'): stream is True or False"),
        ("streams=True", "@pytest.mark.runlog takes record=, stream= and session=, not streams="),
    ],
)
def test_a_marker_that_cannot_be_is_a_collection_error(
    project: Project, marker: str, message: str
) -> None:
    result = project.run(f"""
        @pytest.mark.runlog({marker})
        def test_answer(runlog):
            pass
    """)

    result.assert_outcomes(errors=1)
    assert f"test_it.py::test_answer: {message}" in result.outlines


def test_it_works_under_xdist(project: Project) -> None:
    result = project.run(
        f"""
        {STREAMS}
        @pytest.mark.runlog(stream=True)
        @pytest.mark.parametrize("number", range(4))
        def test_answer(runlog, number):
            ask()
            assert streams(runlog)
        """,
        "-n2",
        subprocess=True,
    )

    result.assert_outcomes(passed=4)
