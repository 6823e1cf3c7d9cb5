"""`RunLogCapture`: what it answers, what it says when it cannot, and sections within it."""

from __future__ import annotations

import re
import threading
from typing import TYPE_CHECKING, Any

import pytest
from langchain_core.callbacks import BaseCallbackHandler, CallbackManager
from langchain_core.runnables import RunnableLambda
from langchain_core.tracers.run_collector import RunCollectorCallbackHandler

from pytest_runlog import RunLogCapture, record
from pytest_runlog.capture import RecordingIncomplete
from pytest_runlog.defaults import Options
from support.chains import ANSWER, QUESTION, broken, question_chain, retrieval_chain, search
from support.models import ModelDown, chat, completion, flaky
from support.versions import run_collector_copies_with_pydantics_copy

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

INPUT = {"question": QUESTION}


@pytest.fixture
def log() -> Iterator[RunLogCapture]:
    with record() as capture:
        yield capture


# --- What it answers -----------------------------------------------------------------------


def test_a_capture_has_the_runs_by_kind(log: RunLogCapture) -> None:
    retrieval_chain().invoke(QUESTION)
    completion().invoke("hi")

    assert log.models.names == ["FakeChat", "FakeListLLM"]
    assert log.tools.names == ["search"]
    assert log.retrievers.names == ["FakeRetriever"]
    assert log.roots.names == ["RunnableSequence", "FakeListLLM"]
    assert log.names == log.runs.names
    assert log.find(type="parser") == log.runs.find(type="parser")


def test_root_is_the_only_run_without_a_parent(log: RunLogCapture) -> None:
    question_chain().invoke(INPUT)

    assert log.root == log.runs[0]


def test_tokens_are_those_of_all_models_and_unknown_if_one_is(log: RunLogCapture) -> None:
    seen = []
    for usage in ((1, 2), (10, 20), None):
        chat(usage=usage).invoke("hi")
        seen.append(log.tokens)

    assert seen == [(1, 2, 3), (11, 22, 33), (None, None, None)]


def test_without_models_no_tokens_were_used(log: RunLogCapture) -> None:
    search.invoke("x")

    assert log.tokens == (0, 0, 0)


def test_elapsed_is_the_time_from_the_first_start_to_the_last_end(log: RunLogCapture) -> None:
    search.invoke("x")
    search.invoke("y")

    first, last = log.runs
    assert first.latency is not None
    assert last.end_ns is not None
    assert log.elapsed == (last.end_ns - first.start_ns) / 1e9 > first.latency


def test_elapsed_is_unknown_until_something_ends(log: RunLogCapture) -> None:
    seen = [log.elapsed]
    stream = chat("a b").stream("hi")
    next(stream)
    seen.append(log.elapsed)
    unfinished = log.unfinished
    assert len(list(stream)) == 2
    seen.append(log.elapsed)

    assert seen == [None, None, log.root.latency]
    assert unfinished == [log.root]
    assert log.unfinished == []


def test_errors_are_where_they_arose_and_recovered_if_something_handled_them(
    log: RunLogCapture,
) -> None:
    model = flaky(ANSWER).with_retry(stop_after_attempt=2, wait_exponential_jitter=False)
    question_chain(model).invoke(INPUT)
    with pytest.raises(ModelDown):
        question_chain(chat(ModelDown("down"))).invoke(INPUT)

    assert [str(run.error) for run in log.errors] == ["attempt 1", "down"]
    assert [str(run.error) for run in log.recovered] == ["attempt 1"]


def test_a_capture_can_be_looked_at_while_the_chain_runs(log: RunLogCapture) -> None:
    seen: list[list[str]] = []

    def look(text: str) -> str:
        seen.append([f"{run.name} {run.status}" for run in log.runs])
        return text

    (RunnableLambda(look, name="look") | RunnableLambda(look, name="again")).invoke("x")

    assert seen == [
        ["RunnableSequence unfinished", "look unfinished"],
        ["RunnableSequence unfinished", "look ok", "again unfinished"],
    ]


def test_runs_are_derived_again_only_when_something_happened(log: RunLogCapture) -> None:
    search.invoke("x")
    before = log.runs
    assert log.runs is before

    search.invoke("y")
    assert log.runs is not before
    assert log.runs[0] == before[0]


# --- What it says when it cannot ------------------------------------------------------------


