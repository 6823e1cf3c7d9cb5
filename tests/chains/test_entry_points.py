"""What is recorded of a chain, by whichever door it is entered."""

from __future__ import annotations

import asyncio
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
from langchain_core.callbacks import adispatch_custom_event, dispatch_custom_event
from langchain_core.documents import Document
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage
from langchain_core.runnables import (
    Runnable,
    RunnableConfig,
    RunnableGenerator,
    RunnableLambda,
    RunnableParallel,
)
from langchain_core.runnables.config import run_in_executor
from langchain_core.tracers.run_collector import RunCollectorCallbackHandler

import pytest_runlog
from support.chains import (
    ANSWER,
    QUESTION,
    RFC,
    Unreachable,
    add,
    agent,
    broken,
    graph,
    question_chain,
    retrieval_chain,
    retriever,
    search,
)
from support.models import (
    MODEL_NAME,
    FakeCompletion,
    ModelDown,
    calling,
    chat,
    completion,
    flaky,
    generic_chat,
    streaming_completion,
)
from support.versions import (
    HAS_V3_EVENTS,
    TELLS_TOOL_CALL_IDS,
    run_collector_copies_with_pydantics_copy,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from langchain_core.tracers.schemas import Run as TracedRun

    from pytest_runlog import Run, RunLogCapture

    Driver = Callable[[Any, Any, RunnableConfig], Any]

pytestmark = [
    # LangChain deprecates it in favour of astream; as long as it is there, it is recorded.
    pytest.mark.filterwarnings("ignore:astream_log is deprecated"),
    run_collector_copies_with_pydantics_copy,
]

INPUT = {"question": QUESTION}
TOKENS_OF_ONE_ANSWER = (7, 2, 9)


async def collect(chunks: AsyncIterator[Any]) -> list[Any]:
    return [chunk async for chunk in chunks]


async def once(value: Any) -> AsyncIterator[Any]:
    yield value


async def in_executor(chain: Any, value: Any, config: RunnableConfig) -> Any:
    loop = asyncio.get_running_loop()
    return await loop.run_in_executor(None, chain.invoke, value, config)


def in_thread(chain: Any, value: Any, config: RunnableConfig) -> None:
    """Calls the chain on a thread that knows nothing of this one's context."""
    failures: list[Exception] = []

    def call() -> None:
        try:
            chain.invoke(value, config)
        except Exception as failure:
            failures.append(failure)

    thread = threading.Thread(target=call)
    thread.start()
    thread.join()
    if failures:
        raise failures[0]


def in_pool(chain: Any, value: Any, config: RunnableConfig) -> Any:
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(chain.invoke, value, config).result()


CALLED: dict[str, Driver] = {
    "invoke": lambda chain, value, config: chain.invoke(value, config),
    "batch": lambda chain, value, config: chain.batch([value], config),
    "batch_as_completed": lambda chain, value, config: list(
        chain.batch_as_completed([value], config)
    ),
    "ainvoke": lambda chain, value, config: asyncio.run(chain.ainvoke(value, config)),
    "abatch": lambda chain, value, config: asyncio.run(chain.abatch([value], config)),
    "abatch_as_completed": lambda chain, value, config: asyncio.run(
        collect(chain.abatch_as_completed([value], config))
    ),
    "thread": in_thread,
    "ThreadPoolExecutor": in_pool,
    "loop.run_in_executor": lambda chain, value, config: asyncio.run(
        in_executor(chain, value, config)
    ),
    "langchain run_in_executor": lambda chain, value, config: asyncio.run(
        run_in_executor(None, chain.invoke, value, config)
    ),
    "asyncio.to_thread": lambda chain, value, config: asyncio.run(
        asyncio.to_thread(chain.invoke, value, config)
    ),
}
STREAMED: dict[str, Driver] = {
    "stream": lambda chain, value, config: list(chain.stream(value, config)),
    "transform": lambda chain, value, config: list(chain.transform(iter([value]), config)),
    "astream": lambda chain, value, config: asyncio.run(collect(chain.astream(value, config))),
    "atransform": lambda chain, value, config: asyncio.run(
        collect(chain.atransform(once(value), config))
    ),
    "astream_events": lambda chain, value, config: asyncio.run(
        collect(chain.astream_events(value, config, version="v2"))
    ),
    "astream_log": lambda chain, value, config: asyncio.run(
        collect(chain.astream_log(value, config))
    ),
}
DRIVERS = CALLED | STREAMED

called = pytest.mark.parametrize("drive", CALLED.values(), ids=CALLED)
streamed = pytest.mark.parametrize("drive", STREAMED.values(), ids=STREAMED)
driven = pytest.mark.parametrize("drive", DRIVERS.values(), ids=DRIVERS)


# --- One chain, every door ---------------------------------------------------------------


@driven
def test_every_way_to_call_a_chain_gives_the_same_tree(
    drive: Driver, runlog: RunLogCapture
) -> None:
    drive(question_chain(), INPUT, {})

    assert runlog.tree("shape") == (
        "RunnableSequence (chain)\n"
        "  ChatPromptTemplate (prompt)\n"
        "  FakeChat (chat_model)\n"
        "  StrOutputParser (parser)"
    )


@driven
def test_inputs_are_what_each_step_took_and_no_placeholder(
    drive: Driver, runlog: RunLogCapture
) -> None:
    drive(question_chain(), INPUT, {})

    chain, prompt, model, parser = runlog.runs
    assert chain.inputs == INPUT
    assert prompt.inputs == INPUT
    assert model.inputs == [HumanMessage(QUESTION)]
    assert parser.inputs.content == ANSWER


@driven
def test_outputs_are_what_each_step_gave(drive: Driver, runlog: RunLogCapture) -> None:
    drive(question_chain(), INPUT, {})

    chain, prompt, model, parser = runlog.runs
    assert chain.output == ANSWER
    assert prompt.output.to_messages() == [HumanMessage(QUESTION)]
    assert model.output.content == ANSWER
    assert parser.output == ANSWER


@driven
def test_every_run_is_finished_and_well(drive: Driver, runlog: RunLogCapture) -> None:
    drive(question_chain(), INPUT, {})

    assert {run.status for run in runlog.runs} == {"ok"}
    assert not runlog.errors
    assert not runlog.unfinished


@driven
def test_usage_and_the_name_of_the_model_are_known(drive: Driver, runlog: RunLogCapture) -> None:
    drive(question_chain(), INPUT, {})

    assert runlog.tokens == TOKENS_OF_ONE_ANSWER
    assert runlog.root.tokens == TOKENS_OF_ONE_ANSWER
    assert runlog.one(type="chat_model").model == MODEL_NAME


@driven
def test_times_fit_into_one_another(drive: Driver, runlog: RunLogCapture) -> None:
    drive(question_chain(), INPUT, {})

    root = runlog.root
    assert root.latency is not None
    assert root.self_latency is not None
    assert root.end is not None
    assert 0 < root.self_latency <= root.latency
    assert runlog.elapsed == root.latency
    for child in root.children:
        assert child.latency is not None
        assert child.end is not None
        assert 0 < child.latency < root.latency
        assert root.start <= child.start <= child.end <= root.end


@driven
def test_paths_lead_from_the_root_to_the_run(drive: Driver, runlog: RunLogCapture) -> None:
    drive(question_chain(), INPUT, {})

    assert [run.path for run in runlog.runs] == [
        "RunnableSequence",
        "RunnableSequence/ChatPromptTemplate",
        "RunnableSequence/FakeChat",
        "RunnableSequence/StrOutputParser",
    ]


@called
def test_a_chain_that_is_not_streamed_has_no_chunks(drive: Driver, runlog: RunLogCapture) -> None:
    drive(question_chain(), INPUT, {})

    assert [run.chunks for run in runlog.runs] == [[], [], [], []]
    assert [run.ttft for run in runlog.runs] == [None, None, None, None]


@streamed
def test_a_streamed_chain_has_the_chunks_of_every_run(drive: Driver, runlog: RunLogCapture) -> None:
    drive(question_chain(), INPUT, {})

    chain, prompt, model, parser = runlog.runs
    assert [chunk.value for chunk in chain.chunks] == ["JSON ", "Patch", ""]
    assert prompt.chunks == []  # a prompt gives its one value when it has all of its input
    assert [chunk.value.content for chunk in model.chunks] == ["JSON ", "Patch", ""]
    assert [chunk.value for chunk in parser.chunks] == ["JSON ", "Patch", ""]


@streamed
def test_chunks_have_times_that_go_up_from_the_first_token(
    drive: Driver, runlog: RunLogCapture
) -> None:
    drive(question_chain(), INPUT, {})

    for run in (runlog.root, runlog.one("FakeChat"), runlog.one("StrOutputParser")):
        times = [chunk.at for chunk in run.chunks]
        assert run.latency is not None
        assert 0 < times[0] <= times[-1] <= run.latency
        assert times == sorted(times)
        assert run.ttft == times[0]


@driven
def test_an_error_is_recorded_where_it_arose_and_as_it_climbed(
    drive: Driver, runlog: RunLogCapture
) -> None:
    failure = ModelDown("no answer")

    with pytest.raises(ModelDown):
        drive(question_chain(chat(failure)), INPUT, {})

    assert runlog.errors == [runlog.one("FakeChat")]
    assert runlog.one("FakeChat").error is failure
    assert runlog.root.error is failure
    assert runlog.root.status == "error"
    assert runlog.root.output is None
    assert not runlog.recovered
    assert runlog.one("ChatPromptTemplate").status == "ok"


@streamed
def test_an_error_in_mid_stream_arose_in_the_model_and_not_in_what_reads_from_it(
    drive: Driver, runlog: RunLogCapture
) -> None:
    with pytest.raises(ModelDown):
        drive(question_chain(chat("one two three", breaks_after=2)), INPUT, {})

    model = runlog.one("FakeChat")
    assert runlog.errors == [model]
    assert [chunk.value.content for chunk in model.chunks] == ["one ", "two "]
    assert [chunk.value for chunk in runlog.root.chunks] == ["one ", "two "]
    assert runlog.one("StrOutputParser").error is model.error


# --- LangChain's own tracers as oracles --------------------------------------------------


def traced_runs(oracle: RunCollectorCallbackHandler) -> Iterator[TracedRun]:
    todo = list(oracle.traced_runs)
    while todo:
        run = todo.pop()
        yield run
        todo += run.child_runs


PASSES_PARENTS = sys.version_info >= (3, 11)
"""Before, LangChain cannot pass parents and handlers through a task that it creates."""


def retrying() -> Any:
    """Fails twice, then answers."""
    return flaky(ANSWER, times=2).with_retry(stop_after_attempt=3, wait_exponential_jitter=False)


FALLBACKS = "RunnableWithFallbacks"
"""Of what it tries, LangChain's tracer often takes the parent of the fallbacks for the parent."""


def as_traced(run: Run) -> tuple[Any, ...]:
    parent = run.parent
    if parent is not None and parent.name == FALLBACKS:
        parent = parent.parent
    return (
        run.id,
        run.name,
        "llm" if run.type == "chat_model" else run.type,
        parent.id if parent is not None else None,
        run.error is not None,
        sorted(run.tags),
    )


def as_recorded(run: TracedRun, fallbacks: dict[Any, TracedRun]) -> tuple[Any, ...]:
    parent = fallbacks.get(run.parent_run_id)
    return (
        run.id,
        run.name,
        run.run_type,
        run.parent_run_id if parent is None else parent.parent_run_id,
        run.error is not None,
        sorted(run.tags or []),
    )


def assert_agrees(runlog: RunLogCapture, oracle: RunCollectorCallbackHandler) -> None:
    traced = list(traced_runs(oracle))
    fallbacks = {run.id: run for run in traced if run.name == FALLBACKS}
    expected = {run.id: as_recorded(run, fallbacks) for run in traced}
    assert expected
    assert {
        run.id: as_traced(run) for run in runlog.runs if PASSES_PARENTS or run.id in expected
    } == expected


CHAINS: dict[str, tuple[Callable[[], Any], Any]] = {
    "question": (question_chain, INPUT),
    "completion": (lambda: question_chain(FakeCompletion()), INPUT),
    "retrieval": (retrieval_chain, QUESTION),
    "fallback": (
        lambda: question_chain(chat(ModelDown("down")).with_fallbacks([chat(ANSWER)])),
        INPUT,
    ),
    "model": (lambda: chat(ANSWER), QUESTION),
    "tool": (lambda: search, {"query": QUESTION}),
    "retriever": (retriever, QUESTION),
    "graph": (graph, INPUT),
    "agent": (agent, {"messages": [("human", QUESTION)]}),
}


@driven
@pytest.mark.parametrize(("make", "value"), CHAINS.values(), ids=CHAINS)
def test_a_tracer_on_the_same_run_sees_the_same_runs(
    make: Callable[[], Any], value: Any, drive: Driver, runlog: RunLogCapture
) -> None:
    oracle = RunCollectorCallbackHandler()

    drive(make(), value, {"callbacks": [oracle]})

    assert_agrees(runlog, oracle)


@called
def test_a_tracer_on_the_same_run_sees_the_same_attempts(
    drive: Driver, runlog: RunLogCapture
) -> None:
    oracle = RunCollectorCallbackHandler()

    drive(question_chain(retrying()), INPUT, {"callbacks": [oracle]})

    assert_agrees(runlog, oracle)


@driven
@pytest.mark.parametrize(
    ("make", "value"),
    [
        (lambda: question_chain(chat(ModelDown("down"))), INPUT),
        (lambda: retrieval_chain(chat(ModelDown("down"))), QUESTION),
        (lambda: graph(chat(ModelDown("down"))), INPUT),
        (lambda: broken, {"query": QUESTION}),
        (lambda: retriever(error=Unreachable("down")), QUESTION),
    ],
    ids=["question", "retrieval", "graph", "tool", "retriever"],
)
def test_a_tracer_on_the_same_run_sees_the_same_errors(
    make: Callable[[], Any], value: Any, drive: Driver, runlog: RunLogCapture
) -> None:
    oracle = RunCollectorCallbackHandler()

    with pytest.raises((ModelDown, Unreachable)):
        drive(make(), value, {"callbacks": [oracle]})

    assert_agrees(runlog, oracle)


@pytest.mark.parametrize(
    ("make", "value"), [CHAINS["question"], CHAINS["retrieval"]], ids=["question", "retrieval"]
)
def test_the_state_that_astream_log_ends_with_has_the_same_runs(
    make: Callable[[], Any], value: Any, runlog: RunLogCapture
) -> None:
    patches = asyncio.run(collect(make().astream_log(value)))

    state: Any = sum(patches[1:], patches[0]).state
    root = runlog.root
    assert state["id"] == str(root.id)
    assert state["name"] == root.name
    assert state["final_output"] == root.output
    assert state["streamed_output"] == [chunk.value for chunk in root.chunks]
    assert {
        (entry["id"], entry["name"], entry["type"], tuple(entry["tags"]))
        for entry in state["logs"].values()
    } == {
        (
            str(run.id),
            run.name,
            "llm" if run.type == "chat_model" else run.type,
            tuple(run.tags),
        )
        for run in root.descendants
    }


# --- Several inputs, threads and tasks ---------------------------------------------------

TWO = [{"question": "b"}, {"question": "a"}]
MANY: dict[str, Callable[[Any, list[Any]], Any]] = {
    "abatch": lambda chain, values: asyncio.run(chain.abatch(values)),
    "batch_as_completed": lambda chain, values: list(chain.batch_as_completed(values)),
    "abatch_as_completed": lambda chain, values: asyncio.run(
        collect(chain.abatch_as_completed(values))
    ),
}


@pytest.mark.parametrize("drive", MANY.values(), ids=MANY)
def test_each_input_of_a_batch_is_a_root_and_they_are_in_the_order_of_their_inputs(
    drive: Callable[[Any, list[Any]], Any], runlog: RunLogCapture
) -> None:
    drive(question_chain(chat(str.upper)), TWO)

    assert [root.inputs for root in runlog.roots] == [{"question": "a"}, {"question": "b"}]
    assert [root.output for root in runlog.roots] == ["A", "B"]
    assert [run.output.content for run in runlog.models] == ["A", "B"]
    assert runlog.tokens == (14, 4, 18)


def test_the_inputs_of_the_batch_of_a_sequence_keep_their_order(runlog: RunLogCapture) -> None:
    question_chain(chat(str.upper)).batch(TWO)

    assert [root.inputs for root in runlog.roots] == TWO
    assert [run.output.content for run in runlog.models] == ["B", "A"]


def test_one_failed_input_of_a_batch_leaves_the_others_alone(runlog: RunLogCapture) -> None:
    def answer(text: str) -> str:
        if text == "b":
            raise ModelDown("no answer to b")
        return text

    results = question_chain(chat(answer)).batch(TWO, return_exceptions=True)

    assert results[1] == "a"
    assert [root.status for root in runlog.roots] == ["error", "ok"]
    assert runlog.errors.outputs == [None]
    assert runlog.errors[0].inputs == [HumanMessage("b")]


def test_calls_that_follow_one_another_keep_their_order(runlog: RunLogCapture) -> None:
    chain = question_chain(chat(str.upper))

    for question in ("b", "c", "a"):
        chain.invoke({"question": question})

    assert runlog.roots.outputs == ["B", "C", "A"]


def test_threads_of_the_user_are_roots_that_ran_on_their_own_threads(runlog: RunLogCapture) -> None:
    both_inside = threading.Barrier(2, timeout=10)

    def answer(text: str) -> str:
        both_inside.wait()
        return text.upper()

    chain = question_chain(chat(answer))
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(chain.invoke, TWO))

    first, second = runlog.roots
    assert [first.output, second.output] == ["A", "B"]
    assert threading.get_ident() not in {first.thread, second.thread}
    assert first.thread != second.thread
    assert runlog.roots.overlapped()


