"""Holds recorded tests to their budgets, and says with what result."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

import pytest

from pytest_runlog.explain.budgets import breaches_text, verdict_line
from pytest_runlog.measures.budget import closest
from pytest_runlog.settings import marked_budgets

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterator, Sequence

    from pytest_runlog.capture import RunLogCapture
    from pytest_runlog.measures.budget import Budget
    from pytest_runlog.measures.judge import Verdict
    from pytest_runlog.settings import Budgets, Settings

if TYPE_CHECKING:

    class _Failed(BaseException):
        def __init__(self, msg: str, pytrace: bool = True) -> None: ...

else:
    _Failed = pytest.fail.Exception

BUDGET_MARK = "runlog_budget"
_running = pytest.StashKey[bool]()
_verdicts = pytest.StashKey["list[Verdict]"]()


class BudgetExceeded(_Failed, AssertionError):
    """A test, which passed by itself, exceeds a budget."""

    __module__ = "builtins"  # so that pytest shows the name alone, as that of its own


class BudgetWarning(pytest.PytestWarning):
    """A budget is exceeded, and `--runlog-on-breach=warn`."""


class Gate:
    """Judges one test by the session's settings; what it finds lies in the test's stash."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    def begin(self, item: pytest.Item) -> None:
        """The test function is called: reports that come now are of subtests."""
        item.stash[_running] = True

    def end(self, item: pytest.Item) -> None:
        """The test function has returned, or raised."""
        item.stash[_running] = False

    def hold(self, item: pytest.Item, capture: RunLogCapture) -> None:
        """Fail or warn, if a test that passed exceeds its budgets."""
        if getattr(item, "_excinfo", None):  # a test case that failed or was skipped
            return
        verdicts = self.verdicts(item, capture)
        if not any(verdict.fails for verdict in verdicts):
            return
        text = _text(verdicts, capture)
        if self.settings.on_breach == "warn":
            item.warn(BudgetWarning(text))
        else:
            raise BudgetExceeded(text, pytrace=False)

    def is_inside(self, item: pytest.Item) -> bool:
        """Whether the test function runs: reports that come now are of subtests."""
        return item.stash.get(_running, False)

    def report(
        self, item: pytest.Item, report: pytest.TestReport, capture: RunLogCapture
    ) -> list[Verdict]:
        """The verdicts on the test, if it counts; a failing one is told of its breaches."""
        if self.is_inside(item) or report.when != "call" or report.skipped:
            return []
        told = _verdicts in item.stash
        verdicts = self.verdicts(item, capture)
        if report.failed and not told and any(verdict.fails for verdict in verdicts):
            report.sections.append(("runlog: budgets", _text(verdicts, capture)))
        return verdicts

    def verdicts(self, item: pytest.Item, capture: RunLogCapture) -> list[Verdict]:
        """The verdicts on the test's budgets, by what was recorded until now."""
        if self.settings.on_breach == "ignore":
            return []
        verdicts = item.stash.get(_verdicts, None)
        if verdicts is None:
            budgets = self.budgets(item)
            verdicts = item.stash[_verdicts] = _judge(capture, budgets) if budgets else []
        return verdicts

    def budgets(self, item: pytest.Item) -> list[Budget]:
        """The budgets of the test: CLI, markers from the closest on, ini."""
        typed, in_ini = self.settings.budgets
        return closest([typed, *marked(item), in_ini])

    def forget(self, item: pytest.Item) -> None:
        """The test is over; it may be run again."""
        item.stash[_running] = False
        if _verdicts in item.stash:
            del item.stash[_verdicts]


def hold_session(session: pytest.Session, breaches: Sequence[Verdict], on_breach: str) -> None:
    """Make the exit status 1, if it was 0, or warn, if the session exceeds its budgets."""
    if not breaches:
        return
    if on_breach == "warn":
        warning = BudgetWarning("\n".join(map(verdict_line, breaches)))
        try:
            session.config.issue_config_time_warning(warning, stacklevel=2)
        except BudgetWarning:  # warnings are errors
            on_breach = "fail"
    if on_breach == "fail" and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def marked(item: pytest.Item) -> Iterator[Budgets]:
    """The budgets of each marker, closest first. Raises `BadSetting`."""
    for node, marker in item.iter_markers_with_node(BUDGET_MARK):
        yield _read(marker.args, tuple(marker.kwargs.items()), f" of {_place(node, item)}")


def _read(args: tuple[Any, ...], kwargs: tuple[tuple[str, Any], ...], where: str) -> Budgets:
    try:
        return _read_once(args, kwargs, where)
    except TypeError:  # not hashable, so no text
        return marked_budgets(args, dict(kwargs), where)


@lru_cache(maxsize=1024)
def _read_once(
    args: tuple[Hashable, ...], kwargs: tuple[tuple[str, Hashable], ...], where: str
) -> Budgets:
    return marked_budgets(args, dict(kwargs), where)


def _place(node: Any, item: pytest.Item) -> str:
    """Where a marker stands: a parametrized test is named without its parameters."""
    nodeid = str(node.nodeid)
    return nodeid.partition("[")[0] if node is item else nodeid or "the session"


def _judge(capture: RunLogCapture, budgets: list[Budget]) -> list[Verdict]:
    from pytest_runlog.budgeting import judge_budgets

    return judge_budgets(capture, budgets)


def _text(verdicts: list[Verdict], capture: RunLogCapture) -> str:
    return breaches_text(verdicts, capture.runs, capture._mask)  # noqa: SLF001