def message_of(ask: Any) -> str:
    with pytest.raises(AssertionError) as failed:
        ask()
    return str(failed.value)


NOTHING = (
    "no run was recorded. Runs are recorded from the moment the `runlog` fixture is set up to "
    "the end of the test function; embeddings and calls of a provider's SDK that do not go "
    "through LangChain are not seen."
)


def test_root_says_that_nothing_was_recorded_and_why_that_may_be(log: RunLogCapture) -> None:
    assert message_of(lambda: log.root) == f"expected one root: {NOTHING}"


def test_root_lists_the_roots_when_there_are_several(log: RunLogCapture) -> None:
    question_chain().invoke(INPUT)
    search.invoke("x")

    assert message_of(lambda: log.root) == (
        "expected one root, but 2 runs have no parent:\n"
        "  0. RunnableSequence\n"
        "  1. search\n"
        "\n"
        "RunnableSequence (chain)\n"
        "  ChatPromptTemplate (prompt)\n"
        "  FakeChat (chat_model)\n"
        "  StrOutputParser (parser)\n"
        "search (tool)\n"
        "Use `runlog.roots[i]`, or `with runlog.capture() as part:` around the call that you mean."
    )


def test_one_gives_the_run_that_matches(log: RunLogCapture) -> None:
    question_chain().invoke(INPUT)

    assert log.one("FakeChat") == log.runs[2]
    assert log.one(type="parser", under="RunnableSequence") == log.runs[3]


def test_one_suggests_names_that_are_near_and_shows_the_tree(log: RunLogCapture) -> None:
    question_chain().invoke(INPUT)

    assert message_of(lambda: log.one("FakeChta", type="chat_model")) == (
        "expected one run with name='FakeChta', type='chat_model', but none matches "
        "(did you mean 'FakeChat'?):\n"
        "RunnableSequence (chain)\n"
        "  ChatPromptTemplate (prompt)\n"
        "  FakeChat (chat_model)\n"
        "  StrOutputParser (parser)\n"
        "Names are those of the tree, or patterns such as '*Chat'."
    )


def test_one_suggests_nothing_when_no_name_is_near(log: RunLogCapture) -> None:
    search.invoke("x")

    assert message_of(lambda: log.one("zzz")) == (
        "expected one run with name='zzz', but none matches:\n"
        "search (tool)\n"
        "Names are those of the tree, or patterns such as '*Chat'."
    )
    assert message_of(lambda: log.one(status="error")) == (
        "expected one run with status='error', but none matches:\nsearch (tool)"
    )


def test_one_marks_the_runs_when_several_match(log: RunLogCapture) -> None:
    question_chain().invoke(INPUT)

    assert message_of(lambda: log.one(tag="seq:step:[12]")) == (
        "expected one run with tag='seq:step:[12]', but 2 match:\n"
        "  RunnableSequence (chain)\n"
        ">   ChatPromptTemplate (prompt)\n"
        ">   FakeChat (chat_model)\n"
        "    StrOutputParser (parser)\n"
        "More of type=, tag=, path= or under= tell them apart; `find` takes any number."
    )


def test_one_names_the_function_that_did_not_match(log: RunLogCapture) -> None:
    def is_slow(run: object) -> bool:
        return False

    search.invoke("x")

    assert message_of(lambda: log.one(where=is_slow)) == (
        "expected one run with where=is_slow, but none matches:\nsearch (tool)"
    )


def test_one_without_anything_expects_one_run(log: RunLogCapture) -> None:
    assert message_of(log.one) == f"expected one run: {NOTHING}"

    search.invoke("x")
    assert log.one() == log.root

    search.invoke("x")
    assert message_of(log.one) == (
        "expected one run, but 2 match:\n"
        "> search (tool)\n"
        "> search (tool)\n"
        "More of type=, tag=, path= or under= tell them apart; `find` takes any number."
    )


