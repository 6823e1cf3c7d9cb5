"""Runs of which the times and the tokens are known, because the tape says them."""

from __future__ import annotations

from typing import Any

from langchain_core.messages import AIMessage
from langchain_core.messages.ai import UsageMetadata
from langchain_core.outputs import ChatGeneration, LLMResult

from pytest_runlog.model.runs import Runs
from support.tape import Tape


class Down(Exception):
    """What fails on these tapes."""


def answer(given: int, made: int) -> LLMResult:
    """What a chat model ends with that reports these tokens."""
    usage = UsageMetadata(input_tokens=given, output_tokens=made, total_tokens=given + made)
    message = AIMessage("yes", usage_metadata=usage)
    return LLMResult(generations=[[ChatGeneration(message=message)]])


SILENT = LLMResult(generations=[[ChatGeneration(message=AIMessage("yes"))]])
"""What one ends with that reports none."""


def latencies(*seconds: float) -> Runs:
    """Roots that take so long."""
    tape = Tape()
    for index, second in enumerate(seconds):
        run = tape.start(inputs=index, at=index * 1000)
        tape.end(run, at=index * 1000 + second)
    return tape.runs()


def models(*responses: Any) -> Runs:
    """Model runs that end with these, a second each."""
    tape = Tape()
    for index, response in enumerate(responses):
        run = tape.start("gpt", type="chat_model", inputs=index)
        tape.end(run, response)
    return tape.runs()
