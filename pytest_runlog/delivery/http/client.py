"""A sink that is a client of Infino: `infinopy` of any generation, or an object like it."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

from pytest_runlog.delivery.http.posting import Answer, Deadline, Failed, deliver
from pytest_runlog.delivery.http.responses import answer_of, failure_of
from pytest_runlog.delivery.http.server import Server, host_of, is_loopback
from pytest_runlog.delivery.http.wire import INDEX, METRIC, TS, Generation
from pytest_runlog.delivery.uris import without_credentials
from pytest_runlog.infino.clients import (
    DEFAULT_INDEX,
    appender_for,
    metric_method,
    wants_index,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pytest_runlog.delivery.records import Record
    from pytest_runlog.infino.clients import InfinoClient
    from pytest_runlog.infino.payloads import Kind


class InfinoClientSink:
    """Delivers to a client, in the calls of its generation, with lists of payloads.

    `client` has `append_log`, and `append_metric` or `append_ts`, as has `infinopy` of any
    generation; `index` is where clients put records that ask for an index. All is done within
    `deadline` seconds from now, though the clients know no timeouts. Raises `TypeError` for an
    object that is no client.
    """

    def __init__(
        self,
        client: InfinoClient,
        deadline: float = 10.0,
        index: str = DEFAULT_INDEX,
    ) -> None:
        self._deadline = Deadline.after(deadline)
        self._route = _ClientRoute(client, index, self._deadline)

    def send(self, records: Sequence[Record]) -> None:
        """Deliver these records. Raises `NotDelivered` with those that did not arrive."""
        with _without_proxy(self._route.address):
            deliver(records, self._route, self._deadline)


class _ClientRoute:
    def __init__(self, client: InfinoClient, index: str, deadline: Deadline) -> None:
        self.address = _address_of(client)
        self.where = without_credentials(self.address) or type(client).__name__
        self._append = appender_for(client, index)
        self._generation = _generation_of(client)
        self._index = index
        self._logs_arrive = False
        self._unasked: Server | None = None
        if self._generation is INDEX and self.address:
            self._unasked = Server(self.address, deadline, index)

    def post(self, kind: Kind, bodies: list[dict[str, Any]]) -> Answer:
        if self._unasked is not None:
            # The client cannot ask for the index, and the server drops metrics without it.
            answer = self._unasked.find()
            if not (200 <= answer.status < 300 or answer.status in (400, 404, 405)):
                return answer
            self._unasked = None
        try:
            answer = answer_of(self._append(kind, bodies), self.where)
        except Failed:
            raise
        except Exception as error:
            raise failure_of(error, self.where) from error
        if kind == "log" and 200 <= answer.status < 300:
            self._logs_arrive = True
        return answer

    def explain_missing(self, kind: Kind, status: int) -> str:
        ours = self._generation
        route = ours.route(kind, self._index)
        said = f"{self.where} answered {status} to {route}, which the client posts to"
        other = _other_generation(ours, kind, status, logs_arrive=self._logs_arrive)
        if other is None:
            return f"{said}, so it may be no Infino server; give the right address"
        return (
            f"{said}: client and server are of different generations. This client is made for "
            f"servers {ours.servers}, and the server is one {other.servers}: use {other.clients}, "
            "or none, and the right routes are found without"
        )


def _generation_of(client: InfinoClient) -> Generation:
    if wants_index(client.append_log):
        return INDEX
    return TS if metric_method(client) == "append_ts" else METRIC


class _Other(NamedTuple):
    servers: str
    clients: str


def _other_generation(
    ours: Generation, kind: Kind, status: int, *, logs_arrive: bool
) -> _Other | None:
    """What a server is that has not the routes of our generation, if it can be one of Infino.

    Since November 2023 they answer 405 and not 404 to a path of one part that they do not know,
    since it could be the name of an index.
    """
    if ours is INDEX:
        return _Other("before March 2024", "infinopy 0.0.7 or older")
    if kind == "log":
        return _Other(INDEX.servers, INDEX.clients) if status == 405 else None
    if logs_arrive:
        other = METRIC if ours is TS else TS
        return _Other(other.servers, other.clients)
    if ours is TS:
        return _Other("since November 2023", "a newer infinopy") if status == 405 else None
    return _Other("before November 2023 or since March 2024", "another infinopy")


def _address_of(client: InfinoClient) -> str:
    address = getattr(client, "base_url", None)
    return address if isinstance(address, str) and "://" in address else ""


@contextmanager
def _without_proxy(address: str) -> Iterator[None]:
    """Keep clients from going to this machine through a proxy: they read it from variables."""
    if not address or not is_loopback(address):
        yield
        return
    before = {name: os.environ.get(name) for name in ("no_proxy", "NO_PROXY")}
    hosts = before["no_proxy"] or before["NO_PROXY"]
    os.environ["no_proxy"] = f"{hosts},{host_of(address)}" if hosts else host_of(address)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
