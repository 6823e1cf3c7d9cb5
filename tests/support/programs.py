"""Chains of every kind, each with what it is given: what can be run by any door."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any, NamedTuple

from langchain_core.callbacks import CallbackManagerForLLMRun, dispatch_custom_event
from langchain_core.messages import AIMessage, AIMessageChunk
from langchain_core.output_parsers import (
    CommaSeparatedListOutputParser,
    JsonOutputParser,
    StrOutputParser,
)
from langchain_core.outputs import GenerationChunk
from langchain_core.prompts import ChatPromptTemplate, PromptTemplate
from langchain_core.runnables import (
    Runnable,
    RunnableBranch,
    RunnableConfig,
    RunnableGenerator,
    RunnableLambda,
    RunnableParallel,
    RunnablePassthrough,
)
from langchain_core.runnables.router import RouterRunnable
from langchain_core.runnables.utils import ConfigurableField

from support.chains import (
    ANSWER,
    QUESTION,
    RFC,
    add,
    agent,
    broken,
    graph,
    join,
    question_chain,
    retrieval_chain,
    retriever,
    search,
)
from support.doors import (
    FOUND,
    INPUT,
    INPUTS,
    TASK,
    branching,
    failing,
    falling_back,
    parallel_graph,
    retrying,
    step,
    structured,
    with_history,
)
from support.models import (
    FakeChat,
    FakeCompletion,
    ModelDown,
    calling,
    chat,
    completion,
    generic_chat,
    streaming_completion,
)


class Program(NamedTuple):
    make: Callable[[], Runnable[Any, Any]]
    value: Any
    races: bool = False
    """Whether runs happen at the same time, in an order that only chance knows."""


def down() -> FakeChat:
    return chat(ModelDown("down"))


def breaking(after: int = 2) -> FakeChat:
    """A model that fails when it has streamed that many chunks."""
    return chat("one two three", breaks_after=after)


def giving(*values: Any, error: Exception | None = None) -> Runnable[Any, Any]:
    """Streams the values, then fails if there is an error."""

    def function(chunks: Iterator[Any]) -> Iterator[Any]:
        for _ in chunks:
            pass
        yield from values
        if error is not None:
            raise error

    async def afunction(chunks: AsyncIterator[Any]) -> AsyncIterator[Any]:
        async for _ in chunks:
            pass
        for value in values:
            yield value
        if error is not None:
            raise error

    return RunnableGenerator(function, afunction, name="giving")


def yielding(*values: Any) -> Runnable[Any, Any]:
    """The same as a lambda: its `invoke` adds up what can be added, and ends with the last."""

    def function(value: Any) -> Iterator[Any]:
        yield from values

    async def afunction(value: Any) -> AsyncIterator[Any]:
        for value in values:
            yield value

    return RunnableLambda(function, afunction, name="yielding")


def upper() -> Runnable[str, str]:
    """Makes each chunk upper case."""

    def function(chunks: Iterator[str]) -> Iterator[str]:
        for chunk in chunks:
            yield chunk.upper()

    async def afunction(chunks: AsyncIterator[str]) -> AsyncIterator[str]:
        async for chunk in chunks:
            yield chunk.upper()

    return RunnableGenerator(function, afunction, name="upper")


def always(value: Any) -> Runnable[Any, Any]:
    """Gives the value, as it is."""
    return RunnableLambda(lambda _: value, name="always")


def to(runnable: Runnable[Any, Any]) -> Runnable[Any, Any]:
    """A branch that goes to this one."""
    return RunnableBranch(
        (lambda value: False, step("never")), (lambda value: True, runnable), upper()
    )


def undecided(value: Any) -> bool:
    raise no()


class Talking(FakeCompletion):
    """Reports a text before its tokens."""

    def _stream(
        self,
        prompt: str,
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> Iterator[GenerationChunk]:
        if run_manager is not None:
            run_manager.on_text("well")
        yield from super()._stream(prompt, stop, run_manager, **kwargs)


def reporting(value: Any, config: RunnableConfig) -> Any:
    dispatch_custom_event("progress", {"of": value}, config=config)
    return value


def prompt() -> Runnable[Any, Any]:
    return ChatPromptTemplate.from_messages([("human", "{question}")])


def choosing_a_model() -> Runnable[Any, Any]:
    model = chat("a").configurable_alternatives(
        ConfigurableField("model"), default_key="a", b=chat("b c")
    )
    return question_chain(model).with_config(configurable={"model": "b"})


def with_a_field() -> Runnable[Any, Any]:
    model = chat("a").configurable_fields(answers=ConfigurableField("answers"))
    return question_chain(model).with_config(configurable={"answers": ["b c"]})


def json_chain(**options: Any) -> Runnable[Any, Any]:
    return chat('{"a": [1, 2], "b": "c d e"}') | JsonOutputParser(**options)


def no() -> ValueError:
    return ValueError("no")


CALL = {"name": "add", "args": {"a": 1, "b": 2}, "id": "call-1", "type": "tool_call"}

COMPOSED: dict[str, Program] = {
    # Sequences
    "sequence": Program(question_chain, INPUT),
    "sequence with a completion model": Program(lambda: question_chain(completion()), INPUT),
    "sequence with a model that does not stream": Program(
        lambda: question_chain(chat(ANSWER, disable_streaming=True)), INPUT
    ),
    "sequence with a streaming completion model": Program(
        lambda: question_chain(streaming_completion()), INPUT
    ),
    "sequence with a completion model that reports tokens": Program(
        lambda: question_chain(FakeCompletion()), INPUT
    ),
    "sequence with a string prompt": Program(
        lambda: PromptTemplate.from_template("{question}") | completion(), INPUT
    ),
    "sequence of functions": Program(lambda: step("a") | step("b") | step("c"), "x"),
    "sequence of one name": Program(lambda: step("a") | step("a") | step("a"), "x"),
    "sequence in a sequence": Program(
        lambda: step("a") | (step("b") | step("a")).with_config(run_name="inner"), "x"
    ),
    "sequence with tags and metadata": Program(
        lambda: question_chain().with_config(
            tags=["mine"], metadata={"a": {"b": [1]}}, run_name="named"
        ),
        INPUT,
    ),
    "sequence with a bound argument": Program(
        lambda: question_chain(chat().bind(stop=["x"])), INPUT
    ),
    "sequence with listeners": Program(
        lambda: question_chain().with_listeners(on_start=lambda run: None), INPUT
    ),
    # Parallels and dicts
    "parallel": Program(
        lambda: RunnableParallel(a=question_chain(), b=question_chain(chat("one two three"))),
        INPUT,
        races=True,
    ),
    "parallel in a parallel": Program(
        lambda: (
            RunnableParallel(a=RunnableParallel(c=step("c"), d=step("d")), b=step("b")) | step("x")
        ),
        "x",
        races=True,
    ),
    "parallel with a retriever and a tool": Program(retrieval_chain, QUESTION, races=True),
    "assign": Program(
        lambda: RunnablePassthrough.assign(answer=question_chain()), INPUT, races=True
    ),
    "assign twice": Program(
        lambda: (
            RunnablePassthrough.assign(a=question_chain())
            | RunnablePassthrough.assign(b=lambda value: f"{value['a']}!")
        ),
        INPUT,
        races=True,
    ),
    "pick": Program(
        lambda: RunnablePassthrough.assign(answer=question_chain()).pick("answer"),
        INPUT,
        races=True,
    ),
    "map": Program(lambda: always(INPUTS) | question_chain().map() | step("a"), "x", races=True),
    "router": Program(lambda: RouterRunnable({"a": step("a")}), {"key": "a", "input": "x"}),
    "structured output": Program(structured, "x", races=True),
    # Branches
    "branch": Program(branching, INPUT),
    "branch to its default": Program(
        lambda: RunnableBranch((lambda value: False, step("a")), question_chain()), INPUT
    ),
    "branch to a function": Program(lambda: to(step("a")), "x"),
    "branch to a model": Program(lambda: to(chat()), "x"),
    "branch to dicts": Program(lambda: to(yielding({"a": 1}, {"a": 2})), "x"),
    "branch to a branch": Program(lambda: to(branching()), INPUT),
    "branch to a branch to a branch": Program(lambda: to(to(to(upper()))), "x"),
    "branch to fallbacks": Program(lambda: to(falling_back()), INPUT),
    "branch to a retry": Program(lambda: to(question_chain().with_retry()), INPUT),
    "branch to a named chain": Program(
        lambda: to(question_chain().with_config(run_name="named", tags=["mine"])), INPUT
    ),
    "branch with a name": Program(lambda: branching().with_config(run_name="named"), INPUT),
    "branch in a sequence": Program(
        lambda: RunnablePassthrough() | branching() | step("after"), INPUT
    ),
    # Fallbacks and retries
    "fallbacks": Program(falling_back, INPUT),
    "fallbacks of a model": Program(lambda: down().with_fallbacks([chat()]), "x"),
    "fallbacks that are not needed": Program(
        lambda: question_chain().with_fallbacks([step("a")]), INPUT
    ),
    "fallbacks when a stream has begun inside": Program(
        lambda: (breaking() | CommaSeparatedListOutputParser()).with_fallbacks([giving("a", "b")]),
        "x",
    ),
    "fallbacks before a stream begins": Program(
        lambda: question_chain(breaking(0)).with_fallbacks([question_chain()]), INPUT
    ),
    "fallbacks to a branch": Program(lambda: failing(no()).with_fallbacks([branching()]), INPUT),
    "fallbacks to fallbacks": Program(
        lambda: failing(no()).with_fallbacks([falling_back()]), INPUT
    ),
    "fallbacks in a sequence": Program(
        lambda: RunnablePassthrough() | falling_back() | step("after"), INPUT
    ),
    "retry of a chain": Program(lambda: question_chain().with_retry(), INPUT),
    # Generators and what they give
    "generator": Program(lambda: question_chain() | upper() | step("after"), INPUT),
    "generator function": Program(lambda: yielding("a ", "b ", "c") | step("after"), "x"),
    "generator function alone": Program(lambda: yielding("a ", "b ", "c"), "x"),
    "function that returns a chain": Program(
        lambda: RunnableLambda(lambda value: question_chain()), INPUT
    ),
    "strings": Program(lambda: giving("a", "b", "c") | upper(), "x"),
    "numbers": Program(lambda: giving(1, 2, 3) | step("after"), "x"),
    "lists": Program(lambda: giving([1], [2]), "x"),
    "dicts": Program(lambda: yielding({"a": 1}, {"b": [1]}, {"a": 2}), "x"),
    "strings and numbers": Program(lambda: yielding("a", 1, "b", "c"), "x"),
    "messages": Program(
        lambda: giving(AIMessageChunk(content="a"), AIMessageChunk(content="b")), "x"
    ),
    "documents": Program(lambda: giving([RFC], [RFC]), "x"),
    "nothing": Program(lambda: giving() | StrOutputParser(), "x"),
    "nothing alone": Program(giving, "x"),
    "none": Program(lambda: always(None) | always({}), "x"),
    "outputs called output": Program(
        lambda: always({"output": 1}) | always({"output": {"output": 2}}) | step("a"), "x"
    ),
    "inputs called input": Program(lambda: always({"input": ""}) | step("a") | upper(), "x"),
    # Models, prompts and parsers
    "model": Program(chat, "x"),
    "model that calls a tool": Program(lambda: chat(calling("search", query="x")), "x"),
    "model in a sequence that calls a tool": Program(
        lambda: prompt() | chat(calling("search", query="x")), INPUT
    ),
    "model of LangChain's": Program(lambda: prompt() | generic_chat("a b c"), INPUT),
    "completion model that reports tokens": Program(FakeCompletion, "x"),
    "completion model that reports a text": Program(Talking, "x"),
    "streamed json": Program(json_chain, "x"),
    "streamed differences of json": Program(lambda: json_chain(diff=True), "x"),
    "streamed list": Program(lambda: chat("a, b, c d") | CommaSeparatedListOutputParser(), "x"),
    "streamed json that is none": Program(lambda: chat("not json") | JsonOutputParser(), "x"),
    "history": Program(
        lambda: with_history()[0].with_config(configurable={"session_id": "1"}),
        INPUT,
        races=True,
    ),
    "configurable alternatives": Program(choosing_a_model, INPUT),
    "configurable fields": Program(with_a_field, INPUT),
    "passthrough": Program(RunnablePassthrough, "x"),
    "function": Program(lambda: step("a"), "x"),
    "custom events": Program(lambda: RunnableLambda(reporting), "x"),
    # Tools and retrievers
    "tool": Program(lambda: step("a") | search | step("b"), "x"),
    "tool with a call": Program(lambda: always(CALL) | add, "x"),
    "retriever": Program(lambda: retriever() | join, "x"),
}
"""Chains that are made of LangChain's runnables."""

