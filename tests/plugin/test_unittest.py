"""Tests written with unittest."""

from __future__ import annotations

from support.inner import Project


def test_a_test_case_is_recorded_when_every_test_is(project: Project) -> None:
    result = project.run(
        """
        from unittest import TestCase

        class AnswerTest(TestCase):
            def setUp(self):
                ask("setUp")

            def tearDown(self):
                ask("tearDown")

            def test_answer(self):
                ask("call")
        """,
        "-q",
        "--runlog",
    )

    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["runlog: 1 test recorded, 12 runs, 3 model runs, *"])


def test_an_autouse_fixture_hands_the_log_to_a_test_case(project: Project) -> None:
    result = project.run("""
        from unittest import TestCase

        class AnswerTest(TestCase):
            @pytest.fixture(autouse=True)
            def _log(self, runlog):
                self.runlog = runlog

            def test_first(self):
                ask("first")
                self.assertEqual(questions(self.runlog), ["first"])

            def test_second(self):
                ask("second")
                self.assertEqual(questions(self.runlog), ["second"])
    """)

    result.assert_outcomes(passed=2)


def test_an_async_test_case_is_recorded(project: Project) -> None:
    result = project.run("""
        from unittest import IsolatedAsyncioTestCase

        class AnswerTest(IsolatedAsyncioTestCase):
            @pytest.fixture(autouse=True)
            def _log(self, runlog):
                self.runlog = runlog

            async def asyncSetUp(self):
                await aask("asyncSetUp")

            async def test_answer(self):
                await aask("call")
                self.assertEqual(questions(self.runlog), ["asyncSetUp", "call"])
    """)

    result.assert_outcomes(passed=1)


def test_a_failing_test_case_shows_its_tree(project: Project) -> None:
    result = project.run(
        """
        from unittest import TestCase

        class AnswerTest(TestCase):
            def test_answer(self):
                self.assertEqual(ask(), "no")
        """,
        "--runlog",
    )

    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["-* runlog -*", "RunnableSequence (chain)"])
