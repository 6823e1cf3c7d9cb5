"""Runs as plain data, and in a file."""

from __future__ import annotations

import asyncio
import json
import re
from datetime import timezone
from typing import TYPE_CHECKING, Any

import pytest
from langchain_core.documents import Document
from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.outputs import ChatGeneration, Generation, LLMResult

from pytest_runlog.model.errors import arising, recovered
from pytest_runlog.model.masking import Mask
from pytest_runlog.model.saved import load_runs, runs_to_dict, save_runs
from support.tape import Tape

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_runlog.model.runs import Run, Runs

NO_MASK = Mask()


@pytest.fixture
def runs() -> Runs:
    """Runs of every status, with everything that a run can have."""
    tape = Tape()
    chain = tape.start("answer", inputs={"q": "hi", "api_key": "sk-12345678"}, tags=["b", "a"])
    retriever = tape.start("Docs", under=chain, type="retriever", inputs="hi", thread=7)
    tape.end(retriever, [Document("text", metadata={"source": "a"})])
    retry = tape.start("Chat", under=chain, inputs=[HumanMessage("hi")])
    first = tape.start("Chat", under=retry, type="chat_model", inputs=[[HumanMessage("hi")]])
    tape.fail(first, TimeoutError("slow sk-12345678"))
    second = tape.start(
        "Chat",
        under=retry,
        type="chat_model",
        inputs=[[HumanMessage("hi")]],
        tags=["retry:attempt:2"],
        metadata={"ls_model_name": "gpt-4o"},
        details={"invocation_params": {"temperature": 0}},
    )
    tape.token(second, "hel")
    tape.token(second, "lo")
    call = {"name": "search", "args": {"q": "x"}, "id": "1", "type": "tool_call"}
    message = AIMessage(
        "hello",
        tool_calls=[call],
        usage_metadata={"input_tokens": 1, "output_tokens": 2, "total_tokens": 3},
    )
    tape.end(second, LLMResult(generations=[[ChatGeneration(message=message)]]))
    tape.end(retry, message)
    parser = tape.start("Parser", under=chain, type="parser", inputs=message)
    tape.custom(parser, "progress", {"done": 1})
    tape.note(parser, "text", "thinking")
    tape.fail(parser, asyncio.CancelledError("stop"))
    error = KeyError("missing")
    tool = tape.start("search", under=chain, type="tool")
    tape.fail(tool, error)
    tape.fail(chain, error)
    tape.start("late", inputs=object())
    return tape.runs()


def roots_of(runs: Runs) -> Runs:
    return runs.find(where=lambda run: run.parent is None)


@pytest.fixture
def loaded(runs: Runs, tmp_path: Path) -> Runs:
    save_runs(roots_of(runs), NO_MASK, tmp_path / "run.json")
    return load_runs(tmp_path / "run.json")


def test_what_is_loaded_is_the_same_data_as_what_was_saved(runs: Runs, loaded: Runs) -> None:
    assert runs_to_dict(roots_of(loaded), NO_MASK) == runs_to_dict(roots_of(runs), NO_MASK)


def test_saving_what_was_loaded_writes_the_same_file(loaded: Runs, tmp_path: Path) -> None:
    save_runs(roots_of(loaded), NO_MASK, tmp_path / "again.json")

    assert (tmp_path / "again.json").read_text() == (tmp_path / "run.json").read_text()


@pytest.mark.parametrize(
    "fact",
    [
        "id",
        "name",
        "type",
        "path",
        "status",
        "latency",
        "self_latency",
        "ttft",
        "tokens",
        "model",
        "attempt",
        "thread",
        "tool_calls",
        "chunks",
        "events",
        "notes",
        "details",
        "start",
        "end",
    ],
)
def test_a_loaded_run_answers_as_the_recorded_one(runs: Runs, loaded: Runs, fact: str) -> None:
    assert [getattr(run, fact) for run in loaded] == [getattr(run, fact) for run in runs]


def test_the_values_of_a_loaded_run_are_the_data_they_became(loaded: Runs) -> None:
    assert loaded.find("Docs")[0].output == [
        {"@type": "Document", "page_content": "text", "metadata": {"source": "a"}}
    ]
    assert loaded[0].start.tzinfo == timezone.utc


