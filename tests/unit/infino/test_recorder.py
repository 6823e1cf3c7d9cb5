from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest

from pytest_runlog import InfinoCallbackHandler, InfinoRecorder, RunLogCallbackHandler
from support.infino import langchains_handler
from support.models import FakeCompletion, chat

if TYPE_CHECKING:
    from collections.abc import Iterator

    from langchain_core.callbacks import BaseCallbackHandler


def metric(key: str, value: float, **labels: Any) -> dict[str, Any]:
    return {"date": 1, key: value, "labels": labels}


def log(key: str, value: str, **labels: Any) -> dict[str, Any]:
    return {"date": 1, key: value, "labels": labels}


@pytest.fixture
def recorder() -> InfinoRecorder:
    return InfinoRecorder()


@pytest.fixture
def recording() -> Iterator[tuple[RunLogCallbackHandler, InfinoRecorder]]:
    handler = RunLogCallbackHandler()
    yield handler, InfinoRecorder(handler.journal)
    assert not handler.journal.failures


def run(model: Any, *handlers: BaseCallbackHandler) -> None:
    model.invoke("hi", {"callbacks": [*handlers]})


def test_metrics_and_logs_are_kept_in_the_order_in_which_they_came(
    recorder: InfinoRecorder,
) -> None:
    recorder.append_log(log("prompt", "hi"))
    recorder.append_metric(metric("latency", 0.5))
    recorder.append_ts(metric("error", 0))
    recorder.append_log(log("prompt_response", "hello"))

    assert recorder.metrics == [metric("latency", 0.5), metric("error", 0)]
    assert recorder.logs == [log("prompt", "hi"), log("prompt_response", "hello")]
    assert [call.kind for call in recorder.calls] == ["log", "metric", "metric", "log"]
    assert [call.keys for call in recorder.calls] == [
        ["prompt"],
        ["latency"],
        ["error"],
        ["prompt_response"],
    ]


def test_its_length_is_the_number_of_payloads(recorder: InfinoRecorder) -> None:
    assert len(recorder) == 0

    recorder.append_log(log("prompt", "hi"))
    recorder.append_metric(metric("latency", 0.5))

    assert len(recorder) == 2


def test_a_call_unpacks_into_its_kind_and_its_body(recorder: InfinoRecorder) -> None:
    recorder.append_metric("index", metric("latency", 0.5))

    ((kind, body),) = recorder.calls

    assert (kind, body) == ("metric", metric("latency", 0.5))


def test_a_series_is_the_values_of_one_metric_in_order(recorder: InfinoRecorder) -> None:
    recorder.append_metric(metric("latency", 0.5))
    recorder.append_metric(metric("error", 1))
    recorder.append_metric(metric("latency", 0.25))
    recorder.append_log(log("latency", "no metric"))

    assert recorder.series("latency") == [0.5, 0.25]
    assert recorder.series("tokens") == []


def test_a_series_can_be_asked_for_by_labels(recorder: InfinoRecorder) -> None:
    run_id = uuid4()
    recorder.append_metric(metric("latency", 1, model_id="a", model_version="1"))
    recorder.append_metric(metric("latency", 2, model_id="a", model_version="2"))
    recorder.append_metric(metric("latency", 3, model_id="b", run_id=str(run_id)))
    recorder.append_metric(metric("latency", 4, model_id=None))
    recorder.append_metric({"date": 1, "latency": 5})
    recorder.append_metric({"date": 1, "latency": 6, "labels": None})

    assert recorder.series("latency", model_id="a") == [1, 2]
    assert recorder.series("latency", model_id="a", model_version="2") == [2]
    assert recorder.series("latency", model_id=None) == [4]
    assert recorder.series("latency", run_id=str(run_id)) == [3]
    assert recorder.series("latency", run_id=run_id) == [3]
    assert recorder.series("latency", nowhere="x") == []


@pytest.mark.parametrize("key", ["date", "labels"])
def test_what_every_metric_has_is_no_series(recorder: InfinoRecorder, key: str) -> None:
    recorder.append_metric(metric("latency", 0.5))

    assert recorder.series(key) == []


def test_a_label_may_be_of_any_type(recorder: InfinoRecorder) -> None:
    recorder.append_metric(metric("latency", 0.5, tags=["a"]))

    assert recorder.series("latency", tags=["a"]) == [0.5]
    assert recorder.series("latency", tags=["b"]) == []


def test_langchains_own_handler_takes_it_as_its_client(recorder: InfinoRecorder) -> None:
    run(FakeCompletion(), langchains_handler(recorder))

    assert [body["prompt"] for body in recorder.logs if "prompt" in body] == ["hi"]
    assert recorder.series("total_tokens") == [9]


def test_a_payload_may_be_given_by_name(recorder: InfinoRecorder) -> None:
    recorder.append_log(payload=log("prompt", "hi"))
    recorder.append_metric(index_name="default", payload=metric("latency", 1))

    assert len(recorder.logs) == len(recorder.metrics) == 1


def test_a_payload_may_be_a_list_of_payloads(recorder: InfinoRecorder) -> None:
    recorder.append_metric([metric("latency", 1), metric("latency", 2)])
    recorder.append_log("default", [])

    assert recorder.series("latency") == [1, 2]
    assert len(recorder) == 2


