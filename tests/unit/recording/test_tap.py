"""The tap, where a version of LangChain does not have what it wraps."""

from __future__ import annotations

from typing import Any

import pytest
from langchain_core.runnables import Runnable

import pytest_runlog
from pytest_runlog.recording.tap import ChunksNotRecorded
from support.chains import question_chain
from support.models import chat

METHOD = "_transform_stream_with_config"
QUESTION = {"question": "What is RFC 6902?"}


def of_another_version(self: Any, stream: Any, config: Any) -> Any:
    raise NotImplementedError


@pytest.mark.parametrize("method", [of_another_version, "no function"])
def test_a_langchain_without_the_methods_is_recorded_without_the_chunks_of_chains(
    monkeypatch: pytest.MonkeyPatch, method: object
) -> None:
    chain = question_chain(chat("JSON Patch"))
    monkeypatch.setattr(Runnable, METHOD, method)

    expected = pytest.warns(ChunksNotRecorded, match="runlog_chunks = false")
    with expected, pytest_runlog.record() as log:
        assert chain.invoke(QUESTION) == "JSON Patch"

    assert vars(Runnable)[METHOD] is method
    assert log.root.output == "JSON Patch"
    assert [run.status for run in log.runs] == ["ok"] * 4


def test_whoever_wraps_the_methods_over_us_keeps_what_they_made(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    original = vars(Runnable)[METHOD]
    monkeypatch.setattr(Runnable, METHOD, original)  # restores it after the test

    with pytest_runlog.record():
        ours = vars(Runnable)[METHOD]

        def theirs(self: Any, *args: Any, **kwargs: Any) -> Any:
            return ours(self, *args, **kwargs)

        monkeypatch.setattr(Runnable, METHOD, theirs)

    assert vars(Runnable)[METHOD] is theirs
    chunks = list(question_chain(chat("JSON Patch")).stream(QUESTION))
    assert "".join(chunks) == "JSON Patch"
