"""Does recording change anything? Ask the unit tests of langchain-core itself.

    python benchmarks/langchain_own_tests.py [--version 1.7.2] [--in FOLDER]

Downloads the source distribution of the langchain-core that is installed (or of another
version), makes a virtual environment with what its tests need, and runs them twice: without
pytest-runlog, and with every test recorded (`--runlog`). Prints each test whose outcome
differs. Exits with 1 if one differs that `EXPECTED` does not name, or differs otherwise.

`--in` keeps the environment, and uses it again the next time.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
from importlib.metadata import version as installed_version
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import pytest

    Outcomes = dict[str, "Outcome"]

REPOSITORY = Path(__file__).parents[1]


class Outcome(NamedTuple):
    word: str
    """As pytest says it: passed, failed, error, skipped, xfailed or xpassed."""
    text: str
    """What pytest shows of a failure."""


class Expected(NamedTuple):
    word: str
    """The outcome with recording."""
    assertion: str
    """What the failure must contain."""
    reason: str


EXPECTED = {
    "tests/unit_tests/runnables/test_config.py::test_merge_config_callbacks": Expected(
        "failed",
        "assert 2 == 1",
        "counts the handlers of a group's callback manager, in which there is one more while a "
        "test is recorded: the one change that recording is allowed",
    ),
}
"""Tests that may differ, and why that does not matter to a chain."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--version", default=installed_version("langchain-core"))
    parser.add_argument("--in", dest="folder", type=Path, help="keep the environment here")
    options = parser.parse_args()
    if options.folder is not None:
        return compare(options.version, options.folder.resolve())
    with tempfile.TemporaryDirectory() as folder:
        return compare(options.version, Path(folder))


def compare(version: str, folder: Path) -> int:
    source, python = prepare(version, folder)
    print(f"langchain-core {version}: without recording …", flush=True)
    without = run_tests(source, python, recorded=False)
    print(f"langchain-core {version}: with recording …", flush=True)
    recorded = run_tests(source, python, recorded=True)
    differing = differences(without, recorded)
    if differing:  # a test that differs by chance does not do so again
        again = [test for test in differing if test in without and test in recorded]
        repeated = differences(
            run_tests(source, python, again, recorded=False),
            run_tests(source, python, again, recorded=True),
        )
        differing = [test for test in differing if test in repeated or test not in again]
        for test in (test for test in again if test not in repeated):
            print(f"- {test}: differed once, and not again\n{recorded[test].text}")
    unexpected = [test for test in differing if not is_expected(test, recorded.get(test))]
    for test in differing:
        before, after = without.get(test), recorded.get(test)
        print(f"- {test}: {before and before.word} without, {after and after.word} recorded")
        if test in unexpected:
            print(after.text if after else "")
        else:
            print(f"  expected: it {EXPECTED[test].reason}")
    print(f"{len(recorded)} tests, {len(differing)} differ, {len(unexpected)} unexpectedly")
    return 1 if unexpected else 0


def differences(without: Outcomes, recorded: Outcomes) -> list[str]:
    """The tests that only one of them has, or whose outcomes are not the same."""
    return [
        test
        for test in {**without, **recorded}
        if test not in without or test not in recorded or without[test].word != recorded[test].word
    ]


def is_expected(test: str, outcome: Outcome | None) -> bool:
    expected = EXPECTED.get(test)
    return (
        expected is not None
        and outcome is not None
        and outcome.word == expected.word
        and expected.assertion in outcome.text
    )


def prepare(version: str, folder: Path) -> tuple[Path, Path]:
    """The unpacked source of langchain-core, and a Python with what its tests need."""
    source = folder / f"langchain_core-{version}"
    python = folder / f"venv-{version}" / ("Scripts" if os.name == "nt" else "bin") / "python"
    if not source.exists():
        wanted = f"langchain-core=={version}"
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--dest", str(folder)]
        run([*pip, "--no-deps", "--no-binary", ":all:", wanted])
        with tarfile.open(f"{source}.tar.gz") as archive:
            archive.extractall(folder, filter="data")
    if not python.exists():
        run([sys.executable, "-m", "venv", str(folder / f"venv-{version}")])
        pip = [str(python), "-m", "pip", "install", "--quiet"]
        run([*pip, "--upgrade", "pip>=25.1"])  # which knows --group
        run([*pip, f"langchain-core=={version}", "--group", f"{source}/pyproject.toml:test"])
    return source, python


def run_tests(
    source: Path, python: Path, tests: list[str] | None = None, *, recorded: bool
) -> Outcomes:
    """The outcome of each test, by its node id. `recorded`: whether pytest-runlog records it."""
    # The folder holds our package, and this file as the plugin that notes the outcomes.
    with tempfile.TemporaryDirectory() as plugins:
        shutil.copy(__file__, plugins)
        arguments = ["-p", Path(__file__).stem]
        if recorded:
            shutil.copytree(REPOSITORY / "pytest_runlog", Path(plugins, "pytest_runlog"))
            arguments += ["-p", "pytest_runlog.plugin", "--runlog"]
        if "--benchmark-disable" in (source / "Makefile").read_text("utf-8"):
            arguments += ["--benchmark-disable"]
        arguments += ["--disable-socket", "--allow-unix-socket", "-p", "no:cacheprovider", "-q"]
        noted = Path(plugins, "outcomes.json")
        finished = subprocess.run(  # noqa: S603
            [str(python), "-m", "pytest", *arguments, *(tests or ["tests/unit_tests"])],
            cwd=source,
            env={**environment(), "PYTHONPATH": plugins, "OUTCOMES": str(noted)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        summary = re.search(r"^runlog: .* recorded, .*$", finished.stdout, re.MULTILINE)
        if finished.returncode not in {0, 1} or recorded != bool(summary):
            sys.exit(f"pytest ended with {finished.returncode}:\n{finished.stdout}")
        if summary is not None:
            print(summary.group())
        found = json.loads(noted.read_text("utf-8"))
        return {test: Outcome(*outcome) for test, outcome in found.items()}


def environment() -> dict[str, str]:
    """The environment without what would trace the tests or change how pytest runs."""
    kept = os.environ.items()
    dropped = ("LANGCHAIN_", "LANGSMITH_", "PYTEST_", "PYTHONPATH", "COVERAGE_")
    return {name: value for name, value in kept if not name.startswith(dropped)}


def run(command: list[str]) -> None:
    subprocess.run(command, check=True)  # noqa: S603


_outcomes: Outcomes = {}


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    word: str = report.outcome
    if hasattr(report, "wasxfail"):
        word = {"passed": "xpassed", "skipped": "xfailed"}.get(word, word)
    elif report.failed and report.when != "call":
        word = "error"
    if report.when == "call" or not report.passed:
        _outcomes[report.nodeid] = Outcome(word, report.longreprtext)


def pytest_sessionfinish() -> None:
    Path(os.environ["OUTCOMES"]).write_text(json.dumps(_outcomes), "utf-8")


if __name__ == "__main__":
    sys.exit(main())
