"""Keeps the records of a session in spool files until they are delivered."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_runlog.delivery.spool import SUFFIX, SpoolInUse, SpoolWriter

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    from pytest_runlog.delivery.records import Record


class Outbox:
    """Writes to a file in the first folder that takes it, and goes on in the next one.

    A folder is given by a function, which is called when it is needed. Only when no folder
    is left are records lost.
    """

    def __init__(self, folders: Iterable[Callable[[], Path]], name: str, to: str | None) -> None:
        self._folders = iter(folders)
        self._name = name
        self._to = to
        self._writer: SpoolWriter | None = None
        self.files: dict[Path, int] = {}
        """How many records each file has."""
        self.lost = 0
        """How many records could not be kept."""
        self.trouble: str | None = None
        """Why a folder did not take them; the last reason."""

    def keep(self, records: Sequence[Record]) -> None:
        """Write the records of a test to a file. Raises nothing."""
        while (writer := self._writer or self._open()) is not None:
            try:
                writer.append(records)
            except OSError as error:
                self.trouble = f"{type(error).__name__}: {error}: {writer.path}"
                writer.close()
                self._writer = None
            else:
                self.files[writer.path] += len(records)
                return
        self.lost += len(records)

    def close(self) -> dict[Path, int]:
        """Give the files to whoever sends them: each with the number of its records."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None
        for path in [path for path, count in self.files.items() if not count]:
            path.unlink(missing_ok=True)
            del self.files[path]
        return self.files

    def _open(self) -> SpoolWriter | None:
        """Begin a file in the next folder, if there is one."""
        for folder in self._folders:
            try:
                self._writer = SpoolWriter(folder() / f"{self._name}{SUFFIX}", self._to)
            except (OSError, SpoolInUse) as error:
                self.trouble = f"{type(error).__name__}: {error}"
            else:
                self.files[self._writer.path] = 0
                return self._writer
        return None
