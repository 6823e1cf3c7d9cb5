"""Budgets and how they are written: `METRIC[SELECTORS] OP LIMIT`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from difflib import get_close_matches
from fractions import Fraction
from typing import TYPE_CHECKING, Final

from pytest_runlog.measures.metrics import METRICS, SELECTORS, SUFFIXES, Measure, measures
from pytest_runlog.measures.units import SECONDS

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pytest_runlog.measures.metrics import Selectors

OPERATORS: Final = ("<=", "<", ">=", ">", "==")

_WORD = re.compile(r"[^\W\d]\w*")
_OPERATOR = re.compile(r"[<>=!~≤≥]+")
_NUMBER = re.compile(r"(?:[0-9]+(?:_[0-9]+)*)?(?:\.[0-9]+(?:_[0-9]+)*)?")
_UNIT = re.compile(r"[%\w]*")
_UNQUOTED = re.compile(r"[^,\]]*")
_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"|' + r"'((?:[^'\\]|\\.)*)'")
_MEANT = {"=": "==", "=<": "<=", "=>": ">=", "≤": "<=", "≥": ">=", "===": "=="}
_UNITS_MEANT = {
    "sec": "s",
    "secs": "s",
    "second": "s",
    "seconds": "s",
    "msec": "ms",
    "millis": "ms",
    "µs": "us",
    "μs": "us",
    "usec": "us",
    "m": "min",
    "mins": "min",
    "minutes": "min",
}
_BOTH = frozenset("<>")
_DIRECTIONS = {operator: frozenset(operator[0]) for operator in OPERATORS} | {"==": _BOTH}


class BadBudget(ValueError):
    """A budget cannot be read; the message says what is wrong, where, and what is near."""


@dataclass(frozen=True)
class Budget:
    """A limit on a measure of the runs that the selectors select."""

    measure: Measure
    selectors: Selectors
    operator: str
    limit: float
    """In seconds, tokens, runs, or as a share from 0 to 1."""
    text: str
    """As it was written; what a terminal could take for a command is escaped."""
    source: str = ""
    """Where it was written."""
    strict: bool = True
    """Whether it fails where it cannot be judged, rather than being skipped."""

    @property
    def subject(self) -> str:
        """What is limited: `"latency_p95[type=retriever]"`."""
        return self.measure.name + selectors_text(self.selectors)

    @property
    def is_upper(self) -> bool:
        """Whether it says what is the most."""
        return self.operator.startswith("<")

    def holds(self, actual: float) -> bool:
        """Whether the value is within the budget."""
        if self.operator == "<=":
            return actual <= self.limit
        if self.operator == "<":
            return actual < self.limit
        if self.operator == ">=":
            return actual >= self.limit
        if self.operator == ">":
            return actual > self.limit
        return actual == self.limit

    def replaces(self, other: Budget) -> bool:
        """Whether this one, set closer by, stands for the other: both limit the same."""
        return (self.measure, self.selectors) == (other.measure, other.selectors) and bool(
            _DIRECTIONS[self.operator] & _DIRECTIONS[other.operator]
        )


def closest(levels: Iterable[Sequence[Budget]]) -> list[Budget]:
    """The budgets of all levels, closest first, without those that a closer one replaces."""
    chosen: list[Budget] = []
    for level in levels:
        chosen += [
            budget for budget in level if not any(closer.replaces(budget) for closer in chosen)
        ]
    return chosen


def selectors_text(selectors: Selectors) -> str:
    """The selectors as they are written: `'[name="a, b",type=tool]'`, or nothing."""
    if not selectors:
        return ""
    return f"[{','.join(f'{name}={_quoted(pattern)}' for name, pattern in selectors)}]"


def printable(text: str) -> str:
    """The text with its control characters escaped, but for line feeds."""
    if text.isprintable():
        return text
    return "".join(
        char if char.isprintable() or char == "\n" else char.encode("unicode_escape").decode()
        for char in text
    )


def parse_budget(text: str, source: str = "", *, strict: bool = True) -> Budget:
    """The budget that the text says.

    Raises `BadBudget`.
    """
    return _Parser(text, source).budget(strict=strict)


class _Parser:
    """Reads a budget from left to right; `place` is how far it is."""

    def __init__(self, text: str, source: str) -> None:
        self.text = text
        self.source = source
        self.place = 0

    def budget(self, *, strict: bool) -> Budget:
        if not isinstance(self.text, str):
            raise BadBudget(
                f"{self.origin()}a budget is text such as 'latency <= 2s', not {self.text!r}"
            )
        measure = self.measure()
        selectors = self.selectors()
        operator = self.operator()
        limit = self.limit(measure)
        return Budget(
            measure, selectors, operator, limit, printable(self.text.strip()), self.source, strict
        )

    def measure(self) -> Measure:
        start, name = self.take(_WORD)
        if not name:
            raise self.wrong(start, f"a metric is expected here, such as {_some_metrics()}")
        found = measures().get(name)
        if found is None:
            base, _, suffix = name.rpartition("_")
            if base in METRICS and METRICS[base].suffixes:
                what = f"{base} has no suffix {suffix!r}"
                near = [f"{base}_{close}" for close in _close(suffix, SUFFIXES)]
            elif base in METRICS and suffix in SUFFIXES:
                what, near = f"{base} takes no suffix", [base]
            else:
                what, near = f"unknown metric {name!r}", _close(name, measures())
            raise self.wrong(start, what, near, f"metrics are {', '.join(METRICS)}")
        return found

    def selectors(self) -> Selectors:
        found: dict[str, str] = {}
        if not self.skip("["):
            return ()
        while True:
            start, name = self.take(_WORD)
            if name not in SELECTORS:
                what = f"unknown selector {name!r}" if name else "a selector is expected here"
                raise self.wrong(
                    start, what, _close(name, SELECTORS), f"selectors are {', '.join(SELECTORS)}"
                )
            if name in found:
                raise self.wrong(start, f"the selector {name} is given twice")
            if not self.skip("="):
                raise self.wrong(self.here(), f"= and a pattern are expected after {name}")
            found[name] = self.pattern(name)
            if self.skip("]"):
                return tuple(sorted(found.items()))
            if not self.skip(","):
                raise self.wrong(self.here(), "a comma or ] is expected here")

    def pattern(self, name: str) -> str:
        start = self.here()
        if start < len(self.text) and self.text[start] in "\"'":
            quoted = _QUOTED.match(self.text, start)
            if quoted is None:
                raise self.wrong(start, "this quote is not closed")
            self.place = quoted.end()
            pattern = re.sub(r"\\(.)", r"\1", quoted[1] if quoted[2] is None else quoted[2])
        else:
            pattern = self.take(_UNQUOTED)[1].strip()
        if not pattern:
            raise self.wrong(start, f"a pattern is expected after {name}=")
        return pattern

    def operator(self) -> str:
        start, operator = self.take(_OPERATOR)
        if operator not in OPERATORS:
            what = f"unknown operator {operator!r}" if operator else "an operator is expected here"
            near = [_MEANT[operator]] if operator in _MEANT else []
            raise self.wrong(start, what, near, f"operators are {' '.join(OPERATORS)}")
        return operator

    def limit(self, measure: Measure) -> float:
        start = self.here()
        if self.skip("-"):
            raise self.wrong(start, "a limit cannot be negative")
        start, digits = self.take(_NUMBER)
        if not digits:
            raise self.wrong(start, f"a number is expected here, such as {_EXAMPLES[measure.unit]}")
        number = Fraction(digits.replace("_", ""))
        unit_start, unit = self.take(_UNIT)
        limit = float(number * self.factor(measure, unit, unit_start))
        if self.here() < len(self.text):
            raise self.wrong(self.place, "nothing is expected after the limit")
        if measure.unit == "share" and limit > 1:
            near = [f"{digits}%"] if not unit and number <= 100 else []
            raise self.wrong(start, f"{measure.name} is at most 1, which is 100%", near)
        return limit

    def factor(self, measure: Measure, unit: str, start: int) -> Fraction:
        if not unit:
            return Fraction(1)
        if measure.unit == "seconds":
            if unit not in SECONDS:
                near = [_UNITS_MEANT[unit]] if unit in _UNITS_MEANT else _close(unit, SECONDS)
                raise self.wrong(start, f"unknown unit {unit!r}", near, "units are us, ms, s, min")
            return SECONDS[unit]
        if measure.unit == "share":
            if unit != "%":
                raise self.wrong(start, f"unknown unit {unit!r}", ["%"])
            return Fraction(1, 100)
        raise self.wrong(start, f"{measure.name} takes no unit, not {unit!r}")

    def here(self) -> int:
        while self.place < len(self.text) and self.text[self.place].isspace():
            self.place += 1
        return self.place

    def take(self, pattern: re.Pattern[str]) -> tuple[int, str]:
        start = self.here()
        found = pattern.match(self.text, start)
        self.place = start if found is None else found.end()
        return start, self.text[start : self.place]

    def skip(self, sign: str) -> bool:
        skipped = self.text.startswith(sign, self.here())
        self.place += len(sign) if skipped else 0
        return skipped

    def wrong(
        self, place: int, what: str, near: Sequence[str] = (), choices: str = ""
    ) -> BadBudget:
        hint = f" (did you mean {' or '.join(near)}?)" if near else ""
        listed = f"; {choices}" if choices and not near else ""
        shown = "".join(char if char.isprintable() else " " for char in self.text)
        return BadBudget(f"{self.origin()}{what}{hint}{listed}\n    {shown}\n    {' ' * place}^")

    def origin(self) -> str:
        return f"{self.source}: " if self.source else ""


_EXAMPLES = {"seconds": "1.5s or 800ms", "tokens": "1_000", "count": "3", "share": "1%"}


def _some_metrics() -> str:
    return "latency, errors or total_tokens"


def _close(word: str, choices: Iterable[str]) -> list[str]:
    return get_close_matches(word, list(choices), n=1, cutoff=0.5)


def _quoted(pattern: str) -> str:
    if pattern == pattern.strip() and pattern[0] not in "\"'" and not set(pattern) & set(",]"):
        return pattern
    escaped = pattern.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
