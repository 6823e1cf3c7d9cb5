from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path

import pytest

from pytest_runlog.delivery import engine
from pytest_runlog.delivery.engine import EngineSink, storage_options
from pytest_runlog.delivery.opening import open_sink
from pytest_runlog.delivery.records import Record
from pytest_runlog.delivery.sinks import NotDelivered
from pytest_runlog.infino.payloads import Kind
from support.store import DATE, log, metric, query, record_ids


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path / "store"


def send(place: Path, *records: Record, deadline: float = 30) -> None:
    open_sink(str(place), deadline).send(records)


def refused(place: Path, *records: Record, deadline: float = 30) -> NotDelivered:
    with pytest.raises(NotDelivered) as caught:
        send(place, *records, deadline=deadline)
    return caught.value


def test_a_metric_is_a_row_of_the_table_metrics(place: Path) -> None:
    send(place, metric(1, 0.25, run_id="r", nodeid="test_it.py::test_a", model_id="m", mine="x"))

    (row,) = query(place, "SELECT * FROM metrics")
    del row["_id"]
    assert row.pop("date").timestamp() == DATE + 1
    assert row == {
        "record_id": "m1",
        "key": "latency",
        "value": 0.25,
        "session": None,
        "nodeid": "test_it.py::test_a",
        "attempt": None,
        "chain": None,
        "path": None,
        "run_id": "r",
        "model_id": "m",
        "labels": '{"mine": "x"}',
    }


def test_the_text_of_logs_can_be_searched(place: Path) -> None:
    send(place, log(1, "Why is the sky blue?"), log(2, "What is RFC 6902?"))

    table = import_module("infino").connect(str(place)).open_table("logs")
    found = table.bm25_search("text", "rfc", 10, projection=["record_id", "text"])
    assert found.to_pylist() == [{"record_id": "l2", "text": "What is RFC 6902?"}]


def test_sessions_add_to_the_same_tables(place: Path) -> None:
    send(place, metric(1), log(1))
    send(place, metric(2))

    assert record_ids(place, "metrics") == ["m1", "m2"]
    assert record_ids(place, "logs") == ["l1"]


