"""Budgets of the session: judged once, at its end, over all that counts."""

from __future__ import annotations

import pytest

from support.inner import Project, section, without_slowest

FAILING = """
    from support.models import ModelDown, chat

    def fail():
        with pytest.raises(ModelDown):
            question_chain(chat(ModelDown("503"))).invoke({"question": "why?"})
"""


def last_lines(result: pytest.RunResult, count: int) -> list[str]:
    return without_slowest(section(result, "runlog", "=")).splitlines()[-count:]


def test_a_breach_makes_the_exit_status_1_with_its_reason_in_the_summary(project: Project) -> None:
    result = project.run(
        FAILING
        + """
    def test_fails(runlog):
        fail()

    @pytest.mark.parametrize("number", range(3))
    def test_answers(runlog, number):
        ask()
    """,
        "--runlog-session-budget=error_rate <= 10%",
    )

    result.assert_outcomes(passed=4)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert last_lines(result, 3) == [
        "session     BREACHED error_rate <= 10%: 25%, 15 percentage points over the limit",
        "              (1 of 4 roots failed)",
        "              RunnableSequence  test_it.py::test_fails",
    ]


def test_what_is_left_of_each_budget_is_told(project: Project) -> None:
    result = project.run(
        FAILING
        + """
    @pytest.mark.parametrize("number", range(4))
    def test_answers(runlog, number):
        ask() if number else fail()
    """,
        ini="""
            runlog_session_budget =
                error_rate <= 50%
                errors <= 3
                total_tokens[name=FakeChat, tag=nobody] <= 10
                latency_max <= 100s
                latency_p95 <= 100s
        """,
    )

    assert result.ret == pytest.ExitCode.OK
    first, second, third, fourth, fifth, sixth = last_lines(result, 6)
    assert first == "session     error_rate <= 50%: 25%, 1 of 2 left (1 of 4 roots failed)"
    assert second == "            errors <= 3: 1, 2 left"
    assert third == (
        "            total_tokens[name=FakeChat, tag=nobody] <= 10 matched no model run;"
    )
    assert fourth == "              not judged"
    assert fifth == "            latency_max <= 100s: …, … left (the largest of 4 roots)"
    assert sixth == "            latency_p95 <= 100s needs 20 values for p95, and has 4; not judged"


def test_percentiles_are_over_the_roots_of_all_tests(project: Project) -> None:
    result = project.run(
        """
        @pytest.mark.parametrize("number", range(5))
        def test_answers(runlog, number):
            for _ in range(4):
                ask()
        """,
        "--runlog-session-budget=latency_p95 <= 100s",
        "--runlog-session-budget=latency_p99 <= 100s",
    )

    assert last_lines(result, 2) == [
        "session     latency_p95 <= 100s: …, … left (p95 of 20 roots)",
        "            latency_p99 <= 100s needs 100 values for p99, and has 20; not judged",
    ]


def test_the_command_line_replaces_the_ini_file_on_the_same_metric(project: Project) -> None:
    result = project.run(
        """
        def test_answer(runlog):
            ask()
        """,
        "--runlog-session-budget=runs <= 4",
        ini="""
            runlog_session_budget =
                runs <= 3
                model_runs <= 1
        """,
    )

    assert result.ret == pytest.ExitCode.OK
    assert last_lines(result, 2) == [
        "session     runs <= 4: 4, 0 left",
        "            model_runs <= 1: 1, 0 left",
    ]


def test_xfailed_tests_and_those_marked_so_are_left_out(project: Project) -> None:
    result = project.run(
        FAILING
        + """
    @pytest.mark.xfail
    def test_known(runlog):
        fail()
        assert False

    @pytest.mark.runlog(session=False)
    def test_provokes_errors():
        fail()

    @pytest.mark.runlog(session=False)
    class TestProvokes:
        @pytest.mark.runlog(session=True)
        def test_counts(self):
            ask()

        def test_does_not(self):
            fail()
    """,
        "--runlog-session-budget=errors <= 0",
        "--runlog-session-budget=runs == 4",
    )

    assert result.ret == pytest.ExitCode.OK
    assert last_lines(result, 3) == [
        "session     errors <= 0: 0, 0 left",
        "            runs == 4: 4",
        "            3 tests left out: xfailed or runlog(session=False)",
    ]


def test_of_a_rerun_test_the_last_attempt_counts(project: Project) -> None:
    result = project.run(
        FAILING
        + """
    attempts = []

    def test_flaky(runlog):
        attempts.append(1)
        if len(attempts) < 3:
            fail()
            assert False
        ask()
    """,
        "--reruns=5",
        "--runlog-session-budget=errors <= 0",
        "--runlog-session-budget=runs == 4",
    )

    assert result.ret == pytest.ExitCode.OK
    assert last_lines(result, 2) == [
        "session     errors <= 0: 0, 0 left",
        "            runs == 4: 4",
    ]


def test_failing_tests_count_and_their_exit_status_stays(project: Project) -> None:
    result = project.run(
        """
        def test_answer(runlog):
            assert ask() == "no"
        """,
        "--runlog-session-budget=runs <= 3",
    )

    assert result.ret == pytest.ExitCode.TESTS_FAILED
    lines = section(result, "runlog", "=").splitlines()
    assert "session     BREACHED runs <= 3: 4, 1 (33.3%) over the limit" in lines


BREACHING = """
    def test_first(runlog):
        ask()

    def test_second(runlog):
        ask()
        assert not STOP

    def test_third(runlog):
        ask()
"""


