"""Run logs of real chains, and all that can be asked of them."""

from __future__ import annotations

import asyncio
import copy
from pathlib import Path
from typing import Any

import jsonpatch
import pytest
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.messages import AIMessage, AIMessageChunk
from langchain_core.runnables import (
    Runnable,
    RunnableBranch,
    RunnableGenerator,
    RunnableLambda,
)
from langchain_core.tracers.log_stream import RunLog, RunLogPatch

from pytest_runlog import RunLogCapture, record
from pytest_runlog.defaults import Options
from support.chains import (
    ANSWER,
    QUESTION,
    broken,
    graph,
    question_chain,
    retrieval_chain,
    search,
)
from support.models import ModelDown, chat, flaky, generic_chat
from support.versions import HAS_V3_EVENTS

INPUT = {"question": QUESTION}
WORDS = ["JSON ", "Patch", ""]


def letters(_inputs: Any) -> Any:
    yield from "abc"


# --- What a log says ---------------------------------------------------------------------


def test_a_streamed_chain_has_a_log_of_all_its_runs(runlog: RunLogCapture) -> None:
    chunks = list(retrieval_chain().stream(QUESTION))
    state = runlog.root.state

    assert state["streamed_output"] == chunks == WORDS
    assert state["final_output"] == ANSWER
    assert sorted(state["logs"]) == sorted(runlog.root.descendants.names)
    assert state["logs"]["FakeChat"]["streamed_output_str"] == WORDS
    assert state["logs"]["StrOutputParser"]["streamed_output"] == WORDS
    assert state["logs"]["search"]["final_output"] == {"output": f"found {QUESTION}"}


def test_a_chain_that_is_invoked_streams_nothing(runlog: RunLogCapture) -> None:
    question_chain().invoke(INPUT)

    assert runlog.root.state["streamed_output"] == []
    assert runlog.root.state["final_output"] == ANSWER
    assert runlog.root.state["inputs"] == INPUT


def test_patches_and_logs_are_langchains_own(runlog: RunLogCapture) -> None:
    question_chain().invoke(INPUT)
    first, second, *_ = runlog.root.patches

    assert {type(patch) for patch in runlog.root.patches} == {RunLogPatch}
    assert type(runlog.root.log) is RunLog
    assert first + second == RunLog(*first.ops, *second.ops, state=runlog.root.state_at(2))  # type: ignore[arg-type]


def test_the_patches_of_a_capture_are_those_of_its_only_root(runlog: RunLogCapture) -> None:
    question_chain().invoke(INPUT)
    assert runlog.patches == runlog.root.patches

    question_chain().invoke(INPUT)
    with pytest.raises(AssertionError, match="expected one root, but 2 runs have no parent"):
        runlog.patches  # noqa: B018


def test_only_roots_have_a_log(runlog: RunLogCapture) -> None:
    question_chain().invoke(INPUT)
    model = runlog.one("FakeChat")

    with pytest.raises(AttributeError) as raised:
        model.state_at(1)
    assert str(raised.value) == (
        "only roots have 'state_at': 'RunnableSequence/FakeChat' is part of the root "
        "'RunnableSequence', whose log has it; use run.root.state_at"
    )
    for member in ("log", "patches", "state"):
        assert not hasattr(model, member)
        assert hasattr(model.root, member)


def test_each_entry_names_its_parent(runlog: RunLogCapture) -> None:
    retrieval_chain().invoke(QUESTION)
    entries = runlog.root.state["logs"].values()
    names = {entry["id"]: entry["name"] for entry in entries} | {str(runlog.root.id): "root"}
    parents = {entry["name"]: names[entry["parent_id"]] for entry in entries}

    assert parents["FakeRetriever"] == "RunnableSequence"
    assert parents["search"].startswith("RunnableParallel")
    assert parents["FakeChat"] == "root"


