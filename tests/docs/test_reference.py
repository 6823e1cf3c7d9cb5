"""docs/reference.md against the code: nothing public is left out, nothing is made up."""

from __future__ import annotations

import inspect
import re
from pathlib import Path
from types import FunctionType
from typing import Any

import pytest

import pytest_runlog
from pytest_runlog import hookspec
from pytest_runlog.settings import BUDGET_MARKER, MARKER, OPTIONS

REFERENCE = (Path(__file__).parents[2] / "docs" / "reference.md").read_text(encoding="utf-8")

WITH_MEMBERS = [
    name
    for name in pytest_runlog.__all__
    if inspect.isclass(member := getattr(pytest_runlog, name))
    and not name.endswith(("CallbackHandler", "Extension"))
    and not issubclass(member, BaseException)
]
"""The members of the others are those of LangChain and of syrupy, and are documented there."""

SET_WHEN_CREATED = {"RunLogCapture": {"name": "str | None"}}


def rows(heading: str) -> list[list[str]]:
    """The cells of the table in a section."""
    _, found, section = REFERENCE.partition(f"\n## {heading}\n")
    assert found, f"no section {heading!r}"
    lines = section.partition("\n## ")[0].splitlines()
    cells = [re.split(r"(?<!\\)\|", line)[1:-1] for line in lines if line.startswith("|")]
    return [[cell.strip().replace("\\|", "|") for cell in row] for row in cells[2:]]


def first_columns(heading: str) -> dict[str, str]:
    return {name.strip("`"): type_.strip("`") for name, type_, *_ in rows(heading)}


def members(cls: type) -> dict[str, str]:
    """The public members of a class as the reference writes them, with their types."""
    found = dict(SET_WHEN_CREATED.get(cls.__name__, {}))
    for base in cls.__mro__[::-1]:
        if not base.__module__.startswith("pytest_runlog"):
            continue
        for name, annotation in inspect.get_annotations(base).items():
            found[name] = str(getattr(annotation, "__forward_arg__", annotation))
        for name, value in vars(base).items():
            if isinstance(value, property):
                found[name] = returned(value.fget)
            elif isinstance(value, (FunctionType, classmethod)):
                found[name + parameters(getattr(cls, name))] = returned(getattr(cls, name))
    return {name: type_ for name, type_ in found.items() if not name.startswith("_")}


def parameters(function: Any) -> str:
    """`(a, b=, *more)`: `b=` can only be given by name."""
    shown = []
    for name, parameter in inspect.signature(function).parameters.items():
        stars: dict[object, str] = {parameter.VAR_POSITIONAL: "*", parameter.VAR_KEYWORD: "**"}
        if name != "self":
            by_name = "=" if parameter.kind is parameter.KEYWORD_ONLY else ""
            shown.append(stars.get(parameter.kind, "") + name + by_name)
    return f"({', '.join(shown)})"


def returned(function: Any) -> str:
    annotation = str(inspect.signature(function).return_annotation)
    if hasattr(function, "__wrapped__"):  # made by contextmanager
        return annotation.replace("Iterator[", "ContextManager[")
    return annotation


@pytest.mark.parametrize("name", WITH_MEMBERS)
def test_each_public_member_is_documented_with_its_type(name: str) -> None:
    assert first_columns(f"`{name}`") == members(getattr(pytest_runlog, name))


@pytest.mark.parametrize("name", WITH_MEMBERS)
def test_each_member_has_a_meaning(name: str) -> None:
    assert all(meaning for _, _, meaning in rows(f"`{name}`"))


@pytest.mark.parametrize("name", pytest_runlog.__all__)
def test_each_public_name_has_a_section(name: str) -> None:
    assert re.search(rf"^## `{name}[`(]", REFERENCE, re.MULTILINE)


def test_record_is_documented_with_its_parameters() -> None:
    record = pytest_runlog.record

    assert f"## `record{parameters(record)}`\n" in REFERENCE


@pytest.mark.parametrize("name", ["InfinoCallbackHandler", "StreamingRunLogCallbackHandler"])
def test_the_constructor_of_a_handler_is_documented(name: str) -> None:
    handler = getattr(pytest_runlog, name)

    assert f"## `{name}{parameters(handler)}`\n" in REFERENCE


def test_each_option_is_documented_with_its_flag_type_and_default() -> None:
    assert [row[:4] for row in rows("Options")] == [
        [
            f"`{option.ini}`",
            f"`{option.flag}`" if option.flag else "",
            option.type,
            f"`{str(option.default).lower()}`" if option.default not in ([], None) else "",
        ]
        for option in OPTIONS.values()
    ]


def test_each_marker_is_documented_with_its_arguments() -> None:
    markers = [text.partition(":")[0] for text in (MARKER, BUDGET_MARKER)]

    assert [row[0] for row in rows("Markers")] == [
        f"`{marker.replace('*, ', '')}`" for marker in markers
    ]


def test_each_hook_is_documented_with_its_arguments() -> None:
    hooks = {
        name + parameters(function)
        for name, function in vars(hookspec).items()
        if name.startswith("pytest_")
    }

    assert {row[0].strip("`") for row in rows("Hooks")} == hooks
