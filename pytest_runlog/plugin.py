"""The pytest plugin: hooks and the fixture. It wires; what it wires decides."""

from __future__ import annotations

import traceback
import warnings
from typing import TYPE_CHECKING, Any

import pytest

# Loaded with pytest, so that no test can load it while it has the clock frozen.
import pytest_runlog.model.journal  # noqa: F401
from pytest_runlog import explain, hookspec
from pytest_runlog.session.collection import SessionRecords
from pytest_runlog.settings import (
    MARKER,
    OPTIONS,
    BadSetting,
    Settings,
    check_marker,
    read_settings,
)

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Sequence

    from pytest_runlog.capture import RunLogCapture
    from pytest_runlog.model.masking import MaskHook

_settings = pytest.StashKey[Settings]()
_capture = pytest.StashKey["RunLogCapture"]()


class RecordingError(Exception):
    """The recorder failed; the chain did not notice."""


class RecordingWarning(pytest.PytestWarning):
    """The recorder failed, and `runlog_recording_errors = warn`."""


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("runlog", "LangChain runs (pytest-runlog)")
    for option in OPTIONS.values():
        parser.addini(option.ini, option.help, type=option.type, default=None)
        if option.flag is not None:
            group.addoption(
                option.flag,
                dest=option.flag,
                action="store_const" if option.type == "bool" else "store",
                **({"const": True} if option.type == "bool" else {}),
                default=None,
                help=option.help,
            )


def pytest_addhooks(pluginmanager: pytest.PytestPluginManager) -> None:
    pluginmanager.add_hookspecs(hookspec)


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", MARKER)
    try:
        settings = read_settings(config.getoption, config.getini)
    except BadSetting as error:
        raise pytest.UsageError(str(error)) from None
    if settings.record:
        from pytest_runlog.recording.versions import (
            UnsupportedLangChain,
            require_supported_langchain,
        )

        try:
            require_supported_langchain()
        except UnsupportedLangChain as error:
            raise pytest.UsageError(f"{settings.sources['record']}: {error}") from None
    config.stash[_settings] = settings
    config.pluginmanager.register(SessionRecords(), "runlog-session")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        for marker in item.iter_markers("runlog"):
            try:
                check_marker(marker.args, marker.kwargs)
            except BadSetting as error:
                raise pytest.UsageError(f"{item.nodeid}: {error}") from None


@pytest.fixture
def runlog(request: pytest.FixtureRequest) -> Iterator[RunLogCapture]:
    """Record the LangChain runs of this test: its runs, errors, tokens and Infino payloads.

    Nothing is passed to the chain. A `pytest_runlog.RunLogCapture`.
    """
    item = request.node
    capture = item.stash.get(_capture, None)
    if capture is None:
        capture = item.stash[_capture] = _open(request.config)
    yield capture
    capture.close()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    capture = item.stash.get(_capture, None)
    if capture is None and _is_recorded(item):
        capture = item.stash[_capture] = _open(item.config)
    try:
        result = yield
    finally:
        if capture is not None:
            capture.close()
    if capture is not None and capture.failures:
        _report_failures(capture.failures, item.config.stash[_settings])
    return result


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    capture = item.stash.get(_capture, None)
    if capture is None:
        if report.failed and "ScopeMismatch" in str(report.longrepr):
            report.sections.append(("runlog", explain.wider_scope()))
    elif report.when == "teardown":
        del item.stash[_capture]
    else:
        try:
            _attach(report, capture)
        except Exception:
            report.sections.append(("runlog: this log could not be read", traceback.format_exc()))
    return report


def _is_recorded(item: pytest.Item) -> bool:
    """Whether a test is recorded that does not request the fixture."""
    marker = item.get_closest_marker("runlog")
    wanted = marker is None or marker.kwargs.get("record", True)
    return wanted and item.config.stash[_settings].record


def _open(config: pytest.Config) -> RunLogCapture:
    from pytest_runlog.capture import Options, open_capture
    from pytest_runlog.recording.versions import UnsupportedLangChain

    settings = config.stash[_settings]
    options = Options(settings.chunks, settings.mask, _mask_hook(config))
    try:
        return open_capture(options)
    except UnsupportedLangChain as error:
        pytest.fail(str(error), pytrace=False)


def _mask_hook(config: pytest.Config) -> MaskHook | None:
    hook = config.hook.pytest_runlog_mask
    if not hook.get_hookimpls():
        return None

    def mask(path: str, value: Any) -> Any:
        masked = hook(path=path, value=value)
        return value if masked is None else masked

    return mask


def _attach(report: pytest.TestReport, capture: RunLogCapture) -> None:
    from pytest_runlog.session.collection import attach_record
    from pytest_runlog.session.records import record_test

    attach_record(report, record_test(report.nodeid, report.outcome, capture.runs))
    if report.failed:
        report.sections += explain.sections(capture)


def _report_failures(failures: Sequence[Exception], settings: Settings) -> None:
    message = explain.recording_failed(failures)
    if settings.recording_errors == "fail":
        raise RecordingError(message) from failures[0]
    shown = "".join(traceback.format_exception(failures[0]))
    warnings.warn(RecordingWarning(f"{message}\n{shown}"), stacklevel=2)
