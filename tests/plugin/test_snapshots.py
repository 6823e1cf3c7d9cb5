"""`assert runlog == snapshot`, with syrupy's own fixture."""

from __future__ import annotations

from typing import Any

import pytest
import syrupy

from support.inner import Project


class Snapshots:
    """A project whose snapshots are stored by one session and compared by another."""

    def __init__(self, project: Project) -> None:
        self.project = project
        self.folder = project.pytester.path / "__snapshots__"
        self.sessions: list[Any] = []

    def run(self, source: str, *args: str, **more: Any) -> pytest.RunResult:
        result = self.project.run(source, *args, **more)
        # It caches what it reads by the `id()` of the session.
        self.sessions.append(syrupy._syrupy)
        return result

    def store(self, source: str, *args: str, **more: Any) -> pytest.RunResult:
        result = self.run(source, "--snapshot-update", *args, **more)
        assert result.ret == pytest.ExitCode.OK
        return result

    def text(self, name: str = "test_it.ambr") -> str:
        return (self.folder / name).read_text(encoding="utf-8")

    def files(self) -> dict[str, bytes]:
        return {
            str(path.relative_to(self.folder)): path.read_bytes()
            for path in self.folder.rglob("*")
            if path.is_file()
        }


@pytest.fixture
def snapshots(project: Project, monkeypatch: pytest.MonkeyPatch) -> Snapshots:
    for name in ("PYTEST_XDIST_WORKER", "PYTEST_XDIST_WORKER_COUNT"):
        monkeypatch.delenv(name, raising=False)  # syrupy asks it where it is
    return Snapshots(project)


def explanation(result: pytest.RunResult) -> str:
    """What pytest shows of why the one failing test failed."""
    lines = [line for line in result.outlines if line.startswith("E  ")]
    assert max(map(len, lines)) <= 80
    return "\n".join(line[8:].rstrip() for line in lines) + "\n"


ASKS = """
    def test_answer(runlog, snapshot):
        ask("{question}")
        assert runlog == snapshot
"""
WHY, HOW = ASKS.format(question="why?"), ASKS.format(question="how?")
STORED = """\
# serializer version: 1
# name: test_answer
  '''
  RunnableSequence (chain)
  | in     {"question": "why?"}
  | out    "JSON Patch"
    ChatPromptTemplate (prompt)
    | in     {"question": "why?"}
    | out    ChatPromptValue(messages=[HumanMessage("why?")])
    FakeChat (chat_model fake-1)
    | in     [HumanMessage("why?")]
    | out    AIMessage("JSON Patch")
    StrOutputParser (parser)
    | in     AIMessage("JSON Patch")
    | out    "JSON Patch"
  '''
# ---
"""
DIFFERENCE = """\
assert [+ recorded] == [- snapshot "test_answer"]
    RunnableSequence (chain)
  - | in     {"question": "why?"}
  + | in     {"question": "how?"}
      ChatPromptTemplate (prompt)
  -   | in     {"question": "why?"}
  +   | in     {"question": "how?"}
  -   | out    ChatPromptValue(messages=[HumanMessage("why?")])
  +   | out    ChatPromptValue(messages=[HumanMessage("how?")])
      FakeChat (chat_model fake-1)
  -   | in     [HumanMessage("why?")]
  +   | in     [HumanMessage("how?")]
      …

  To store what was recorded: pytest --snapshot-update
"""


def test_runs_are_stored_as_their_tree_and_pass_from_then_on(snapshots: Snapshots) -> None:
    snapshots.store(WHY)

    assert snapshots.text() == STORED
    snapshots.run(WHY).assert_outcomes(passed=1)


def test_a_mismatch_shows_what_changed_and_how_to_accept_it(snapshots: Snapshots) -> None:
    snapshots.store(WHY)
    result = snapshots.run(HOW)

    result.assert_outcomes(failed=1)
    assert explanation(result) == DIFFERENCE
    assert snapshots.text() == STORED


