"""One table of options: each is an ini key, and most are a command line flag as well."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from pytest_runlog.delivery.uris import check_uri
from pytest_runlog.measures.budget import BadBudget, Budget, closest, parse_budget
from pytest_runlog.measures.units import parse_seconds

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

MARKER = (
    "runlog(*, record=True, stream=False, session=True): record the LangChain runs of this test, "
    "or with record=False do not, whatever `--runlog` says; with stream=True have LangChain stream "
    "meanwhile, as `astream_log` does; with session=False leave them out of the session's budgets. "
    "The closest marker counts. A test that requests the `runlog` fixture is recorded in any case."
)
BUDGET_MARKER = (
    "runlog_budget(*budgets): record the LangChain runs of this test and fail it where they "
    "exceed a budget such as 'latency <= 1.5s', 'errors <= 0', 'total_tokens <= 800' or "
    "'model_latency_p95[tag=answer] <= 400ms'. A budget set closer to the test replaces one on "
    "the same metric and selectors; --runlog-budget replaces both."
)
Budgets = tuple[Budget, ...]


class BadSetting(ValueError):
    """A setting has a value that it cannot have; the message says where, and what it can be."""


@dataclass(frozen=True)
class Option:
    """An option: its ini key, its flag if it has one, and how its value is read."""

    ini: str
    type: Literal["bool", "string", "linelist"]
    default: Any
    help: str
    flag: str | None = None
    read: Callable[[Any], Any] = lambda value: value
    metavar: str | None = None
    budgets: bool = False
    """Whether it is a list of budgets, of which the flag's replace only those of the ini key
    that limit the same.
    """


def _choice(*choices: str) -> Callable[[str], str]:
    def read(value: str) -> str:
        if value not in choices:
            raise ValueError(f"{value!r} is not one of {', '.join(choices)}")
        return value

    return read


def _patterns(lines: list[str]) -> tuple[re.Pattern[str], ...]:
    patterns = []
    for line in lines:
        try:
            pattern = re.compile(line)
        except (re.error, TypeError) as error:
            raise ValueError(f"{line!r} is not a regular expression: {error}") from None
        if pattern.search(""):
            raise ValueError(f"{line!r} matches the empty text, so it would mask everywhere")
        patterns.append(pattern)
    return tuple(patterns)


def _natural(value: str | None) -> int | None:
    if value is not None and not (value.isascii() and value.isdecimal() and int(value)):
        raise ValueError(f"{value!r} is not a whole number from 1")
    return None if value is None else int(value)


def _text(value: Any) -> str | None:
    """`None` of no text: so is a value of the ini file taken back."""
    if value is not None and not isinstance(value, str):
        raise ValueError(f"{value!r} is no text")
    return value or None


def _place(value: Any) -> str | None:
    uri = _text(value)
    if uri is not None:
        check_uri(uri)
    return uri


def _seconds(value: Any) -> float:
    return parse_seconds(str(value))


OPTIONS: Mapping[str, Option] = {
    "record": Option(
        "runlog",
        "bool",
        False,
        "Record the LangChain runs of every test, not only of those that request `runlog`.",
        flag="--runlog",
    ),
    "chunks": Option(
        "runlog_chunks",
        "bool",
        True,
        "Record the streamed chunks of chains too (default: true). While a recording is open, "
        "two private methods of LangChain are wrapped; false leaves them alone.",
    ),
    "stream": Option(
        "runlog_stream",
        "bool",
        False,
        "Make LangChain stream while it is recorded, as `astream_log` does: models are called "
        "through `_stream` (default: false).",
    ),
    "recording_errors": Option(
        "runlog_recording_errors",
        "string",
        "fail",
        "What a failure inside of the recorder does to a test: fail (default) or warn.",
        read=_choice("fail", "warn"),
    ),
    "mask": Option(
        "runlog_mask",
        "linelist",
        [],
        "Regular expressions, one a line: what matches is shown as <masked>, wherever recorded "
        "values are shown or saved.",
        read=_patterns,
    ),
    "budgets": Option(
        "runlog_budget",
        "linelist",
        [],
        "Budgets of every recorded test, one a line: 'latency <= 2s'. One that a test cannot be "
        "held to, such as tokens that nobody reported, is skipped and counted in the summary.",
        flag="--runlog-budget",
        metavar="BUDGET",
        budgets=True,
    ),
    "session_budgets": Option(
        "runlog_session_budget",
        "linelist",
        [],
        "Budgets of the whole session over all workers, one a line: 'latency_p95 <= 800ms', "
        "'error_rate <= 1%'. A breach makes the exit status 1.",
        flag="--runlog-session-budget",
        metavar="BUDGET",
        budgets=True,
    ),
    "on_breach": Option(
        "runlog_on_breach",
        "string",
        "fail",
        "What the breach of a budget does: fail (default), warn, or ignore: then no budget is "
        "judged but those of `assert_budget`.",
        flag="--runlog-on-breach",
        read=_choice("fail", "warn", "ignore"),
        metavar="fail|warn|ignore",
    ),
    "min_samples": Option(
        "runlog_min_samples",
        "string",
        None,
        "How many values a percentile needs to be judged (default: as many as define it: 2 for "
        "p50, 10 for p90, 20 for p95, 100 for p99).",
        read=_natural,
    ),
    "infino": Option(
        "runlog_infino",
        "string",
        None,
        "Where Infino's metrics and logs of the recorded tests are sent when the session ends: a "
        "directory (./dir), s3://bucket/prefix, az://…, gs://… or http://host:3000.",
        flag="--runlog-infino",
        read=_place,
        metavar="URI",
    ),
    "infino_deadline": Option(
        "runlog_infino_deadline",
        "string",
        "10s",
        "How long the end of the session waits for that (default: 10s); what is not sent by then "
        "is kept in a spool file.",
        read=_seconds,
    ),
    "spool": Option(
        "runlog_spool",
        "string",
        None,
        "The directory of spool files, which hold what could not be sent (default: runlog-spool "
        "in the directory of pytest's cache).",
        read=_text,
    ),
}


@dataclass(frozen=True)
class Settings:
    """What the user has set, and where."""

    record: bool
    chunks: bool
    stream: bool
    recording_errors: Literal["fail", "warn"]
    mask: tuple[re.Pattern[str], ...]
    budgets: tuple[Budgets, Budgets]
    """Of every test: those of the command line, and those of the ini file."""
    session_budgets: Budgets
    on_breach: Literal["fail", "warn", "ignore"]
    min_samples: int | None
    infino: str | None
    """A URI."""
    infino_deadline: float
    """Seconds."""
    spool: str | None
    sources: Mapping[str, str] = field(default_factory=dict)
    """Where each value was set: `"--runlog"`, `"ini runlog"` or `"default"`."""


def read_settings(flag: Callable[[str], Any], ini: Callable[[str], Any]) -> Settings:
    """The settings: a flag beats the ini key, which beats the default.

    `flag` and `ini` give the value of a name, `None` where the user did not set it, and raise
    `ValueError` for one that cannot be read. Raises `BadSetting`.
    """
    values: dict[str, Any] = {}
    sources: dict[str, str] = {}
    for name, option in OPTIONS.items():
        value, sources[name] = _given(option, flag, ini)
        if option.budgets:
            values[name] = _budget_levels(option, flag, ini)
            continue
        try:
            values[name] = option.read(value)
        except ValueError as error:
            raise BadSetting(f"{sources[name]}: {error}") from None
    values["session_budgets"] = tuple(closest(values["session_budgets"]))
    return Settings(**values, sources=sources)


def _given(
    option: Option, flag: Callable[[str], Any], ini: Callable[[str], Any]
) -> tuple[Any, str]:
    """The value of an option, and where it was set."""
    source = f"ini {option.ini}"
    try:
        in_ini = ini(option.ini)
    except ValueError as error:
        expected = " (expected true or false)" if option.type == "bool" else ""
        raise BadSetting(f"{source}: {error}{expected}") from None
    if option.flag is not None and (in_flag := flag(option.flag)) is not None:
        return in_flag, option.flag
    return (option.default, "default") if in_ini is None else (in_ini, source)


def _budget_levels(
    option: Option, flag: Callable[[str], Any], ini: Callable[[str], Any]
) -> tuple[Budgets, Budgets]:
    """The budgets of the command line, of which the last counts, and those of the ini file."""
    typed = _parsed(flag(option.flag or "") or [], option.flag or "", strict=False)
    kept = closest([budget] for budget in reversed(typed))
    return tuple(reversed(kept)), _parsed(ini(option.ini) or [], f"ini {option.ini}", strict=False)


def _parsed(texts: Sequence[Any], source: str, *, strict: bool) -> Budgets:
    try:
        return tuple(parse_budget(text, source, strict=strict) for text in texts)
    except BadBudget as error:
        raise BadSetting(str(error)) from None


def marked_budgets(args: tuple[Any, ...], kwargs: Mapping[str, Any], where: str) -> Budgets:
    """The budgets of a marker `runlog_budget`. Raises `BadSetting`."""
    if kwargs:
        raise BadSetting(
            "@pytest.mark.runlog_budget takes budgets as text, such as 'latency <= 2s', not "
            f"{next(iter(kwargs))}="
        )
    if not args:
        raise BadSetting(
            "@pytest.mark.runlog_budget takes at least one budget, such as 'latency <= 2s'"
        )
    return _parsed(args, f"@pytest.mark.runlog_budget{where}", strict=True)


def check_marker(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> None:
    """Raise `BadSetting` for an argument that `@pytest.mark.runlog` does not take."""
    if args:
        raise BadSetting(f"@pytest.mark.runlog takes no positional arguments, not {args[0]!r}")
    for name, value in kwargs.items():
        if name not in ("record", "stream", "session"):
            raise BadSetting(
                f"@pytest.mark.runlog takes record=, stream= and session=, not {name}="
            )
        if not isinstance(value, bool):
            raise BadSetting(f"@pytest.mark.runlog({name}={value!r}): {name} is True or False")
