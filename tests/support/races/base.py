"""Where cases are kept, and the steps they are made of."""

from __future__ import annotations

import asyncio
import inspect
import json
import os
import random
import time
from collections.abc import Awaitable, Callable
from typing import Any

from langchain_core.callbacks import CallbackManagerForLLMRun
from langchain_core.language_models.llms import LLM
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import Runnable, RunnableLambda, RunnableParallel

import pytest_runlog
from support.models import chat

Case = Callable[[], "Awaitable[Any] | object"]

CASES: dict[str, Case] = {}
"""By name, as they are written here."""

LONGEST_PAUSE = float(os.environ.get("RUNLOG_ORDER_PAUSE", "0.001"))
"""In seconds; each pause is a random part of it."""

_random = random.Random()  # noqa: S311 (delays need no cryptography)


def case(function: Case) -> Case:
    """Add a function to `CASES`."""
    CASES[function.__name__] = function
    return function


def record(name: str, *, in_task: bool = False) -> tuple[list[str], str]:
    """The names and the full tree of one recording of a case.

    The recording is opened in the task that an async case runs in, or around its event loop.
    """
    case = CASES[name]
    if in_task:
        return asyncio.run(_record_in_task(case))
    with pytest_runlog.record() as log:
        result = case()
        if inspect.iscoroutine(result):
            asyncio.run(result)
    assert log.failures == []
    return log.names, log.tree("full")


async def _record_in_task(case: Case) -> tuple[list[str], str]:
    with pytest_runlog.record() as log:
        result = case()
        assert inspect.iscoroutine(result)
        await result
    assert log.failures == []
    return log.names, log.tree("full")


def pause() -> None:
    time.sleep(_random.random() * LONGEST_PAUSE)


async def apause() -> None:
    await asyncio.sleep(_random.random() * LONGEST_PAUSE)


def as_text(value: Any) -> str:
    """The value as text; of a dict that was streamed, the order of the keys is a race's."""
    return value if isinstance(value, str) else json.dumps(value, sort_keys=True, default=str)


def step(name: str, *, only: str | None = None) -> Runnable[Any, str]:
    """A runnable that takes a while and gives `INPUT>name`; fails for inputs with `only`."""

    def check(value: Any) -> str:
        if only is not None and only not in str(value):
            raise ValueError(f"{name} does not take {value}")
        return f"{as_text(value)}>{name}"

    def function(value: Any) -> str:
        pause()
        return check(value)

    async def afunction(value: Any) -> str:
        await apause()
        return check(value)

    return RunnableLambda(function, afunction, name=name)


def sync_step(name: str) -> Runnable[Any, str]:
    """Like `step`, but without an async function: LangChain runs it in its executor."""

    def function(value: Any) -> str:
        pause()
        return f"{as_text(value)}>{name}"

    return RunnableLambda(function, name=name)


def slow_answer(text: str) -> str:
    pause()
    return text.upper()


class SlowCompletion(LLM):
    """A completion model that takes a while; its async calls run in an executor."""

    def _call(
        self,
        prompt: str,
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> str:
        return slow_answer(prompt)

    @property
    def _llm_type(self) -> str:
        return "slow"


def answering(prefix: str = "") -> Runnable[Any, str]:
    """`prompt | model | parser`, for a `str`."""
    prompt = ChatPromptTemplate.from_messages([("human", prefix + "{question}")])
    return prompt | chat(slow_answer) | StrOutputParser()


def two_steps() -> Runnable[Any, str]:
    return step("load") | step("split")


def wide(width: int) -> RunnableParallel[Any]:
    """As many sequences beside each other, with the same names."""
    return RunnableParallel({f"key{number}": two_steps() for number in reversed(range(width))})


INPUTS = ["d", "b", "a", "c"]
QUESTIONS = [{"question": text} for text in INPUTS]
