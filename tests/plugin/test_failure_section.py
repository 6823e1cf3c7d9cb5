"""What a failing test shows of its log."""

from __future__ import annotations

import pytest

from support.inner import Project, section

FAILING = """
    def test_answer(runlog):
        assert ask() == "no"
"""
TREE = """\
RunnableSequence (chain)
| in     {"question": "why?"}
| out    "JSON Patch"
  ChatPromptTemplate (prompt)
  | in     {"question": "why?"}
  | out    ChatPromptValue(messages=[HumanMessage("why?")])
  FakeChat (chat_model fake-1)
  | in     [HumanMessage("why?")]
  | out    AIMessage("JSON Patch")
  StrOutputParser (parser)
  | in     AIMessage("JSON Patch")
  | out    "JSON Patch\""""


def test_a_failing_test_shows_its_tree(project: Project) -> None:
    result = project.run(FAILING)

    assert section(result, "runlog") == TREE


def test_a_run_that_failed_is_shown_with_its_error(project: Project) -> None:
    result = project.run(
        """
        from support.models import ModelDown, chat

        def test_answer(runlog):
            question_chain(chat(ModelDown("503"))).invoke({"question": "why?"})
        """
    )

    assert (
        section(result, "runlog")
        == """\
RunnableSequence (chain) ERROR
| in     {"question": "why?"}
| error  ModelDown("503")
  ChatPromptTemplate (prompt)
  | in     {"question": "why?"}
  | out    ChatPromptValue(messages=[HumanMessage("why?")])
  FakeChat (chat_model fake-1) ERROR
  | in     [HumanMessage("why?")]
  | error  ModelDown("503")"""
    )


def test_a_run_that_has_not_ended_is_marked(project: Project) -> None:
    result = project.run(
        """
        def test_answer(runlog):
            stream = question_chain().stream({"question": "why?"})
            assert next(stream) == "no"
        """
    )

    assert (
        section(result, "runlog")
        == """\
RunnableSequence (chain) UNFINISHED
| in     {"input": ""}
  ChatPromptTemplate (prompt)
  | in     {"question": "why?"}
  | out    ChatPromptValue(messages=[HumanMessage("why?")])
  FakeChat (chat_model fake-1) UNFINISHED
  | in     [HumanMessage("why?")]
  StrOutputParser (parser) UNFINISHED
  | in     {"input": ""}
3 runs had not ended by then; no other test will see what is still to come."""
    )


def test_a_failure_in_setup_shows_what_ran_until_then(project: Project) -> None:
    result = project.run(
        """
        @pytest.fixture
        def index(runlog):
            ask("index?")
            raise RuntimeError("no index")

        def test_answer(index):
            ask()
        """
    )

    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(
        [
            "* ERROR at setup of test_answer *",
            "-* runlog -*",
            "RunnableSequence (chain)",
            '| in     {"question": "index?"}',
        ]
    )


def test_a_failure_in_teardown_shows_no_tree(project: Project) -> None:
    result = project.run(
        """
        @pytest.fixture
        def index(runlog):
            yield
            raise RuntimeError("no index")

        def test_answer(index):
            ask()
        """
    )

    result.assert_outcomes(passed=1, errors=1)
    result.stdout.no_fnmatch_line("RunnableSequence*")


@pytest.mark.parametrize(
    "body",
    ["ask()", "ask(); pytest.skip('later')", "ask(); pytest.xfail('known')"],
    ids=["passed", "skipped", "xfailed"],
)
def test_a_test_that_does_not_fail_shows_no_tree(project: Project, body: str) -> None:
    result = project.run(
        f"""
        def test_answer(runlog):
            {body}
        """,
        "-rA",
    )

    assert result.ret == pytest.ExitCode.OK
    result.stdout.fnmatch_lines(["1 test recorded, *"])
    result.stdout.no_fnmatch_line("RunnableSequence*")


def test_a_failing_test_that_ran_no_chain_shows_no_section(project: Project) -> None:
    result = project.run("""
        def test_answer(runlog):
            assert False
    """)

    result.assert_outcomes(failed=1)
    result.stdout.no_fnmatch_line("*-- runlog --*")


def test_of_very_many_runs_only_the_names_are_shown(project: Project) -> None:
    result = project.run("""
        from support.chains import search

        def test_answer(runlog):
            for _ in range(401):
                search.invoke("why?")
            ask()
            assert False
    """)

    lines = section(result, "runlog").splitlines()
    assert lines[:400] == ["search (tool)"] * 400
    assert lines[400:] == [
        "… and 5 more runs",
        "There are 405 runs, so only their names are shown; `print(runlog.tree())` shows all.",
    ]


def test_of_many_runs_none_is_left_out(project: Project) -> None:
    result = project.run("""
        from support.chains import search

        def test_answer(runlog):
            for _ in range(134):
                search.invoke("why?")
            assert False
    """)

    assert section(result, "runlog").splitlines() == [
        *["search (tool)"] * 134,
        "There are 134 runs, so only their names are shown; `print(runlog.tree())` shows all.",
    ]


@pytest.mark.parametrize("choice", ["no", "stdout"])
def test_show_capture_hides_the_tree_with_what_else_was_captured(
    project: Project, choice: str
) -> None:
    result = project.run(FAILING, f"--show-capture={choice}")

    result.assert_outcomes(failed=1)
    result.stdout.no_fnmatch_line("RunnableSequence*")


def test_a_failing_subtest_shows_the_tree_so_far(project: Project) -> None:
    if not hasattr(pytest, "Subtests"):
        pytest.skip("this pytest has no subtests")
    result = project.run("""
        def test_answer(runlog, subtests):
            with subtests.test():
                assert ask("first") == "no"
            ask("second")
    """)

    result.stdout.fnmatch_lines(['| in     {"question": "first"}'])
    result.stdout.no_fnmatch_line('| in     {"question": "second"}')


def test_a_tree_that_cannot_be_made_fails_the_test_and_says_why(project: Project) -> None:
    result = project.run(
        """
        def test_passing(runlog):
            ask()

        def test_failing(runlog):
            assert ask() == "no"
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

    result.assert_outcomes(failed=2)
    result.stdout.fnmatch_lines(
        [
            "* test_passing *",
            "pytest-runlog could not read what it recorded. *",
            "RuntimeError: cannot build",
            "* test_failing *",
            "E       AssertionError: assert 'JSON Patch' == 'no'",
            "pytest-runlog could not read what it recorded. *",
            "RuntimeError: cannot build",
        ]
    )