def test_tasks_that_wait_for_one_another_overlap(runlog: RunLogCapture) -> None:
    async def main() -> None:
        arrived: list[str] = []
        everybody = asyncio.Event()

        async def meet(text: str) -> str:
            arrived.append(text)
            if len(arrived) == 2:
                everybody.set()
            await everybody.wait()
            return text.upper()

        chain = RunnableLambda(meet, name="meet")
        await asyncio.gather(chain.ainvoke("b"), chain.ainvoke("a"))

    asyncio.run(main())

    assert runlog.roots.outputs == ["A", "B"]
    assert runlog.roots.overlapped()


def test_a_thread_started_by_a_step_is_a_root_because_it_knows_no_parent(
    runlog: RunLogCapture,
) -> None:
    step: Runnable[str, Any] = RunnableLambda(
        lambda text: in_thread(chat(str.upper), text, {}), name="step"
    )

    step.invoke("hello")

    assert runlog.tree("shape") == "step (chain)\nFakeChat (chat_model)"


def test_a_run_inside_a_step_has_the_step_as_parent(runlog: RunLogCapture) -> None:
    step: Runnable[str, Any] = RunnableLambda(
        lambda text: question_chain().invoke({"question": text}), name="step"
    )

    step.invoke("hello")

    assert runlog.names == [
        "step",
        "RunnableSequence",
        "ChatPromptTemplate",
        "FakeChat",
        "StrOutputParser",
    ]
    assert runlog.root.name == "step"


