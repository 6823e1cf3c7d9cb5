"""What a terminal of 80 columns shows when an assertion or a comparison fails."""

from __future__ import annotations

import pytest

from support.inner import Project


def errors(result: pytest.RunResult) -> list[str]:
    """The lines that pytest marks as those of the error, without the name of its class."""
    lines = [line[8:] for line in result.outlines if line == "E" or line.startswith("E  ")]
    return [lines[0].removeprefix("AssertionError: "), *lines[1:]]


@pytest.fixture(autouse=True)
def _terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("CI", "BUILD_NUMBER", "FORCE_COLOR", "PY_COLORS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("COLUMNS", "80")


def test_an_assertion_shows_the_line_of_the_test_and_the_whole_message(project: Project) -> None:
    result = project.run("""
        def test_it(runlog):
            ask()
            runlog.assert_order("FakeChat", ..., "ChatPromptTemplate")
    """)

    result.stdout.fnmatch_lines([">       runlog.assert_order(*", "test_it.py:*: AssertionError"])
    result.stdout.no_fnmatch_line("*assertions.py*")
    assert errors(result) == [
        (
            "expected 'FakeChat', ..., 'ChatPromptTemplate' to start in this order, "
            "but 'ChatPromptTemplate' started only before 'FakeChat':"
        ),
        "  RunnableSequence (chain)",
        ">   ChatPromptTemplate (prompt)",
        ">   FakeChat (chat_model)",
        "    StrOutputParser (parser)",
        "Concurrent runs come in the order of their places in the chain, not of the clock.",
    ]


@pytest.mark.parametrize(
    "call",
    [
        "assert_ran('x')",
        "assert_not_ran('Fake*')",
        "assert_order('x')",
        "assert_overlapped('x', 'y')",
        "assert_called('x')",
        "assert_trajectory(['x'])",
        "assert_trajectory(['x'], under='x')",
        "assert_error(ValueError)",
        "assert_retried('x')",
        "assert_fell_back()",
        "assert_streamed('FakeChat')",
        "assert_always(lambda state: False)",
        "one('x')",
        "ran()",
        "assert_called(3)",
        "assert_trajectory('x')",
        "assert_error(ValueError, match='(')",
    ],
)
def test_the_frames_of_the_plugin_are_hidden(project: Project, call: str) -> None:
    result = project.run(f"""
        def test_it(runlog):
            ask()
            runlog.{call}
    """)

    result.assert_outcomes(failed=1)
    result.stdout.no_fnmatch_line("*pytest_runlog*Error")
    result.stdout.fnmatch_lines([f">       runlog.{call.replace('[', '[[]')}"])


def test_names_are_compared_line_by_line(project: Project) -> None:
    result = project.run("""
        def test_it(runlog):
            ask()
            assert runlog.names == ["RunnableSequence", "ChatPromptTemplate", "Chat"]
    """)

    assert errors(result) == [
        "assert names == expected (- expected, + seen)",
        "    RunnableSequence",
        "      ChatPromptTemplate",
        "  -   Chat",
        "  +   FakeChat",
        "  +   StrOutputParser",
    ]


def test_a_long_explanation_is_shown_whole(project: Project) -> None:
    result = project.run("""
        def test_it(runlog):
            for _ in range(3):
                ask()
            assert "Chat" in runlog.names
    """)

    assert errors(result) == [
        "assert 'Chat' in the names of 12 runs (did you mean 'FakeChat'?)",
        *[
            "  RunnableSequence (chain)",
            "    ChatPromptTemplate (prompt)",
            "    FakeChat (chat_model)",
            "    StrOutputParser (parser)",
        ]
        * 3,
    ]


def test_the_message_of_an_assert_is_kept(project: Project) -> None:
    result = project.run("""
        def test_it(runlog):
            ask()
            assert runlog.tokens == (7, 2, 10), "too many"
    """)

    assert errors(result) == [
        "too many",
        "assert tokens == expected (- expected, + seen)",
        "  - input=7 output=2 total=10",
        "  + input=7 output=2 total=9",
    ]


@pytest.mark.parametrize(
    ("comparison", "first"),
    [
        ("runlog.models == []", "assert runs == [] (- expected, + seen)"),
        ("runlog.models == ['FakeChat']", "assert 1 run == 1 name"),
        (
            "runlog.runs[1] == runlog.runs[2]",
            "assert RunnableSequence/ChatPromptTemplate (prompt) *",
        ),
        ("'FakeChat' not in runlog.names", "assert 'FakeChat' not in the names of 4 runs"),
        ("log.names == ['FakeChat']", "assert names == expected (- expected, + seen)"),
        ("part.models.names == ['x']", "assert names == expected (- expected, + seen)"),
    ],
)
def test_runs_names_and_parts_are_explained(project: Project, comparison: str, first: str) -> None:
    result = project.run(f"""
        from pytest_runlog import record

        def test_it(runlog):
            with record() as log, runlog.capture() as part:
                ask()
            assert {comparison}
    """)

    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines([f"E  *{first.replace('[', '[[]')}"])


def test_other_comparisons_are_left_to_pytest(project: Project) -> None:
    result = project.run("""
        def test_it(runlog):
            ask()
            assert ["a", "b"] == ["a"]
    """)

    result.stdout.fnmatch_lines(["E       AssertionError: assert ['a', 'b'] == ['a']"])


def test_a_mask_hook_that_fails_leaves_the_comparison_to_pytest(project: Project) -> None:
    result = project.run(
        """
        def test_it(runlog):
            ask()
            assert runlog.runs[0] == runlog.runs[1]
        """,
        conftest="""
        def pytest_runlog_mask(path, value):
            raise RuntimeError("no")
        """,
    )

    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "E*assert <Run RunnableSequence (chain, ok)> == <Run *",
            "*could not read what it recorded*",
        ]
    )
