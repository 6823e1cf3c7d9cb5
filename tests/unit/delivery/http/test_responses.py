"""What exceptions of HTTP clients say; those that a loopback server can cause: `test_http.py`."""

from __future__ import annotations

import errno

import pytest
import requests

from pytest_runlog.delivery.http.posting import Broke, Deadline, Failed
from pytest_runlog.delivery.http.responses import failure_of
from pytest_runlog.delivery.http.server import Server
from support.infino_server import nowhere

WHERE = "http://infino.example:3000"


def wrapping(cause: Exception) -> Exception:
    """As clients raise what the system tells them."""
    try:
        try:
            raise cause
        except type(cause):
            raise requests.ConnectionError("wrapped")  # noqa: B904
    except requests.ConnectionError as error:
        return error


@pytest.mark.parametrize("wrapped", [False, True])
@pytest.mark.parametrize(
    ("error", "kind", "text"),
    [
        (
            requests.ConnectTimeout(),
            Failed,
            f"no connection to {WHERE} came about; give the right address, or open it",
        ),
        (
            OSError(errno.EHOSTUNREACH, "No route to host"),
            Failed,
            f"there is no way to {WHERE}: No route to host",
        ),
        (
            ConnectionResetError(errno.ECONNRESET, "Connection reset by peer"),
            Broke,
            "the connection broke: Connection reset by peer",
        ),
        (BrokenPipeError(), Broke, "the connection broke: BrokenPipeError"),
    ],
)
def test_what_the_system_tells_is_known_however_a_client_wraps_it(
    error: Exception, kind: type[Exception], text: str, wrapped: bool
) -> None:
    failure = failure_of(wrapping(error) if wrapped else error, WHERE)

    assert type(failure) is kind
    assert str(failure) == text


def test_any_other_exception_is_shown() -> None:
    assert str(failure_of(ZeroDivisionError("no"), WHERE)) == (
        f"ZeroDivisionError while sending to {WHERE}: no"
    )


def test_exceptions_that_are_each_others_causes_are_looked_at_once() -> None:
    first, second = ValueError("one"), ValueError("two")
    first.__cause__, second.__cause__ = second, first

    assert str(failure_of(first, WHERE)) == f"ValueError while sending to {WHERE}: one"


def test_a_request_for_which_there_is_no_time_is_not_made() -> None:
    with pytest.raises(Broke, match="there was no time left"):
        Server(nowhere(), Deadline.after(0)).find()