# --- Bare models, tools and retrievers ---------------------------------------------------


@driven
def test_a_bare_chat_model_is_a_root(drive: Driver, runlog: RunLogCapture) -> None:
    drive(chat(ANSWER), QUESTION, {})

    root = runlog.root
    assert (root.name, root.type, root.model) == ("FakeChat", "chat_model", MODEL_NAME)
    assert root.inputs == [HumanMessage(QUESTION)]
    assert root.output.content == ANSWER
    assert root.tokens == TOKENS_OF_ONE_ANSWER
    assert root.tool_calls == []


@driven
def test_a_bare_completion_model_is_a_root_of_type_llm(
    drive: Driver, runlog: RunLogCapture
) -> None:
    drive(completion(ANSWER), QUESTION, {})

    root = runlog.root
    assert (root.name, root.type) == ("FakeListLLM", "llm")
    assert root.inputs == QUESTION
    assert root.output == ANSWER


@called
def test_a_completion_model_reports_its_usage_beside_its_answer(
    drive: Driver, runlog: RunLogCapture
) -> None:
    drive(FakeCompletion(), QUESTION, {})

    assert runlog.root.tokens == TOKENS_OF_ONE_ANSWER
    assert runlog.root.model == MODEL_NAME


@streamed
def test_a_completion_model_streams_text_and_then_reports_no_usage(
    drive: Driver, runlog: RunLogCapture
) -> None:
    drive(FakeCompletion(answer=ANSWER), QUESTION, {})

    assert [chunk.value for chunk in runlog.root.chunks] == ["JSON ", "Patch"]
    assert runlog.root.output == ANSWER
    assert runlog.root.tokens == (None, None, None)


