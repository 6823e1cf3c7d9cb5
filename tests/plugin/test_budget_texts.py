"""What is shown of budgets, word for word: at 80 and 160 columns, with and without colour."""

from __future__ import annotations

import re

import pytest

from support.inner import Project, section

SESSION = """
    @pytest.mark.runlog_budget("runs <= 3", "model_runs == 1", "total_tokens <= 8")
    def test_breaches():
        ask()

    @pytest.mark.runlog_budget("runs <= 3")
    def test_fails():
        assert ask() == "no"
"""
ARGS = (
    "--runlog-session-budget=total_tokens[name=FakeChat] <= 17",
    "--runlog-session-budget=errors <= 2",
    "--show-capture=all",
)
BREACHES = """\
2 of 3 budgets: runs <= 3 is 4; total_tokens <= 8 is 9

runs <= 3 is 4
  1 (33.3%) over the limit
  among them:
    RunnableSequence
    RunnableSequence/ChatPromptTemplate
    RunnableSequence/FakeChat
  set by @pytest.mark.runlog_budget of test_it.py::test_breaches
  to accept it: runs <= 4
total_tokens <= 8 is 9
  1 (12.5%) over the limit; of 1 model run
  largest:
    9  RunnableSequence/FakeChat
  set by @pytest.mark.runlog_budget of test_it.py::test_breaches
  to accept it: total_tokens <= 9
With --runlog-on-breach=warn breaches are warnings.
"""
SECTION = """\
runs <= 3 is 4
  1 (33.3%) over the limit
  among them:
    RunnableSequence
    RunnableSequence/ChatPromptTemplate
    RunnableSequence/FakeChat
  set by @pytest.mark.runlog_budget of test_it.py::test_fails
  to accept it: runs <= 4
With --runlog-on-breach=warn breaches are warnings.
"""
BUDGETS = {
    80: [
        "budgets     1 held, 3 breached",
        "session     BREACHED total_tokens[name=FakeChat] <= 17: 18, 1 (5.88%) over the",
        "              limit (of 2 model runs)",
        "              9  RunnableSequence/FakeChat  test_it.py::test_breaches",
        "              9  RunnableSequence/FakeChat  test_it.py::test_fails",
        "            errors <= 2: 0, 2 left",
    ],
    160: [
        "budgets     1 held, 3 breached",
        (
            "session     BREACHED total_tokens[name=FakeChat] <= 17: 18, 1 (5.88%) over the limit "
            "(of 2 model runs)"
        ),
        "              9  RunnableSequence/FakeChat  test_it.py::test_breaches",
        "              9  RunnableSequence/FakeChat  test_it.py::test_fails",
        "            errors <= 2: 0, 2 left",
    ],
}
RED, RESET = "\x1b[31m", "\x1b[0m"


@pytest.fixture(params=[80, 160])
def width(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setenv("COLUMNS", str(request.param))
    return int(request.param)


@pytest.mark.parametrize("colour", ["no", "yes"])
def test_failures_are_shown_as_they_are_at_any_width(
    project: Project, width: int, colour: str
) -> None:
    result = project.run(SESSION, *ARGS, f"--color={colour}")

    text = re.sub(r"\x1b\[[\d;]*m", "", str(result.stdout))
    assert f"{' test_breaches ':_^{width}}\n{BREACHES}" in text
    assert f"{' runlog: budgets ':-^{width}}\n{SECTION}{' runlog ':-^{width}}\n" in text


def test_the_summary_is_folded_to_the_width(project: Project, width: int) -> None:
    result = project.run(SESSION, *ARGS, "--color=no")

    start = result.outlines.index("budgets     1 held, 3 breached")
    assert result.outlines[start : start + len(BUDGETS[width])] == BUDGETS[width]
    summary = section(result, "runlog", "=")
    assert max(map(len, summary.splitlines())) <= width


def test_breaches_are_red_in_the_summary(project: Project, width: int) -> None:
    result = project.run(SESSION, *ARGS, "--color=yes")

    *breached, held = BUDGETS[width]
    shown = [f"{RED}{line}{RESET}" for line in breached]
    start = result.outlines.index(shown[0])
    assert result.outlines[start : start + len(BUDGETS[width])] == [*shown, held]
