"""Delivery to the retired server over real HTTP, without `infinopy`."""

from __future__ import annotations

import socket
import ssl
import sys
import threading
from contextlib import suppress
from math import nan
from typing import TYPE_CHECKING, Any

import pytest
import trustme

from pytest_runlog.delivery.http import posting
from pytest_runlog.delivery.http.posting import LEAST_LIMIT, MOST_REJECTED, PAUSES
from pytest_runlog.delivery.http.server import is_loopback
from pytest_runlog.delivery.http.sink import HttpSink
from pytest_runlog.delivery.opening import open_sink
from pytest_runlog.delivery.records import Record
from pytest_runlog.delivery.sinks import NotDelivered
from pytest_runlog.model.journal import Clock
from support.clock import HandClock
from support.infino_server import GenerationName, InfinoServer, nowhere, serving
from support.records import DATE, LABELS, ids, log, metric, some

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

Send = Any
"""Sends records to the server at an address."""

GENERATIONS: list[GenerationName] = ["ts", "metric", "index"]
ROUTES: dict[GenerationName, list[str]] = {
    "ts": [
        "GET /default/search_logs",
        "POST /append_log",
        "POST /append_metric",
        "POST /append_ts",
    ],
    "metric": ["GET /default/search_logs", "POST /append_log", "POST /append_metric"],
    "index": [
        "GET /default/search_logs",
        "POST /default/append_log",
        "POST /default/append_metric",
    ],
}

every_generation = pytest.mark.parametrize("generation", GENERATIONS)


@pytest.fixture(autouse=True)
def without_infinopy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "infinopy", None)


@pytest.fixture(params=GENERATIONS)
def server(request: pytest.FixtureRequest) -> Iterator[InfinoServer]:
    with serving(InfinoServer(request.param)) as server:
        yield server


@pytest.fixture
def latest() -> Iterator[InfinoServer]:
    with serving(InfinoServer("index")) as server:
        yield server


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(posting, "PAUSES", (0.0,) * 3)


@pytest.fixture
def no_second_try(monkeypatch: pytest.MonkeyPatch) -> None:
    """One would take an hour."""
    monkeypatch.setattr(posting, "PAUSES", (3600.0,))


def send(address: str, records: Sequence[Record], deadline: float = 30) -> None:
    HttpSink(address, deadline).send(records)


def refusal(address: str, records: Sequence[Record], **how: Any) -> NotDelivered:
    with pytest.raises(NotDelivered) as refused:
        send(address, records, **how)
    return refused.value


def says(status: int, text: str = "", **headers: str) -> tuple[int, dict[str, str], str]:
    """An answer of a server."""
    return status, {name.replace("_", "-"): value for name, value in headers.items()}, text


BREAKS = says(0)


# What arrives


def test_the_records_arrive_on_a_server_of_each_generation(server: InfinoServer) -> None:
    send(server.url, some(3))

    index = server.index
    assert index.texts("prompt") == ["text 0", "text 1", "text 2"]
    assert index.values("latency") == [0, 1, 2]
    assert index.record_ids == [f"{kind}-{n}" for kind in ("log", "metric") for n in range(3)]


def test_the_routes_are_those_of_the_generation(server: InfinoServer) -> None:
    send(server.url, some(3))

    assert server.requests == ROUTES[server.generation]


def test_the_routes_are_found_once(server: InfinoServer) -> None:
    sink = HttpSink(server.url, 30)
    sink.send(some(1))
    server.requests.clear()

    sink.send(some(1))

    assert len(server.requests) == 2


def test_dates_labels_and_ids_arrive(server: InfinoServer) -> None:
    send(server.url, [log("hi"), metric(0.5)])

    assert server.index.logs == [
        (int(DATE), {"prompt": "hi", **LABELS, "record_id": "log-1"}),
    ]
    assert server.index.points == [
        (int(DATE), "latency", 0.5, {**LABELS, "record_id": "metric-1"}),
    ]


def test_any_text_arrives_as_it_is(server: InfinoServer) -> None:
    text = 'Zoë said: "😀"\n\t\\ \0 </script> ' + "é" * 1_000

    send(server.url, [log(text)])

    assert server.index.texts("prompt") == [text]


def test_half_a_surrogate_pair_does_not_keep_the_others_from_arriving(server: InfinoServer) -> None:
    send(server.url, [log("a\ud800b", "1"), log("c", "2")])

    assert server.index.texts("prompt") == ["a\ufffdb", "c"]


