"""What a user reads when an assertion fails.

Each message has one shape: "expected this, but that:", then what there was instead if it
takes lines of its own, the tree with the runs in question marked, and what to do.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytest_runlog.explain.view import times_text, with_article
from pytest_runlog.explain.wording import nothing_recorded
from pytest_runlog.measures.units import count_text, seconds_text
from pytest_runlog.model.claims import gap_ns, is_or_asked, is_part
from pytest_runlog.model.runs import walk
from pytest_runlog.model.text import quote

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence
    from types import EllipsisType

    from pytest_runlog.explain.view import View
    from pytest_runlog.model.claims import OrderProblem, Wait
    from pytest_runlog.model.runs import Run
    from pytest_runlog.model.tries import Fallback

_LISTED = 10

_WHICH_ROOT = (
    "Use `runlog.roots[i]`, or `with runlog.capture() as part:` around the call that you mean."
)
_WHICH_RUN = "More of type=, tag=, path= or under= tell them apart; `find` takes any number."
_NAMES = "Names are those of the tree, or patterns such as '*Chat'."
_GAPS = "`...` between two names lets other runs start there."
_CANONICAL = "Concurrent runs come in the order of their places in the chain, not of the clock."
_BARRIER = (
    "What answers at once hardly overlaps with anything: have both wait for each other, with a "
    "`threading.Barrier(2)` for example."
)
_PARTS = "A run always runs at the same time as its parts."
_HANDLED = "An error that the chain recovered from counts too."
_RETRIES = (
    "Retries of LangChain, LangGraph, middleware and loops are seen; those that a provider's SDK "
    "makes by itself (`max_retries`) are not."
)
_FALLBACKS = "A fallback is what is tried next, with the same inputs, where something failed."
_FAILED_TOO = "What is tried and fails too is no fallback: see `runlog.errors`."
_NOTHING = "it streamed nothing"
_STREAMS = "`invoke` streams nothing, and a step that waits for all of its input streams one chunk."
_CONSUME = "Take all chunks of the stream before this, for example with `list(chain.stream(…))`."
_WAITING = "This is the time of one run: a busy machine makes it longer."


# --- One run, one root, every state ----------------------------------------------------------


def not_one_root(view: View) -> str:
    """`root` was asked for, and there is not exactly one."""
    lines = [f"  {number}. {view.named(root.name)}" for number, root in enumerate(view.roots)]
    seen = f"{len(lines):,} runs have no parent"
    return view.failure("one root", seen, lines=lines[:_LISTED], advice=_WHICH_ROOT)


def not_one(view: View, criteria: Mapping[str, Any], found: Sequence[Run]) -> str:
    """`one(...)` was asked for, and not exactly one run matches."""
    given = {key: value for key, value in criteria.items() if value is not None}
    asked = ", ".join(f"{key}={_criterion(view, value)}" for key, value in given.items())
    expected = f"one run with {asked}" if asked else "one run"
    if found:
        return view.failure(expected, f"{len(found):,} match", marked=found, advice=_WHICH_RUN)
    name = given.get("name")
    near, advice = ("", "") if name is None else (view.near(name), _NAMES)
    return view.failure(expected, f"none matches{near}", advice=advice)


def _criterion(view: View, value: Any) -> str:
    if isinstance(value, str):
        return view.quoted(value)
    return getattr(value, "__name__", None) or view.mask.text(repr(value))


def not_always(
    view: View,
    predicate: object,
    root: Run | None = None,
    number: int = 0,
    operations: Iterable[Mapping[str, Any]] = (),
    error: BaseException | None = None,
) -> str:
    """`assert_always`: the predicate does not hold, or raises, after that patch of the root."""
    name = getattr(predicate, "__name__", None) or view.mask.text(repr(predicate))
    expected = f"{name} to hold after every patch"
    if root is None:
        return view.failure(expected, "there is none")
    listed = ", ".join(f"{each['op']} {quote(view.mask.text(each['path']))}" for each in operations)
    what = "does not" if error is None else f"raised {type(error).__name__}"
    seen = f"it {what} after patch {number} of {len(root.patches)} ({listed})"
    advice = f"That state is root.state_at({number}), the one before root.state_at({number - 1})."
    return view.failure(expected, seen, marked=[root], advice=advice)


# --- Runs and their order --------------------------------------------------------------------


def did_not_run(view: View, names: Sequence[str], missing: Sequence[str]) -> str:
    """`assert_ran`: of these names, no run has the missing ones."""
    if len(names) == 1:
        expected = f"a run named {view.quoted(names[0])}"
        return view.failure(expected, f"there is none{view.near(names[0])}", advice=_NAMES)
    absent = " or ".join(view.quoted(name) + view.near(name) for name in missing)
    return view.failure(
        f"runs named {view.listed(names)}", f"none is named {absent}", advice=_NAMES
    )


def did_run(view: View, names: Sequence[str], found: Sequence[Run]) -> str:
    """`assert_not_ran`: these runs have such names; or there are no runs at all."""
    expected = f"no run named {view.listed(names, 'or')}"
    if not view.roots:
        return (
            nothing_recorded(f"expected {expected}")
            + " If nothing is to run at all: `assert not runlog.runs`."
        )
    seen = "there is one" if len(found) == 1 else f"there are {len(found):,}"
    advice = "A part of the test is looked at by itself with `with runlog.capture() as part:`."
    return view.failure(expected, seen, marked=found, advice=advice)


def no_run_named(view: View, name: str) -> str:
    """That no run has the name: what was seen instead of most things."""
    return f"no run is named {view.quoted(name)}{view.near(name)}"


def out_of_order(view: View, names: Sequence[str | EllipsisType], problem: OrderProblem) -> str:
    """`assert_order`: which run did not start when it should have."""
    shown = ", ".join(view.quoted(name) if isinstance(name, str) else "..." for name in names)
    name, after, directly, instead = problem
    advice = _GAPS if directly else _CANONICAL
    if after is None:
        seen, advice = no_run_named(view, name), _NAMES
    elif not directly:
        seen = f"{view.quoted(name)} started only before {view.quoted(after.name)}"
        if instead == after:
            seen, advice = f"no other run is named {view.quoted(name)}", ""
    elif instead is None:
        seen = f"nothing started after {view.quoted(after.name)}"
    else:
        directly_after = f"started directly after {view.quoted(after.name)}"
        seen = f"{view.quoted(instead.name)} {directly_after}, not {view.quoted(name)}"
    marked = [run for run in (after, instead) if run is not None]
    return view.failure(f"{shown} to start in this order", seen, marked=marked, advice=advice)


def not_overlapping(view: View, names: tuple[str, str], pair: tuple[Run, Run] | None) -> str:
    """`assert_overlapped`: the two runs that came closest to it, if there are two."""
    one, other = names
    expected = f"{view.listed(names)} to run at the same time"
    if one == other:
        expected = f"two runs named {view.quoted(one)} at the same time"
    if pair is None:
        known = [name for name in names if view.has(name)]
        missing = next((name for name in names if name not in known), None)
        seen = "there is only one" if missing is None else no_run_named(view, missing)
        return view.failure(expected, seen, advice=_BARRIER if missing is None else _NAMES)
    first, second = pair
    if is_part(first, second):
        seen = f"{view.quoted(second.name)} is a part of {view.quoted(first.name)}"
        return view.failure(expected, seen, marked=pair, advice=_PARTS)
    gap = seconds_text(gap_ns(first, second) / 1e9)
    seen = f"{view.quoted(second.name)} started {gap} after {view.quoted(first.name)} had ended"
    return view.failure(expected, seen, marked=pair, advice=_BARRIER)


# --- Errors, retries, fallbacks --------------------------------------------------------------


def did_not_fail(
    view: View,
    expected: str,
    name: str | None,
    arisen: Sequence[Run],
    recovered: Collection[Run],
    interrupted: Run | None,
) -> str:
    """`assert_error`: these are the runs in which errors arose, or one that was interrupted."""
    if name is not None:
        expected += f" in a run named {view.quoted(name)}"
    lines = [
        f"  {view.quoted(run.name)}: {view.error(run.error)}"
        f"{', recovered' if run in recovered else ''}"
        for run in arisen[:_LISTED]
    ]
    if len(arisen) > _LISTED:
        lines.append(f"  … and {len(arisen) - _LISTED:,} more")
    seen = "no error arose"
    if arisen:
        seen = f"{'these errors' if len(arisen) > 1 else 'another error'} arose"
    advice = _HANDLED
    if name is not None and not view.has(name):
        seen, advice = no_run_named(view, name), _NAMES
    if interrupted is not None:
        advice = (
            f"{type(interrupted.interrupt).__name__} interrupted "
            f"{view.quoted(interrupted.name)}, which is no error: see `run.interrupt`."
        )
    marked = arisen or [run for run in (interrupted,) if run is not None]
    return view.failure(expected, seen, lines=lines, marked=marked, advice=advice)


def error_text(view: View, types: Sequence[type[BaseException]], match: str | None) -> str:
    """`"a ValueError or KeyError matching 'no'"`."""
    text = with_article(" or ".join(type_.__name__ for type_ in types))
    return text if match is None else f"{text} matching {view.quoted(match)}"


def not_retried(
    view: View, name: str, times: int | None, named: Sequence[Run], retries: Sequence[Run]
) -> str:
    """`assert_retried`: the runs of that name, and which of them were retries."""
    expected = f"{view.quoted(name)} to be retried"
    if times is not None:
        expected += f" {times_text(times)}" if times else " not at all"
        expected = expected.replace("to be retried not at all", "not to be retried")
    if not named:
        return view.failure(expected, no_run_named(view, name), advice=_NAMES)
    seen = f"it was retried {times_text(len(retries))}" if retries else "it was not"
    return view.failure(expected, seen, marked=retries or named, advice=_RETRIES)


def did_not_fall_back(view: View, to: str | None, found: Sequence[Fallback]) -> str:
    """`assert_fell_back`: these are the fallbacks that there were."""
    expected = "a fallback" if to is None else f"a fallback to {view.quoted(to)}"
    models = [run.model for run in walk(view.roots)]
    near = "" if to is None else view.near(to, *models)
    if not found:
        return view.failure(expected, f"nothing was tried{near}", advice=_FALLBACKS)
    lines = []
    for failed, tried in found[:_LISTED]:
        failure = f"{_with_model(view, failed)} failed with {view.error(failed.error)}"
        too = f", and failed with {view.error(tried.error)}" if tried.error is not None else ""
        lines.append(f"  {_with_model(view, tried)} was tried when {failure}{too}")
    marked = [fallback.tried for fallback in found]
    seen = f"{'this was' if len(found) == 1 else 'these were'} tried{near}"
    is_meant = any(to is None or is_or_asked(tried, to) for tried in marked)
    advice = _FAILED_TOO if is_meant else _FALLBACKS
    return view.failure(expected, seen, lines=lines, marked=marked, advice=advice)


def _with_model(view: View, run: Run) -> str:
    return view.quoted(run.name) + (f" ({view.mask.text(run.model)})" if run.model else "")


# --- Streams ---------------------------------------------------------------------------------


def too_few_chunks(view: View, name: str, least: int, run: Run | None) -> str:
    """`assert_streamed`: no run has that name, or this one gave fewer chunks."""
    expected = f"{view.quoted(name)} to stream at least {count_text(least, 'chunk')}"
    if run is None:
        return view.failure(expected, no_run_named(view, name), advice=_NAMES)
    seen = f"it streamed {count_text(len(run.chunks), 'chunk')}" if run.chunks else _NOTHING
    below = next((inner for inner in run.descendants if inner.chunks), None)
    advice = _STREAMS
    if len(run.chunks) > 1:
        advice = f"`min_chunks={len(run.chunks)}` would do."
    elif below is not None and not run.chunks:
        advice = f"Below it, {view.quoted(below.name)} streamed: name that one."
    return view.failure(expected, seen, marked=[run], advice=advice)


def broken_stream(view: View, run: Run) -> str:
    """`assert_streamed`: the run did not end well."""
    ends = {
        "error": f"it failed with {view.error(run.error)}",
        "interrupted": f"it was interrupted by {view.error(run.interrupt)}",
    }
    seen = (
        f"{ends.get(run.status, 'it has not ended')} after {count_text(len(run.chunks), 'chunk')}"
    )
    expected = f"{view.quoted(run.name)} to stream to its end"
    advice = _CONSUME if run.status == "unfinished" else ""
    return view.failure(expected, seen, marked=[run], advice=advice)


def other_chunks(view: View, run: Run, joined: Any) -> str:
    """`assert_streamed`: the chunks add up to something else than the output."""
    lines = [
        f"  chunks {view.value(joined, 'chunks')}",
        f"  output {view.value(run.output, 'output')}",
    ]
    expected = f"the chunks of {view.quoted(run.name)} to add up to its output"
    return view.failure(expected, "they do not", lines=lines, marked=[run])


def late_chunk(view: View, run: Run, wait: Wait) -> str:
    """`assert_streamed`: a chunk came later than it may."""
    limit, waited = seconds_text(wait.limit), seconds_text(wait.seconds)
    expected = f"{view.quoted(run.name)} to pause for at most {limit}"
    seen = f"it paused for {waited} before chunk {wait.number:,}"
    if wait.number == 1:
        expected = f"{view.quoted(run.name)} to give its first chunk within {limit}"
        seen = f"it took {waited}"
    return view.failure(expected, seen, marked=[run], advice=_WAITING)
