"""Infino's retired server as its sources have it: each generation, over real HTTP on loopback.

It is served by the standard library. What it keeps, drops and answers is what the server does
with the same request.
"""

from __future__ import annotations

import json
import re
import socket
import sys
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import parse_qs, unquote, urlsplit

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterator

GenerationName = Literal["ts", "metric", "index"]
"""Servers with `/append_ts`, with `/append_metric`, and with indexes."""

Answer = tuple[int, str]
Route = tuple[str, str]

MIB = 1024 * 1024
LIMITS: dict[GenerationName, int] = {"ts": 2 * MIB, "metric": 2 * MIB, "index": 5 * MIB}
"""Of a body, by default; the second generation has known both."""


@dataclass
class Index:
    """What is stored, by the rules of the server."""

    logs: list[tuple[int, dict[str, str]]] = field(default_factory=list)
    points: list[tuple[int, str, float, dict[str, str]]] = field(default_factory=list)

    def texts(self, key: str) -> list[str]:
        """The texts of this field of the logs, in order."""
        return [fields[key] for _, fields in self.logs if key in fields]

    def values(self, key: str) -> list[float]:
        """The values of this metric, in order."""
        return [value for _, name, value, _ in self.points if name == key]

    @property
    def record_ids(self) -> list[str]:
        """Of all that is stored: logs, then metrics."""
        return [fields["record_id"] for _, fields in self.logs] + [
            labels["record_id"] for _, _, _, labels in self.points
        ]


class InfinoServer:
    """A server of one generation; `next_answers` are given first, whatever is asked for."""

    def __init__(self, generation: GenerationName, *, limit: int | None = None) -> None:
        self.generation = generation
        self.limit = LIMITS[generation] if limit is None else limit
        self.indexes = {"default": Index()}
        self.requests: list[str] = []
        """What was asked for, as `"POST /append_log"`."""
        self.sizes: list[int] = []
        """The bytes of each body that was posted."""
        self.next_answers: list[tuple[int, dict[str, str], str]] = []
        self.headers: list[dict[str, str]] = []
        self.takes_then_is_busy: int | None = None
        """After how many entries of the next list it answers 429, as it does in the middle."""
        self.unacceptable: str | None = None
        """A text whose logs it answers 400 to, as a firewall in front of it may."""
        self.released = threading.Event()
        """Until then it does not answer, where `mute` is set."""
        self.mute = False
        self.asked = threading.Event()
        """Set when a request has come that is not answered."""
        self.url = ""

    @property
    def index(self) -> Index:
        """The one that there is by default, or the only one."""
        return self.indexes["default"]

    def answer(self, method: str, target: str, body: bytes | None) -> Answer:
        """What it answers, having done what it was asked."""
        path = urlsplit(target).path
        index_name, action = self._action(method, path)
        if action == "append_log":
            return self._append(index_name, body, log=True)
        if action in ("append_metric", "append_ts"):
            return self._append(index_name, body, log=False)
        if action == "ping":
            return 200, "OK"
        if action == "search_logs":
            return self._search(index_name, parse_qs(urlsplit(target).query))
        if action == "create":
            self.indexes[index_name] = Index()  # what was not committed is gone
            return 200, ""
        return (405 if action == "wrong method" else 404), ""

    def _action(self, method: str, path: str) -> Route:
        parts = [unquote(part) for part in path.split("/")[1:]]
        if (method, parts) == ("GET", ["ping"]):
            return "", "ping"
        if self.generation == "index":
            actions = {"GET": ["search_logs"], "POST": ["append_log", "append_metric"]}
            if len(parts) == 2 and parts[1] in actions.get(method, []):
                return parts[0], parts[1]
        else:
            metric = "append_ts" if self.generation == "ts" else "append_metric"
            if method == "POST" and len(parts) == 1 and parts[0] in ("append_log", metric):
                return "default", parts[0]
        if self.generation != "ts" and len(parts) == 1:
            return parts[0], "create" if method == "PUT" else "wrong method"
        return "", "nothing"

    def _append(self, index_name: str, body: bytes | None, *, log: bool) -> Answer:
        if body is None:
            return 413, "length limit exceeded"
        try:
            given = json.loads(body, parse_constant=_no_json)
            # Half of a surrogate pair is no text there.
            json.dumps(given, ensure_ascii=False).encode()
        except ValueError as error:
            return 400, f"Failed to parse the request body as JSON: {error}"
        entries = given if isinstance(given, list) else [given]
        if not all(isinstance(entry, dict) for entry in entries):
            return 400, f"Invalid {'log' if log else 'time series'} entry {given}"
        if self.unacceptable is not None and self.unacceptable in body.decode():
            return 400, "request was blocked"
        for number, entry in enumerate(entries):
            if self.takes_then_is_busy == number:
                self.takes_then_is_busy = None
                return 429, "Too many appends"
            if index_name not in self.indexes:
                if log:
                    return 400, "Could not find index"
                continue  # it is dropped
            self._store(self.indexes[index_name], entry, log=log)
        return 200, "{}" if log and self.generation == "index" else ""

    def _store(self, index: Index, entry: dict[str, Any], *, log: bool) -> None:
        date = entry.get("date")
        if isinstance(date, bool) or not isinstance(date, (int, float)) or date < 0:
            return  # "Timestamp error, ignoring entry"
        if log:
            texts = {key: text for key, text in entry.items() if isinstance(text, str)}
            index.logs.append((int(date), texts))
            return
        labels = entry.get("labels")
        kept = {
            name: text
            for name, text in (labels.items() if isinstance(labels, dict) else ())
            if isinstance(text, str)
        }
        for key, value in entry.items():
            number = isinstance(value, (int, float)) and not isinstance(value, bool)
            if key not in ("date", "labels") and number:
                index.points.append((int(date), key, float(value), kept))

    def _search(self, index_name: str, query: dict[str, list[str]]) -> Answer:
        if not query.get("q"):
            return 400, "No query provided"
        return (200, "{}") if index_name in self.indexes else (400, "Could not find index")