@pytest.mark.parametrize(
    "comparison",
    [
        "assert snapshot == runlog",
        "snapshot.assert_match(runlog)",
        "assert runlog.root == snapshot",
        "assert runlog.runs == snapshot",
    ],
)
def test_the_explanation_is_the_same_however_the_runs_are_compared(
    snapshots: Snapshots, comparison: str
) -> None:
    snapshots.store(WHY.replace("assert runlog == snapshot", comparison))
    result = snapshots.run(HOW.replace("assert runlog == snapshot", comparison))

    assert snapshots.text() == STORED
    assert explanation(result) == DIFFERENCE


def test_a_message_of_the_test_stands_before_the_explanation(snapshots: Snapshots) -> None:
    snapshots.store(WHY)
    result = snapshots.run(HOW.replace("== snapshot", '== snapshot, "it changed"'))

    assert explanation(result) == f"AssertionError: it changed\n{DIFFERENCE}"


def test_a_unittest_shows_the_whole_explanation_too(snapshots: Snapshots) -> None:
    source = """
        import unittest

        class DeskTest(unittest.TestCase):
            @pytest.fixture(autouse=True)
            def _given(self, runlog, snapshot):
                self.runlog, self.snapshot = runlog, snapshot

            def test_answer(self):
                ask("{question}")
                assert self.runlog == self.snapshot
    """
    snapshots.store(source.format(question="why?"))
    result = snapshots.run(source.format(question="how?"))

    assert explanation(result) == DIFFERENCE.replace("test_answer", "DeskTest.test_answer")


MANY = """
    def test_answer(runlog, snapshot):
        for number in range(30):
            ask(f"{question} {{number}}")
        assert runlog == snapshot
"""


def test_of_a_long_explanation_the_first_sixty_lines_are_shown(snapshots: Snapshots) -> None:
    snapshots.store(MANY.format(question="why?"))
    lines = explanation(snapshots.run(MANY.format(question="how?"))).splitlines()

    assert len(lines) == 1 + 60 + 1 + 2
    assert lines[-3:] == [
        "  … 300 more lines, `-vv` shows all",
        "",
        "  To store what was recorded: pytest --snapshot-update",
    ]


def test_twice_verbose_shows_the_whole_explanation(snapshots: Snapshots) -> None:
    snapshots.store(MANY.format(question="why?"))
    lines = explanation(snapshots.run(MANY.format(question="how?"), "-vv")).splitlines()

    assert len(lines) == 1 + 360 + 2


def test_a_snapshot_that_does_not_exist_yet_is_no_match(snapshots: Snapshots) -> None:
    result = snapshots.run(WHY)

    assert (
        explanation(result)
        == """\
assert [+ recorded] == [- snapshot "test_answer"]
  There is no such snapshot yet in test_it.ambr.

  To store what was recorded: pytest --snapshot-update
"""
    )
    assert not snapshots.folder.exists()


@pytest.mark.parametrize("edited", ["", "nonsense", "# serializer version: 0\n"])
def test_a_file_of_syrupy_that_was_edited_into_nonsense_is_told_and_left_alone(
    snapshots: Snapshots, edited: str
) -> None:
    snapshots.store(WHY)
    (snapshots.folder / "test_it.ambr").write_text(edited)
    result = snapshots.run(WHY)

    result.assert_outcomes(failed=1)
    assert (
        explanation(result)
        == """\
assert [+ recorded] == [- snapshot "test_answer"]
  test_it.ambr is not a file that this version of syrupy wrote.
  It was left as it is.

  To store it anew: pytest --snapshot-update
"""
    )
    assert snapshots.text() == edited


def test_a_value_that_holds_itself_is_given_to_syrupy_as_it_is(snapshots: Snapshots) -> None:
    source = """
        def test_answer(runlog, snapshot):
            ask()
            plain = [1]
            plain.append(plain)
            held = [runlog.models]
            held.append(held)
            assert plain == snapshot
            assert held == snapshot
    """
    snapshots.store(source)

    assert snapshots.text().startswith(
        "# serializer version: 1\n# name: test_answer\n  list([\n    1,\n    ...,\n  ])\n# ---\n"
    )
    snapshots.run(source).assert_outcomes(passed=1)
    changed = source.replace("ask()", "ask('how?')")
    snapshots.run(changed).assert_outcomes(failed=1)


