"""`--runlog-infino`: what tests recorded is delivered when the session ends, or kept."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path
from select import select

import pytest

from pytest_runlog.cli import main
from pytest_runlog.delivery import session
from pytest_runlog.delivery.spool import Spool, read_spool, spool_files
from support.inner import TESTS, Project, section
from support.store import query, record_ids

ONE_TEST = """
    def test_answer(runlog):
        ask()
"""
RECORDS = 8
"""What comes of asking once: two logs, five metrics of the model, and the latency of the root."""


@pytest.fixture(autouse=True)
def _temporary(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """What finds no other place goes to a temporary folder of this test."""
    monkeypatch.setenv("TMPDIR", str(tmp_path_factory.mktemp("tmp")))
    monkeypatch.setattr("tempfile.tempdir", None)


def spooled(project: Project) -> list[Spool]:
    return [read_spool(path) for path in spool_paths(project)]


def spool_paths(project: Project) -> list[Path]:
    return spool_files(project.pytester.path / ".pytest_cache" / "runlog-spool")


def infino_line(result: pytest.RunResult) -> str:
    """What the summary says of the delivery, on one line."""
    _, found, text = section(result, "runlog", "=").partition("\ninfino ")
    assert found, str(result.stdout)
    return " ".join(text.split())


def test_what_was_recorded_is_in_the_store(project: Project) -> None:
    result = project.run(ONE_TEST, "--runlog-infino=./store")

    result.assert_outcomes(passed=1)
    assert infino_line(result) == f"{RECORDS} records sent to ./store"
    (row,) = query(
        project.pytester.path / "store",
        "SELECT nodeid, chain, path, attempt, model_id, value FROM metrics WHERE key = "
        "'total_tokens'",
    )
    assert row == {
        "nodeid": "test_it.py::test_answer",
        "chain": "RunnableSequence",
        "path": "RunnableSequence/FakeChat",
        "attempt": "1",
        "model_id": "fake-1",
        "value": 9.0,
    }
    assert spool_paths(project) == []


@pytest.mark.parametrize("how", ["ini", "override", "flag"])
def test_a_directory_is_where_the_user_means_it(project: Project, how: str) -> None:
    place = "runlog_infino = ./store"
    arguments = {"ini": [], "override": ["-o", "runlog_infino=./store"]}
    folder = project.pytester.mkdir("sub")
    project.pytester.makepyfile(
        test_it="def test_it(runlog): runlog.infino.append_log({'note': 'here'})"
    )
    project.pytester.makeini(f"[pytest]\n{place if how == 'ini' else ''}")
    os.chdir(folder)

    project.pytester.runpytest_inprocess(
        "-p", "no:asyncio", "..", *arguments.get(how, ["--runlog-infino=./store"])
    )

    assert (folder / "store").exists() == (how == "flag")
    assert (project.pytester.path / "store").exists() == (how != "flag")


def test_nothing_is_delivered_unless_it_was_asked_for(project: Project) -> None:
    result = project.run(ONE_TEST)

    assert "infino" not in section(result, "runlog", "=")
    assert not (project.pytester.path / ".pytest_cache" / "runlog-spool").exists()


def test_an_empty_value_takes_the_place_back(project: Project) -> None:
    result = project.run(ONE_TEST, "--runlog-infino=", ini="runlog_infino = ./store")

    assert "infino" not in section(result, "runlog", "=")


@pytest.mark.parametrize(
    ("source", "args"),
    [(ONE_TEST, ["--collect-only"]), (ONE_TEST, ["-k", "nothing"]), ("def test_it(): pass", [])],
    ids=["only collected", "deselected", "not recorded"],
)
def test_where_nothing_was_recorded_nothing_is_written(
    project: Project, source: str, args: list[str]
) -> None:
    project.run(source, "--runlog-infino=./store", *args)

    assert not (project.pytester.path / "store").exists()
    assert not (project.pytester.path / ".pytest_cache" / "runlog-spool").exists()


@pytest.mark.parametrize(
    ("args", "ini", "message"),
    [
        (["--runlog-infino=htp://host"], "", "--runlog-infino: 'htp://host': there is no htp://;*"),
        (["--runlog-infino=memory://"], "", "--runlog-infino: 'memory://' would be gone *"),
        ([], "runlog_infino = s3:", "ini runlog_infino: 's3:' names no bucket or container;*"),
        ([], "runlog_infino_deadline = soon", "ini runlog_infino_deadline: 'soon' is no time *"),
    ],
)
def test_a_place_that_there_is_not_is_an_error_of_usage(
    project: Project, args: list[str], ini: str, message: str
) -> None:
    result = project.run(ONE_TEST, *args, ini=ini)

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"ERROR: {message}"])


def test_workers_deliver_what_one_process_would(project: Project) -> None:
    source = """
        @pytest.mark.parametrize("number", range(6))
        def test_answer(runlog, number):
            ask(f"question {number}")
    """
    project.run(source, "--runlog-infino=./one")
    result = project.run(source, "--runlog-infino=./two", "-n2", subprocess=True)

    assert infino_line(result) == f"{6 * RECORDS} records sent to ./two"
    sql = "SELECT nodeid, key, text FROM logs ORDER BY 1, 2"
    one, two = (query(project.pytester.path / name, sql) for name in ("one", "two"))
    assert one == two
    assert len(set(record_ids(project.pytester.path / "two", "metrics"))) == 6 * (RECORDS - 2)


def test_what_a_worker_had_finished_before_it_crashed_is_delivered(project: Project) -> None:
    result = project.run(
        """
        import os

        def test_answer(runlog):
            ask()

        def test_crash(runlog):
            ask()
            os._exit(1)
        """,
        *("-n1", "--max-worker-restart=0", "--runlog-infino=./store"),
        subprocess=True,
    )

    result.assert_outcomes(passed=1, failed=1)
    assert infino_line(result) == f"{RECORDS} records sent to ./store"


def test_each_attempt_of_a_test_is_delivered(project: Project) -> None:
    project.run(
        """
        tried = []

        def test_answer(runlog):
            tried.append(ask())
            assert len(tried) == 2
        """,
        *("--reruns=1", "--runlog-infino=./store"),
    )

    assert query(
        project.pytester.path / "store",
        "SELECT attempt, text FROM logs WHERE key = 'prompt' ORDER BY 1",
    ) == [{"attempt": "1", "text": "why?"}, {"attempt": "2", "text": "why?"}]


def test_a_subtest_does_not_deliver_its_test_twice(project: Project) -> None:
    pytest.importorskip("pytest", minversion="9", reason="subtests came with pytest 9")
    result = project.run(
        """
        def test_answer(runlog, subtests):
            for number in range(3):
                with subtests.test(number=number):
                    ask()
        """,
        "--runlog-infino=./store",
    )

    assert infino_line(result) == f"{3 * RECORDS} records sent to ./store"
    assert len(set(record_ids(project.pytester.path / "store", "metrics"))) == 3 * (RECORDS - 2)


def test_a_secret_is_neither_sent_nor_kept(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOME_API_KEY", "sk-0123456789")
    source = """
        @pytest.mark.parametrize("key", ["sk-0123456789"])
        def test_answer(runlog, key):
            ask(f"what is {key}?")
    """
    project.run(source, "--runlog-infino=./file")
    (project.pytester.path / "taken").touch()
    project.run(source, "--runlog-infino=./taken")

    (path,) = spool_paths(project)
    assert "what is <secret>?" in path.read_text()
    assert "sk-0123456789" not in path.read_text()
    stored = query(project.pytester.path / "file", "SELECT * FROM logs")
    assert "what is <secret>?" in str(stored)
    assert "sk-0123456789" not in str(stored)


# What could not be delivered.


def kept(project: Project, *args: str) -> pytest.RunResult:
    """Run a session whose store is a file, and check that this changed nothing else."""
    (project.pytester.path / "taken").touch()
    result = project.run(ONE_TEST, "--runlog-infino=./taken", *args)
    assert result.ret == pytest.ExitCode.OK
    (held,) = spooled(project)
    assert len(held.records) == RECORDS
    assert held.to == str(project.pytester.path / "taken")
    return result


def test_a_store_that_cannot_be_written_changes_no_result(project: Project) -> None:
    result = kept(project)

    result.assert_outcomes(passed=1, warnings=1)
    (path,) = spool_paths(project)
    assert infino_line(result) == (
        f"{RECORDS} records kept in {path}: infino could not write to table 'metrics' in "
        f"{project.pytester.path}/taken: permanent error: {project.pytester.path}/taken — File "
        "exists (os error 17); check the place and the access to it"
    )
    result.stdout.fnmatch_lines(
        [
            f"*DeliveryWarning: {RECORDS} records did not get to ./taken: infino could not *",
            f"      pytest-runlog send {path}",
        ]
    )


def test_the_command_that_the_warning_names_delivers_it(project: Project) -> None:
    kept(project)
    (path,) = spool_paths(project)
    (project.pytester.path / "taken").unlink()

    assert main(["send", str(path)]) == 0
    assert len(record_ids(project.pytester.path / "taken", "metrics")) == RECORDS - 2
    assert spool_paths(project) == []


def test_a_warning_is_no_error(project: Project) -> None:
    result = kept(project, "-W", "error")

    result.assert_outcomes(passed=1)
    assert infino_line(result).startswith(f"{RECORDS} records kept in ")


def test_a_quiet_session_says_what_was_kept(project: Project) -> None:
    result = kept(project, "-q")

    result.stdout.fnmatch_lines([f"runlog: {RECORDS} records kept in*"])


def test_clearing_the_cache_leaves_what_was_kept(project: Project) -> None:
    kept(project)
    project.run("def test_it(): pass", "--cache-clear")

    assert len(spool_paths(project)) == 1


def test_pytest_sets_its_cache_up_as_ever(project: Project) -> None:
    kept(project)

    assert (project.pytester.path / ".pytest_cache" / ".gitignore").exists()
    assert not (project.pytester.path / ".pytest_cache" / "d" / "runlog-spool").exists()


@pytest.mark.parametrize("args", [["-p", "no:cacheprovider"], ["-o", "runlog_spool=./taken"]])
def test_without_a_place_for_spool_files_they_are_in_a_temporary_one(
    project: Project, args: list[str]
) -> None:
    (project.pytester.path / "taken").touch()
    result = project.run(ONE_TEST, "--runlog-infino=./taken", *args)

    result.assert_outcomes(passed=1, warnings=1)
    folder = Path(os.environ["TMPDIR"], f"pytest-runlog-spool-{os.getuid()}")
    assert [len(read_spool(path).records) for path in spool_files(folder)] == [RECORDS]


def test_spool_files_are_where_the_user_wants_them(project: Project) -> None:
    (project.pytester.path / "taken").touch()
    project.run(ONE_TEST, "--runlog-infino=./taken", ini="runlog_spool = kept/here")

    assert len(spool_files(project.pytester.path / "kept" / "here")) == 1


def test_records_that_nothing_can_hold_are_counted(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "temporary_folder", lambda: Path("/dev/full"))
    (project.pytester.path / "taken").touch()
    result = project.run(ONE_TEST, "--runlog-infino=./store", ini="runlog_spool = ./taken")

    result.assert_outcomes(passed=1, warnings=1)
    assert infino_line(result).startswith(f"lost {RECORDS} records: FileExistsError: ")
    result.stdout.fnmatch_lines(["*They could not be kept in a file, and are lost*"])


def test_a_process_that_cannot_be_started_is_a_reason(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    result = project.run(ONE_TEST, "--runlog-infino=./store")

    result.assert_outcomes(passed=1, warnings=1)
    assert ": FileNotFoundError: [Errno 2] " in infino_line(result)
    assert len(spooled(project)) == 1


def test_a_failure_of_the_delivery_itself_changes_no_result(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*args: object) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr(session, "Sender", fail)
    result = project.run(ONE_TEST, "--runlog-infino=./store")

    result.assert_outcomes(passed=1, warnings=1)
    assert infino_line(result).endswith(": RuntimeError: a bug")
    assert len(spooled(project)) == 1


# The engine, in place of the one that is installed.


def engine(project: Project, monkeypatch: pytest.MonkeyPatch, source: str) -> None:
    folder = project.pytester.mkdir("engine")
    (folder / "infino.py").write_text(source)
    monkeypatch.setenv("PYTHONPATH", f"{folder}{os.pathsep}{TESTS}")


def test_without_the_engine_the_extra_is_named(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine(project, monkeypatch, "raise ModuleNotFoundError(\"No module named 'infino'\")")
    result = project.run(ONE_TEST, "--runlog-infino=./store")

    result.assert_outcomes(passed=1, warnings=1)
    assert infino_line(result).endswith(
        "No module named 'infino': the embedded engine is not installed here; pip install "
        '"pytest-runlog[infino]"'
    )
    assert len(spooled(project)) == 1


def test_an_engine_that_hangs_is_ended_at_the_deadline(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine(project, monkeypatch, "import signal\nwhile True: signal.pause()")
    start = time.monotonic()
    result = project.run(ONE_TEST, "--runlog-infino=./store", ini="runlog_infino_deadline = 500ms")

    assert time.monotonic() - start < 20
    result.assert_outcomes(passed=1, warnings=1)
    assert infino_line(result).endswith(": it was not done before the deadline")
    assert [len(held.records) for held in spooled(project)] == [RECORDS]


def test_an_engine_that_holds_the_interpreter_is_killed(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing in that process can look at a clock."""
    engine(
        project,
        monkeypatch,
        "import ctypes, os\nread, write = os.pipe()\nctypes.PyDLL(None).read(read, b' ', 1)",
    )
    result = project.run(ONE_TEST, "--runlog-infino=./store", ini="runlog_infino_deadline = 500ms")

    assert infino_line(result).endswith(": it was not done before the deadline")
    assert [len(held.records) for held in spooled(project)] == [RECORDS]


