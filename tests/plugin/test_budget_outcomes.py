"""A breach in every kind of test: it fails what passed, and is told beside what failed."""

from __future__ import annotations

import importlib.util

import pytest

from support.inner import Project, section

BREACH = "runs <= 3 is 4"
MARK = '@pytest.mark.runlog_budget("runs <= 3")'


def section_of_breaches(result: pytest.RunResult) -> str:
    return section(result, "runlog: budgets")


@pytest.mark.parametrize(
    "test",
    [
        f"""
        {MARK}
        def test_answer():
            ask()
        """,
        f"""
        {MARK}
        class TestAnswers:
            def test_answer(self):
                ask()
        """,
        f"""
        from unittest import TestCase

        {MARK}
        class TestAnswers(TestCase):
            def test_answer(self):
                ask()
        """,
        f"""
        from unittest import IsolatedAsyncioTestCase

        class TestAnswers(IsolatedAsyncioTestCase):
            {MARK}
            async def test_answer(self):
                await aask()
        """,
        f"""
        @pytest.mark.anyio
        {MARK}
        async def test_answer(anyio_backend_name):
            await aask()

        @pytest.fixture
        def anyio_backend():
            return "asyncio"
        """,
        f"""
        @pytest.mark.parametrize("question", ["why?"])
        {MARK}
        def test_answer(question):
            ask(question)
        """,
        """
        @pytest.mark.parametrize(
            "times", [pytest.param(1, marks=pytest.mark.runlog_budget("runs <= 3"))]
        )
        def test_answer(times):
            ask()
        """,
        f"""
        {MARK}
        def test_answer(request):
            request.getfixturevalue("runlog")
            ask()
        """,
        f"""
        @pytest.fixture
        def late():
            yield
            ask("teardown")

        {MARK}
        def test_answer(late):
            ask()
        """,
    ],
    ids=[
        "function",
        "class",
        "unittest",
        "async unittest",
        "anyio",
        "parametrized",
        "parameter",
        "fixture from the body",
        "with teardown",
    ],
)
def test_a_passing_test_fails_once(project: Project, test: str) -> None:
    result = project.run(test)

    result.assert_outcomes(failed=1)
    assert result.outlines.count(BREACH) == 1


def test_an_asyncio_test_fails(project: Project) -> None:
    result = project.run(
        f"""
        {MARK}
        async def test_answer():
            await aask()
        """,
        "-oasyncio_mode=auto",
        "-oasyncio_default_fixture_loop_scope=function",
    )

    result.assert_outcomes(failed=1)
    assert BREACH in result.outlines


def test_a_doctest_fails(project: Project) -> None:
    result = project.run(
        """
        def answer():
            '''
            >>> ask()
            'JSON Patch'
            '''
        """,
        "--runlog",
        "--doctest-modules",
        "--runlog-budget=runs <= 3",
    )

    result.assert_outcomes(failed=1)
    assert BREACH in result.outlines


@pytest.mark.parametrize(
    "test",
    [
        f"""
        {MARK}
        def test_answer():
            assert ask() == "no"
        """,
        f"""
        from unittest import TestCase

        class TestAnswers(TestCase):
            {MARK}
            def test_answer(self):
                self.fail(ask() + ", no")
        """,
        f"""
        {MARK}
        def test_answer(runlog):
            ask()
            pytest.fail("no")
        """,
    ],
    ids=["function", "unittest", "pytest.fail"],
)
def test_a_failing_test_keeps_its_error_and_shows_its_breaches_below(
    project: Project, test: str
) -> None:
    result = project.run(test)

    result.assert_outcomes(failed=1)
    (failed,) = (line for line in result.outlines if line.startswith("FAILED "))
    assert "BudgetExceeded" not in failed
    assert "no" in failed
    assert section_of_breaches(result).splitlines()[0] == BREACH


def test_a_failing_test_that_keeps_its_budgets_shows_no_section(project: Project) -> None:
    result = project.run("""
        @pytest.mark.runlog_budget("runs <= 4")
        def test_answer():
            assert ask() == "no"
    """)

    result.assert_outcomes(failed=1)
    result.stdout.no_fnmatch_line("*runlog: budgets*")