FAILING: dict[str, Program] = {
    "error": Program(lambda: step("before") | failing(no()) | step("after"), "x"),
    "error of a prompt": Program(lambda: always({}) | prompt() | chat(), "x"),
    "error of a model": Program(lambda: question_chain(down()), INPUT),
    "error of a model alone": Program(down, "x"),
    "error of a tool": Program(lambda: step("a") | broken, "x"),
    "error of a retriever": Program(lambda: retriever(error=no()) | join, "x"),
    "error of a parallel": Program(lambda: RunnableParallel(a=failing(no())) | step("a"), "x"),
    "error part way": Program(lambda: question_chain(breaking()), INPUT),
    "error part way of a model alone": Program(breaking, "x"),
    "error part way of a generator": Program(lambda: giving("a", "b", error=no()), "x"),
    "error part way of a generator in a sequence": Program(
        lambda: step("a") | giving("a", "b", error=no()) | upper(), "x"
    ),
    "error of a function that returns a chain": Program(
        lambda: RunnableLambda(lambda value: question_chain(down())), INPUT
    ),
    "branch to a model that breaks": Program(lambda: to(question_chain(breaking())), INPUT),
    "branch to a model alone that breaks": Program(lambda: to(breaking()), "x"),
    "branch whose condition fails": Program(
        lambda: RunnableBranch((undecided, step("a")), step("b")), "x"
    ),
    "fallbacks that all fail": Program(
        lambda: question_chain(down()).with_fallbacks([question_chain(down())]), INPUT
    ),
    "fallbacks when a stream has begun": Program(
        lambda: question_chain(breaking()).with_fallbacks([question_chain()]), INPUT
    ),
    "retries": Program(retrying, INPUT),
    "retries that end in an error": Program(
        lambda: failing(no()).with_retry(stop_after_attempt=2, wait_exponential_jitter=False), "x"
    ),
}
"""Those that fail, at least when they are streamed: `stream` does not retry."""

UNSTREAMED: dict[str, Program] = {
    "tool": Program(lambda: search, {"query": "x"}),
    "tool with a call": Program(lambda: add, CALL),
    "retriever": Program(retriever, "x"),
    "prompt": Program(prompt, INPUT),
    "parser": Program(StrOutputParser, AIMessage("x")),
    "completion model": Program(completion, "x"),
    "completion model that reports no tokens": Program(streaming_completion, "x"),
    "map": Program(lambda: question_chain().map(), INPUTS, races=True),
    "branch to a tool": Program(lambda: to(search), "x"),
    "fallbacks to a tool": Program(lambda: broken.with_fallbacks([search]), "x"),
}
"""Chains of which nobody is told whether `stream` is called, or `invoke`."""

GRAPHS: dict[str, Program] = {
    "graph": Program(graph, INPUT),
    "graph with parallel nodes": Program(parallel_graph, FOUND, races=True),
    "graph in a sequence": Program(lambda: graph() | (lambda state: state["answer"]), INPUT),
    "graph that fails": Program(lambda: graph(down()), INPUT),
    "agent": Program(agent, TASK),
    "agent that fails": Program(lambda: agent(down()), TASK),
}
"""What LangGraph runs."""
