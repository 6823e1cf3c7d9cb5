"""Chains, by each door through which LangChain can be entered.

Each case is a function of a config, or a coroutine function, that returns what its chain
gave. They note with `here` what is called, and where.
"""

from __future__ import annotations

import asyncio
import operator
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Annotated, Any, TypedDict

from langchain_core.callbacks import (
    adispatch_custom_event,
    dispatch_custom_event,
)
from langchain_core.chat_history import InMemoryChatMessageHistory
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage
from langchain_core.output_parsers import JsonOutputParser, StrOutputParser
from langchain_core.prompts import ChatPromptTemplate, MessagesPlaceholder
from langchain_core.runnables import (
    Runnable,
    RunnableBranch,
    RunnableConfig,
    RunnableGenerator,
    RunnableLambda,
    RunnableParallel,
    RunnablePassthrough,
)
from langchain_core.runnables.history import RunnableWithMessageHistory
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import END, START, StateGraph
from langgraph.types import Command, interrupt
from pydantic import BaseModel

from support.chains import (
    ANSWER,
    QUESTION,
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
    FakeCompletion,
    ModelDown,
    calling,
    chat,
    completion,
    flaky,
    generic_chat,
    streaming_completion,
)
from support.observed import here
from support.versions import HAS_V3_EVENTS

if TYPE_CHECKING:
    Case = Callable[[RunnableConfig], Any]


INPUT = {"question": QUESTION}
INPUTS = [{"question": text} for text in "abc"]

CASES: dict[str, Case] = {}
RACING: dict[str, Case] = {}
"""Cases in which several runs happen at the same time, in an order that only chance knows."""
FAILING: set[str] = set()
"""Cases that fail."""


def case(function: Case) -> Case:
    CASES[function.__name__] = function
    return function


def racing(function: Case) -> Case:
    RACING[function.__name__] = function
    return function


def failing_case(function: Case) -> Case:
    FAILING.add(function.__name__)
    return case(function)


def case_of_v3(function: Case) -> Case:
    return case(function) if HAS_V3_EVENTS else function


def step(name: str) -> Runnable[Any, str]:
    """Gives `INPUT>name`, and notes where it is called."""

    def function(value: Any) -> str:
        here(name)
        return f"{value}>{name}"

    async def afunction(value: Any) -> str:
        here(f"async {name}")
        return f"{value}>{name}"

    return RunnableLambda(function, afunction, name=name)


def sync_step(name: str) -> Runnable[Any, str]:
    """The same without an async function, so that async code runs it in an executor."""

    def function(value: Any) -> str:
        here(name)
        return f"{value}>{name}"

    return RunnableLambda(function, name=name)


def failing(error: BaseException) -> Runnable[Any, str]:
    def function(value: Any) -> str:
        here("failing")
        raise error

    async def afunction(value: Any) -> str:
        here("async failing")
        raise error

    return RunnableLambda(function, afunction, name="failing")


async def collect(chunks: AsyncIterator[Any]) -> list[Any]:
    return [chunk async for chunk in chunks]


async def given(*values: Any) -> AsyncIterator[Any]:
    for value in values:
        yield value


# A chain, by each door


@case
def invoke(config: RunnableConfig) -> Any:
    return question_chain().invoke(INPUT, config)


@case
async def ainvoke(config: RunnableConfig) -> Any:
    return await question_chain().ainvoke(INPUT, config)


@racing
def batch(config: RunnableConfig) -> Any:
    return question_chain().batch(INPUTS, config)


@racing
async def abatch(config: RunnableConfig) -> Any:
    return await question_chain().abatch(INPUTS, config)


@case
def batch_of_one(config: RunnableConfig) -> Any:
    return question_chain().batch([INPUT], config)


@racing
def batch_that_returns_its_exceptions(config: RunnableConfig) -> Any:
    return question_chain(chat(ModelDown("down"))).batch(INPUTS, config, return_exceptions=True)


@racing
def batch_as_completed(config: RunnableConfig) -> Any:
    return list(question_chain().batch_as_completed(INPUTS, config))


