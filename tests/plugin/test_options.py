"""`--runlog`, the ini keys and the marker: which tests are recorded."""

from __future__ import annotations

import pytest

from support.inner import Project

ONE_TEST = """
    def test_answer():
        ask()
"""
RECORDED = "runlog: 1 test recorded, 4 runs, 1 model run, *"


@pytest.mark.parametrize(
    ("args", "ini"),
    [(["--runlog"], ""), ([], "runlog = true"), (["-o", "runlog=true"], "")],
    ids=["flag", "ini", "override"],
)
def test_every_test_is_recorded(project: Project, args: list[str], ini: str) -> None:
    result = project.run(ONE_TEST, "-q", *args, ini=ini)

    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines([RECORDED])


def test_the_flag_beats_the_ini_key(project: Project) -> None:
    result = project.run(ONE_TEST, "-q", "--runlog", ini="runlog = false")

    result.stdout.fnmatch_lines([RECORDED])


def test_an_override_turns_the_ini_key_off(project: Project) -> None:
    result = project.run(ONE_TEST, "-q", "-o", "runlog=false", ini="runlog = true")

    result.assert_outcomes(passed=1)
    result.stdout.no_fnmatch_line("runlog: *")


def test_recording_without_the_fixture_covers_the_call_only(project: Project) -> None:
    result = project.run(
        """
        @pytest.fixture
        def before():
            ask("setup")
            yield
            ask("teardown")

        def test_answer(before):
            ask("call")
            assert False
        """,
        "--runlog",
    )

    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(['| in     {"question": "call"}'])
    result.stdout.no_fnmatch_line("*setup*")
    result.stdout.no_fnmatch_line("*teardown*")


def test_doctests_are_recorded_too(project: Project) -> None:
    result = project.run(
        """
        def answer():
            '''
            >>> ask()
            'JSON Patch'
            '''
        """,
        "-q",
        "--runlog",
        "--doctest-modules",
    )

    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines([RECORDED])


def test_a_marker_leaves_a_test_out(project: Project) -> None:
    result = project.run(
        """
        @pytest.mark.runlog(record=False)
        def test_unrecorded():
            ask()

        def test_recorded():
            ask()
        """,
        "-q",
        "--runlog",
    )

    result.assert_outcomes(passed=2)
    result.stdout.fnmatch_lines([RECORDED])


@pytest.mark.parametrize("marker", ["runlog", "runlog()", "runlog(record=True)"])
def test_a_marker_records_a_test_without_the_flag(project: Project, marker: str) -> None:
    result = project.run(
        f"""
        @pytest.mark.{marker}
        def test_recorded():
            ask()

        def test_unrecorded():
            ask()
        """,
        "-q",
    )

    result.assert_outcomes(passed=2)
    result.stdout.fnmatch_lines([RECORDED])


def test_the_closest_marker_counts(project: Project) -> None:
    result = project.run(
        """
        pytestmark = pytest.mark.runlog(record=False)

        class TestAnswers:
            pytestmark = pytest.mark.runlog(record=True)

            def test_recorded(self):
                ask()

            @pytest.mark.runlog(record=False)
            def test_unrecorded(self):
                ask()

        def test_unrecorded():
            ask()
        """,
        "-q",
        "--runlog",
    )

    result.assert_outcomes(passed=3)
    result.stdout.fnmatch_lines([RECORDED])


def test_a_test_that_requests_the_fixture_is_recorded_whatever_its_marker_says(
    project: Project,
) -> None:
    result = project.run("""
        @pytest.mark.runlog(record=False)
        def test_answer(runlog):
            ask()
            assert runlog.names == CHAIN
    """)

    result.assert_outcomes(passed=1)


