"""Whatever a chain is made of, its patches say what LangChain's own run log says."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple

import jsonpatch
import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.runnables import (
    Runnable,
    RunnableBranch,
    RunnableGenerator,
    RunnableLambda,
    RunnableParallel,
    RunnablePassthrough,
)

import pytest_runlog
from support.chains import join, question_chain, retriever, search
from support.doors import collect
from support.models import FakeCompletion, ModelDown, chat
from support.patches import (
    SCHEMAS,
    Entry,
    Schema,
    by_run,
    comparable,
    entries,
    entries_of_log,
    joined,
    patches_of,
    stock_handler,
    streamed_state,
    stripped,
)

if TYPE_CHECKING:
    from pytest_runlog import RunLogCapture

pytestmark = pytest.mark.filterwarnings("ignore:astream_log is deprecated")

Text = Runnable[Any, str]
"""All parts take a text and give one, so that they can be put together in any way."""


class Part(NamedTuple):
    """How a chain is made: again and again, for some of what is in it remembers."""

    make: Callable[..., Text]
    arguments: tuple[Any, ...]

    def __repr__(self) -> str:
        return f"{self.make.__name__}({', '.join(map(repr, self.arguments))})"


def made(thing: Any) -> Any:
    if isinstance(thing, Part):
        return thing.make(*map(made, thing.arguments))
    return [made(item) for item in thing] if isinstance(thing, list) else thing


def function(name: str) -> Text:
    return RunnableLambda(lambda text: f"{text}{name}", name=name)


def failing(name: str) -> Text:
    def function(text: str) -> str:
        raise ValueError(name)

    return RunnableLambda(function, name=name)


def generator(pieces: list[str], breaks: bool) -> Text:
    def function(chunks: Iterator[str]) -> Iterator[str]:
        yield from chunks
        yield from pieces
        if breaks:
            raise ValueError("it broke")

    async def afunction(chunks: AsyncIterator[str]) -> AsyncIterator[str]:
        async for chunk in chunks:
            yield chunk
        for piece in pieces:
            yield piece
        if breaks:
            raise ValueError("it broke")

    return RunnableGenerator(function, afunction, name="generator")


def asked(text: str) -> dict[str, str]:
    return {"question": text}


def chat_model(answer: str, breaks_after: int | None, disable_streaming: bool) -> Text:
    model = chat(answer, breaks_after=breaks_after, disable_streaming=disable_streaming)
    return asked | question_chain(model)


def completion_model(answer: str) -> Text:
    return asked | question_chain(FakeCompletion(answer=answer))


def tool() -> Text:
    return search.with_config(tags=["mine"])


def documents() -> Text:
    return retriever() | join


def passthrough() -> Text:
    return RunnablePassthrough()


def sequence(parts: list[Text]) -> Text:
    first, *others = parts
    for part in others:
        first = first | part
    return first


def parallel(parts: list[Text]) -> Text:
    return RunnableParallel(dict(zip("abc", parts))) | texts_of


def assign(part: Text) -> Text:
    return asked | RunnablePassthrough.assign(answer=RunnableLambda(texts_of) | part) | texts_of


def texts_of(value: dict[str, str]) -> str:
    return " ".join(value[key] for key in sorted(value))


def branch(parts: list[Text], chosen: int) -> Text:
    *conditional, default = parts
    branches = [
        (lambda text, index=index: index == chosen, part) for index, part in enumerate(conditional)
    ]
    # It takes two branches at least.
    return RunnableBranch((lambda text: False, default), *branches, default)


def fallbacks(parts: list[Text]) -> Text:
    first, *others = parts
    return first.with_fallbacks(others)


def retry(part: Text) -> Text:
    return part.with_retry(stop_after_attempt=2, wait_exponential_jitter=False)


def returned(part: Text) -> Text:
    return RunnableLambda(lambda text: part)


def mapped(part: Text) -> Text:
    return RunnableLambda(lambda text: [text, text]) | part.map() | "".join


def configured(part: Text, name: str | None, tags: list[str]) -> Text:
    part = part.with_config(tags=tags, metadata={"tags": tags})
    return part if name is None else part.with_config(run_name=name)


names = st.sampled_from(["a", "b", "x y", "FakeChat", "RunnableLambda"])
odd_names = st.sampled_from(
    ["a", "a:2", "a/b", "a~b", "a~1b", "a/final_output", "/", "-", "0", "ü"]
)
texts = st.sampled_from(["", "a", "a b", "a b c"])
tags = st.lists(st.sampled_from(["mine", "yours", "seq:step:1"]), max_size=2)


def chains(
    names: st.SearchStrategy[str] = names, *, fail: bool = True, race: bool = True
) -> st.SearchStrategy[Part]:
    """Chains in which something may fail, and in which something may happen at the same time."""

    def part(make: Callable[..., Text], *arguments: st.SearchStrategy[Any]) -> Any:
        return st.tuples(*arguments).map(lambda arguments: Part(make, arguments))

    leaves = [
        part(function, names),
        part(generator, st.lists(texts, max_size=3), st.just(False)),
        part(chat_model, texts, st.none(), st.booleans()),
        part(completion_model, texts.filter(bool)),
        part(tool),
        part(documents),
        part(passthrough),
    ]
    if fail:
        leaves += [part(failing, names)]
    if fail and not race:  # what a parallel leaves open would fail again when it is collected
        leaves += [
            part(generator, st.lists(texts, max_size=3), st.just(True)),
            part(chat_model, texts, st.integers(0, 2), st.just(False)),
        ]

    def larger(smaller: st.SearchStrategy[Part]) -> st.SearchStrategy[Part]:
        some = st.lists(smaller, min_size=2, max_size=3)
        sequential = [
            part(sequence, some),
            part(branch, some, st.integers(0, 2)),
            part(fallbacks, some),
            part(retry, smaller),
            part(returned, smaller),
            part(configured, smaller, st.none() | names, tags),
        ]
        racing = [part(parallel, some), part(assign, smaller), part(mapped, smaller)]
        return st.one_of(sequential + racing if race else sequential)

    return st.recursive(st.one_of(leaves), larger, max_leaves=6)


Driver = Callable[[Text, Any], object]
DRIVERS: dict[str, Driver] = {
    "invoke": lambda chain, config: chain.invoke("x", config),
    "stream": lambda chain, config: list(chain.stream("x", config)),
    "ainvoke": lambda chain, config: asyncio.run(chain.ainvoke("x", config)),
    "astream": lambda chain, config: asyncio.run(collect(chain.astream("x", config))),
}
drivers = st.sampled_from(list(DRIVERS))
all_chains = chains() | chains(race=False)


def drive(chain: Part, driver: str, *handlers: Any) -> None:
    with suppress(ValueError, ModelDown):
        DRIVERS[driver](made(chain), {"callbacks": [*handlers]} if handlers else {})


schemas = st.sampled_from(SCHEMAS)


def assert_says_the_same(ours: list[Entry], theirs: list[Entry], log: RunLogCapture) -> None:
    """Of every run that is not a root."""
    roots = {str(root.id) for root in log.roots}
    assert by_run(ours) == by_run(entry for entry in theirs if entry.run_id not in roots)


@given(all_chains, drivers, schemas)
def test_langchains_handler_on_the_same_run_says_the_same(
    chain: Part, driver: str, schema: Schema
) -> None:
    stock = stock_handler(schema, inline=True)

    with pytest_runlog.record() as log:
        drive(chain, driver, stock)

    assert_says_the_same(entries(patches_of(log, schema)), entries(stock.patches), log)


@given(chains(race=False), drivers)
def test_where_nothing_races_it_says_it_in_the_same_order_and_with_the_same_keys(
    chain: Part, driver: str
) -> None:
    stock = stock_handler(inline=True)

    with pytest_runlog.record() as log:
        drive(chain, driver, stock)

    assert len(log.roots) == 1 or driver in ("invoke", "ainvoke")
    if len(log.roots) == 1:
        assert entries(log.root.patches) == entries(stock.patches)


def streams(thing: Any) -> bool:
    """Whether it surely streams, by itself and not inside of another chain."""
    if not isinstance(thing, Part):
        return all(map(streams, thing)) if isinstance(thing, list) else True
    if thing.make is configured and thing.arguments[1] is not None:
        return not contains(thing, fallbacks, tool)
    relays = thing.make in (branch, fallbacks, retry, configured)
    return thing.make is not tool and (not relays or streams([*thing.arguments]))


def contains(thing: Any, *makes: Callable[..., Text]) -> bool:
    if isinstance(thing, Part):
        return thing.make in makes or contains([*thing.arguments], *makes)
    return isinstance(thing, list) and any(contains(item, *makes) for item in thing)


# What fails in a parallel cancels the rest of it, some of which ends after `astream_log` has.
@given(chains(fail=False) | chains(race=False))
def test_the_last_state_of_astream_log_is_ours_but_for_what_we_add(chain: Part) -> None:
    if not streams(chain):
        chain = Part(sequence, ([Part(passthrough, ()), chain],))

    with pytest_runlog.record() as log:
        state, _ = streamed_state(made(chain), "x")

    (root,) = log.find(where=lambda run: str(run.id) == state["id"])
    assert comparable(stripped(root.state)) == comparable(state)


def several(*texts: str) -> st.SearchStrategy[list[str]]:
    return st.lists(st.sampled_from([*texts, "nothing"]), max_size=2)


filtered = {
    "names": several("a", "x y", "FakeChat", "RunnableLambda", "search", "RunnableSequence"),
    "types": several("chain", "llm", "tool", "retriever", "prompt", "parser"),
    "tags": several("mine", "seq:step:1", "map:key:a"),
}
filters = st.fixed_dictionaries(
    {},
    optional={
        f"{kind}_{what}": texts
        for kind in ("include", "exclude")
        for what, texts in filtered.items()
    },
)


@given(all_chains, drivers, filters)
def test_a_filtered_log_has_what_langchains_handler_with_these_filters_has(
    chain: Part, driver: str, filters: dict[str, Any]
) -> None:
    stock = stock_handler(inline=True, **filters)

    with pytest_runlog.record() as log:
        drive(chain, driver, stock)

    logs = [root.filtered_log(**filters) for root in log.roots]
    ours = [entry for one in logs for entry in entries_of_log(one)]
    assert_says_the_same(ours, entries_of_log(joined(stock.patches)), log)
    for one in logs:
        assert one.state == jsonpatch.apply_patch(None, one.ops)


@given(chains(odd_names) | chains(odd_names, race=False), drivers)
def test_jsonpatch_makes_the_same_of_the_patches_whatever_the_names(
    chain: Part, driver: str
) -> None:
    with pytest_runlog.record() as log:
        drive(chain, driver)

    for root in log.roots:
        state = None
        for length, patch in enumerate(root.patches, 1):
            state = jsonpatch.apply_patch(state, patch.ops)
            assert state == root.state_at(length)
        assert state == root.state
        logged = [entry["name"] for entry in root.state["logs"].values()]
        assert sorted(logged) == sorted(root.descendants.names)