def test_runs_that_differ_are_unequal_to_the_snapshot(snapshots: Snapshots) -> None:
    snapshots.store(WHY)

    for comparison in ["runlog != snapshot", "snapshot != runlog"]:
        source = HOW.replace("runlog == snapshot", comparison)
        snapshots.run(source).assert_outcomes(passed=1)
        snapshots.run(source.replace("how?", "why?")).assert_outcomes(failed=1)


def test_what_are_no_runs_is_compared_and_explained_by_syrupy(snapshots: Snapshots) -> None:
    source = """
        def test_answer(runlog, snapshot):
            assert ["{text}"] == snapshot
    """
    snapshots.store(source.format(text="one"))
    result = snapshots.run(source.format(text="two"))

    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["E * assert [[]+ received[]] == [[]- snapshot[]]"])


def test_a_fixture_named_snapshot_of_somebody_else_is_left_alone(snapshots: Snapshots) -> None:
    result = snapshots.run(
        """
        @pytest.fixture
        def snapshot():
            return "JSON Patch"

        def test_answer(runlog, snapshot):
            assert ask() == snapshot
        """,
        "-p",
        "no:syrupy",
    )

    result.assert_outcomes(passed=1)


# --- No extension is blind ---------------------------------------------------------------

EVERYTHING = """
    from dataclasses import dataclass

    from pytest_runlog import RunLogSnapshotExtension
    from support.models import chat
    from syrupy.extensions.amber import AmberSnapshotExtension
    from syrupy.extensions.amber.serializer import AmberDataSerializer
    from syrupy.extensions.image import PNGImageSnapshotExtension, SVGImageSnapshotExtension
    from syrupy.extensions.json import JSONSnapshotExtension
    from syrupy.extensions.single_file import (
        SingleFileAmberSnapshotExtension,
        SingleFileSnapshotExtension,
    )

    class PlainSerializer(AmberDataSerializer):
        serializer_plugins = []

        @classmethod
        def object_type(cls, data):
            return "it"

    class PlainExtension(AmberSnapshotExtension):
        serializer_class = PlainSerializer

    class TextExtension(SingleFileSnapshotExtension):
        def serialize(self, data, **options):
            return repr(data).encode()

    @dataclass
    class Held:
        what: object

    class Shown:
        def __init__(self, what):
            self.what = what

        def __repr__(self):
            return f"shown {self.what}"

    BYTES = [SingleFileSnapshotExtension, PNGImageSnapshotExtension]
    TREES = [RunLogSnapshotExtension, RunLogSnapshotExtension.at("full")]
    TEXT = [SVGImageSnapshotExtension]
    DATA = [
        AmberSnapshotExtension,
        JSONSnapshotExtension,
        PlainExtension,
        SingleFileAmberSnapshotExtension,
        TextExtension,
    ]
    OBJECTS = {
        "capture": lambda log: log,
        "run": lambda log: log.root,
        "runs": lambda log: log.runs,
        "some": lambda log: log.models,
        "infino": lambda log: log.infino,
    }
    PLACES = {
        "list": lambda what: [what],
        "tuple": lambda what: (1, (what,)),
        "dict": lambda what: {"a": {"b": what}},
        "dataclass": lambda what: Held(what),
        "object": lambda what: Shown(what),
    }
    ALONE = [*BYTES, *TREES, *TEXT, *DATA]
    CASES = [
        *[(extension, name, place) for extension in DATA for name in OBJECTS for place in PLACES],
        *[(extension, name, None) for extension in ALONE for name in OBJECTS],
    ]

    def test_it(runlog, snapshot):
        question_chain(chat("ANSWER")).invoke({"question": "why?"})
        equal = []
        for number, (extension, name, place) in enumerate(CASES):
            value = OBJECTS[name](runlog)
            value = PLACES[place](value) if place else value
            stored = snapshot.use_extension(extension)
            case = f"{extension.__name__} {name} {place}"
            if value == stored(name=f"{number}"):
                equal.append(case)
            if stored(name=f"{number} reversed") == value:
                equal.append(f"{case} reversed")
        assert equal == EXPECTED
"""