@pytest.mark.parametrize(
    ("marker", "message"),
    [
        (
            "runlog(recrod=False)",
            "@pytest.mark.runlog takes record=, stream= and session=, not recrod=",
        ),
        ("runlog(False)", "@pytest.mark.runlog takes no positional arguments, not False"),
        ("runlog(record=0)", "@pytest.mark.runlog(record=0): record is True or False"),
    ],
)
@pytest.mark.parametrize("args", [[], ["--collect-only"]], ids=["run", "collect-only"])
def test_a_wrong_marker_is_a_collection_error_that_names_the_test(
    project: Project, marker: str, message: str, args: list[str]
) -> None:
    result = project.run(
        f"""
        def test_fine():
            pass

        @pytest.mark.{marker}
        @pytest.mark.parametrize("number", range(3))
        def test_marked(number):
            pass
        """,
        *args,
    )

    assert result.ret == pytest.ExitCode.INTERRUPTED
    assert f"test_it.py::test_marked[0]: {message}" in result.outlines


def test_a_wrong_marker_is_reported_under_xdist(project: Project) -> None:
    result = project.run(
        """
        @pytest.mark.runlog(recrod=False)
        class TestMarked:
            def test_answer(self):
                pass
        """,
        "-n1",
        subprocess=True,
    )

    expected = (
        "test_it.py::TestMarked::test_answer: "
        "@pytest.mark.runlog takes record=, stream= and session=, not recrod="
    )
    assert expected in result.outlines
    result.assert_outcomes(errors=1)


@pytest.mark.parametrize(
    ("ini", "message"),
    [
        (
            "runlog = maybe",
            "ini runlog: invalid truth value 'maybe' (expected true or false)",
        ),
        (
            "runlog_chunks = no!",
            "ini runlog_chunks: invalid truth value 'no!' (expected true or false)",
        ),
        (
            "runlog_stream = sometimes",
            "ini runlog_stream: invalid truth value 'sometimes' (expected true or false)",
        ),
        (
            "runlog_recording_errors = wran",
            "ini runlog_recording_errors: 'wran' is not one of fail, warn",
        ),
        (
            "runlog_mask = user-[",
            (
                "ini runlog_mask: 'user-[' is not a regular expression: "
                "unterminated character set at position 5"
            ),
        ),
        (
            "runlog_mask = x*",
            "ini runlog_mask: 'x*' matches the empty text, so it would mask everywhere",
        ),
    ],
)
def test_a_wrong_ini_value_ends_the_session_with_what_is_wrong(
    project: Project, ini: str, message: str
) -> None:
    result = project.run(ONE_TEST, ini=ini)

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert [line for line in result.errlines if line] == [f"ERROR: {message}"]


def test_the_keys_can_stand_in_pyproject_toml(project: Project) -> None:
    project.pytester.makepyprojecttoml("""
        [tool.pytest.ini_options]
        runlog = true
        runlog_mask = ["JSON .atch"]
    """)

    result = project.run(
        """
        def test_answer():
            ask()
            assert False
        """,
        ini=None,
    )

    result.stdout.fnmatch_lines(['| out    "<masked>"'])


def test_the_marker_is_registered_and_explained(project: Project) -> None:
    result = project.run("", "--markers")

    expected = (
        "@pytest.mark.runlog(*, record=True, stream=False, session=True): record the LangChain "
        "runs of this test, or with record=False do not, whatever `--runlog` says; with "
        "stream=True have LangChain stream meanwhile, as `astream_log` does; with session=False "
        "leave them out of the session's budgets. The closest marker counts. A test that requests "
        "the `runlog` fixture is recorded in any case."
    )
    assert expected in result.outlines


def test_the_help_names_the_flag_and_every_ini_key(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "100")

    result = project.run("", "--help")

    result.stdout.fnmatch_lines(
        [
            "LangChain runs (pytest-runlog):",
            "  --runlog *Record the LangChain runs of every test, *",
            "  runlog (bool): *Record the LangChain runs of every test, *",
            "  runlog_chunks (bool):*",
            "  runlog_recording_errors (string):*",
            "  runlog_mask (linelist):*",
            "  runlog_budget (linelist):*",
            "  runlog_session_budget (linelist):*",
            "  runlog_on_breach (string):*",
            "  runlog_min_samples (string):*",
        ]
    )