def test_a_loaded_error_has_the_name_and_text_of_the_recorded_one(loaded: Runs) -> None:
    error = loaded.find("search")[0].error

    assert type(error).__name__ == "KeyError"
    assert str(error) == "'missing'"
    assert type(loaded.find("Parser")[0].interrupt).__name__ == "CancelledError"


def test_errors_of_loaded_runs_arose_and_were_recovered_where_they_were(
    runs: Runs, loaded: Runs
) -> None:
    assert [run.path for run in arising(runs)] == ["answer/Chat/Chat", "answer/search"]
    assert arising(loaded) == arising(runs)
    assert recovered(loaded) == recovered(runs) == arising(runs)[:1]


def test_a_loaded_error_that_caused_another_is_not_recovered(tmp_path: Path) -> None:
    cause, error = ValueError("cause"), KeyError("effect")
    error.__cause__ = cause
    tape = Tape()
    root = tape.start("root")
    tape.fail(tape.start("child", under=root), cause)
    tape.fail(root, error)
    save_runs(roots_of(tape.runs()), NO_MASK, tmp_path / "run.json")

    assert recovered(load_runs(tmp_path / "run.json")) == []


def test_runs_find_each_other_after_loading(loaded: Runs) -> None:
    assert loaded.names == ["answer", "Docs", "Chat", "Chat", "Chat", "Parser", "search", "late"]
    assert loaded[0].descendants == loaded[1:-1]
    assert loaded.find(under="answer", model="gpt-*").names == ["Chat"]


def test_plain_data_of_a_run_is_all_but_times_and_ids() -> None:
    tape = Tape()
    chain = tape.start("answer", inputs="hi", tags=["b", "a"], metadata={"user": 7})
    tape.custom(chain, "progress", 1)
    tape.chunk(chain, "x")
    tool = tape.start("tool", under=chain, type="tool")
    tape.fail(tool, ValueError("no"))
    tape.end(chain, "x")

    assert runs_to_dict(tape.runs()[:1], NO_MASK) == {
        "runs": [
            {
                "name": "answer",
                "type": "chain",
                "status": "ok",
                "tags": ["a", "b"],
                "metadata": {"user": 7},
                "inputs": "hi",
                "output": "x",
                "error": None,
                "interrupt": None,
                "model": None,
                "tokens": {"input": None, "output": None, "total": None},
                "tool_calls": [],
                "attempt": None,
                "chunks": ["x"],
                "events": [{"name": "progress", "data": 1}],
                "children": [
                    {
                        "name": "tool",
                        "type": "tool",
                        "status": "error",
                        "tags": [],
                        "metadata": {},
                        "inputs": None,
                        "output": None,
                        "error": {"@type": "ValueError", "message": "no"},
                        "interrupt": None,
                        "model": None,
                        "tokens": {"input": None, "output": None, "total": None},
                        "tool_calls": [],
                        "attempt": None,
                        "chunks": [],
                        "events": [],
                        "children": [],
                    }
                ],
            }
        ]
    }


def test_a_file_has_a_schema_version_and_no_secret(runs: Runs, tmp_path: Path) -> None:
    save_runs(roots_of(runs), Mask(secrets=frozenset({"sk-12345678"})), tmp_path / "run.json")
    text = (tmp_path / "run.json").read_text("utf-8")

    assert json.loads(text)["schema"] == 1
    assert "sk-1234" not in text
    assert "slow <secret>" in text


def test_a_file_is_ascii_whatever_the_runs_hold(tmp_path: Path) -> None:
    tape = Tape()
    tape.end(tape.start("näme", inputs="\ud800 😀 \x1b"), float("nan"))
    save_runs(tape.runs(), NO_MASK, tmp_path / "run.json")

    assert (tmp_path / "run.json").read_bytes().isascii()
    assert load_runs(tmp_path / "run.json")[0].name == "näme"
    assert load_runs(tmp_path / "run.json")[0].inputs == "\ud800 😀 \x1b"


def test_what_the_user_hides_stays_hidden_after_loading(runs: Runs, tmp_path: Path) -> None:
    def hook(path: str, value: Any) -> Any:
        return "<hidden>" if path in {"error", "tags", "metadata", "inputs"} and value else value

    mask = Mask(hook=hook)
    save_runs(roots_of(runs), mask, tmp_path / "run.json")
    loaded = load_runs(tmp_path / "run.json")

    assert runs_to_dict(roots_of(loaded), NO_MASK) == runs_to_dict(roots_of(runs), mask)
    assert "missing" not in (tmp_path / "run.json").read_text()