def test_nothing_is_asked_for_where_there_is_nothing_to_send(server: InfinoServer) -> None:
    send(server.url, [])

    assert server.requests == []


def test_an_address_may_have_a_path_and_end_in_a_slash() -> None:
    with serving(InfinoServer("index"), prefix="/behind/a/proxy") as server:
        send(server.url + "/", some(1))

        assert len(server.index.record_ids) == 2


def test_a_name_and_a_password_in_the_address_are_sent(latest: InfinoServer) -> None:
    send(latest.url.replace("://", "://me:secret@"), some(1))

    assert {headers["Authorization"] for headers in latest.headers} == {"Basic bWU6c2VjcmV0"}


def test_it_is_the_sink_that_an_address_opens(latest: InfinoServer) -> None:
    open_sink(latest.url, 30).send(some(1))

    assert len(latest.index.record_ids) == 2


def test_a_proxy_is_not_asked_for_the_way_to_this_machine(
    latest: InfinoServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, nowhere())

    send(latest.url, some(1))
    send(latest.url.replace("127.0.0.1", "localhost"), some(1))

    assert len(latest.index.record_ids) == 4


@pytest.mark.parametrize(
    ("host", "here"),
    [
        ("127.0.0.1", True),
        ("127.8.8.8", True),
        ("[::1]", True),
        ("0.0.0.0", True),  # noqa: S104 (it is asked for, not served)
        ("localhost", True),
        ("LOCALHOST", True),
        ("infino.localhost", True),
        ("10.0.0.1", False),
        ("infino.example", False),
        ("notlocalhost", False),
    ],
)
def test_this_machine_has_several_names(host: str, here: bool) -> None:
    assert is_loopback(f"http://me@{host}:3000/x") is here


# Indexes


def test_the_index_is_the_one_that_the_address_names(latest: InfinoServer) -> None:
    latest.indexes["prompts"] = type(latest.index)()

    send(f"{latest.url}?index=prompts", some(1))

    assert len(latest.indexes["prompts"].record_ids) == 2
    assert latest.index.record_ids == []


@pytest.mark.parametrize("records", [[log("hi")], [metric(1)], some(2)], ids=["log", "metric", ""])
@pytest.mark.parametrize("name", ["prompts", "of last week/1"])
def test_an_index_that_the_server_does_not_know_is_made(
    latest: InfinoServer, records: list[Record], name: str
) -> None:
    send(f"{latest.url}?index={name}", records)

    assert sorted(latest.indexes[name].record_ids) == sorted(ids(records))
    assert sum(request.startswith("PUT") for request in latest.requests) == 1


def test_an_index_that_the_server_knows_is_never_made_again(latest: InfinoServer) -> None:
    for _ in range(2):
        send(latest.url, some(1))

    assert len(latest.index.record_ids) == 4
    assert not any(request.startswith("PUT") for request in latest.requests)


@pytest.mark.parametrize("trouble", [says(429), says(500), BREAKS], ids=str)
def test_an_index_that_cannot_be_made_just_now_is_made_later(
    latest: InfinoServer, trouble: Any
) -> None:
    latest.next_answers = [says(400, "Could not find index"), trouble]

    send(f"{latest.url}?index=prompts", some(1))

    assert len(latest.indexes["prompts"].record_ids) == 2


def test_an_index_that_cannot_be_made_is_the_reason(latest: InfinoServer) -> None:
    latest.next_answers = [says(400, "Could not find index"), says(400, "Could not create index")]

    refused = refusal(f"{latest.url}?index=prompts", some(2))

    assert refused.reason == (
        f"{latest.url} has no index 'prompts', and answered 400 when asked to make it; make it, or "
        "name one that is there with ?index=NAME"
    )
    assert ids(refused.records) == ids(some(2))


# Too much for one request


def test_no_request_is_larger_than_the_server_takes(server: InfinoServer) -> None:
    records = [log("x" * 300_000, f"log-{n}") for n in range(20)]

    send(server.url, records)

    assert server.index.record_ids == ids(records)
    assert max(server.sizes) <= 2 * 1024 * 1024
    assert len(server.sizes) == 4


def test_no_request_has_more_than_a_thousand_records(server: InfinoServer) -> None:
    records = [metric(float(n), f"metric-{n}") for n in range(2_500)]

    send(server.url, records)

    assert server.index.values("latency") == list(range(2_500))
    assert len(server.sizes) == (4 if server.generation == "ts" else 3)


