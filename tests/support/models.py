"""Fake models that never run out of answers, and give the same ones whatever the threads do."""

from __future__ import annotations

import json
import re
from itertools import cycle
from typing import TYPE_CHECKING, Any

from langchain_core.language_models import BaseChatModel, GenericFakeChatModel
from langchain_core.language_models.fake import FakeListLLM, FakeStreamingListLLM
from langchain_core.language_models.llms import LLM
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.messages.ai import UsageMetadata
from langchain_core.messages.tool import ToolCall, tool_call_chunk
from langchain_core.outputs import (
    ChatGeneration,
    ChatGenerationChunk,
    ChatResult,
    GenerationChunk,
    LLMResult,
)
from langchain_core.utils.function_calling import convert_to_openai_tool
from pydantic import Field

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator, Sequence

    from langchain_core.callbacks import (
        AsyncCallbackManagerForLLMRun,
        CallbackManagerForLLMRun,
    )
    from langchain_core.runnables import Runnable

MODEL_NAME = "fake-1"
USAGE = (7, 2)
"""Input and output tokens of each answer."""


class ModelDown(Exception):
    """What failing models raise."""


class FakeChat(BaseChatModel):
    """A chat model that answers by how far the conversation is.

    The answer is the one at the number of AI messages so far, and around again: so it does
    not depend on which thread asks first. An exception among the answers is raised.
    """

    answers: list[Any]
    """Each a `str`, an `AIMessage`, an exception, or a function of the last message's text."""
    model: str = MODEL_NAME
    usage: tuple[int, int] | None = USAGE
    """Input and output tokens that are reported, `None` to report none."""
    failures: list[Any] = Field(default_factory=list)
    """Exceptions that are raised, one by one, before the first answer is given."""
    breaks_after: int | None = None
    """Fail when that many chunks have been streamed."""

    def answer_to(self, messages: Sequence[BaseMessage]) -> AIMessage:
        if self.failures:
            raise self.failures.pop(0)
        given = sum(isinstance(message, AIMessage) for message in messages)
        answer = self.answers[given % len(self.answers)]
        if isinstance(answer, BaseException):
            raise answer
        if callable(answer):
            answer = answer(str(messages[-1].content))
        message = AIMessage(answer) if isinstance(answer, str) else answer.model_copy(deep=True)
        message.usage_metadata = self.usage_metadata()
        return message

    def usage_metadata(self) -> UsageMetadata | None:
        if self.usage is None:
            return None
        given, made = self.usage
        return UsageMetadata(input_tokens=given, output_tokens=made, total_tokens=given + made)

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        return ChatResult(generations=[ChatGeneration(message=self.answer_to(messages))])

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        for index, chunk in enumerate(chunks_of(self.answer_to(messages))):
            if index == self.breaks_after:
                raise ModelDown("the connection broke")
            if run_manager is not None:
                run_manager.on_llm_new_token(str(chunk.message.content), chunk=chunk)
            yield chunk

    async def _astream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[ChatGenerationChunk]:
        for index, chunk in enumerate(chunks_of(self.answer_to(messages))):
            if index == self.breaks_after:
                raise ModelDown("the connection broke")
            if run_manager is not None:
                await run_manager.on_llm_new_token(str(chunk.message.content), chunk=chunk)
            yield chunk

    def bind_tools(self, tools: Sequence[Any], **kwargs: Any) -> Runnable[Any, AIMessage]:
        return self.bind(tools=[convert_to_openai_tool(tool) for tool in tools], **kwargs)

    @property
    def _identifying_params(self) -> dict[str, Any]:
        return {"model": self.model}

    @property
    def _llm_type(self) -> str:
        return "fake-chat"


def chunks_of(answer: AIMessage) -> Iterator[ChatGenerationChunk]:
    """The words of the answer with the spaces after them, its tool calls, and its usage."""
    for word in re.findall(r"\S+\s*", str(answer.content)):
        yield ChatGenerationChunk(message=AIMessageChunk(content=word))
    for index, call in enumerate(answer.tool_calls):
        piece = tool_call_chunk(
            name=call["name"], args=json.dumps(call["args"]), id=call["id"], index=index
        )
        yield ChatGenerationChunk(message=AIMessageChunk(content="", tool_call_chunks=[piece]))
    yield ChatGenerationChunk(
        message=AIMessageChunk(
            content="", usage_metadata=answer.usage_metadata, chunk_position="last"
        )
    )


def chat(
    *answers: str | AIMessage | BaseException | Callable[[str], str], **fields: Any
) -> FakeChat:
    """A chat model that gives these answers; without any, `"hello there"`."""
    return FakeChat(answers=list(answers or ["hello there"]), **fields)


def calling(name: str, /, **arguments: Any) -> AIMessage:
    """The message of a model that asks for a tool."""
    call = ToolCall(name=name, args=arguments, id=f"call-{name}", type="tool_call")
    return AIMessage("", tool_calls=[call])


def flaky(*answers: str, times: int = 1, **fields: Any) -> FakeChat:
    """A chat model whose first calls fail with `ModelDown`."""
    failures = [ModelDown(f"attempt {number + 1}") for number in range(times)]
    return chat(*answers, failures=failures, **fields)


def generic_chat(*answers: str, usage: tuple[int, int] | None = None) -> GenericFakeChatModel:
    """LangChain's own fake chat model, for one thread, with endless answers."""
    counted = None
    if usage is not None:
        given, made = usage
        counted = UsageMetadata(input_tokens=given, output_tokens=made, total_tokens=given + made)
    messages = (AIMessage(answer, usage_metadata=counted) for answer in cycle(answers))
    return GenericFakeChatModel(messages=messages)


def completion(*answers: str) -> FakeListLLM:
    """LangChain's own completion model: reports no usage, and does not stream."""
    return FakeListLLM(responses=list(answers or ["hello there"]))


def streaming_completion(*answers: str) -> FakeStreamingListLLM:
    """LangChain's own streaming completion model: it gives characters, but reports no tokens."""
    return FakeStreamingListLLM(responses=list(answers or ["hello there"]))


class FakeCompletion(LLM):
    """A completion model that streams words and reports usage as OpenAI's did."""

    answer: str = "hello there"
    model: str = MODEL_NAME
    usage: tuple[int, int] | None = USAGE
    error: Any = None

    def _call(
        self,
        prompt: str,
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> str:
        if self.error is not None:
            raise self.error
        return self.answer

    def _generate(
        self,
        prompts: list[str],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> LLMResult:
        result = super()._generate(prompts, stop, run_manager, **kwargs)
        result.llm_output = self.llm_output()
        return result

    async def _agenerate(
        self,
        prompts: list[str],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> LLMResult:
        result = await super()._agenerate(prompts, stop, run_manager, **kwargs)
        result.llm_output = self.llm_output()
        return result

    def llm_output(self) -> dict[str, Any] | None:
        if self.usage is None:
            return None
        given, made = self.usage
        usage = {"prompt_tokens": given, "completion_tokens": made, "total_tokens": given + made}
        return {"token_usage": usage, "model_name": self.model}

    def _stream(
        self,
        prompt: str,
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> Iterator[GenerationChunk]:
        if self.error is not None:
            raise self.error
        for word in re.findall(r"\S+\s*", self.answer):
            chunk = GenerationChunk(text=word)
            if run_manager is not None:
                run_manager.on_llm_new_token(word, chunk=chunk)
            yield chunk

    @property
    def _llm_type(self) -> str:
        return "fake-completion"