def test_each_prompt_of_generate_is_a_run_of_its_own(runlog: RunLogCapture) -> None:
    completion("one", "two").generate(["first", "second"])

    assert [run.inputs for run in runlog.roots] == ["first", "second"]
    assert runlog.roots.outputs == ["one", "two"]


def test_a_model_that_streams_past_langchain_has_its_answer_but_no_chunks(
    runlog: RunLogCapture,
) -> None:
    assert list(streaming_completion("ab").stream(QUESTION)) == ["a", "b"]

    assert runlog.root.output == "ab"
    assert runlog.root.chunks == []


@driven
def test_the_usage_of_a_model_that_reports_none_is_unknown_and_not_zero(
    drive: Driver, runlog: RunLogCapture
) -> None:
    drive(generic_chat(ANSWER), QUESTION, {})

    assert runlog.root.tokens == (None, None, None)
    assert runlog.tokens == (None, None, None)


@driven
def test_a_bare_tool_takes_arguments_by_name_and_gives_its_result(
    drive: Driver, runlog: RunLogCapture
) -> None:
    drive(add, {"a": 1, "b": 2}, {})

    root = runlog.root
    assert (root.name, root.type) == ("add", "tool")
    assert root.inputs == {"a": 1, "b": 2}
    assert root.output == 3
    assert runlog.tools == [root]


