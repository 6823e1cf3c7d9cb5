"""A retriever, tools, and chains, graphs and agents that use them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypedDict

from langchain.agents import create_agent
from langchain_core.documents import Document
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.retrievers import BaseRetriever
from langchain_core.runnables import RunnableLambda, RunnableParallel, RunnablePassthrough
from langchain_core.tools import tool
from langgraph.graph import END, START, StateGraph

from support.models import calling, chat

if TYPE_CHECKING:
    from collections.abc import Sequence

    from langchain_core.callbacks import CallbackManagerForRetrieverRun
    from langchain_core.runnables import Runnable, RunnableConfig
    from langchain_core.tools import BaseTool

RFC = Document("JSON Patch is RFC 6902.", metadata={"source": "rfc6902"})
QUESTION = "What is RFC 6902?"
ANSWER = "JSON Patch"


class FakeRetriever(BaseRetriever):
    """Always finds the same documents, or always fails."""

    documents: list[Document]
    error: Any = None

    def _get_relevant_documents(
        self, query: str, *, run_manager: CallbackManagerForRetrieverRun
    ) -> list[Document]:
        if self.error is not None:
            raise self.error
        return [document.model_copy(deep=True) for document in self.documents]


class Unreachable(Exception):
    """What the tool `broken` raises."""


@tool
def search(query: str) -> str:
    """Search the web."""
    return f"found {query}"


@tool
def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


@tool
def broken(query: str) -> str:
    """Search a server that is down."""
    raise Unreachable(f"no route to {query}")


def retriever(*documents: Document, error: BaseException | None = None) -> FakeRetriever:
    """A retriever that finds these documents; without any, `RFC`."""
    return FakeRetriever(documents=list(documents or [RFC]), error=error)


def question_chain(model: Any = None) -> Runnable[Any, str]:
    """`prompt | model | parser`, for `{"question": …}`."""
    prompt = ChatPromptTemplate.from_messages([("human", "{question}")])
    return prompt | (model or chat(ANSWER)) | StrOutputParser()


def join(documents: Sequence[Document]) -> str:
    """The text of the documents."""
    return "\n".join(document.page_content for document in documents)


def retrieval_chain(model: Any = None) -> Runnable[Any, str]:
    """A retriever and a tool beside each other, then `prompt | model | parser`; for a `str`."""
    return (
        RunnableParallel(
            context=retriever() | join,
            facts=search,
            question=RunnablePassthrough(),
        )
        | ChatPromptTemplate.from_messages(
            [("system", "{context} {facts}"), ("human", "{question}")]
        )
        | (model or chat(ANSWER))
        | StrOutputParser()
    )


class State(TypedDict, total=False):
    question: str
    documents: list[Document]
    answer: str


def graph(model: Any = None, **compiled: Any) -> Any:
    """A compiled graph of two nodes: `retrieve`, then `answer`; for `{"question": …}`."""
    chain = question_chain(model)

    # Before Python 3.11 LangChain knows the parent in async code only from the config.
    def retrieve(state: State, config: RunnableConfig) -> State:
        return {"documents": retriever().invoke(state["question"], config)}

    def answer(state: State, config: RunnableConfig) -> State:
        return {"answer": chain.invoke({"question": state["question"]}, config)}

    async def aretrieve(state: State, config: RunnableConfig) -> State:
        return {"documents": await retriever().ainvoke(state["question"], config)}

    async def aanswer(state: State, config: RunnableConfig) -> State:
        return {"answer": await chain.ainvoke({"question": state["question"]}, config)}

    builder = StateGraph(State)
    builder.add_node("retrieve", RunnableLambda(retrieve, aretrieve))
    builder.add_node("answer", RunnableLambda(answer, aanswer))
    builder.add_edge(START, "retrieve")
    builder.add_edge("retrieve", "answer")
    builder.add_edge("answer", END)
    return builder.compile(**compiled)


def agent(model: Any = None, tools: Sequence[BaseTool] = (search,)) -> Any:
    """An agent whose model asks for `search` once, then answers."""
    return create_agent(model or chat(calling("search", query="RFC 6902"), ANSWER), list(tools))