@pytest.mark.parametrize("limit", [2_000, 50_000, 1_000_000])
def test_a_server_that_takes_less_gets_all_in_smaller_requests(limit: int) -> None:
    records = [log("x" * 1_000, f"log-{n}") for n in range(100)]

    with serving(InfinoServer("index", limit=limit)) as server:
        send(server.url, records)

        assert server.index.record_ids == ids(records)
        assert server.index.texts("prompt") == ["x" * 1_000] * 100


def test_a_record_that_alone_is_too_large_is_cut_and_says_so(server: InfinoServer) -> None:
    records = [log("before", "1"), log("x" * 6_000_000, "2"), log("after", "3"), metric(1)]

    send(server.url, records)

    before, cut, after = server.index.texts("prompt")
    assert (before, after) == ("before", "after")
    assert cut.endswith("x […] (6,000,000 characters, cut to fit into a request)")
    assert len(cut) > 1_900_000
    assert server.index.values("latency") == [1]


def test_a_record_is_cut_to_what_a_server_takes_that_takes_less() -> None:
    with serving(InfinoServer("metric", limit=100_000)) as server:
        send(server.url, [log("x" * 1_000_000, "1"), log("y" * 50_000, "2")])

        cut, whole = server.index.texts("prompt")
        assert 40_000 < len(cut) < 100_000
        assert whole == "y" * 50_000


def test_a_server_that_takes_no_size_is_not_asked_for_ever() -> None:
    with serving(InfinoServer("index", limit=10)) as server:
        refused = refusal(server.url, some(100))

        assert ids(refused.records) == ids(some(100))
        assert refused.reason.startswith(f"{server.url} answers 413 even to ")
        assert min(server.sizes) < 2 * LEAST_LIMIT
        assert len(server.sizes) < 20


def test_a_metric_whose_labels_are_too_large_is_the_only_one_that_is_not_delivered(
    server: InfinoServer,
) -> None:
    large = Record("metric", "large", DATE, "latency", 1, {"name": "x" * 3_000_000})

    refused = refusal(server.url, [*some(2), large])

    assert ids(refused.records) == ["large"]
    assert refused.reason == "the metric 'latency' is no JSON, or too large for a request"
    assert len(server.index.record_ids) == 4


def test_a_value_that_is_no_json_is_the_only_one_that_is_not_delivered(
    server: InfinoServer,
) -> None:
    refused = refusal(server.url, [metric(nan, "nan"), *some(2)])

    assert ids(refused.records) == ["nan"]
    assert len(server.index.record_ids) == 4


# A server that is in trouble


@pytest.mark.parametrize("trouble", [says(429), says(500), says(503), says(408), BREAKS], ids=str)
def test_what_fails_for_a_moment_is_tried_again(server: InfinoServer, trouble: Any) -> None:
    records = some(2)
    for kind in ("log", "metric"):
        server.next_answers = [trouble, trouble]
        send(server.url, [record for record in records if record.kind == kind])

    assert server.next_answers == []
    assert sorted(server.index.record_ids) == sorted(ids(records))


@pytest.mark.parametrize("trouble", [says(429), says(500), BREAKS], ids=str)
@pytest.mark.parametrize("record", [log("hi", "1"), metric(1, "1")], ids=["log", "metric"])
def test_so_is_what_fails_when_the_routes_are_known(
    latest: InfinoServer, trouble: Any, record: Record
) -> None:
    sink = HttpSink(latest.url, 30)
    sink.send(some(1))
    latest.next_answers = [trouble, trouble]

    sink.send([record])

    assert latest.next_answers == []
    assert "1" in latest.index.record_ids


@pytest.mark.parametrize("trouble", [says(429, "Too many appends"), says(500, "no\ndisk")], ids=str)
def test_what_keeps_failing_is_given_up_and_the_reason_is_what_the_server_says(
    latest: InfinoServer, trouble: Any
) -> None:
    latest.next_answers = [says(200), *[trouble] * 4]

    refused = refusal(latest.url, some(2))

    busy = "it is busy" if trouble[0] == 429 else "it failed"
    text = trouble[2].replace("\n", " ")
    assert refused.reason == (
        f"{latest.url} took nothing in 4 tries: {busy}, and answered {trouble[0]} {text!r}; the "
        "log of the server says why"
    )
    assert ids(refused.records) == ids(some(2))
    assert latest.next_answers == []


