from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from pytest_runlog.delivery import spool
from pytest_runlog.delivery.spool import (
    SpoolInUse,
    SpoolUnreadable,
    SpoolWriter,
    claimed,
    read_spool,
    spool_files,
    temporary_folder,
    write_spool,
)
from support.store import log, metric


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "made" / "a.jsonl"


def test_a_file_gives_back_what_was_appended(path: Path) -> None:
    writer = SpoolWriter(path, "s3://bucket")
    writer.append([metric(1), log(2, "Grüße \ud83d \n")])
    writer.append([])
    writer.append([metric(3)])
    writer.close()

    held = read_spool(path)

    assert (held.to, held.cut) == ("s3://bucket", False)
    assert held.records == [metric(1), log(2, "Grüße \ud83d \n"), metric(3)]


def test_a_file_is_for_its_user_only(path: Path) -> None:
    SpoolWriter(path, None).close()

    assert path.stat().st_mode & 0o077 == 0


def test_what_was_appended_is_there_before_the_file_is_closed(path: Path) -> None:
    writer = SpoolWriter(path, None)
    writer.append([metric(1)])

    assert read_spool(path).records == [metric(1)]
    writer.close()


def test_nobody_can_claim_a_file_while_it_is_written(path: Path) -> None:
    writer = SpoolWriter(path, None)

    with pytest.raises(SpoolInUse), claimed(path):
        pass
    writer.close()
    with claimed(path):
        pass


def test_a_file_is_claimed_once(path: Path) -> None:
    write_spool(path, None, [metric()])

    with claimed(path), pytest.raises(SpoolInUse), claimed(path):
        pass


def test_a_file_that_was_replaced_meanwhile_is_claimed_anew(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_spool(path, None, [metric(1), metric(2)])
    locked: list[int] = []
    lock = spool._lock

    def replace_then_lock(file: int) -> None:
        locked.append(file)
        if len(locked) == 1:  # another sender was faster
            monkeypatch.setattr(spool, "_lock", lock)
            write_spool(path, None, [metric(2)])
            monkeypatch.setattr(spool, "_lock", replace_then_lock)
        lock(file)

    monkeypatch.setattr(spool, "_lock", replace_then_lock)
    with claimed(path):
        assert len(locked) == 2
        assert read_spool(path).records == [metric(2)]


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork on Windows")
def test_a_forked_process_writes_nothing_twice_and_holds_no_lock(path: Path) -> None:
    writer = SpoolWriter(path, None)
    writer.append([metric(1)])
    read, write = os.pipe()
    child = os.fork()
    if not child:  # it has the file, until it is told to end
        os.close(write)
        os.read(read, 1)
        os._exit(0)
    try:
        writer.close()
        with claimed(path):
            assert read_spool(path).records == [metric(1)]
    finally:
        os.close(read)
        os.close(write)
        os.waitpid(child, 0)


def test_an_incomplete_last_line_is_left_out(path: Path) -> None:
    write_spool(path, None, [metric(1), metric(2)])
    path.write_bytes(path.read_bytes()[:-5])

    held = read_spool(path)

    assert (held.records, held.cut) == ([metric(1)], True)


def test_a_file_that_could_not_be_written_further_holds_whole_lines(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = SpoolWriter(path, None)
    writer.append([metric(1)])
    write = os.write

    def fill_up(file: int, data: bytes) -> int:
        monkeypatch.setattr(os, "write", no_space)
        return write(file, bytes(data[:20]))

    def no_space(file: int, data: bytes) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "write", fill_up)
    with pytest.raises(OSError, match="No space left"):
        writer.append([metric(2), metric(3)])
    monkeypatch.undo()
    writer.append([metric(4)])
    writer.close()

    assert read_spool(path).records == [metric(1), metric(4)]


def test_a_new_file_that_cannot_be_written_is_not_left_behind(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_space(file: int, data: bytes) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "write", no_space)
    with pytest.raises(OSError, match="No space left"):
        write_spool(path, None, [metric(1)])

    assert list(path.parent.iterdir()) == []


def test_a_file_that_cannot_be_replaced_stays_what_it_was(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_spool(path, None, [metric(1)])

    def no_space(file: int, data: bytes) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "write", no_space)
    with pytest.raises(OSError, match="No space left"):
        write_spool(path, None, [metric(2)])

    assert read_spool(path).records == [metric(1)]
    assert spool_files(path.parent) == [path]


def header(**changed: object) -> str:
    return json.dumps({"format": "pytest-runlog spool", "schema": 1, "to": None, **changed})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "it holds nothing, not even a header; move it away, or delete it"),
        ("nothing\n", "line 1: Expecting value: .*; nothing of this file was sent"),
        ('{"a": 1}\n', "line 1: a spool file of pytest-runlog begins with its schema version"),
        (f"{header(schema=2)}\n", r"schema version 2, .* reads up to 1; install a newer one \(pip"),
        (f"{header()}\n[]\n\n", "line 2: it holds no object; .* Mend or delete the line"),
        (f"{header()}\n{{\n{{}}\n", "line 2: Expecting property name"),
        (f'{header()}\n{{"kind": "log"}}\n', "line 2: no record: .* missing 5 required"),
    ],
)
def test_what_is_no_spool_file_is_told_by_its_line(path: Path, text: str, message: str) -> None:
    path.parent.mkdir()
    path.write_text(text)

    with pytest.raises(SpoolUnreadable, match=message):
        read_spool(path)


def test_the_files_of_a_folder_come_oldest_first(tmp_path: Path) -> None:
    for number, name in enumerate(["b", "c", "a"]):
        write_spool(tmp_path / f"{name}.jsonl", None, [])
        os.utime(tmp_path / f"{name}.jsonl", (number, number))
    (tmp_path / "other.txt").touch()

    assert [path.name for path in spool_files(tmp_path)] == ["b.jsonl", "c.jsonl", "a.jsonl"]


@pytest.mark.skipif(not hasattr(os, "getuid"), reason="there are no user ids on Windows")
def test_a_temporary_folder_of_another_user_is_not_trusted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    folder = temporary_folder()
    folder.mkdir()
    assert temporary_folder() == folder

    me = os.getuid()
    folder.rename(tmp_path / f"pytest-runlog-spool-{me + 1}")
    monkeypatch.setattr(os, "getuid", lambda: me + 1)
    with pytest.raises(PermissionError, match="belongs to another user"):
        temporary_folder()