def test_no_runs_can_be_saved_and_loaded(tmp_path: Path) -> None:
    save_runs([], NO_MASK, tmp_path / "run.json")

    assert load_runs(tmp_path / "run.json") == []


# --- Patches -----------------------------------------------------------------------------


def patches_of(run: Run) -> list[list[dict[str, Any]]]:
    return [patch.ops for patch in run.patches]


def test_a_loaded_root_has_the_patches_of_the_recorded_one(runs: Runs, loaded: Runs) -> None:
    paths = [[operation["path"] for operation in patch] for patch in patches_of(runs[0])]

    assert [[operation["path"] for operation in patch] for patch in patches_of(loaded[0])] == paths
    assert {key: entry["id"] for key, entry in loaded[0].state["logs"].items()} == {
        key: entry["id"] for key, entry in runs[0].state["logs"].items()
    }
    assert len(roots_of(loaded)[1].patches) == 1


def test_the_values_of_loaded_patches_are_the_data_they_became(loaded: Runs) -> None:
    state = loaded[0].state

    assert state["logs"]["Docs"]["final_output"] == {"documents": loaded.find("Docs")[0].output}
    assert state["logs"]["search"]["error"] == {"type": "KeyError", "message": "'missing'"}
    assert state["logs"]["Chat:3"]["streamed_output"] == ["hel", "lo"]
    message = state["logs"]["Chat:3"]["final_output"]["generations"][0][0]["message"]
    assert message == loaded.find(tag="retry:attempt:2")[0].output


def test_all_that_is_asked_of_a_log_is_asked_of_a_loaded_one(runs: Runs, loaded: Runs) -> None:
    assert list(loaded[0].filtered_log(include_types=["llm"]).state["logs"]) == ["Chat", "Chat:2"]
    assert loaded[0].state_at(1) == patches_of(loaded[0])[0][0]["value"]
    assert loaded[0].log.state == [state for _, state in loaded[0].states()][-1]
    with pytest.raises(AttributeError, match="only roots have 'patches'"):
        loaded[1].patches  # noqa: B018


def test_a_run_without_an_end_is_saved_with_the_patches_so_far(tmp_path: Path) -> None:
    tape = Tape()
    tape.start("child", under=tape.start("root"))
    save_runs(tape.runs()[:1], NO_MASK, tmp_path / "run.json")

    assert load_runs(tmp_path / "run.json")[0].state == tape.runs()[0].state


def test_secrets_are_in_no_patch_and_keys_stay_unique(tmp_path: Path) -> None:
    tape = Tape()
    root = tape.start("root", inputs={"api_key": "sk-12345678"}, tags=["sk-12345678"])
    for secret in ("sk-12345678", "sk-87654321"):
        model = tape.start(secret, under=root, type="llm", metadata={"token": secret})
        tape.token(model, secret)
        result = Generation(text=f"is {secret}", generation_info={"password": secret})
        tape.end(model, LLMResult(generations=[[result]], llm_output={"secret": secret}))
        tape.fail(tape.start("tool", under=root, type="tool"), ValueError(secret))
    mask = Mask(secrets=frozenset({"sk-12345678", "sk-87654321"}))
    save_runs(tape.runs()[:1], mask, tmp_path / "run.json")
    state = load_runs(tmp_path / "run.json")[0].state

    assert "sk-" not in (tmp_path / "run.json").read_text()
    assert list(state["logs"]) == ["<secret>", "tool", "<secret>:2", "tool:2"]
    assert state["logs"]["<secret>:2"]["final_output"] == {
        "generations": [
            [
                {
                    "text": "is <secret>",
                    "generation_info": {"password": "<secret>"},
                    "type": "Generation",
                }
            ]
        ],
        "llm_output": {"secret": "<secret>"},
        "run": None,
        "type": "LLMResult",
    }