def test_runs_of_the_same_name_are_numbered_as_they_start(runlog: RunLogCapture) -> None:
    (question_chain() | RunnableLambda(lambda text: {"question": text}) | question_chain()).invoke(
        INPUT
    )

    assert [key for key in runlog.root.state["logs"] if key.startswith("FakeChat")] == [
        "FakeChat",
        "FakeChat:2",
    ]


def test_names_that_langchain_does_not_escape_are_escaped(runlog: RunLogCapture) -> None:
    names = ["a", "a/final_output", "a~b", "a~1b", "x:2", "x", "x"]
    chain: Runnable[Any, Any] = RunnableLambda(lambda value: value, name="first")
    for name in names:
        chain |= RunnableLambda(lambda value: value, name=name)
    chain.invoke("hi")

    assert list(runlog.root.state["logs"]) == ["first", *names[:-1], "x:3"]
    assert jsonpatch.apply_patch(None, runlog.root.log.ops) == runlog.root.state


def test_an_error_is_told_where_it_was_raised_and_where_it_went(runlog: RunLogCapture) -> None:
    with pytest.raises(ModelDown):
        question_chain(chat(ModelDown("no route"))).invoke(INPUT)
    state = runlog.root.state
    error = {"type": "ModelDown", "message": "no route"}

    assert state["error"] == state["logs"]["FakeChat"]["error"] == error
    assert state["logs"]["ChatPromptTemplate"]["error"] is None
    assert state["final_output"] is None


def test_a_stream_that_breaks_keeps_what_it_gave(runlog: RunLogCapture) -> None:
    with pytest.raises(ModelDown):
        list(question_chain(chat(ANSWER, breaks_after=1)).stream(INPUT))

    assert runlog.root.state["streamed_output"] == ["JSON "]
    assert runlog.root.state["final_output"] == "JSON "
    assert runlog.root.state["logs"]["StrOutputParser"]["final_output"] == {}


def test_values_are_those_at_the_time_whatever_the_chain_does_later(runlog: RunLogCapture) -> None:
    def change(value: dict[str, Any]) -> dict[str, Any]:
        value["list"].append("changed")
        return value

    def make(value: str) -> dict[str, Any]:
        return {"list": [value]}

    (RunnableLambda(make) | RunnableLambda(change)).invoke("hi")
    logs = runlog.root.state["logs"]

    assert logs["make"]["final_output"] == {"list": ["hi"]}
    assert logs["change"]["final_output"] == {"list": ["hi", "changed"]}


def test_a_log_can_be_looked_at_while_the_chain_runs(runlog: RunLogCapture) -> None:
    seen: list[list[str]] = []

    def look(value: Any) -> Any:
        seen.append([patch.ops[0]["path"] for patch in runlog.patches])
        return value

    (search | RunnableLambda(look, name="look")).invoke("x")

    assert seen == [["", "/logs/search", "/logs/search/final_output", "/logs/look"]]
    assert [patch.ops[0]["path"] for patch in runlog.patches][:4] == seen[0]


def test_a_stream_that_is_left_early_is_a_log_without_an_end(runlog: RunLogCapture) -> None:
    stream = RunnableGenerator(letters).stream("hi")
    assert next(stream) == "a"

    assert runlog.root.state["streamed_output"] == ["a"]
    assert runlog.root.state["end_time"] is None
    assert runlog.root.state["inputs"] is None
    assert list(stream) == ["b", "c"]
    assert runlog.root.state["final_output"] == "abc"
    assert runlog.root.state["inputs"] == "hi"


def test_retries_are_entries_of_their_own(runlog: RunLogCapture) -> None:
    flaky(ANSWER).with_retry(wait_exponential_jitter=False).invoke(QUESTION)
    logs = runlog.root.state["logs"]

    assert [entry["error"] is None for entry in logs.values()] == [False, True]


def test_without_chunks_of_chains_those_of_models_are_there() -> None:
    with record(options=Options(chunks=False)) as log:
        list(question_chain().stream(INPUT))
    state = log.root.state

    assert state["streamed_output"] == []
    assert state["logs"]["StrOutputParser"]["streamed_output"] == []
    assert state["logs"]["FakeChat"]["streamed_output_str"] == WORDS


