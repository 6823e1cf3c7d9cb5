"""Budgets of tests: where they can be set, which counts, and what is wrong with them."""

from __future__ import annotations

import pytest

from support.inner import Project, section, without_slowest

ANSWERS = """
    def test_answer(runlog):
        ask()
"""


def marked(*budgets: str) -> str:
    return f"""
    @pytest.mark.runlog_budget({", ".join(map(repr, budgets))})
    def test_answer():
        ask()
"""


def failures(result: pytest.RunResult) -> list[str]:
    """What the short summary says of each failed test."""
    return [line for line in result.outlines if line.startswith("FAILED ")]


def test_a_breach_fails_the_test_with_what_was_measured(project: Project) -> None:
    result = project.run(marked("total_tokens <= 8"))

    result.assert_outcomes(failed=1)
    text = str(result.stdout)
    assert (
        """\
_________________________________ test_answer __________________________________
total_tokens <= 8 is 9
  1 (12.5%) over the limit; of 1 model run
  largest:
    9  RunnableSequence/FakeChat
  set by @pytest.mark.runlog_budget of test_it.py::test_answer
  to accept it: total_tokens <= 9
With --runlog-on-breach=warn breaches are warnings.
------------------------------------ runlog ------------------------------------
RunnableSequence (chain)
"""
        in text
    )
    assert failures(result) == [
        "FAILED test_it.py::test_answer - BudgetExceeded: total_tokens <= 8 is 9"
    ]


def test_a_budget_that_is_kept_is_counted(project: Project) -> None:
    result = project.run(marked("total_tokens <= 9", "errors <= 0", "latency <= 1min"))

    result.assert_outcomes(passed=1)
    assert "budgets     3 held" in section(result, "runlog", "=").splitlines()


@pytest.mark.parametrize(
    ("args", "ini"),
    [(["--runlog-budget=runs <= 3"], ""), ([], "runlog_budget = runs <= 3")],
    ids=["flag", "ini"],
)
def test_budgets_for_all_are_held_by_every_recorded_test(
    project: Project, args: list[str], ini: str
) -> None:
    result = project.run(
        """
        def test_recorded(runlog):
            ask()

        def test_unrecorded():
            ask()
        """,
        *args,
        ini=ini,
    )

    result.assert_outcomes(passed=1, failed=1)
    assert failures(result) == ["FAILED test_it.py::test_recorded - BudgetExceeded: runs <= 3 is 4"]
    source = "--runlog-budget" if args else "ini runlog_budget"
    assert f"  set by {source}" in result.outlines


def test_the_command_line_beats_markers_which_beat_the_ini_file(project: Project) -> None:
    result = project.run(
        """
        pytestmark = pytest.mark.runlog_budget("runs <= 1", "errors <= 0", "tool_runs <= 0")

        @pytest.mark.runlog_budget("runs <= 2", "model_runs <= 0")
        class TestAnswers:
            @pytest.mark.runlog_budget("runs <= 3")
            def test_answer(self):
                ask()
        """,
        "--runlog-budget=model_runs <= 1",
        ini="""
            runlog_budget =
                runs <= 9
                tool_runs <= 9
                retriever_runs <= 0
        """,
    )

    assert failures(result) == [
        "FAILED test_it.py::TestAnswers::test_answer - BudgetExceeded: runs <= 3 is 4"
    ]
    assert "budgets     4 held, 1 breached" in section(result, "runlog", "=").splitlines()


def test_of_several_flags_on_the_same_the_last_counts(project: Project) -> None:
    result = project.run(ANSWERS, "--runlog-budget=runs <= 3", "--runlog-budget=runs <= 4")

    result.assert_outcomes(passed=1)


def test_of_two_markers_the_one_closer_to_the_function_counts(project: Project) -> None:
    result = project.run("""
        @pytest.mark.runlog_budget("runs <= 3")
        @pytest.mark.runlog_budget("runs <= 4")
        def test_answer():
            ask()
    """)

    result.assert_outcomes(passed=1)


def test_all_that_one_marker_says_holds(project: Project) -> None:
    result = project.run(marked("runs <= 4", "runs <= 3"))

    assert failures(result) == ["FAILED test_it.py::test_answer - BudgetExceeded: runs <= 3 is 4"]


def test_a_marked_test_is_recorded_by_itself_unless_it_opts_out(project: Project) -> None:
    result = project.run(
        """
        pytestmark = pytest.mark.runlog_budget("runs <= 3")

        def test_recorded():
            ask()

        @pytest.mark.runlog(record=False)
        def test_opted_out():
            ask()
        """
    )

    result.assert_outcomes(passed=1, failed=1)


