"""What LangChain's InfinoCallbackHandler gets wrong, and ours must not.

Numbers 3, 4 and 13 are about concurrent calls: see `test_infino_concurrency.py`.
"""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING, Any

import pytest
from langchain_core.messages import AIMessage, HumanMessage, InvalidToolCall
from langchain_core.outputs import ChatGeneration, ChatResult, Generation, LLMResult
from langchain_core.runnables import RunnableLambda
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import END, START, StateGraph
from langgraph.types import interrupt

from pytest_runlog import InfinoCallbackHandler
from support.chains import State, Unreachable, agent, broken, question_chain, retriever
from support.infino import HandClock, ListClient, by_run, keys, values
from support.models import (
    FakeChat,
    FakeCompletion,
    ModelDown,
    calling,
    chat,
    completion,
    flaky,
)

if TYPE_CHECKING:
    from langchain_core.callbacks import BaseCallbackHandler
    from langchain_core.messages import BaseMessage

Drive = Any
"""Runs a model on one input with these callbacks, to its end or its error."""


@pytest.fixture
def client() -> ListClient:
    return ListClient()


@pytest.fixture
def handler(client: ListClient) -> InfinoCallbackHandler:
    return InfinoCallbackHandler("model", "1", client=client)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> HandClock:
    clock = HandClock()
    monkeypatch.setattr("pytest_runlog.infino.handler._now", clock)
    return clock


def invoke(model: Any, text: Any, *handlers: Any) -> Any:
    return model.invoke(text, {"callbacks": [*handlers]})


def ainvoke(model: Any, text: Any, *handlers: Any) -> Any:
    return asyncio.run(model.ainvoke(text, {"callbacks": [*handlers]}))


def stream(model: Any, text: Any, *handlers: Any) -> Any:
    return list(model.stream(text, {"callbacks": [*handlers]}))


def astream(model: Any, text: Any, *handlers: Any) -> Any:
    async def drive() -> list[Any]:
        return [chunk async for chunk in model.astream(text, {"callbacks": [*handlers]})]

    return asyncio.run(drive())


every_way = pytest.mark.parametrize(
    "drive", [invoke, ainvoke, stream, astream], ids=lambda drive: drive.__name__
)
both_ways = pytest.mark.parametrize("drive", [invoke, ainvoke], ids=lambda drive: drive.__name__)


class ChatOpenAI(FakeChat):
    """Named like the class that LangChain's handler counts tokens for by itself."""

    output: Any = None

    def _generate(self, messages: list[BaseMessage], *args: Any, **kwargs: Any) -> ChatResult:
        result = super()._generate(messages, *args, **kwargs)
        result.llm_output = self.output
        return result

    @property
    def _identifying_params(self) -> dict[str, Any]:
        return {"model_name": self.model}


class Reporting(FakeCompletion):
    """A completion model with the `llm_output` that it is given."""

    output: Any = None

    def llm_output(self) -> dict[str, Any] | None:
        output: dict[str, Any] | None = self.output
        return output


# 1. The client is hard-wired


def test_the_client_is_the_one_that_is_given(
    handler: InfinoCallbackHandler, client: ListClient
) -> None:
    invoke(completion("hello"), "hi", handler)

    assert handler.client is client
    assert values(client.calls, "prompt_response") == ["hello"]


# 2. An error of a model sends nothing


@every_way
def test_a_failed_call_sends_its_latency_and_that_there_was_an_error(
    drive: Drive, handler: InfinoCallbackHandler, client: ListClient
) -> None:
    with pytest.raises(ModelDown):
        drive(FakeCompletion(error=ModelDown("overloaded")), "hi", handler)

    assert keys(client.calls) == ["prompt", "latency", "error", "error_message"]
    assert values(client.calls, "error") == [1]
    assert values(client.calls, "error_message") == ["ModelDown: overloaded"]
    assert values(client.calls, "latency")[0] > 0


@every_way
def test_a_failed_call_of_a_chat_model_sends_the_same(
    drive: Drive, handler: InfinoCallbackHandler, client: ListClient
) -> None:
    with pytest.raises(ModelDown):
        drive(chat(ModelDown("overloaded")), "hi", handler)

    assert keys(client.calls) == ["prompt", "latency", "error", "error_message"]
    assert values(client.calls, "error") == [1]


