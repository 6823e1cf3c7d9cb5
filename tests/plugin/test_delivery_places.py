"""Places that are not on this machine: buckets, and the retired server, here on loopback."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from http.client import HTTPConnection
from socket import create_server

import pytest

from pytest_runlog.cli import main
from pytest_runlog.delivery.spool import read_spool, spool_files
from support.infino_server import InfinoServer, serving
from support.inner import Project, section
from support.store import query

ONE_TEST = """
    def test_answer(runlog):
        ask()
"""
RECORDS = 8
SIGNED = "AWS4-HMAC-SHA256 Credential=me/20260101/us-east-1/s3/aws4_request"
"""It tells what service is meant; nobody checks the signature."""


def infino_line(result: pytest.RunResult) -> str:
    return " ".join(section(result, "runlog", "=").partition("\ninfino ")[2].split())


@pytest.fixture(scope="module")
def s3() -> Iterator[str]:
    """An S3 server with a bucket; its address."""
    program = (
        "from moto.server import DomainDispatcherApplication, create_backend_app\n"
        "from werkzeug.serving import make_server\n"
        "app = DomainDispatcherApplication(create_backend_app)\n"
        "server = make_server('127.0.0.1', 0, app, threaded=True)\n"
        "print(server.port, flush=True)\n"
        "server.serve_forever()\n"
    )
    with subprocess.Popen(  # noqa: S603
        [sys.executable, "-c", program],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as server:
        assert server.stdout is not None
        try:
            address = f"127.0.0.1:{int(server.stdout.readline())}"
            with closing(HTTPConnection(address)) as connection:
                connection.request("PUT", "/bucket", headers={"Authorization": SIGNED})
                assert connection.getresponse().status == 200
            yield f"http://{address}"
        finally:
            server.kill()


def reach(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "me")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "my-secret-access-key")
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    monkeypatch.setenv("AWS_ENDPOINT_URL", address)


def test_a_bucket_takes_the_records_of_sessions(
    project: Project, s3: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    reach(monkeypatch, s3)
    for _ in range(2):
        result = project.run(ONE_TEST, "--runlog-infino=s3://bucket/sessions")
        assert infino_line(result) == f"{RECORDS} records sent to s3://bucket/sessions"

    rows = query("s3://bucket/sessions", "SELECT text FROM logs WHERE key = 'prompt'")
    assert rows == [{"text": "why?"}, {"text": "why?"}]


def test_a_bucket_that_is_not_there_is_named(
    project: Project, s3: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    reach(monkeypatch, s3)
    result = project.run(ONE_TEST, "--runlog-infino=s3://none/sessions")

    result.assert_outcomes(passed=1, warnings=1)
    said = infino_line(result)
    assert "infino could not write to table 'metrics' in s3://none/sessions: " in said
    assert said.endswith(
        "check the place and the access to it, which is read from environment variables such as "
        "AWS_ACCESS_KEY_ID"
    )
    assert "my-secret-access-key" not in str(result.stdout)


def test_a_bucket_that_does_not_answer_is_given_up_at_the_deadline(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    with closing(create_server(("127.0.0.1", 0))) as mute:
        reach(monkeypatch, f"http://127.0.0.1:{mute.getsockname()[1]}")
        result = project.run(
            ONE_TEST, "--runlog-infino=s3://bucket/x", ini="runlog_infino_deadline = 1s"
        )

    result.assert_outcomes(passed=1, warnings=1)
    assert infino_line(result).endswith(": it was not done before the deadline")


def test_the_retired_server_takes_the_records_of_a_session(project: Project) -> None:
    with serving(InfinoServer("metric")) as server:
        result = project.run(ONE_TEST, f"--runlog-infino={server.url}")

    assert infino_line(result) == f"{RECORDS} records sent to {server.url}"
    assert server.indexes["default"].texts("prompt") == ["why?"]
    assert server.indexes["default"].values("total_tokens") == [9]


def test_what_a_server_that_is_down_missed_is_sent_when_it_is_up(project: Project) -> None:
    with closing(create_server(("127.0.0.1", 0))) as taken:
        nobody = f"http://127.0.0.1:{taken.getsockname()[1]}"
    result = project.run(ONE_TEST, f"--runlog-infino={nobody}", ini="runlog_infino_deadline = 2s")

    result.assert_outcomes(passed=1, warnings=1)
    (path,) = spool_files(project.pytester.path / ".pytest_cache" / "runlog-spool")
    assert len(read_spool(path).records) == RECORDS
    with serving(InfinoServer("metric")) as server:
        assert main(["send", str(path), "--to", server.url]) == 0
    assert len(set(server.indexes["default"].record_ids)) == RECORDS
