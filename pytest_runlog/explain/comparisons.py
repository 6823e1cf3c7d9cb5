"""What a user reads when a plain `assert` on runs, names or tokens fails.

The lines take the place of what pytest says by itself; the first one follows `assert`.
"""

from __future__ import annotations

from difflib import SequenceMatcher
from typing import TYPE_CHECKING, Any, NamedTuple

from pytest_runlog.explain.view import View
from pytest_runlog.explain.wording import did_you_mean
from pytest_runlog.measures.units import count_text
from pytest_runlog.model.runs import Run, Runs, mask_of
from pytest_runlog.model.text import heading, name_text
from pytest_runlog.model.usage import TokenUsage

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from typing import TypeGuard

    from pytest_runlog.capture import RunLogCapture

_LEGEND = "(- expected, + seen)"
_AROUND = 2
"""Lines that are the same, around what is not."""
_RUNS_ARE_NO_NAMES = "These are runs, not names: compare `.names`, or use `.find(name)`."
_RUNS_ARE_THEMSELVES = (
    "A run equals only itself: compare `.inputs`, `.output` or `.tree()` of runs."
)
_UNKNOWN = "`None` is unknown: a model run did not report its usage."


class Sides(NamedTuple):
    """A comparison: what was recorded, and what it is compared with."""

    seen: Any
    expected: Any
    seen_is_left: bool = True

    def title(self, what: str) -> str:
        """The comparison as it was written, and what the marks mean."""
        left, right = (what, "expected") if self.seen_is_left else ("expected", what)
        return f"{left} == {right} {_LEGEND}"


def explain_comparison(
    op: str, left: object, right: object, captures: Sequence[RunLogCapture]
) -> list[str] | None:
    """Why a comparison does not hold, `None` if nothing recorded is compared.

    `captures` are those whose names it may be about, the most likely one first.
    """
    if op in {"in", "not in"} and type(left) is str:
        return _membership(op, left, right, captures)
    if op != "==":
        return None
    if type(left) is Run and type(right) is Run:
        return _two_runs(left, right)
    for sides in (Sides(left, right), Sides(right, left, seen_is_left=False)):
        if type(sides.expected) not in {Runs, list, tuple, TokenUsage}:
            continue
        if type(sides.seen) is Runs:
            return _runs(sides)
        if type(sides.seen) is TokenUsage:
            return _tokens(sides)
    if not (_are_texts(left) and _are_texts(right)):
        return None
    return _names(Sides(left, right), captures) or _names(
        Sides(right, left, seen_is_left=False), captures
    )


# --- Names -----------------------------------------------------------------------------------


def _membership(
    op: str, name: str, container: object, captures: Sequence[RunLogCapture]
) -> list[str] | None:
    if type(container) is Runs and container:
        shown = _view(container).quoted(name)
        return [f"{shown} {op} {count_text(len(container), 'run')}", _RUNS_ARE_NO_NAMES]
    runs = _source(container, captures) if _are_texts(container) else None
    if runs is None:
        return None
    view = _view(runs)
    marked = [run for run in runs if run.name == name]
    near = did_you_mean(view.mask.text(name), [view.mask.text(run.name) for run in runs])
    title = f"{view.quoted(name)} {op} the names of {count_text(len(runs), 'run')}"
    return [title + ("" if marked else near), *view.tree(marked).split("\n")]


def _names(sides: Sides, captures: Sequence[RunLogCapture]) -> list[str] | None:
    """The names of runs, indented as in their tree, beside those expected."""
    runs = _source(sides.seen, captures)
    if runs is None and sides.seen_is_left:
        holders = (log.runs for log in captures if set(sides.seen) <= set(log.names))
        runs, depths = next(holders, None), [0] * len(sides.seen)
    elif runs is not None:
        depths = [sum(1 for _ in _above(run)) for run in runs]
    if runs is None:
        return None
    mask = mask_of(runs[0])
    lines = _diff(
        sides,
        str,
        lambda name: name_text(mask.text(name)),
        [depth - min(depths) for depth in depths],
    )
    hints = []
    if list(sides.seen) != list(sides.expected) and sorted(sides.seen) == sorted(sides.expected):
        hints.append("The names are the same, in another order.")
    if isinstance(sides.expected, tuple):
        hints.append("A list equals a list only, not a tuple.")
    return [sides.title("names"), *lines, *hints]


def _source(names: Sequence[str], captures: Sequence[RunLogCapture]) -> Runs | None:
    """The runs that have these names in this order."""
    for log in captures:
        if set(names) <= set(log.names):
            found = next((runs for runs in _selections(log) if runs.names == names), None)
            if found is not None:
                return found
    return None