def test_a_stream_that_breaks_sends_an_error_and_no_answer(
    handler: InfinoCallbackHandler, client: ListClient
) -> None:
    with pytest.raises(ModelDown):
        stream(chat("hello there you", breaks_after=2), "hi", handler)

    assert keys(client.calls) == ["prompt", "latency", "error", "error_message"]


def test_the_latency_of_a_failed_call_is_the_time_that_it_took(
    handler: InfinoCallbackHandler, client: ListClient, clock: HandClock
) -> None:
    def fail(text: str) -> str:
        clock.move(0.25)
        raise ModelDown(text)

    with pytest.raises(ModelDown):
        invoke(chat(fail), "hi", handler)

    assert values(client.calls, "latency") == [0.25]


@pytest.mark.parametrize("model", [FakeCompletion(), chat("hello there")], ids=["llm", "chat"])
def test_a_stream_that_is_closed_early_is_neither_an_error_nor_an_answer(
    model: Any, handler: InfinoCallbackHandler, client: ListClient
) -> None:
    chunks = model.stream("hi", {"callbacks": [handler]})
    next(chunks)
    chunks.close()

    assert keys(client.calls) == ["prompt"]


# 5. Missing token counts lose what follows


@pytest.mark.parametrize(
    "output", [None, {}, {"model_name": "x"}, {"token_usage": None}, {"token_usage": {}}], ids=repr
)
@both_ways
def test_a_model_that_reports_no_counts_sends_all_but_tokens(
    drive: Drive, output: Any, handler: InfinoCallbackHandler, client: ListClient
) -> None:
    drive(Reporting(output=output), "hi", handler)

    assert keys(client.calls) == ["prompt", "latency", "error", "prompt_response"]


def test_a_count_that_is_not_reported_is_not_sent(
    handler: InfinoCallbackHandler, client: ListClient
) -> None:
    invoke(Reporting(output={"token_usage": {"completion_tokens": 2}}), "hi", handler)

    assert keys(client.calls)[4:] == ["completion_tokens"]


def test_every_prompt_of_generate_is_sent_whole_and_the_tokens_once(
    handler: InfinoCallbackHandler, client: ListClient
) -> None:
    callbacks: list[BaseCallbackHandler] = [handler]

    FakeCompletion().generate(["one", "two"], callbacks=callbacks)

    first, second = by_run(client.calls).values()
    assert (first["prompt"], first["total_tokens"]) == (["one"], [9])
    assert (second["prompt"], second.get("total_tokens")) == (["two"], None)
    assert first.keys() - second.keys() == {"prompt_tokens", "completion_tokens", "total_tokens"}


# 6. Content of blocks loses the call


@both_ways
def test_of_content_in_blocks_the_text_is_sent(
    drive: Drive, handler: InfinoCallbackHandler, client: ListClient
) -> None:
    question = HumanMessage(
        [
            {"type": "text", "text": "What is"},
            {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}},
            "this?",
        ]
    )
    answer = AIMessage([{"type": "text", "text": "A cat."}])

    drive(chat(answer), [("system", "Be brief."), question], handler)

    assert values(client.calls, "prompt") == ["Be brief. What is [image_url] this?"]
    assert values(client.calls, "error") == [0]


def test_of_an_answer_in_blocks_the_text_is_sent(
    handler: InfinoCallbackHandler, client: ListClient
) -> None:
    answer = AIMessage([{"type": "text", "text": "A cat."}, {"type": "text", "text": " Or two."}])

    invoke(chat(answer), "hi", handler)

    assert values(client.calls, "prompt_response") == ["A cat. Or two."]


# 7, 8 and 9. A class named ChatOpenAI has its tokens counted here, twice, and so have others


@pytest.fixture
def no_tiktoken(monkeypatch: pytest.MonkeyPatch) -> None:
    """Importing it fails, whether it is installed or not."""
    monkeypatch.setitem(sys.modules, "tiktoken", None)


@pytest.mark.usefixtures("no_tiktoken")
@every_way
def test_a_model_named_chatopenai_sends_the_tokens_that_it_reports(
    drive: Drive, handler: InfinoCallbackHandler, client: ListClient
) -> None:
    drive(ChatOpenAI(answers=["hello"], model="gpt-unheard-of", usage=(50, 2)), "hi", handler)

    assert keys(client.calls) == [
        "prompt",
        "latency",
        "error",
        "prompt_response",
        "prompt_tokens",
        "total_tokens",
        "completion_tokens",
    ]
    assert values(client.calls, "prompt_tokens") == [50]
    assert values(client.calls, "completion_tokens") == [2]


