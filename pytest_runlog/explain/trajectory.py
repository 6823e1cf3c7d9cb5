"""What a user reads when tools were called in another way than expected: a diff of the calls.

In a diff, `-` stands before what was expected, `+` before what was seen, and `?` says what is
different about it.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import groupby
from typing import TYPE_CHECKING, Any

from pytest_runlog.explain.assertions import no_run_named
from pytest_runlog.explain.view import times_text, with_article
from pytest_runlog.measures.units import count_text
from pytest_runlog.model.data import to_data
from pytest_runlog.model.runs import matches, walk
from pytest_runlog.model.text import value_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from pytest_runlog.explain.view import View
    from pytest_runlog.model.data import Data
    from pytest_runlog.model.trajectory import Call, Comparison, Difference, Expected, Row

_LEGEND = "(- expected, + seen)"
_LISTED = 10
_CONTEXT = 2
"""Lines of what agrees that are shown around what does not."""

_MODES = {
    "strict": "exactly these tool calls in this order",
    "unordered": "exactly these tool calls in any order",
    "superset": "at least these tool calls",
    "subset": "no other tool calls than these",
}
_SOME_ARGUMENTS = (
    "An argument can be `...` for any value, or a function of it; `args` a function of them all."
)
_ATTEMPTS = "The attempts of one call are one call."
_ANY_RUN = "`assert_ran` checks runs of any type."
_PLAIN = "Only tools that LangChain runs are seen, none that are called as plain functions."
_ORDER = 'With mode="unordered", the order of the calls does not count.'
_NAMED = 'With args="superset" only the arguments that you name count, with "ignore" none.'
_OTHERS = 'With mode="superset", other calls are fine.'
_FEWER = 'With mode="subset", not all of them need be made.'
_ALLOWED = "A call that is fine can be added to those expected."


def other_trajectory(
    view: View,
    mode: str,
    how: object,
    expected: Sequence[Expected],
    calls: Sequence[Call],
    comparison: Comparison,
) -> str:
    """`assert_trajectory`: how the calls that were made differ from those expected."""
    rows = [row for row in comparison.rows if _counts(row, mode)]
    kinds = [_kind(row) for row in rows]
    problems = {
        "arguments": _number(kinds.count("arguments"), "has", "have") + " other arguments",
        "missing": _number(kinds.count("missing"), "is", "are") + " missing",
        "extra": _number(kinds.count("extra"), "was", "were") + " not expected",
    }
    found = [kind for kind in problems if kind in kinds]
    seen = _listed([problems[kind] for kind in found])
    advice = {
        "arguments": _NAMED if how == "exact" else _SOME_ARGUMENTS,
        "missing": _unanswered(view) if mode == "superset" else _FEWER,
        "extra": _ALLOWED if mode == "subset" else _OTHERS,
    }[found[0]]
    if comparison.reordered:
        seen, advice = "they were made in another order", _ORDER
    elif not calls:
        seen, advice = "no tool was called", _unanswered(view)
    elif not expected:
        seen = "there was one" if len(calls) == 1 else f"there were {len(calls):,}"
    odd = [row.seen for row in rows if row.seen is not None and not row.agrees]
    return view.failure(
        _MODES[mode] if expected else "no tool calls",
        f"{seen} {_LEGEND}" if expected else seen,
        lines=list(_diff(view, rows, expected, calls)),
        marked=[run for at in odd for run in calls[at].runs],
        advice=advice,
    )


def no_trajectory(view: View, mode: str, under: object) -> str:
    """`assert_trajectory`: there is nothing of that name to look under."""
    expected = _MODES[mode]
    if not isinstance(under, str):
        return view.failure(expected, "nothing was recorded")
    return view.failure(f"{expected} under {view.quoted(under)}", no_run_named(view, under))


def other_calls(
    view: View,
    expected: Expected,
    times: int | None,
    calls: Sequence[tuple[Call, tuple[Difference, ...]]],
) -> str:
    """`assert_called`: the calls of that tool, with what is different about their arguments."""
    name, args = expected
    what = f"{view.quoted(name)} to be called{'' if times is None else ' ' + times_text(times)}"
    if args is not ...:
        what += f" with {value_text(_shown(view, args))}"
    if not calls:
        other = next((run for run in walk(view.roots) if matches(run.name, name)), None)
        if other is not None:
            seen = f"it is {with_article(other.type)}, not a tool"
            return view.failure(what, seen, marked=[other], advice=_ANY_RUN)
        return view.failure(what, f"it was not{view.near(name)}", advice=_unanswered(view))
    fitting = [call for call, different in calls if not different]
    if fitting or args is ...:
        seen = f"it was called {times_text(len(fitting))}"
        if len(fitting) < len(calls):
            seen += " so"
        attempts = any(len(call.runs) > 1 for call in fitting)
        return view.failure(
            what,
            seen,
            marked=[call.run for call in fitting],
            advice=_ATTEMPTS if attempts else "",
        )
    lines = [f"- {_call_text(name, _shown(view, args), view)}"]
    for call, different in calls[:_LISTED]:
        lines += [f"+ {_seen_text(view, call)}", *_reasons(view, args, call, different)]
    if len(calls) > _LISTED:
        lines.append(f"  … {count_text(len(calls) - _LISTED, 'more call')}")
    marked = [run for call, _ in calls for run in call.runs]
    seen = f"it was called with other arguments {_LEGEND}"
    return view.failure(what, seen, lines=lines, marked=marked, advice=_SOME_ARGUMENTS)


def _counts(row: Row, mode: str) -> bool:
    """Whether a row says anything: calls may be missing of a subset, and others be made."""
    if mode == "subset":
        return row.seen is not None
    return mode != "superset" or row.expected is not None


def _kind(row: Row) -> str:
    if row.expected is None:
        return "extra"
    if row.seen is None:
        return "missing"
    return "arguments" if row.differences else "same"


def _diff(
    view: View, rows: Sequence[Row], expected: Sequence[Expected], calls: Sequence[Call]
) -> Iterator[str]:
    """The rows, with those that agree folded where there are many."""
    odd = [place for place, row in enumerate(rows) if not row.agrees]
    near = {place + step for place in odd for step in range(-_CONTEXT, _CONTEXT + 1)}
    for is_near, group in groupby(enumerate(rows), lambda item: item[0] in near):
        shown = list(group)
        if not is_near:
            yield f"  … {count_text(len(shown), 'call')} as expected"
            continue
        for _, row in shown:
            yield from _lines(view, row, expected, calls)


def _lines(
    view: View, row: Row, expected: Sequence[Expected], calls: Sequence[Call]
) -> Iterator[str]:
    call = None if row.seen is None else calls[row.seen]
    if row.agrees and call is not None:
        yield f"  {_seen_text(view, call)}"
        return
    wanted = None if row.expected is None else expected[row.expected]
    if wanted is not None:
        yield f"- {_call_text(wanted.name, _shown(view, wanted.args), view)}"
    if call is not None:
        yield f"+ {_seen_text(view, call)}"
    if wanted is not None and call is not None:
        yield from _reasons(view, wanted.args, call, row.differences)


def _reasons(view: View, expected: Any, call: Call, found: Iterable[Difference]) -> Iterator[str]:
    """What is different about the arguments, one a line."""
    seen = call.run.inputs
    for name, kind, detail in found:
        label = "" if name is None else f"{view.mask.text(str(name))}"
        value = value_text(_argument(view, seen, name))
        if kind == "missing":
            yield f"? {label} is missing"
        elif kind == "unexpected":
            yield f"? {label} is not expected"
        elif kind == "different":
            wanted = value_text(_argument(view, expected, name))
            yield f"? {label + ': ' if label else ''}expected {wanted}, seen {value}"
        elif kind == "untrue":
            yield f"? {label + ': ' if label else ''}{_function_name(detail)} is false for {value}"
        elif isinstance(detail, BaseException):
            yield f"? {label + ': ' if label else ''}{view.error(detail)} was raised for {value}"


def _seen_text(view: View, call: Call) -> str:
    run = call.run
    text = _call_text(run.name, to_data(run.inputs, view.mask, "inputs"), view)
    if len(call.runs) > 1:
        text += f" in {len(call.runs)} attempts"
    return text if run.status == "ok" else f"{text} {run.status.upper()}"


def _call_text(name: str, args: Data, view: View) -> str:
    return value_text({"type": "tool_call", "name": view.mask.text(name), "args": args})


def _argument(view: View, args: Any, name: str | None) -> Data:
    """One of the arguments, shown as what its name says that it is."""
    if name is None or not isinstance(args, Mapping) or name not in args:
        return _shown(view, args)
    shown = _shown(view, {name: args[name]})
    return next(iter(shown.values())) if isinstance(shown, dict) else shown


def _shown(view: View, args: Any) -> Data:
    """Arguments as a test expects them: functions by their names."""
    if isinstance(args, Mapping):
        args = {name: _named(value) for name, value in args.items()}
    return to_data(_named(args), view.mask, "inputs")


def _named(value: Any) -> Any:
    if value is ...:
        return {"@type": "any", "repr": "..."}
    if isinstance(value, type) or (callable(value) and hasattr(value, "__name__")):
        return {"@type": "function", "repr": _function_name(value)}
    return value


def _function_name(function: object) -> str:
    return str(getattr(function, "__name__", type(function).__name__))


def _unanswered(view: View) -> str:
    """The tools that a model asked for, and that did not run."""
    runs = list(walk(view.roots))
    ran = {run.name for run in runs if run.type == "tool"}
    asked = {str(call.get("name")) for run in runs for call in run.tool_calls} - ran
    if not asked:
        return _PLAIN
    return f"A model asked for {view.listed(sorted(asked))}, but no such tool ran."


def _number(count: int, one: str, many: str) -> str:
    return f"{count_text(count, 'call')} {one if count == 1 else many}"


def _listed(parts: Sequence[str]) -> str:
    return " and ".join([", ".join(parts[:-1]), parts[-1]] if len(parts) > 1 else parts)
