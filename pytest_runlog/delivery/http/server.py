"""The retired server over HTTP: which generation it is shows when it is asked."""

from __future__ import annotations

from ipaddress import ip_address
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

from pytest_runlog.delivery.http.posting import Answer, Broke, Failed
from pytest_runlog.delivery.http.responses import answer_of, failure_of
from pytest_runlog.delivery.http.wire import INDEX, METRIC, TS, Generation
from pytest_runlog.delivery.uris import without_credentials
from pytest_runlog.infino.clients import DEFAULT_INDEX

if TYPE_CHECKING:
    from pytest_runlog.delivery.http.posting import Deadline
    from pytest_runlog.infino.payloads import Kind

CONNECT_TIMEOUT = 5.0

NO_ROUTE = (404, 405)

_ASK = {
    "q": "runlog",
    "start_time": "1970-01-01T00:00:00Z",
    "end_time": "1970-01-01T00:00:00Z",
}
"""A search that finds nothing and costs nothing."""


class Server:
    """A route to the server at an address, whatever its generation."""

    def __init__(self, address: str, deadline: Deadline, index: str = DEFAULT_INDEX) -> None:
        self.where = without_credentials(address)
        self.index = index
        self._address = address
        self._deadline = deadline
        self._generation: Generation | None = None

    def post(self, kind: Kind, bodies: list[dict[str, Any]]) -> Answer:
        """Send some payloads of one kind, on the routes that the server has."""
        if self._generation is None:
            answer = self.find()
            if self._generation is None:
                return answer
        answer = self._request("POST", self._route(kind), bodies)
        if answer.status in NO_ROUTE and kind == "metric" and self._generation is METRIC:
            older = self._request("POST", TS.metric, bodies)
            if older.status not in NO_ROUTE:
                self._generation = TS
                return older
        return answer

    def find(self) -> Answer:
        """Ask which generation it is, and have the index there if it is one with indexes.

        A server with indexes answers 200 to metrics for an index that it does not know, and
        drops them. To make an index that is there would lose what it has not yet written, so it
        is asked for first. The answer is the last one, whether or not it told anything.
        """
        path = f"/{quote(self.index, safe='')}"
        answer = self._request("GET", path + "/search_logs", params=_ASK)
        if answer.status in NO_ROUTE:
            self._generation = METRIC  # or older: that shows when metrics are sent
        elif answer.status == 400 and "index" in answer.text.lower():
            made = self._request("PUT", path)
            if made.status == 429 or made.status >= 500:
                return made
            if not 200 <= made.status < 300:
                raise Failed(
                    f"{self.where} has no index {self.index!r}, and answered {made.status} when "
                    "asked to make it; make it, or name one that is there with ?index=NAME"
                )
            self._generation = INDEX
        elif answer.status == 400 or 200 <= answer.status < 300:
            self._generation = INDEX
        return answer

    def explain_missing(self, kind: Kind, status: int) -> str:
        """What it means that the server has no such route, and what to do."""
        routes = [self._route(kind)]
        if kind == "metric" and self._generation is METRIC:
            routes.append(TS.metric)
        return (
            f"{self.where} answered {status} to {' and '.join(routes)}, so it is no Infino server "
            "of any generation; give the right address, with the path if there is one"
        )

    def _route(self, kind: Kind) -> str:
        return (self._generation or INDEX).route(kind, quote(self.index, safe=""))

    def _request(
        self, method: str, path: str, body: Any = None, params: dict[str, str] | None = None
    ) -> Answer:
        try:
            import requests
        except ImportError as error:
            raise Failed(
                f"the package requests, which langchain-core needs too, is missing: {error}; "
                "install it to deliver to a server"
            ) from error
        left = self._deadline.left()
        if not left:
            raise Broke("there was no time left")
        # The deadline has passed before these have, and says so.
        timeout = (min(CONNECT_TIMEOUT, left + 1), left + 1)
        direct = {"no_proxy": host_of(self._address)} if is_loopback(self._address) else None
        try:
            with requests.request(
                method,
                self._address + path,
                json=body,
                params=params,
                timeout=timeout,
                allow_redirects=False,
                stream=True,
                proxies=direct,
            ) as response:
                return answer_of(response, self.where)
        except Failed:
            raise
        except Exception as error:
            raise failure_of(error, self.where) from error


def host_of(address: str) -> str:
    """The host of an address, in lower case and without brackets; empty where there is none."""
    return urlsplit(address).hostname or ""


def is_loopback(address: str) -> bool:
    """Whether the host is this machine, which no proxy leads to."""
    host = host_of(address)
    try:
        number = ip_address(host)
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
    return number.is_loopback or number.is_unspecified