def test_messages_show_no_secrets_and_no_control_characters(
    log: RunLogCapture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ACME_API_KEY", "sk-12345678")
    for _ in range(2):
        search.invoke("x", {"run_name": "search \x1b sk-12345678"})

    for message in (message_of(lambda: log.root), message_of(lambda: log.one("search sk"))):
        assert "sk-1234" not in message
        assert message.replace("\n", "").isprintable()
        assert "<secret>" in message


# --- What it shows ---------------------------------------------------------------------------


def test_the_repr_of_a_capture_is_its_tree(log: RunLogCapture) -> None:
    search.invoke("x")

    assert repr(log) == log.tree() == 'search (tool)\n| in     "x"\n| out    "found x"'
    assert log.tree("shape") == "search (tool)"


def test_the_repr_of_an_empty_capture_says_so_with_its_name() -> None:
    with record() as log, log.capture("part") as part:
        assert repr(log) == "<RunLogCapture: nothing recorded>"
        assert repr(part) == "<RunLogCapture part: nothing recorded>"
        assert log.tree() == ""


def test_a_tree_has_no_secret_of_the_environment_or_of_the_values(
    log: RunLogCapture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ACME_API_KEY", "sk-from-the-environment")

    def call(value: dict[str, str]) -> str:
        return f"called with {value['api_key']} and sk-from-the-environment"

    RunnableLambda(call, name="call").invoke({"api_key": "sk-from-a-value"})

    assert log.tree() == (
        "call (chain)\n"
        '| in     {"api_key": "<secret>"}\n'
        '| out    "called with <secret> and <secret>"'
    )
    assert log.root.inputs == {"api_key": "sk-from-a-value"}


def test_a_tree_has_no_ids_of_its_runs(log: RunLogCapture) -> None:
    def tell(text: str) -> str:
        return f"{text} am {log.runs[0].id}"

    RunnableLambda(tell).invoke("I")

    assert log.tree().endswith('| out    "I am <run id>"')


def test_a_message_of_a_class_of_the_users_own_need_have_no_tool_call(log: RunLogCapture) -> None:
    class ToolMessage:
        pass

    give: RunnableLambda[str, object] = RunnableLambda(lambda value: ToolMessage())
    give.invoke("x")

    assert type(log.root.output) is ToolMessage


def test_patterns_and_the_hook_mask_what_is_shown_but_not_what_is_recorded() -> None:
    options = Options(
        mask_patterns=(re.compile(r"\d+"),),
        mask_hook=lambda path, value: "<mine>" if path == "output" else value,
    )
    with record(options=options) as log:
        search.invoke("order 66")
        with log.capture() as part:
            pass
        search.invoke("order 67")

    assert log.tree().splitlines()[:3] == [
        "search (tool)",
        '| in     "order <masked>"',
        '| out    "<mine>"',
    ]
    assert log.to_dict()["runs"][0]["output"] == "<mine>"
    assert log.runs[0].output == "found order 66"
    assert part.runs == []


def test_the_same_chain_gives_the_same_data_each_time() -> None:
    def data() -> dict[str, Any]:
        with record() as log:
            retrieval_chain().invoke(QUESTION)
        return log.to_dict()

    assert data() == data()


# --- Sections --------------------------------------------------------------------------------


def test_a_section_has_what_ran_inside_and_the_capture_around_it_has_all(
    log: RunLogCapture,
) -> None:
    search.invoke("before")
    with log.capture() as outer:
        search.invoke("outer")
        with outer.capture() as inner:
            search.invoke("inner")
    search.invoke("after")

    assert [run.inputs for run in inner.runs] == ["inner"]
    assert [run.inputs for run in outer.runs] == ["outer", "inner"]
    assert [run.inputs for run in log.runs] == ["before", "outer", "inner", "after"]
    assert inner.root == log.runs[2]


def test_a_section_has_a_root_though_the_capture_has_several(log: RunLogCapture) -> None:
    search.invoke("before")
    with log.capture() as part:
        question_chain().invoke(INPUT)

    assert part.root.name == "RunnableSequence"
    assert part.tree() in log.tree()


def test_sections_of_the_same_name_are_numbered(log: RunLogCapture) -> None:
    names = []
    for wanted in ("ask", "ask", "other", "ask", None):
        with log.capture(wanted) as part:
            names.append(part.name)

    assert names == ["ask", "ask:2", "other", "ask:3", None]


def test_a_run_in_flight_belongs_to_the_captures_that_were_open_when_it_began(
    log: RunLogCapture,
) -> None:
    with log.capture() as part:
        stream = question_chain(chat("a b")).stream(INPUT)
        next(stream)
    with log.capture() as later:
        rest = list(stream)

    assert rest == ["b", ""]
    assert part.root.output == "a b"
    assert part.runs == log.runs
    assert later.runs == []


def test_a_run_that_begins_in_a_section_under_one_from_before_belongs_to_its_parent(
    log: RunLogCapture,
) -> None:
    sections: list[RunLogCapture] = []

    def step(text: str) -> Any:
        with log.capture() as part:
            search.invoke(text)
        sections.append(part)

    RunnableLambda(step, name="step").invoke("x")

    assert [run.path for run in log.runs] == ["step", "step/search"]
    assert sections[0].runs == []


def test_captures_may_close_in_any_order(log: RunLogCapture) -> None:
    first = log.capture()
    second = log.capture()
    one = first.__enter__()
    two = second.__enter__()
    search.invoke("both")
    first.__exit__(None, None, None)
    search.invoke("second")
    second.__exit__(None, None, None)
    search.invoke("none")

    assert [run.inputs for run in one.runs] == ["both"]
    assert [run.inputs for run in two.runs] == ["both", "second"]
    assert len(log.runs) == 3


def test_a_section_that_fails_keeps_what_it_recorded(log: RunLogCapture) -> None:
    sections = []

    def body() -> None:
        with log.capture() as part:
            sections.append(part)
            search.invoke("x")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        body()
    search.invoke("y")

    assert [run.inputs for run in sections[0].runs] == ["x"]


def test_threads_record_into_the_captures_that_are_open(log: RunLogCapture) -> None:
    with log.capture() as part:
        threads = [threading.Thread(target=search.invoke, args=(name,)) for name in "ab"]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    assert [run.inputs for run in part.runs] == ["a", "b"]


def test_without_chunks_models_still_stream() -> None:
    with record(options=Options(chunks=False)) as log:
        list(question_chain(chat("a b")).stream(INPUT))

    assert log.root.chunks == []
    assert [chunk.value.content for chunk in log.one("FakeChat").chunks] == ["a ", "b", ""]


# --- config(), clear(), close() --------------------------------------------------------------


def test_a_run_that_is_reported_both_ways_is_recorded_once(log: RunLogCapture) -> None:
    question_chain().invoke(INPUT, log.config())

    assert log.names == ["RunnableSequence", "ChatPromptTemplate", "FakeChat", "StrOutputParser"]


def test_with_the_handlers_given_a_section_and_its_capture_record_once(log: RunLogCapture) -> None:
    with log.capture() as part:
        search.invoke("x", log.config())
        search.invoke("y", part.config())

    assert [run.inputs for run in part.runs] == ["x", "y"]
    assert part.runs == log.runs


def test_config_keeps_what_else_is_given(log: RunLogCapture) -> None:
    search.invoke("x", log.config(run_name="mine", tags=["a"], metadata={"user": 7}))

    assert (log.root.name, log.root.tags, log.root.metadata["user"]) == ("mine", ["a"], 7)


@run_collector_copies_with_pydantics_copy
@pytest.mark.parametrize("kind", ["list", "manager"])
def test_config_keeps_the_callbacks_of_the_user_and_changes_nothing_of_theirs(
    kind: str, log: RunLogCapture
) -> None:
    mine = RunCollectorCallbackHandler()
    handlers: list[BaseCallbackHandler] = [mine]
    manager = CallbackManager(handlers=[mine], inheritable_handlers=[mine])

    search.invoke("x", log.config(callbacks=handlers if kind == "list" else manager))

    assert [run.id for run in mine.traced_runs] == [log.root.id]
    assert handlers == manager.handlers == manager.inheritable_handlers == [mine]


def test_config_says_what_callbacks_can_be(log: RunLogCapture) -> None:
    with pytest.raises(
        TypeError,
        match=r"^config\(callbacks=…\) takes a list of handlers or a callback manager, not str$",
    ):
        log.config(callbacks="mine")


def test_clear_forgets_what_was_recorded(log: RunLogCapture) -> None:
    completion().invoke("x")
    assert len(log.infino.metrics) > 0

    log.clear()
    assert log.runs == []
    assert len(log.infino.metrics) == 0

    search.invoke("y")
    assert [run.inputs for run in log.runs] == ["y"]


def test_clear_forgets_what_the_runs_in_flight_will_still_do(log: RunLogCapture) -> None:
    stream = question_chain(chat("a b")).stream(INPUT)
    next(stream)

    log.clear()
    assert list(stream) == ["b", ""]
    assert log.runs == []

    search.invoke("x")
    assert log.names == ["search"]


def test_clear_of_a_section_leaves_the_capture_around_it_alone(log: RunLogCapture) -> None:
    with log.capture() as part:
        search.invoke("x")
        part.clear()
        search.invoke("y")

    assert [run.inputs for run in part.runs] == ["y"]
    assert [run.inputs for run in log.runs] == ["x", "y"]


def test_nothing_is_recorded_after_the_end() -> None:
    with record() as log:
        pass
    search.invoke("x")

    assert log.runs == []


def test_a_tool_that_fails_is_no_failure_of_the_recorder(log: RunLogCapture) -> None:
    with pytest.raises(Exception, match="no route"):
        broken.invoke("x")

    assert log.root.status == "error"
    assert log.failures == []


# --- save() and load() -----------------------------------------------------------------------


def test_a_capture_that_was_saved_can_be_loaded_and_asked(
    log: RunLogCapture, tmp_path: Path
) -> None:
    retrieval_chain().invoke(QUESTION)
    list(question_chain(chat("a b")).stream(INPUT))
    with pytest.raises(ModelDown):
        question_chain(chat(ModelDown("down"))).invoke(INPUT)

    log.save(tmp_path / "run.json")
    loaded = RunLogCapture.load(str(tmp_path / "run.json"))

    assert loaded.to_dict() == log.to_dict()
    assert loaded.names == log.names
    assert loaded.tree("full") == log.tree("full")
    assert loaded.tokens == log.tokens
    assert loaded.elapsed == log.elapsed
    assert [run.id for run in loaded.errors] == [run.id for run in log.errors]
    assert loaded.recovered == log.recovered == []
    assert [run.latency for run in loaded.runs] == [run.latency for run in log.runs]
    assert [run.ttft for run in loaded.runs] == [run.ttft for run in log.runs]


def test_what_was_loaded_can_be_saved_again(log: RunLogCapture, tmp_path: Path) -> None:
    question_chain().invoke(INPUT)
    log.save(tmp_path / "one.json")

    RunLogCapture.load(tmp_path / "one.json").save(tmp_path / "two.json")

    assert (tmp_path / "one.json").read_text() == (tmp_path / "two.json").read_text()


def test_what_was_loaded_has_no_handlers_to_give(log: RunLogCapture, tmp_path: Path) -> None:
    log.save(tmp_path / "run.json")
    loaded = RunLogCapture.load(tmp_path / "run.json")

    for ask in (loaded.config, loaded.close):
        with pytest.raises(RuntimeError, match=r"^a loaded run log has no handlers; only a rec"):
            ask()


def test_what_was_loaded_has_no_payloads_and_says_so(log: RunLogCapture, tmp_path: Path) -> None:
    question_chain().invoke(INPUT)
    log.save(tmp_path / "run.json")
    loaded = RunLogCapture.load(tmp_path / "run.json")

    with pytest.raises(RuntimeError, match=r"^a loaded run log has no payloads of Infino's; only"):
        _ = loaded.infino


def test_what_was_loaded_can_be_cleared(log: RunLogCapture, tmp_path: Path) -> None:
    search.invoke("x")
    log.save(tmp_path / "run.json")
    loaded = RunLogCapture.load(tmp_path / "run.json")

    loaded.clear()

    assert loaded.runs == []
    assert log.names == ["search"]


def test_a_saved_capture_has_no_secrets(
    log: RunLogCapture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ACME_API_KEY", "sk-from-the-environment")
    search.invoke("x sk-from-the-environment", {"metadata": {"api_key": "sk-from-a-value"}})

    log.save(tmp_path / "run.json")

    assert "sk-from" not in (tmp_path / "run.json").read_text()


def test_what_a_forgotten_run_starts_later_is_forgotten_too() -> None:
    with record() as log:

        def forget(value: int) -> str:
            log.clear()
            return RunnableLambda(str, name="inner").invoke(value)

        RunnableLambda(forget).invoke(1)
        RunnableLambda(str, name="next").invoke(2)

    assert log.names == ["next"]


def test_a_recorder_that_fails_where_no_test_reports_it_warns(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(_value: object) -> tuple[object, ...]:
        raise RuntimeError("cannot be frozen")

    monkeypatch.setattr("pytest_runlog.recording.handler.spread", fail)

    with pytest.warns(RecordingIncomplete, match="cannot be frozen"), record() as log:
        assert RunnableLambda(str).invoke(1) == "1"

    assert log.names == []
