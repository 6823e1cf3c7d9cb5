"""Delivers what was recorded for Infino, when the session ends, and keeps what it cannot."""

from __future__ import annotations

import time
from collections import Counter
from contextlib import suppress
from functools import partial
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, TypeVar
from uuid import uuid4

import pytest

from pytest_runlog.delivery.collecting import to_records, values_of
from pytest_runlog.delivery.outbox import Outbox
from pytest_runlog.delivery.process import Sender
from pytest_runlog.delivery.sending import LATE, Sent, shown, start
from pytest_runlog.delivery.spool import FOLDER, SUFFIX, read_spool, temporary_folder, write_spool
from pytest_runlog.delivery.uris import scheme_of, without_credentials
from pytest_runlog.explain.delivery import STOPPED, not_delivered
from pytest_runlog.session.summary import Delivered

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from pytest_runlog.capture import RunLogCapture
    from pytest_runlog.delivery.records import Record
    from pytest_runlog.delivery.sinks import Sink
    from pytest_runlog.model.runs import Run
    from pytest_runlog.settings import Settings

T = TypeVar("T")
HOOK = "pytest_runlog_sink"
_ATTRIBUTE = "runlog_infino"


class DeliveryWarning(pytest.PytestWarning):
    """Records were not delivered; they are in the spool file that it names."""


def attach_values(
    report: pytest.TestReport, capture: RunLogCapture, label: Callable[[Run], str]
) -> None:
    """Let the report carry what is to be delivered of a test; xdist sends what it carries."""
    mask = capture._mask  # noqa: SLF001
    runs = capture._derive().runs  # noqa: SLF001
    values = values_of(capture.infino.calls, runs, mask, label, time.time())
    if values:
        carried = {"nodeid": mask.text(report.nodeid), "values": [list(value) for value in values]}
        setattr(report, _ATTRIBUTE, carried)