def _no_json(constant: str) -> None:
    raise ValueError(f"{constant} is no JSON")


class _Quiet(ThreadingHTTPServer):
    """Clients may break off, and requests may never be answered."""

    daemon_threads = True
    block_on_close = False

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)


@contextmanager
def serving(
    server: InfinoServer, *, prefix: str = "", tls: ssl.SSLContext | None = None
) -> Iterator[InfinoServer]:
    """The server on a port of its own, below a path if there is a prefix."""

    class Handler(BaseHTTPRequestHandler):
        def handle_any(self) -> None:
            server.requests.append(f"{self.command} {urlsplit(self.path).path}")
            server.headers.append(dict(self.headers))
            length = int(self.headers.get("Content-Length") or 0)
            body: bytes | None = self.rfile.read(length)
            if self.command == "POST":
                server.sizes.append(length)
            if length > server.limit:
                body = None
            if server.mute:
                server.asked.set()
                server.released.wait(60)
                return
            if server.next_answers:
                status, headers, text = server.next_answers.pop(0)
            else:
                target = re.sub(f"^{re.escape(prefix)}(?=/)", "", self.path)
                (status, text), headers = server.answer(self.command, target, body), {}
            if status == 0:  # the connection breaks
                self.close_connection = True
                return
            self.send_response(status)
            for name, value in {"Content-Type": "text/plain", **headers}.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(text.encode())))
            self.end_headers()
            self.wfile.write(text.encode())

        do_GET = do_POST = do_PUT = handle_any  # noqa: N815 (http.server calls them so)

        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing."""

    with _Quiet(("127.0.0.1", 0), Handler) as http:
        if tls is not None:
            http.socket = tls.wrap_socket(http.socket, server_side=True)
        scheme = "http" if tls is None else "https"
        server.url = f"{scheme}://127.0.0.1:{http.server_address[1]}{prefix}"
        thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.released.set()
            http.shutdown()
            thread.join(30)


def nowhere() -> str:
    """An address on which nothing listens."""
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{closed.getsockname()[1]}"