def test_every_extension_sees_a_change_in_every_object_wherever_it_is(
    snapshots: Snapshots,
) -> None:
    same = EVERYTHING.replace("equal == EXPECTED", "len(equal) == 2 * len(CASES)")
    snapshots.store(same)
    snapshots.run(same).assert_outcomes(passed=1)

    changed = EVERYTHING.replace("ANSWER", "changed").replace("EXPECTED", "[]")
    snapshots.run(changed).assert_outcomes(passed=1)

    for content in snapshots.files().values():
        assert b"run_id" not in content
        assert b"UUID" not in content


# --- Names and places of snapshots -------------------------------------------------------


def names(ambr: str) -> list[str]:
    return [line[8:] for line in ambr.splitlines() if line.startswith("# name: ")]


def test_a_test_can_compare_several_snapshots(snapshots: Snapshots) -> None:
    source = """
        def test_answer(runlog, snapshot):
            with runlog.capture() as first:
                ask("FIRST")
            with runlog.capture() as second:
                ask("second")
            assert first == snapshot
            assert second == snapshot
            assert runlog.models == snapshot(name="models")
    """
    snapshots.store(source)

    assert names(snapshots.text()) == ["test_answer", "test_answer.1", "test_answer[models]"]
    snapshots.run(source).assert_outcomes(passed=1)
    result = snapshots.run(source.replace("FIRST", "third").replace("assert first", "first"))
    assert (
        explanation(result)
        == """\
assert [+ recorded] == [- snapshot "test_answer[models]"]
    FakeChat (chat_model fake-1)
  - | in     [HumanMessage("FIRST")]
  + | in     [HumanMessage("third")]
    …

  To store what was recorded: pytest --snapshot-update
"""
    )


def test_tests_in_classes_and_with_parameters_have_snapshots_of_their_own(
    snapshots: Snapshots,
) -> None:
    source = """
        class TestDesk:
            @pytest.mark.parametrize("question", ["why?", "how?"])
            def test_answer(self, runlog, snapshot, question):
                ask(question)
                assert runlog == snapshot
    """
    snapshots.store(source)

    assert names(snapshots.text()) == ["TestDesk.test_answer[how?]", "TestDesk.test_answer[why?]"]
    snapshots.run(source).assert_outcomes(passed=2)
    snapshots.run(source.replace("ask(question)", "ask('no')")).assert_outcomes(failed=2)


def test_what_two_workers_store_is_what_one_process_compares(snapshots: Snapshots) -> None:
    source = """
        from pytest_runlog import RunLogSnapshotExtension

        @pytest.mark.parametrize("number", range(6))
        def test_answer(runlog, snapshot, number):
            ask(f"why {number}?")
            assert runlog == snapshot
            assert runlog == snapshot(extension_class=RunLogSnapshotExtension.at("full"))
    """
    snapshots.store(source, "-n2", subprocess=True)
    files = snapshots.files()
    snapshots.run(source).assert_outcomes(passed=6)

    assert len(names(snapshots.text())) == 6
    assert len(files) == 7
    assert snapshots.files() == files


