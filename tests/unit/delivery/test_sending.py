from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import Any

import pytest

from pytest_runlog.delivery import sending
from pytest_runlog.delivery.records import Record
from pytest_runlog.delivery.sending import Sent, send_spool
from pytest_runlog.delivery.sinks import NotDelivered
from pytest_runlog.delivery.spool import claimed, read_spool, write_spool
from support.store import log, metric, record_ids

RECORDS = [metric(1), metric(2), log(3)]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "a.jsonl"


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return tmp_path / "store"


def sent(path: Path, to: object = None, seconds: float = 30) -> Sent:
    told: list[Sent] = []
    send_spool(path, None if to is None else str(to), seconds, told.append)
    (result,) = told
    return result


def test_a_file_that_was_delivered_is_removed(path: Path, store: Path) -> None:
    write_spool(path, str(store), RECORDS)

    assert sent(path) == Sent(str(path), str(store), sent=3)
    assert not path.exists()
    assert record_ids(store, "metrics") == ["m1", "m2"]


def test_a_place_that_is_given_counts_more_than_that_of_the_file(path: Path, store: Path) -> None:
    write_spool(path, "s3://elsewhere", RECORDS)

    assert sent(path, store).to == str(store)
    assert record_ids(store, "logs") == ["l3"]


def test_a_file_without_a_place_is_kept(path: Path) -> None:
    write_spool(path, None, RECORDS)

    assert sent(path).reason == "it does not say where to send it; name a place with --to"
    assert read_spool(path).records == RECORDS


def test_a_file_without_records_is_removed(path: Path, store: Path) -> None:
    write_spool(path, str(store), [])

    assert sent(path).reason is None
    assert not path.exists()
    assert not store.exists()


def test_what_a_crash_cut_off_is_told(path: Path, store: Path) -> None:
    write_spool(path, str(store), RECORDS)
    path.write_bytes(path.read_bytes()[:-3])

    result = sent(path)

    assert (result.sent, result.reason) == (2, None)
    assert result.note == "its last line is incomplete, as after a crash, and was left out"
    assert not path.exists()


class Sink:
    """Takes metrics only; or does whatever it is told to."""

    def __init__(self, action: Any = None) -> None:
        self.action = action

    def send(self, records: list[Record]) -> None:
        if self.action is not None:
            self.action()
            return
        raise NotDelivered("it takes no logs", [r for r in records if r.kind == "log"])


def to_sink(monkeypatch: pytest.MonkeyPatch, action: Any = None) -> None:
    monkeypatch.setattr(sending, "open_sink", lambda uri, deadline: Sink(action))


def test_what_a_sink_did_not_take_stays_in_the_file(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_spool(path, "http://host", RECORDS)
    to_sink(monkeypatch)

    assert sent(path) == Sent(str(path), "http://host", 2, 1, "it takes no logs")
    assert read_spool(path).records == [log(3)]
    assert read_spool(path).to == "http://host"


def test_a_sink_that_raises_anything_took_nothing(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_spool(path, "http://host", RECORDS)

    def fail() -> None:
        raise SystemExit("now\nend")

    to_sink(monkeypatch, fail)

    assert sent(path) == Sent(str(path), "http://host", 0, 3, "SystemExit: now end")
    assert read_spool(path).records == RECORDS


def test_a_sink_that_does_not_answer_took_nothing(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_spool(path, "http://host", RECORDS)
    release = threading.Event()
    to_sink(monkeypatch, release.wait)

    result = sent(path, seconds=0.01)
    release.set()

    assert (result.kept, result.reason) == (3, "it was not done before the deadline")
    assert read_spool(path).records == RECORDS


def test_a_sink_that_cannot_be_opened_says_why(path: Path, store: Path) -> None:
    write_spool(path, "gopher://host", RECORDS)

    result = sent(path)

    assert result.kept == 3
    assert result.reason is not None
    assert result.reason.startswith("ValueError: 'gopher://host': there is no gopher://")


def test_a_password_is_told_to_nobody(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_spool(path, None, RECORDS)
    to_sink(monkeypatch)

    result = sent(path, "http://me:pw@host")

    assert result.to == "http://host"
    assert read_spool(path).to is None


def test_a_sink_that_tells_secrets_is_not_quoted(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_spool(path, None, RECORDS)
    monkeypatch.setenv("SOME_TOKEN", "0123456789")

    def fail() -> None:
        raise OSError("http://me:p%40ssword@host refused p@ssword, 0123456789")

    to_sink(monkeypatch, fail)

    assert sent(path, "http://me:p%40ssword@host").reason == (
        "OSError: http://host refused <secret>, <secret>"
    )


def test_a_file_is_not_sent_twice_at_once(path: Path, store: Path) -> None:
    write_spool(path, str(store), RECORDS)

    with claimed(path):
        result = sent(path)

    assert result.reason == "another process is writing or sending it just now"
    assert read_spool(path).records == RECORDS


def test_a_damaged_file_is_left_as_it_is(path: Path) -> None:
    path.write_text("nothing\n")

    reason = sent(path).reason
    assert reason is not None
    assert reason.startswith("line 1: Expecting value")
    assert path.read_text() == "nothing\n"


def test_a_file_that_is_gone_is_told(path: Path) -> None:
    reason = sent(path).reason
    assert reason is not None
    assert reason.startswith("FileNotFoundError: ")


def test_a_file_that_cannot_be_removed_is_told(
    path: Path, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_spool(path, str(store), RECORDS)

    def refuse(*args: object, **kwargs: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(Path, "unlink", refuse)
    result = sent(path)
    monkeypatch.undo()

    assert (result.sent, result.kept) == (3, 3)
    assert result.reason == (
        "what arrived cannot be removed from it, and would be sent again: "
        "PermissionError: [Errno 1] Operation not permitted"
    )


def test_a_file_that_cannot_be_shortened_stays_whole(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_spool(path, "http://host", RECORDS)
    to_sink(monkeypatch)

    def no_space(file: int, data: bytes) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "write", no_space)
    result = sent(path)
    monkeypatch.undo()

    assert (result.sent, result.kept) == (2, 3)
    assert read_spool(path).records == RECORDS


def test_a_place_that_cannot_be_tidied_up_is_no_failure(
    path: Path, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pytest_runlog.delivery.engine import EngineSink

    write_spool(path, str(store), RECORDS)

    def fail(sink: EngineSink) -> None:
        raise RuntimeError("already sealed")

    monkeypatch.setattr(EngineSink, "tidy", fail)

    assert sent(path).reason is None