def test_selectors_choose_the_runs_that_are_held_to_a_budget(project: Project) -> None:
    result = project.run(
        marked(
            "latency[type=prompt] <= 1min",
            "runs[path='RunnableSequence/*'] == 3",
            "model_runs[tag='seq:step:2'] >= 1",
            "total_tokens[name='Fake*'] <= 8",
        )
    )

    assert failures(result) == [
        "FAILED test_it.py::test_answer - BudgetExceeded: total_tokens[name='Fake*'] <..."
    ]


@pytest.mark.parametrize(
    ("budget", "why"),
    [
        ("latency[name=nobody] <= 1s", "latency[name=nobody] <= 1s matched no run"),
        (
            "total_tokens[name=FakeListLLM] <= 9",
            "total_tokens[name=FakeListLLM] <= 9 is unknown: 1 of 1 model run reported no usage",
        ),
        ("ttft <= 1s", "ttft <= 1s has no value: of 2 roots none streamed"),
        ("latency_p95 <= 1min", "latency_p95 <= 1min needs 20 values for p95, and has 2"),
    ],
)
def test_what_cannot_be_judged_fails_if_it_is_marked_and_is_skipped_if_it_is_for_all(
    project: Project, budget: str, why: str
) -> None:
    body = """
        def test_answer(runlog):
            ask()
            completion().invoke("why?")
    """
    imported = """
        from support.models import completion
    """
    by_marker = project.run(f"{imported}\n        @pytest.mark.runlog_budget({budget!r}){body}")
    by_ini = project.run(f"{imported}{body}", ini=f"runlog_budget = {budget}")
    by_flag = project.run(f"{imported}{body}", f"--runlog-budget={budget}")

    by_marker.assert_outcomes(failed=1)
    assert why in by_marker.outlines
    for result in (by_ini, by_flag):
        result.assert_outcomes(passed=1)
        summary = section(result, "runlog", "=")
        assert "budgets     1 skipped" in summary.splitlines()
        assert "(1 test)" in summary


def test_a_budget_on_a_test_that_ran_no_chain_fails_with_what_is_recorded(
    project: Project,
) -> None:
    result = project.run("""
        @pytest.mark.runlog_budget("errors <= 0")
        def test_answer():
            pass
    """)

    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["  it cannot be judged: no run was recorded. *"])


def test_that_no_model_runs_is_a_budget_too(project: Project) -> None:
    result = project.run("""
        @pytest.mark.runlog_budget("model_runs <= 0")
        def test_answer():
            pass
    """)

    result.assert_outcomes(passed=1)


def test_how_many_values_a_percentile_needs_can_be_set(project: Project) -> None:
    result = project.run(marked("latency_p95 <= 1min"), ini="runlog_min_samples = 1")

    result.assert_outcomes(passed=1)


def test_an_assertion_fails_where_it_stands(project: Project) -> None:
    result = project.run("""
        def test_answer(runlog):
            ask()
            runlog.assert_budget("runs <= 4", "errors <= 0")
            runlog.assert_budget("runs <= 3")
    """)

    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            '>       runlog.assert_budget("runs <= 3")',
            "E       AssertionError: runs <= 3 is 4",
            "E         1 (33.3%) over the limit",
            "E         to accept it: runs <= 4",
        ]
    )


@pytest.mark.parametrize("choice", ["warn", "ignore"])
def test_an_assertion_fails_whatever_breaches_do(project: Project, choice: str) -> None:
    result = project.run(
        """
        def test_answer(runlog):
            ask()
            runlog.assert_budget("runs <= 3")
        """,
        f"--runlog-on-breach={choice}",
    )

    result.assert_outcomes(failed=1)


SOURCE = "@pytest.mark.runlog_budget of test_it.py::test_answer"
WRONG = [
    ("latncy <= 2s", "unknown metric 'latncy' (did you mean latency?)", 0),
    ("latency <= 2sec", "unknown unit 'sec' (did you mean s?)", 12),
    ("latency[nam=x] <= 2s", "unknown selector 'nam' (did you mean name?)", 8),
    ("latency =< 2s", "unknown operator '=<' (did you mean <=?)", 8),
    ("latency <= -2s", "a limit cannot be negative", 11),
]


@pytest.mark.parametrize(("budget", "problem", "place"), WRONG)
@pytest.mark.parametrize(
    ("option", "source"),
    [
        ("--runlog-budget={}", "--runlog-budget"),
        ("--runlog-session-budget={}", "--runlog-session-budget"),
        ("-orunlog_budget={}", "ini runlog_budget"),
        ("-orunlog_session_budget={}", "ini runlog_session_budget"),
    ],
)
def test_a_wrong_budget_ends_the_session_with_where_it_was_written(
    project: Project, budget: str, problem: str, place: int, option: str, source: str
) -> None:
    result = project.run(ANSWERS, option.format(budget))

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert [line for line in result.errlines if line] == [
        f"ERROR: {source}: {problem}",
        f"    {budget}",
        f"    {' ' * place}^",
    ]