class Delivery:
    """Keeps what reports carry in a spool file, and delivers it at the end. A plugin."""

    def __init__(self, settings: Settings, config: pytest.Config) -> None:
        self._settings = settings
        self._config = config
        self._session = uuid4().hex
        self._attempts: Counter[str] = Counter()
        self._until = 0.0
        self._stopped = False
        self._is_kept_apart = True
        """Whether what hooks did not take is in files of its own."""
        self.delivered: list[Delivered] = []
        """What became of the records, when `finish` is done."""
        self._uri: str | None = None
        self._to: str | None = None
        self._shown = HOOK
        if settings.infino is not None:
            self._uri = self._absolute(settings.infino, settings.sources["infino"])
            self._to = without_credentials(self._uri)
            self._shown = without_credentials(settings.infino)
        self._name = f"{time.strftime('%Y%m%dT%H%M%S')}-{self._session[:8]}"
        self._outbox = Outbox((self._folder, temporary_folder), self._name, self._to)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Keep what a report carries."""
        carried = getattr(report, _ATTRIBUTE, None)
        if carried is None:
            return
        delattr(report, _ATTRIBUTE)  # pytest keeps reports to the end
        nodeid = carried["nodeid"]
        self._attempts[nodeid] += 1
        values = [tuple(value) for value in carried["values"]]
        self._outbox.keep(list(to_records(values, self._session, nodeid, self._attempts[nodeid])))

    def finish(self) -> None:
        """Deliver, within the deadline, and warn of what was not delivered. Raises nothing."""
        self._until = monotonic() + self._settings.infino_deadline
        files = dict(self._outbox.close())
        try:
            self._deliver(files)
        except (Exception, KeyboardInterrupt) as error:  # no result may depend on it
            for path, count in files.items():
                if path.exists():
                    self._note(self._shown, 0, count, path, shown(error))
        if self._outbox.lost:
            self._note(self._shown, 0, self._outbox.lost, None, self._outbox.trouble)
        for delivered in self.delivered:
            if delivered.reason is not None:
                self._warn(delivered)

    def _deliver(self, files: Mapping[Path, int]) -> None:
        """Hand the records to all sinks at once, and wait for each."""
        if not files:
            return
        hook = self._config.hook.pytest_runlog_sink
        records: list[Record] = []
        if hook.get_hookimpls():  # read before the process that sends removes the files
            records = [record for path in files for record in read_spool(path).records]
        sender, reason = None, ""
        if self._uri is not None:
            try:
                sender = Sender(
                    files, self._uri, self._seconds_left(), self._config.invocation_params.dir
                )
            except OSError as error:
                reason = shown(error)
        if records:
            self._feed_sinks(records, next(iter(files)))
        if self._uri is None:
            for path in files if self._is_kept_apart else ():
                path.unlink()
            return
        told: dict[str, Sent] = {}
        if sender is not None:
            told, reason = self._wait(sender.wait)
        for path, count in files.items():
            if path.exists():
                sent = told.get(str(path), Sent(str(path), kept=count, reason=reason))
                self._note(self._shown, sent.sent, sent.kept, path, self._why(sent.reason))
            else:
                self._note(self._shown, count)

    def _feed_sinks(self, records: Sequence[Record], file: Path) -> None:
        """Hand the records to the sinks of hooks; what they do not take goes to files."""
        sinks: list[Sink] = []

        def ask() -> None:
            sinks.extend(self._config.hook.pytest_runlog_sink(config=self._config))

        left, reason = self._wait(start(ask, records))
        if left:
            self._keep(HOOK, records, left, reason, file)
            return
        waits = [(sink, start(partial(_send, sink, list(records)), records)) for sink in sinks]
        for sink, wait in waits:
            left, reason = self._wait(wait)
            self._keep(type(sink).__name__, records, left, reason, file)

    def _keep(
        self,
        to: str,
        records: Sequence[Record],
        left: Sequence[Record],
        reason: str | None,
        file: Path,
    ) -> None:
        """Note what a hook's sink has taken, and write what it has not to a file of its own."""
        if not left:
            self._note(to, len(records))
            return
        path = file.parent / f"{self._name}-{len(self.delivered) + 1}{SUFFIX}"
        reason, sent = self._why(reason), len(records) - len(left)
        try:
            write_spool(path, None, left)
        except OSError as error:
            self._is_kept_apart = False
            whole = file if self._uri is None else None
            self._note(to, sent, len(left), whole, f"{reason}; {shown(error)}")
        else:
            self._note(to, sent, len(left), path, reason)

    def _wait(self, wait: Callable[[float], T]) -> T:
        """Wait until the deadline; Ctrl-C ends it now."""
        try:
            return wait(self._seconds_left())
        except KeyboardInterrupt:
            self._until, self._stopped = monotonic(), True
            return wait(0)

    def _seconds_left(self) -> float:
        return max(self._until - monotonic(), 0)

    def _why(self, reason: str | None) -> str | None:
        return STOPPED if self._stopped and reason == LATE else reason

    def _note(
        self,
        to: str,
        sent: int,
        kept: int = 0,
        file: Path | None = None,
        reason: str | None = None,
    ) -> None:
        # What hooks leave has no address, and passwords are in no file.
        is_addressed = to == self._shown and self._uri is not None and self._uri == self._to
        self.delivered.append(
            Delivered(to, sent, kept, None if file is None else str(file), reason, is_addressed)
        )

    def _warn(self, delivered: Delivered) -> None:
        text = not_delivered(delivered)
        with suppress(DeliveryWarning):  # warnings are errors; the summary says it too
            self._config.issue_config_time_warning(DeliveryWarning(text), stacklevel=2)

    def _folder(self) -> Path:
        """Where spool files are; made when it is needed."""
        if self._settings.spool is not None:
            return Path(self._absolute(self._settings.spool, self._settings.sources["spool"]))
        cache = getattr(self._config, "cache", None)
        if cache is None:
            return temporary_folder()
        cache.set("runlog/spool", self._name)  # old versions set the cache up only here
        # Not in the directory that pytest gives to plugins: `--cache-clear` empties that.
        made: Path = cache.mkdir(FOLDER)
        made.rmdir()
        return made.parents[1] / FOLDER

    def _absolute(self, place: str, source: str) -> str:
        """A path as the user means it: from the ini file, or from where pytest was started."""
        if scheme_of(place) is not None:
            return place
        config = self._config
        folder = config.rootpath if config.inipath is None else config.inipath.parent
        if source.startswith("-"):
            folder = config.invocation_params.dir
        return str(folder / Path(place).expanduser())


def _send(sink: Sink, records: Sequence[Record]) -> None:
    sink.send(records)
