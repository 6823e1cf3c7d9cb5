"""A chat model for tests: no network, no keys, the same answer to the same messages."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from langchain_core.callbacks import CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.messages.ai import UsageMetadata
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langchain_core.runnables import Runnable

Rule = Callable[[Sequence[BaseMessage]], AIMessage]


class FakeChatModel(BaseChatModel):
    """Answers by a rule, and reports words as tokens."""

    rule: Rule
    """Takes the messages, gives the answer; raises to make the call fail."""
    model: str = "fake-1"

    def bind_tools(self, tools: Sequence[Any], **kwargs: Any) -> Runnable[Any, AIMessage]:
        """The rule knows the tools; there is nothing to tell it."""
        return self

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        answer = self.rule(messages)
        message = answer.model_copy(update={"usage_metadata": _usage(messages, answer)})
        return ChatResult(generations=[ChatGeneration(message=message)])

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        answer = self.rule(messages)
        pieces = [AIMessageChunk(content=word) for word in re.findall(r"\S+\s*", answer.text)]
        usage = _usage(messages, answer)
        pieces.append(AIMessageChunk(content="", usage_metadata=usage, chunk_position="last"))
        for piece in pieces:
            chunk = ChatGenerationChunk(message=piece)
            if run_manager is not None:
                run_manager.on_llm_new_token(piece.text, chunk=chunk)
            yield chunk

    @property
    def _llm_type(self) -> str:
        return "fake"

    @property
    def _identifying_params(self) -> dict[str, Any]:
        return {"model": self.model}


def _usage(messages: Sequence[BaseMessage], answer: AIMessage) -> UsageMetadata:
    given = sum(len(message.text.split()) for message in messages)
    made = len(answer.text.split())
    return UsageMetadata(input_tokens=given, output_tokens=made, total_tokens=given + made)
