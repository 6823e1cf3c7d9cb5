"""The assertions of a capture that need more than a comparison."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, get_args

from pytest_runlog.explain import assertions as explain
from pytest_runlog.explain.trajectory import no_trajectory, other_calls, other_trajectory
from pytest_runlog.explain.view import View, with_article
from pytest_runlog.model.claims import (
    closest,
    gap_ns,
    is_below,
    is_instance,
    is_or_asked,
    is_part,
    long_wait,
    order_problem,
)
from pytest_runlog.model.data import message_of
from pytest_runlog.model.errors import arising, recovered
from pytest_runlog.model.runs import Run, Runs, matches
from pytest_runlog.model.streams import added_up, adds_up
from pytest_runlog.model.trajectory import (
    ArgsMode,
    Expected,
    Mode,
    calls_of,
    compare,
    differences,
)
from pytest_runlog.model.tries import fallbacks

if TYPE_CHECKING:
    from types import EllipsisType

    from pytest_runlog.model.masking import Mask
    from pytest_runlog.model.trajectory import ArgsMatch

_ERROR_TYPE = "an exception class or a tuple of them"


class Assertions:
    """The members of `RunLogCapture` that assert.

    Names are those of runs, or patterns as in `fnmatch`. Each member raises `AssertionError`
    that says what was expected, what was seen instead, where, and what to do; `TypeError` or
    `ValueError` for arguments that make no sense. None of them holds when nothing was recorded.
    """

    if TYPE_CHECKING:

        @property
        def runs(self) -> Runs:
            """Every run."""
            ...

        @property
        def roots(self) -> Runs:
            """The runs without a parent."""
            ...

        @property
        def _mask(self) -> Mask: ...

    def assert_ran(self, *names: str) -> None:
        """Check that for each of the names there is a run."""
        __tracebackhide__ = True
        _check_names("assert_ran", names)
        missing = [name for name in names if not self.runs.find(name)]
        if missing:
            raise AssertionError(explain.did_not_run(self._view, names, missing))

    def assert_not_ran(self, *names: str) -> None:
        """Check that there are runs, and that none has one of the names."""
        __tracebackhide__ = True
        _check_names("assert_not_ran", names)
        found = [run for run in self.runs if any(matches(run.name, name) for name in names)]
        if found or not self.runs:
            raise AssertionError(explain.did_run(self._view, names, found))

    def assert_order(self, *names: str | EllipsisType) -> None:
        """Check that runs of these names started one directly after another, in this order.

        `...` between two names stands for any runs. The order is that of `runs`: a run starts
        before those below it, and concurrent runs come in canonical order.
        """
        __tracebackhide__ = True
        _check_names("assert_order", [name for name in names if name is not ...])
        problem = order_problem(self.runs, names)
        if problem is not None:
            raise AssertionError(explain.out_of_order(self._view, names, problem))

    def assert_overlapped(self, a: str, b: str) -> None:
        """Check that a run named `a` and another named `b` ran at the same time.

        Runs that are a part of one another do not count.
        """
        __tracebackhide__ = True
        _check_names("assert_overlapped", (a, b))
        pair = closest(self.runs.find(a), self.runs.find(b))
        if pair is None or is_part(*pair) or gap_ns(*pair) >= 0:
            raise AssertionError(explain.not_overlapping(self._view, (a, b), pair))

    def assert_error(
        self,
        type: type[BaseException] | tuple[type[BaseException], ...],
        *,
        match: str | re.Pattern[str] | None = None,
        name: str | None = None,
    ) -> None:
        """Check that a run failed with an exception of this type, or one of these.

        `match` is searched for in its text, as `pytest.raises` does; `name` is that of a run
        that failed with it. An error that the chain recovered from counts too.
        """
        __tracebackhide__ = True
        types = _error_types(type)
        pattern = _pattern(match)
        if name is not None:
            _check_names("assert_error", (name,))
        for run in self.runs if name is None else self.runs.find(name):
            error = run.error
            if error is None or not is_instance(error, types):
                continue
            if pattern is None or pattern.search(message_of(error)):
                return
        text = None if pattern is None else pattern.pattern
        broken = [
            run
            for run in self.runs
            if run.interrupt is not None and is_instance(run.interrupt, types)
        ]
        raise AssertionError(
            explain.did_not_fail(
                self._view,
                explain.error_text(self._view, types, text),
                name,
                arising(self.runs),
                recovered(self.runs),
                broken[-1] if broken else None,
            )
        )

    def assert_retried(self, name: str, *, times: int | None = None) -> None:
        """Check that runs of this name were tried again after they had failed.

        `times` is how often in all: three attempts are two retries.
        """
        __tracebackhide__ = True
        _check_names("assert_retried", (name,))
        _check_times(times)
        named = self.runs.find(name)
        retries = named.find(where=lambda run: run.attempt is not None and run.attempt > 1)
        if not named or (not retries if times is None else len(retries) != times):
            raise AssertionError(explain.not_retried(self._view, name, times, named, retries))

    def assert_fell_back(self, *, to: str | None = None) -> None:
        """Check that where a run failed another one was tried, and did not fail.

        `to` is its name, or that of a model that it asked.
        """
        __tracebackhide__ = True
        if to is not None:
            _check_names("assert_fell_back", (to,))
        found = list(fallbacks(self.runs))
        fine = [tried for _, tried in found if tried.error is None]
        if not any(to is None or is_or_asked(run, to) for run in fine):
            raise AssertionError(explain.did_not_fall_back(self._view, to, found))

    def assert_streamed(
        self,
        name: str,
        *,
        min_chunks: int = 2,
        ttft: float | None = None,
        max_gap: float | None = None,
    ) -> None:
        """Check that each run of this name streamed its output to the end.

        That is, gave at least so many chunks, which add up to its output; the first one after
        at most `ttft` seconds, and the others at most `max_gap` seconds after one another.
        """
        __tracebackhide__ = True
        _check_names("assert_streamed", (name,))
        _check_times(min_chunks, "min_chunks", least=1)
        _check_seconds("ttft", ttft)
        _check_seconds("max_gap", max_gap)
        for run in self.runs.find(name) or [None]:
            problem = _stream_problem(self._view, name, run, min_chunks, ttft, max_gap)
            if problem is not None:
                raise AssertionError(problem)

    def assert_called(self, name: str, args: Any = ..., *, times: int | None = None) -> None:
        """Check that a tool was called, with these arguments, so many times.

        `args` is a dict of all arguments, whose values can be functions, classes or `...` for
        any; or a function of the arguments. The attempts of one call are one call.
        """
        __tracebackhide__ = True
        _check_names("assert_called", (name,))
        _check_times(times)
        calls = [call for call in calls_of(self.roots, nested=True) if matches(call.run.name, name)]
        found = [(call, tuple(differences(args, call.run.inputs, "exact"))) for call in calls]
        count = sum(not different for _, different in found)
        if not self.runs or (count == 0 if times is None else count != times):
            raise AssertionError(other_calls(self._view, Expected(name, args), times, found))

    def assert_trajectory(
        self,
        expected: Sequence[Any],
        *,
        mode: Mode = "strict",
        args: ArgsMatch = "exact",
        under: Run | str | None = None,
    ) -> None:
        """Compare the tool calls that were made with those expected.

        Each is `("search", {"query": "x"})`, or just `"search"` for any arguments. `mode` is
        `"strict"` for these calls in this order, `"unordered"` for these in any order,
        `"superset"` for at least these, `"subset"` for no others than these. `args` says how
        those of a call are compared with those expected: `"exact"`, `"ignore"`, `"subset"` for
        no others, `"superset"` for at least these, or a function that takes both.

        What a tool calls is part of its own call: `under` names it, to look at that.
        """
        __tracebackhide__ = True
        _check_choice("mode", mode, get_args(Mode))
        if not callable(args):
            _check_choice("args", args, get_args(ArgsMode))
        wanted = [_expected(item) for item in _items(expected)]
        if not isinstance(under, (Run, str, type(None))):
            raise TypeError(f"under is a run or the name of one, not {_kind(under)}")
        tops = _tops(self.runs, under)
        if tops is None:
            raise AssertionError(no_trajectory(self._view, mode, under))
        calls = list(calls_of(tops))
        comparison = compare(wanted, calls, mode, args)
        if not comparison.holds:
            raise AssertionError(
                other_trajectory(self._view, mode, args, wanted, calls, comparison)
            )

    def assert_always(self, predicate: Callable[[Mapping[str, Any]], object]) -> None:
        """Check that `predicate(state)` holds after every patch of every root.

        Raises `AssertionError` that names the first patch after which it does not, or after
        which the predicate itself raises.
        """
        __tracebackhide__ = True
        if not self.roots:
            raise AssertionError(explain.not_always(self._view, predicate))
        for root in self.roots:
            for number, (patch, state) in enumerate(root.states(), 1):
                cause: Exception | None = None
                try:
                    holds = bool(predicate(state))
                except Exception as error:
                    holds, cause = False, error
                if not holds:
                    raise AssertionError(
                        explain.not_always(self._view, predicate, root, number, patch.ops, cause)
                    ) from cause

    @property
    def _view(self) -> View:
        return View(self.roots, self._mask)


# --- What was seen ---------------------------------------------------------------------------


def _stream_problem(
    view: View,
    name: str,
    run: Run | None,
    min_chunks: int,
    ttft: float | None,
    max_gap: float | None,
) -> str | None:
    """What is wrong with the stream of a run of that name, or that there is none."""
    if run is None or len(run.chunks) < min_chunks:
        return explain.too_few_chunks(view, name, min_chunks, run)
    if run.status != "ok":
        return explain.broken_stream(view, run)
    if not adds_up(run):
        return explain.other_chunks(view, run, added_up(run))
    wait = long_wait(run, ttft, max_gap)
    return None if wait is None else explain.late_chunk(view, run, wait)


def _tops(runs: Runs, under: Run | str | None) -> list[Run] | None:
    """The runs below which to look, the topmost of that name; `None` if there is none."""
    if isinstance(under, Run):
        return list(under.children)
    found = [
        run for run in runs if (run.parent is None if under is None else matches(run.name, under))
    ]
    if under is None or not found:
        return found or None
    named = set(found)
    return [child for run in found if not is_below(run, named) for child in run.children]


# --- What was asked for ----------------------------------------------------------------------


def _check_names(member: str, names: Sequence[Any]) -> None:
    __tracebackhide__ = True
    if not names:
        raise TypeError(f"{member} takes the names of runs")
    for name in names:
        if not isinstance(name, str):
            raise TypeError(f"{member} takes the names of runs, not {_kind(name)}")


def _check_times(times: Any, name: str = "times", least: int = 0) -> None:
    __tracebackhide__ = True
    if times is None:
        return
    if not isinstance(times, int) or isinstance(times, bool):
        raise TypeError(f"{name} is a whole number, not {_kind(times)}")
    if times < least:
        raise ValueError(f"{name} is at least {least}, not {times}")


def _check_seconds(name: str, seconds: Any) -> None:
    __tracebackhide__ = True
    if seconds is None:
        return
    if not isinstance(seconds, (int, float)) or isinstance(seconds, bool):
        raise TypeError(f"{name} is in seconds, a number, not {_kind(seconds)}")
    if not seconds >= 0:
        raise ValueError(f"{name} is in seconds, at least 0, not {seconds}")


def _check_choice(name: str, value: object, choices: tuple[str, ...]) -> None:
    __tracebackhide__ = True
    if value not in choices:
        listed = ", ".join(map(repr, choices))
        raise ValueError(f"{name}={value!r} is none of {listed}")


def _error_types(type_: Any) -> tuple[type[BaseException], ...]:
    __tracebackhide__ = True
    types = type_ if isinstance(type_, tuple) else (type_,)
    for each in types:
        if not (isinstance(each, type) and issubclass(each, BaseException)):
            raise TypeError(f"assert_error takes {_ERROR_TYPE}, not {_kind(each)}")
    if not types:
        raise TypeError(f"assert_error takes {_ERROR_TYPE}")
    return types


def _pattern(match: str | re.Pattern[str] | None) -> re.Pattern[str] | None:
    __tracebackhide__ = True
    if match is None or isinstance(match, re.Pattern):
        return match
    if not isinstance(match, str):
        raise TypeError(f"match is a regular expression, not {_kind(match)}")
    try:
        return re.compile(match)
    except re.error as error:
        raise ValueError(f"match={match!r} is no regular expression: {error}") from None


def _items(expected: Any) -> Sequence[Any]:
    __tracebackhide__ = True
    if isinstance(expected, Sequence) and not isinstance(expected, (str, bytes)):
        return expected
    raise TypeError(f"assert_trajectory takes a list of calls, not {_kind(expected)}")


def _expected(item: Any) -> Expected:
    """A call as a test writes it: `("search", {"query": "x"})`, `"search"`, or a tool call."""
    __tracebackhide__ = True
    if isinstance(item, Mapping) and isinstance(item.get("name"), str) and "args" in item:
        return Expected(item["name"], item["args"])
    parts = (item,) if isinstance(item, str) else item
    if isinstance(parts, (tuple, list)) and 1 <= len(parts) <= 2 and isinstance(parts[0], str):
        return Expected(*parts)
    raise TypeError(
        f"assert_trajectory takes calls such as ('search', {{'query': 'x'}}), not {_kind(item)}"
    )


def _kind(value: object) -> str:
    """What a value is, for those who gave a wrong one; its text might be a secret."""
    if isinstance(value, type):
        return f"the class {value.__name__}"
    return "None" if value is None else with_article(type(value).__name__)