def test_an_unused_snapshot_is_reported_and_deleted_on_update(snapshots: Snapshots) -> None:
    source = """
        from pytest_runlog import RunLogSnapshotExtension

        def test_answer(runlog, snapshot):
            ask()
            assert runlog == snapshot
        def test_file(runlog, snapshot):
            ask()
            assert runlog == snapshot.use_extension(RunLogSnapshotExtension)
            assert runlog == snapshot.use_extension(RunLogSnapshotExtension.at("shape"))(name="s")
    """
    snapshots.store(source)
    assert len(snapshots.files()) == 3
    fewer = source.replace("            assert runlog == snapshot.use", "            snapshot.use")

    result = snapshots.run(fewer)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(["*2 snapshots unused*"])
    assert len(snapshots.files()) == 3

    snapshots.store(fewer)
    assert list(snapshots.files()) == ["test_it.ambr"]


def test_an_update_changes_the_snapshot_that_changed_and_no_other(snapshots: Snapshots) -> None:
    source = WHY + WHY.replace("test_answer", "test_other")
    snapshots.store(source)
    before = snapshots.text()
    snapshots.store(HOW + WHY.replace("test_answer", "test_other"))

    first, marker, other = before.partition("# name: test_other")
    assert snapshots.text() == first.replace("why?", "how?") + marker + other


# --- RunLogSnapshotExtension -------------------------------------------------------------

IN_A_FILE = """
    from pytest_runlog import RunLogSnapshotExtension

    @pytest.fixture
    def snapshot(snapshot):
        return snapshot.use_extension(RunLogSnapshotExtension)

    def test_answer(runlog, snapshot):
        ask("{question}")
        assert runlog == snapshot
"""
WHY_FILE, HOW_FILE = IN_A_FILE.format(question="why?"), IN_A_FILE.format(question="how?")
FILE = "test_it/test_answer.runlog"


def test_each_snapshot_is_a_file_that_can_be_read(snapshots: Snapshots) -> None:
    snapshots.store(WHY_FILE)

    assert (
        snapshots.text(FILE)
        == """\
pytest-runlog snapshot 1, structure
RunnableSequence (chain)
| in     {"question": "why?"}
| out    "JSON Patch"
  ChatPromptTemplate (prompt)
  | in     {"question": "why?"}
  | out    ChatPromptValue(messages=[HumanMessage("why?")])
  FakeChat (chat_model fake-1)
  | in     [HumanMessage("why?")]
  | out    AIMessage("JSON Patch")
  StrOutputParser (parser)
  | in     AIMessage("JSON Patch")
  | out    "JSON Patch"
"""
    )
    snapshots.run(WHY_FILE).assert_outcomes(passed=1)
    assert explanation(snapshots.run(HOW_FILE)) == DIFFERENCE


def test_a_snapshot_of_the_shape_survives_other_words(snapshots: Snapshots) -> None:
    at_shape = (
        "use_extension(RunLogSnapshotExtension",
        'use_extension(RunLogSnapshotExtension.at("shape")',
    )
    snapshots.store(WHY_FILE.replace(*at_shape))

    assert (
        snapshots.text(FILE)
        == """\
pytest-runlog snapshot 1, shape
RunnableSequence (chain)
  ChatPromptTemplate (prompt)
  FakeChat (chat_model)
  StrOutputParser (parser)
"""
    )
    snapshots.run(HOW_FILE.replace(*at_shape)).assert_outcomes(passed=1)
    longer = HOW_FILE.replace(*at_shape).replace("ask(", "ask(); ask(")
    assert (
        explanation(snapshots.run(longer))
        == """\
assert [+ recorded] == [- snapshot "test_answer"]
    …
  + RunnableSequence (chain)
  +   ChatPromptTemplate (prompt)
  +   FakeChat (chat_model)
  +   StrOutputParser (parser)

  To store what was recorded: pytest --snapshot-update
"""
    )


def test_a_snapshot_of_another_level_is_told_from_another_chain(snapshots: Snapshots) -> None:
    snapshots.store(WHY_FILE)
    result = snapshots.run(
        WHY_FILE.replace("(RunLogSnapshotExtension", '(RunLogSnapshotExtension.at("full")')
    )

    assert (
        explanation(result)
        == """\
assert [+ recorded] == [- snapshot "test_answer"]
  The snapshot is of level 'structure', and compared at level 'full'.

  To store that level: pytest --snapshot-update
"""
    )


