"""Stored snapshots pass however the runs of a chain race.

Each chain is recorded some times, with random pauses in its steps, and compared with the one
file that is stored for it. For a thorough check, record it more often, in another order:

    export RUNLOG_SNAPSHOT_RUNS=300 RUNLOG_TEST_ORDER=1
    python -m pytest tests/chains/test_snapshots.py -n 2
"""

from __future__ import annotations

import asyncio
import inspect
import os
from collections.abc import Callable, Sequence
from operator import itemgetter
from typing import Any

import pytest
from langchain_core.documents import Document
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import Runnable, RunnablePassthrough
from syrupy.assertion import SnapshotAssertion

import agent as librarian
import graph as desk_of_purchases
import retrieval as desk_of_rules
from fakes import FakeChatModel
from pytest_runlog import RunLogCapture, RunLogSnapshotExtension, record
from support.chains import join, question_chain, retriever
from support.models import chat
from support.races import CASES
from support.races.base import pause
from support.versions import AGENT_OF_THE_SNAPSHOTS, TELLS_PARENTS_IN_ASYNC_CODE

RUNS = int(os.environ.get("RUNLOG_SNAPSHOT_RUNS", "5"))

pytestmark = pytest.mark.filterwarnings(
    "ignore:astream_log is deprecated:langchain_core._api.LangChainDeprecationWarning"
)


def slowly(
    rule: Callable[[Sequence[BaseMessage]], AIMessage],
) -> Callable[[Sequence[BaseMessage]], AIMessage]:
    def answer(messages: Sequence[BaseMessage]) -> AIMessage:
        pause()
        return rule(messages)

    return answer


def ask_for_the_rules() -> None:
    model = FakeChatModel(rule=slowly(desk_of_rules.from_the_rules))
    desk_of_rules.desk(model).invoke("How long may films be kept?")


def stream_the_rules() -> None:
    model = FakeChatModel(rule=slowly(desk_of_rules.from_the_rules))
    list(desk_of_rules.desk(model).stream("How long may films be kept?"))


def suggest_a_book() -> None:
    model = FakeChatModel(rule=slowly(desk_of_purchases.by_joy))
    desk_of_purchases.purchase(model).invoke({"title": "Emma"})


def ask_for_a_book() -> None:
    model = FakeChatModel(rule=slowly(librarian.look_up_then_reserve))
    librarian.ask(librarian.librarian(model), "Emma")


def two_models() -> Runnable[Any, str]:
    """One model rephrases the question, the other answers it from what was found."""
    rephrase = (
        ChatPromptTemplate.from_messages([("system", "Rephrase."), ("human", "{question}")])
        | chat("Which RFC is JSON Patch?", model="small-1")
        | StrOutputParser()
    )
    return (
        {"context": rephrase | retriever() | join, "question": itemgetter("question")}
        | ChatPromptTemplate.from_messages([("system", "{context}"), ("human", "{question}")])
        | chat("RFC 6902", model="large-1")
        | StrOutputParser()
    )


def ask_two_models() -> None:
    two_models().invoke({"question": "what rfc is that again?"})


def answer_from_documents() -> None:
    found = [Document(f"Page {page}.", metadata={"page": page}) for page in (3, 1, 2)]
    chain = {"context": retriever(*found) | join, "question": RunnablePassthrough()} | (
        ChatPromptTemplate.from_template("{context}\n{question}") | chat()
    )
    chain.batch(["d", "b", "a", "c"])