NOT_JUDGED = {
    "skip": (f"@pytest.mark.skip\n{MARK}\ndef test_answer(): ask()", "skipped"),
    "skipif": (
        f"@pytest.mark.skipif(True, reason='-')\n{MARK}\ndef test_answer(): ask()",
        "skipped",
    ),
    "skip in the body": (f"{MARK}\ndef test_answer(): ask(); pytest.skip('later')", "skipped"),
    "xfail in the body": (f"{MARK}\ndef test_answer(): ask(); pytest.xfail('known')", "xfailed"),
    "xfail that fails": (
        (
            f"@pytest.mark.xfail(raises=ValueError)\n{MARK}\n"
            "def test_answer(): ask(); raise ValueError"
        ),
        "xfailed",
    ),
    "unittest skip in the body": (
        (
            f"import unittest\nclass TestAnswers(unittest.TestCase):\n    {MARK}\n"
            "    def test_answer(self): ask(); self.skipTest('later')"
        ),
        "skipped",
    ),
    "unittest skip": (
        (
            f"import unittest\nclass TestAnswers(unittest.TestCase):\n    {MARK}\n"
            "    @unittest.skip('later')\n    def test_answer(self): ask()"
        ),
        "skipped",
    ),
    "unittest expectedFailure": (
        (
            f"import unittest\nclass TestAnswers(unittest.TestCase):\n    {MARK}\n"
            "    @unittest.expectedFailure\n    def test_answer(self): ask(); self.fail('known')"
        ),
        "xfailed",
    ),
}


@pytest.mark.parametrize("choice", ["fail", "warn"])
@pytest.mark.parametrize("kind", NOT_JUDGED)
def test_skipped_tests_and_those_that_fail_as_expected_are_not_judged(
    project: Project, kind: str, choice: str
) -> None:
    source, outcome = NOT_JUDGED[kind]

    result = project.run(source, f"--runlog-on-breach={choice}", "-Werror")

    assert result.parseoutcomes() == {outcome: 1}
    assert not [line for line in result.outlines if line.startswith("budgets ")]


@pytest.mark.parametrize(
    ("xfail", "outcome"),
    [
        ("xfail", "xfailed"),
        ("xfail(strict=True)", "xfailed"),
        ("xfail(raises=AssertionError)", "xfailed"),
        ("xfail(raises=pytest_runlog.BudgetExceeded)", "xfailed"),
        ("xfail(raises=ValueError)", "failed"),
    ],
)
def test_a_breach_can_be_the_failure_that_is_expected(
    project: Project, xfail: str, outcome: str
) -> None:
    result = project.run(f"""
        import pytest_runlog

        @pytest.mark.{xfail}
        {MARK}
        def test_answer():
            ask()
    """)

    assert result.parseoutcomes() == {outcome: 1}


def test_subtests_keep_their_errors_and_the_test_fails_for_its_breach(project: Project) -> None:
    if not hasattr(pytest, "Subtests"):
        pytest.skip("this pytest has no subtests")
    result = project.run(f"""
        {MARK}
        def test_answer(subtests):
            with subtests.test("first"):
                assert ask() == "no"
            with subtests.test("second"):
                pass
    """)

    result.stdout.fnmatch_lines(
        [
            "E * AssertionError: assert 'JSON Patch' == 'no'",
            BREACH,
            "SUBFAILED[[]first[]] test_it.py::test_answer - AssertionError: *",
            f"FAILED test_it.py::test_answer - BudgetExceeded: {BREACH}",
        ]
    )


def test_subtests_of_unittest_keep_their_errors(project: Project) -> None:
    result = project.run(f"""
        from unittest import TestCase

        class TestAnswers(TestCase):
            {MARK}
            def test_answer(self):
                with self.subTest("first"):
                    self.assertEqual(ask(), "no")
                with self.subTest("second"):
                    pass
    """)

    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(["*AssertionError: 'JSON Patch' != 'no'*", BREACH])