def test_a_tool_that_is_called_by_a_model_gives_a_message(runlog: RunLogCapture) -> None:
    search.invoke({"name": "search", "args": {"query": "x"}, "id": "call-1", "type": "tool_call"})

    assert runlog.root.inputs == {"query": "x"}
    assert runlog.root.output == ToolMessage("found x", name="search", tool_call_id="call-1")


@pytest.mark.skipif(
    not TELLS_TOOL_CALL_IDS, reason="langchain-core tells handlers from 1.2 on who called a tool"
)
def test_a_tool_that_is_called_by_a_model_has_the_id_of_the_call(runlog: RunLogCapture) -> None:
    search.invoke({"name": "search", "args": {"query": "x"}, "id": "call-1", "type": "tool_call"})

    assert runlog.root.details["tool_call_id"] == "call-1"


def test_a_tool_may_be_given_arguments_with_any_names(runlog: RunLogCapture) -> None:
    search.run("why?", outputs="these", run_type="that")

    assert [run.status for run in runlog.runs] == ["ok"]
    assert runlog.root.type == "tool"
    assert runlog.root.output == "found why?"


def test_what_a_model_was_called_with_stays_as_it_was(runlog: RunLogCapture) -> None:
    stop, tools = ["."], [{"name": "search"}]
    chat(ANSWER).invoke(QUESTION, stop=stop, tools=tools)
    stop.append("!")
    tools[0]["name"] = "add"

    details = runlog.root.details
    assert details["invocation_params"]["stop"] == ["."]
    assert details["options"]["stop"] == ["."]
    assert details["invocation_params"]["tools"] == [{"name": "search"}]


