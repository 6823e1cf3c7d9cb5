"""Runs ten thousand levels deep, and ten thousand beside each other."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from pytest_runlog.model.masking import Mask
from pytest_runlog.model.saved import load_runs, runs_to_dict, save_runs
from pytest_runlog.model.text import tree_lines
from support.tape import Tape

if TYPE_CHECKING:
    from pathlib import Path
    from uuid import UUID

    from pytest_runlog.model.runs import Runs

COUNT = 10_000
NO_MASK = Mask()


@pytest.fixture(scope="module")
def deep() -> Runs:
    tape = Tape()
    started: list[UUID] = []
    for number in range(COUNT):
        started.append(tape.start("step", under=started[-1] if started else None, inputs=number))
    for run in reversed(started):
        tape.end(run, "out")
    return tape.runs()


def test_deep_runs_are_built_from_the_root_down(deep: Runs) -> None:
    assert sys.getrecursionlimit() < COUNT
    assert [run.inputs for run in deep] == list(range(COUNT))


def test_deep_runs_have_a_line_each(deep: Runs) -> None:
    assert sum(1 for _ in tree_lines(deep[:1], NO_MASK, "shape")) == COUNT


def test_deep_runs_become_plain_data(deep: Runs) -> None:
    (level,) = runs_to_dict(deep[:1], NO_MASK)["runs"]
    for _ in range(COUNT - 1):
        (level,) = level["children"]

    assert (level["inputs"], level["children"]) == (COUNT - 1, [])


def test_deep_runs_are_saved_and_loaded(deep: Runs, tmp_path: Path) -> None:
    save_runs(deep[:1], NO_MASK, tmp_path / "run.json")

    loaded = load_runs(tmp_path / "run.json")
    assert [(run.inputs, run.id) for run in loaded] == [(run.inputs, run.id) for run in deep]


class Compared(str):
    """Text that counts how often it is compared."""

    __slots__ = ()
    times = 0

    def __eq__(self, other: object) -> bool:
        Compared.times += 1
        return str.__eq__(self, other)

    __hash__ = str.__hash__


def test_the_attempts_of_a_retry_are_not_compared_with_each_other() -> None:
    attempts = 1_000
    tape = Tape()
    wrapper = tape.start(Compared("model"))
    for number in range(1, attempts + 1):
        tags = [f"retry:attempt:{number}"] if number > 1 else []
        tape.end(tape.start(Compared("model"), under=wrapper, tags=tags))
    before = Compared.times

    assert tape.runs()[attempts].attempt == attempts
    assert attempts <= Compared.times - before <= 10 * attempts