@racing
async def abatch_as_completed(config: RunnableConfig) -> Any:
    return await collect(question_chain().abatch_as_completed(INPUTS, config))


@case
def stream(config: RunnableConfig) -> Any:
    return list(question_chain().stream(INPUT, config))


@case
async def astream(config: RunnableConfig) -> Any:
    return await collect(question_chain().astream(INPUT, config))


@case
def transform(config: RunnableConfig) -> Any:
    return list(question_chain().transform(iter([INPUT]), config))


@case
async def atransform(config: RunnableConfig) -> Any:
    return await collect(question_chain().atransform(given(INPUT), config))


@case
async def astream_events_v1(config: RunnableConfig) -> Any:
    return await collect(question_chain().astream_events(INPUT, config, version="v1"))


@case
async def astream_events_v2(config: RunnableConfig) -> Any:
    return await collect(question_chain().astream_events(INPUT, config, version="v2"))


@case
async def astream_log(config: RunnableConfig) -> Any:
    return await collect(question_chain().astream_log(INPUT, config))


@case
async def astream_log_with_state(config: RunnableConfig) -> Any:
    return await collect(question_chain().astream_log(INPUT, config, diff=False))


@case
def generators(config: RunnableConfig) -> Any:
    def words(chunks: Iterator[str]) -> Iterator[str]:
        for chunk in chunks:
            here("words")
            yield chunk.upper()

    chain = question_chain() | RunnableGenerator(words) | step("after")
    return [*chain.stream(INPUT, config), chain.invoke(INPUT, config)]


@case
async def async_generators(config: RunnableConfig) -> Any:
    async def words(chunks: AsyncIterator[str]) -> AsyncIterator[str]:
        async for chunk in chunks:
            here("words")
            yield chunk.upper()

    chain = question_chain() | RunnableGenerator(words) | step("after")
    return [*await collect(chain.astream(INPUT, config)), await chain.ainvoke(INPUT, config)]


@case
def stream_of_a_function_that_returns_a_runnable(config: RunnableConfig) -> Any:
    return list(RunnableLambda(lambda value: question_chain()).stream(INPUT, config))


@case
async def sync_functions_in_an_async_chain(config: RunnableConfig) -> Any:
    return await (sync_step("one") | sync_step("two")).ainvoke("x", config)


@case
async def astream_of_sync_functions(config: RunnableConfig) -> Any:
    return await collect((sync_step("one") | sync_step("two")).astream("x", config))


@case
def streamed_json(config: RunnableConfig) -> Any:
    model = chat('{"a": [1, 2], "b": "c d e"}')
    return list((model | JsonOutputParser()).stream("x", config))


# Models, retrievers and tools of their own


@case
def chat_model(config: RunnableConfig) -> Any:
    return [chat().invoke("x", config), *chat().stream("x", config)]


@case
async def async_chat_model(config: RunnableConfig) -> Any:
    return [await chat().ainvoke("x", config), *await collect(chat().astream("x", config))]


MESSAGES: list[list[BaseMessage]] = [[HumanMessage("a")], [HumanMessage("b")]]


@case
def generate(config: RunnableConfig) -> Any:
    return chat().generate(MESSAGES, callbacks=config.get("callbacks"))


@racing
async def agenerate(config: RunnableConfig) -> Any:
    return await chat().agenerate(MESSAGES, callbacks=config.get("callbacks"))


@case
def chat_model_without_a_stream_method_of_async(config: RunnableConfig) -> Any:
    return [generic_chat("a b").invoke("x", config), *generic_chat("a b").stream("x", config)]


@case
async def chat_model_that_answers_in_an_executor(config: RunnableConfig) -> Any:
    model = generic_chat("a b")
    return [await model.ainvoke("x", config), *await collect(model.astream("x", config))]


@case_of_v3
async def events_of_a_chat_model_in_v3(config: RunnableConfig) -> Any:
    return await v3(chat(), "x", config)


@case
def completion_models(config: RunnableConfig) -> Any:
    return [
        *[model.invoke("x", config) for model in (completion(), FakeCompletion())],
        *streaming_completion().stream("x", config),
        *FakeCompletion().stream("x", config),
    ]