def test_an_engine_that_crashes_takes_nothing_with_it(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine(project, monkeypatch, "import os\nos.write(2, b'\\x1b[33mout of luck')\nos._exit(3)")
    result = project.run(ONE_TEST, "--runlog-infino=./store")

    result.assert_outcomes(passed=1, warnings=1)
    assert infino_line(result).endswith(
        ": the process that sends ended with status 3: \x1b[33mout of luck"
    )
    assert len(spooled(project)) == 1


def test_what_the_engine_prints_is_not_shown(
    project: Project, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    engine(
        project,
        monkeypatch,
        """
import os, sys
os.write(1, b"{ chatter\\n" * 20_000)
os.write(2, b"WARN chatter\\n" * 20_000)
del sys.modules["infino"], sys.path[:1]
from infino import *
sys.path[:0] = [""]
""",
    )
    result = project.run(ONE_TEST, "--runlog-infino=./store")

    assert infino_line(result) == f"{RECORDS} records sent to ./store"
    assert "chatter" not in "".join(capfd.readouterr())


def test_a_process_that_is_killed_between_two_tables_loses_nothing(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine(
        project,
        monkeypatch,
        """
import os, signal, sys
stand_in = sys.modules.pop("infino")
del sys.path[:1]
import infino
from infino import *

class Deadly:
    def __init__(self, real):
        self.real = real

    def __getattr__(self, name):
        return getattr(self.real, name)

    def open_table(self, name):
        return Deadly(self.real.open_table(name))

    def create_table(self, *args):
        return Deadly(self.real.create_table(*args))

    def append(self, rows):
        self.real.append(rows)
        os.kill(os.getpid(), signal.SIGKILL)

def connect(*args, **options):
    return Deadly(infino.connect(*args, **options))

sys.modules["infino"] = stand_in
""",
    )
    result = project.run(ONE_TEST, "--runlog-infino=./store")

    store = project.pytester.path / "store"
    assert infino_line(result).endswith("ended with status -9: it printed nothing")
    assert len(record_ids(store, "metrics")) == RECORDS - 2  # it can be read
    assert main(["send", *map(str, spool_paths(project))]) == 0
    assert len(record_ids(store, "metrics")) == 2 * (RECORDS - 2)
    assert len(set(record_ids(store, "metrics"))) == RECORDS - 2
    assert len(record_ids(store, "logs")) == 2


def test_a_warning_of_the_engine_is_no_error(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine(
        project,
        monkeypatch,
        """
import sys, warnings
warnings.warn("old", DeprecationWarning)
del sys.modules["infino"], sys.path[:1]
from infino import *
sys.path[:0] = [""]
""",
    )
    monkeypatch.setenv("PYTHONWARNINGS", "error")
    result = project.run(ONE_TEST, "--runlog-infino=./store")

    assert infino_line(result) == f"{RECORDS} records sent to ./store"


def test_a_file_of_the_user_is_not_taken_for_the_engine(project: Project) -> None:
    (project.pytester.path / "infino.py").write_text("raise SystemExit('not this one')")
    (project.pytester.path / "json.py").write_text("raise SystemExit('not this one')")
    result = project.run(ONE_TEST, "--runlog-infino=./store")

    assert infino_line(result) == f"{RECORDS} records sent to ./store"


def test_what_a_uri_hides_is_neither_kept_nor_seen_among_processes(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine(
        project,
        monkeypatch,
        """
import sys
class ConflictError(Exception):
    pass
def connect(uri, **options):
    raise RuntimeError(f"{uri} {sys.argv[1:]}")
""",
    )
    result = project.run(ONE_TEST, "--runlog-infino=s3://me:password@bucket/prefix")

    (path,) = spool_paths(project)
    assert read_spool(path).to == "s3://bucket/prefix"
    result.stdout.fnmatch_lines([f"*pytest-runlog send {path} --to URI"])
    said = infino_line(result)
    assert "s3://bucket/prefix ['send', '--json'" in said
    assert "password" not in said


# How a session can end.


@pytest.mark.parametrize(
    ("last", "args"),
    [
        ("raise KeyboardInterrupt", []),
        ("assert False", ["-x"]),
        ("pytest.exit('enough')", []),
        ("import builtins; builtins.stop = True", []),
    ],
    ids=["Ctrl-C", "-x", "pytest.exit", "internal error"],
)
def test_a_session_that_ends_early_delivers_what_it_has(
    project: Project, last: str, args: list[str]
) -> None:
    source = f"""
        def test_answer(runlog):
            ask()

        def test_last():
            {last}

        def test_never(runlog):
            ask()
    """
    conftest = """
        import builtins

        def pytest_runtest_logreport(report):
            if report.when == "teardown" and builtins.__dict__.pop("stop", False):
                raise RuntimeError("no more")
    """
    project.run(source, *args, "--runlog-infino=./store", conftest=conftest, subprocess=True)

    nodeids = query(project.pytester.path / "store", "SELECT DISTINCT nodeid FROM metrics")
    assert nodeids == [{"nodeid": "test_it.py::test_answer"}]


def test_a_session_that_is_killed_leaves_a_spool_file_that_can_be_sent(project: Project) -> None:
    project.run(
        """
        import os, signal

        def test_answer(runlog):
            ask()

        def test_kill(runlog):
            os.kill(os.getpid(), signal.SIGKILL)
        """,
        "--runlog-infino=./store",
        subprocess=True,
    )

    assert [len(held.records) for held in spooled(project)] == [RECORDS]
    assert main(["send", *map(str, spool_paths(project))]) == 0
    assert len(record_ids(project.pytester.path / "store", "metrics")) == RECORDS - 2


def test_while_a_session_runs_nobody_sends_its_file(project: Project) -> None:
    result = project.run(
        """
        from pytest_runlog.cli import main

        def test_answer(runlog):
            ask()

        def test_send():
            assert main(["send"]) == 1
        """,
        *("--runlog-infino=./store", "-s"),
    )

    result.assert_outcomes(passed=2)
    result.stderr.fnmatch_lines(["*another process is writing or sending it just now"])
    assert infino_line(result) == f"{RECORDS} records sent to ./store"


def test_ctrl_c_ends_a_delivery_that_takes_too_long(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    started = project.pytester.path / "started"
    os.mkfifo(started)
    engine(
        project,
        monkeypatch,
        f"import signal\nopen({str(started)!r}, 'w').write('x')\nwhile True: signal.pause()",
    )
    project.pytester.makepyfile(
        test_it="from support.chains import question_chain\n"
        "def test_it(runlog): question_chain().invoke({'question': 'why?'})"
    )
    with subprocess.Popen(  # noqa: S603
        [
            *(sys.executable, "-m", "pytest", "-p", "no:asyncio", "--runlog-infino=./store"),
            *("-o", "runlog_infino_deadline=10min"),
        ],
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
        # Where Ctrl-C is ignored, as by a shell in the background, it would be here too.
        preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509
    ) as process:
        fifo = os.open(started, os.O_RDONLY | os.O_NONBLOCK)
        # Until the process that sends has come as far as the engine.
        ready, _, _ = select([fifo], [], [], 60)
        os.close(fifo)
        assert ready
        os.killpg(process.pid, signal.SIGINT)
        said = process.communicate(timeout=60)[0]

    assert process.returncode == 0, said
    assert "it was stopped by Ctrl-C" in said
    assert len(spooled(project)) == 1


# Many at once.


def test_two_sessions_on_workers_lose_nothing_in_one_directory(project: Project) -> None:
    project.pytester.makepyfile(
        test_it="""
        import pytest
        from support.chains import question_chain

        @pytest.mark.parametrize("number", range(20))
        def test_it(runlog, number):
            question_chain().invoke({"question": "why?"})
        """
    )
    command = [sys.executable, "-m", "pytest", "-q", "-n2", "-p", "no:asyncio"]
    sessions = [
        subprocess.Popen(  # noqa: S603
            [*command, "--runlog-infino=./store"], stdout=subprocess.PIPE, text=True
        )
        for _ in range(2)
    ]
    said = [session.communicate(timeout=120)[0] for session in sessions]

    assert [session.returncode for session in sessions] == [0, 0], said
    assert spool_paths(project) == [], said
    store = project.pytester.path / "store"
    sql = "SELECT session, count(DISTINCT record_id) AS n FROM {} GROUP BY session"
    assert [row["n"] for row in query(store, sql.format("metrics"))] == [120, 120]
    assert [row["n"] for row in query(store, sql.format("logs"))] == [40, 40]


def test_neither_pytest_nor_a_worker_imports_the_engine(project: Project) -> None:
    conftest = """
        import sys

        def pytest_unconfigure(config):
            assert not {"infino", "pyarrow"} & set(sys.modules)
            name = "worker" if hasattr(config, "workerinput") else "controller"
            (config.rootpath / f"{name} is clean").touch()
    """
    source = """
        import os, sys

        def test_answer(runlog):
            ask()
            assert not {"infino", "pyarrow"} & set(sys.modules)

        def test_fork(runlog):
            ask()
            child = os.fork()
            if not child:
                os._exit(7 if ask("in a child?") == ANSWER else 1)
            assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
    """
    options = ["-W", "ignore:This process .* is multi-threaded:DeprecationWarning"]
    for args in ([], ["-n1"]):
        result = project.run(
            source, *args, *options, "--runlog-infino=./store", conftest=conftest, subprocess=True
        )
        result.assert_outcomes(passed=2)
        assert infino_line(result) == f"{2 * RECORDS} records sent to ./store"
    assert (project.pytester.path / "worker is clean").exists()
    assert (project.pytester.path / "controller is clean").exists()
