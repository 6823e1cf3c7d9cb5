"""Delivery through a user's `infinopy` of each generation, over real HTTP."""

from __future__ import annotations

import os
import sys
import threading
from types import ModuleType, SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from pytest_runlog import InfinoRecorder
from pytest_runlog.delivery.http import posting
from pytest_runlog.delivery.http.client import InfinoClientSink
from pytest_runlog.delivery.http.posting import THREAD
from pytest_runlog.delivery.http.sink import HttpSink
from pytest_runlog.delivery.opening import open_sink
from pytest_runlog.delivery.sinks import NotDelivered
from support.infino_server import GenerationName, Index, InfinoServer, nowhere, serving
from support.infinopy import Infinopy001, Infinopy005, Infinopy007, InfinopyHead
from support.records import ids, log, metric, some

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_runlog.delivery.records import Record

CLIENTS: dict[type[Any], GenerationName] = {
    Infinopy001: "ts",
    Infinopy005: "ts",
    Infinopy007: "metric",
    InfinopyHead: "index",
}
"""And the generation of servers that each is made for."""

matching = pytest.mark.parametrize(
    ("client_class", "generation"),
    CLIENTS.items(),
    ids=lambda value: getattr(value, "__name__", ""),
)


def made(client_class: type[Any], address: str) -> Any:
    """A client for this address; the first generation knows it from a variable only."""
    if client_class is not Infinopy001:
        return client_class(address)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("INFINO_BASE_URL", address)
        return client_class()


def send(client: Any, records: Sequence[Record], deadline: float = 30) -> None:
    InfinoClientSink(client, deadline).send(records)


def refusal(client: Any, records: Sequence[Record], deadline: float = 30) -> NotDelivered:
    with pytest.raises(NotDelivered) as refused:
        send(client, records, deadline)
    return refused.value


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(posting, "PAUSES", (0.0,) * 3)


def install(patch: pytest.MonkeyPatch, client_class: type[Any]) -> None:
    """Have this as `infinopy.InfinoClient`."""
    infinopy = ModuleType("infinopy")
    infinopy.InfinoClient = client_class  # type: ignore[attr-defined]
    patch.setitem(sys.modules, "infinopy", infinopy)


# What arrives


@matching
def test_the_records_arrive_through_each_client_on_its_server(
    client_class: type[Any], generation: GenerationName
) -> None:
    with serving(InfinoServer(generation)) as server:
        send(made(client_class, server.url), some(3))

        assert server.index.texts("prompt") == ["text 0", "text 1", "text 2"]
        assert server.index.values("latency") == [0, 1, 2]
        assert server.index.record_ids == [
            f"{kind}-{n}" for kind in ("log", "metric") for n in range(3)
        ]


@matching
def test_lists_are_sent_that_are_smaller_than_the_server_takes(
    client_class: type[Any], generation: GenerationName
) -> None:
    records = [log("é" * 100_000, f"log-{n}") for n in range(20)]

    with serving(InfinoServer(generation)) as server:
        send(made(client_class, server.url), records)

        assert server.index.record_ids == ids(records)
        assert max(server.sizes) <= 2 * 1024 * 1024
        assert len(server.sizes) == 7


@matching
def test_an_address_goes_through_infinopy_where_that_is_installed(
    client_class: type[Any], generation: GenerationName, monkeypatch: pytest.MonkeyPatch
) -> None:
    used: list[Any] = []

    class Watched(client_class):  # type: ignore[misc]
        def __init__(self, *arguments: Any) -> None:
            super().__init__(*arguments)
            used.append(self)

    install(monkeypatch, Watched)
    monkeypatch.delenv("INFINO_BASE_URL", raising=False)

    with serving(InfinoServer(generation)) as server:
        open_sink(server.url + "/", 30).send(some(1))

        assert sorted(server.index.record_ids) == ["log-0", "metric-0"]
        assert [client.base_url for client in used] == [server.url]


@pytest.mark.parametrize("infinopy", [None, ModuleType("infinopy")], ids=["none", "another"])
def test_what_is_not_the_vendors_infinopy_is_left_alone(
    infinopy: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "infinopy", infinopy)

    with serving(InfinoServer("index")) as server:
        HttpSink(server.url, 30).send(some(1))

        assert len(server.index.record_ids) == 2


def test_an_object_like_a_client_gets_lists_of_payloads() -> None:
    recorder = InfinoRecorder()

    send(recorder, some(2))

    assert recorder.series("latency", record_id="metric-1") == [1.0]
    assert [body["prompt"] for body in recorder.logs] == ["text 0", "text 1"]