@case
async def async_completion_models(config: RunnableConfig) -> Any:
    return [
        *[await model.ainvoke("x", config) for model in (completion(), FakeCompletion())],
        *await collect(streaming_completion().astream("x", config)),
        *await collect(FakeCompletion().astream("x", config)),
    ]


@case
def completion_model_with_several_prompts(config: RunnableConfig) -> Any:
    return FakeCompletion().generate(["a", "b"], callbacks=config.get("callbacks"))


@racing
async def async_completion_model_with_several_prompts(config: RunnableConfig) -> Any:
    return await FakeCompletion().agenerate(["a", "b"], callbacks=config.get("callbacks"))


@case
def retrievers(config: RunnableConfig) -> Any:
    return retriever().invoke(QUESTION, config)


@case
async def async_retrievers(config: RunnableConfig) -> Any:
    return await retriever().ainvoke(QUESTION, config)


@case
def tools(config: RunnableConfig) -> Any:
    call = {"name": "add", "args": {"a": 1, "b": 2}, "id": "call-1", "type": "tool_call"}
    return [search.invoke("x", config), add.invoke(call, config)]


@case
async def async_tools(config: RunnableConfig) -> Any:
    return [await search.ainvoke("x", config), await add.ainvoke({"a": 1, "b": 2}, config)]


@racing
def structured_output(config: RunnableConfig) -> Any:
    return structured().invoke("x", config)


@racing
async def streamed_structured_output(config: RunnableConfig) -> Any:
    return await collect(structured().astream("x", config))


class Answer(BaseModel):
    """An answer."""

    text: str


def structured() -> Runnable[Any, Any]:
    return chat(calling("Answer", text="hi")).with_structured_output(Answer, include_raw=True)


# Compositions


@racing
def parallel(config: RunnableConfig) -> Any:
    return retrieval_chain().invoke(QUESTION, config)


@racing
def stream_of_a_parallel(config: RunnableConfig) -> Any:
    chain = RunnableParallel(a=question_chain(), b=question_chain(chat("one two three")))
    return list(chain.stream(INPUT, config))


@racing
async def async_parallel(config: RunnableConfig) -> Any:
    return await retrieval_chain().ainvoke(QUESTION, config)


@racing
async def astream_of_a_parallel(config: RunnableConfig) -> Any:
    chain = RunnableParallel(a=question_chain(), b=question_chain(chat("one two three")))
    return await collect(chain.astream(INPUT, config))


def condition(value: Any) -> bool:
    here("condition")
    return True


def branching() -> Runnable[Any, Any]:
    return RunnableBranch(
        (lambda value: value == "no", step("not this")),
        (condition, question_chain()),
        step("default"),
    )


@case
def branch(config: RunnableConfig) -> Any:
    return [branching().invoke(INPUT, config), *branching().stream(INPUT, config)]


@case
async def async_branch(config: RunnableConfig) -> Any:
    return [
        await branching().ainvoke(INPUT, config),
        *await collect(branching().astream(INPUT, config)),
    ]


def falling_back() -> Runnable[Any, Any]:
    return question_chain(chat(ModelDown("down"))).with_fallbacks(
        [question_chain(chat(ModelDown("down too"))), question_chain()]
    )


@case
def fallbacks(config: RunnableConfig) -> Any:
    return [falling_back().invoke(INPUT, config), *falling_back().stream(INPUT, config)]


@case
async def async_fallbacks(config: RunnableConfig) -> Any:
    return [
        await falling_back().ainvoke(INPUT, config),
        *await collect(falling_back().astream(INPUT, config)),
    ]


@racing
def batch_of_fallbacks(config: RunnableConfig) -> Any:
    return falling_back().batch(INPUTS, config)


def retrying() -> Runnable[Any, Any]:
    return question_chain(
        flaky(ANSWER, times=2).with_retry(
            stop_after_attempt=3,
            wait_exponential_jitter=False,
            retry_if_exception_type=(ModelDown,),
        )
    )


@case
def retries(config: RunnableConfig) -> Any:
    return retrying().invoke(INPUT, config)