@pytest.mark.parametrize(
    ("path", "hidden"),
    [
        ("inputs.q", [("inputs", "q")]),
        ("output", [("logs", "Docs", "final_output", "documents")]),
        ("output[0].metadata", [("logs", "Docs", "final_output", "documents", 0, "metadata")]),
        ("chunks", [("logs", "Chat:3", "streamed_output", 0)]),
        (
            "output.content",
            [
                ("logs", "Chat:3", "final_output", "generations", 0, 0, "message", "content"),
                ("logs", "Chat:3", "final_output", "generations", 0, 0, "text"),
            ],
        ),
        ("tags", [("tags",)]),
        ("metadata", [("metadata",)]),
        ("error", [("logs", "search", "error")]),
    ],
)
def test_what_the_user_hides_is_hidden_in_patches(
    path: str, hidden: list[tuple[Any, ...]], runs: Runs, tmp_path: Path
) -> None:
    mask = Mask(hook=lambda where, value: "<hidden>" if where == path else value)
    save_runs(runs[:1], mask, tmp_path / "run.json")
    state: Any = load_runs(tmp_path / "run.json")[0].state

    for keys in hidden:
        value = state
        for key in keys:
            value = value[key]
        assert value == "<hidden>"


def test_tags_that_are_hidden_match_no_filter(runs: Runs, tmp_path: Path) -> None:
    mask = Mask(hook=lambda where, value: "abc" if where == "tags" else value)
    save_runs(runs[:1], mask, tmp_path / "run.json")
    log = load_runs(tmp_path / "run.json")[0].filtered_log(include_tags=["a"])

    assert log.state["logs"] == {}


# --- Files that are none -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is not a saved run log: Expecting value: line 1 column 1 (char 0)"),
        (b"{", "is not a saved run log: Expecting property name"),
        (b"\xff\xfe", "is not a saved run log: 'utf-8' codec can't decode byte 0xff"),
        (b"[" * 100_000, "is not a saved run log: "),
        (b"[]", "is not a saved run log: it has no schema version"),
        (b"{}", "is not a saved run log: it has no schema version"),
        (b'{"schema": "1"}', "is not a saved run log: it has no schema version"),
        (
            b'{"schema": 2}',
            "has schema version 2, this pytest-runlog reads up to 1: install a newer one",
        ),
        (b'{"schema": 1}', "is not a complete saved run log: KeyError('errors')"),
        (b'{"schema": 1, "errors": [], "runs": 5}', "is not a complete saved run log: TypeError"),
        (
            b'{"schema": 1, "errors": [], "runs": [{}]}',
            "is not a complete saved run log: run 0: KeyError('parent')",
        ),
        (
            b'{"schema": 1, "errors": [{"error": 1, "causes": [5]}], "runs": []}',
            "is not a complete saved run log: IndexError",
        ),
    ],
    ids=[
        "empty",
        "cut off",
        "binary",
        "too deep",
        "a list",
        "no schema",
        "schema of text",
        "newer",
        "no errors",
        "runs of a number",
        "an empty run",
        "a cause that is not there",
    ],
)
def test_a_file_that_is_no_saved_run_log_is_named_with_what_is_wrong(
    content: bytes, message: str, tmp_path: Path
) -> None:
    path = tmp_path / "run.json"
    path.write_bytes(content)

    with pytest.raises(ValueError, match=re.escape(f"{path} {message}")):
        load_runs(path)


@pytest.mark.usefixtures("loaded")
@pytest.mark.parametrize("fact", ["id", "parent", "chunks", "tokens", "start", "notes"])
def test_a_run_of_which_something_is_of_the_wrong_kind_is_not_loaded(
    fact: str, tmp_path: Path
) -> None:
    path = changed(tmp_path, fact, 5)

    with pytest.raises(ValueError, match="is not a complete saved run log"):
        load_runs(path)