def test_a_loaded_capture_has_the_same_states(runlog: RunLogCapture, tmp_path: Path) -> None:
    list(retrieval_chain().stream(QUESTION))
    runlog.save(tmp_path / "run.json")
    loaded = RunLogCapture.load(tmp_path / "run.json")

    assert loaded.to_dict() == runlog.to_dict()
    assert len(loaded.patches) == len(runlog.patches)
    assert loaded.root.state["streamed_output"] == WORDS
    assert list(loaded.root.state["logs"]) == list(runlog.root.state["logs"])
    loaded.assert_always(lambda state: len(state["logs"]) <= len(runlog.runs))


# --- What the root streams, which LangChain's handler does not say ---------------------------

ROUTES: dict[str, Runnable[Any, Any]] = {
    "chain": question_chain(),
    "model": chat(ANSWER),
    "langchain's model": generic_chat(ANSWER),
    "generator": RunnableGenerator(letters),
}


@pytest.mark.parametrize("name", ROUTES)
def test_a_branch_streams_what_the_branch_streams_that_it_chose(
    name: str, runlog: RunLogCapture
) -> None:
    branch: Runnable[Any, Any] = RunnableBranch((lambda _: False, search), ROUTES[name])
    chunks = list(branch.stream(INPUT if name == "chain" else QUESTION))

    assert runlog.root.state["streamed_output"] == chunks
    assert len(chunks) > 1


@pytest.mark.parametrize("name", ["chain", "model"])
def test_fallbacks_stream_what_the_one_streams_that_works(name: str, runlog: RunLogCapture) -> None:
    down: Any = chat(ModelDown("no"))
    if name == "chain":
        down = question_chain(down)
    fallbacks = down.with_fallbacks([ROUTES[name]])
    chunks = list(fallbacks.stream(INPUT if name == "chain" else QUESTION))

    assert runlog.root.state["streamed_output"] == chunks
    assert len(chunks) == len(WORDS)


def test_fallbacks_that_are_streamed_async_stream_the_same(runlog: RunLogCapture) -> None:
    async def main() -> list[Any]:
        fallbacks = chat(ModelDown("no")).with_fallbacks([chat(ANSWER)])
        return [chunk async for chunk in fallbacks.astream(QUESTION)]

    chunks = asyncio.run(main())

    assert runlog.root.state["streamed_output"] == chunks


@pytest.mark.parametrize(
    "chain",
    [
        RunnableBranch((lambda _: False, search), chat(ANSWER)),
        chat(ModelDown("no")).with_fallbacks([chat(ANSWER)]),
    ],
    ids=["branch", "fallbacks"],
)
def test_what_is_invoked_streams_nothing_though_its_model_reports_tokens(
    chain: Runnable[Any, Any], runlog: RunLogCapture
) -> None:
    class Streaming(BaseCallbackHandler):
        """LangChain streams models for such a handler."""

        def tap_output_iter(self, run_id: Any, output: Any) -> Any:
            return output

        def tap_output_aiter(self, run_id: Any, output: Any) -> Any:
            return output

    chain.invoke(QUESTION, {"callbacks": [Streaming()]})

    assert runlog.root.state["streamed_output"] == []
    assert [len(run.chunks) for run in runlog.models][-1] == len(WORDS)


def test_a_graph_says_what_it_ended_with_but_not_what_it_streamed(runlog: RunLogCapture) -> None:
    chunks = list(graph().stream(INPUT))

    assert [list(chunk) for chunk in chunks] == [["retrieve"], ["answer"]]
    assert runlog.root.state["streamed_output"] == []
    assert runlog.root.state["final_output"]["answer"] == ANSWER


@pytest.mark.skipif(
    not HAS_V3_EVENTS, reason="langchain-core has stream_events(version='v3') from 1.4 on"
)
@pytest.mark.filterwarnings("ignore::langchain_core._api.LangChainBetaWarning")
def test_a_model_that_is_driven_in_v3_streams_events(runlog: RunLogCapture) -> None:
    events = list(generic_chat(ANSWER).stream_events(QUESTION, version="v3"))

    assert runlog.root.state["streamed_output"] == events
    assert [chunk.value for chunk in runlog.root.chunks] == events


