"""Sends spool files in a process of its own, which can be ended whatever it does."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING

import pytest_runlog
from pytest_runlog.delivery.sending import LATE, Sent
from pytest_runlog.delivery.uris import without_credentials

if TYPE_CHECKING:
    from collections.abc import Iterable

_PROGRAM = (
    "import sys; sys.path[:] = [{root!r}, *filter(None, sys.path)]; import pytest_runlog; "
    "sys.path.append(sys.path.pop(0)); from pytest_runlog.cli import run; run()"
)
"""`python -m pytest_runlog.cli` of this very package, wherever it is; and modules in the
directory of the user are in nobody's way.
"""
_MARGIN = 0.1
"""The part of the time that is left to start and to say what happened."""


class Sender:
    """Runs `pytest-runlog send`; what it prints goes to no terminal. Raises `OSError`."""

    def __init__(self, files: Iterable[Path], uri: str, seconds: float, folder: Path) -> None:
        secret = uri != without_credentials(uri)
        root = str(Path(pytest_runlog.__file__).parents[1])
        arguments = ["send", "--json", "--deadline", f"{seconds * (1 - _MARGIN):.6f}s"]
        if secret:  # so that it is not seen in the list of processes
            arguments += ["--to", "-"]
        # To files, because a pipe that nobody reads is full at some time.
        self._printed: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115
        self._errors: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115
        try:
            self._process = subprocess.Popen(  # noqa: S603
                [sys.executable, "-c", _PROGRAM.format(root=root), *arguments, *map(str, files)],
                stdin=subprocess.PIPE,
                stdout=self._printed,
                stderr=self._errors,
                cwd=folder,
                env={name: os.environ[name] for name in os.environ if name != "PYTHONWARNINGS"},
                start_new_session=True,  # Ctrl-C is for pytest, which decides
            )
        except OSError:
            self._close()
            raise
        assert self._process.stdin is not None  # noqa: S101 (for mypy)
        with suppress(OSError), self._process.stdin as stdin:
            stdin.write(f"{uri}\n".encode())

    def wait(self, seconds: float) -> tuple[dict[str, Sent], str]:
        """What became of each file that it told of, and why of others nothing is known.

        After so many seconds the process is killed.
        """
        reason = LATE
        try:
            status = self._process.wait(max(seconds, 0))
        except subprocess.TimeoutExpired:
            self._process.kill()
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(1)
        else:
            lines = _read(self._errors).splitlines()
            last = lines[-1] if lines else "it printed nothing"
            reason = f"the process that sends ended with status {status}: {last}"
        told = [Sent(**json.loads(line)) for line in _whole_lines(_read(self._printed))]
        self._close()
        return {sent.file: sent for sent in told}, reason

    def _close(self) -> None:
        self._printed.close()
        self._errors.close()


def _read(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read().decode(errors="replace").strip()


def _whole_lines(text: str) -> list[str]:
    """The lines that are JSON objects: the last one may be cut, and a library may print."""
    return [line for line in text.splitlines() if line.startswith("{") and line.endswith("}")]