@pytest.mark.usefixtures("loaded")
@pytest.mark.parametrize(
    ("fact", "value", "problem"),
    [
        ("name", None, "its 'name' cannot be null"),
        ("start_ns", "x" * 50, f"its 'start_ns' cannot be \"{'x' * 39}…"),
        ("end_ns", [], "its 'end_ns' cannot be []"),
        ("metadata", "x", "its 'metadata' cannot be \"x\""),
        ("tags", [1], "there cannot be 1 among its 'tags'"),
        (
            "tokens",
            {"input": "1", "output": 1, "total": 1},
            "there cannot be \"1\" among its 'tokens'",
        ),
        ("chunk_times", [None], "there cannot be null among its 'chunk_times'"),
        ("notes", [{"name": 1, "data": 1, "at": 1}], "the name of one of its 'notes' is no text"),
    ],
)
def test_it_is_said_what_cannot_be(fact: str, value: Any, problem: str, tmp_path: Path) -> None:
    path = changed(tmp_path, fact, value)

    with pytest.raises(ValueError, match=re.escape(f"run 1: {problem}. Files are written by")):
        load_runs(path)


def changed(folder: Path, fact: str, value: Any) -> Path:
    """The saved file, with another fact of its second run."""
    path = folder / "run.json"
    saved = json.loads(path.read_text())
    saved["runs"][1][fact] = value
    path.write_text(json.dumps(saved))
    return path


PATCH = {"op": "add", "path": "/logs/x/end_time", "value": None}


@pytest.mark.usefixtures("loaded")
@pytest.mark.parametrize(
    ("patches", "message"),
    [
        (None, "TypeError"),
        ([], "IndexError"),
        ([[]], "IndexError"),
        ([5], "TypeError"),
        ([[PATCH]], "no run log begins with '/logs/x/end_time'"),
        ([[{"op": "replace", "path": ""}]], "patch 1 is none of a run log at that place"),
        (
            [[{"op": "replace", "path": "", "value": {"logs": {}}}], [PATCH]],
            "patch 2 is none of a run log at that place",
        ),
        (
            [[{"op": "move", "path": "", "value": {"logs": {}}}]],
            "no run log has the operation 'move'",
        ),
        (
            [
                [{"op": "replace", "path": "", "value": {"logs": {}}}],
                [{"op": "add", "path": "/logs/x", "value": {"name": "x"}}],
            ],
            "KeyError('type')",
        ),
    ],
)
def test_patches_that_are_none_are_found_when_they_are_loaded(
    patches: Any, message: str, tmp_path: Path
) -> None:
    path = tmp_path / "run.json"
    saved = json.loads(path.read_text())
    saved["runs"][0]["patches"] = patches
    path.write_text(json.dumps(saved))

    with pytest.raises(ValueError, match=r"is not a complete saved run log.*run 0: ") as raised:
        load_runs(path)
    assert message in str(raised.value)


@pytest.mark.usefixtures("loaded")
@pytest.mark.parametrize("part", [0.1, 0.5, 0.9, 0.999])
def test_a_file_that_is_cut_off_is_named_with_the_line(part: float, tmp_path: Path) -> None:
    path = tmp_path / "run.json"
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * part)])

    with pytest.raises(ValueError, match=r"is not a saved run log: .* line \d+ column") as raised:
        load_runs(path)
    assert str(raised.value).startswith(str(path))
    assert str(raised.value).endswith("Files are written by `runlog.save(path)`: save it again")


def test_a_file_that_is_not_there_is_an_os_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        load_runs(tmp_path / "none.json")


def test_chunks_are_saved_as_they_came_and_compared_by_branch(tmp_path: Path) -> None:
    tape = Tape()
    run = tape.start("map")
    for chunk in [{"b": "1"}, {"a": "2"}, {"b": "3"}]:
        tape.chunk(run, chunk)
    save_runs(tape.runs(), NO_MASK, tmp_path / "run.json")
    loaded = load_runs(tmp_path / "run.json")

    assert [chunk.value for chunk in loaded[0].chunks] == [{"b": "1"}, {"a": "2"}, {"b": "3"}]
    assert runs_to_dict(loaded, NO_MASK)["runs"][0]["chunks"] == [
        {"a": "2"},
        {"b": "1"},
        {"b": "3"},
    ]
    assert runs_to_dict(loaded, NO_MASK) == runs_to_dict(tape.runs(), NO_MASK)


def test_plain_data_has_the_keys_of_dicts_in_order() -> None:
    tape = Tape()
    tape.end(tape.start("map", inputs={"b": 1, "a": 2}), {"y": 1, "x": 2})
    (run,) = runs_to_dict(tape.runs(), NO_MASK)["runs"]

    assert (list(run["inputs"]), list(run["output"])) == (["a", "b"], ["x", "y"])
