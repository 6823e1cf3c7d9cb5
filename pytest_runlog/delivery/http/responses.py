"""What the response to a request says, or the lack of one."""

from __future__ import annotations

import socket
import ssl
from http.client import HTTPException
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from pytest_runlog.delivery.http.posting import Answer, Broke, Failed

if TYPE_CHECKING:
    from collections.abc import Iterator

READ_LIMIT = 2_000
"""Bytes of a response that are looked at."""

_BROKEN = (
    ConnectionResetError,
    ConnectionAbortedError,
    BrokenPipeError,
    HTTPException,
    TimeoutError,
)


def answer_of(response: Any, where: str) -> Answer:
    """What a response of `requests` says, also one that followed redirects.

    A client that knows nothing of statuses, and gives anything else, says with it that all is
    well. Raises `Failed` where something else than Infino has answered.
    """
    status = getattr(response, "status_code", None)
    if not isinstance(status, int) or isinstance(status, bool):
        return Answer(200)
    headers = _headers(response)
    followed = getattr(response, "history", None)
    if isinstance(followed, list) and followed and _method(response) == "GET":
        first = followed[0]  # a POST that became a GET delivered nothing
        return Answer(first.status_code, location=_headers(first).get("location", ""))
    if 200 <= status < 300 and headers.get("content-type", "").startswith("text/html"):
        raise Failed(f"{where} answered with a web page, so it is no Infino server")
    return Answer(
        status,
        "" if status < 300 else _text(response),
        _seconds(headers.get("retry-after", "")),
        headers.get("location", ""),
    )


def failure_of(error: BaseException, where: str) -> Failed | Broke:
    """What an exception of an HTTP client says of a request to this address.

    Clients wrap what the system tells them, each in exceptions of its own: these are known by
    what they wrap, and by their names.
    """
    causes = list(_causes(error))
    names = {kind.__name__ for cause in causes for kind in type(cause).__mro__}
    if "ProxyError" in names:
        host = urlsplit(where).hostname or where
        return Failed(
            f"the proxy on the way to {where} failed; the variable NO_PROXY={host} goes around it"
        )
    for cause in causes:
        if isinstance(cause, ssl.SSLError):
            return Failed(
                f"TLS with {where} failed, {_short(cause)}; REQUESTS_CA_BUNDLE can name a file of "
                "certificates to trust, and a server without TLS has an address with http://"
            )
        if isinstance(cause, socket.gaierror):
            return Failed(f"there is no host of the name in {where}; give the right address")
        if isinstance(cause, ConnectionRefusedError):
            return Failed(f"nothing listens at {where}; start the server, or give its address")
    if names & {"ConnectTimeout", "ConnectTimeoutError"}:
        return Failed(f"no connection to {where} came about; give the right address, or open it")
    if names & {"InvalidURL", "InvalidSchema", "MissingSchema", "LocationParseError"}:
        return Failed(f"{where} is no address; one is written http://host:3000")
    for cause in causes:
        if isinstance(cause, _BROKEN):
            return Broke(f"the connection broke: {_short(cause)}")
    for cause in causes:
        if isinstance(cause, OSError) and cause.errno is not None:
            return Failed(f"there is no way to {where}: {_short(cause)}")
    return Failed(f"{type(error).__name__} while sending to {where}: {error}")


def _causes(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    cause: BaseException | None = error
    while cause is not None and id(cause) not in seen:
        yield cause
        seen.add(id(cause))
        cause = cause.__cause__ or cause.__context__


def _short(error: BaseException) -> str:
    text = getattr(error, "strerror", None) or str(error)
    return text or type(error).__name__


def _headers(response: Any) -> dict[str, str]:
    headers = getattr(response, "headers", None) or {}
    return {str(name).lower(): str(value) for name, value in headers.items()}


def _method(response: Any) -> Any:
    return getattr(getattr(response, "request", None), "method", None)


def _text(response: Any) -> str:
    """The beginning of the body, read no further than that where it is still to be read."""
    raw = getattr(response, "raw", None)
    if raw is None or getattr(response, "_content_consumed", True):
        return str(getattr(response, "text", ""))[:READ_LIMIT]
    try:
        body: bytes = raw.read(READ_LIMIT, decode_content=True)
    except Exception:  # the status says enough
        return ""
    return body.decode("utf-8", "replace")


def _seconds(text: str) -> float:
    return float(text) if text.isascii() and text.isdecimal() else 0
