from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from pytest_runlog import cli
from pytest_runlog.cli import main
from pytest_runlog.delivery.spool import read_spool, write_spool
from support.store import metric, record_ids


@pytest.fixture(autouse=True)
def _in_a_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(cli, "temporary_folder", lambda: tmp_path / "other")


def spool(name: str, to: str | None, *numbers: int) -> Path:
    path = Path(name).absolute()
    path.parent.mkdir(parents=True, exist_ok=True)
    write_spool(path, to, [metric(number) for number in numbers])
    return path


def test_files_and_directories_are_sent(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    first = spool("a.jsonl", str(tmp_path / "store"), 1)
    second = spool("more/b.jsonl", str(tmp_path / "store"), 2, 3)

    assert main(["send", str(first), "more"]) == 0
    assert capsys.readouterr().out == (
        f"{first}: 1 record sent to {tmp_path}/store\nmore/b.jsonl: 2 records sent to "
        f"{tmp_path}/store\n"
    )
    assert record_ids(tmp_path / "store", "metrics") == ["m1", "m2", "m3"]
    assert not second.exists()


@pytest.mark.parametrize("folder", [".pytest_cache/runlog-spool", "other"])
def test_without_arguments_what_sessions_left_is_sent(folder: str, tmp_path: Path) -> None:
    spool(f"{folder}/a.jsonl", str(tmp_path / "store"), 1)

    assert main(["send"]) == 0
    assert record_ids(tmp_path / "store", "metrics") == ["m1"]


def test_nothing_to_send_is_fine(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["send"]) == 0
    assert capsys.readouterr().out == (
        f"There is nothing to send in .pytest_cache/runlog-spool and {tmp_path}/other.\n"
    )


def test_what_is_kept_makes_the_exit_code_1(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    kept = spool("a.jsonl", None, 1)
    fine = spool("b.jsonl", str(tmp_path / "store"), 2)

    assert main(["send", str(kept), str(fine)]) == 1
    printed = capsys.readouterr()
    assert printed.err == (
        f"{kept}: 1 record kept: it does not say where to send it; name a place with --to\n"
    )
    assert printed.out == f"{fine}: 1 record sent to {tmp_path}/store\n"


def test_what_another_user_left_is_not_looked_at(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse() -> Path:
        raise PermissionError("belongs to another user")

    monkeypatch.setattr(cli, "temporary_folder", refuse)

    assert main(["send"]) == 0
    assert capsys.readouterr().out == "There is nothing to send in .pytest_cache/runlog-spool.\n"


def test_a_place_can_be_named(tmp_path: Path) -> None:
    spool("a.jsonl", None, 1)

    assert main(["send", "a.jsonl", "--to", "store"]) == 0
    assert record_ids(tmp_path / "store", "metrics") == ["m1"]


def test_a_place_can_be_read_from_the_standard_input(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spool("a.jsonl", None, 1)
    monkeypatch.setattr(sys, "stdin", io.StringIO("store\n"))

    assert main(["send", "a.jsonl", "--to", "-"]) == 0
    assert record_ids(tmp_path / "store", "metrics") == ["m1"]


def test_programs_read_json(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    kept = spool("a.jsonl", None, 1)

    assert main(["send", "--json", str(kept)]) == 1
    assert json.loads(capsys.readouterr().out) == {
        "file": str(kept),
        "to": None,
        "sent": 0,
        "kept": 1,
        "reason": "it does not say where to send it; name a place with --to",
        "note": None,
    }


def test_a_damaged_file_is_named_with_its_line(capsys: pytest.CaptureFixture[str]) -> None:
    path = spool("a.jsonl", "store", 1)
    path.write_text(path.read_text() + "{}\n")

    assert main(["send", "a.jsonl"]) == 1
    assert capsys.readouterr().err.startswith("a.jsonl: nothing sent: line 3: no record: ")


def test_a_cut_file_is_sent_and_told(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = spool("a.jsonl", str(tmp_path / "store"), 1, 2)
    path.write_bytes(path.read_bytes()[:-9])

    assert main(["send", "a.jsonl"]) == 0
    assert capsys.readouterr().out == (
        f"a.jsonl: 1 record sent to {tmp_path}/store\n"
        "a.jsonl: its last line is incomplete, as after a crash, and was left out\n"
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "the following arguments are required: COMMAND"),
        (["send", "missing.jsonl"], "missing.jsonl is neither a file nor a directory"),
        (["send", "--to", "htp://host"], "--to: 'htp://host': there is no htp://; did you mean"),
        (["send", "--deadline", "soon"], "--deadline: 'soon' is no time above zero, such as 10s"),
        (["sent"], "invalid choice: 'sent'"),
    ],
)
def test_wrong_usage_makes_the_exit_code_2(
    capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    with pytest.raises(SystemExit) as exit_:
        main(arguments)

    assert exit_.value.code == 2
    assert message in capsys.readouterr().err


def test_the_command_does_not_wait_for_a_sink_that_was_given_up(tmp_path: Path) -> None:
    path = spool("a.jsonl", "store", 1)
    (tmp_path / "infino.py").write_text("import threading; threading.Event().wait()")

    result = subprocess.run(  # noqa: S603
        [sys.executable, "-m", "pytest_runlog.cli", "send", "--deadline", "50ms", str(path)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, "PYTHONPATH": f"{Path(cli.__file__).parents[1]}{os.pathsep}{tmp_path}"},
    )

    assert result.returncode == 1
    assert result.stderr == f"{path}: 1 record kept: it was not done before the deadline\n"
    assert read_spool(path).records == [metric(1)]


def test_two_senders_of_one_file_deliver_it_once_in_all(tmp_path: Path) -> None:
    path = spool("a.jsonl", str(tmp_path / "store"), *range(50))
    command = [sys.executable, "-m", "pytest_runlog.cli", "send", str(path)]
    root = str(Path(cli.__file__).parents[1])
    processes = [
        subprocess.Popen(  # noqa: S603
            command, stderr=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": root}
        )
        for _ in range(3)
    ]

    said = [process.communicate(timeout=60)[1] for process in processes]

    assert any(process.returncode == 0 for process in processes), said
    assert len(record_ids(tmp_path / "store", "metrics")) == 50
    assert not path.exists()


def test_many_senders_to_one_new_store_lose_nothing(tmp_path: Path) -> None:
    paths = [
        spool(f"{number}.jsonl", str(tmp_path / "store"), *range(number * 20, number * 20 + 20))
        for number in range(6)
    ]
    processes = [
        subprocess.Popen(  # noqa: S603
            [sys.executable, "-m", "pytest_runlog.cli", "send", str(path)],
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": str(Path(cli.__file__).parents[1])},
        )
        for path in paths
    ]

    said = [process.communicate(timeout=90)[1] for process in processes]

    assert [process.returncode for process in processes] == [0] * 6, said
    assert len(record_ids(tmp_path / "store", "metrics")) == 120
