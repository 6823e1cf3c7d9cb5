"""Calls that overlap and share one handler: what is sent of each is its own."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
from langchain_core.language_models.llms import LLM

from pytest_runlog import InfinoCallbackHandler
from support.infino import AsyncGate, Gate, HandClock, ListClient, by_run, keys
from support.models import FakeCompletion, ModelDown, chat

if TYPE_CHECKING:
    from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun

TOGETHER = 64


class Waiting(LLM):
    """A completion model that goes through a gate, then answers or fails."""

    gate: Any
    error: Any = None

    def _call(
        self,
        prompt: str,
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> str:
        self.gate.wait()
        return self._answer(prompt)

    async def _acall(
        self,
        prompt: str,
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> str:
        await self.gate.wait()
        return self._answer(prompt)

    def _answer(self, prompt: str) -> str:
        if self.error is not None:
            raise self.error
        return f"answer to {prompt}"

    @property
    def _llm_type(self) -> str:
        return "waiting"


@pytest.fixture
def client() -> ListClient:
    return ListClient()


@pytest.fixture
def handler(client: ListClient) -> InfinoCallbackHandler:
    return InfinoCallbackHandler(client=client)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> HandClock:
    clock = HandClock()
    monkeypatch.setattr("pytest_runlog.infino.handler._now", clock)
    return clock


def sent(client: ListClient, key: str) -> dict[str, list[float]]:
    """What was sent under this key, by the prompt of the call."""
    return {run["prompt"][0]: run[key] for run in by_run(client.calls).values()}


def test_the_latencies_of_overlapping_calls_are_their_own(
    handler: InfinoCallbackHandler, client: ListClient, clock: HandClock
) -> None:
    gates = {"first": Gate(), "second": Gate()}
    with ThreadPoolExecutor(2) as pool:
        calls = {}
        for name, gate in gates.items():
            model = Waiting(gate=gate)
            calls[name] = pool.submit(model.invoke, name, {"callbacks": [handler]})
            gate.await_arrival()
            clock.move(0.25)
        for name, gate in gates.items():
            clock.move(0.05)
            gate.open()
            calls[name].result(30)

    assert sent(client, "latency") == {"first": [0.55], "second": [0.35]}


def test_the_latencies_of_overlapping_async_calls_are_their_own(
    handler: InfinoCallbackHandler, client: ListClient, clock: HandClock
) -> None:
    async def drive() -> None:
        gates = {"first": AsyncGate(), "second": AsyncGate()}
        calls = {}
        for name, gate in gates.items():
            call = Waiting(gate=gate).ainvoke(name, {"callbacks": [handler]})
            calls[name] = asyncio.create_task(call)
            await gate.await_arrival()
            clock.move(0.25)
        for name, gate in gates.items():
            clock.move(0.05)
            gate.open()
            await calls[name]

    asyncio.run(drive())

    assert sent(client, "latency") == {"first": [0.55], "second": [0.35]}


@pytest.mark.parametrize("order", [("bad", "good"), ("good", "bad")], ids="-then-".join)
def test_the_error_of_one_call_is_not_sent_for_another_that_overlaps(
    order: tuple[str, str], handler: InfinoCallbackHandler, client: ListClient
) -> None:
    models = {
        "bad": Waiting(gate=Gate(), error=ModelDown("overloaded")),
        "good": Waiting(gate=Gate()),
    }
    with ThreadPoolExecutor(2) as pool:
        calls = {
            name: pool.submit(model.invoke, name, {"callbacks": [handler]})
            for name, model in models.items()
        }
        for model in models.values():
            model.gate.await_arrival()
        for name in order:
            models[name].gate.open()
            calls[name].exception(30)

    assert isinstance(calls["bad"].exception(), ModelDown)
    assert sent(client, "error") == {"bad": [1], "good": [0]}


@pytest.mark.parametrize("order", [("bad", "good"), ("good", "bad")], ids="-then-".join)
def test_the_error_of_one_async_call_is_not_sent_for_another_that_overlaps(
    order: tuple[str, str], handler: InfinoCallbackHandler, client: ListClient
) -> None:
    async def drive() -> None:
        models = {
            "bad": Waiting(gate=AsyncGate(), error=ModelDown("overloaded")),
            "good": Waiting(gate=AsyncGate()),
        }
        calls = {
            name: asyncio.create_task(model.ainvoke(name, {"callbacks": [handler]}))
            for name, model in models.items()
        }
        for model in models.values():
            await model.gate.await_arrival()
        for name in order:
            models[name].gate.open()
            await asyncio.wait([calls[name]])
        assert isinstance(calls["bad"].exception(), ModelDown)

    asyncio.run(drive())

    assert sent(client, "error") == {"bad": [1], "good": [0]}


def assembled(number: int, gate: Any) -> Waiting:
    """One of the models that answer when all of them are in flight; every second one fails."""
    return Waiting(gate=gate, error=ModelDown(f"reason {number}") if number % 2 else None)


def of_each_call() -> dict[str, dict[str, list[Any]]]:
    """What is sent of the calls of all these models, by prompt, besides the latencies."""
    return {
        f"question {number}": {
            "prompt": [f"question {number}"],
            **(
                {"error": [1], "error_message": [f"ModelDown: reason {number}"]}
                if number % 2
                else {"error": [0], "prompt_response": [f"answer to question {number}"]}
            ),
        }
        for number in range(TOGETHER)
    }


def joined(client: ListClient) -> dict[str, dict[str, list[Any]]]:
    """What was sent, joined by run id, by prompt; each call has one latency."""
    runs = by_run(client.calls).values()
    assert all(len(run.pop("latency")) == 1 for run in runs)
    return {run["prompt"][0]: run for run in runs}


def test_of_64_threads_that_share_a_handler_each_call_is_joined_by_its_run_id(
    handler: InfinoCallbackHandler, client: ListClient
) -> None:
    gate = threading.Barrier(TOGETHER, timeout=60)
    with ThreadPoolExecutor(TOGETHER) as pool:
        for number in range(TOGETHER):
            model = assembled(number, gate)
            pool.submit(model.invoke, f"question {number}", {"callbacks": [handler]})

    assert joined(client) == of_each_call()


def test_of_64_tasks_that_share_a_handler_each_call_is_joined_by_its_run_id(
    handler: InfinoCallbackHandler, client: ListClient
) -> None:
    async def drive() -> None:
        gate = AsyncGate(TOGETHER)
        calls = [
            asyncio.create_task(
                assembled(number, gate).ainvoke(f"question {number}", {"callbacks": [handler]})
            )
            for number in range(TOGETHER)
        ]
        await gate.await_arrival()
        gate.open()
        await asyncio.wait(calls)
        assert sum(call.exception() is None for call in calls) == TOGETHER / 2

    asyncio.run(drive())

    assert joined(client) == of_each_call()


ENDS = [number * 29 % TOGETHER for number in range(TOGETHER)]
"""The order in which calls end that began in the order of their numbers."""


def told_of_each(client: ListClient) -> dict[str, tuple[list[float], list[int]]]:
    """The latencies and the errors that were sent of each call, by its prompt."""
    runs = by_run(client.calls).values()
    return {run["prompt"][0]: (run["latency"], run["error"]) for run in runs}


def test_of_64_threads_that_share_a_handler_each_latency_and_error_is_its_own(
    handler: InfinoCallbackHandler, client: ListClient, clock: HandClock
) -> None:
    models = [assembled(number, Gate()) for number in range(TOGETHER)]
    began, calls, expected = [], [], {}
    with ThreadPoolExecutor(TOGETHER) as pool:
        for number, model in enumerate(models):
            began.append(clock.ns)
            calls.append(pool.submit(model.invoke, str(number), {"callbacks": [handler]}))
            model.gate.await_arrival()
            clock.move(0.01 * number)
        for number in ENDS:
            clock.move(0.1)
            expected[str(number)] = ([(clock.ns - began[number]) / 1e9], [number % 2])
            models[number].gate.open()
            calls[number].exception(30)

    assert told_of_each(client) == expected


def test_of_64_tasks_that_share_a_handler_each_latency_and_error_is_its_own(
    handler: InfinoCallbackHandler, client: ListClient, clock: HandClock
) -> None:
    expected = {}

    async def drive() -> None:
        models = [assembled(number, AsyncGate()) for number in range(TOGETHER)]
        began, calls = [], []
        for number, model in enumerate(models):
            began.append(clock.ns)
            call = model.ainvoke(str(number), {"callbacks": [handler]})
            calls.append(asyncio.create_task(call))
            await model.gate.await_arrival()
            clock.move(0.01 * number)
        for number in ENDS:
            clock.move(0.1)
            expected[str(number)] = ([(clock.ns - began[number]) / 1e9], [number % 2])
            models[number].gate.open()
            await asyncio.wait([calls[number]])
            assert (calls[number].exception() is not None) == number % 2

    asyncio.run(drive())

    assert told_of_each(client) == expected


def test_of_event_loops_in_threads_each_call_is_joined_by_its_run_id(
    handler: InfinoCallbackHandler, client: ListClient
) -> None:
    async def drive(first: int) -> None:
        gate = AsyncGate()
        gate.open()
        calls = [
            assembled(number, gate).ainvoke(f"question {number}", {"callbacks": [handler]})
            for number in range(first, first + 16)
        ]
        await asyncio.gather(*calls, return_exceptions=True)

    with ThreadPoolExecutor(4) as pool:
        for first in range(0, TOGETHER, 16):
            pool.submit(lambda first=first: asyncio.run(drive(first)))  # type: ignore[misc]

    assert joined(client) == of_each_call()


def test_the_run_id_is_the_one_that_langchain_gave_the_run(
    handler: InfinoCallbackHandler, client: ListClient
) -> None:
    run_id = uuid4()

    chat("hello").invoke("hi", {"callbacks": [handler], "run_id": run_id})

    assert list(by_run(client.calls)) == [str(run_id)]


def test_a_client_that_blocks_does_not_block_the_event_loop() -> None:
    class Slow(ListClient):
        def __init__(self) -> None:
            super().__init__()
            self.gate = Gate()

        def append_log(self, payload: dict[str, Any]) -> None:
            self.gate.wait()  # opened by the event loop
            super().append_log(payload)

    slow = Slow()
    handler = InfinoCallbackHandler(client=slow)

    async def drive() -> None:
        model = FakeCompletion(usage=None)
        call = asyncio.create_task(model.ainvoke("hi", {"callbacks": [handler]}))
        await asyncio.to_thread(slow.gate.await_arrival)
        slow.gate.open()
        await call

    asyncio.run(drive())

    assert keys(slow.calls) == ["prompt", "latency", "error", "prompt_response"]


def test_a_call_whose_start_langchain_did_not_report_sends_what_is_known(
    handler: InfinoCallbackHandler, client: ListClient
) -> None:
    class Inline(InfinoCallbackHandler):
        """Beside one that runs inline, LangChain leaves the starts of others out."""

        run_inline = True

    inline = Inline(client=ListClient())
    asyncio.run(FakeCompletion().ainvoke("hi", {"callbacks": [inline, handler]}))

    assert keys(client.calls) == [
        "error",
        "prompt_response",
        "prompt_tokens",
        "total_tokens",
        "completion_tokens",
    ]