def test_a_connection_that_keeps_breaking_is_given_up(latest: InfinoServer) -> None:
    latest.next_answers = [BREAKS] * 4

    refused = refusal(latest.url, some(2))

    assert refused.reason == (
        f"{latest.url} took nothing in 4 tries: the connection broke: Remote end closed connection "
        "without response; the log of the server says why"
    )
    assert ids(refused.records) == ids(some(2))


def test_the_tries_are_counted_for_each_request(latest: InfinoServer) -> None:
    records = [log("x" * 1_500_000, f"log-{n}") for n in range(3)]
    latest.next_answers = [says(500)] * 3

    send(latest.url, records)

    assert latest.index.record_ids == ids(records)


def test_a_server_that_is_busy_in_the_middle_of_a_list_gets_all_of_it_again(
    server: InfinoServer,
) -> None:
    server.takes_then_is_busy = 2
    records = [log(f"text {n}", f"log-{n}") for n in range(4)]

    send(server.url, records)

    assert server.index.record_ids == ["log-0", "log-1", *ids(records)]


def test_a_pause_that_is_longer_than_the_time_left_is_not_begun(latest: InfinoServer) -> None:
    latest.next_answers = [says(429, Retry_After="3600")]

    refused = refusal(latest.url, some(2))

    assert "took nothing in 1 try: it is busy, and answered 429;" in refused.reason
    assert ids(refused.records) == ids(some(2))


def test_the_pauses_end_before_the_deadline_that_there_is_by_default() -> None:
    assert list(PAUSES) == sorted(PAUSES)
    assert sum(PAUSES) < 10


# A server that refuses


@pytest.mark.parametrize("poison", [0, 7, 49, 99])
def test_a_record_that_the_server_rejects_is_the_only_one_that_is_not_delivered(
    server: InfinoServer, poison: int
) -> None:
    records = [log(f"text {n}", f"log-{n}") for n in range(100)]
    records[poison] = log("DROP TABLE", "poison")
    server.unacceptable = "DROP TABLE"

    refused = refusal(server.url, [*records, metric(1)])

    assert ids(refused.records) == ["poison"]
    assert refused.reason == (
        f"{server.url} rejected the log 'prompt' with 400 'request was blocked'"
    )
    rest = [record.record_id for record in records if record.record_id != "poison"]
    assert server.index.record_ids == [*rest, "metric-1"]


def test_a_server_that_rejects_all_is_not_asked_about_each(latest: InfinoServer) -> None:
    latest.unacceptable = "text"

    refused = refusal(latest.url, some(200))

    assert ids(refused.records) == ids(some(200))
    assert refused.reason.endswith(f"it rejected {MOST_REJECTED} records one after the other")
    assert len(latest.requests) < 200


@pytest.mark.parametrize("status", [401, 403])
def test_a_server_that_wants_credentials_is_told_apart(latest: InfinoServer, status: int) -> None:
    latest.next_answers = [says(status)]

    refused = refusal(latest.url, some(2))

    assert refused.reason == (
        f"{latest.url} answered {status}: access is refused; a name and a password can stand in "
        "the address, http://NAME:PASSWORD@host"
    )
    assert ids(refused.records) == ids(some(2))


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_is_not_followed_but_named(latest: InfinoServer, status: int) -> None:
    latest.next_answers = [says(status, Location="https://infino.example/")]

    refused = refusal(latest.url, some(2))

    assert refused.reason == (
        f"{latest.url} answered {status}: it redirects to https://infino.example/, give that "
        "address"
    )
    assert ids(refused.records) == ids(some(2))
    assert len(latest.requests) == 1


def test_a_web_page_is_no_delivery(latest: InfinoServer) -> None:
    latest.next_answers = [says(200, "<html>", Content_Type="text/html; charset=utf-8")] * 2

    refused = refusal(latest.url, some(2))

    assert refused.reason == (f"{latest.url} answered with a web page, so it is no Infino server")
    assert ids(refused.records) == ids(some(2))


