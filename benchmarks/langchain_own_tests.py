"""Does recording change anything? Ask the unit tests of langchain-core itself.

    python benchmarks/langchain_own_tests.py [--replace] [--version 1.7.2] [--in FOLDER]

Downloads the source distribution of the langchain-core that is installed (or of another
version), makes a virtual environment with what its tests need, and runs them twice: without
pytest-runlog, and with every test recorded (`--runlog`). Prints each test whose outcome
differs. Exits with 1 if one differs that `EXPECTED` does not name, or differs otherwise.

`--replace` asks something else: is `StreamingRunLogCallbackHandler` as good as LangChain's
`LogStreamCallbackHandler`? Nothing is recorded; the second time, ours is in the place of theirs.

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
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import pytest

    Outcomes = dict[str, "Outcome"]

REPOSITORY = Path(__file__).parents[1]


class Outcome(NamedTuple):
    word: str
    """As pytest says it: passed, failed, error, skipped, xfailed or xpassed."""
    text: str
    """What pytest shows of a failure."""


class Change(NamedTuple):
    """What is different the second time."""

    name: str
    arguments: list[str]
    """Of pytest."""
    sign: str
    """A pattern of the line by which pytest's output shows it."""


RECORDED = Change(
    "recorded", ["-p", "pytest_runlog.plugin", "--runlog"], "^runlog: .* recorded, .*$"
)
REPLACED = Change("replaced", [], "^[0-9]+ handlers of ours were made$")


class Expected(NamedTuple):
    word: str
    """The outcome the second time."""
    assertion: str
    """What the failure must contain."""
    reason: str


_STREAM_TESTS = "tests/unit_tests/tracers/test_memory_stream.py"
_NO_LOOP = Expected(
    "failed",
    "'SendStream' object has no attribute '_reader_loop'",
    "looks at the event loop that LangChain's handler keeps, and ours keeps none",
)

EXPECTED = {
    f"{_STREAM_TESTS}::test_internally_created_event_loop_is_closed": _NO_LOOP,
    f"{_STREAM_TESTS}::test_caller_owned_event_loop_is_not_closed": _NO_LOOP,
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
    parser.add_argument("--replace", action="store_true", help="try our streaming handler")
    parser.add_argument("--in", dest="folder", type=Path, help="keep the environment here")
    options = parser.parse_args()
    change = REPLACED if options.replace else RECORDED
    if options.folder is not None:
        return compare(options.version, options.folder.resolve(), change)
    with tempfile.TemporaryDirectory() as folder:
        return compare(options.version, Path(folder), change)


def compare(version: str, folder: Path, change: Change) -> int:
    source, python = prepare(version, folder)
    print(f"langchain-core {version}: as it is …", flush=True)
    without = run_tests(source, python)
    print(f"langchain-core {version}: {change.name} …", flush=True)
    changed = run_tests(source, python, change)
    differing = differences(without, changed)
    if differing:  # a test that differs by chance does not do so again
        again = [test for test in differing if test in without and test in changed]
        repeated = differences(
            run_tests(source, python, tests=again), run_tests(source, python, change, tests=again)
        )
        differing = [test for test in differing if test in repeated or test not in again]
        for test in (test for test in again if test not in repeated):
            print(f"- {test}: differed once, and not again\n{changed[test].text}")
    unexpected = [test for test in differing if not is_expected(test, changed.get(test))]
    for test in differing:
        before, after = without.get(test), changed.get(test)
        print(f"- {test}: {before and before.word} before, {after and after.word} {change.name}")
        if test in unexpected:
            print(after.text if after else "")
        else:
            print(f"  expected: it {EXPECTED[test].reason}")
    print(f"{len(changed)} tests, {len(differing)} differ, {len(unexpected)} unexpectedly")
    return 1 if unexpected else 0


def differences(without: Outcomes, changed: Outcomes) -> list[str]:
    """The tests that only one of them has, or whose outcomes are not the same."""
    return [
        test
        for test in {**without, **changed}
        if test not in without or test not in changed or without[test].word != changed[test].word
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
    source: Path, python: Path, change: Change | None = None, *, tests: list[str] | None = None
) -> Outcomes:
    """The outcome of each test, by its node id."""
    # The folder holds our package, and this file as the plugin that notes the outcomes.
    with tempfile.TemporaryDirectory() as plugins:
        shutil.copy(__file__, plugins)
        arguments = ["-p", Path(__file__).stem]
        if change is not None:
            shutil.copytree(REPOSITORY / "pytest_runlog", Path(plugins, "pytest_runlog"))
            arguments += change.arguments
        if "--benchmark-disable" in (source / "Makefile").read_text("utf-8"):
            arguments += ["--benchmark-disable"]
        arguments += ["--disable-socket", "--allow-unix-socket", "-p", "no:cacheprovider", "-q"]
        noted = Path(plugins, "outcomes.json")
        finished = subprocess.run(  # noqa: S603
            [str(python), "-m", "pytest", *arguments, *(tests or ["tests/unit_tests"])],
            cwd=source,
            env={
                **environment(),
                "PYTHONPATH": plugins,
                "OUTCOMES": str(noted),
                "CHANGE": change.name if change is not None else "",
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        sign = change and re.search(change.sign, finished.stdout, re.MULTILINE)
        unchanged = change is not None and tests is None and not sign
        if finished.returncode not in {0, 1} or unchanged:
            sys.exit(f"pytest ended with {finished.returncode}:\n{finished.stdout}")
        if sign:
            print(sign.group())
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
_replacements: list[None] = []


def pytest_configure() -> None:
    if os.environ["CHANGE"] == REPLACED.name:
        replace_handler()


def replace_handler() -> None:
    """Put our handler wherever LangChain or its tests take theirs from."""
    from langchain_core import tracers
    from langchain_core.runnables import base
    from langchain_core.tracers import event_stream, log_stream

    from pytest_runlog import StreamingRunLogCallbackHandler

    class Replacement(StreamingRunLogCallbackHandler):
        def __init__(self, **arguments: Any) -> None:
            super().__init__(**arguments)
            _replacements.append(None)

    for module in (tracers, log_stream, event_stream, base):
        vars(module)["LogStreamCallbackHandler"] = Replacement


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    word: str = report.outcome
    if hasattr(report, "wasxfail"):
        word = {"passed": "xpassed", "skipped": "xfailed"}.get(word, word)
    elif report.failed and report.when != "call":
        word = "error"
    if report.when == "call" or not report.passed:
        _outcomes[report.nodeid] = Outcome(word, report.longreprtext)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if _replacements:
        terminalreporter.write_line(f"{len(_replacements)} handlers of ours were made")


def pytest_sessionfinish() -> None:
    Path(os.environ["OUTCOMES"]).write_text(json.dumps(_outcomes), "utf-8")


if __name__ == "__main__":
    sys.exit(main())
