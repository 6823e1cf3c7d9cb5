from __future__ import annotations

import re
from typing import Any

import pytest

from pytest_runlog.settings import OPTIONS, BadSetting, Settings, check_marker, read_settings


def settings(flags: dict[str, Any] | None = None, **inis: Any) -> Settings:
    return read_settings((flags or {}).get, inis.get)


def test_what_nobody_set_has_its_default() -> None:
    assert settings() == Settings(
        record=False,
        chunks=True,
        stream=False,
        recording_errors="fail",
        mask=(),
        budgets=((), ()),
        session_budgets=(),
        on_breach="fail",
        min_samples=None,
        infino=None,
        infino_deadline=10,
        spool=None,
        sources=dict.fromkeys(OPTIONS, "default"),
    )


def test_a_flag_beats_the_ini_key_which_beats_the_default() -> None:
    by_ini = settings(runlog=True)
    by_flag = settings({"--runlog": True}, runlog=False)

    assert (by_ini.record, by_ini.sources["record"]) == (True, "ini runlog")
    assert (by_flag.record, by_flag.sources["record"]) == (True, "--runlog")


def test_false_in_the_ini_file_is_not_the_same_as_nothing() -> None:
    read = settings(runlog=False, runlog_chunks=False)

    assert (read.record, read.chunks) == (False, False)
    assert read.sources["record"] == "ini runlog"


def test_masks_are_compiled() -> None:
    assert settings(runlog_mask=[r"user-\d+", "x"]).mask == (
        re.compile(r"user-\d+"),
        re.compile("x"),
    )


@pytest.mark.parametrize(
    ("inis", "message"),
    [
        ({"runlog_recording_errors": "warm"}, "'warm' is not one of fail, warn"),
        ({"runlog_recording_errors": ["warn"]}, r"['warn'] is not one of fail, warn"),
        ({"runlog_mask": ["a", "("]}, "'(' is not a regular expression: missing ), *"),
        ({"runlog_mask": [5]}, "5 is not a regular expression: first argument must be *"),
        ({"runlog_mask": ["a|"]}, "'a|' matches the empty text, so it would mask everywhere"),
    ],
)
def test_a_wrong_value_is_refused_with_where_it_stands(inis: dict[str, Any], message: str) -> None:
    with pytest.raises(BadSetting) as raised:
        settings(**inis)

    (key,) = inis
    expected = re.escape(f"ini {key}: {message}").replace(r"\*", ".*")
    assert re.fullmatch(expected, str(raised.value))


def test_a_wrong_ini_value_is_refused_though_a_flag_beats_it() -> None:
    def ini(name: str) -> Any:
        if name == "runlog":
            raise ValueError("invalid truth value 'maybe'")

    with pytest.raises(BadSetting, match=r"^ini runlog: invalid truth value 'maybe' \(expected"):
        read_settings({"--runlog": True}.get, ini)


@pytest.mark.parametrize("value", [True, False])
@pytest.mark.parametrize("name", ["record", "stream", "session"])
def test_the_marker_takes_true_and_false(name: str, value: bool) -> None:
    check_marker((), {name: value})
    check_marker((), {})


@pytest.mark.parametrize(
    ("args", "kwargs", "message"),
    [
        ((True,), {}, "@pytest.mark.runlog takes no positional arguments, not True"),
        (
            (),
            {"recrod": True},
            "@pytest.mark.runlog takes record=, stream= and session=, not recrod=",
        ),
        ((), {"record": "no"}, "@pytest.mark.runlog(record='no'): record is True or False"),
        ((), {"stream": 1}, "@pytest.mark.runlog(stream=1): stream is True or False"),
        ((), {"record": None}, "@pytest.mark.runlog(record=None): record is True or False"),
    ],
)
def test_the_marker_takes_nothing_else(
    args: tuple[Any, ...], kwargs: dict[str, Any], message: str
) -> None:
    with pytest.raises(BadSetting, match=f"^{re.escape(message)}$"):
        check_marker(args, kwargs)


def test_every_option_says_what_it_does() -> None:
    assert all(len(option.help) > 40 for option in OPTIONS.values())
    assert all(option.ini.startswith("runlog") for option in OPTIONS.values())
    assert all(
        option.flag is None or option.flag.startswith("--runlog") for option in OPTIONS.values()
    )
