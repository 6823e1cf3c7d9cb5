"""Runs and syrupy: `assert runlog == snapshot` compares the canonical text of the runs.

Importing this module teaches syrupy's `SnapshotAssertion` what to compare, whichever side it
stands on and whichever extension stores it. The plugin imports it when a test asks for the
fixture `snapshot`.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, get_args

from syrupy.assertion import SnapshotAssertion
from syrupy.exceptions import TaintedSnapshotError
from syrupy.extensions.json import JSONSnapshotExtension
from syrupy.extensions.single_file import SingleFileSnapshotExtension, WriteMode

from pytest_runlog.explain import snapshots as explain
from pytest_runlog.explain.wording import WIDTH
from pytest_runlog.model.text import HasTree, Level, in_snapshot, snapshot_text
from pytest_runlog.model.treediff import diff_trees, first_odd_line

if TYPE_CHECKING:
    from syrupy.assertion import AssertionResult
    from syrupy.extensions.base import AbstractSyrupyExtension
    from syrupy.types import PropertyFilter, PropertyMatcher, SerializableData, SerializedData

_HEADER = "pytest-runlog snapshot"
_FORMAT = 1
_LEVELS: tuple[Level, ...] = get_args(Level)


class UnreadableSnapshot(ValueError):
    """A stored snapshot is not what `RunLogSnapshotExtension` wrote. It is left as it is."""


class RunLogSnapshotExtension(SingleFileSnapshotExtension):
    """Stores the tree of the runs in a `.runlog` file per snapshot, for people to read.

        def test_answer(runlog, snapshot):
            chain.invoke(...)
            assert runlog == snapshot.use_extension(RunLogSnapshotExtension)

    `RunLogSnapshotExtension.at(level="shape")` is the extension for trees of another level.
    """

    _write_mode = WriteMode.TEXT
    file_extension = "runlog"
    level: ClassVar[Level] = "structure"
    """`"shape"`, `"structure"` or `"full"`, as in `runlog.tree(level)`."""

    @classmethod
    def at(cls, level: Level) -> type[RunLogSnapshotExtension]:
        """This extension for trees of a level. Raises `ValueError` for an unknown one."""
        if level not in _LEVELS:
            raise ValueError(f"level {level!r} is not one of {', '.join(map(repr, _LEVELS))}")
        if level == cls.level:
            return cls
        if cls is RunLogSnapshotExtension:
            return _AT[level]
        return type(cls.__name__, (cls,), {"level": level, "__module__": cls.__module__})

    def serialize(
        self,
        data: SerializableData,
        *,
        exclude: PropertyFilter | None = None,
        include: PropertyFilter | None = None,
        matcher: PropertyMatcher | None = None,  # noqa: ARG002 (syrupy always gives one)
    ) -> SerializedData:
        """The text of the file. Raises `TypeError` for what is not a tree of runs."""
        if exclude is not None or include is not None:
            raise TypeError(explain.no_filters())
        if not isinstance(data, str) or first_odd_line(data) is not None:
            raise TypeError(explain.no_tree(type(data).__name__))
        return f"{_HEADER} {_FORMAT}, {self.level}\n{data}\n"

    def read_snapshot_data_from_location(
        self, *, snapshot_location: str, snapshot_name: str, session_id: str
    ) -> SerializableData | None:
        """What is stored there. Raises `UnreadableSnapshot`, so that nothing is overwritten."""
        try:
            text = super().read_snapshot_data_from_location(
                snapshot_location=snapshot_location,
                snapshot_name=snapshot_name,
                session_id=session_id,
            )
        except UnicodeDecodeError:
            problem: str | None = "it is not UTF-8 text"
        else:
            problem = None if text is None else _problem_of(text)
        if problem is not None:
            raise UnreadableSnapshot(explain.unreadable_snapshot(snapshot_location, problem))
        return text


class _ShapeExtension(RunLogSnapshotExtension):
    level = "shape"


class _FullExtension(RunLogSnapshotExtension):
    level = "full"


# By name in this module, because the workers of pytest-xdist send names.
_AT: dict[Level, type[RunLogSnapshotExtension]] = {
    "shape": _ShapeExtension,
    "full": _FullExtension,
}


def explain_comparison(op: str, left: object, right: object, verbosity: int) -> list[str] | None:
    """Why runs are not those of a snapshot; `None` if it is not that which is compared."""
    pair = (left, right)
    snapshots = [side for side in pair if isinstance(side, SnapshotAssertion)]
    if op != "==" or len(snapshots) != 1 or not any(isinstance(side, HasTree) for side in pair):
        return None
    (snapshot,) = snapshots
    result = snapshot.executions.get(snapshot.num_executions - 1)
    if result is None or result.success:
        return None
    return _explanation(result, verbosity)


def _explanation(result: AssertionResult, verbosity: int) -> list[str] | None:
    if isinstance(result.exception, UnreadableSnapshot):
        return str(result.exception).split("\n")
    file = Path(result.snapshot_location).name
    if isinstance(result.exception, TaintedSnapshotError):
        return explain.unknown_format(result.snapshot_name, file)
    if result.exception is not None or result.asserted_data is None:
        return None
    if result.recalled_data is None:
        return explain.no_snapshot(result.snapshot_name, file)
    (level, stored), (wanted, recorded) = map(_read, (result.recalled_data, result.asserted_data))
    if level != wanted:
        return explain.snapshot_of_another_level(result.snapshot_name, str(level), str(wanted))
    diff = diff_trees(stored, recorded, WIDTH)
    return explain.not_the_snapshot(result.snapshot_name, diff, whole=verbosity >= 2)


def _read(data: SerializedData) -> tuple[str | None, str]:
    """The level, where it is stored, and the tree in what an extension made of it."""
    text = data.decode("utf-8", "replace") if isinstance(data, bytes) else str(data)
    if text.startswith(_HEADER):
        header, _, tree = text.partition("\n")
        return header.rpartition(", ")[2], tree.removesuffix("\n")
    if text.startswith("["):
        lines = _parsed(text)
        if isinstance(lines, list):
            return None, "\n".join(map(str, lines))
    quotes = "'''\n" if text.startswith("'''\n") else "'"
    if text.startswith(quotes) and text.endswith(quotes[::-1]):
        text = text[len(quotes) : -len(quotes)]
    return None, text


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return None


def _problem_of(text: str) -> str | None:
    """Why the text of a file is not a snapshot."""
    header, _, tree = text.partition("\n")
    if not header.startswith(f"{_HEADER} "):
        return f"its first line is not `{_HEADER} {_FORMAT}, LEVEL`"
    version, _, level = header[len(_HEADER) + 1 :].partition(", ")
    if version.isdecimal() and int(version) > _FORMAT:
        return f"its format {version} needs a newer pytest-runlog (pip install -U pytest-runlog)"
    if version != str(_FORMAT) or level not in _LEVELS:
        return f"its first line is not `{_HEADER} {_FORMAT}, LEVEL`"
    odd = first_odd_line(tree.removesuffix("\n"))
    return None if odd is None else f"its line {odd + 1} is not part of a run tree"


class _Unwritable:
    """Given to syrupy in place of what cannot be shown, it cannot be written either.

    So the snapshot that is stored stays, and does not count as unused.
    """

    def __repr__(self) -> str:
        raise TypeError("it cannot be shown")

    __str__ = __repr__


def _compare(self: SnapshotAssertion, other: SerializableData) -> bool:
    __tracebackhide__ = True
    try:
        given = present(other, self.extension)
    except BaseException:
        _compare_with_syrupy(self, _Unwritable())
        raise
    with in_snapshot():
        return _compare_with_syrupy(self, given)


def present(
    value: Any, extension: AbstractSyrupyExtension, above: frozenset[int] = frozenset()
) -> Any:
    """The value with text in place of what has a tree, as far as lists and dicts go.

    Each extension gets what it stores best; in the objects of users, the `repr` is left. A
    value that holds no tree, or itself, is given as it is. Raises `AssertionError` for a
    record of nothing.
    """
    __tracebackhide__ = True
    if isinstance(value, HasTree):
        return _present_tree(value, extension)
    if not _holds_tree(value, above):
        return value
    above |= {id(value)}
    if type(value) is dict:
        return {key: present(item, extension, above) for key, item in value.items()}
    return type(value)(present(item, extension, above) for item in value)


def _holds_tree(value: Any, above: frozenset[int]) -> bool:
    if isinstance(value, HasTree):
        return True
    if type(value) not in (list, tuple, dict) or id(value) in above:
        return False
    items = value.values() if type(value) is dict else value
    return any(_holds_tree(item, above | {id(value)}) for item in items)


def _present_tree(value: HasTree, extension: AbstractSyrupyExtension) -> Any:
    __tracebackhide__ = True
    if (reason := value._why_empty()) is not None:  # noqa: SLF001
        raise AssertionError(reason)
    level = extension.level if isinstance(extension, RunLogSnapshotExtension) else "structure"
    text = snapshot_text(value, level)
    if isinstance(extension, JSONSnapshotExtension):
        return text.split("\n")
    if isinstance(extension, SingleFileSnapshotExtension):
        return text if extension.get_supported_dataclass() is str else text.encode()
    return text


_compare_with_syrupy = SnapshotAssertion.__eq__
SnapshotAssertion.__eq__ = _compare  # type: ignore[method-assign]