@driven
def test_a_tool_that_fails_has_the_exception(drive: Driver, runlog: RunLogCapture) -> None:
    with pytest.raises(Unreachable):
        drive(broken, {"query": "x"}, {})

    assert isinstance(runlog.root.error, Unreachable)
    assert runlog.root.inputs == {"query": "x"}
    assert runlog.errors == [runlog.root]


@driven
def test_a_bare_retriever_gives_its_documents(drive: Driver, runlog: RunLogCapture) -> None:
    drive(retriever(), QUESTION, {})

    root = runlog.root
    assert (root.name, root.type) == ("FakeRetriever", "retriever")
    assert root.inputs == QUESTION
    assert root.output == [RFC]
    assert runlog.retrievers == [root]


@driven
def test_a_retriever_that_fails_has_the_exception(drive: Driver, runlog: RunLogCapture) -> None:
    with pytest.raises(Unreachable):
        drive(retriever(error=Unreachable("down")), QUESTION, {})

    assert str(runlog.root.error) == "down"
    assert runlog.errors == [runlog.root]


# --- Chains with a retriever and a tool --------------------------------------------------


@driven
def test_a_retrieval_chain_has_its_retriever_and_tool_below_the_parallel_step(
    drive: Driver, runlog: RunLogCapture
) -> None:
    drive(retrieval_chain(), QUESTION, {})

    assert runlog.tree("shape") == (
        "RunnableSequence (chain)\n"
        "  RunnableParallel<context,facts,question> (chain)\n"
        "    RunnableSequence (chain)\n"
        "      FakeRetriever (retriever)\n"
        "      join (chain)\n"
        "    search (tool)\n"
        "    RunnablePassthrough (chain)\n"
        "  ChatPromptTemplate (prompt)\n"
        "  FakeChat (chat_model)\n"
        "  StrOutputParser (parser)"
    )
    assert runlog.one(type="retriever").output[0].metadata["source"] == "rfc6902"
    assert runlog.one(type="tool").output == f"found {QUESTION}"
    assert runlog.one("ChatPromptTemplate").inputs == {
        "context": RFC.page_content,
        "facts": f"found {QUESTION}",
        "question": QUESTION,
    }
    assert runlog.one(type="retriever").path == (
        "RunnableSequence/RunnableParallel<context,facts,question>/RunnableSequence/FakeRetriever"
    )


@driven
def test_parallel_steps_are_in_the_order_of_their_keys(
    drive: Driver, runlog: RunLogCapture
) -> None:
    steps: dict[str, Any] = {key: RunnableLambda(str.upper, name=key) for key in "cab"}

    drive(RunnableParallel(**steps), "x", {})

    assert runlog.names[1:] == ["a", "b", "c"]


@called
def test_attempts_of_a_retry_are_numbered(drive: Driver, runlog: RunLogCapture) -> None:
    drive(question_chain(retrying()), INPUT, {})

    attempts = runlog.find(type="chat_model")
    assert [run.attempt for run in attempts] == [1, 2, 3]
    assert [run.status for run in attempts] == ["error", "error", "ok"]
    assert runlog.errors == attempts[:2]
    assert runlog.recovered == runlog.errors
    assert runlog.root.output == ANSWER


@called
def test_an_error_that_a_fallback_caught_is_recovered(drive: Driver, runlog: RunLogCapture) -> None:
    failure = ModelDown("down")

    drive(question_chain(chat(failure).with_fallbacks([chat(ANSWER)])), INPUT, {})

    assert [run.error for run in runlog.errors] == [failure]
    assert runlog.recovered == runlog.errors
    assert runlog.root.status == "ok"


@driven
def test_when_all_fallbacks_fail_each_of_their_errors_counts_once(
    drive: Driver, runlog: RunLogCapture
) -> None:
    first, second = ModelDown("first"), ModelDown("second")

    with pytest.raises(ModelDown):
        drive(question_chain(chat(first).with_fallbacks([chat(second)])), INPUT, {})

    assert [run.error for run in runlog.errors] == [first, second]
    assert {run.type for run in runlog.errors} == {"chat_model"}
    assert len(runlog.recovered) == 1  # LangChain raises one of the two


@driven
def test_custom_events_belong_to_the_run_that_dispatched_them(
    drive: Driver, runlog: RunLogCapture
) -> None:
    def report(text: str) -> str:
        dispatch_custom_event("progress", {"done": 1})
        return text

    async def areport(text: str, config: RunnableConfig) -> str:
        await adispatch_custom_event("progress", {"done": 1}, config=config)
        return text

    drive(RunnableLambda(report, areport, name="report"), "x", {})

    (event,) = runlog.one("report").events
    assert (event.name, event.data) == ("progress", {"done": 1})
    assert event.at > 0


