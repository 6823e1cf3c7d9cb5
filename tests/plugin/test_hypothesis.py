"""Hypothesis runs one test function many times, so each example opens a recording."""

from __future__ import annotations

from support.inner import Project


def test_each_example_records_its_own_runs(project: Project) -> None:
    result = project.run("""
        from hypothesis import given, settings, strategies
        from pytest_runlog import record

        counts = []

        @settings(max_examples=5, database=None, deadline=None)
        @given(strategies.integers(0, 3))
        def test_answer(times):
            with record() as log:
                for number in range(times):
                    ask(str(number))
            assert questions(log) == [str(number) for number in range(times)]
            counts.append(times)

        def test_there_were_examples():
            assert len(counts) > 1
    """)

    result.assert_outcomes(passed=2)


def test_the_log_of_the_test_holds_the_runs_of_all_examples(project: Project) -> None:
    result = project.run(
        """
        from hypothesis import Phase, example, given, settings, strategies
        from pytest_runlog import record

        @settings(phases=[Phase.explicit], deadline=None)
        @example("a")
        @example("b")
        @given(strategies.text())
        def test_answer(question):
            with record() as log:
                ask(question)
            assert questions(log) == [question]
        """,
        "-q",
        "--runlog",
    )

    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["runlog: 1 test recorded, 8 runs, 2 model runs, *"])


def test_hypothesis_refuses_the_fixture_because_examples_would_share_it(project: Project) -> None:
    result = project.run("""
        from hypothesis import given, strategies

        @given(strategies.integers())
        def test_answer(runlog, number):
            ask()
    """)

    result.assert_outcomes(failed=1)
    result.stdout.no_fnmatch_line("*plugin.py*")
    result.stdout.fnmatch_lines(["E *test_answer' uses a function-scoped fixture 'runlog'."])
