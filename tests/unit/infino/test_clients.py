from __future__ import annotations

import sys
from functools import partial
from types import ModuleType, SimpleNamespace
from typing import Any
from unittest.mock import MagicMock

import pytest

from pytest_runlog import InfinoCallbackHandler, InfinoRecorder
from pytest_runlog.infino.clients import Refused, default_client, sender_for, wants_index
from pytest_runlog.infino.payloads import Payload

LOG = Payload("log", {"date": 1, "prompt": "hi", "labels": {}})
METRIC = Payload("metric", {"date": 1, "latency": 0.5, "labels": {}})


class Posting:
    """What the generations of `infinopy.InfinoClient` have in common."""

    def __init__(self, base_url: str | None = None) -> None:
        self.requests: list[tuple[str, Any]] = []
        self.status = 200

    def post(self, path: str, payload: Any) -> Any:
        self.requests.append((path, payload))
        return SimpleNamespace(status_code=self.status)


class Infinopy001(Posting):
    def append_log(self, payload: Any) -> Any:
        return self.post("/append_log", payload)

    def append_ts(self, payload: Any) -> Any:
        return self.post("/append_ts", payload)


class Infinopy006(Posting):
    def append_log(self, payload: Any) -> Any:
        return self.post("/append_log", payload)

    def append_metric(self, payload: Any) -> Any:
        return self.post("/append_metric", payload)

    def append_ts(self, payload: Any) -> Any:
        raise AttributeError("'InfinoClient' object has no attribute '_append_metric'")


class InfinopyHead(Posting):
    def append_log(self, index_name: str, payload: Any) -> Any:
        return self.post(f"/{index_name}/append_log", payload)

    def append_metric(self, index_name: str, payload: Any) -> Any:
        return self.post(f"/{index_name}/append_metric", payload)


GENERATIONS = [
    (Infinopy001, "/append_log", "/append_ts"),
    (Infinopy006, "/append_log", "/append_metric"),
    (InfinopyHead, "/default/append_log", "/default/append_metric"),
]


@pytest.mark.parametrize(("generation", "log_path", "metric_path"), GENERATIONS)
def test_each_generation_of_the_client_is_called_in_its_own_way(
    generation: type[Any], log_path: str, metric_path: str
) -> None:
    client = generation()
    send = sender_for(client)

    send(LOG)
    send(METRIC)

    assert client.requests == [(log_path, LOG.body), (metric_path, METRIC.body)]


def test_the_index_is_the_one_that_the_handler_is_given() -> None:
    client = InfinopyHead()

    handler = InfinoCallbackHandler(client=client, index="prompts")
    handler.on_llm_start({}, ["hi"])

    assert client.requests[0][0] == "/prompts/append_log"


def optional_index(payload: Any, index: str = "default") -> None: ...
def keyword_index(payload: Any, *, index: str) -> None: ...
def anything(*args: Any, **kwargs: Any) -> None: ...
def index_first(index: str, payload: Any) -> None: ...
def index_first_and_options(index: str, payload: Any, timeout: float = 1.0) -> None: ...


@pytest.mark.parametrize(
    "append", [optional_index, keyword_index, anything, MagicMock(), [].append]
)
def test_a_method_that_requires_one_parameter_at_most_takes_the_payload_alone(append: Any) -> None:
    assert not wants_index(append)


@pytest.mark.parametrize("append", [index_first, index_first_and_options])
def test_a_method_that_requires_two_parameters_takes_an_index_first(append: Any) -> None:
    assert wants_index(append)
    assert not wants_index(partial(append, "default"))


def test_a_method_whose_parameters_cannot_be_told_takes_the_payload_alone() -> None:
    class Opaque:
        __signature__ = "unknown"

        def __call__(self, *args: Any) -> None: ...

    assert not wants_index(Opaque())


@pytest.mark.parametrize(
    ("client", "missing"),
    [
        (object(), "object has no append_log"),
        (SimpleNamespace(append_log=print), "SimpleNamespace has no append_metric"),
        (SimpleNamespace(append_ts=print), "SimpleNamespace has no append_log"),
        (SimpleNamespace(append_log=1, append_ts=print), "SimpleNamespace has no append_log"),
    ],
)
def test_an_object_that_is_no_client_is_refused_at_once(client: Any, missing: str) -> None:
    with pytest.raises(TypeError) as refused:
        InfinoCallbackHandler(client=client)

    assert str(refused.value) == (
        f"a client of Infino has append_log, and append_metric or append_ts; {missing}"
    )


@pytest.mark.parametrize(
    ("status", "message"),
    [
        (400, "the server answered 400"),
        (404, "the server answered 404 (are client and server of one generation?)"),
        (405, "the server answered 405 (are client and server of one generation?)"),
        (429, "the server answered 429"),
    ],
)
def test_a_status_that_infinopy_passes_over_is_a_failure(status: int, message: str) -> None:
    client = InfinopyHead()
    client.status = status

    with pytest.raises(Refused) as refused:
        sender_for(client)(LOG)

    assert str(refused.value) == message
    assert refused.value.status == status


@pytest.mark.parametrize("answer", [None, MagicMock(), SimpleNamespace(status_code=200)])
def test_any_other_answer_of_a_client_is_fine(answer: Any) -> None:
    client = SimpleNamespace(append_log=lambda payload: answer, append_ts=lambda payload: answer)

    sender_for(client)(LOG)
    sender_for(client)(METRIC)


def test_the_recorder_takes_the_calls_of_every_generation() -> None:
    recorder = InfinoRecorder()
    send = sender_for(recorder)

    send(LOG)
    send(METRIC)
    recorder.append_log("default", LOG.body)
    recorder.append_metric("default", METRIC.body)
    recorder.append_ts(METRIC.body)

    assert recorder.calls == [LOG, METRIC, LOG, METRIC, METRIC]


def test_the_default_client_is_infinopys_where_that_is_installed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    infinopy = ModuleType("infinopy")
    infinopy.InfinoClient = Infinopy006  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "infinopy", infinopy)

    assert isinstance(default_client(), Infinopy006)
    assert isinstance(InfinoCallbackHandler().client, Infinopy006)


CHOICES = (
    "InfinoCallbackHandler needs a client: pass client=…, any object with append_log and "
    "append_metric or append_ts (pytest_runlog.InfinoRecorder() keeps everything in memory), or "
    "install the vendor's infinopy from its repository; there is no infinopy on the package index"
)


@pytest.mark.parametrize("infinopy", [None, ModuleType("infinopy")], ids=["none", "another"])
def test_without_infinopy_the_error_names_the_choices(
    infinopy: ModuleType | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "infinopy", infinopy)

    with pytest.raises(ImportError) as missing:
        InfinoCallbackHandler("model", "1")

    assert str(missing.value) == CHOICES


def test_an_infinopy_that_cannot_be_imported_says_itself_what_it_misses(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    (tmp_path / "infinopy.py").write_text("import a_module_that_is_nowhere\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "infinopy", raising=False)

    with pytest.raises(ImportError, match="a_module_that_is_nowhere"):
        default_client()
