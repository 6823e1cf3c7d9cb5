"""One table of options: each is an ini key, and most are a command line flag as well."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

MARKER = (
    "runlog(*, record=True): record the LangChain runs of this test, or with record=False do not, "
    "whatever `--runlog` says. The closest marker counts. A test that requests the `runlog` "
    "fixture is recorded in any case."
)


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
}


@dataclass(frozen=True)
class Settings:
    """What the user has set, and where."""

    record: bool
    chunks: bool
    recording_errors: Literal["fail", "warn"]
    mask: tuple[re.Pattern[str], ...]
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
        try:
            values[name] = option.read(value)
        except ValueError as error:
            raise BadSetting(f"{sources[name]}: {error}") from None
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


def check_marker(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> None:
    """Raise `BadSetting` for an argument that `@pytest.mark.runlog` does not take."""
    if args:
        raise BadSetting(f"@pytest.mark.runlog takes no positional arguments, not {args[0]!r}")
    for name, value in kwargs.items():
        if name != "record":
            raise BadSetting(f"@pytest.mark.runlog takes record=, not {name}=")
        if not isinstance(value, bool):
            raise BadSetting(f"@pytest.mark.runlog(record={value!r}): record is True or False")
