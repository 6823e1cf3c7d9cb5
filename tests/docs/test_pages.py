"""README.md and docs/ are run as tests, and the output that they show is compared."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent

import pytest

from pytest_runlog import record
from support.chains import agent, graph
from support.pages import RUN, blocks_of, run_page
from support.versions import LEAVES_LOOPS_OPEN, collect_loops_left_open

ROOT = Path(__file__).parents[2]
PAGES = [
    page
    for page in (ROOT / "README.md", *sorted(ROOT.glob("docs/**/*.md")))
    if any(block.language in RUN for block in blocks_of(page.read_text(encoding="utf-8")))
]


@pytest.fixture(scope="session", autouse=True)
def _imported() -> None:
    """Pages are run in this process: what they all import is imported once, before them."""
    with record() as log:
        graph().invoke({"question": "?"})
        agent().invoke({"messages": [("human", "?")]})
    assert log.tree()


@pytest.fixture(autouse=True)
def _leave_no_loop_open() -> Iterator[None]:
    yield
    collect_loops_left_open()


@pytest.fixture(autouse=True)
def _terminal(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    """A reader's terminal: 80 columns, no CI, no workers. Warnings are errors there too."""
    for name in ("CI", "BUILD_NUMBER", "FORCE_COLOR", "PY_COLORS", "PYTEST_XDIST_WORKER"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("COLUMNS", "80")
    options = [
        "--strict-config --strict-markers -W error -p no:cacheprovider",
        "-o asyncio_default_fixture_loop_scope=function",
    ]
    if LEAVES_LOOPS_OPEN:
        options.append("-W ignore:unclosed:ResourceWarning")
    monkeypatch.setenv("PYTEST_ADDOPTS", " ".join(options))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_a_page_is_true(page: Path, pytester: pytest.Pytester) -> None:
    run_page(page.read_text(encoding="utf-8"), pytester)


def page(text: str) -> str:
    return dedent(text).replace("'''", "```")


def test_a_page_whose_test_fails_is_not_true(pytester: pytest.Pytester) -> None:
    wrong = """\
        '''python
        def test_addition():
            assert 1 + 1 == 3
        '''
        """
    with pytest.raises(AssertionError, match="did not pass"):
        run_page(page(wrong), pytester)


def test_a_page_without_a_test_in_its_module_is_not_true(pytester: pytest.Pytester) -> None:
    empty = """\
        '''python
        total = 1 + 1
        '''
        """
    with pytest.raises(AssertionError, match="did not pass"):
        run_page(page(empty), pytester)


def test_a_page_that_shows_other_output_is_not_true(pytester: pytest.Pytester) -> None:
    wrong = """\
        '''python
        # total.py
        print("3 runs in 0.1 s")
        '''
        '''console
        $ python total.py
        4 runs in 0.1 s
        '''
        """
    with pytest.raises(pytest.fail.Exception, match=r"\$ python total\.py"):
        run_page(page(wrong), pytester)


def test_durations_and_what_an_ellipsis_stands_for_may_differ(pytester: pytest.Pytester) -> None:
    right = """\
        '''python
        # total.py
        print("many", "words", sep="\\n")
        print("3 runs in 0.1 s")
        '''
        '''console
        $ python total.py
        ...
        3 runs in 25 ms
        '''
        """
    run_page(page(right), pytester)


@pytest.mark.parametrize("text", ["'''python\nx = 1\n", "'''pyton\nx = 1\n'''\n"])
def test_a_block_that_would_go_unnoticed_is_an_error(text: str, pytester: pytest.Pytester) -> None:
    with pytest.raises(ValueError, match=r"a fence is not closed|'pyton' is none of"):
        run_page(page(text), pytester)
