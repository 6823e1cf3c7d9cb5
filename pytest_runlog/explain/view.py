"""What was recorded, as the messages of failing assertions show it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pytest_runlog.explain.wording import did_you_mean, nothing_recorded
from pytest_runlog.measures.units import count_text
from pytest_runlog.model.data import error_to_data, to_data
from pytest_runlog.model.runs import matches, walk
from pytest_runlog.model.text import name_text, tree_lines, value_text

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Sequence

    from pytest_runlog.model.masking import Mask
    from pytest_runlog.model.runs import Run, Runs

_LONGEST_TREE = 40
"""Lines. Of a longer tree, a message shows only what is around the runs that it is about."""
_AROUND = 2
"""Lines before and after a marked run of a long tree."""
_MOST_MARKED = 20
"""Runs of a long tree."""


@dataclass(frozen=True)
class View:
    """What was recorded, as messages show it."""

    roots: Runs
    mask: Mask

    def quoted(self, name: str) -> str:
        """A name in quotes, on one line."""
        return repr(self.mask.text(name))

    def listed(self, names: Iterable[str], word: str = "and") -> str:
        """`"'a', 'b' and 'c'"`."""
        *most, last = map(self.quoted, names)
        return f"{', '.join(most)} {word} {last}" if most else last

    def near(self, name: str, *others: str | None) -> str:
        """A hint to the names of runs, or `others`, that are like this one."""
        names = {run.name for run in walk(self.roots)} | {other for other in others if other}
        if name in names:
            return ""
        return did_you_mean(self.mask.text(name), map(self.mask.text, names))

    def has(self, name: str) -> bool:
        """Whether there is a run of that name."""
        return any(matches(run.name, name) for run in walk(self.roots))

    def value(self, value: Any, path: str = "inputs") -> str:
        """A value on one line."""
        return value_text(to_data(value, self.mask, path))

    def error(self, error: BaseException | None) -> str:
        """An exception on one line."""
        return value_text(error_to_data(error, self.mask))

    def tree(self, marked: Collection[Run] = ()) -> str:
        """The names of all runs, these marked; of a long tree what is around them."""
        marked = set(marked)
        lines = list(tree_lines(self.roots, self.mask, "shape", marked))
        if len(lines) > _LONGEST_TREE:
            lines = list(_folded(lines, list(walk(self.roots)), marked))
        return "\n".join(lines)

    def failure(
        self,
        expected: str,
        seen: str,
        *,
        lines: Sequence[str] = (),
        marked: Collection[Run] = (),
        advice: str = "",
    ) -> str:
        """The message that says all that."""
        if not self.roots:
            return nothing_recorded(f"expected {expected}")
        tree = self.tree(marked)
        body = [*lines, "", tree] if lines else [tree]
        return "\n".join(
            [f"expected {expected}, but {seen}:", *body, *([advice] if advice else [])]
        )

    def named(self, name: str) -> str:
        """A name on one line, as the tree has it."""
        return name_text(self.mask.text(name))


def times_text(count: int) -> str:
    """`"once"`, `"twice"`, `"3 times"`."""
    return {1: "once", 2: "twice"}.get(count, f"{count:,} times")


def with_article(noun: str) -> str:
    """`"a tool"`, `"an llm"`."""
    return f"{'an' if noun[:1] in set('aeiouAEIOU') or noun == 'llm' else 'a'} {noun}"


def _folded(lines: Sequence[str], runs: Sequence[Run], marked: Collection[Run]) -> Iterator[str]:
    """The lines around the marked runs, and those of the runs above them."""
    places = [place for place, run in enumerate(runs) if run in marked][:_MOST_MARKED]
    shown = set(range(0 if places else _LONGEST_TREE))
    lineage: list[int] = []
    for place, run in enumerate(runs):
        while lineage and runs[lineage[-1]] != run.parent:
            lineage.pop()
        if place in places:
            shown |= {*lineage, *range(place - _AROUND, place + _AROUND + 1)}
        lineage.append(place)
    hidden = 0
    for place, line in enumerate(lines):
        if place in shown:
            if hidden:
                yield f"  … {count_text(hidden, 'run')}"
            hidden = 0
            yield line
        else:
            hidden += 1
    if hidden:
        yield f"  … {count_text(hidden, 'run')}"