@pytest.mark.parametrize("status", [404, 405])
def test_a_server_that_has_no_route_of_any_generation_is_no_infino(
    latest: InfinoServer, status: int
) -> None:
    latest.next_answers = [says(status)] * 5

    logs = refusal(latest.url, [log("hi")])
    metrics = refusal(latest.url, [metric(1)])

    routes = {"/append_log": logs, "/append_metric and /append_ts": metrics}
    for route, refused in routes.items():
        assert refused.reason == (
            f"{latest.url} answered {status} to {route}, so it is no Infino server of any "
            "generation; give the right address, with the path if there is one"
        )
    assert latest.next_answers == []


def test_any_other_status_is_shown(latest: InfinoServer) -> None:
    latest.next_answers = [says(418, "a teapot")]

    assert refusal(latest.url, some(1)).reason == f"{latest.url} answered 418 'a teapot'"


def test_of_a_delivery_that_ends_half_way_the_rest_is_told(latest: InfinoServer) -> None:
    records = [log("x" * 1_500_000, f"log-{n}") for n in range(3)]
    latest.next_answers = [says(200), says(200), says(403)]

    refused = refusal(latest.url, [*records, metric(1)])

    assert ids(refused.records) == ["log-1", "log-2", "metric-1"]


def test_many_reasons_are_shortened_to_the_first_and_the_last(latest: InfinoServer) -> None:
    records = [Record("metric", f"{n}", DATE, f"key {n}", nan, {}) for n in range(100)]

    reason = refusal(latest.url, records).reason

    assert reason.count("; ") == 5
    assert reason.startswith("the metric 'key 0' is no JSON")
    assert "; …; the metric 'key 99' is no JSON" in reason


# No answer


def test_a_server_that_never_answers_holds_nothing_up_beyond_the_deadline(
    latest: InfinoServer,
) -> None:
    latest.mute = True  # it is released when the test is over

    refused = refusal(latest.url, some(2), deadline=0.2)

    assert refused.reason == (
        f"{latest.url} was not done within 0.2 s; see that it is up, or give it longer "
        "(runlog_infino_deadline)"
    )
    assert ids(refused.records) == ids(some(2))


def test_a_server_that_does_not_even_accept_a_connection_holds_nothing_up() -> None:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(1)
        address = f"http://127.0.0.1:{listening.getsockname()[1]}"

        refused = refusal(address, some(2), deadline=0.2)

    assert "was not done within 0.2 s" in refused.reason
    assert ids(refused.records) == ids(some(2))


def test_an_answer_that_comes_byte_by_byte_holds_nothing_up() -> None:
    over = threading.Event()

    def drip(listening: socket.socket) -> None:
        connection, _ = listening.accept()
        with connection, suppress(OSError):
            connection.sendall(b"HTTP/1.1 200 OK\r\nX-Drip: ")
            while not over.wait(0.01):  # less than any timeout of a read
                connection.sendall(b"x")

    with socket.create_server(("127.0.0.1", 0)) as listening:
        dripping = threading.Thread(target=drip, args=[listening])
        dripping.start()
        refused = refusal(f"http://127.0.0.1:{listening.getsockname()[1]}", some(2), deadline=0.3)
        over.set()
        dripping.join(30)

    assert "was not done within 0.3 s" in refused.reason
    assert ids(refused.records) == ids(some(2))


def test_an_answer_that_cannot_be_read_is_known_by_its_status(latest: InfinoServer) -> None:
    latest.next_answers = [says(418, "no gzip", Content_Encoding="gzip")]

    assert refusal(latest.url, some(1)).reason == f"{latest.url} answered 418"


def test_an_answer_without_end_is_read_no_further_than_it_is_shown(latest: InfinoServer) -> None:
    latest.next_answers = [says(418, "x" * 5_000_000)]

    assert refusal(latest.url, some(1)).reason == f"{latest.url} answered 418 {'x' * 200!r}"


