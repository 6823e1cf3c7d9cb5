"""Opens the sink that a URI names."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_runlog.delivery.uris import HTTP_SCHEMES, check_uri, scheme_of

if TYPE_CHECKING:
    from pytest_runlog.delivery.sinks import Sink


def open_sink(uri: str, deadline: float) -> Sink:
    """The sink that a URI names; whatever it does ends within `deadline` seconds from now.

    Raises `ValueError` for a URI that names none, and `NotDelivered`, without records, where
    a package is missing.
    """
    check_uri(uri)
    # Imported when it is needed: the engine costs a process much, and must not be forked.
    if scheme_of(uri) in HTTP_SCHEMES:
        from pytest_runlog.delivery.http.sink import HttpSink

        return HttpSink(uri, deadline)
    from pytest_runlog.delivery.engine import EngineSink

    return EngineSink(uri, deadline)
