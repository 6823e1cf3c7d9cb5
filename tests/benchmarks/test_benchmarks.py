"""The benchmarks run, and print what they promise. What they measure decides nothing."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


def run(name: str, *arguments: str) -> str:
    result = subprocess.run(  # noqa: S603
        [sys.executable, BENCHMARKS / name, *arguments],
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


@pytest.mark.parametrize("scenario", ["invoke", "parallel", "graph"])
def test_the_cost_of_recording_is_measured(scenario: str) -> None:
    output = run("cost.py", "--rounds", "3", "--only", scenario)

    assert "one inert handler" in output
    assert "pytest-runlog" in output
    assert "bare again" in output


def test_the_cost_of_a_session_is_measured() -> None:
    output = run("session.py", "--tests", "20", "--memory", "200")

    assert "budgets, records" in output
    assert "deriving the runs" in output
    assert "bytes a test" in output


def test_folding_is_measured() -> None:
    output = run("folding.py", "--tokens", "2000", "--rounds", "1")

    assert "jsonpatch" in output


def test_the_store_of_sessions_is_measured() -> None:
    output = run("infino_store.py", "--sessions", "3", "--records", "10")

    assert "MB" in output