def test_what_arrived_before_a_server_went_mute_is_not_reported(
    latest: InfinoServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = HandClock()
    monkeypatch.setattr(Clock, "now", clock.read)
    sink = HttpSink(latest.url, 60)
    sink.send([log("hi")])
    latest.mute = True
    clock.go(53.8)

    with pytest.raises(NotDelivered) as refused:
        sink.send([metric(1)])

    assert "was not done within 60 s" in refused.value.reason
    assert ids(refused.value.records) == ["metric-1"]
    assert latest.index.record_ids == ["log-1"]


def test_after_the_deadline_nothing_is_sent_any_more(latest: InfinoServer) -> None:
    sink = HttpSink(latest.url, 0.0)

    with pytest.raises(NotDelivered) as refused:
        sink.send(some(2))

    assert ids(refused.value.records) == ids(some(2))
    assert latest.index.record_ids == []


@pytest.mark.usefixtures("no_second_try")
def test_an_address_on_which_nothing_listens_is_given_up_at_once() -> None:
    address = nowhere()

    refused = refusal(address, some(2), deadline=3600)

    assert refused.reason == (
        f"nothing listens at {address}; start the server, or give its address"
    )
    assert ids(refused.records) == ids(some(2))


@pytest.mark.usefixtures("no_second_try")
def test_a_host_that_does_not_exist_is_given_up_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*args: Any, **kwargs: Any) -> Any:
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)

    refused = refusal("http://me:pw@infino.invalid:3000", some(2), deadline=3600)

    assert refused.reason == (
        "there is no host of the name in http://infino.invalid:3000; give the right address"
    )


@pytest.mark.usefixtures("no_second_try")
def test_a_server_that_speaks_no_tls_is_told_apart(latest: InfinoServer) -> None:
    refused = refusal(latest.url.replace("http:", "https:"), some(2))

    assert refused.reason.startswith(f"TLS with {latest.url.replace('http:', 'https:')} failed, ")
    assert refused.reason.endswith("a server without TLS has an address with http://")


@pytest.fixture
def trusted() -> Iterator[tuple[InfinoServer, str]]:
    """A server with TLS, and a file with the certificate that vouches for it."""
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    with (
        authority.cert_pem.tempfile() as certificates,
        serving(InfinoServer("index"), tls=context) as server,
    ):
        yield server, certificates


def test_a_server_with_tls_is_trusted_by_the_certificates_that_a_variable_names(
    trusted: tuple[InfinoServer, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    server, certificates = trusted
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", certificates)

    send(server.url, some(1))

    assert len(server.index.record_ids) == 2


@pytest.mark.usefixtures("no_second_try")
def test_a_server_that_nobody_vouches_for_gets_nothing(
    trusted: tuple[InfinoServer, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    server, _ = trusted
    monkeypatch.delenv("REQUESTS_CA_BUNDLE", raising=False)
    monkeypatch.delenv("CURL_CA_BUNDLE", raising=False)

    refused = refusal(server.url, some(2))

    assert refused.reason.startswith(f"TLS with {server.url} failed, ")
    assert "CERTIFICATE_VERIFY_FAILED" in refused.reason
    assert "; REQUESTS_CA_BUNDLE can name a file of certificates to trust" in refused.reason
    assert ids(refused.records) == ids(some(2))
    assert server.requests == []


@pytest.mark.usefixtures("no_second_try")
def test_a_proxy_that_fails_is_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy"):
        monkeypatch.setenv(name, nowhere())

    refused = refusal("http://infino.invalid:3000", some(2))

    assert refused.reason == (
        "the proxy on the way to http://infino.invalid:3000 failed; the variable "
        "NO_PROXY=infino.invalid goes around it"
    )


@pytest.mark.parametrize("address", ["http://host:port", "http://[::1", "http://host:99999999"])
def test_what_is_no_address_is_refused_at_once(address: str) -> None:
    with pytest.raises(ValueError, match=r"'http://.*' is no address: "):
        HttpSink(address, 10)


@pytest.mark.parametrize("address", ["http://a..b", "http://" + "x" * 300])
@pytest.mark.usefixtures("no_second_try")
def test_a_host_that_cannot_be_is_the_reason(address: str) -> None:
    refused = refusal(address, some(2))

    assert refused.reason == f"{address} is no address; one is written http://host:3000"


def test_no_reason_has_a_password() -> None:
    address = nowhere()

    refused = refusal(address.replace("://", "://me:hunter2hunter2@"), some(2))

    assert refused.reason.startswith(f"nothing listens at {address};")


def test_no_reason_has_a_secret_that_a_server_repeats(
    latest: InfinoServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SERVICE_API_KEY", "sk-abc123def")
    latest.next_answers = [says(418, "I got sk-abc123def")]

    assert refusal(latest.url, some(1)).reason.endswith("418 'I got <secret>'")


def test_where_requests_is_missing_the_reason_names_it(
    latest: InfinoServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "requests", None)

    refused = refusal(latest.url, some(2))

    assert refused.reason.startswith("the package requests, which langchain-core needs too, is")
    assert ids(refused.records) == ids(some(2))
