"""Tests that freeze or move the clock."""

from __future__ import annotations

from support.inner import Project

MEASURED = """
    def check(log):
        assert len(log.runs) == 4
        assert all(run.latency > 0 for run in log.runs)
        assert all(run.start_ns < run.end_ns for run in log.runs)
        starts = [run.start_ns for run in log.runs]
        assert starts == sorted(starts)
        assert log.root.latency > max(run.latency for run in log.root.children)
"""


def test_freezegun_in_the_body(project: Project) -> None:
    result = project.run(
        MEASURED
        + """
    from freezegun import freeze_time

    def test_answer(runlog):
        with freeze_time("2001-01-01"):
            ask()
        check(runlog)
    """
    )

    result.assert_outcomes(passed=1)


def test_freezegun_around_the_test(project: Project) -> None:
    result = project.run(
        MEASURED
        + """
    from freezegun import freeze_time

    @freeze_time("2001-01-01")
    def test_answer(runlog):
        ask()
        check(runlog)
    """
    )

    result.assert_outcomes(passed=1)


def test_freezegun_before_the_first_recording_of_the_process(project: Project) -> None:
    result = project.run(
        """
        import pytest
        from freezegun import freeze_time

        @pytest.fixture(scope="session", autouse=True)
        def frozen():
            with freeze_time("2001-01-01"):
                yield

        def test_answer(runlog):
            from langchain_core.runnables import RunnableLambda

            RunnableLambda(str).invoke(1)
            assert runlog.root.latency > 0
        """,
        subprocess=True,
        header=False,
    )

    result.assert_outcomes(passed=1)


def test_time_machine_standing_still(project: Project) -> None:
    result = project.run(
        MEASURED
        + """
    import time_machine

    @time_machine.travel("2001-01-01", tick=False)
    def test_answer(runlog):
        ask()
        check(runlog)
    """
    )

    result.assert_outcomes(passed=1)


def test_time_machine_going_back_in_the_middle(project: Project) -> None:
    result = project.run(
        """
        import time_machine
        from langchain_core.runnables import RunnableLambda

        def test_answer(runlog):
            with time_machine.travel("2001-01-02", tick=False) as traveller:
                RunnableLambda(lambda text: traveller.move_to("2001-01-01")).invoke("back")
            assert 0 < runlog.root.latency < 3600
            assert runlog.root.end > runlog.root.start
        """
    )

    result.assert_outcomes(passed=1)


def test_runs_are_dated_by_the_clock_of_the_test(project: Project) -> None:
    result = project.run(
        """
        import time_machine

        @time_machine.travel("2001-01-01T00:00:00Z", tick=False)
        def test_answer(runlog):
            ask()
            assert runlog.root.start.isoformat() == "2001-01-01T00:00:00+00:00"
        """
    )

    result.assert_outcomes(passed=1)
