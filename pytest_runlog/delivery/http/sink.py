"""The sink of `http://…`: Infino's retired server."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

from pytest_runlog.delivery.http.client import InfinoClientSink
from pytest_runlog.delivery.http.posting import Deadline, deliver
from pytest_runlog.delivery.http.server import Server
from pytest_runlog.delivery.uris import without_credentials
from pytest_runlog.infino.clients import DEFAULT_INDEX

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_runlog.delivery.records import Record
    from pytest_runlog.delivery.sinks import Sink
    from pytest_runlog.infino.clients import InfinoClient


class HttpSink:
    """Delivers to the server at an address, through `infinopy` where that is installed.

    Without it the routes of the server's generation are found by asking. The address may have
    a path, a name and a password, and in `?index=NAME` the index that servers put records in
    which have several. All that is sent is sent within `deadline` seconds from now. Raises
    `ValueError` for what is no address.
    """

    def __init__(self, uri: str, deadline: float) -> None:
        try:
            parts = urlsplit(uri)
            _ = parts.port
        except ValueError as error:
            raise ValueError(f"{without_credentials(uri)!r} is no address: {error}") from None
        index = parse_qs(parts.query).get("index", [DEFAULT_INDEX])[-1]
        address = f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/')}"
        client = _infinopy(address)
        self._sink: Sink
        if client is not None:
            self._sink = InfinoClientSink(client, deadline, index)
        else:
            self._sink = _ServerSink(address, deadline, index)

    def send(self, records: Sequence[Record]) -> None:
        """Deliver these records. Raises `NotDelivered`."""
        self._sink.send(records)


class _ServerSink:
    def __init__(self, address: str, deadline: float, index: str) -> None:
        self._deadline = Deadline.after(deadline)
        self._route = Server(address, self._deadline, index)

    def send(self, records: Sequence[Record]) -> None:
        deliver(records, self._route, self._deadline)


def _infinopy(address: str) -> InfinoClient | None:
    """A client of `infinopy` for this address, if there is an `infinopy`."""
    try:
        client_class = import_module("infinopy").InfinoClient
    except (ImportError, AttributeError):
        return None
    client: InfinoClient
    try:
        client = client_class(address)
    except TypeError:  # 0.0.1 takes no address
        client = client_class()
        client.base_url = address  # type: ignore[attr-defined]
    return client