def test_a_test_that_is_rerun_fails_when_its_last_attempt_does(project: Project) -> None:
    result = project.run(
        f"""
        {MARK}
        def test_answer():
            ask()
        """,
        "--reruns=2",
    )

    result.assert_outcomes(failed=1)
    assert result.parseoutcomes()["rerun"] == 2
    assert "budgets     1 breached" in section(result, "runlog", "=").splitlines()


def test_a_test_that_is_rerun_passes_when_an_attempt_keeps_the_budget(project: Project) -> None:
    result = project.run(
        """
        attempts = []

        @pytest.mark.runlog_budget("runs <= 4")
        def test_answer():
            attempts.append(1)
            for _ in range(3 - len(attempts)):
                ask()
        """,
        "--reruns=2",
    )

    result.assert_outcomes(passed=1)
    assert result.parseoutcomes()["rerun"] == 1
    assert "budgets     1 held" in section(result, "runlog", "=").splitlines()


def test_each_repetition_is_judged_by_itself(project: Project) -> None:
    if importlib.util.find_spec("pytest_repeat") is None:
        pytest.skip("pytest-repeat is not installed")
    result = project.run(
        """
        repetitions = []

        @pytest.mark.repeat(3)
        @pytest.mark.runlog_budget("runs <= 4")
        def test_answer():
            repetitions.append(1)
            for _ in range(len(repetitions)):
                ask()
        """
    )

    result.assert_outcomes(passed=1, failed=2)
    assert "budgets     1 held, 2 breached" in section(result, "runlog", "=").splitlines()


def test_a_failure_in_setup_or_teardown_is_not_judged_again(project: Project) -> None:
    result = project.run("""
        @pytest.fixture
        def before(runlog):
            ask()
            raise RuntimeError("no index")

        @pytest.fixture
        def after():
            yield
            raise RuntimeError("no index")

        @pytest.mark.runlog_budget("runs <= 3")
        def test_setup(before):
            pass

        @pytest.mark.runlog_budget("runs <= 4")
        def test_teardown(after):
            ask()
    """)

    result.assert_outcomes(passed=1, errors=2)
    assert "budgets     1 held" in section(result, "runlog", "=").splitlines()


def test_a_breach_can_be_a_warning(project: Project) -> None:
    result = project.run(
        f"""
        {MARK}
        def test_answer():
            ask()
        """,
        "--runlog-on-breach=warn",
        "-Wdefault",
    )

    result.assert_outcomes(passed=1, warnings=1)
    result.stdout.fnmatch_lines(
        [
            "test_it.py::test_answer",
            f"  *test_it.py:*: BudgetWarning: {BREACH}",
            "    1 (33.3%) over the limit",
        ]
    )
    assert section(result, "runlog", "=").splitlines()[-2:] == [
        "budgets     1 breached",
        f"            test_it.py::test_answer: {BREACH}",
    ]


def test_a_warning_fails_the_test_where_warnings_are_errors(project: Project) -> None:
    result = project.run(
        f"""
        {MARK}
        def test_answer():
            ask()
        """,
        "--runlog-on-breach=warn",
        "-Werror",
    )

    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines([f"E *BudgetWarning: {BREACH}"])


def test_a_failing_test_shows_its_breaches_where_they_are_warnings_too(project: Project) -> None:
    result = project.run(
        f"""
        {MARK}
        def test_answer():
            assert ask() == "no"
        """,
        "--runlog-on-breach=warn",
    )

    result.assert_outcomes(failed=1)
    assert section_of_breaches(result).splitlines()[0] == BREACH


def test_a_breach_can_be_ignored(project: Project) -> None:
    result = project.run(
        f"""
        {MARK}
        def test_answer():
            ask()
        """,
        ini="runlog_on_breach = ignore",
    )

    result.assert_outcomes(passed=1)
    result.stdout.no_fnmatch_line("budgets *")
    result.stdout.no_fnmatch_line(f"*{BREACH}*")


def test_a_recorder_that_failed_is_told_before_a_breach(project: Project) -> None:
    result = project.run(
        f"""
        {MARK}
        def test_answer(monkeypatch):
            monkeypatch.setattr("pytest_runlog.recording.handler.spread", None)
            ask()
        """
    )

    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["E * pytest_runlog.plugin.RecordingError: *"])
