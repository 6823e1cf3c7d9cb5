"""What folding run logs costs, against LangChain's own ways to do it.

    python benchmarks/folding.py [--tokens 100000] [--rounds 5]

The log is that of a chain whose model streams so many tokens. All ways are given the same
operations and must make the same state. Figures are CPU time, the median over the rounds,
and how many times as fast as `jsonpatch.apply_patch` it is. `RunLog + patch`, which
`astream_log(diff=False)` does for each patch, takes quadratic time: it is given a part.
"""

from __future__ import annotations

import argparse
import gc
import platform
import statistics
import time
from collections.abc import Callable, Iterator
from importlib.metadata import version
from typing import Any

import jsonpatch
from langchain_core.language_models import LLM, BaseChatModel, GenericFakeChatModel
from langchain_core.messages import AIMessage
from langchain_core.outputs import GenerationChunk
from langchain_core.runnables import Runnable, RunnableLambda
from langchain_core.tracers.log_stream import RunLog, RunLogPatch

import pytest_runlog
from pytest_runlog.model.log.fold import Fold, plain
from pytest_runlog.model.log.patches import Patch
from pytest_runlog.model.log.rootlog import RootLog
from pytest_runlog.model.runs import log_of

ADDED_UP = 2_000
"""Tokens that `RunLog + patch` is given."""


class Words(LLM):
    """A completion model that streams so many tokens."""

    tokens: int

    def _call(self, prompt: str, stop: Any = None, run_manager: Any = None, **kwargs: Any) -> str:
        return "token " * self.tokens

    def _stream(
        self, prompt: str, stop: Any = None, run_manager: Any = None, **kwargs: Any
    ) -> Iterator[GenerationChunk]:
        for _ in range(self.tokens):
            run_manager.on_llm_new_token("token ")
            yield GenerationChunk(text="token ")

    @property
    def _llm_type(self) -> str:
        return "words"


def chat(tokens: int) -> BaseChatModel:
    """A chat model that streams so many tokens."""
    return GenericFakeChatModel(messages=iter([AIMessage(" ".join(["token"] * (tokens // 2)))]))


def recorded(model: Runnable[Any, Any]) -> list[Patch]:
    """The operations of a chain in which a model streams."""
    chain: Runnable[str, int] = RunnableLambda(lambda text: len(list(model.stream(text))))
    with pytest_runlog.record() as log:
        chain.invoke("What is RFC 6902?")
    root_log = log_of(log.root)
    assert root_log is not None
    return root_log.operations


def own(patches: list[Patch]) -> list[Patch]:
    """A copy, because jsonpatch may change the operations that it applies."""
    return [patch.ops for patch in RootLog(lambda _shown: patches).patches]


def by_jsonpatch(patches: list[Patch]) -> Any:
    return jsonpatch.apply_patch(None, [operation for patch in patches for operation in patch])


def by_folding(patches: list[Patch]) -> Any:
    return plain(Fold(patches).view(len(patches)))


def by_states(patches: list[Patch]) -> Any:
    for _, state in RootLog(lambda _shown: patches).states():  # noqa: B007
        pass
    return plain(state)


def by_adding_up(patches: list[Patch]) -> Any:
    log = RunLog(state=None)  # type: ignore[arg-type]
    for patch in patches:
        log += RunLogPatch(*patch)
    return log.state


def cpu_seconds(function: Callable[[list[Patch]], Any], patches: list[Patch]) -> tuple[float, Any]:
    patches = own(patches)
    gc.collect()
    start = time.process_time()
    state = function(patches)
    return time.process_time() - start, state


def measure(title: str, patches: list[Patch], rounds: int) -> None:
    ways = {
        "jsonpatch.apply_patch": by_jsonpatch,
        "folding": by_folding,
        "states()": by_states,
    }
    samples: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        states = []
        for name, way in ways.items():
            seconds, state = cpu_seconds(way, patches)
            samples[name].append(seconds)
            states.append(state)
        assert states[0] == states[1] == states[2]
    base = statistics.median(samples["jsonpatch.apply_patch"])
    count = sum(map(len, patches))
    print(f"\n{title}: {count:,} operations in {len(patches):,} patches ({rounds} rounds)")
    for name, sample in samples.items():
        middle = statistics.median(sample)
        print(f"  {name:26}{middle * 1e3:10,.1f} ms {base / middle:8.1f} x")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--tokens", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    print(
        f"Python {platform.python_version()}, jsonpatch {version('jsonpatch')}, "
        f"langchain-core {version('langchain-core')}"
    )
    tokens, rounds = arguments.tokens, arguments.rounds
    measure("tokens of a completion model", recorded(Words(tokens=tokens)), rounds)
    measure("tokens of a chat model", recorded(chat(tokens)), rounds)
    part = recorded(Words(tokens=ADDED_UP))
    seconds, _ = cpu_seconds(by_adding_up, part)
    print(f"\nRunLog + patch, {len(part):,} patches: {seconds * 1e3:,.1f} ms")


if __name__ == "__main__":
    main()
