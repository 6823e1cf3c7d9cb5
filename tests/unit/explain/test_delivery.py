from __future__ import annotations

from pytest_runlog.explain.delivery import not_delivered
from pytest_runlog.session.summary import Delivered


def test_the_command_that_delivers_is_named() -> None:
    kept = Delivered("./store", 0, 1234, "/my spool/a.jsonl", "no answer")

    assert not_delivered(kept) == (
        "1,234 records did not get to ./store: no answer. No result depends on it, and they are "
        "kept. To deliver them:\n"
        "    pytest-runlog send '/my spool/a.jsonl'"
    )


def test_what_a_hook_had_needs_a_place() -> None:
    kept = Delivered("Mine", 2, 1, "/spool/a.jsonl", "no logs", is_addressed=False)

    assert not_delivered(kept).endswith("    pytest-runlog send /spool/a.jsonl --to URI")


def test_what_is_lost_is_called_so() -> None:
    lost = Delivered("./store", 0, 1, None, "OSError: no space")

    assert not_delivered(lost) == (
        "1 record did not get to ./store: OSError: no space. No result depends on it. They could "
        "not be kept in a file, and are lost"
    )
