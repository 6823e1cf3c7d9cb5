"""Budgets under pytest-xdist: what one process finds."""

from __future__ import annotations

import pytest

from support.inner import Project, section, without_slowest

SESSION = """
    from support.models import ModelDown, chat, completion

    def fail():
        with pytest.raises(ModelDown):
            question_chain(chat(ModelDown("503"))).invoke({"question": "why?"})

    @pytest.mark.parametrize("number", range(12))
    def test_answers(runlog, number):
        for _ in range(number % 4):
            ask()

    @pytest.mark.xfail
    def test_known(runlog):
        fail()
        assert False

    @pytest.mark.runlog(session=False)
    def test_provokes_errors():
        fail()

    def test_fails(runlog):
        fail()

    @pytest.mark.runlog_budget("runs <= 3")
    def test_marked():
        ask()

    def test_silent(runlog):
        completion().invoke("why?")
"""
BUDGETS = """
    runlog_budget =
        runs <= 9
        total_tokens <= 100
    runlog_session_budget =
        error_rate <= 4%
        latency_p95 <= 100s
        latency_p99 <= 100s
        total_tokens <= 10
        model_runs[name=FakeChat] == 20
        errors <= 5
"""


def told(result: pytest.RunResult) -> str:
    return without_slowest(section(result, "runlog", "="))


def test_two_workers_find_what_one_process_finds(project: Project) -> None:
    alone = project.run(SESSION, ini=BUDGETS)
    shared = project.run(SESSION, "-n2", ini=BUDGETS, subprocess=True)

    assert alone.ret == shared.ret == pytest.ExitCode.TESTS_FAILED
    assert told(shared) == told(alone)
    assert "session     BREACHED error_rate <= 4%: 4.76%, 0.762 percentage points" in told(alone)


@pytest.mark.parametrize("args", [[], ["-n2"]], ids=["alone", "shared"])
def test_only_the_session_makes_the_exit_status_1(project: Project, args: list[str]) -> None:
    result = project.run(
        """
        @pytest.mark.parametrize("number", range(4))
        def test_answers(runlog, number):
            ask()
        """,
        *args,
        "--runlog-session-budget=total_tokens <= 30",
        subprocess=True,
    )

    result.assert_outcomes(passed=4)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    lines = section(result, "runlog", "=").splitlines()
    assert (
        "session     BREACHED total_tokens <= 30: 36, 6 (20%) over the limit (of 4 model" in lines
    )


def test_a_crashed_and_restarted_worker_loses_only_the_test_that_crashed_it(
    project: Project,
) -> None:
    result = project.run(
        """
        import os

        @pytest.mark.parametrize("number", range(6))
        def test_answers(runlog, number):
            ask()
            if number == 2:
                os._exit(1)
        """,
        "-n1",
        "--runlog-session-budget=model_runs == 5",
        "--runlog-session-budget=total_tokens <= 45",
        subprocess=True,
    )

    result.assert_outcomes(passed=5, failed=1)
    assert without_slowest(section(result, "runlog", "=")).splitlines()[-2:] == [
        "session     model_runs == 5: 5",
        "            total_tokens <= 45: 45, 0 left (of 5 model runs)",
    ]


def test_a_breach_on_a_worker_is_a_warning_on_the_controller(project: Project) -> None:
    result = project.run(
        """
        @pytest.mark.runlog_budget("runs <= 3")
        def test_answer():
            ask()
        """,
        "-n1",
        "--runlog-on-breach=warn",
        "-Wdefault",
        subprocess=True,
    )

    result.assert_outcomes(passed=1, warnings=1)
    result.stdout.fnmatch_lines(["  *BudgetWarning: runs <= 3 is 4", "budgets     1 breached"])


def test_a_wrong_budget_is_told_once_by_the_controller(project: Project) -> None:
    result = project.run("def test_answer(): ask()", "-n1", "--runlog-budget=x", subprocess=True)

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert [line for line in result.errlines if "unknown metric" in line] == [
        line for line in result.errlines if line.startswith("ERROR: --runlog-budget: ")
    ]


def test_a_collection_error_on_a_worker_leaves_the_session_unjudged(project: Project) -> None:
    project.pytester.makepyfile(test_broken="import nothing_of_that_name")

    result = project.run(
        "def test_answer(runlog): ask()",
        "-n1",
        "--continue-on-collection-errors",
        "--runlog-session-budget=model_runs <= 0",
        subprocess=True,
    )

    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(["session     not judged: some tests could not be collected"])
