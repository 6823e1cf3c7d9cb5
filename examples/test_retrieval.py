"""The desk, tested: which pages it found, what the model was told, what it cost."""

from __future__ import annotations

from collections.abc import Sequence

from langchain_core.messages import AIMessage, BaseMessage

from fakes import FakeChatModel
from pytest_runlog import RunLogCapture
from retrieval import desk, from_the_rules

MODEL = FakeChatModel(rule=from_the_rules)


class Overloaded(Exception):
    """What a provider raises when it is busy."""


def fail(messages: Sequence[BaseMessage]) -> AIMessage:
    raise Overloaded("try again later")


def test_it_answers_from_the_page_that_fits(runlog: RunLogCapture) -> None:
    assert desk(MODEL).invoke("How long may films be kept?") == "Films may be kept for one week."

    assert [page.metadata["page"] for page in runlog.one(type="retriever").output] == [4]
    assert not runlog.errors


def test_these_runs_make_an_answer(runlog: RunLogCapture) -> None:
    desk(MODEL).invoke("How long may films be kept?")

    assert runlog.names == [
        "RunnableSequence",
        "RunnableParallel<rules,question>",
        "RunnablePassthrough",
        "RunnableSequence",
        "RulesRetriever",
        "join_pages",
        "ChatPromptTemplate",
        "FakeChatModel",
        "StrOutputParser",
    ]


def test_the_model_is_told_nothing_but_the_rules_that_fit(runlog: RunLogCapture) -> None:
    desk(MODEL).invoke("What does a late book cost?")

    system, human = runlog.one(type="chat_model").inputs
    assert system.text == "Answer from these rules only:\nA late book costs 20 cents a day."
    assert human.text == "What does a late book cost?"


def test_an_unanswerable_question_costs_few_tokens(runlog: RunLogCapture) -> None:
    with runlog.capture() as answerable:
        desk(MODEL).invoke("How long may films be kept?")
    with runlog.capture() as unanswerable:
        assert desk(MODEL).invoke("Are dogs allowed?") == "The rules do not say."

    assert answerable.tokens == (18, 7, 25)
    assert unanswerable.tokens == (8, 5, 13)
    assert runlog.tokens.total == 25 + 13


def test_the_answer_is_streamed_word_by_word(runlog: RunLogCapture) -> None:
    answer = "".join(desk(MODEL).stream("How long may films be kept?"))

    runlog.assert_streamed("StrOutputParser", min_chunks=7)
    parser = runlog.one(type="parser")
    assert [chunk.value for chunk in parser.chunks][:3] == ["Films ", "may ", "be "]
    assert parser.output == answer


def test_another_model_answers_when_the_first_is_overloaded(runlog: RunLogCapture) -> None:
    model = FakeChatModel(rule=fail).with_fallbacks([MODEL])

    assert desk(model).invoke("How long may films be kept?") == "Films may be kept for one week."

    runlog.assert_error(Overloaded, match="try again")
    runlog.assert_fell_back(to="FakeChatModel")
    assert [run.status for run in runlog.models] == ["error", "ok"]
    assert runlog.recovered == runlog.errors


def test_latency_errors_and_tokens_become_infino_series(runlog: RunLogCapture) -> None:
    desk(MODEL).batch(["How long may films be kept?", "Are dogs allowed?"])

    assert sorted(runlog.infino.series("total_tokens")) == [13, 25]
    assert runlog.infino.series("error") == [0, 0]
    assert all(latency < 1 for latency in runlog.infino.series("latency"))