@pytest.mark.parametrize("answer", [None, SimpleNamespace(status_code=204), True, "fine"], ids=repr)
def test_any_answer_without_a_bad_status_is_fine(answer: Any) -> None:
    calls: list[Any] = []

    def append(payload: Any) -> Any:
        calls.append(payload)
        return answer

    send(SimpleNamespace(append_log=append, append_ts=append), some(2))

    assert [len(call) for call in calls] == [2, 2]


def test_an_object_that_is_no_client_is_refused_at_once() -> None:
    with pytest.raises(TypeError, match="object has no append_log"):
        InfinoClientSink(object())  # type: ignore[arg-type]


def test_a_proxy_is_not_asked_for_the_way_to_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy"):
        monkeypatch.setenv(name, nowhere())
    monkeypatch.setenv("NO_PROXY", "infino.example")
    monkeypatch.delenv("no_proxy", raising=False)

    with serving(InfinoServer("ts")) as server:
        send(Infinopy005(server.url), some(1))

        assert len(server.index.record_ids) == 2
    assert (os.environ.get("NO_PROXY"), os.environ.get("no_proxy")) == ("infino.example", None)


# Indexes


def test_an_index_that_the_server_does_not_know_is_made_before_a_metric_is_dropped() -> None:
    with serving(InfinoServer("index")) as server:
        InfinoClientSink(InfinopyHead(server.url), 30, "prompts").send([metric(1)])

        assert server.indexes["prompts"].record_ids == ["metric-1"]


def test_an_index_that_the_server_knows_is_left_as_it_is() -> None:
    with serving(InfinoServer("index")) as server:
        server.indexes["prompts"] = Index(logs=[(1, {"record_id": "old"})])

        InfinoClientSink(InfinopyHead(server.url), 30, "prompts").send(some(1))

        assert server.indexes["prompts"].record_ids == ["old", "log-0", "metric-0"]


# Client and server of different generations


MIXED = [
    (client, server)
    for client, made_for in CLIENTS.items()
    for server in ("ts", "metric", "index")
    if server != made_for
]
BEFORE, BETWEEN, SINCE = (
    "before November 2023",
    "from November 2023 to March 2024",
    "since March 2024",
)
SERVERS = {"ts": BEFORE, "metric": BETWEEN, "index": SINCE}
METRICS_ONLY: dict[type[Any], str] = {
    Infinopy001: "since November 2023",
    Infinopy005: "since November 2023",
    Infinopy007: f"{BEFORE} or {SINCE}",
    InfinopyHead: "before March 2024",
}
"""What is known of a server that takes no metrics, where no logs were sent."""

mixed = pytest.mark.parametrize(
    ("client_class", "generation"), MIXED, ids=lambda value: getattr(value, "__name__", value)
)


@mixed
def test_a_client_of_another_generation_is_told_what_to_do(
    client_class: type[Any], generation: GenerationName
) -> None:
    with serving(InfinoServer(generation)) as server:
        refused = refusal(made(client_class, server.url), some(2))

        older = client_class is InfinopyHead  # which cannot tell how much older
        found = "before March 2024" if older else SERVERS[generation]
        made_for = SERVERS[CLIENTS[client_class]]
        assert f"made for servers {made_for}, and the server is one {found}: use " in refused.reason
        arrived = server.index.record_ids
        assert sorted([*arrived, *ids(refused.records)]) == sorted(ids(some(2)))


@mixed
def test_where_only_metrics_are_sent_no_more_is_said_than_is_known(
    client_class: type[Any], generation: GenerationName
) -> None:
    with serving(InfinoServer(generation)) as server:
        refused = refusal(made(client_class, server.url), [metric(1)])

    assert f", and the server is one {METRICS_ONLY[client_class]}: use " in refused.reason


def test_what_a_client_of_another_generation_is_told_names_route_status_and_remedy() -> None:
    with serving(InfinoServer("index")) as server:
        refused = refusal(Infinopy005(server.url), some(2))

        assert refused.reason == (
            f"{server.url} answered 405 to /append_log, which the client posts to: client and "
            "server are of different generations. This client is made for servers before November "
            "2023, and the server is one since March 2024: use the infinopy at the head of its "
            "repository, or none, and the right routes are found without"
        )


def test_logs_that_another_generation_takes_too_are_delivered() -> None:
    with serving(InfinoServer("metric")) as server:
        refused = refusal(Infinopy005(server.url), some(2))

        assert ids(refused.records) == ["metric-0", "metric-1"]
        assert server.index.record_ids == ["log-0", "log-1"]


@pytest.mark.parametrize(
    ("record", "route"), [(log("hi"), "/append_log"), (metric(1), "/append_ts")]
)
def test_what_is_no_infino_server_is_told_apart_from_another_generation(
    record: Record, route: str
) -> None:
    with serving(InfinoServer("ts")) as server:
        server.next_answers = [(404, {}, "nothing here")]

        refused = refusal(Infinopy005(server.url), [record])

        assert refused.reason == (
            f"{server.url} answered 404 to {route}, which the client posts to, so it may be "
            "no Infino server; give the right address"
        )