# --- Filters -----------------------------------------------------------------------------


def test_a_filtered_log_can_be_asked_for_without_a_new_run(runlog: RunLogCapture) -> None:
    list(retrieval_chain().stream(QUESTION))
    log = runlog.root.filtered_log(include_types=["llm", "tool"])

    assert sorted(log.state["logs"]) == ["FakeChat", "search"]
    assert log.state["streamed_output"] == WORDS
    assert jsonpatch.apply_patch(None, copy.deepcopy(log.ops)) == log.state


# --- assert_always -----------------------------------------------------------------------


def test_what_holds_after_every_patch_passes(runlog: RunLogCapture) -> None:
    list(question_chain().stream(INPUT))
    states: list[Any] = []

    def is_consistent(state: Any) -> bool:
        states.append(state)
        return (state["final_output"] is None) == (state["end_time"] is None)

    runlog.assert_always(is_consistent)

    assert states == [state for _, state in runlog.root.states()]


def test_the_first_patch_that_breaks_it_is_named(runlog: RunLogCapture) -> None:
    list(question_chain().stream(INPUT))

    def is_short(state: Any) -> bool:
        return len(state["streamed_output"]) < 2

    with pytest.raises(AssertionError) as raised:
        runlog.assert_always(is_short)
    number = [len(state["streamed_output"]) for _, state in runlog.root.states()].index(2) + 1
    assert str(raised.value) == (
        "expected is_short to hold after every patch, "
        f"but it does not after patch {number} of {len(runlog.patches)} "
        '(add "/streamed_output/-"):\n'
        "> RunnableSequence (chain)\n"
        "    ChatPromptTemplate (prompt)\n"
        "    FakeChat (chat_model)\n"
        "    StrOutputParser (parser)\n"
        f"That state is root.state_at({number}), the one before root.state_at({number - 1})."
    )


def test_a_predicate_that_raises_is_the_cause(runlog: RunLogCapture) -> None:
    search.invoke("x")

    with pytest.raises(AssertionError, match=r"it raised KeyError after patch 1 of 2") as got:
        runlog.assert_always(lambda state: state["logs"]["search"])
    assert isinstance(got.value.__cause__, KeyError)


def test_every_root_is_checked(runlog: RunLogCapture) -> None:
    search.invoke("x")
    with pytest.raises(Exception, match="no route to x"):
        broken.invoke("x")

    runlog.assert_always(lambda state: state["name"] in {"search", "broken"})
    with pytest.raises(AssertionError, match=r"> broken \(tool\) ERROR") as raised:
        runlog.assert_always(lambda state: state["error"] is None)
    assert '(add "/final_output", add "/end_time", add "/error")' in str(raised.value)


def test_without_runs_nothing_can_be_said(runlog: RunLogCapture) -> None:
    with pytest.raises(AssertionError, match=r"every patch: no run was recorded"):
        runlog.assert_always(lambda _state: True)


def test_a_secret_in_a_name_is_not_in_the_message(
    runlog: RunLogCapture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOME_API_KEY", "sk-12345678")
    (search | RunnableLambda(lambda value: value, name="sk-12345678")).invoke("x")

    with pytest.raises(AssertionError, match="/logs/<secret>") as raised:
        runlog.assert_always(lambda state: "sk-12345678" not in state["logs"])
    assert "sk-1" not in str(raised.value)


def test_messages_in_a_log_are_messages(runlog: RunLogCapture) -> None:
    list(question_chain().stream(INPUT))
    entry = runlog.root.state["logs"]["FakeChat"]

    assert isinstance(entry["final_output"]["generations"][0][0]["message"], AIMessage)
    assert all(isinstance(chunk, AIMessageChunk) for chunk in entry["streamed_output"])
