"""The pytest plugin: hooks and the fixture. It wires; what it wires decides."""

from __future__ import annotations

import re
import sys
import traceback
from contextlib import suppress
from dataclasses import replace
from importlib import import_module
from typing import TYPE_CHECKING, Any

import pytest

# Loaded with pytest, so that no test can load it while it has the clock frozen.
import pytest_runlog.model.journal  # noqa: F401
from pytest_runlog import hookspec
from pytest_runlog.defaults import Options, enter_session, leave_session
from pytest_runlog.explain import recording as explain
from pytest_runlog.gate import BUDGET_MARK, Gate, hold_session, marked
from pytest_runlog.session.collection import SessionRecords
from pytest_runlog.settings import (
    BUDGET_MARKER,
    MARKER,
    OPTIONS,
    BadSetting,
    Settings,
    check_marker,
    read_settings,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Sequence

    from pytest_runlog.capture import RunLogCapture
    from pytest_runlog.delivery.session import Delivery
    from pytest_runlog.model.masking import MaskHook

_ACTIONS = {"bool": "store_const", "string": "store", "linelist": "append"}
_SCOPE_MISMATCH = re.compile(r"ScopeMismatch.*\bfixture runlog\b")
_NEEDED_TO_RECORD = (
    "langchain_core.runnables",
    "langchain_core.tracers.context",
    "pytest_runlog.capture",
    "pytest_runlog.recording.installer",
)
_settings = pytest.StashKey[Settings]()
_gate = pytest.StashKey[Gate]()
_records = pytest.StashKey[SessionRecords]()
_delivery: pytest.StashKey[Delivery] = pytest.StashKey()
_capture = pytest.StashKey["RunLogCapture"]()
_explained = pytest.StashKey[list[str]]()


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
                action=_ACTIONS[option.type],
                **({"const": True} if option.type == "bool" else {"metavar": option.metavar}),
                default=None,
                help=option.help.replace("%", "%%"),
            )


def pytest_addhooks(pluginmanager: pytest.PytestPluginManager) -> None:
    pluginmanager.add_hookspecs(hookspec)


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", MARKER)
    config.addinivalue_line("markers", BUDGET_MARKER)
    try:
        settings = read_settings(config.getoption, _ini(config))
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
    config.stash[_gate] = Gate(settings)

    def options() -> Options:
        return _options(settings, config.hook)

    enter_session(options)
    config.add_cleanup(lambda: leave_session(options))
    config.stash[_records] = SessionRecords(settings)
    if not hasattr(config, "workerinput"):  # workers send their records on
        config.pluginmanager.register(config.stash[_records], "runlog-session")


