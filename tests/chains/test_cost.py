"""What recording adds to a chain, in bytecodes that Python executes: no clock decides.

`benchmarks/cost.py` measures the CPU time. The limits are what it takes now, and some room for
versions of Python and LangChain: who adds work to each event has to raise them.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import repeat
from typing import Any

from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.language_models import GenericFakeChatModel
from langchain_core.messages import AIMessage
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import Runnable

import pytest_runlog
from support.bytecodes import count_bytecodes

QUESTION = {"question": "What is RFC 6902?"}


class InertHandler(BaseCallbackHandler):
    """Does nothing."""

    run_inline = True

    def on_chat_model_start(self, *args: Any, **kwargs: Any) -> None:
        """Take the messages as they are."""


def chain(answer: str) -> Runnable[dict[str, str], str]:
    prompt = ChatPromptTemplate.from_messages([("human", "{question}")])
    model = GenericFakeChatModel(messages=map(AIMessage, repeat(answer)))
    return prompt | model | StrOutputParser()


def bytecodes(call: Callable[[], object]) -> int:
    for _ in range(3):  # what LangChain and we keep of the first calls
        call()
    return count_bytecodes(call)


def bytecodes_recorded(call: Callable[[], object]) -> int:
    with pytest_runlog.record():
        return bytecodes(call)


def test_recording_executes_at_most_a_tenth_more_than_a_handler_that_does_nothing() -> None:
    subject = chain("JSON Patch")
    inert = bytecodes(lambda: subject.invoke(QUESTION, {"callbacks": [InertHandler()]}))

    recorded = bytecodes_recorded(lambda: subject.invoke(QUESTION))

    assert recorded > inert
    assert recorded / inert <= 1.11


def test_recording_a_stream_executes_a_quarter_more_per_token() -> None:
    def per_token(count: Callable[[Callable[[], object]], int]) -> float:
        def of_words(words: int) -> int:
            subject = chain(" ".join(["word"] * words))
            return count(lambda: list(subject.stream(QUESTION)))

        return (of_words(150) - of_words(50)) / 200  # a chunk for each word, and for each space

    assert per_token(bytecodes_recorded) / per_token(bytecodes) <= 1.26