@pytest.mark.parametrize(
    ("arguments", "given"), [((), "NoneType"), (("hi",), "str"), (([1],), "list")]
)
def test_what_is_no_payload_is_refused(
    recorder: InfinoRecorder, arguments: tuple[Any, ...], given: str
) -> None:
    with pytest.raises(TypeError, match=f"a payload is a dict, or a list of dicts, not {given}"):
        recorder.append_log(*arguments)

    assert len(recorder) == 0


def test_a_payload_that_its_sender_changes_later_stays_as_it_was(recorder: InfinoRecorder) -> None:
    body = metric("latency", 1, model_id="a")
    recorder.append_metric(body)

    body["latency"] = 2
    body["labels"]["model_id"] = "b"

    assert recorder.metrics == [metric("latency", 1, model_id="a")]


def test_a_list_that_its_reader_changes_changes_nothing_here(recorder: InfinoRecorder) -> None:
    recorder.append_metric(metric("latency", 1))

    recorder.calls.clear()
    recorder.metrics.clear()
    recorder.logs.append({})

    assert (len(recorder), len(recorder.metrics), len(recorder.logs)) == (1, 1, 0)


def test_many_threads_lose_no_payload(recorder: InfinoRecorder) -> None:
    with ThreadPoolExecutor(8) as pool:
        for number in range(400):
            pool.submit(recorder.append_metric, metric("n", number))

    assert sorted(recorder.series("n")) == list(range(400))


def test_the_repr_counts_what_was_sent_by_key(recorder: InfinoRecorder) -> None:
    assert repr(recorder) == "<InfinoRecorder: 0 metrics, 0 logs>"

    recorder.append_log(log("prompt", "hi"))
    recorder.append_metric(metric("latency", 1))
    recorder.append_metric(metric("error", 0))
    recorder.append_metric(metric("latency", 2))

    assert repr(recorder) == (
        "<InfinoRecorder: 3 metrics (latency: 2, error: 1), 1 log (prompt: 1)>"
    )


def test_no_repr_shows_a_secret(recorder: InfinoRecorder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SERVICE_API_KEY", "sk-abc123def")
    recorder.append_log({"prompt": "use sk-abc123def", "labels": {"password": "open sesame"}})
    recorder.append_log({"sk-abc123def": "as a key"})

    shown = repr(recorder) + repr(recorder.calls) + str(recorder.calls)

    assert "sk-abc123def" not in shown
    assert "open sesame" not in shown
    assert "<secret>" in repr(recorder.calls)
    assert recorder.logs[0]["prompt"] == "use sk-abc123def"


def test_over_a_journal_it_shows_what_the_handler_makes_of_the_runs(
    recording: tuple[RunLogCallbackHandler, InfinoRecorder], recorder: InfinoRecorder
) -> None:
    handler, view = recording
    run(FakeCompletion(), handler, InfinoCallbackHandler(client=recorder))

    assert view.logs == recorder.logs
    assert [call.keys for call in view.calls] == [call.keys for call in recorder.calls]


def test_it_is_a_live_view(recording: tuple[RunLogCallbackHandler, InfinoRecorder]) -> None:
    handler, view = recording
    assert len(view) == 0

    run(chat("hello", usage=None), handler)
    assert len(view) == 4

    run(chat("hello", usage=None), handler)
    assert len(view) == 8


def test_what_is_sent_by_hand_stands_between_the_runs_around_it(
    recording: tuple[RunLogCallbackHandler, InfinoRecorder],
) -> None:
    handler, view = recording
    run(chat("one", usage=None), handler)
    view.append_log(log("note", "between"))
    run(chat("two", usage=None), handler)

    assert [call.keys[0] for call in view.calls if call.kind == "log"] == [
        "prompt",
        "prompt_response",
        "note",
        "prompt",
        "prompt_response",
    ]


def test_it_is_empty_when_the_journal_is_cleared_and_then_starts_anew(
    recording: tuple[RunLogCallbackHandler, InfinoRecorder],
) -> None:
    handler, view = recording
    run(chat("one", usage=None), handler)
    view.append_log(log("note", "before"))
    assert len(view) == 5

    handler.clear()
    assert len(view) == 0

    run(chat("two", usage=None), handler)
    run(chat("three", usage=None), handler)
    assert [body.get("prompt_response") for body in view.logs] == [None, "two", None, "three"]


def test_what_a_run_does_after_the_journal_was_cleared_is_left_out(
    recording: tuple[RunLogCallbackHandler, InfinoRecorder],
) -> None:
    handler, view = recording
    chunks = chat("hello there").stream("hi", {"callbacks": [handler]})
    next(chunks)
    assert len(view) == 1

    handler.clear()
    list(chunks)

    assert len(view) == 0


def test_readers_on_many_threads_see_each_payload_once(
    recording: tuple[RunLogCallbackHandler, InfinoRecorder],
) -> None:
    handler, view = recording
    model = chat("hello", usage=None)

    def work(number: int) -> int:
        run(model, handler)
        return len(view)

    with ThreadPoolExecutor(8) as pool:
        seen = list(pool.map(work, range(40)))

    assert max(seen) == len(view) == 160


def test_a_handler_that_is_there_twice_is_read_once(
    recording: tuple[RunLogCallbackHandler, InfinoRecorder],
) -> None:
    handler, view = recording

    run(chat("hello", usage=None), handler, handler)

    assert len(view) == 4
