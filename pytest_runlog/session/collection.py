"""Gathers the records of the session where its reports arrive: on the xdist controller too."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytest_runlog.measures.units import count_text
from pytest_runlog.session.records import TestRecord, judge_session
from pytest_runlog.session.summary import Summary

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pytest

    from pytest_runlog.measures.judge import Verdict
    from pytest_runlog.session.summary import Delivered
    from pytest_runlog.settings import Settings

_ATTRIBUTE = "runlog_record"
_INTERRUPTED = 2


def attach_record(report: pytest.TestReport, record: TestRecord) -> None:
    """Let the report carry the record; xdist sends what a report carries."""
    setattr(report, _ATTRIBUTE, record.to_dict())


class SessionRecords:
    """The record of the last attempt of each test, and what they say together. A plugin."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._records: dict[str, TestRecord] = {}
        self._expected: set[str] = set()
        """Tests that failed as expected: the session's budgets leave them out."""
        self._collected = True
        self._verdicts: list[Verdict] = []
        self._notes: list[str] = []
        """What to know about the verdicts."""

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Note that some tests could not be collected: then nothing is judged."""
        self._collected = self._collected and not report.failed

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Take the record that a report carries."""
        if report.when == "setup":  # of an attempt that may repeat another
            self._records.pop(report.nodeid, None)
            self._expected.discard(report.nodeid)
        if report.skipped and hasattr(report, "wasxfail"):
            self._expected.add(report.nodeid)
        data: dict[str, Any] | None = getattr(report, _ATTRIBUTE, None)
        if data is not None:
            self._records[report.nodeid] = TestRecord.from_dict(data)
            delattr(report, _ATTRIBUTE)  # pytest keeps reports to the end

    def judge(self, session: pytest.Session) -> list[Verdict]:
        """The verdicts on the session's budgets that are breached; all are in the summary."""
        budgets = self._settings.session_budgets
        recorded = [record for record in self._records.values() if record.runs]
        counted = [record for record in recorded if self._counts(record)]
        if not budgets or not recorded:
            return []
        if self._settings.on_breach == "ignore":
            self._notes.append("not judged: --runlog-on-breach=ignore")
        elif not self._collected:
            self._notes.append("not judged: some tests could not be collected")
        elif not counted:
            self._notes.append("not judged: every recorded test is left out")
        else:
            self._verdicts = judge_session(budgets, counted, self._settings.min_samples)
            if session.shouldstop or session.shouldfail or session.exitstatus == _INTERRUPTED:
                self._notes.append("the session was stopped early: this is what is known")
            if left_out := len(recorded) - len(counted):
                self._notes.append(
                    f"{count_text(left_out, 'test')} left out: xfailed or runlog(session=False)"
                )
        return [verdict for verdict in self._verdicts if verdict.fails]

    def summary(self, delivered: Sequence[Delivered] = ()) -> Summary:
        """What is known of the session by now; `delivered` is what was sent of it."""
        return Summary(
            list(self._records.values()),
            self._verdicts,
            self._notes,
            warns=self._settings.on_breach == "warn",
            delivered=delivered,
        )

    def _counts(self, record: TestRecord) -> bool:
        """Whether the session's budgets are judged by this test too."""
        return record.samples is not None and record.nodeid not in self._expected
