"""Runs what a Markdown page shows, as its reader would, and compares the output.

- `python` blocks of a page are one test module, in order; a block whose first line names a
  file (`# conftest.py`) is that file. So are `toml` and `ini` blocks.
- `console` blocks hold commands after `$` and their output, where `...` stands for any text
  and every duration for any other. They run on the files that the page has shown by then.
- The modules that no command named are run at the end, and must pass. What a `toml` or `ini`
  block sets holds for what comes after it.
- `sh` and `text` blocks are not run. `sql` blocks are run by tests/chains/test_infino_queries.py.
"""

from __future__ import annotations

import doctest
import re
import shlex
import sys
from collections.abc import Iterator
from typing import NamedTuple

import pytest

RUN = frozenset({"python", "toml", "ini", "console"})
NOT_RUN = frozenset({"sh", "sql", "text"})

_BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_FILE_NAME = re.compile(r"# ([\w/.]+\.\w+)\n")
_DURATION = re.compile(r"\b\d+(\.\d+)? ?(us|ms|s)\b")
_ROUTER = re.compile(r"^.*\b(model_to_tools|tools_to_model) \(chain\)\n", re.MULTILINE)
"""A run in the agents of langchain 1.0, and in none of newer ones."""
_RULE = re.compile(r"([=_-])\1{2,}")
_FLAGS = doctest.ELLIPSIS | doctest.REPORT_NDIFF


class Block(NamedTuple):
    """A fenced block."""

    language: str
    text: str


def blocks_of(markdown: str) -> list[Block]:
    """The fenced blocks of a page. Raises `ValueError` if it is not clear what they are."""
    blocks = [Block(*found.groups()) for found in _BLOCK.finditer(markdown)]
    if markdown.count("```") != 2 * len(blocks):
        raise ValueError("a fence is not closed, or does not begin its line")
    for block in blocks:
        if block.language not in RUN | NOT_RUN:
            raise ValueError(f"{block.language!r} is none of {sorted(RUN | NOT_RUN)}")
    return blocks


def run_page(markdown: str, pytester: pytest.Pytester) -> None:
    """Run the blocks of a page in order, and fail where it promises what does not happen."""
    pending: list[str] = []
    for block in blocks_of(markdown):
        if block.language == "console":
            for command, shown in _commands(block.text):
                pending[:] = [name for name in pending if name not in command]
                _compare(command, shown, _output(command, pytester))
        elif block.language in RUN:
            if block.language in {"toml", "ini"}:
                _pass(pending, pytester)
            named = _FILE_NAME.match(block.text)
            name = named.group(1) if named else "test_page.py"
            _append(name, block.text, pytester)
            if name.startswith("test_") and name not in pending:
                pending.append(name)
    _pass(pending, pytester)


def _pass(pending: list[str], pytester: pytest.Pytester) -> None:
    if pending:
        result = pytester.runpytest(*pending)
        assert result.ret == pytest.ExitCode.OK, f"{pending} did not pass"
        pending.clear()


def _append(name: str, text: str, pytester: pytest.Pytester) -> None:
    path = pytester.path / name
    path.parent.mkdir(parents=True, exist_ok=True)
    before = path.read_text() + "\n" if path.exists() else ""
    path.write_text(before + text)


def _commands(console: str) -> Iterator[tuple[str, str]]:
    for session in re.split(r"^\$ ", console, flags=re.MULTILINE)[1:]:
        command, _, shown = session.partition("\n")
        yield command, shown


def _output(command: str, pytester: pytest.Pytester) -> str:
    program, *arguments = shlex.split(command)
    if program == "pytest":
        return str(pytester.runpytest(*arguments).stdout)
    if program == "python":
        result = pytester.run(sys.executable, "-W", "error", *arguments)
        assert result.ret == 0, result.stderr.str()
        return str(result.stdout)
    if program == "cat":
        return (pytester.path / arguments[0]).read_text(encoding="utf-8")
    raise ValueError(f"do not know how to run {program!r}")


def _compare(command: str, shown: str, printed: str) -> None:
    want, got = _comparable(shown), _comparable(printed)
    checker = doctest.OutputChecker()
    if not checker.check_output(want, got, _FLAGS):
        example = doctest.Example(command, want)
        pytest.fail(f"$ {command}\n{checker.output_difference(example, got, _FLAGS)}")


def _comparable(output: str) -> str:
    """The output without what differs from run to run, machine to machine and by version."""
    lines = [line.rstrip() for line in output.strip().splitlines()]
    text = _RULE.sub(r"\1\1\1", _DURATION.sub("<duration>", "\n".join(lines)))
    return _ROUTER.sub("", f"{text}\n")
