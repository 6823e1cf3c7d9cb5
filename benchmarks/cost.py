"""What recording costs, against the same chain bare and with other handlers.

    python benchmarks/cost.py [--rounds 30] [--only invoke,stream]

All variants run in one process, one after another, round after round. Figures are CPU time:
the median over the rounds, and of the ratios to `bare` and to `one inert handler` within
each round, with their quartiles. `bare again` is the control: what it is off 1.00 is noise.
The garbage collector runs as it does in a test session; a full collection comes between any
two measurements, so that nobody pays for what another one left behind.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import platform
import statistics
import time
from collections.abc import Callable, Iterator
from importlib.metadata import version
from typing import Any, TypedDict

from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.language_models import GenericFakeChatModel
from langchain_core.messages import AIMessage
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import Runnable, RunnableConfig, RunnableLambda, RunnableParallel
from langchain_core.tracers.base import BaseTracer
from langchain_core.tracers.log_stream import LogStreamCallbackHandler
from langgraph.graph import END, START, StateGraph

import pytest_runlog

STREAMED_TOKENS = 20_000
QUESTION = {"question": "What is RFC 6902?"}


class InertHandler(BaseCallbackHandler):
    """Does nothing, as little as a handler can."""

    run_inline = True

    def on_chat_model_start(self, *args: Any, **kwargs: Any) -> None:
        """LangChain would otherwise make text of the messages for it."""


class InertTracer(BaseTracer):
    """Builds LangChain's run tree, and does nothing with it."""

    run_inline = True

    def _persist_run(self, run: Any) -> None:
        pass


class Answers:
    """An endless supply of one message."""

    def __init__(self, text: str) -> None:
        self.text = text

    def __iter__(self) -> Iterator[AIMessage]:
        return self

    def __next__(self) -> AIMessage:
        return AIMessage(self.text)


def chain(answer: str) -> Runnable[dict[str, str], str]:
    prompt = ChatPromptTemplate.from_messages([("human", "{question}")])
    return prompt | GenericFakeChatModel(messages=Answers(answer)) | StrOutputParser()


class State(TypedDict, total=False):
    question: str
    answer: str
    summary: str


def graph() -> Runnable[Any, Any]:
    answer = chain("JSON Patch")
    builder = StateGraph(State)
    builder.add_node("answer", lambda state: {"answer": answer.invoke(state)})
    builder.add_node("sum_up", lambda state: {"summary": state["answer"].upper()})
    builder.add_edge(START, "answer")
    builder.add_edge("answer", "sum_up")
    builder.add_edge("sum_up", END)
    return builder.compile()


Call = Callable[[RunnableConfig | None], object]


def invoke_scenario() -> tuple[Call, int]:
    subject = chain("JSON Patch")
    return lambda config: subject.invoke(QUESTION, config), 100


def ainvoke_scenario() -> tuple[Call, int]:
    subject = chain("JSON Patch")

    async def many(config: RunnableConfig | None) -> None:
        for _ in range(100):
            await subject.ainvoke(QUESTION, config)

    return lambda config: asyncio.run(many(config)), 1


def stream_scenario() -> tuple[Call, int]:
    subject = chain(" ".join(["token"] * (STREAMED_TOKENS // 2)))

    def consume(config: RunnableConfig | None) -> None:
        for _ in subject.stream(QUESTION, config):
            pass

    return consume, 1


def streams_scenario() -> tuple[Call, int]:
    """Whether a full garbage collection falls into one stream is chance; into five, less so."""
    consume, _ = stream_scenario()
    return consume, 5


def parallel_scenario() -> tuple[Call, int]:
    subject = RunnableParallel(
        {f"step{number}": RunnableLambda(lambda value: value) for number in range(50)}
    )
    return lambda config: subject.invoke(QUESTION, config), 5


def graph_scenario() -> tuple[Call, int]:
    subject = graph()
    return lambda config: subject.invoke(QUESTION, config), 30


SCENARIOS: dict[str, tuple[Callable[[], tuple[Call, int]], str]] = {
    "invoke": (invoke_scenario, "prompt | model | parser, invoke"),
    "ainvoke": (ainvoke_scenario, "prompt | model | parser, 100 times ainvoke"),
    "stream": (stream_scenario, f"prompt | model | parser, {STREAMED_TOKENS:,} streamed tokens"),
    "streams": (streams_scenario, "the same five times, recorded as one: each"),
    "parallel": (parallel_scenario, "RunnableParallel of 50"),
    "graph": (graph_scenario, "LangGraph graph of two nodes with a chain in it"),
}


def variants(call: Call, times: int, *, slow: bool) -> dict[str, Callable[[], None]]:
    def with_handler(make: Callable[[], BaseCallbackHandler] | None) -> Callable[[], None]:
        def run() -> None:
            for _ in range(times):
                call(None if make is None else {"callbacks": [make()]})

        return run

    def recorded() -> None:
        with pytest_runlog.record():
            for _ in range(times):
                call(None)

    chosen: dict[str, Callable[[], None]] = {
        "bare": with_handler(None),
        "one inert handler": with_handler(InertHandler),
        "pytest-runlog": recorded,
        "inert BaseTracer": with_handler(InertTracer),
        "LangChain's LogStream": with_handler(lambda: LogStreamCallbackHandler(auto_close=False)),
        "bare again": with_handler(None),
    }
    if not slow:
        del chosen["inert BaseTracer"], chosen["LangChain's LogStream"]
    return chosen


def cpu_seconds(run: Callable[[], None]) -> float:
    gc.collect()
    start = time.process_time()
    run()
    return time.process_time() - start


def measure(name: str, rounds: int) -> None:
    make, title = SCENARIOS[name]
    call, times = make()
    subjects = variants(call, times, slow=not name.startswith("stream"))
    for run in subjects.values():
        run()
    samples: dict[str, list[float]] = {label: [] for label in subjects}
    for _ in range(rounds):
        for label, run in subjects.items():
            samples[label].append(cpu_seconds(run) / times)
    print(f"\n{title}  ({rounds} rounds)")
    print(f"  {'':24}{'CPU':>12}  {'to bare':>22}  {'to one inert handler':>22}")
    for label, sample in samples.items():
        print(
            f"  {label:24}{statistics.median(sample) * 1e6:9,.0f} us"
            f"  {ratio(sample, samples['bare']):>22}"
            f"  {ratio(sample, samples['one inert handler']):>22}"
        )


def ratio(sample: list[float], base: list[float]) -> str:
    ratios = [one / other for one, other in zip(sample, base, strict=True)]
    low, middle, high = statistics.quantiles(ratios, n=4)
    return f"{middle:.3f} ({low:.2f} to {high:.2f})"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--only", default=",".join(SCENARIOS), help="comma-separated scenarios")
    arguments = parser.parse_args()
    print(
        f"Python {platform.python_version()}, langchain-core {version('langchain-core')}, "
        f"langgraph {version('langgraph')}"
    )
    for name in arguments.only.split(","):
        is_long = name.startswith("stream")
        measure(name, max(3, arguments.rounds // 3) if is_long else arguments.rounds)


if __name__ == "__main__":
    main()