# Statuses that infinopy passes over


@pytest.mark.parametrize("status", [429, 500])
@matching
def test_what_fails_for_a_moment_is_tried_again(
    client_class: type[Any], generation: GenerationName, status: int
) -> None:
    with serving(InfinoServer(generation)) as server:
        server.next_answers = [(status, {}, "")] * 2

        send(made(client_class, server.url), some(2))

        assert len(server.index.record_ids) == 4


@matching
def test_a_server_that_takes_less_gets_all_in_smaller_requests(
    client_class: type[Any], generation: GenerationName
) -> None:
    records = [log("x" * 1_000, f"log-{n}") for n in range(100)]

    with serving(InfinoServer(generation, limit=20_000)) as server:
        send(made(client_class, server.url), records)

        assert server.index.record_ids == ids(records)


@matching
def test_a_record_that_is_rejected_is_the_only_one_that_is_not_delivered(
    client_class: type[Any], generation: GenerationName
) -> None:
    with serving(InfinoServer(generation)) as server:
        server.unacceptable = "text 3"

        refused = refusal(made(client_class, server.url), some(5))

        assert ids(refused.records) == ["log-3"]
        assert len(server.index.record_ids) == 9


def test_a_redirect_that_turns_a_post_into_a_get_is_no_delivery() -> None:
    with serving(InfinoServer("ts")) as server:
        server.next_answers = [(302, {"Location": "/ping"}, "")]

        refused = refusal(Infinopy005(server.url), some(2))

        assert server.requests == ["POST /append_log", "GET /ping"]
        assert (
            refused.reason == f"{server.url} answered 302: it redirects to /ping, give that address"
        )
        assert ids(refused.records) == ids(some(2))


def test_a_web_page_is_no_delivery() -> None:
    with serving(InfinoServer("ts")) as server:
        server.next_answers = [(200, {"Content-Type": "text/html"}, "<html>")]

        refused = refusal(Infinopy005(server.url), some(2))

        assert refused.reason.endswith("answered with a web page, so it is no Infino server")
        assert ids(refused.records) == ids(some(2))


# No answer


@matching
def test_a_server_that_never_answers_holds_nothing_up_beyond_the_deadline(
    client_class: type[Any], generation: GenerationName
) -> None:
    with serving(InfinoServer(generation)) as server:
        server.mute = True

        refused = refusal(made(client_class, server.url), some(2), deadline=0.2)

        assert refused.reason.startswith(f"{server.url} was not done within 0.2 s; see that it is")
        assert ids(refused.records) == ids(some(2))


@matching
def test_an_address_on_which_nothing_listens_is_given_up_at_once(
    client_class: type[Any], generation: GenerationName
) -> None:
    address = nowhere()

    refused = refusal(made(client_class, address), some(2))

    assert refused.reason == f"nothing listens at {address}; start the server, or give its address"


def test_a_client_that_never_returns_is_left_alone_and_sends_no_more() -> None:
    go_on = threading.Event()
    calls: list[Any] = []

    def append(payload: Any) -> None:
        calls.append(payload)
        assert go_on.wait(60)

    refused = refusal(SimpleNamespace(append_log=append, append_ts=append), some(2), deadline=0.2)
    go_on.set()
    for thread in threading.enumerate():
        if thread.name == THREAD:
            thread.join(60)

    assert "was not done within 0.2 s" in refused.reason
    assert refused.reason.startswith("SimpleNamespace ")
    assert ids(refused.records) == ids(some(2))
    assert len(calls) < 2


def test_that_time_was_up_is_told_besides_what_was_rejected_before() -> None:
    go_on = threading.Event()

    def append_ts(payload: Any) -> None:
        assert go_on.wait(60)

    client = SimpleNamespace(
        append_log=lambda payload: SimpleNamespace(status_code=400), append_ts=append_ts
    )

    refused = refusal(client, [log("hi"), metric(1)], deadline=0.5)
    go_on.set()

    assert refused.reason.endswith(
        "SimpleNamespace was not done within 0.5 s; see that it is up, or give it longer "
        "(runlog_infino_deadline)"
    )
    assert ids(refused.records) == ["log-1", "metric-1"]


@pytest.mark.parametrize(
    "failure", [ValueError("no"), SystemExit("no"), KeyError("no")], ids=lambda e: type(e).__name__
)
def test_whatever_a_client_raises_is_the_reason(failure: BaseException) -> None:
    def append(payload: Any) -> None:
        raise failure

    refused = refusal(SimpleNamespace(append_log=append, append_ts=append), some(2))

    name = type(failure).__name__
    assert refused.reason == f"{name} while sending to SimpleNamespace: {failure}"
    assert ids(refused.records) == ids(some(2))
