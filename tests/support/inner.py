"""A small project of a user's, for tests that run pytest inside pytest."""

from __future__ import annotations

import re
from itertools import takewhile
from pathlib import Path
from textwrap import dedent

import pytest

from support.versions import collect_loops_left_open

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
_HEADING = re.compile(r"([-=_!])\1{2,} (.*) \1{3,}")
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
        header: bool = True,
        subprocess: bool = False,
    ) -> pytest.RunResult:
        """Run pytest on the source, with these arguments, lines of an ini file and conftest.

        Without the `header` there is no `ask()`, and nothing that imports LangChain.
        """
        text = dedent(source)
        self.pytester.makepyfile(test_it=f"{_HEADER}\n{text}" if header else text)
        if ini is not None:
            self.pytester.makeini(f"[pytest]\n{dedent(ini)}")
        if conftest:
            self.pytester.makeconftest(dedent(conftest))
        if not any("asyncio" in arg for arg in args):
            args = ("-p", "no:asyncio", *args)  # what nobody uses cannot warn of its settings
        if subprocess:
            return self.pytester.runpytest_subprocess(*args)
        result = self.pytester.runpytest_inprocess(*args)
        if "no:asyncio" not in args:
            collect_loops_left_open()
        return result


def section(result: pytest.RunResult, title: str, rule: str = "-") -> str:
    """The text under a heading such as `--- title ---`, durations replaced by `…`."""
    headings = [_HEADING.fullmatch(line) for line in result.outlines]
    found = [
        index
        for index, heading in enumerate(headings)
        if heading is not None and heading.groups() == (rule, title)
    ]
    assert len(found) == 1, f"{len(found)} sections are called {title!r}:\n{result.stdout}"
    (start,) = found
    pairs = zip(result.outlines[start + 1 :], headings[start + 1 :])
    text = "\n".join(line for line, _ in takewhile(lambda pair: pair[1] is None, pairs))
    return _DURATION.sub("…", text)


def without_slowest(summary: str) -> str:
    """The summary without its slowest runs: which they are is a matter of luck."""
    return re.sub(r"^slowest .*\n?(^ {12,}….*\n?)*", "", summary, flags=re.MULTILINE).rstrip("\n")


TESTS = str(Path(__file__).parents[1])
"""Where the package `support` is, for processes that the tests start."""
