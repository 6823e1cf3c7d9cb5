from __future__ import annotations

import os
from pathlib import Path

import pytest

from pytest_runlog.delivery.outbox import Outbox
from pytest_runlog.delivery.spool import read_spool
from support.store import metric


def test_nothing_is_written_until_there_is_something(tmp_path: Path) -> None:
    outbox = Outbox([lambda: tmp_path / "spool"], "a", None)

    assert outbox.close() == {}
    assert list(tmp_path.iterdir()) == []


def test_what_is_kept_is_in_a_file_of_the_first_folder(tmp_path: Path) -> None:
    outbox = Outbox([lambda: tmp_path / "one", lambda: tmp_path / "two"], "a", "s3://bucket")
    outbox.keep([metric(1), metric(2)])
    outbox.keep([metric(3)])

    assert outbox.close() == {tmp_path / "one" / "a.jsonl": 3}
    assert read_spool(tmp_path / "one" / "a.jsonl").to == "s3://bucket"
    assert (outbox.lost, outbox.trouble) == (0, None)


def test_a_folder_that_cannot_be_made_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / "one").touch()
    outbox = Outbox([lambda: tmp_path / "one", lambda: tmp_path / "two"], "a", None)
    outbox.keep([metric(1)])

    assert outbox.close() == {tmp_path / "two" / "a.jsonl": 1}
    assert outbox.trouble is not None
    assert str(tmp_path / "one") in outbox.trouble


def test_a_folder_that_fills_up_keeps_what_it_has(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    outbox = Outbox([lambda: tmp_path / "one", lambda: tmp_path / "two"], "a", None)
    outbox.keep([metric(1)])
    write = os.write

    def no_space(file: int, data: bytes) -> int:
        monkeypatch.setattr(os, "write", write)
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "write", no_space)
    outbox.keep([metric(2)])

    files = outbox.close()
    assert [(file.parent.name, read_spool(file).records) for file in files] == [
        ("one", [metric(1)]),
        ("two", [metric(2)]),
    ]
    assert outbox.lost == 0


def test_without_a_folder_that_takes_them_records_are_counted_as_lost(tmp_path: Path) -> None:
    (tmp_path / "one").touch()
    outbox = Outbox([lambda: tmp_path / "one"], "a", None)
    outbox.keep([metric(1), metric(2)])
    outbox.keep([metric(3)])

    assert outbox.close() == {}
    assert outbox.lost == 3


def test_a_full_device_leaves_no_file_behind() -> None:
    outbox = Outbox([lambda: Path("/dev/full")], "a", None)
    outbox.keep([metric(1)])

    assert outbox.close() == {}
    assert (outbox.lost, outbox.trouble and outbox.trouble[:16]) == (1, "FileExistsError:")


def test_a_file_that_holds_no_record_is_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    outbox = Outbox([lambda: tmp_path / "one"], "a", None)
    outbox.keep([])

    def no_space(file: int, data: bytes) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "write", no_space)
    outbox.keep([metric(1)])

    assert outbox.close() == {}
    assert list((tmp_path / "one").iterdir()) == []
    assert (outbox.lost, outbox.trouble) == (
        1,
        f"OSError: [Errno 28] No space left on device: {tmp_path}/one/a.jsonl",
    )
