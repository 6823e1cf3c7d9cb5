"""pytest-rerunfailures: the last attempt of a test counts."""

from __future__ import annotations

from support.inner import Project, section


def test_the_summary_counts_the_last_attempt(project: Project) -> None:
    result = project.run(
        """
        attempts = []

        def test_flaky(runlog):
            attempts.append(1)
            for _ in attempts:
                ask()
            assert len(attempts) == 3
        """,
        "--reruns=5",
    )

    result.assert_outcomes(passed=1)
    assert section(result, "runlog", "=").startswith("1 test recorded, 12 runs, 3 model runs\n")


def test_each_attempt_starts_with_an_empty_log(project: Project) -> None:
    result = project.run(
        """
        attempts = []

        def test_flaky():
            attempts.append(1)
            ask(f"attempt {len(attempts)}")
            assert len(attempts) > 2
            assert False
        """,
        "--reruns=2",
        "--runlog",
    )

    result.assert_outcomes(failed=1)
    assert '"attempt 3"' in section(result, "runlog", "-")
    assert '"attempt 2"' not in section(result, "runlog", "-")


def test_an_attempt_that_recorded_nothing_counts_too(project: Project) -> None:
    result = project.run(
        """
        attempts = []

        def test_flaky(request):
            attempts.append(1)
            if len(attempts) == 1:
                request.getfixturevalue("runlog")
                ask()
                assert False
        """,
        "--reruns=1",
    )

    result.assert_outcomes(passed=1)
    result.stdout.no_fnmatch_line("*1 test recorded*")
