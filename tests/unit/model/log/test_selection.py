"""Which runs a log is about."""

from __future__ import annotations

from typing import Any

import pytest

from support.tape import Tape


def kept(**filters: Any) -> list[str]:
    """The keys of the log with these filters; in parentheses how many chunks there are."""
    tape = Tape()
    root = tape.start("root", tags=["t"])
    for name, type_, tags in [
        ("a", "chain", []),
        ("b", "tool", ["t"]),
        ("a", "tool", ["u"]),
        ("m", "chat_model", ["t", "u"]),
    ]:
        run = tape.start(name, under=root, type=type_, tags=tags)
        tape.chunk(run, "x")
        tape.end(run)
    tape.end(root)
    state = tape.runs()[0].filtered_log(**filters).state
    assert all(len(entry["streamed_output"]) == 1 for entry in state["logs"].values())
    assert all(entry["end_time"] for entry in state["logs"].values())
    return list(state["logs"])


@pytest.mark.parametrize(
    ("filters", "keys"),
    [
        ({}, ["a", "b", "a:2", "m"]),
        ({"include_names": None}, ["a", "b", "a:2", "m"]),
        ({"include_names": ["a"]}, ["a", "a:2"]),
        ({"include_types": ["tool"]}, ["b", "a"]),
        ({"include_types": ["llm"]}, ["m"]),
        ({"include_tags": {"u"}}, ["a", "m"]),
        ({"include_names": ["b"], "include_tags": ["u"]}, ["b", "a", "m"]),
        ({"include_names": []}, []),
        ({"exclude_names": ["a"]}, ["b", "m"]),
        ({"exclude_types": ("tool", "chain")}, ["m"]),
        ({"exclude_tags": ["t"]}, ["a", "a:2"]),
        ({"include_names": ["a"], "exclude_types": ["tool"]}, ["a"]),
        ({"include_tags": ["t"], "exclude_tags": ["u"]}, ["b"]),
    ],
)
def test_a_filtered_log_has_the_runs_that_langchains_filters_keep(
    filters: dict[str, Any], keys: list[str]
) -> None:
    assert kept(**filters) == keys


def test_the_root_is_in_every_log() -> None:
    tape = Tape()
    tape.end(tape.start("root"), "x")
    log = tape.runs()[0].filtered_log(exclude_names=["root"])

    assert log.state["final_output"] == "x"


def test_an_unknown_filter_is_named_with_those_there_are() -> None:
    with pytest.raises(TypeError) as raised:
        kept(include_name=["a"])
    assert str(raised.value) == (
        "'include_name' is no filter of run logs; they are include_names, include_types, "
        "include_tags, exclude_names, exclude_types, exclude_tags"
    )


@pytest.mark.parametrize("value", ["a", [1], [["a"]], [None], 5, b"a"])
def test_a_filter_that_is_no_list_of_texts_is_an_error(value: Any) -> None:
    with pytest.raises(TypeError) as raised:
        kept(exclude_tags=value)
    assert str(raised.value) == f"exclude_tags takes a list of texts, not {value!r}"


def test_a_filter_may_be_read_only_once() -> None:
    assert kept(include_names=(name for name in "ab")) == ["a", "b", "a:2"]