@pytest.hookimpl(trylast=True)
def pytest_sessionstart(session: pytest.Session) -> None:
    """Have what is recorded delivered when the session ends, if there is anywhere to."""
    config = session.config
    if _is_delivered(config) and not hasattr(config, "workerinput"):
        from pytest_runlog.delivery.session import Delivery

        config.stash[_delivery] = Delivery(config.stash[_settings], config)
        config.pluginmanager.register(config.stash[_delivery], "runlog-delivery")


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Report a wrong marker as pytest does an unknown one; a `UsageError` is lost under xdist."""
    report = yield
    wrong: dict[str, str] = {}
    for item in report.result or []:
        if not isinstance(item, pytest.Item):
            continue
        try:
            for marker in item.iter_markers("runlog"):
                check_marker(marker.args, marker.kwargs)
            for _ in marked(item):
                pass
        except BadSetting as error:
            wrong.setdefault(str(error), item.nodeid)
    if wrong:
        report.outcome = "failed"
        report.longrepr = "\n".join(f"{nodeid}: {error}" for error, nodeid in wrong.items())
    return report


def pytest_collection_finish(session: pytest.Session) -> None:
    """Import what recording needs, before a test can freeze the clock or be timed."""
    if session.config.option.collectonly:
        return
    recorded = list(filter(_will_record, session.items))
    with suppress(ImportError):  # the tests that record will say it
        for module in _NEEDED_TO_RECORD if recorded else ():
            import_module(module)
        if any(map(_streams, recorded)):
            import_module("pytest_runlog.recording.streaming")


@pytest.fixture
def runlog(request: pytest.FixtureRequest) -> Iterator[RunLogCapture]:
    """Record the LangChain runs of this test: its runs, errors, tokens and Infino payloads.

    Nothing is passed to the chain. A `pytest_runlog.RunLogCapture`.
    """
    item = request.node
    capture = item.stash.get(_capture, None)
    if capture is None:
        capture = item.stash[_capture] = _open(item)
    yield capture
    capture.close()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    __tracebackhide__ = True  # pytest shows our frame where it finds none of the test's
    if _capture not in item.stash and _is_recorded(item):
        item.stash[_capture] = _open(item)
    gate = item.config.stash[_gate]
    gate.begin(item)
    try:
        result = yield
    finally:
        gate.end(item)
        # Looked up here, because a test can request the fixture from its body.
        capture = item.stash.get(_capture, None)
        if capture is not None:
            capture.close()
    if capture is not None and capture.failures:
        _report_failures(item, capture.failures)
    if capture is not None:
        gate.hold(item, capture)
    return result


@pytest.hookimpl(tryfirst=True)
def pytest_fixture_setup(fixturedef: pytest.FixtureDef[Any]) -> None:
    if fixturedef.argname == "snapshot" and "syrupy" in sys.modules:
        import_module("pytest_runlog.snapshot")


@pytest.hookimpl(wrapper=True)
def pytest_assertrepr_compare(
    config: pytest.Config, op: str, left: object, right: object
) -> Generator[None, list[list[str] | None], list[list[str] | None]]:
    """Explain before syrupy does, which asks to be first."""
    explanations = yield
    explanation = _explanation(config, op, left, right)
    if explanation is None:
        return explanations
    config.stash[_explained] = explanation
    return [explanation, *explanations]


def _explanation(config: pytest.Config, op: str, left: object, right: object) -> list[str] | None:
    """Why what was recorded is not what it is compared with."""
    if "pytest_runlog.capture" not in sys.modules:
        return None
    from pytest_runlog.capture import recent_captures
    from pytest_runlog.explain.comparisons import explain_comparison
    from pytest_runlog.model.masking import MaskHookFailed

    snapshot = sys.modules.get("pytest_runlog.snapshot")
    if snapshot is not None:
        verbosity = config.get_verbosity("assertions")
        explanation = snapshot.explain_comparison(op, left, right, verbosity)
        if explanation is not None:
            return list(explanation)
    with suppress(MaskHookFailed):  # the report of the test will say it
        return explain_comparison(op, left, right, recent_captures())
    return None


def _show_whole(item: pytest.Item, error: BaseException) -> None:
    """Put in again what pytest cut off from our explanation of an assertion."""
    explanation = item.config.stash.get(_explained, None)
    text = str(error)
    if explanation is not None and f"assert {explanation[0]}" in text:
        before, _, _ = text.partition(f"assert {explanation[0]}")
        error.args = (before + "assert " + "\n  ".join(explanation),)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    # pytest keeps the failures of a unittest on the item.
    for failure in (call.excinfo, *(getattr(item, "_excinfo", None) or ())):
        if failure is not None and isinstance(failure.value, AssertionError):
            _show_whole(item, failure.value)
    report = yield
    capture = item.stash.get(_capture, None)
    if capture is None:
        if report.failed and _SCOPE_MISMATCH.search(report.longreprtext):
            report.sections.append(("runlog", explain.wider_scope()))
    elif report.when == "teardown":
        del item.stash[_capture]
        item.config.stash[_gate].forget(item)
    elif report.when == "call" or not report.passed:
        _attach(item, report, capture)
        told = call.excinfo is not None and isinstance(call.excinfo.value, RecordingError)
        if report.failed and capture.failures and not told:
            report.sections.append(("runlog: not recorded", _failures_text(capture.failures)))
    return report


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Judge the session, last of all, and only where it went well otherwise; deliver."""
    config = session.config
    if hasattr(config, "workerinput") or _settings not in config.stash:
        return
    hold_session(session, config.stash[_records].judge(session), config.stash[_settings].on_breach)
    if _delivery in config.stash:
        config.stash[_delivery].finish()


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """Write what was recorded, if anything was: a section, or with `-q` a line."""
    delivered = config.stash[_delivery].delivered if _delivery in config.stash else ()
    summary = config.stash[_records].summary(delivered)
    if not summary.recorded:
        return
    from pytest_runlog.reports.terminal import quiet_lines, summary_lines

    width = config.get_terminal_writer().fullwidth
    if terminalreporter.verbosity < 0:
        lines = quiet_lines(summary, width, counts=terminalreporter.verbosity == -1)
    else:
        terminalreporter.write_sep("=", "runlog")
        lines = summary_lines(summary, width)
    for line in lines:
        terminalreporter.write_line(line.text, **line.markup)