@case
async def async_retries(config: RunnableConfig) -> Any:
    return await retrying().ainvoke(INPUT, config)


@case
def history(config: RunnableConfig) -> Any:
    chain, store = with_history()
    for _ in range(2):
        chain.invoke(INPUT, {**config, "configurable": {"session_id": "1"}})
    return store.messages


@case
async def async_history(config: RunnableConfig) -> Any:
    chain, store = with_history()
    for _ in range(2):
        await collect(chain.astream(INPUT, {**config, "configurable": {"session_id": "1"}}))
    return store.messages


def with_history() -> tuple[Runnable[Any, Any], InMemoryChatMessageHistory]:
    store = InMemoryChatMessageHistory()
    prompt = ChatPromptTemplate.from_messages(
        [MessagesPlaceholder("history"), ("human", "{question}")]
    )
    chain = RunnableWithMessageHistory(
        prompt | chat() | StrOutputParser(),
        lambda session_id: store,
        input_messages_key="question",
        history_messages_key="history",
    )
    return chain, store


@racing
def passthroughs(config: RunnableConfig) -> Any:
    chain = RunnablePassthrough.assign(answer=question_chain())
    return [chain.invoke(INPUT, config), *chain.pick("answer").stream(INPUT, config)]


@racing
def mapped(config: RunnableConfig) -> Any:
    return question_chain().map().invoke(INPUTS, config)


@case
def bound_and_configured(config: RunnableConfig) -> Any:
    chain = question_chain().with_config(tags=["mine"], metadata={"a": {"b": 1}}, run_name="named")
    return chain.bind(stop=["x"]).invoke(INPUT, config)


@case
def custom_events(config: RunnableConfig) -> Any:
    def function(value: Any, config: RunnableConfig) -> Any:
        dispatch_custom_event("progress", {"of": value}, config=config)
        return value

    return RunnableLambda(function).invoke("x", config)


@case
async def async_custom_events(config: RunnableConfig) -> Any:
    async def function(value: Any, config: RunnableConfig) -> Any:
        await adispatch_custom_event("progress", {"of": value}, config=config)
        return value

    return await collect(RunnableLambda(function).astream_events("x", config, version="v2"))


@racing
def user_threads(config: RunnableConfig) -> Any:
    def function(value: Any, config: RunnableConfig) -> Any:
        with ThreadPoolExecutor(2) as pool:
            return list(pool.map(lambda item: question_chain().invoke(item, config), INPUTS))

    return RunnableLambda(function).invoke("x", config)


@case
async def sync_chain_on_an_event_loop(config: RunnableConfig) -> Any:
    return question_chain().invoke(INPUT, config)


# What looks at a chain from inside another


def inner(look: Callable[[Runnable[Any, Any], RunnableConfig], Any]) -> Runnable[Any, Any]:
    """A chain that looks at another one."""

    async def function(value: Any, config: RunnableConfig) -> Any:
        return await look(question_chain(), config)

    return step("before") | RunnableLambda(function)


@case
async def inner_astream_events_v1(config: RunnableConfig) -> Any:
    chain = inner(lambda chain, config: collect(chain.astream_events(INPUT, config, version="v1")))
    return await chain.ainvoke("x", config)


@case
async def inner_astream_events_v2(config: RunnableConfig) -> Any:
    chain = inner(lambda chain, config: collect(chain.astream_events(INPUT, config, version="v2")))
    return await chain.ainvoke("x", config)


@case
async def inner_astream_events_without_a_config(config: RunnableConfig) -> Any:
    chain = inner(lambda chain, config: collect(chain.astream_events(INPUT, version="v2")))
    return await chain.ainvoke("x", config)


@case
async def inner_astream_log(config: RunnableConfig) -> Any:
    chain = inner(lambda chain, config: collect(chain.astream_log(INPUT, config)))
    return await chain.ainvoke("x", config)


@case_of_v3
async def inner_astream_events_v3(config: RunnableConfig) -> Any:
    chain = inner(lambda chain, config: v3(graph(), INPUT, config))
    return await chain.ainvoke("x", config)