@pytest.mark.usefixtures("no_tiktoken")
def test_a_model_after_one_named_chatopenai_has_no_tokens_made_up(
    handler: InfinoCallbackHandler, client: ListClient
) -> None:
    invoke(ChatOpenAI(answers=["hello"]), "hi", handler)
    before = len(client.calls)

    invoke(chat("hello", usage=None), "hi", handler)
    invoke(completion("hello"), "hi", handler)

    kinds = ["prompt", "latency", "error", "prompt_response"]
    assert keys(client.calls[before:]) == [*kinds, *kinds]


def test_tokens_that_are_reported_in_two_places_are_sent_once(
    handler: InfinoCallbackHandler, client: ListClient
) -> None:
    counts = {"prompt_tokens": 50, "completion_tokens": 2, "total_tokens": 52}
    model = ChatOpenAI(answers=["hello"], usage=(50, 2), output={"token_usage": counts})

    invoke(model, "hi", handler)

    assert {key: values(client.calls, key) for key in counts} == {
        key: [count] for key, count in counts.items()
    }


# 10. usage_metadata is ignored


@every_way
def test_the_usage_metadata_of_a_chat_model_is_sent(
    drive: Drive, handler: InfinoCallbackHandler, client: ListClient
) -> None:
    drive(chat("hello there", usage=(7, 2)), "hi", handler)

    assert values(client.calls, "prompt_tokens") == [7]
    assert values(client.calls, "total_tokens") == [9]
    assert values(client.calls, "completion_tokens") == [2]


def test_usage_that_is_unknown_is_not_sent_as_zero(
    handler: InfinoCallbackHandler, client: ListClient
) -> None:
    invoke(chat("hello", usage=None), "hi", handler)

    assert keys(client.calls) == ["prompt", "latency", "error", "prompt_response"]


def test_usage_that_is_zero_is_sent(handler: InfinoCallbackHandler, client: ListClient) -> None:
    invoke(chat("hello", usage=(0, 0)), "hi", handler)

    assert values(client.calls, "total_tokens") == [0]


# 11. Empty generations raise


@pytest.mark.parametrize("generations", [[], [[]], [[], [Generation(text="hello")]]], ids=repr)
def test_answers_that_are_missing_lose_nothing_else(
    generations: list[list[Generation]], handler: InfinoCallbackHandler, client: ListClient
) -> None:
    usage = {"prompt_tokens": 3, "completion_tokens": 0, "total_tokens": 3}
    result = LLMResult(generations=generations, llm_output={"token_usage": usage})
    answers = [generation.text for prompt in generations for generation in prompt]

    handler.on_llm_start({}, ["hi"])
    handler.on_llm_end(result)

    assert values(client.calls, "prompt_response") == answers
    assert values(client.calls, "error") == [0]
    assert values(client.calls, "total_tokens") == [3]


# 12. A failure of the client loses the rest of the call


@pytest.mark.parametrize("key", ["prompt", "latency", "error", "prompt_response", "total_tokens"])
@both_ways
def test_a_client_that_fails_on_one_payload_gets_all_the_others(drive: Drive, key: str) -> None:
    class Picky(ListClient):
        def check(self, payload: dict[str, Any]) -> None:
            if key in payload:
                raise ConnectionError("no route to Infino")

        def append_log(self, payload: dict[str, Any]) -> None:
            self.check(payload)
            super().append_log(payload)

        def append_ts(self, payload: dict[str, Any]) -> None:
            self.check(payload)
            super().append_ts(payload)

    picky, whole = Picky(), ListClient()

    drive(
        FakeCompletion(),
        "hi",
        InfinoCallbackHandler(client=picky),
        InfinoCallbackHandler(client=whole),
    )

    assert keys(picky.calls) == [kept for kept in keys(whole.calls) if kept != key]


# 14. Errors of tools, retrievers and chains are not logged; an answer of tool calls is logged as ""


