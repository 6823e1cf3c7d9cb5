"""`--runlog-infino=http://…`: what was recorded gets to the retired server, or is kept."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pytest_runlog.cli import main
from pytest_runlog.delivery.spool import read_spool, spool_files
from support.infino_server import GenerationName, InfinoServer, nowhere, serving
from support.inner import TESTS, Project, section
from support.records import ids

if TYPE_CHECKING:
    from pytest_runlog.delivery.records import Record

ONE_TEST = """
    def test_answer(runlog):
        ask()
"""
RECORDS = 8
"""Of asking once: two logs, five metrics of the model, and the latency of the root."""

GENERATIONS: list[GenerationName] = ["ts", "metric", "index"]


@pytest.fixture(autouse=True)
def _temporary(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path_factory.mktemp("tmp")))
    monkeypatch.setattr("tempfile.tempdir", None)


def kept(project: Project) -> list[Record]:
    """The records in spool files."""
    return [record for path in files(project) for record in read_spool(path).records]


def files(project: Project) -> list[Path]:
    return spool_files(project.pytester.path / ".pytest_cache" / "runlog-spool")


def said(result: pytest.RunResult) -> str:
    """What the summary says of the delivery, on one line."""
    return " ".join(section(result, "runlog", "=").partition("\ninfino ")[2].split())


@pytest.mark.parametrize("generation", GENERATIONS)
def test_a_server_of_each_generation_gets_what_was_recorded(
    project: Project, generation: GenerationName
) -> None:
    with serving(InfinoServer(generation)) as server:
        result = project.run(ONE_TEST, f"--runlog-infino={server.url}")

        result.assert_outcomes(passed=1)
        assert said(result) == f"{RECORDS} records sent to {server.url}"
        index = server.index
        assert len({*index.record_ids}) == len(index.record_ids) == RECORDS
        assert index.values("total_tokens") == [9]
        assert len(index.values("root_latency")) == 1
        labels = [fields for _, fields in index.logs] + [labels for *_, labels in index.points]
        assert {each["nodeid"] for each in labels} == {"test_it.py::test_answer"}
        assert {each["chain"] for each in labels} == {"RunnableSequence"}
    assert files(project) == []


def test_workers_send_what_one_process_would(project: Project) -> None:
    tests = "\n".join(f"def test_{n}(runlog):\n    ask()\n" for n in range(4))

    with serving(InfinoServer("index")) as server:
        project.run(tests, f"--runlog-infino={server.url}", "-n2", subprocess=True)

        assert len({*server.index.record_ids}) == len(server.index.record_ids) == 4 * RECORDS
        assert server.requests.count("GET /default/search_logs") == 1


@pytest.mark.parametrize(
    ("client", "generation", "route"),
    [("Infinopy005", "ts", "/append_ts"), ("Infinopy007", "metric", "/append_metric")],
)
def test_the_process_that_sends_uses_the_infinopy_that_is_installed(
    project: Project,
    monkeypatch: pytest.MonkeyPatch,
    client: str,
    generation: GenerationName,
    route: str,
) -> None:
    package = project.pytester.mkdir("installed")
    (package / "infinopy.py").write_text(f"from support.infinopy import {client} as InfinoClient")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(package), TESTS]))

    with serving(InfinoServer(generation)) as server:
        result = project.run(ONE_TEST, f"--runlog-infino={server.url}")

    assert said(result) == f"{RECORDS} records sent to {server.url}"
    assert server.requests == ["POST /append_log", f"POST {route}"]  # nothing was asked for


def test_a_mute_server_changes_no_result_and_its_records_are_kept_and_sent_later(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    with serving(InfinoServer("index")) as server:
        server.mute = True
        result = project.run(
            ONE_TEST, f"--runlog-infino={server.url}", "-o", "runlog_infino_deadline=3s"
        )
        assert server.index.record_ids == []

        result.assert_outcomes(passed=1, warnings=1)
        assert result.ret == pytest.ExitCode.OK
        assert len(kept(project)) == RECORDS
        (path,) = files(project)
        wanted = ids(kept(project))

        server.mute = False
        assert main(["send", str(path)]) == 0

        assert "8 records sent" in capsys.readouterr().out
        assert sorted(server.index.record_ids) == sorted(wanted)
        assert files(project) == []


def test_a_server_that_is_not_there_is_named_with_the_way_out(project: Project) -> None:
    address = nowhere()

    result = project.run(ONE_TEST, f"--runlog-infino={address}")

    result.assert_outcomes(passed=1, warnings=1)
    assert result.ret == pytest.ExitCode.OK
    assert f"nothing listens at {address}; start the server, or give its address" in said(result)
    assert len(kept(project)) == RECORDS


def test_of_a_delivery_that_ended_half_way_only_the_rest_is_kept(project: Project) -> None:
    with serving(InfinoServer("ts")) as server:
        server.next_answers = [(404, {}, ""), (200, {}, ""), (403, {}, "")]

        result = project.run(ONE_TEST, f"--runlog-infino={server.url}")

    result.assert_outcomes(passed=1, warnings=1)
    assert "access is refused" in said(result)
    assert {record.kind for record in kept(project)} == {"metric"}
    assert len(kept(project)) == RECORDS - 2


def test_a_password_in_the_address_is_shown_nowhere(project: Project) -> None:
    address = nowhere().replace("://", "://me:hunter2hunter2@")

    result = project.run(ONE_TEST, f"--runlog-infino={address}")

    assert "nothing listens" in said(result)
    assert "hunter2" not in str(result.stdout)
    assert "hunter2" not in "".join(path.read_text() for path in files(project))


def test_a_client_of_the_users_gets_what_was_recorded_through_the_hook(project: Project) -> None:
    conftest = """
        import json
        from pytest_runlog import InfinoClientSink

        class Client:
            def append_log(self, payloads):
                self.keep(payloads)

            def append_metric(self, payloads):
                self.keep(payloads)

            def keep(self, payloads):
                with open("sent.jsonl", "a") as file:
                    print(json.dumps(payloads), file=file)

        def pytest_runlog_sink(config):
            return InfinoClientSink(Client())
    """

    result = project.run(ONE_TEST, conftest=conftest)

    result.assert_outcomes(passed=1)
    assert said(result) == f"{RECORDS} records sent to InfinoClientSink"
    assert len((project.pytester.path / "sent.jsonl").read_text().splitlines()) == 2