def test_tags_and_metadata_of_the_config_are_recorded(runlog: RunLogCapture) -> None:
    question_chain().invoke(
        INPUT, {"run_name": "ask", "tags": ["mine"], "metadata": {"customer": "acme"}}
    )

    assert runlog.root.name == "ask"
    assert runlog.root.tags == ["mine"]
    assert runlog.root.metadata["customer"] == "acme"
    assert runlog.find(tag="mine") == runlog.runs
    assert runlog.one("FakeChat").metadata["customer"] == "acme"


def test_values_are_those_at_the_time_of_the_event(runlog: RunLogCapture) -> None:
    def poison(documents: list[Document]) -> list[Document]:
        documents[0].metadata["source"] = "changed"
        documents.append(Document("late"))
        return documents

    (retriever() | RunnableLambda(poison, name="poison")).invoke(QUESTION)

    assert runlog.one(type="retriever").output == [RFC]
    assert runlog.one("poison").inputs == [RFC]
    assert [doc.metadata for doc in runlog.one("poison").output] == [{"source": "changed"}, {}]


@pytest.mark.parametrize("drive", [STREAMED["stream"], STREAMED["astream"]], ids=["sync", "async"])
def test_a_generator_step_takes_the_joined_input_and_streams_its_chunks(
    drive: Driver, runlog: RunLogCapture
) -> None:
    def shout(texts: Iterator[str]) -> Iterator[str]:
        for text in texts:
            yield text.upper()

    async def ashout(texts: AsyncIterator[str]) -> AsyncIterator[str]:
        async for text in texts:
            yield text.upper()

    drive(question_chain() | RunnableGenerator(shout, ashout, name="shout"), INPUT, {})

    step = runlog.one("shout")
    assert step.inputs == ANSWER
    assert step.output == ANSWER.upper()
    assert [chunk.value for chunk in step.chunks] == ["JSON ", "PATCH", ""]


def test_a_stream_that_nobody_finishes_is_unfinished_and_no_error(runlog: RunLogCapture) -> None:
    stream = question_chain(chat("one two three")).stream(INPUT)
    assert next(stream) == "one "

    assert [run.status for run in runlog.roots] == ["unfinished"]
    assert runlog.root.latency is None
    assert runlog.root.output is None
    assert [chunk.value for chunk in runlog.root.chunks] == ["one "]
    assert not runlog.errors

    assert "".join(stream) == "two three"
    assert runlog.root.status == "ok"


def test_a_cancelled_call_is_interrupted_and_no_error(runlog: RunLogCapture) -> None:
    async def main() -> None:
        inside = asyncio.Event()

        async def wait(text: str) -> str:
            inside.set()
            await asyncio.Event().wait()
            return text

        task = asyncio.create_task(RunnableLambda(wait, name="wait").ainvoke("x"))
        await inside.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())

    assert runlog.root.status == "interrupted"
    assert isinstance(runlog.root.interrupt, asyncio.CancelledError)
    assert runlog.root.error is None
    assert not runlog.errors


# --- Graphs and agents -------------------------------------------------------------------


@driven
def test_a_graph_has_its_nodes_and_what_they_called(drive: Driver, runlog: RunLogCapture) -> None:
    drive(graph(), INPUT, {})

    assert runlog.root.name == "LangGraph"
    assert runlog.root.inputs == INPUT
    assert [run.name for run in runlog.root.children] == ["retrieve", "answer"]
    assert runlog.one("FakeRetriever", under="retrieve").output == [RFC]
    assert runlog.one("FakeChat", under="answer").output.content == ANSWER
    assert runlog.one("StrOutputParser", under="answer").output == ANSWER
    assert runlog.tokens == TOKENS_OF_ONE_ANSWER
    assert not runlog.unfinished


@called
def test_a_graph_gives_its_last_state(drive: Driver, runlog: RunLogCapture) -> None:
    drive(graph(), INPUT, {})

    assert runlog.root.output == {"question": QUESTION, "documents": [RFC], "answer": ANSWER}


@pytest.mark.parametrize("mode", ["values", "updates", "messages"])
@pytest.mark.parametrize("is_async", [False, True], ids=["stream", "astream"])
def test_however_a_graph_is_streamed_it_has_the_same_runs(
    mode: str, is_async: bool, runlog: RunLogCapture
) -> None:
    if is_async:
        asyncio.run(collect(graph().astream(INPUT, stream_mode=mode)))
    else:
        list(graph().stream(INPUT, stream_mode=mode))

    assert [run.path for run in runlog.runs if run.type != "chain"] == [
        "LangGraph/retrieve/retrieve/FakeRetriever",
        "LangGraph/answer/answer/RunnableSequence/ChatPromptTemplate",
        "LangGraph/answer/answer/RunnableSequence/FakeChat",
        "LangGraph/answer/answer/RunnableSequence/StrOutputParser",
    ]
    assert {run.status for run in runlog.runs} == {"ok"}
    chunks = [chunk.value.content for chunk in runlog.one("FakeChat").chunks]
    assert chunks == (["JSON ", "Patch", ""] if mode == "messages" else [])


