"""The handler with a client of each generation, and its server: what is kept."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from pytest_runlog import InfinoCallbackHandler
from support.infino import langchains_handler
from support.infino_server import GenerationName, InfinoServer, serving
from support.infinopy import Infinopy005, Infinopy007, InfinopyHead
from support.models import FakeCompletion, ModelDown, chat

GENERATIONS: list[tuple[type[Any], GenerationName]] = [
    (Infinopy005, "ts"),
    (Infinopy007, "metric"),
    (InfinopyHead, "index"),
]

every_generation = pytest.mark.parametrize(
    ("client_class", "generation"), GENERATIONS, ids=lambda value: getattr(value, "__name__", value)
)


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """The clients would ask one for the way to this machine, if there is one."""
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.setenv(name, "127.0.0.1")


def run(model: Any, *handlers: Any) -> None:
    model.invoke("What is RFC 6902?", {"callbacks": [*handlers]})


@every_generation
def test_a_server_of_each_generation_keeps_what_the_handler_sends_of_a_call(
    client_class: type[Any], generation: GenerationName
) -> None:
    with serving(InfinoServer(generation)) as server:
        run(FakeCompletion(), InfinoCallbackHandler("gpt-4", "1", client=client_class(server.url)))

        index = server.index
        assert index.texts("prompt") == ["What is RFC 6902?"]
        assert len(index.texts("prompt_response")) == 1
        assert index.values("error") == [0]
        assert index.values("total_tokens") == [9]
        (latency,) = index.values("latency")
        assert latency > 0
        assert len({labels.pop("run_id") for *_, labels in index.points}) == 1
        assert all(
            labels == {"model_id": "gpt-4", "model_version": "1"} for *_, labels in index.points
        )


@every_generation
def test_a_server_of_each_generation_keeps_that_a_call_failed(
    client_class: type[Any], generation: GenerationName
) -> None:
    with serving(InfinoServer(generation)) as server:
        handler = InfinoCallbackHandler(client=client_class(server.url))
        with pytest.raises(ModelDown):
            run(chat(ModelDown("overloaded")), handler)

        assert server.index.values("error") == [1]
        assert server.index.texts("error_message") == ["ModelDown: overloaded"]


def test_where_langchains_handler_sends_nothing_ours_speaks_to_the_latest_generation() -> None:
    with serving(InfinoServer("index")) as server:
        run(FakeCompletion(usage=None), langchains_handler(InfinopyHead(server.url)))
        assert server.requests == []

        run(FakeCompletion(usage=None), InfinoCallbackHandler(client=InfinopyHead(server.url)))
        assert len(server.index.logs) == len(server.index.points) == 2


def test_a_client_and_a_server_of_different_generations_are_not_passed_over(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with serving(InfinoServer("index")) as server, caplog.at_level(logging.WARNING):
        run(FakeCompletion(), InfinoCallbackHandler(client=Infinopy007(server.url)))

    hint = "(are client and server of one generation?)"
    assert caplog.text.count(f"Refused('the server answered 405 {hint}')") == 2  # a log, a metric
