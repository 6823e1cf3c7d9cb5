from __future__ import annotations

from contextlib import suppress
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from langchain_core.language_models.llms import BaseLLM
from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.outputs import ChatGeneration, Generation, LLMResult

from pytest_runlog import InfinoCallbackHandler
from support.infino import ListClient, in_common, keys, langchains_handler
from support.models import ModelDown


class Scripted(BaseLLM):
    """A completion model that gives this result, or fails."""

    result: Any

    def _generate(self, prompts: list[str], *args: Any, **kwargs: Any) -> LLMResult:
        if isinstance(self.result, Exception):
            raise self.result
        answers, output = self.result
        generations = [[Generation(text=answer) for answer in answers] for _ in prompts]
        return LLMResult(generations=generations, llm_output=output)

    @property
    def _llm_type(self) -> str:
        return "scripted"


counts = st.integers(0, 10**6)
usages = st.fixed_dictionaries(
    {"prompt_tokens": counts, "completion_tokens": counts, "total_tokens": counts}
)
outputs = st.none() | st.fixed_dictionaries({"token_usage": st.none() | usages})
results = st.tuples(st.lists(st.text(), max_size=3), outputs) | st.builds(ModelDown, st.text())
calls = st.lists(st.tuples(st.lists(st.text(), min_size=1, max_size=3), results), max_size=4)


@settings(deadline=None)
@given(calls, st.none() | st.text(), st.none() | st.text())
def test_any_calls_of_completion_models_send_what_langchains_handler_sends(
    calls: list[tuple[list[str], Any]], model_id: str | None, model_version: str | None
) -> None:
    theirs, ours = ListClient(), ListClient()
    handlers = [
        langchains_handler(theirs, model_id, model_version),
        InfinoCallbackHandler(model_id, model_version, client=ours),
    ]

    for prompts, result in calls:
        with suppress(ModelDown):
            Scripted(result=result).generate(prompts, callbacks=handlers)

    assert in_common(ours.calls) == in_common(theirs.calls)
    assert keys(ours.calls).count("latency") == sum(len(prompts) for prompts, _ in calls)


anything: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
blocks = st.lists(st.text() | st.dictionaries(st.text() | st.just("text"), anything), max_size=3)
arguments = st.dictionaries(st.text(), anything, max_size=3)


texts = st.lists(st.text() | st.fixed_dictionaries({"type": st.text(), "text": st.text()}))
outputs_of_any_kind = st.none() | st.dictionaries(st.text(), anything, max_size=3)


@settings(deadline=None)
@given(blocks, texts, arguments, outputs_of_any_kind, anything)
def test_whatever_a_chat_model_takes_and_gives_each_payload_is_sent(
    prompt: list[Any],
    content: list[Any],
    given_arguments: dict[str, Any],
    output: dict[str, Any] | None,
    usage: Any,
) -> None:
    client = ListClient()
    handler = InfinoCallbackHandler(client=client)
    call = {"name": "search", "args": given_arguments, "id": "1"}
    answers: list[Any] = [
        ChatGeneration(message=AIMessage("", tool_calls=[call])),
        ChatGeneration(message=AIMessage.model_construct(content=content, usage_metadata=usage)),
    ]
    result = LLMResult(generations=[answers], llm_output=output)

    handler.on_chat_model_start({}, [[HumanMessage.model_construct(content=prompt)]])
    handler.on_llm_end(result)

    assert keys(client.calls)[:5] == [
        "prompt",
        "latency",
        "error",
        "prompt_response",
        "prompt_response",
    ]
    tokens = keys(client.calls)[5:]
    assert len(tokens) == len({*tokens})
    assert {*tokens} <= {"prompt_tokens", "total_tokens", "completion_tokens"}
