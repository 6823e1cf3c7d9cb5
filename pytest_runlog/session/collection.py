"""Gathers the records of the session where its reports arrive: on the xdist controller too."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytest_runlog.session.records import TestRecord

if TYPE_CHECKING:
    import pytest

_ATTRIBUTE = "runlog_record"


def attach_record(report: pytest.TestReport, record: TestRecord) -> None:
    """Let the report carry the record; xdist sends what a report carries."""
    setattr(report, _ATTRIBUTE, record.to_dict())


class SessionRecords:
    """The record of the last attempt of each test. A pytest plugin."""

    def __init__(self) -> None:
        self._records: dict[str, TestRecord] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Take the record that a report carries."""
        if report.when == "setup":
            self._records.pop(report.nodeid, None)  # of an attempt that this one repeats
        data: dict[str, Any] | None = getattr(report, _ATTRIBUTE, None)
        if data is not None:
            self._records[report.nodeid] = TestRecord.from_dict(data)

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Write the summary, if anything was recorded: a section, or with `-q` a line."""
        if not self._records or terminalreporter.verbosity < -1:
            return
        from pytest_runlog.reports.terminal import summary_line, summary_lines

        records = list(self._records.values())
        if terminalreporter.verbosity < 0:
            if line := summary_line(records):
                terminalreporter.write_line(f"runlog: {line}")
        elif lines := list(summary_lines(records)):
            terminalreporter.write_sep("=", "runlog")
            for line in lines:
                terminalreporter.write_line(line)