@both_ways
def test_an_error_of_a_tool_is_logged(
    drive: Drive, handler: InfinoCallbackHandler, client: ListClient
) -> None:
    with pytest.raises(Unreachable):
        drive(broken, "x", handler)

    assert client.calls[0][0] == "log"
    assert values(client.calls, "error_message") == ["Unreachable: no route to x"]
    assert len(client.calls) == 1


@both_ways
def test_an_error_of_a_retriever_is_logged(
    drive: Drive, handler: InfinoCallbackHandler, client: ListClient
) -> None:
    with pytest.raises(TimeoutError):
        drive(retriever(error=TimeoutError("no index")), "x", handler)

    assert keys(client.calls) == ["error_message"]
    assert values(client.calls, "error_message") == ["TimeoutError: no index"]


@both_ways
def test_an_error_of_a_chain_is_logged(
    drive: Drive, handler: InfinoCallbackHandler, client: ListClient
) -> None:
    def fail(value: Any) -> Any:
        raise ValueError

    with pytest.raises(ValueError):  # noqa: PT011 (it has no message)
        drive(RunnableLambda(fail), "x", handler)

    assert values(client.calls, "error_message") == ["ValueError"]


@every_way
def test_an_error_that_climbs_is_logged_once_for_the_run_where_it_arose(
    drive: Drive, handler: InfinoCallbackHandler, client: ListClient
) -> None:
    chain = RunnableLambda(lambda value: value) | question_chain(chat(ModelDown("overloaded")))

    with pytest.raises(ModelDown):
        drive(chain, {"question": "x"}, handler)

    assert values(client.calls, "error_message") == ["ModelDown: overloaded"]
    assert len(by_run(client.calls)) == 1


def test_each_failed_attempt_is_logged_though_the_chain_recovers(
    handler: InfinoCallbackHandler, client: ListClient
) -> None:
    model = flaky("hello", times=2).with_retry(stop_after_attempt=3, wait_exponential_jitter=False)

    invoke(model, "hi", handler)

    assert values(client.calls, "error_message") == ["ModelDown: attempt 1", "ModelDown: attempt 2"]
    assert values(client.calls, "error") == [1, 1, 0]


def test_an_interrupt_of_a_graph_is_no_error(
    handler: InfinoCallbackHandler, client: ListClient
) -> None:
    def ask(state: State) -> State:
        return {"answer": interrupt("sure?")}

    builder = StateGraph(State)
    builder.add_node("ask", ask)
    builder.add_edge(START, "ask")
    builder.add_edge("ask", END)
    graph = builder.compile(checkpointer=InMemorySaver())

    graph.invoke({}, {"callbacks": [handler], "configurable": {"thread_id": "1"}})

    assert client.calls == []


@every_way
def test_an_answer_that_only_calls_a_tool_is_logged_as_this_call(
    drive: Drive, handler: InfinoCallbackHandler, client: ListClient
) -> None:
    drive(chat(calling("search", query="RFC 6902")), "hi", handler)

    assert values(client.calls, "prompt_response") == ['search({"query": "RFC 6902"})']


def test_the_calls_and_the_answer_of_an_agent_are_logged(
    handler: InfinoCallbackHandler, client: ListClient
) -> None:
    invoke(agent(), {"messages": [("human", "hi")]}, handler)

    assert values(client.calls, "prompt_response") == [
        'search({"query": "RFC 6902"})',
        "JSON Patch",
    ]


def test_several_calls_are_logged_in_order_also_those_that_the_model_got_wrong(
    handler: InfinoCallbackHandler, client: ListClient
) -> None:
    wrong = InvalidToolCall(
        name="add", args='{"a": 1', id="2", error="cut off", type="invalid_tool_call"
    )
    answer = calling("search", query="x")
    answer.tool_calls *= 2
    answer.invalid_tool_calls = [wrong]

    invoke(chat(answer), "hi", handler)

    assert values(client.calls, "prompt_response") == [
        'search({"query": "x"}); search({"query": "x"}); add({"a": 1)'
    ]


def test_an_answer_with_text_is_logged_as_its_text(
    handler: InfinoCallbackHandler, client: ListClient
) -> None:
    answer = calling("search", query="x")
    answer.content = "Let me look."

    result = LLMResult(generations=[[ChatGeneration(message=answer)]])
    handler.on_chat_model_start({}, [[HumanMessage("hi")]])
    handler.on_llm_end(result)

    assert values(client.calls, "prompt_response") == ["Let me look."]
