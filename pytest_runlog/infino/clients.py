"""Clients of Infino, of whatever generation.

The generations of `infinopy.InfinoClient` differ in the names of their methods and in what
these take:

| up to 0.0.5     | `append_log(payload)`        | `append_ts(payload)`            |
| 0.0.6 and 0.0.7 | `append_log(payload)`        | `append_metric(payload)`        |
| later           | `append_log(index, payload)` | `append_metric(index, payload)` |
"""

from __future__ import annotations

from importlib import import_module
from inspect import Parameter, signature
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_runlog.infino.payloads import Kind, Payload

DEFAULT_INDEX = "default"
"""The one index that the server has from the start."""

_POSITIONAL = (Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD)


class InfinoClient(Protocol):
    """What payloads are sent to: `infinopy.InfinoClient`, or any object like it.

    Besides this method it has `append_metric` or, in older generations, `append_ts`.
    """

    @property
    def append_log(self) -> Callable[..., Any]:
        """Sends a log: `append_log(payload)` or `append_log(index, payload)`."""


Send: TypeAlias = "Callable[[Payload], None]"
"""Sends one payload; raises what the client raises, and `Refused`."""


class Refused(Exception):
    """The server answered that it did not take a payload; `infinopy` would not say so."""

    def __init__(self, status: int) -> None:
        hint = " (are client and server of one generation?)" if status in (404, 405) else ""
        super().__init__(f"the server answered {status}{hint}")
        self.status = status


def sender_for(client: InfinoClient, index: str = DEFAULT_INDEX) -> Send:
    """A function that sends to this client, in the calls of its generation.

    `index` is where clients put it that ask for one. Raises `TypeError` for an object that
    is no client.
    """
    append = appender_for(client, index)

    def send(payload: Payload) -> None:
        status = getattr(append(payload.kind, payload.body), "status_code", None)
        if isinstance(status, int) and status >= 400:
            raise Refused(status)

    return send


def appender_for(
    client: InfinoClient, index: str = DEFAULT_INDEX
) -> Callable[[Kind, dict[str, Any] | list[dict[str, Any]]], Any]:
    """A function that passes a body, or a list of them, to this client, and gives its answer.

    Raises `TypeError` for an object that is no client.
    """
    methods = {"log": "append_log", "metric": metric_method(client)}
    for method in methods.values():
        if not callable(getattr(client, method, None)):
            raise TypeError(
                "a client of Infino has append_log, and append_metric or append_ts; "
                f"{type(client).__name__} has no {method}"
            )
    takes_index = {kind: wants_index(getattr(client, name)) for kind, name in methods.items()}

    def append(kind: Kind, body: dict[str, Any] | list[dict[str, Any]]) -> Any:
        method = getattr(client, methods[kind])
        return method(index, body) if takes_index[kind] else method(body)

    return append


def wants_index(append: Callable[..., Any]) -> bool:
    """Whether an append method cannot be called with the payload alone.

    That is told from how many parameters it requires: one that has none to require, or
    does not say, takes the payload.
    """
    try:
        parameters = signature(append).parameters.values()
    except (TypeError, ValueError):  # written in C
        return False
    required = [
        parameter
        for parameter in parameters
        if parameter.kind in _POSITIONAL and parameter.default is Parameter.empty
    ]
    return len(required) > 1


def default_client() -> InfinoClient:
    """An `infinopy.InfinoClient()`; an `ImportError` that names the choices without it."""
    try:
        client_class = import_module("infinopy").InfinoClient
    except (ImportError, AttributeError) as error:
        if isinstance(error, ImportError) and error.name != "infinopy":
            raise  # it is there, and misses something itself
        raise ImportError(
            "InfinoCallbackHandler needs a client: pass client=…, any object with append_log and "
            "append_metric or append_ts (pytest_runlog.InfinoRecorder() keeps everything in "
            "memory), or install the vendor's infinopy from its repository; there is no infinopy "
            "on the package index",
            name="infinopy",
        ) from None
    client: InfinoClient = client_class()
    return client


def metric_method(client: InfinoClient) -> str:
    """The name of the method that sends metrics."""
    # Some generations have an append_ts that does not work, so it comes second.
    if hasattr(client, "append_metric") or not hasattr(client, "append_ts"):
        return "append_metric"
    return "append_ts"
