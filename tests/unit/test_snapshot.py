"""The extension of syrupy."""

from __future__ import annotations

import pytest

from pytest_runlog import RunLogSnapshotExtension
from pytest_runlog.model.text import Level


@pytest.mark.parametrize("level", ["shape", "structure", "full"])
def test_there_is_an_extension_for_each_level(level: Level) -> None:
    extension = RunLogSnapshotExtension.at(level=level)

    assert extension.level == level
    assert extension is RunLogSnapshotExtension.at(level)
    assert extension.at("structure").level == "structure"
    assert extension().serialize("a (chain)") == f"pytest-runlog snapshot 1, {level}\na (chain)\n"


def test_an_unknown_level_is_an_error_that_names_the_levels() -> None:
    with pytest.raises(
        ValueError, match=r"^level 'deep' is not one of 'shape', 'structure', 'full'$"
    ):
        RunLogSnapshotExtension.at("deep")  # type: ignore[arg-type]


class Elsewhere(RunLogSnapshotExtension):
    """An extension of a user's."""

    level = "full"
    snapshot_dirname = "elsewhere"


def test_a_subclass_keeps_what_it_is_at_another_level() -> None:
    extension = Elsewhere.at("shape")

    assert Elsewhere.at("full") is Elsewhere
    assert issubclass(extension, Elsewhere)
    assert (extension.level, extension.snapshot_dirname) == ("shape", "elsewhere")
    assert (extension.__module__, extension.__name__) == (__name__, "Elsewhere")