@pytest.mark.parametrize(
    ("edited", "problem"),
    [
        (b"", "its first line is not `pytest-runlog snapshot 1, LEVEL`"),
        (b"nonsense", "its first line is not `pytest-runlog snapshot 1, LEVEL`"),
        (
            b"pytest-runlog snapshot one, structure\n",
            "its first line is not `pytest-runlog snapshot 1, LEVEL`",
        ),
        (
            b"pytest-runlog snapshot 1, deep\na (chain)\n",
            "its first line is not `pytest-runlog snapshot 1, LEVEL`",
        ),
        (
            b"pytest-runlog snapshot 2, structure\na (chain)\n",
            "its format 2 needs a newer pytest-runlog (pip install -U pytest-runlog)",
        ),
        (
            b"pytest-runlog snapshot 1, structure\na (chain)\n<<<<<<< HEAD\n",
            "its line 3 is not part of a run tree",
        ),
        (b"pytest-runlog snapshot 1, structure\n", "its line 2 is not part of a run tree"),
        (b"\xff\xfe", "it is not UTF-8 text"),
    ],
    ids=["empty", "other", "version", "level", "newer", "conflict", "cut off", "binary"],
)
@pytest.mark.parametrize("update", [(), ("--snapshot-update",)], ids=["compare", "update"])
def test_a_file_that_was_edited_into_nonsense_is_told_and_left_alone(
    snapshots: Snapshots, edited: bytes, problem: str, update: tuple[str, ...]
) -> None:
    snapshots.store(WHY_FILE)
    (snapshots.folder / FILE).write_bytes(edited)
    result = snapshots.run(WHY_FILE, *update)

    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            f"E * {snapshots.folder / FILE} is not a snapshot of runs: {problem}.",
            "E * It was left as it is. Restore it, or delete it and run pytest --snapshot-update.",
        ]
    )
    result.stdout.no_fnmatch_line("*Traceback*")
    assert (snapshots.folder / FILE).read_bytes() == edited


@pytest.mark.parametrize(
    ("comparison", "message"),
    [
        (
            "{'a': 1} == snapshot",
            "*RunLogSnapshotExtension stores trees of runs, not this dict: compare it with a *",
        ),
        (
            "'text' == snapshot",
            "*RunLogSnapshotExtension stores trees of runs, not this str: compare it with a *",
        ),
        (
            "runlog == snapshot(exclude=props('tags'))",
            "*RunLogSnapshotExtension stores text, which has no properties to exclude or *",
        ),
    ],
)
def test_what_the_extension_cannot_store_is_an_error(
    snapshots: Snapshots, comparison: str, message: str
) -> None:
    source = "    from syrupy.filters import props\n" + WHY_FILE
    result = snapshots.run(source.replace("runlog == snapshot", comparison), "--snapshot-update")

    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines([message])
    assert not snapshots.folder.exists()


# --- Nothing recorded --------------------------------------------------------------------

NOTHING = (
    "expected the runs of a snapshot: no run was recorded. Runs are recorded from the moment "
    "the `runlog` fixture is set up to the end of the test function; *"
)


@pytest.mark.parametrize("update", [(), ("--snapshot-update",)], ids=["compare", "update"])
@pytest.mark.parametrize("extension", ["AmberSnapshotExtension", "RunLogSnapshotExtension"])
@pytest.mark.parametrize("comparison", ["runlog == snapshot", "snapshot == [runlog]"])
def test_a_record_of_nothing_is_never_a_snapshot(
    snapshots: Snapshots, update: tuple[str, ...], extension: str, comparison: str
) -> None:
    source = WHY_FILE.replace("use_extension(RunLogSnapshotExtension", f"use_extension({extension}")
    source = "    from syrupy.extensions.amber import AmberSnapshotExtension\n" + source
    snapshots.store(source)
    files = snapshots.files()
    empty = source.replace('ask("why?")', "").replace("runlog == snapshot", comparison)
    result = snapshots.run(empty, *update)

    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines([f"E *AssertionError: {NOTHING}"])
    assert snapshots.files() == files