async def v3(runnable: Any, value: Any, config: RunnableConfig) -> list[Any]:
    return [event async for event in await runnable.astream_events(value, config, version="v3")]


# Graphs and agents


class State(TypedDict, total=False):
    found: Annotated[list[str], operator.add]
    answer: str


def parallel_graph(**compiled: Any) -> Any:
    """Three nodes beside each other, then one that asks a model."""

    def join(state: State) -> Command[Any]:
        return Command(goto="ask")

    builder = StateGraph(State)
    for name in ["c", "a", "b"]:
        builder.add_node(name, step(name) | (lambda text: {"found": [text]}))
        builder.add_edge(START, name)
    builder.add_node("join", join, destinations=("ask",))
    builder.add_edge(["a", "b", "c"], "join")
    builder.add_node("ask", (lambda state: INPUT) | question_chain() | {"answer": str})
    builder.add_edge("ask", END)
    return builder.compile(**compiled)


FOUND: State = {"found": []}


@racing
def graph_with_parallel_nodes(config: RunnableConfig) -> Any:
    return parallel_graph().invoke(FOUND, config)


@racing
async def async_graph_with_parallel_nodes(config: RunnableConfig) -> Any:
    return await parallel_graph().ainvoke(FOUND, config)


@racing
def stream_of_a_graph(config: RunnableConfig) -> Any:
    modes = ["values", "updates", "messages", "custom", "debug"]
    return list(parallel_graph().stream(FOUND, config, stream_mode=modes))


@racing
async def astream_of_a_graph(config: RunnableConfig) -> Any:
    modes = ["values", "updates", "messages", "custom", "debug"]
    return await collect(parallel_graph().astream(FOUND, config, stream_mode=modes))


@case
def messages_of_a_graph(config: RunnableConfig) -> Any:
    return list(graph().stream(INPUT, config, stream_mode="messages"))


@case
async def async_messages_of_a_graph(config: RunnableConfig) -> Any:
    return await collect(graph().astream(INPUT, config, stream_mode="messages"))


@case
async def events_of_a_graph(config: RunnableConfig) -> Any:
    return await collect(graph().astream_events(INPUT, config, version="v2"))


@case_of_v3
async def events_of_a_graph_in_v3(config: RunnableConfig) -> Any:
    return await v3(graph(), INPUT, config)


@case
def interrupted_graph(config: RunnableConfig) -> Any:
    def ask(state: State) -> State:
        here("ask")
        return {"answer": interrupt("really?")}

    builder = StateGraph(State)
    builder.add_node("ask", ask)
    builder.add_edge(START, "ask")
    graph = builder.compile(checkpointer=InMemorySaver())
    config = {**config, "configurable": {"thread_id": "1"}}
    return [graph.invoke(FOUND, config), graph.invoke(Command(resume="yes"), config)]


@failing_case
def graph_that_fails(config: RunnableConfig) -> Any:
    return graph(chat(ModelDown("down"))).invoke(INPUT, config)


TASK = {"messages": [("human", QUESTION)]}


@case
def invoked_agent(config: RunnableConfig) -> Any:
    return agent().invoke(TASK, config)


@case
async def async_agent(config: RunnableConfig) -> Any:
    return await agent().ainvoke(TASK, config)


@case
def messages_of_an_agent(config: RunnableConfig) -> Any:
    return list(agent().stream(TASK, config, stream_mode=["messages", "updates"]))


@case
async def async_messages_of_an_agent(config: RunnableConfig) -> Any:
    return await collect(agent().astream(TASK, config, stream_mode=["messages", "updates"]))


@racing
def agent_with_parallel_tool_calls(config: RunnableConfig) -> Any:
    calls = [
        {**calling("search", query=text).tool_calls[0], "id": f"call-{text}"} for text in "abc"
    ]
    model = chat(AIMessage("", tool_calls=calls), ANSWER)
    return agent(model).invoke(TASK, config)


# Errors


@failing_case
def error(config: RunnableConfig) -> Any:
    return (step("before") | failing(ValueError("no")) | step("after")).invoke("x", config)


