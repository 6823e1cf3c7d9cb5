"""Secrets in random places of what a chain does, for tests that look for them in what is shown.

A secret is *known* where its key, its type or the environment says what it is, and it is
*repeated* in places that say nothing of it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any
from unittest.mock import patch

from hypothesis import strategies as st
from langchain_core.callbacks import dispatch_custom_event
from langchain_core.documents import Document
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage
from langchain_core.runnables import Runnable, RunnableConfig, RunnableLambda
from langchain_core.tools import tool
from pydantic import SecretStr

from pytest_runlog import RunLogCapture, record
from pytest_runlog.defaults import Options
from support.chains import retriever
from support.models import chat

KNOWN_IN = (
    "arguments of the tool",
    "environment",
    "headers",
    "inputs",
    "metadata",
    "SecretStr",
    "tool calls",
)
REPEATED_IN = (
    "answer",
    "documents",
    "error",
    "event",
    "key",
    "names",
    "question",
    "result of the tool",
    "tags",
)

values = st.text("0123456789\"'\\é", min_size=8, max_size=20).map("sk-{}!".format)
"""What Python, JSON and a URL each write differently, without spaces to stream it in pieces."""


class Refused(Exception):
    """What the tool raises, if it has the secret to tell."""


@dataclass(frozen=True)
class Planted:
    """A secret, and where it is."""

    secret: str
    known: frozenset[str]
    repeated: frozenset[str]
    streamed: bool
    """Whether the chain is streamed."""

    @contextmanager
    def recorded(self, options: Options | None = None) -> Iterator[RunLogCapture]:
        """A recording of the chain. What it is asked in the `with` block masks the secret."""
        environment = {"ACME_API_KEY": self.secret} if "environment" in self.known else {}
        with patch.dict(os.environ, environment):
            with record(options=options) as log:
                self.run()
            yield log

    def shown_in(self, text: str) -> bool:
        """Whether the text has the secret in it, however it is quoted."""
        forms = {self.secret, repr(self.secret)[1:-1], json.dumps(self.secret)[1:-1]}
        return any(form in text for form in forms)

    def run(self) -> None:
        """A retriever, a model and a tool, below a chain that survives what the tool raises."""
        chain, config = self.chain(), self.config()
        if self.streamed:
            list(chain.stream(self.inputs(), config))
        else:
            chain.invoke(self.inputs(), config)

    def chain(self) -> Runnable[Any, Any]:
        found = Document(self.told("found", "documents"), metadata=self.given("headers"))
        search = retriever(found)
        answer = AIMessage(self.told("answer", "answer"), tool_calls=[self.tool_call()])
        model = chat(answer)
        messages = [SystemMessage("Be brief."), HumanMessage(self.told("question", "question"))]

        def steps(inputs: Any, config: RunnableConfig) -> Any:
            search.invoke(self.told("query", "question"), config)
            message = model.invoke(messages, config)
            if "event" in self.repeated:
                dispatch_custom_event("looked up", {"what": self.secret})
            with suppress(Refused):
                return self.lookup().invoke(message.tool_calls[0]["args"], config)
            return message

        return RunnableLambda(steps, name=self.told("desk", "names"))

    def lookup(self) -> Any:
        @tool
        def lookup(query: str, password: str = "", options: dict[str, Any] | None = None) -> str:
            """Look something up."""
            if "error" in self.repeated:
                raise Refused(f"401 for {self.secret}")
            return self.told("result", "result of the tool")

        return lookup

    def tool_call(self) -> Any:
        arguments: dict[str, Any] = {"query": self.told("query", "question")}
        if "arguments of the tool" in self.known:
            arguments["password"] = self.secret
        if "tool calls" in self.known:
            arguments["options"] = {"access_token": self.secret}
        return {"name": "lookup", "args": arguments, "id": "call-1", "type": "tool_call"}

    def inputs(self) -> dict[str, Any]:
        inputs: dict[str, Any] = {"question": self.told("question", "question")}
        inputs |= {"request": self.given("headers")}
        if "inputs" in self.known:
            inputs["nested"] = [{"db.password": self.secret}]
        if "SecretStr" in self.known:
            inputs["settings"] = (SecretStr(self.secret),)
        if "key" in self.repeated:
            inputs[self.secret] = 1
        return inputs

    def given(self, place: str) -> dict[str, Any]:
        if place not in self.known:
            return {}
        return {"headers": {"Authorization": f"Bearer {self.secret}"}}

    def config(self) -> RunnableConfig:
        config = RunnableConfig(tags=[self.told("tag", "tags")])
        if "metadata" in self.known:
            config["metadata"] = {"client": {"credentials": [self.secret]}}
        return config

    def told(self, text: str, place: str) -> str:
        return f"{text} with {self.secret}." if place in self.repeated else text


planted: st.SearchStrategy[Planted] = st.builds(
    Planted,
    secret=values,
    known=st.frozensets(st.sampled_from(KNOWN_IN), min_size=1),
    repeated=st.frozensets(st.sampled_from(REPEATED_IN)),
    streamed=st.booleans(),
)
"""Runs of a chain with a secret in some of all those places."""