def _selections(log: RunLogCapture) -> Iterator[Runs]:
    """What names are asked of."""
    yield from (log.runs, log.roots, log.models, log.tools, log.retrievers, log.errors)
    for run in log.runs:
        yield run.children
        yield run.descendants


# --- Runs ------------------------------------------------------------------------------------


def _runs(sides: Sides) -> list[str]:
    """Runs beside those expected, in lines such as those of the tree."""
    seen, expected = list(sides.seen), list(sides.expected)
    strangers = [item for item in expected if not isinstance(item, Run)]
    if strangers:
        what = count_text(len(seen), "run")
        is_text = all(isinstance(item, str) for item in strangers)
        title = f"{what} == {count_text(len(expected), 'name' if is_text else 'value')}"
        return [title, _RUNS_ARE_NO_NAMES if is_text else "Runs equal runs only."]
    if not expected:
        lines = [f"+ {_line(run)}" for run in seen]
        return [
            Sides(seen, [], sides.seen_is_left).title("runs").replace("expected ", "[] ", 1),
            *lines,
        ]
    return [sides.title("runs"), *_diff(Sides(seen, expected), _identity, _line)]


def _two_runs(left: Run, right: Run) -> list[str]:
    """Two runs, and what differs between them."""
    title = f"{_line(left)} == {_line(right)}"
    views = [View(Runs([run.root]), mask_of(run)) for run in (left, right)]
    lines = []
    for name in ("inputs", "output", "error"):
        values = [
            view.error(run.error) if name == "error" else view.value(getattr(run, name), name)
            for view, run in zip(views, (left, right))
        ]
        if values[0] != values[1]:
            lines.append(f"  {name:<6} {values[0]} != {values[1]}")
    return [title, *lines, _RUNS_ARE_THEMSELVES]


def _identity(run: Run) -> tuple[Any, int]:
    return run.id, run.start_ns


def _line(run: Run) -> str:
    """The run and its place in one line, with what it failed with."""
    mask = mask_of(run)
    lineage = [run, *_above(run)][::-1]
    above = "".join(f"{name_text(mask.text(step.name))}/" for step in lineage[:-1])
    error = f": {View(Runs([run]), mask).error(run.error)}" if run.error is not None else ""
    return f"{above}{heading(run, mask)}{error}"


def _above(run: Run) -> Iterator[Run]:
    step = run.parent
    while step is not None:
        yield step
        step = step.parent


# --- Tokens ----------------------------------------------------------------------------------


def _tokens(sides: Sides) -> list[str]:
    def line(usage: Sequence[Any]) -> str:
        if len(usage) != len(TokenUsage._fields):
            return repr(tuple(usage))
        return " ".join(f"{name}={count}" for name, count in zip(TokenUsage._fields, usage))

    lines = [f"- {line(sides.expected)}", f"+ {line(sides.seen)}"]
    if isinstance(sides.expected, list):
        lines.append("Tokens equal a tuple, not a list.")
    if None in sides.seen:
        lines.append(_UNKNOWN)
    return [sides.title("tokens"), *lines]


# --- Both sides, line by line ----------------------------------------------------------------


def _diff(
    sides: Sides,
    key: Callable[[Any], Any],
    text: Callable[[Any], str],
    depths: Sequence[int] = (),
) -> Iterator[str]:
    """The lines of both sides; of those that are the same, the ones near a difference."""
    seen, expected = list(sides.seen), list(sides.expected)
    matcher = SequenceMatcher(None, [*map(key, expected)], [*map(key, seen)], autojunk=False)

    def line(mark: str, item: Any, place: int) -> str:
        depth = depths[min(place, len(depths) - 1)] if depths else 0
        return f"{mark} {'  ' * depth}{text(item)}"

    codes = matcher.get_opcodes()
    for number, (what, first, last, start, stop) in enumerate(codes):
        if what != "equal":
            for place, item in enumerate(expected[first:last], start):
                yield line("-", item, min(place, max(start, stop - 1)))
            for place, item in enumerate(seen[start:stop], start):
                yield line("+", item, place)
            continue
        head = 0 if number == 0 else _AROUND
        tail = 0 if number == len(codes) - 1 else _AROUND
        hidden = range(start + head, stop - tail)
        for place in range(start, stop):
            if len(hidden) > 1 and place in hidden:
                if place == hidden.start:
                    yield f"  … {len(hidden):,} the same"
                continue
            yield line(" ", seen[place], place)


def _are_texts(value: object) -> TypeGuard[Sequence[str]]:
    """Whether this may be a list of names."""
    return (
        (type(value) is list or type(value) is tuple)
        and bool(value)
        and all(type(item) is str for item in value)
    )


def _view(runs: Runs) -> View:
    """The trees that the runs are in."""
    return View(Runs(dict.fromkeys(run.root for run in runs)), mask_of(runs[0]))
