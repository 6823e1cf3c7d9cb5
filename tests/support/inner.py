"""A small project of a user's, for tests that run pytest inside pytest."""

from __future__ import annotations

import re
from itertools import takewhile
from pathlib import Path
from textwrap import dedent

import pytest

_HEADER = """\
import pytest
from support.chains import ANSWER, question_chain

CHAIN = ["RunnableSequence", "ChatPromptTemplate", "FakeChat", "StrOutputParser"]

def ask(question="why?"):
    return question_chain().invoke({"question": question})

async def aask(question="why?"):
    return await question_chain().ainvoke({"question": question})

def questions(log):
    return [root.inputs["question"] for root in log.roots]
"""
_HEADING = re.compile(r"([-=_!])\1{2,} .* \1{3,}")
_DURATION = re.compile(r"\b\d+(\.\d+)? (us|ms|s)\b")


class Project:
    """A directory with one test file, `test_it.py`, whose tests can `ask()` a chain."""

    def __init__(self, pytester: pytest.Pytester) -> None:
        self.pytester = pytester

    def run(
        self,
        source: str,
        *args: str,
        ini: str | None = "",
        conftest: str = "",
        subprocess: bool = False,
    ) -> pytest.RunResult:
        """Run pytest on the source, with these arguments, lines of an ini file and conftest."""
        self.pytester.makepyfile(test_it=f"{_HEADER}\n{dedent(source)}")
        if ini is not None:
            self.pytester.makeini(f"[pytest]\n{dedent(ini)}")
        if conftest:
            self.pytester.makeconftest(dedent(conftest))
        if not any("asyncio" in arg for arg in args):
            args = ("-p", "no:asyncio", *args)  # what nobody uses cannot warn of its settings
        if subprocess:
            return self.pytester.runpytest_subprocess(*args)
        return self.pytester.runpytest_inprocess(*args)


def section(result: pytest.RunResult, title: str) -> str:
    """The text under a heading such as `--- title ---`, durations replaced by `…`."""
    lines = iter(result.outlines)
    found = [
        line for line in lines if _HEADING.fullmatch(line) and line[3:-3].strip("-=_ ") == title
    ]
    assert len(found) == 1, f"{len(found)} sections are called {title!r}:\n{result.stdout}"
    lines = iter(result.outlines[result.outlines.index(found[0]) + 1 :])
    text = "\n".join(takewhile(lambda line: not _HEADING.fullmatch(line), lines))
    return _DURATION.sub("…", text)


TESTS = str(Path(__file__).parents[1])
"""Where the package `support` is, for processes that the tests start."""