def _is_delivered(config: pytest.Config) -> bool:
    """Whether there is anywhere to send what is recorded."""
    hook = config.hook.pytest_runlog_sink
    return config.stash[_settings].infino is not None or bool(hook.get_hookimpls())


def _will_record(item: pytest.Item) -> bool:
    return "runlog" in getattr(item, "fixturenames", ()) or _is_recorded(item)


def _is_recorded(item: pytest.Item) -> bool:
    """Whether a test is recorded that does not request the fixture."""
    marker = item.get_closest_marker("runlog")
    if marker is not None:
        return bool(marker.kwargs.get("record", True))
    if item.get_closest_marker(BUDGET_MARK) is not None:
        return True
    return item.config.stash[_settings].record


def _counts(item: pytest.Item) -> bool:
    """Whether the session's budgets are judged by this test too."""
    return _marked(item, "session", default=True)


def _streams(item: pytest.Item) -> bool:
    """Whether LangChain streams while a test is recorded."""
    return _marked(item, "stream", default=item.config.stash[_settings].stream)


def _marked(item: pytest.Item, name: str, *, default: bool) -> bool:
    """What the closest marker that has this argument says."""
    for marker in item.iter_markers("runlog"):
        if name in marker.kwargs:
            return bool(marker.kwargs[name])
    return default


def _ini(config: pytest.Config) -> Callable[[str], Any]:
    def ini(name: str) -> Any:
        try:
            return config.getini(name)
        except (ValueError, TypeError, pytest.UsageError) as error:  # by the version of pytest
            raise ValueError(str(error)) from None

    return ini


def _open(item: pytest.Item) -> RunLogCapture:
    from pytest_runlog.capture import open_capture
    from pytest_runlog.recording.versions import UnsupportedLangChain

    options = _options(item.config.stash[_settings], item.ihook)
    try:
        return open_capture(replace(options, stream=_streams(item)))
    except UnsupportedLangChain as error:
        unsupported = str(error)
    pytest.fail(unsupported, pytrace=False)


def _options(settings: Settings, hooks: Any) -> Options:
    return Options(
        chunks=settings.chunks,
        stream=settings.stream,
        mask_patterns=settings.mask,
        mask_hook=_mask_hook(hooks),
        min_samples=settings.min_samples,
    )


def _mask_hook(hooks: Any) -> MaskHook | None:
    hook = hooks.pytest_runlog_mask
    if not hook.get_hookimpls():
        return None

    def mask(path: str, value: Any) -> Any:
        masked = hook(path=path, value=value)
        return value if masked is None else masked

    return mask


def _attach(item: pytest.Item, report: pytest.TestReport, capture: RunLogCapture) -> None:
    """Attach the test's numbers and, if it failed, its breaches and its run tree."""
    from pytest_runlog.budgeting import labels
    from pytest_runlog.session.collection import attach_record
    from pytest_runlog.session.records import add_properties, record_test

    config = item.config
    try:
        verdicts = config.stash[_gate].report(item, report, capture)
        label = labels(capture._mask)  # noqa: SLF001
        record = record_test(
            report.nodeid,
            report.outcome,
            capture._derive().runs,  # noqa: SLF001
            label=label,
            verdicts=verdicts,
            session_budgets=config.stash[_settings].session_budgets if _counts(item) else None,
        )
        attach_record(report, record)
        if _is_delivered(config) and not config.stash[_gate].is_inside(item):
            from pytest_runlog.delivery.session import attach_values

            attach_values(report, capture, label)
        if config.getoption("xmlpath", None):
            add_properties(item.user_properties, record)
            report.user_properties = list(item.user_properties)
        if report.failed:
            report.sections += explain.sections(capture)
        capture._forget_unseen()  # noqa: SLF001
    except Exception:
        trouble = f"{explain.unreadable()}\n{traceback.format_exc()}"
        if not report.passed:
            report.sections.append(("runlog", trouble))
        elif item.config.stash[_settings].recording_errors == "fail":
            report.outcome, report.longrepr = "failed", trouble
        else:
            item.warn(RecordingWarning(trouble))


def _report_failures(item: pytest.Item, failures: Sequence[Exception]) -> None:
    if item.config.stash[_settings].recording_errors == "fail":
        raise RecordingError(explain.recording_failed(failures)) from failures[0]
    item.warn(RecordingWarning(_failures_text(failures)))


def _failures_text(failures: Sequence[Exception]) -> str:
    shown = "".join(traceback.format_exception(failures[0]))
    return f"{explain.recording_failed(failures)}\n{shown}"
