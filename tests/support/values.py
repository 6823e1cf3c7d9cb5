"""Hypothesis strategies for whatever a chain may be given."""

from __future__ import annotations

from collections import OrderedDict, deque
from decimal import Decimal
from pathlib import PurePosixPath
from typing import Any

from hypothesis import strategies as st
from langchain_core.documents import Document
from langchain_core.messages import AIMessage, AIMessageChunk, HumanMessage, ToolMessage
from langchain_core.prompt_values import ChatPromptValue, StringPromptValue

characters = st.characters()
"""All of them: lone surrogates and control characters, too."""
texts = st.text(characters, max_size=12)
LOOKED_AT = [
    *["@type", "repr", "api_key", "<secret>", "token", "masked"],
    *["type", "id", "name", "args", "tool_call_id", "data", "base64", "mime_type", "message"],
]
"""Keys of dicts that we look at."""
keys = st.one_of(texts, st.sampled_from(["a", *LOOKED_AT]))
scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    texts,
    st.binary(max_size=8),
    st.uuids(),
    st.datetimes(),
    st.builds(Decimal, st.integers()),
    st.builds(PurePosixPath, st.sampled_from(["/a", "b/c"])),
    st.sampled_from([1 << 12_000, -(1 << 12_000), object(), object, ValueError("no"), ...]),
)
hashables = st.one_of(st.none(), st.booleans(), st.integers(), texts, st.uuids())


def _containers(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    lists = st.lists(values, max_size=3)
    dicts = st.dictionaries(keys, values, max_size=3)
    return st.one_of(
        lists,
        dicts,
        lists.map(tuple),
        lists.map(deque),
        dicts.map(OrderedDict),
        st.dictionaries(hashables, values, max_size=3),
        st.sets(hashables, max_size=3),
        st.frozensets(hashables, max_size=3),
        _messages(values),
        st.builds(Document, page_content=texts, metadata=dicts),
        st.lists(_messages(values), max_size=2).map(
            lambda messages: ChatPromptValue(messages=messages)
        ),
        st.builds(StringPromptValue, text=texts),
        lists.map(lambda arguments: KeyError(*arguments)),
    )


def _messages(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    contents = st.one_of(texts, st.just([{"type": "text", "text": "a"}]))
    extras = st.dictionaries(keys, values, max_size=2)
    calls = st.lists(
        st.fixed_dictionaries(
            {"name": texts, "args": st.dictionaries(keys, values, max_size=2), "id": texts}
        ),
        max_size=2,
    )
    return st.one_of(
        st.builds(HumanMessage, content=contents, additional_kwargs=extras, name=texts),
        st.builds(AIMessage, content=contents, tool_calls=calls, response_metadata=extras),
        st.builds(AIMessageChunk, content=contents, additional_kwargs=extras),
        st.builds(ToolMessage, content=texts, tool_call_id=texts, artifact=values),
    )


values = st.recursive(scalars, _containers, max_leaves=12)
"""Nested values of the standard library and LangChain's data."""
