"""A failure of the recorder: the chain does not notice, the test does not pass in silence."""

from __future__ import annotations

import pytest

from support.inner import Project, section

BROKEN = """
    import pytest

    def journal_is_full(*args):
        raise OSError("journal is full")

    @pytest.fixture(autouse=True)
    def broken(monkeypatch):
        monkeypatch.setattr("pytest_runlog.recording.handler.spread", journal_is_full)
"""
MESSAGE = (
    "pytest-runlog failed * times to record an event, so what it recorded is incomplete. The "
    "chain was not affected. The first traceback is the cause of this error; please report it. "
    "To let such tests pass: runlog_recording_errors = warn"
)


def test_it_fails_the_test_with_the_original_traceback(project: Project) -> None:
    result = project.run(
        """
        def test_answer(runlog):
            assert ask() == ANSWER
        """,
        conftest=BROKEN,
    )

    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "    def journal_is_full(?args):",
            '>       raise OSError("journal is full")',
            "E       OSError: journal is full",
            "conftest.py:*: OSError",
            "The above exception was the direct cause of the following exception:",
            f"E * pytest_runlog.plugin.RecordingError: {MESSAGE}",
        ]
    )


def test_it_fails_a_test_that_is_recorded_without_the_fixture(project: Project) -> None:
    result = project.run(
        """
        from unittest import TestCase

        def test_answer():
            assert ask() == ANSWER

        class AnswerTest(TestCase):
            def test_answer(self):
                self.assertEqual(ask(), ANSWER)
        """,
        "--runlog",
        conftest=BROKEN,
    )

    result.assert_outcomes(failed=2)


def test_it_fails_a_test_that_requested_the_fixture_from_its_body(project: Project) -> None:
    result = project.run(
        """
        def test_answer(request):
            request.getfixturevalue("runlog")
            assert ask() == ANSWER
        """,
        conftest=BROKEN,
    )

    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["E * pytest_runlog.plugin.RecordingError: *"])


@pytest.mark.parametrize("section", ["runlog.capture()", "pytest_runlog.record()"])
def test_it_fails_the_test_though_a_recording_inside_of_it_met_the_failure(
    project: Project, section: str
) -> None:
    result = project.run(
        f"""
        import pytest_runlog

        def test_answer(runlog):
            with {section}:
                assert ask() == ANSWER
        """,
        conftest=BROKEN,
    )

    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["E * pytest_runlog.plugin.RecordingError: *"])


def test_a_test_that_fails_by_itself_keeps_its_error_and_shows_the_failure(
    project: Project,
) -> None:
    result = project.run(
        """
        def test_answer(runlog):
            assert ask() == "no"
        """,
        conftest=BROKEN,
    )

    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["E       AssertionError: assert 'JSON Patch' == 'no'"])
    lines = section(result, "runlog: not recorded").splitlines()
    assert lines[0].startswith("pytest-runlog failed ")
    assert lines[-1] == "OSError: journal is full"


def test_an_expected_failure_is_still_expected(project: Project) -> None:
    result = project.run(
        """
        @pytest.mark.xfail(raises=AssertionError)
        def test_answer(runlog):
            assert ask() == "no"
        """,
        conftest=BROKEN,
    )

    result.assert_outcomes(xfailed=1)


def test_the_next_test_starts_afresh(project: Project) -> None:
    result = project.run("""
        def journal_is_full(*args):
            raise OSError("journal is full")

        def test_broken(runlog, monkeypatch):
            monkeypatch.setattr("pytest_runlog.recording.handler.spread", journal_is_full)
            ask()

        def test_answer(runlog):
            ask()
            assert runlog.names == CHAIN
    """)

    result.assert_outcomes(passed=1, failed=1)


def test_it_only_warns_when_told_so(project: Project) -> None:
    result = project.run(
        """
        def test_answer(runlog):
            assert ask() == ANSWER
        """,
        ini="""
        runlog_recording_errors = warn
        filterwarnings = default
        """,
        conftest=BROKEN,
    )

    result.assert_outcomes(passed=1, warnings=1)
    result.stdout.fnmatch_lines(
        [
            "test_it.py::test_answer",
            f"  *test_it.py:16: RecordingWarning: {MESSAGE}",
            "  OSError: journal is full",
        ]
    )


def test_a_log_that_cannot_be_read_only_warns_when_told_so(project: Project) -> None:
    result = project.run(
        """
        def test_answer(runlog):
            assert ask() == ANSWER
        """,
        ini="""
        runlog_recording_errors = warn
        filterwarnings = default
        """,
        conftest="""
        import pytest

        def build_runs(*args):
            raise RuntimeError("cannot build")

        @pytest.fixture(autouse=True)
        def broken(monkeypatch):
            monkeypatch.setattr("pytest_runlog.capture.build_runs", build_runs)
        """,
    )

    result.assert_outcomes(passed=1, warnings=1)
    result.stdout.fnmatch_lines(["  *RecordingWarning: *", "  RuntimeError: cannot build"])
