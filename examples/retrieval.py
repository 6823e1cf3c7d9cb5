"""The desk of a library: answers a question from the page of the rules that fits it best."""

from __future__ import annotations

from collections.abc import Sequence

from langchain_core.callbacks import CallbackManagerForRetrieverRun
from langchain_core.documents import Document
from langchain_core.language_models import LanguageModelInput
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.retrievers import BaseRetriever
from langchain_core.runnables import Runnable, RunnablePassthrough

import pytest_runlog
from fakes import FakeChatModel

RULES = [
    Document("Books may be kept for four weeks.", metadata={"page": 3}),
    Document("Films may be kept for one week.", metadata={"page": 4}),
    Document("A late book costs 20 cents a day.", metadata={"page": 9}),
]

PROMPT = ChatPromptTemplate.from_messages(
    [("system", "Answer from these rules only:\n{rules}"), ("human", "{question}")]
)


class RulesRetriever(BaseRetriever):
    """Finds the page that has most words in common with the question."""

    def _get_relevant_documents(
        self, query: str, *, run_manager: CallbackManagerForRetrieverRun
    ) -> list[Document]:
        asked = _words(query)
        best = max(RULES, key=lambda page: len(asked & _words(page.page_content)))
        return [best] if asked & _words(best.page_content) else []


def _words(text: str) -> set[str]:
    return set(text.lower().rstrip("?.").split())


def join_pages(pages: Sequence[Document]) -> str:
    """The text of the pages, one a line."""
    return "\n".join(page.page_content for page in pages)


def desk(model: Runnable[LanguageModelInput, AIMessage]) -> Runnable[str, str]:
    """The chain: takes a question, gives the answer."""
    return (
        {"rules": RulesRetriever() | join_pages, "question": RunnablePassthrough()}
        | PROMPT
        | model
        | StrOutputParser()
    )


def from_the_rules(messages: Sequence[BaseMessage]) -> AIMessage:
    """What the fake model answers: the rules that it was given."""
    _, _, rules = messages[0].text.partition("\n")
    return AIMessage(rules or "The rules do not say.")


def main() -> None:
    """Ask a question, and show what happened."""
    with pytest_runlog.record() as log:
        desk(FakeChatModel(rule=from_the_rules)).invoke("How long may films be kept?")
    print(log.tree())
    print(f"\n{log.tokens.total} tokens; {log.one(type='retriever').output[0].metadata}")


if __name__ == "__main__":
    main()
