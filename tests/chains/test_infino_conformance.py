"""The payloads are those of LangChain's class, on the same runs."""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest
from langchain_core.caches import InMemoryCache
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.outputs import Generation, LLMResult

from pytest_runlog import InfinoCallbackHandler
from support.chains import QUESTION, question_chain
from support.infino import ListClient, in_common, keys, langchains_handler
from support.models import (
    FakeCompletion,
    ModelDown,
    chat,
    completion,
    generic_chat,
    streaming_completion,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from langchain_core.callbacks import CallbackManagerForLLMRun

LABELS = ("gpt-4", "2024-01-01")
PROMPTS = ["one", "two", "three"]
COMPLETE = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}


class Reporting(FakeCompletion):
    """A completion model that gives several answers and any `llm_output`."""

    answers: list[str] = ["hello", "there"]  # noqa: RUF012 (pydantic copies it)
    output: Any = None

    def _generate(
        self,
        prompts: list[str],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> LLMResult:
        generations = [[Generation(text=answer) for answer in self.answers] for _ in prompts]
        return LLMResult(generations=generations, llm_output=self.output)

    async def _agenerate(self, *args: Any, **kwargs: Any) -> LLMResult:
        return await asyncio.to_thread(self._generate, *args, **kwargs)


MODELS: dict[str, Callable[[], Any]] = {
    "usage": FakeCompletion,
    "no usage": lambda: FakeCompletion(usage=None),
    "LangChain's fake": completion,
    "LangChain's streaming fake": streaming_completion,
    "two answers": Reporting,
    "two answers and usage": lambda: Reporting(output={"token_usage": COMPLETE}),
    "usage is None": lambda: Reporting(output={"token_usage": None}),
    "empty answer": lambda: Reporting(answers=[""]),
    "failing": lambda: FakeCompletion(error=ModelDown("overloaded")),
}


def invoke(model: Any, config: Any) -> None:
    model.invoke(PROMPTS[0], config)


def batch(model: Any, config: Any) -> None:
    # One after another: two handlers on several threads are not called in one order.
    model.batch(PROMPTS, {**config, "max_concurrency": 1})


def abatch(model: Any, config: Any) -> None:
    asyncio.run(model.abatch(PROMPTS, {**config, "max_concurrency": 1}))


def astream_events(model: Any, config: Any) -> None:
    async def drive() -> None:
        async for _ in model.astream_events(PROMPTS[0], config, version="v2"):
            pass

    asyncio.run(drive())


def from_a_cache(model: Any, config: Any) -> None:
    cached = model.model_copy(update={"cache": InMemoryCache()})
    for _ in range(2):
        cached.invoke(PROMPTS[0], config)


def generate(model: Any, config: Any) -> None:
    model.generate(PROMPTS, callbacks=config["callbacks"])


def stream(model: Any, config: Any) -> None:
    list(model.stream(PROMPTS[0], config))


def in_a_chain(model: Any, config: Any) -> None:
    question_chain(model).invoke({"question": QUESTION}, config)


def ainvoke(model: Any, config: Any) -> None:
    asyncio.run(model.ainvoke(PROMPTS[0], config))


def astream(model: Any, config: Any) -> None:
    async def drive() -> None:
        async for _ in model.astream(PROMPTS[0], config):
            pass

    asyncio.run(drive())


def agenerate(model: Any, config: Any) -> None:
    asyncio.run(model.agenerate(PROMPTS, callbacks=config["callbacks"]))


OF_BOTH_KINDS = [
    invoke,
    batch,
    stream,
    in_a_chain,
    ainvoke,
    astream,
    abatch,
    astream_events,
    from_a_cache,
]
"""Ways to run a model that chat models have too."""


def both(
    drive: Callable[[Any, Any], None], model: Any, *others: BaseCallbackHandler
) -> tuple[ListClient, ListClient]:
    """What LangChain's handler and ours send about the same runs."""
    theirs, ours = ListClient(), ListClient()
    handlers = [
        langchains_handler(theirs, *LABELS),
        *others,
        InfinoCallbackHandler(*LABELS, client=ours),
    ]
    with suppress(ModelDown):
        drive(model, {"callbacks": handlers})
    return theirs, ours


@pytest.mark.parametrize("drive", [*OF_BOTH_KINDS, generate], ids=lambda drive: drive.__name__)
@pytest.mark.parametrize("model", MODELS.values(), ids=MODELS)
def test_the_payloads_of_a_completion_model_are_those_of_langchains_handler(
    model: Callable[[], Any], drive: Callable[[Any, Any], None]
) -> None:
    theirs, ours = both(drive, model())

    assert theirs.calls
    assert in_common(ours.calls) == in_common(theirs.calls)


@pytest.mark.parametrize("model", MODELS.values(), ids=MODELS)
def test_the_payloads_of_concurrent_prompts_are_the_same_in_another_order(
    model: Callable[[], Any],
) -> None:
    theirs, ours = both(agenerate, model())

    assert len(theirs.calls) >= len(PROMPTS)
    assert sorted(map(repr, in_common(ours.calls))) == sorted(map(repr, in_common(theirs.calls)))


@pytest.mark.parametrize("drive", OF_BOTH_KINDS, ids=lambda drive: drive.__name__)
def test_the_payloads_of_a_chat_model_are_those_of_langchains_handler(
    drive: Callable[[Any, Any], None],
) -> None:
    theirs, ours = both(drive, chat("hello", usage=None))

    assert keys(theirs.calls)[0] == "prompt"
    assert in_common(ours.calls) == in_common(theirs.calls)


def test_the_payloads_of_langchains_own_fake_chat_model_are_the_same() -> None:
    theirs, ours = both(in_a_chain, generic_chat("hello"))

    assert keys(theirs.calls) == ["prompt", "latency", "error", "prompt_response"]
    assert in_common(ours.calls) == in_common(theirs.calls)


def test_other_handlers_change_nothing() -> None:
    second = ListClient()
    others = [BaseCallbackHandler(), InfinoCallbackHandler(*LABELS, client=second)]

    theirs, ours = both(generate, FakeCompletion(), *others)

    assert in_common(ours.calls) == in_common(theirs.calls)
    assert in_common(second.calls) == in_common(theirs.calls)


def test_the_fields_of_a_payload_and_its_labels_are_in_langchains_order() -> None:
    theirs, ours = both(invoke, FakeCompletion())

    assert [list(body) for _, body in ours.calls] == [list(body) for _, body in theirs.calls]
    assert list(ours.calls[0][1]["labels"]) == ["model_id", "model_version", "run_id"]
    assert ours.calls[0][1]["labels"]["model_id"] == "gpt-4"


@pytest.mark.parametrize(
    ("output", "sent"),
    [
        ({}, []),
        ({"model_name": "gpt-4"}, []),
        ({"token_usage": {}}, []),
        ({"token_usage": {"prompt_tokens": 3}}, ["prompt_tokens"]),
        (
            {"token_usage": {"prompt_tokens": 3, "completion_tokens": 2}},
            ["prompt_tokens", "total_tokens", "completion_tokens"],
        ),
    ],
)
def test_where_langchains_handler_stops_at_a_missing_count_ours_goes_on(
    output: dict[str, Any], sent: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        theirs, ours = both(invoke, Reporting(output=output))

    assert "Error in InfinoCallbackHandler.on_llm_end callback: KeyError(" in caplog.text
    rest = in_common(ours.calls)[: len(theirs.calls)]
    assert rest == in_common(theirs.calls)
    assert keys(ours.calls)[5:] == sent


def test_where_langchains_handler_stops_at_empty_generations_ours_goes_on() -> None:
    theirs, ours = ListClient(), ListClient()
    stock: Any = langchains_handler(theirs, *LABELS)
    stock.is_chat_openai_model = True
    handler = InfinoCallbackHandler(*LABELS, client=ours)
    stock.on_llm_start({}, ["hello"])
    handler.on_llm_start({}, ["hello"])

    with pytest.raises(UnboundLocalError):
        stock.on_llm_end(LLMResult(generations=[]))
    handler.on_llm_end(LLMResult(generations=[]))

    assert keys(ours.calls) == ["prompt", "latency", "error"]
    assert in_common(ours.calls) == in_common(theirs.calls)


def test_a_prompt_without_answers_sends_none() -> None:
    theirs, ours = both(generate, Reporting(answers=[]))

    assert "prompt_response" not in keys(ours.calls)
    assert in_common(ours.calls) == in_common(theirs.calls)


def test_a_chain_of_steps_sends_nothing_that_langchains_handler_would_not() -> None:
    def one_after_another(model: Any, config: Any) -> None:
        config["max_concurrency"] = 1
        question_chain(model).batch([{"question": text} for text in PROMPTS], config)

    theirs, ours = both(one_after_another, FakeCompletion())

    assert len(theirs.calls) == 7 * len(PROMPTS)
    assert in_common(ours.calls) == in_common(theirs.calls)