@failing_case
async def async_error(config: RunnableConfig) -> Any:
    return await (step("before") | failing(ValueError("no"))).ainvoke("x", config)


@failing_case
def error_with_a_cause(config: RunnableConfig) -> Any:
    def function(value: Any) -> Any:
        try:
            failing(ModelDown("first")).invoke(value)
        except ModelDown as error:
            raise ValueError("second") from error

    return RunnableLambda(function).invoke("x", config)


@failing_case
def error_of_a_model(config: RunnableConfig) -> Any:
    return question_chain(chat(ModelDown("down"))).invoke(INPUT, config)


@failing_case
def error_in_a_stream(config: RunnableConfig) -> Any:
    return list(question_chain(chat("one two three", breaks_after=2)).stream(INPUT, config))


@failing_case
async def error_in_an_async_stream(config: RunnableConfig) -> Any:
    model = chat("one two three", breaks_after=2)
    return await collect(question_chain(model).astream(INPUT, config))


@failing_case
def error_of_a_generator(config: RunnableConfig) -> Any:
    def words(chunks: Iterator[str]) -> Iterator[str]:
        for chunk in chunks:
            here("words")
            yield chunk.upper()
        raise ValueError("no more")

    return list((question_chain() | RunnableGenerator(words)).stream(INPUT, config))


@failing_case
def error_of_a_tool(config: RunnableConfig) -> Any:
    return broken.invoke("x", config)


@failing_case
def error_of_a_retriever(config: RunnableConfig) -> Any:
    return retriever(error=ValueError("no index")).invoke("x", config)


@failing_case
def keyboard_interrupt(config: RunnableConfig) -> Any:
    return (step("before") | failing(KeyboardInterrupt())).invoke("x", config)


@failing_case
def system_exit(config: RunnableConfig) -> Any:
    return (step("before") | failing(SystemExit(3))).invoke("x", config)


@failing_case
async def cancelled(config: RunnableConfig) -> Any:
    started = asyncio.Event()

    async def wait(value: Any) -> None:
        here("wait")
        started.set()
        await asyncio.Event().wait()

    task = asyncio.ensure_future((step("before") | RunnableLambda(wait)).ainvoke("x", config))
    await started.wait()
    task.cancel()
    return await task


# Streams that are closed early


def letters(chunks: Iterator[Any]) -> Iterator[str]:
    """Notes how far it is asked, and how it ends."""
    for _ in chunks:
        pass
    try:
        for letter in "abcdef":
            here(f"letter {letter}")
            yield letter
    except GeneratorExit:
        here("closed")
        raise
    finally:
        here("left")


async def aletters(chunks: AsyncIterator[Any]) -> AsyncIterator[str]:
    async for _ in chunks:
        pass
    try:
        for letter in "abcdef":
            here(f"letter {letter}")
            yield letter
    except GeneratorExit:
        here("closed")
        raise
    finally:
        here("left")


def lettering() -> Runnable[Any, Any]:
    return RunnablePassthrough() | RunnableGenerator(letters, aletters) | StrOutputParser()


@case
def stream_that_is_closed(config: RunnableConfig) -> Any:
    chunks = lettering().stream("x", config)
    first = next(chunks)
    chunks.close()  # type: ignore[attr-defined]
    return [first, *chunks]


@case
def stream_that_is_dropped(config: RunnableConfig) -> Any:
    return next(iter(lettering().stream("x", config)))


@racing
async def astream_that_is_closed(config: RunnableConfig) -> Any:
    chunks = lettering().astream("x", config)
    first = await anext(chunks)
    await chunks.aclose()  # type: ignore[attr-defined]
    return first


@case
async def astream_events_that_are_closed(config: RunnableConfig) -> Any:
    events = lettering().astream_events("x", config, version="v2")
    seen = [await anext(events) for _ in range(4)]
    await events.aclose()  # type: ignore[attr-defined]
    return seen


@case
def model_stream_that_is_closed(config: RunnableConfig) -> Any:
    chunks = question_chain(chat("one two three")).stream(INPUT, config)
    first = next(chunks)
    chunks.close()  # type: ignore[attr-defined]
    return first