def test_a_table_that_was_made_meanwhile_is_used(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    send(place, log(1))
    sink = EngineSink(str(place), deadline=30)
    connect = sink._connect
    opened: list[object] = []

    class Late:
        """A connection from before another session made the table."""

        def __init__(self) -> None:
            self.connection = connect()

        def open_table(self, name: str) -> object:
            if not opened:
                opened.append(name)
                send(place, metric(1))
                raise KeyError(name)
            return self.connection.open_table(name)

        def create_table(self, *args: object) -> object:
            return self.connection.create_table(*args)

    monkeypatch.setattr(sink, "_connect", Late)
    sink.send([metric(2)])

    assert record_ids(place, "metrics") == ["m1", "m2"]


def test_a_session_that_meets_another_one_tries_again(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sink = EngineSink(str(place), deadline=30)
    table = sink._table
    conflicts = iter(range(3))

    def meet(kind: Kind) -> object:
        for number in conflicts:
            raise sink._infino.ConflictError(f"conflict {number}")
        return table(kind)

    monkeypatch.setattr(sink, "_table", meet)
    monkeypatch.setattr(engine, "_LONGEST_PAUSE", 0.001)
    sink.send([metric(1)])

    assert record_ids(place, "metrics") == ["m1"]


def test_a_session_that_meets_others_until_its_deadline_says_so(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sink = EngineSink(str(place), deadline=0)

    def meet(kind: Kind) -> object:
        raise sink._infino.ConflictError("lost the race")

    monkeypatch.setattr(sink, "_table", meet)
    with pytest.raises(NotDelivered) as caught:
        sink.send([metric(1)])

    assert caught.value.records == (metric(1),)
    assert caught.value.reason == (
        f"other sessions were writing to table 'metrics' in {place} all the time (lost the race); "
        "send it again, or give it longer (runlog_infino_deadline)"
    )


def test_a_table_of_someone_else_is_left_alone(place: Path) -> None:
    arrow, infino = import_module("pyarrow"), import_module("infino")
    connection = infino.connect(str(place))
    schema = arrow.schema([("mine", arrow.int64())])
    connection.create_table("metrics", schema, infino.IndexSpec())

    trouble = refused(place, log(1), metric(1), metric(2))

    assert trouble.records == (log(1), metric(1), metric(2))
    assert trouble.reason == (
        f"table 'metrics' in {place} has other columns than pytest-runlog writes (it has mine); "
        "give the records a directory or prefix of their own"
    )
    assert query(place, "SELECT * FROM metrics") == []


def test_what_got_into_one_table_is_not_sent_again_for_another(place: Path) -> None:
    arrow, infino = import_module("pyarrow"), import_module("infino")
    connection = infino.connect(str(place))
    schema = arrow.schema([("record_id", arrow.int64())])
    connection.create_table("logs", schema, infino.IndexSpec())

    trouble = refused(place, log(1), metric(1))

    assert trouble.records == (log(1),)
    assert trouble.reason.startswith(f"table 'logs' in {place} has other columns")
    assert record_ids(place, "metrics") == ["m1"]


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    trouble = refused(tmp_path / "file", metric(1), log(1))

    assert trouble.records == (metric(1), log(1))
    assert trouble.reason == (
        f"infino could not write to table 'metrics' in {tmp_path}/file: permanent error: "
        f"{tmp_path}/file — File exists (os error 17); check the place and the access to it"
    )


@pytest.mark.parametrize("missing", ["infino", "pyarrow"])
def test_without_the_engine_the_extra_is_named(
    place: Path, monkeypatch: pytest.MonkeyPatch, missing: str
) -> None:
    monkeypatch.setitem(sys.modules, missing, None)

    trouble = refused(place, metric(1))

    assert trouble.reason == (
        f"import of {missing} halted; None in sys.modules: the embedded engine is not installed "
        'here; pip install "pytest-runlog[infino]"'
    )


def test_small_files_are_merged_and_old_ones_removed(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "GRACE", 0)  # nobody else writes here

    def files() -> int:
        return sum(path.is_file() for path in place.glob("metrics-*/data/*"))

    most = 0
    for session in range(2 * engine._SMALL_FILES):
        sink = EngineSink(str(place), deadline=30)
        sink.send([metric(session * 400 + number) for number in range(400)])
        most = max(most, files())
        sink.tidy()

    assert most <= engine._SMALL_FILES
    assert files() < engine._SMALL_FILES
    assert query(place, "SELECT count(DISTINCT record_id) AS n FROM metrics") == [
        {"n": 2 * engine._SMALL_FILES * 400}
    ]


def test_files_that_another_session_may_be_about_to_use_are_not_removed(place: Path) -> None:
    send(place, metric(1))
    before = set(place.rglob("*"))
    sink = EngineSink(str(place), deadline=30)
    sink.send([metric(2)])
    sink.tidy()

    assert before <= set(place.rglob("*"))


def test_tables_of_others_are_not_tidied(place: Path) -> None:
    arrow, infino = import_module("pyarrow"), import_module("infino")
    connection = infino.connect(str(place))
    connection.create_table("theirs", arrow.schema([("n", arrow.int64())]), infino.IndexSpec())
    before = sorted(place.rglob("*"))

    EngineSink(str(place), deadline=30).tidy()

    assert sorted(place.rglob("*")) == before


@pytest.mark.parametrize(
    ("uri", "options"),
    [
        ("./dir", None),
        ("s3://bucket", {"aws_access_key_id": "me", "aws_region": "eu-west-1"}),
        ("az://container", {"azure_storage_account_name": "me"}),
        ("gs://bucket", {"google_application_credentials": "key.json"}),
    ],
)
def test_the_engine_is_told_what_the_environment_says_of_a_bucket(
    uri: str, options: dict[str, str] | None
) -> None:
    environ = {
        "AWS_ACCESS_KEY_ID": "me",
        "AWS_REGION": "eu-west-1",
        "AWS_SESSION_TOKEN": "",
        "AWS_PAGER": "less",
        "AZURE_STORAGE_ACCOUNT_NAME": "me",
        "GOOGLE_APPLICATION_CREDENTIALS": "key.json",
    }

    assert storage_options(uri, environ) == options


def test_an_endpoint_without_tls_is_allowed_because_it_was_named() -> None:
    local = storage_options("s3://bucket", {"AWS_ENDPOINT_URL": "http://127.0.0.1:9000"})
    remote = storage_options("s3://bucket", {"AWS_ENDPOINT_URL": "https://s3.example.com"})

    assert local == {"aws_endpoint_url": "http://127.0.0.1:9000", "aws_allow_http": "true"}
    assert remote == {"aws_endpoint_url": "https://s3.example.com"}
