"""`pytest_runlog_sink`: sinks of users."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pytest_runlog.cli import main
from pytest_runlog.delivery.records import Record
from pytest_runlog.delivery.spool import Spool, read_spool, spool_files
from support.inner import Project, section
from support.store import record_ids

ONE_TEST = """
    def test_answer(runlog):
        ask()
"""
RECORDS = 8

LINES = """
    import json

    class Lines:
        def __init__(self, config):
            self.path = config.rootpath / "lines.jsonl"

        def send(self, records):
            with self.path.open("a") as file:
                for record in records:
                    print(json.dumps(record.to_dict()), file=file)

    def pytest_runlog_sink(config):
        return Lines(config)
"""


def spooled(project: Project) -> dict[Path, Spool]:
    folder = project.pytester.path / ".pytest_cache" / "runlog-spool"
    return {path: read_spool(path) for path in spool_files(folder)}


def lines(project: Project) -> list[Record]:
    text = (project.pytester.path / "lines.jsonl").read_text()
    return [Record.from_dict(json.loads(line)) for line in text.splitlines()]


def infino_lines(result: pytest.RunResult) -> list[str]:
    _, _, text = section(result, "runlog", "=").partition("\ninfino ")
    return [" ".join(part.split()) for part in text.split("\ninfino ")]


@pytest.mark.parametrize("workers", [[], ["-n2"]], ids=["one process", "workers"])
def test_a_sink_gets_all_records_of_the_session(project: Project, workers: list[str]) -> None:
    source = """
        @pytest.mark.parametrize("number", range(3))
        def test_answer(runlog, number):
            ask()
    """
    result = project.run(source, *workers, conftest=LINES, subprocess=bool(workers))

    records = lines(project)
    assert len({record.record_id for record in records}) == len(records) == 3 * RECORDS
    assert {record.labels["nodeid"] for record in records} == {
        f"test_it.py::test_answer[{number}]" for number in range(3)
    }
    assert infino_lines(result) == ["24 records sent to Lines"]
    assert spooled(project) == {}


def test_a_sink_and_a_store_both_get_them(project: Project) -> None:
    result = project.run(ONE_TEST, "--runlog-infino=./store", conftest=LINES)

    assert infino_lines(result) == ["8 records sent to Lines", "8 records sent to ./store"]
    metrics = [record.record_id for record in lines(project) if record.kind == "metric"]
    assert sorted(metrics) == record_ids(project.pytester.path / "store", "metrics")


def test_where_the_hook_gives_none_nothing_is_kept(project: Project) -> None:
    conftest = """
        def pytest_runlog_sink(config):
            return None
    """
    result = project.run(ONE_TEST, conftest=conftest)

    assert infino_lines(result) == [""]
    assert spooled(project) == {}


def test_two_plugins_have_a_sink_each(project: Project) -> None:
    plugin = """
        class Counter:
            def send(self, records):
                (self.config.rootpath / "count").write_text(str(len(records)))

        def pytest_runlog_sink(config):
            Counter.config = config
            return Counter()
    """
    project.pytester.makepyfile(counting=plugin)
    project.pytester.syspathinsert()
    result = project.run(ONE_TEST, "-p", "counting", conftest=LINES)

    assert sorted(infino_lines(result)) == ["8 records sent to Counter", "8 records sent to Lines"]
    assert (project.pytester.path / "count").read_text() == "8"
    assert len(lines(project)) == 8


def failing(body: str) -> str:
    return f"""
        class Mine:
            def send(self, records):
                {body}

        def pytest_runlog_sink(config):
            return Mine()
    """


@pytest.mark.parametrize(
    ("conftest", "to", "reason"),
    [
        (failing("raise RuntimeError('down')"), "Mine", "RuntimeError: down"),
        (failing("raise SystemExit(3)"), "Mine", "SystemExit: 3"),
        (failing("import threading; threading.Event().wait()"), "Mine", "it was not done before"),
        (failing("pass").replace("send", "take"), "Mine", "AttributeError: 'Mine' object has no"),
        (failing("pass").replace("return Mine()", "0 / 0"), "pytest_runlog_sink", "ZeroDivision"),
    ],
    ids=["raises", "exits", "hangs", "cannot send", "hook raises"],
)
def test_what_a_sink_does_not_take_is_kept_and_changes_no_result(
    project: Project, conftest: str, to: str, reason: str
) -> None:
    result = project.run(ONE_TEST, conftest=conftest, ini="runlog_infino_deadline = 1s")

    assert result.ret == pytest.ExitCode.OK
    result.assert_outcomes(passed=1, warnings=1)
    ((path, held),) = spooled(project).items()
    assert (held.to, len(held.records)) == (None, RECORDS)
    (said,) = infino_lines(result)
    assert said.startswith(f"{RECORDS} records kept in {path}: {reason}")
    result.stdout.fnmatch_lines(
        [
            f"*DeliveryWarning: {RECORDS} records did not get to {to}: {reason}*",
            f"      pytest-runlog send {path} --to URI",
        ]
    )


def test_a_sink_can_say_what_it_did_not_take(project: Project) -> None:
    body = """
                from pytest_runlog.delivery.sinks import NotDelivered
                raise NotDelivered("no logs", [r for r in records if r.kind == "log"])"""
    result = project.run(ONE_TEST, conftest=failing(body))

    ((path, held),) = spooled(project).items()
    assert [record.kind for record in held.records] == ["log", "log"]
    assert infino_lines(result) == [f"6 records sent to Mine 2 records kept in {path}: no logs"]


def test_what_a_sink_did_not_take_can_be_sent_to_a_store(project: Project) -> None:
    project.run(ONE_TEST, conftest=failing("raise RuntimeError('down')"))
    (path,) = spooled(project)

    assert main(["send", str(path), "--to", str(project.pytester.path / "store")]) == 0
    assert len(record_ids(project.pytester.path / "store", "logs")) == 2


def test_a_sink_that_fails_takes_nothing_from_another_one(project: Project) -> None:
    result = project.run(
        ONE_TEST, "--runlog-infino=./store", conftest=failing("raise RuntimeError('down')")
    )

    ((path, held),) = spooled(project).items()
    assert len(held.records) == RECORDS
    result.stdout.fnmatch_lines([f"*pytest-runlog send {path} --to URI"])
    assert infino_lines(result)[-1] == "8 records sent to ./store"


def test_a_sink_that_changes_its_records_changes_nobody_elses(project: Project) -> None:
    project.run(ONE_TEST, conftest=failing("del records[1:]; raise RuntimeError('down')"))

    ((_, held),) = spooled(project).items()
    assert len(held.records) == RECORDS


def test_a_sink_is_not_asked_where_nothing_was_recorded(project: Project) -> None:
    conftest = LINES.replace("return Lines(config)", "raise AssertionError('asked')")
    result = project.run("def test_it(): pass", conftest=conftest)

    result.assert_outcomes(passed=1)
    assert "DeliveryWarning" not in str(result.stdout)


@pytest.mark.parametrize("args", [[], ["--runlog-infino=./store"]], ids=["alone", "and a store"])
def test_what_neither_a_sink_nor_a_new_file_took_is_where_it_was(
    project: Project, monkeypatch: pytest.MonkeyPatch, args: list[str]
) -> None:
    def no_space(path: Path, to: str | None, records: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pytest_runlog.delivery.session.write_spool", no_space)
    result = project.run(ONE_TEST, *args, conftest=failing("raise RuntimeError('down')"))

    result.assert_outcomes(passed=1, warnings=1)
    said = infino_lines(result)[0]
    assert said.endswith(": RuntimeError: down; OSError: [Errno 28] No space left on device")
    if args:  # the store took that file
        assert said.startswith("lost 8 records: ")
        assert spooled(project) == {}
    else:
        ((path, held),) = spooled(project).items()
        assert said.startswith(f"8 records kept in {path}: ")
        assert len(held.records) == RECORDS
