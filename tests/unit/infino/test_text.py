"""What was sent to Infino, as text."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from pytest_runlog import InfinoRecorder, RunLogCapture
from support.chains import question_chain
from support.models import ModelDown, chat


def labels(**more: Any) -> dict[str, Any]:
    return {"model_id": None, **more}


def test_payloads_stand_below_the_runs_that_they_are_about(runlog: RunLogCapture) -> None:
    question_chain(chat("JSON Patch")).invoke({"question": "why?"})
    with suppress(ModelDown):
        question_chain(chat(ModelDown("503"))).invoke({"question": "how?"})

    assert (
        runlog.infino.tree()
        == """\
FakeChat (chat_model fake-1)
| log    prompt "why?"
| metric latency
| metric error 0
| log    prompt_response "JSON Patch"
| metric prompt_tokens 7
| metric total_tokens 9
| metric completion_tokens 2
FakeChat (chat_model fake-1) ERROR
| log    prompt "how?"
| metric latency
| metric error 1
| log    error_message "ModelDown: 503\""""
    )


def test_a_shape_has_the_keys_only(runlog: RunLogCapture) -> None:
    chat(ModelDown("503")).with_fallbacks([chat()]).invoke("why?")

    assert runlog.infino.tree("shape").startswith("""\
FakeChat (chat_model) ERROR
| log    prompt
| metric latency
| metric error
| log    error_message
FakeChat (chat_model)
| log    prompt
""")


def test_labels_are_shown_in_full_trees_but_for_the_id_of_the_run() -> None:
    recorder = InfinoRecorder()
    body = {"date": 1, "rating": 5, "labels": labels(run_id="x", user="Jane")}
    recorder.append_metric(body)

    assert recorder.tree() == "run 1\n| metric rating 5"
    assert recorder.tree("full") == 'run 1\n| metric rating 5 {"user": "Jane"}'


def test_runs_that_were_not_recorded_are_numbered_and_what_is_about_none_comes_last() -> None:
    recorder = InfinoRecorder()
    recorder.append_log({"date": 1, "note": "first"})
    recorder.append_log({"date": 2, "note": "b", "labels": labels(run_id="B")})
    recorder.append_log({"date": 3, "note": "a", "labels": labels(run_id="A")})
    recorder.append_log({"date": 4, "note": "c", "more": [1], "labels": labels(run_id="B")})

    assert (
        recorder.tree()
        == """\
run 1
| log    note "b"
| log    note "c"
| log    more [1]
run 2
| log    note "a"
no run
| log    note "first\""""
    )


def test_secrets_and_control_characters_are_not_shown() -> None:
    recorder = InfinoRecorder()
    recorder.append_log({"api_key": "sk-12345678", "labels": {"user": "has sk-12345678"}})
    recorder.append_log({"\x1b[2J": "\x1b[2J"})

    assert (
        recorder.tree("full")
        == """\
no run
| log    api_key "<secret>" {"user": "has <secret>"}
| log    "\\u001b[2J" "\\u001b[2J\""""
    )


def test_a_recorder_that_was_sent_nothing_has_an_empty_tree() -> None:
    assert InfinoRecorder().tree() == ""