def test_a_mask_hook_that_raises_fails_the_test_and_leaves_the_snapshot(
    snapshots: Snapshots,
) -> None:
    snapshots.store(WHY)
    result = snapshots.run(
        WHY,
        "--snapshot-update",
        conftest="""
        def pytest_runlog_mask(path, value):
            raise LookupError(path)
        """,
    )

    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["E * pytest_runlog.model.masking.MaskHookFailed: *"])
    assert snapshots.text() == STORED


def test_that_nothing_was_sent_to_infino_is_told_too(snapshots: Snapshots) -> None:
    result = snapshots.run(
        """
        from support.chains import search

        def test_answer(runlog, snapshot):
            search.invoke("why?")
            assert runlog.infino == snapshot
        """,
        "--snapshot-update",
    )

    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        ["E *AssertionError: nothing was sent to Infino: no model ran, and nothing failed"]
    )


def test_a_saved_recording_is_compared_as_the_one_that_was_saved(snapshots: Snapshots) -> None:
    source = """
        from pytest_runlog import RunLogCapture

        def test_answer(runlog, snapshot, tmp_path):
            ask("why?")
            runlog.save(tmp_path / "runs.json")
            assert RunLogCapture.load(tmp_path / "runs.json") == snapshot
    """
    snapshots.store(source)

    assert snapshots.text() == STORED


def test_that_a_selection_is_empty_can_be_a_snapshot(snapshots: Snapshots) -> None:
    source = """
        def test_answer(runlog, snapshot):
            ask()
            assert runlog.tools == snapshot
    """
    snapshots.store(source)

    assert "  'no runs'\n" in snapshots.text()
    result = snapshots.run(source.replace("tools", "models"))
    assert explanation(result).startswith(
        'assert [+ recorded] == [- snapshot "test_answer"]\n'
        "  - no runs\n"
        "  + FakeChat (chat_model fake-1)\n"
    )


# --- Plain data --------------------------------------------------------------------------

AS_JSON = """
    from syrupy.extensions.json import JSONSnapshotExtension
    from syrupy.filters import paths, props
    from syrupy.matchers import path_type

    @pytest.fixture
    def snapshot(snapshot):
        return snapshot.use_extension(JSONSnapshotExtension)

    def test_answer(runlog, snapshot):
        ask("QUESTION")
        assert runlog.to_dict() == snapshot(FILTER)
"""


def test_plain_data_is_stored_as_json_and_stays_the_same(snapshots: Snapshots) -> None:
    snapshots.store(AS_JSON.replace("FILTER", ""))

    stored = snapshots.text("test_it/test_answer.json")
    assert '"name": "RunnableSequence",' in stored
    snapshots.run(AS_JSON.replace("FILTER", "")).assert_outcomes(passed=1)
    snapshots.run(AS_JSON.replace("FILTER", "").replace("QUESTION", "?")).assert_outcomes(failed=1)


@pytest.mark.parametrize(
    ("filter", "kept"),
    [
        ("exclude=props('inputs', 'output')", '"tokens": {'),
        (
            "exclude=paths('runs.0.inputs'), include=paths('runs', 'runs.0', 'runs.0.name')",
            "Sequence",
        ),
        (
            "matcher=path_type({r'.*[.]\\d+[.](inputs|output)': (str, dict, list)}, regex=True)",
            "dict",
        ),
    ],
    ids=["props", "paths", "path_type"],
)
def test_filters_and_matchers_take_plain_data(snapshots: Snapshots, filter: str, kept: str) -> None:
    source = AS_JSON.replace("FILTER", filter)
    snapshots.store(source)

    stored = snapshots.text("test_it/test_answer.json")
    assert "QUESTION" not in stored
    assert kept in stored
    snapshots.run(source.replace("QUESTION", "another")).assert_outcomes(passed=1)