@pytest.mark.parametrize("args", [["-x"], ["--maxfail=1"]])
def test_a_session_that_stops_early_tells_what_is_known(project: Project, args: list[str]) -> None:
    result = project.run(
        BREACHING.replace("STOP", "True"), *args, "--runlog-session-budget=model_runs <= 1"
    )

    assert result.ret == pytest.ExitCode.TESTS_FAILED
    lines = section(result, "runlog", "=").splitlines()
    assert "session     BREACHED model_runs <= 1: 2, 1 (100%) over the limit" in lines
    assert lines[-1] == "            the session was stopped early: this is what is known"


def test_an_interrupted_session_tells_what_is_known_and_stays_interrupted(
    project: Project,
) -> None:
    result = project.run(
        """
        def test_first(runlog):
            ask()

        def test_second(runlog):
            raise KeyboardInterrupt
        """,
        "--runlog-session-budget=model_runs <= 0",
        subprocess=True,
    )

    assert result.ret == pytest.ExitCode.INTERRUPTED
    lines = section(result, "runlog", "=").splitlines()
    assert "session     BREACHED model_runs <= 0: 1, 1 over the limit" in lines
    assert lines[-1] == "            the session was stopped early: this is what is known"


def test_a_stop_that_a_test_asked_for_keeps_its_exit_status(project: Project) -> None:
    result = project.run(
        """
        def test_first(runlog):
            ask()
            pytest.exit("enough", returncode=7)
        """,
        "--runlog-session-budget=model_runs <= 0",
        subprocess=True,
    )

    assert result.ret == 7


def test_nothing_is_judged_after_a_collection_error(project: Project) -> None:
    project.pytester.makepyfile(test_broken="import nothing_of_that_name")

    result = project.run(
        """
        def test_answer(runlog):
            ask()
        """,
        "--continue-on-collection-errors",
        "--runlog-session-budget=model_runs <= 0",
    )

    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert last_lines(result, 1) == ["session     not judged: some tests could not be collected"]


@pytest.mark.parametrize(
    ("source", "args"),
    [
        ("def test_answer(runlog): ask()", ["--collect-only"]),
        ("def test_answer(runlog): pass", []),
        ("def test_answer(): ask()", []),
    ],
    ids=["collect-only", "no run", "not recorded"],
)
def test_nothing_is_judged_where_nothing_was_recorded(
    project: Project, source: str, args: list[str]
) -> None:
    result = project.run(source, *args, "--runlog-session-budget=runs >= 1")

    assert result.ret == pytest.ExitCode.OK
    result.stdout.no_fnmatch_line("session *")


def test_a_session_without_tests_keeps_its_exit_status(project: Project) -> None:
    result = project.run("", "--runlog-session-budget=runs >= 1")

    assert result.ret == pytest.ExitCode.NO_TESTS_COLLECTED


def test_where_every_test_is_left_out_it_says_so(project: Project) -> None:
    result = project.run(
        """
        @pytest.mark.runlog(session=False)
        def test_answer():
            ask()
        """,
        "--runlog-session-budget=runs <= 0",
    )

    assert result.ret == pytest.ExitCode.OK
    assert last_lines(result, 1) == ["session     not judged: every recorded test is left out"]


def test_unknown_usage_is_not_zero(project: Project) -> None:
    result = project.run(
        """
        from support.models import completion

        def test_answer(runlog):
            ask()

        def test_silent(runlog):
            completion().invoke("why?")
        """,
        "--runlog-session-budget=total_tokens <= 100",
        "--runlog-session-budget=input_tokens <= 6",
    )

    assert result.ret == pytest.ExitCode.TESTS_FAILED
    lines = section(result, "runlog", "=").splitlines()
    assert (
        "session     total_tokens <= 100 is unknown: 1 of 2 model runs reported no usage;" in lines
    )
    assert any("BREACHED input_tokens <= 6: at least 7, 1 (16.7%) over" in line for line in lines)


@pytest.mark.parametrize("args", [[], ["-q"], ["-qq"]])
def test_the_reason_is_told_however_quiet_the_session_is(project: Project, args: list[str]) -> None:
    result = project.run(
        """
        def test_answer(runlog):
            ask()
        """,
        *args,
        "--runlog-session-budget=model_runs <= 0",
    )

    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert [line for line in result.outlines if "BREACHED model_runs <= 0: 1, " in line]


def test_a_breach_can_be_a_warning(project: Project) -> None:
    result = project.run(
        """
        def test_answer(runlog):
            ask()
        """,
        "--runlog-on-breach=warn",
        "--runlog-session-budget=model_runs <= 0",
        "-Wdefault",
    )

    assert result.ret == pytest.ExitCode.OK
    result.assert_outcomes(passed=1, warnings=1)
    result.stdout.fnmatch_lines(
        [
            "*BudgetWarning: model_runs <= 0: 1, 1 over the limit",
            "session     BREACHED model_runs <= 0: 1, 1 over the limit",
        ]
    )


def test_a_warning_makes_the_exit_status_1_where_warnings_are_errors(project: Project) -> None:
    result = project.run(
        """
        def test_answer(runlog):
            ask()
        """,
        "--runlog-on-breach=warn",
        "--runlog-session-budget=model_runs <= 0",
        "-Werror",
    )

    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.assert_outcomes(passed=1)


def test_a_breach_can_be_ignored(project: Project) -> None:
    result = project.run(
        """
        def test_answer(runlog):
            ask()
        """,
        "--runlog-on-breach=ignore",
        "--runlog-session-budget=model_runs <= 0",
    )

    assert result.ret == pytest.ExitCode.OK
    assert last_lines(result, 1) == ["session     not judged: --runlog-on-breach=ignore"]
