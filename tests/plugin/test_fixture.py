"""The `runlog` fixture: what it records, and when."""

from __future__ import annotations

from support.inner import Project


def test_requesting_the_fixture_records_with_nothing_passed_to_the_chain(project: Project) -> None:
    result = project.run("""
        def test_answer(runlog):
            assert ask() == ANSWER
            assert runlog.names == CHAIN
    """)

    result.assert_outcomes(passed=1)


def test_a_test_that_does_not_request_the_fixture_is_not_recorded(project: Project) -> None:
    result = project.run("""
        def test_answer():
            ask()
    """)

    result.assert_outcomes(passed=1)
    result.stdout.no_fnmatch_line("*1 test recorded*")


def test_each_test_has_a_log_of_its_own(project: Project) -> None:
    result = project.run("""
        def test_first(runlog):
            ask("first")
            assert questions(runlog) == ["first"]

        def test_second(runlog):
            assert not runlog.runs
            ask("second")
            assert questions(runlog) == ["second"]
    """)

    result.assert_outcomes(passed=2)


def test_the_test_and_its_fixtures_share_one_log(project: Project) -> None:
    result = project.run("""
        @pytest.fixture
        def log(runlog):
            return runlog

        def test_shared(log, runlog):
            assert log is runlog
    """)

    result.assert_outcomes(passed=1)


def test_recording_starts_with_the_setup_of_the_fixture(project: Project) -> None:
    result = project.run("""
        @pytest.fixture
        def before():
            ask("before")

        @pytest.fixture
        def after(runlog):
            ask("after")

        def test_window(before, runlog, after):
            ask("call")
            assert questions(runlog) == ["after", "call"]
    """)

    result.assert_outcomes(passed=1)


def test_recording_ends_with_the_call_so_teardown_is_not_seen(project: Project) -> None:
    result = project.run("""
        logs = []

        @pytest.fixture
        def chain_in_teardown(runlog):
            yield
            ask("teardown")

        def test_window(runlog, chain_in_teardown):
            logs.append(runlog)
            ask("call")

        def test_what_the_log_holds_afterwards():
            assert questions(logs[0]) == ["call"]
    """)

    result.assert_outcomes(passed=2)


def test_usefixtures_is_enough_to_record(project: Project) -> None:
    result = project.run(
        """
        @pytest.mark.usefixtures("runlog")
        def test_answer():
            ask()
        """,
        "-q",
    )

    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["runlog: 1 test recorded, 4 runs, 1 model run, *"])


def test_an_autouse_fixture_can_check_every_test(project: Project) -> None:
    result = project.run("""
        @pytest.fixture(autouse=True)
        def one_question_only(runlog):
            yield
            assert len(runlog.roots) <= 1

        def test_one():
            ask()

        def test_two():
            ask()
            ask()
    """)

    result.assert_outcomes(passed=2, errors=1)
    result.stdout.fnmatch_lines(["ERROR test_it.py::test_two - *"])


def test_methods_of_a_class_are_recorded_each_on_its_own(project: Project) -> None:
    result = project.run("""
        class TestAnswers:
            def setup_method(self):
                ask("setup")

            def test_first(self, runlog):
                ask("first")
                assert questions(runlog) == ["first"]

            def test_second(self, runlog):
                ask("second")
                assert questions(runlog) == ["second"]
    """)

    result.assert_outcomes(passed=2)


def test_each_parameter_set_is_recorded_on_its_own(project: Project) -> None:
    result = project.run("""
        @pytest.mark.parametrize("question", ["a", "b"])
        def test_answer(runlog, question):
            ask(question)
            assert questions(runlog) == [question]
    """)

    result.assert_outcomes(passed=2)


def test_a_test_can_request_the_fixture_from_its_body(project: Project) -> None:
    result = project.run("""
        logs = []

        @pytest.fixture
        def chain_in_teardown():
            yield
            ask("teardown")

        def test_answer(request, chain_in_teardown):
            ask("unseen")
            runlog = request.getfixturevalue("runlog")
            logs.append(runlog)
            ask("seen")
            assert questions(runlog) == ["seen"]

        def test_recording_ended_with_the_call():
            assert questions(logs[0]) == ["seen"]
    """)

    result.assert_outcomes(passed=2)


def test_the_fixture_does_not_start_a_recorded_test_anew(project: Project) -> None:
    result = project.run(
        """
        def test_answer(request):
            ask("before")
            assert questions(request.getfixturevalue("runlog")) == ["before"]
        """,
        "--runlog",
    )

    result.assert_outcomes(passed=1)


def test_sections_of_the_same_name_are_numbered(project: Project) -> None:
    result = project.run("""
        def test_answer(runlog):
            with runlog.capture("ask") as first, runlog.capture("ask") as second:
                ask()
            assert (first.name, second.name) == ("ask", "ask:2")
            assert first.names == second.names == runlog.names == CHAIN
    """)

    result.assert_outcomes(passed=1)


def test_the_fixtures_of_a_module_record_with_record(project: Project) -> None:
    result = project.run("""
        from pytest_runlog import record

        @pytest.fixture(scope="module")
        def warmed_up():
            with record() as log:
                ask("warm up")
            return log

        def test_answer(warmed_up, runlog):
            ask("call")
            assert questions(warmed_up) == ["warm up"]
            assert questions(runlog) == ["call"]
    """)

    result.assert_outcomes(passed=1)


def test_the_fixture_is_listed_with_what_it_is(project: Project) -> None:
    result = project.run("", "--fixtures")

    result.stdout.fnmatch_lines(
        [
            "runlog -- *plugin.py:*",
            "    Record the LangChain runs of this test: *",
        ]
    )