@pytest.mark.parametrize(("budget", "problem", "place"), WRONG)
def test_a_wrong_budget_of_a_marker_is_a_collection_error_that_names_the_test(
    project: Project, budget: str, problem: str, place: int
) -> None:
    result = project.run(marked(budget))

    assert result.ret == pytest.ExitCode.INTERRUPTED
    result.stdout.fnmatch_lines(
        [
            f"test_it.py::test_answer: {SOURCE}: {problem.replace('[', '[[]')}",
            f"    {budget.replace('[', '[[]')}",
            f"    {' ' * place}^",
        ],
        consecutive=True,
    )


@pytest.mark.parametrize(
    ("marker", "message"),
    [
        (
            "runlog_budget()",
            "@pytest.mark.runlog_budget takes at least one budget, such as 'latency <= 2s'",
        ),
        (
            "runlog_budget(a=2)",
            "@pytest.mark.runlog_budget takes budgets as text, such as 'latency <= 2s', not a=",
        ),
        (
            "runlog_budget(['errors <= 0'])",
            f"{SOURCE}: a budget is text such as 'latency <= 2s', not ['errors <= 0']",
        ),
    ],
)
def test_a_marker_takes_budgets_as_text(project: Project, marker: str, message: str) -> None:
    result = project.run(f"""
        @pytest.mark.{marker}
        def test_answer():
            ask()
    """)

    assert result.ret == pytest.ExitCode.INTERRUPTED
    assert f"test_it.py::test_answer: {message}" in result.outlines


def test_a_wrong_budget_in_a_test_is_a_value_error(project: Project) -> None:
    result = project.run("""
        def test_answer(runlog):
            for wrong in ("latncy <= 2s", "errors <= -1"):
                with pytest.raises(ValueError, match="did you mean|cannot be negative"):
                    runlog.assert_budget(wrong)
            with pytest.raises(ValueError, match="at least one budget"):
                runlog.assert_budget()
    """)

    result.assert_outcomes(passed=1)


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (
            ["--runlog-on-breach=wran"],
            "--runlog-on-breach: 'wran' is not one of fail, warn, ignore",
        ),
        (
            ["-orunlog_on_breach=no"],
            "ini runlog_on_breach: 'no' is not one of fail, warn, ignore",
        ),
        (
            ["-orunlog_min_samples=0"],
            "ini runlog_min_samples: '0' is not a whole number from 1",
        ),
        (
            ["-orunlog_min_samples=few"],
            "ini runlog_min_samples: 'few' is not a whole number from 1",
        ),
    ],
)
def test_a_wrong_option_ends_the_session(project: Project, args: list[str], message: str) -> None:
    result = project.run(ANSWERS, *args)

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert f"ERROR: {message}" in result.errlines


def test_the_keys_can_be_lists_in_pyproject_toml(project: Project) -> None:
    project.pytester.makepyprojecttoml("""
        [tool.pytest.ini_options]
        runlog_budget = ["runs <= 3", "latency[name='a, b'] <= 2s"]
        runlog_session_budget = ["error_rate <= 1%"]
        runlog_min_samples = 3
    """)

    result = project.run(ANSWERS, ini=None)

    assert failures(result) == ["FAILED test_it.py::test_answer - BudgetExceeded: runs <= 3 is 4"]
    assert without_slowest(section(result, "runlog", "=")).splitlines()[-3:] == [
        "budgets     1 breached, 1 skipped",
        "            latency[name='a, b'] <= 2s: no run matched (1 test)",
        "session     error_rate <= 1%: 0%, 0 of 0 left (0 of 1 root failed)",
    ]


def test_the_marker_is_registered_and_explained(project: Project) -> None:
    result = project.run("", "--markers")

    expected = (
        "@pytest.mark.runlog_budget(*budgets): record the LangChain runs of this test and "
        "fail it where they exceed a budget such as 'latency <= 1.5s', 'errors <= 0', "
        "'total_tokens <= 800' or 'model_latency_p95[tag=answer] <= 400ms'. A budget set "
        "closer to the test replaces one on the same metric and selectors; --runlog-budget "
        "replaces both."
    )
    assert expected in result.outlines


def test_the_help_explains_the_options(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "100")

    text = str(project.run("", "--help").stdout)

    assert (
        """\
  --runlog-budget=BUDGET
                        Budgets of every recorded test, one a line: 'latency <= 2s'. One that a test
                        cannot be held to, such as tokens that nobody reported, is skipped and
                        counted in the summary.
  --runlog-session-budget=BUDGET
                        Budgets of the whole session over all workers, one a line: 'latency_p95 <=
                        800ms', 'error_rate <= 1%'. A breach makes the exit status 1.
  --runlog-on-breach=fail|warn|ignore
                        What the breach of a budget does: fail (default), warn, or ignore: then no
                        budget is judged but those of `assert_budget`.
"""
        in text
    )
