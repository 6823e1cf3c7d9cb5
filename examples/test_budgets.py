"""The desk, held to budgets: what an answer may cost, and how often it may fail."""

from __future__ import annotations

import pytest

from fakes import FakeChatModel
from pytest_runlog import RunLogCapture
from retrieval import desk, from_the_rules
from test_retrieval import MODEL, fail

QUESTION = "How long may films be kept?"


@pytest.mark.runlog_budget("latency <= 5s", "errors <= 0", "total_tokens <= 30")
@pytest.mark.runlog_budget("model_runs == 1", "retriever_latency <= 1s")
def test_an_answer_stays_within_its_budgets() -> None:
    desk(MODEL).invoke(QUESTION)


@pytest.mark.runlog_budget("recovered_errors <= 1", "error_rate <= 0%", "tool_runs <= 0")
def test_a_fallback_may_cost_one_error() -> None:
    desk(FakeChatModel(rule=fail).with_fallbacks([MODEL])).invoke(QUESTION)


def test_ten_questions_cost_what_ten_questions_may_cost(runlog: RunLogCapture) -> None:
    desk(MODEL).batch([QUESTION] * 10)

    runlog.assert_budget("total_tokens <= 250", "total_tokens_p90 <= 25", "latency_p50 <= 5s")
    assert runlog.metrics()["input_tokens"] == 180


def test_the_desk_itself_takes_no_time_to_speak_of(runlog: RunLogCapture) -> None:
    """Latency on a machine that others use: many rounds, and how sure their median is."""
    sample = runlog.repeat(desk(FakeChatModel(rule=from_the_rules)).invoke, QUESTION, rounds=10)

    assert sample.interval.high < 1