@pytest.mark.filterwarnings("ignore::langchain_core._api.LangChainBetaWarning")
@pytest.mark.skipif(
    not HAS_V3_EVENTS, reason="langchain-core has astream_events(version='v3') from 1.4 on"
)
@pytest.mark.parametrize(
    ("make", "value"), [(chat, QUESTION), (graph, INPUT)], ids=["model", "graph"]
)
def test_the_events_of_the_third_streaming_protocol_are_chunks_of_the_model(
    make: Callable[[], Any], value: Any, runlog: RunLogCapture
) -> None:
    async def main() -> None:
        stream = await make().astream_events(value, version="v3")
        await collect(stream)

    asyncio.run(main())

    model = runlog.one("FakeChat")
    events = [chunk.value["event"] for chunk in model.chunks]
    assert (events[0], events[-1]) == ("message-start", "message-finish")
    assert events.count("content-block-delta") == len(ANSWER.split())
    assert model.notes == []
    assert model.tokens == TOKENS_OF_ONE_ANSWER


@driven
def test_an_error_in_a_node_climbs_to_the_graph_and_counts_once(
    drive: Driver, runlog: RunLogCapture
) -> None:
    failure = ModelDown("down")

    with pytest.raises(ModelDown):
        drive(graph(chat(failure)), INPUT, {})

    assert runlog.errors == [runlog.one("FakeChat")]
    assert runlog.root.error is failure
    assert runlog.one("retrieve", path="LangGraph/retrieve").status == "ok"
    assert runlog.one("answer", path="LangGraph/answer").status == "error"


AGENT_INPUT = {"messages": [("human", QUESTION)]}


@driven
def test_an_agent_has_the_models_requests_and_the_tools_results(
    drive: Driver, runlog: RunLogCapture
) -> None:
    drive(agent(), AGENT_INPUT, {})

    asked, answered = runlog.models
    assert asked.tool_calls == [
        {"name": "search", "args": {"query": "RFC 6902"}, "id": "call-search", "type": "tool_call"}
    ]
    assert answered.tool_calls == []
    assert answered.output.content == ANSWER
    tool = runlog.one(type="tool")
    assert tool.name == "search"
    assert tool.inputs == {"query": "RFC 6902"}
    assert tool.output.content == "found RFC 6902"
    assert runlog.tokens == (14, 4, 18)


@driven
def test_an_agent_goes_from_the_model_to_the_tools_and_back(
    drive: Driver, runlog: RunLogCapture
) -> None:
    drive(agent(), AGENT_INPUT, {})

    assert runlog.find("LangGraph")[0].children.names == ["model", "tools", "model"]
    assert runlog.one("search").path == "LangGraph/tools/search"


@pytest.mark.parametrize(
    ("drive", "path"),
    [
        (DRIVERS["invoke"], "LangGraph/model/FakeChat"),
        (DRIVERS["ainvoke"], "LangGraph/model/FakeChat" if PASSES_PARENTS else "FakeChat"),
    ],
    ids=["sync", "async"],
)
def test_the_models_of_an_agent_are_under_its_model_node(
    drive: Driver, path: str, runlog: RunLogCapture
) -> None:
    drive(agent(), AGENT_INPUT, {})

    assert [run.path for run in runlog.models] == [path, path]


def test_two_tools_that_are_asked_for_at_once_are_in_the_order_of_the_calls(
    runlog: RunLogCapture,
) -> None:
    both = AIMessage(
        "",
        tool_calls=[*calling("search", query="x").tool_calls, *calling("add", a=1, b=2).tool_calls],
    )

    agent(chat(both, ANSWER), [add, search]).invoke(AGENT_INPUT)

    assert [call["name"] for call in runlog.models[0].tool_calls] == ["search", "add"]
    assert runlog.tools.names == ["search", "add"]
    assert [run.output.content for run in runlog.tools] == ["found x", "3"]


# --- record() ----------------------------------------------------------------------------


def test_record_sees_what_the_fixture_sees(runlog: RunLogCapture) -> None:
    with pytest_runlog.record() as log:
        question_chain().invoke(INPUT)

    assert log.runs == runlog.runs
    assert log.tree("full") == runlog.tree("full")


def test_record_sees_only_what_runs_inside_of_it(runlog: RunLogCapture) -> None:
    search.invoke("before")
    with pytest_runlog.record() as log:
        search.invoke("inside")
    search.invoke("after")

    assert [run.inputs for run in log.runs] == ["inside"]
    assert [run.inputs for run in runlog.runs] == ["before", "inside", "after"]
