"""Files in which records wait to be delivered: JSON Lines, a header first.

A session appends to its file as tests end, so that one that is killed leaves what it had
recorded. While it does, and while a file is sent, its lock is held; the operating system
gives it back when a process ends, however it ends.
"""

from __future__ import annotations

import errno
import json
import os
import sys
import tempfile
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_runlog.delivery.records import Record

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

SCHEMA = 1
SUFFIX = ".jsonl"
FOLDER = "runlog-spool"
"""The folder of spool files in the directory of pytest's cache."""
_HELD = (errno.EACCES, errno.EAGAIN, errno.EDEADLK)
_FORMAT = "pytest-runlog spool"
_REMOVE = "move it away, or delete it if its records do not matter"


class SpoolUnreadable(Exception):
    """A file is no spool, or a damaged one; the message says what is wrong, and what to do."""


class SpoolInUse(Exception):
    """Another process writes the file, or sends it."""


@dataclass(frozen=True)
class Spool:
    """What a file holds."""

    to: str | None
    """The URI that its records are for, without credentials; `None` if they have none."""
    records: Sequence[Record]
    cut: bool = False
    """Whether its last line is incomplete: who wrote it was killed."""


class SpoolWriter:
    """Appends the records of a session to a new file, whose lock it holds.

    Nothing is buffered, so a forked test process cannot write anything twice.
    """

    def __init__(self, path: Path, to: str | None) -> None:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.path = path
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o600)
        self._size = 0
        try:
            _lock(self._file)
            self._write(_line(_header(to)))
        except OSError:
            os.close(self._file)
            path.unlink()
            raise

    def append(self, records: Iterable[Record]) -> None:
        """Add the records. Raises `OSError`, and has then added none of them."""
        self._write("".join(_line(record.to_dict()) for record in records))

    def close(self) -> None:
        """Give the file to whoever sends it."""
        _unlock(self._file)
        os.close(self._file)

    def _write(self, text: str) -> None:
        data = memoryview(text.encode())
        written = 0
        try:
            while written < len(data):
                written += os.write(self._file, data[written:])
        except OSError:
            with suppress(OSError):
                os.ftruncate(self._file, self._size)
            raise
        self._size += len(data)


@contextmanager
def claimed(path: Path) -> Iterator[None]:
    """Hold the lock of a spool file. Raises `SpoolInUse`, and `OSError` where it is not there."""
    file = _claim(path)
    try:
        yield
    finally:
        _unlock(file)
        os.close(file)


def read_spool(path: Path) -> Spool:
    """What a file holds. Raises `SpoolUnreadable` and `OSError`."""
    lines = path.read_bytes().split(b"\n")
    cut = lines.pop() != b""
    if not lines:
        raise SpoolUnreadable(f"it holds nothing, not even a header; {_REMOVE}")
    header = _parsed(1, lines[0])
    if header.get("format") != _FORMAT or not isinstance(header.get("schema"), int):
        raise SpoolUnreadable(
            "line 1: a spool file of pytest-runlog begins with its schema version, this one does "
            "not; name only spool files, or their directory"
        )
    if header["schema"] > SCHEMA:
        raise SpoolUnreadable(
            f"it has schema version {header['schema']}, this pytest-runlog reads up to {SCHEMA}; "
            "install a newer one (pip install -U pytest-runlog)"
        )
    records = []
    for number, line in enumerate(lines[1:], 2):
        try:
            records.append(Record.from_dict(_parsed(number, line)))
        except ValueError as error:
            raise _damaged(number, str(error)) from None
    return Spool(header.get("to"), records, cut)


def write_spool(path: Path, to: str | None, records: Iterable[Record]) -> None:
    """Write a whole file, or replace one, at once. Raises `OSError`."""
    new = path.with_name(f"{path.name}.{os.getpid()}.new")
    try:
        writer = SpoolWriter(new, to)
        try:
            writer.append(records)
        finally:
            writer.close()
        new.replace(path)
    finally:
        new.unlink(missing_ok=True)


def temporary_folder() -> Path:
    """The folder for spool files where pytest has no cache, or it cannot be written.

    Raises `PermissionError` where another user has made one of that name.
    """
    if sys.platform == "win32":
        return Path(tempfile.gettempdir(), "pytest-runlog-spool")
    folder = Path(tempfile.gettempdir(), f"pytest-runlog-spool-{os.getuid()}")
    with suppress(FileNotFoundError):
        if folder.lstat().st_uid != os.getuid():
            raise PermissionError(f"{folder} belongs to another user")
    return folder


def spool_files(folder: Path) -> list[Path]:
    """The spool files of a directory, oldest first."""
    return sorted(folder.glob(f"*{SUFFIX}"), key=lambda path: (path.stat().st_mtime, path.name))


def _header(to: str | None) -> dict[str, Any]:
    return {"format": _FORMAT, "schema": SCHEMA, "to": to}


def _line(data: dict[str, Any]) -> str:
    return json.dumps(data, allow_nan=False) + "\n"


def _parsed(number: int, line: bytes) -> dict[str, Any]:
    try:
        data = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise _damaged(number, str(error)) from None
    if not isinstance(data, dict):
        raise _damaged(number, "it holds no object")
    return data


def _damaged(number: int, what: str) -> SpoolUnreadable:
    return SpoolUnreadable(
        f"line {number}: {what}; nothing of this file was sent. Mend or delete the line, "
        f"and send the file again, or {_REMOVE}"
    )


def _claim(path: Path) -> int:
    """The file, open and locked; it is the one that has this name now."""
    while True:
        file = os.open(path, os.O_RDWR)
        try:
            _lock(file)
            if os.path.samestat(os.fstat(file), path.stat()):
                return file
        except BaseException:
            os.close(file)
            raise
        os.close(file)  # another process has sent and replaced it in between


if sys.platform == "win32":
    import msvcrt

    _FAR = 1 << 30
    """Where the lock lies: Windows lets nobody read what is locked."""

    def _lock(file: int) -> None:
        os.lseek(file, _FAR, os.SEEK_SET)
        try:
            msvcrt.locking(file, msvcrt.LK_NBLCK, 1)
        except OSError as error:
            raise SpoolInUse from error

    def _unlock(file: int) -> None:
        os.lseek(file, _FAR, os.SEEK_SET)
        msvcrt.locking(file, msvcrt.LK_UNLCK, 1)

else:
    import fcntl

    def _lock(file: int) -> None:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno in _HELD:
                raise SpoolInUse from error
            # A file system without locks: what is sent twice has the same `record_id`.

    def _unlock(file: int) -> None:
        """Also for the processes that have inherited the file."""
        with suppress(OSError):
            fcntl.flock(file, fcntl.LOCK_UN)
