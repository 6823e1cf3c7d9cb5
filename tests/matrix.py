"""Run the tests on each Python of this machine, with the oldest and the newest dependencies.

    python tests/matrix.py [--python 3.10,3.13] [--set oldest] [-- -n 2 -k order]

For each combination it makes a virtual environment, installs tests/requirements.txt with pip,
held to the versions of tests/oldest.txt or to none, and runs pytest with what stands after
`--`. At the end it prints a table in Markdown: what was installed, and how the tests went.
Exits with 1 if a test failed, or if none of the Pythons is on this machine.

`--with langchain-core==1.8.2` installs a package over those, whatever the others require.
`--in FOLDER` keeps the environments, and uses those that are there as they are.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

REPOSITORY = Path(__file__).parents[1]
PYTHONS = ("3.10", "3.11", "3.12", "3.13")
SETS = {"oldest": ["-c", "tests/oldest.txt"], "newest": []}
PACKAGES = ("pytest", "langchain-core", "langgraph")
COUNTED = {"passed": ["passed"], "failed": ["failed", "error", "errors"], "skipped": ["skipped"]}


class Result(NamedTuple):
    """One row of the table, and whether pytest was content."""

    cells: list[str]
    passed: bool


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument(
        "--python", default=",".join(PYTHONS), help="comma-separated versions or interpreters"
    )
    parser.add_argument("--set", default=",".join(SETS), dest="sets", help="comma-separated sets")
    parser.add_argument("--with", metavar="PACKAGE", dest="package", help="install this too")
    parser.add_argument("--in", type=Path, metavar="FOLDER", dest="folder")
    parser.add_argument("pytest", nargs="*", help="arguments for pytest")
    options = parser.parse_args()
    results = []
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.folder.resolve() if options.folder is not None else Path(temporary)
        for wanted in options.python.split(","):
            python = find_python(wanted)
            if python is None:
                print(f"Python {wanted} is not on this machine")
                continue
            for name in options.sets.split(","):
                there = prepare(python, name, options.package, folder)
                results.append(run_tests(there, name, options.pytest))
    print(f"\n{table(results)}")
    return 0 if results and all(result.passed for result in results) else 1


def find_python(wanted: str) -> str | None:
    """The interpreter of a version, on the PATH or among pyenv's, or the one of this name."""
    candidates = [wanted]
    if re.fullmatch(r"\d+\.\d+", wanted):
        pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"), "versions")
        candidates = [f"python{wanted}", *map(str, pyenv.glob(f"{wanted}.*/bin/python"))]
    for candidate in filter(shutil.which, candidates):
        # pyenv puts commands on the PATH also for versions that it does not start.
        tried = subprocess.run([candidate, "-c", ""], capture_output=True, check=False)  # noqa: S603
        if tried.returncode == 0:
            return candidate
    return None


def prepare(python: str, name: str, package: str | None, folder: Path) -> str:
    """The interpreter of an environment with a set of dependencies."""
    version = output([python, "-c", "import sys; print('%s.%s' % sys.version_info[:2])"])
    venv = folder / "-".join(filter(None, [version.strip(), name, package]))
    there = str(venv / ("Scripts" if os.name == "nt" else "bin") / "python")
    if not Path(there).exists():
        output([python, "-m", "venv", str(venv)])
        install = [there, "-m", "pip", "install", "-q"]
        output([*install, "-r", "tests/requirements.txt", *SETS[name]])
        if package is not None:
            output([*install, "--no-deps", package])
    return there


def run_tests(python: str, name: str, arguments: list[str]) -> Result:
    """Run the tests in an environment, and show what pytest prints."""
    ask = "from importlib.metadata import version; from platform import python_version\n"
    ask += f"print(python_version(), *map(version, {PACKAGES!r}))"
    version, *versions = output([python, "-c", ask]).split()
    title = ", ".join(map(" ".join, zip(PACKAGES, versions, strict=True)))
    print(f"\n== Python {version}, {name}: {title}", flush=True)
    closing = ""
    with subprocess.Popen(  # noqa: S603
        [python, "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments],
        cwd=REPOSITORY,
        env=environment(),
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        for line in process.stdout or ():
            print(line, end="", flush=True)
            closing = line  # the last one counts the tests: "3 failed, 12 passed in 1.4s"
    counts = {word: int(number) for number, word in re.findall(r"(\d+) ([a-z]+)", closing)}
    totals = [sum(counts.get(word, 0) for word in words) for words in COUNTED.values()]
    cells = [version, name, *versions, *(f"{total:,}" for total in totals)]
    return Result(cells, process.returncode == 0)


def output(command: list[str]) -> str:
    return subprocess.run(  # noqa: S603
        command, cwd=REPOSITORY, env=environment(), stdout=subprocess.PIPE, text=True, check=True
    ).stdout


def environment() -> dict[str, str]:
    """The environment without what would trace the tests or change how pytest runs."""
    dropped = ("LANGCHAIN_", "LANGSMITH_", "PYTEST_", "PYTHONPATH", "COVERAGE_")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(dropped)}
    return {**kept, "LANGSMITH_TRACING": "false"}


def table(results: list[Result]) -> str:
    head = ["Python", "dependencies", *PACKAGES, *COUNTED]
    rows = [head, ["---"] * len(head), *(result.cells for result in results)]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


if __name__ == "__main__":
    sys.exit(main())