LCEL: dict[str, Callable[[], object]] = {
    function.__name__: function
    for function in (ask_for_the_rules, stream_the_rules, ask_two_models, answer_from_documents)
} | {
    name: CASES[name]
    for name in (
        "parallel_of_chat_chains",
        "async_parallel_of_chat_chains",
        "parallel_in_parallel",
        "parallel_in_which_one_fails",
        "retrievers_and_tools_in_a_parallel",
        "stream_of_a_parallel_of_chat_chains",
        "batch_of_a_chat_chain",
        "abatch_of_a_chat_chain",
        "batch_as_completed",
        "batch_of_a_parallel",
        "each_of_a_list",
        "branches_in_a_parallel",
        "retries_in_a_batch",
        "fallbacks_in_a_parallel",
        "roots_from_a_pool",
    )
}
GRAPHS: dict[str, Callable[[], object]] = {
    "suggest_a_book": suggest_a_book,
    "graph_with_four_parallel_nodes": CASES["graph_with_four_parallel_nodes"],
    "async_graph_with_four_parallel_nodes": CASES["async_graph_with_four_parallel_nodes"],
    "graph_with_sends": CASES["graph_with_sends"],
    "graph_with_a_checkpointer": CASES["graph_with_a_checkpointer"],
}
AGENTS: dict[str, Callable[[], object]] = {
    "ask_for_a_book": ask_for_a_book,
    "agent_with_three_parallel_tool_calls": CASES["agent_with_three_parallel_tool_calls"],
    "async_agent_with_three_parallel_tool_calls": CASES[
        "async_agent_with_three_parallel_tool_calls"
    ],
    "agent_whose_provider_makes_up_ids": CASES["agent_whose_provider_makes_up_ids"],
}


def recorded(case: Callable[[], object]) -> RunLogCapture:
    with record() as log:
        result = case()
        if inspect.iscoroutine(result):
            asyncio.run(result)
    assert log.failures == []
    return log


@pytest.mark.parametrize("name", LCEL)
def test_a_chain_repeats(name: str, snapshot: SnapshotAssertion) -> None:
    for _ in range(RUNS):
        assert recorded(LCEL[name]) == snapshot.use_extension(RunLogSnapshotExtension)


@pytest.mark.parametrize("name", GRAPHS)
def test_a_graph_repeats(name: str, snapshot: SnapshotAssertion) -> None:
    for _ in range(RUNS):
        assert recorded(GRAPHS[name]) == snapshot.use_extension(RunLogSnapshotExtension)


@AGENT_OF_THE_SNAPSHOTS
@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=TELLS_PARENTS_IN_ASYNC_CODE if "async" in name else ())
        for name in AGENTS
    ],
)
def test_an_agent_repeats(name: str, snapshot: SnapshotAssertion) -> None:
    for _ in range(RUNS):
        # In one file: of those beside each other, syrupy 5 calls that of a skipped test unused.
        assert recorded(AGENTS[name]) == snapshot.use_extension()


@pytest.mark.parametrize("name", [name for name in AGENTS if "async" not in name])
def test_models_and_tools_of_an_agent_repeat_with_any_langchain(
    name: str, snapshot: SnapshotAssertion
) -> None:
    for _ in range(RUNS):
        steps = recorded(AGENTS[name]).find(where=lambda run: run.is_model or run.type == "tool")
        assert steps == snapshot.use_extension(RunLogSnapshotExtension)


@pytest.mark.parametrize("name", LCEL | GRAPHS | AGENTS)
def test_every_level_and_form_of_a_record_is_the_same_each_time(name: str) -> None:
    case = (LCEL | GRAPHS | AGENTS)[name]
    first = recorded(case)

    for _ in range(RUNS - 1):
        again = recorded(case)
        assert again.tree("full") == first.tree("full")
        assert again.to_dict() == first.to_dict()
        assert again.infino.tree("full") == first.infino.tree("full")


def test_payloads_repeat(snapshot: SnapshotAssertion) -> None:
    for _ in range(RUNS):
        log = recorded(CASES["parallel_of_chat_chains"])
        assert log.infino == snapshot.use_extension(RunLogSnapshotExtension)


def test_a_retrieval_chain_with_two_models_fits_on_forty_lines(
    runlog: RunLogCapture, snapshot: SnapshotAssertion
) -> None:
    ask_two_models()

    assert runlog == snapshot
    assert len(runlog.tree().splitlines()) <= 40
    assert runlog.models.find(model="small-1")
    assert runlog.models.find(model="large-1")


def test_the_shape_of_a_chain_survives_other_words(snapshot: SnapshotAssertion) -> None:
    shape = RunLogSnapshotExtension.at(level="shape")
    for question in ("why?", "how?"):
        with record() as log:
            question_chain(chat(f"{question} because")).invoke({"question": question})
        assert log == snapshot.use_extension(shape)
