"""`infinopy.InfinoClient` of each generation: its methods, and the requests that it makes.

There is no infinopy on the package index. These make the calls that its sources make.
"""

from __future__ import annotations

import os
from typing import Any

import requests

LOCAL = "http://localhost:3000"


class _Client:
    base_url: str

    def _post(self, path: str, payload: Any) -> requests.Response:
        return requests.request(  # noqa: S113 (infinopy has no timeout)
            "POST", self.base_url + path, params=None, json=payload
        )


class Infinopy001(_Client):
    def __init__(self) -> None:
        self.base_url = os.environ.get("INFINO_BASE_URL", LOCAL)

    def append_log(self, payload: Any) -> requests.Response:
        return self._post("/append_log", payload)

    def append_ts(self, payload: Any) -> requests.Response:
        return self._post("/append_ts", payload)


class Infinopy005(Infinopy001):
    """Also 0.0.2 to 0.0.4."""

    def __init__(self, base_url: str | None = None) -> None:
        super().__init__()
        if base_url:
            self.base_url = base_url

    def get_base_url(self) -> str:
        return self.base_url


class Infinopy007(Infinopy005):
    """Also 0.0.6, whose default is another."""

    def append_metric(self, payload: Any) -> requests.Response:
        return self._post("/append_metric", payload)

    def append_ts(self, payload: Any) -> requests.Response:
        return self.append_metric(payload)


class InfinopyHead(_Client):
    """At the head of the repository; it calls itself 0.0.7 too."""

    def __init__(self, base_url: str | None = None) -> None:
        self.base_url = base_url or os.environ.get("INFINO_BASE_URL", LOCAL)

    def append_log(self, index_name: str, payload: Any) -> requests.Response:
        return self._post("/" + index_name + "/append_log", payload)

    def append_metric(self, index_name: str, payload: Any) -> requests.Response:
        return self._post("/" + index_name + "/append_metric", payload)

    def get_base_url(self) -> str:
        return self.base_url
