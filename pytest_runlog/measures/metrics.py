"""Metric names and what they measure: one table, from runs to numbers.

A metric takes one value from each run of its population: that makes a sample. A statistic
makes one number of a sample. What a run does not tell is left out of times (a run that did
not end has no latency), and makes tokens unknown, because unknown is not zero.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cached_property
from math import fsum
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from pytest_runlog.measures.statistics import percentile
from pytest_runlog.model.errors import arising, recovered

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from pytest_runlog.model.runs import Run, Runs

Unit = Literal["seconds", "tokens", "share", "count"]
Selectors = tuple[tuple[str, str], ...]
"""Names and patterns, sorted by name."""

SUFFIXES = ("p50", "p90", "p95", "p99", "mean", "max", "total")
SELECTORS = ("name", "type", "tag", "model", "path")
LARGEST = 3
"""How many of the largest values a sample keeps apart, with the runs that they are of."""

_PERCENTILE = re.compile(r"p(\d+)")


class Observed:
    """Runs of which metrics are taken, with what has to be known of all of them for that."""

    def __init__(self, runs: Runs) -> None:
        self.runs = runs

    @cached_property
    def errors(self) -> set[int]:
        """The identities of the runs in which an error arose."""
        return {id(run) for run in arising(self.runs)}

    @cached_property
    def recovered(self) -> set[int]:
        """The identities of those whose error something handled."""
        return {id(run) for run in recovered(self.runs)}


@dataclass(frozen=True)
class Metric:
    """A row of the table."""

    unit: Unit
    population: Literal["roots", "models", "tools", "retrievers", "runs"]
    """Which runs it is about; `roots` are those without a parent, or all that are selected."""
    value: Callable[[Run, Observed], float | None]
    """What a run contributes; `None` where it does not tell."""
    bare: str
    """The suffix that the bare name stands for."""
    suffixes: bool = True
    """Whether there are others."""
    lacking: str = ""
    """What a run is that has no value."""


def _is(*types: str) -> Callable[[Run, Observed], float]:
    return lambda run, _: run.type in types


METRICS: Mapping[str, Metric] = {
    "latency": Metric("seconds", "roots", lambda run, _: run.latency, "max", lacking="ended"),
    "self_latency": Metric(
        "seconds", "roots", lambda run, _: run.self_latency, "max", lacking="ended"
    ),
    "ttft": Metric("seconds", "roots", lambda run, _: run.ttft, "max", lacking="streamed"),
    "model_latency": Metric(
        "seconds", "models", lambda run, _: run.latency, "max", lacking="ended"
    ),
    "tool_latency": Metric("seconds", "tools", lambda run, _: run.latency, "max", lacking="ended"),
    "retriever_latency": Metric(
        "seconds", "retrievers", lambda run, _: run.latency, "max", lacking="ended"
    ),
    "errors": Metric(
        "count", "runs", lambda run, seen: id(run) in seen.errors, "total", suffixes=False
    ),
    "recovered_errors": Metric(
        "count", "runs", lambda run, seen: id(run) in seen.recovered, "total", suffixes=False
    ),
    "unfinished": Metric(
        "count", "runs", lambda run, _: run.status == "unfinished", "total", suffixes=False
    ),
    "error_rate": Metric(
        "share", "roots", lambda run, _: run.status == "error", "mean", suffixes=False
    ),
    "input_tokens": Metric("tokens", "models", lambda run, _: run.usage.input, "total"),
    "output_tokens": Metric("tokens", "models", lambda run, _: run.usage.output, "total"),
    "total_tokens": Metric("tokens", "models", lambda run, _: run.usage.total, "total"),
    "runs": Metric("count", "runs", lambda _run, _seen: True, "total", suffixes=False),
    "model_runs": Metric("count", "runs", _is("llm", "chat_model"), "total", suffixes=False),
    "tool_runs": Metric("count", "runs", _is("tool"), "total", suffixes=False),
    "retriever_runs": Metric("count", "runs", _is("retriever"), "total", suffixes=False),
    "retries": Metric(
        "count", "runs", lambda run, _: (run.attempt or 1) > 1, "total", suffixes=False
    ),
}

_TYPES = {"models": ("llm", "chat_model"), "tools": ("tool",), "retrievers": ("retriever",)}
RUN_COUNTS = frozenset({"runs", "model_runs", "tool_runs", "retriever_runs"})
"""Metrics that ask how many runs there are, so that none is an answer."""


class Measure(NamedTuple):
    """A metric and a statistic over its values."""

    metric: str
    statistic: str

    @property
    def name(self) -> str:
        """As it is written: `"latency_p95"`, and `"latency"` where that means the same."""
        if self.statistic == METRICS[self.metric].bare:
            return self.metric
        return f"{self.metric}_{self.statistic}"

    @property
    def unit(self) -> Unit:
        """The unit of its values."""
        return METRICS[self.metric].unit

    @property
    def percent(self) -> int | None:
        """Which percentile it is, `None` if it is none."""
        found = _PERCENTILE.fullmatch(self.statistic)
        return int(found[1]) if found else None


def measures() -> Mapping[str, Measure]:
    """Every name that there is, in the order of the table."""
    return _MEASURES


def _all() -> Iterable[tuple[str, Measure]]:
    for name, metric in METRICS.items():
        yield name, Measure(name, metric.bare)
        if metric.suffixes:
            yield from ((f"{name}_{suffix}", Measure(name, suffix)) for suffix in SUFFIXES)


_MEASURES = dict(_all())


class Sample(NamedTuple):
    """The values of some runs, in builtin types: samples travel between processes."""

    matched: int
    """How many runs there are in the population."""
    known: int
    """How many of them have a value."""
    unknown: int
    """How many do not tell it, where that makes the whole unknown."""
    values: list[float]
    """The values that are known, in order; or what `compact` leaves of them."""
    largest: list[tuple[float, str]]
    """The largest values, descending, and what to call the runs that they are of."""
    silent: list[str]
    """What to call some of the unknown ones."""

    def compact(self, statistic: str) -> Sample:
        """The sample with no more values than the statistic needs."""
        if not self.values or _PERCENTILE.fullmatch(statistic):
            return self
        value = max(self.values) if statistic == "max" else fsum(self.values)
        return self._replace(values=[value])

    def to_data(self) -> list[Any]:
        """The sample as a list of builtin types."""
        return [
            self.matched,
            self.known,
            self.unknown,
            self.values,
            [list(pair) for pair in self.largest],
            self.silent,
        ]

    @classmethod
    def from_data(cls, data: Sequence[Any]) -> Sample:
        """The sample that `to_data` gave."""
        matched, known, unknown, values, largest, silent = data
        pairs = [(value, label) for value, label in largest]
        return cls(matched, known, unknown, values, pairs, silent)


def merge(samples: Iterable[Sample]) -> Sample:
    """The sample of all the runs."""
    matched = known = unknown = 0
    values: list[float] = []
    largest: list[tuple[float, str]] = []
    silent: list[str] = []
    for sample in samples:
        matched += sample.matched
        known += sample.known
        unknown += sample.unknown
        values += sample.values
        largest = sorted([*largest, *sample.largest], key=lambda pair: (-pair[0], pair[1]))
        largest = largest[:LARGEST]
        silent = [*silent, *sample.silent][:LARGEST]
    return Sample(matched, known, unknown, values, largest, silent)


def take_sample(
    metric: str,
    selectors: Selectors,
    observed: Observed,
    label: Callable[[Run], str] | None = None,
) -> Sample:
    """The values of a metric over the runs that the selectors select.

    Without a `label`, which says what a run is called, no runs are kept apart.
    """
    row = METRICS[metric]
    runs = _population(row.population, selectors, observed.runs)
    value_of = row.value
    known: list[tuple[float, Run]] = []
    lacking: list[Run] = []
    for run in runs:
        value = value_of(run, observed)
        if value is None:
            lacking.append(run)
        else:
            known.append((float(value), run))
    silent = lacking if row.unit == "tokens" else []
    return Sample(
        matched=len(runs),
        known=len(known),
        unknown=len(silent),
        values=[value for value, _ in known],
        largest=[] if label is None else [(value, label(run)) for value, run in _largest(known)],
        silent=[] if label is None else [label(run) for run in silent[:LARGEST]],
    )


def _population(population: str, selectors: Selectors, runs: Iterable[Run]) -> list[Run]:
    types = _TYPES.get(population)
    if types is not None:
        runs = [run for run in runs if run.type in types]
    elif population == "roots" and not selectors:
        return [run for run in runs if run.parent is None]
    return [run for run in runs if matches(run, selectors)] if selectors else list(runs)


def _largest(pairs: Iterable[tuple[float, Run]]) -> list[tuple[float, Run]]:
    ordered = sorted((pair for pair in pairs if pair[0]), key=lambda pair: -pair[0])
    return ordered[:LARGEST]


def statistic_of(sample: Sample, statistic: str) -> float | None:
    """The number that the statistic makes of the known values, `None` if there are none."""
    if statistic == "total":
        return fsum(sample.values)  # exact, so that the order does not count
    if not sample.values:
        return None
    if statistic == "mean":
        return fsum(sample.values) / sample.known
    if statistic == "max":
        return max(sample.values)
    return percentile(sample.values, int(statistic[1:]))


def metrics_of(runs: Runs) -> dict[str, float | None]:
    """Every metric of the runs by its name; `None` where it is unknown, or of nothing.

    Counts and tokens are `int`.
    """
    observed = Observed(runs)
    samples = {metric: take_sample(metric, (), observed) for metric in METRICS}
    return {name: _number(samples[measure.metric], measure) for name, measure in _MEASURES.items()}


def _number(sample: Sample, measure: Measure) -> float | None:
    if sample.unknown or (measure.unit == "seconds" and not sample.values):
        return None
    number = statistic_of(sample, measure.statistic)
    whole = measure.unit in ("count", "tokens") and measure.statistic in ("total", "max")
    return int(number) if whole and number is not None else number


def matches(run: Run, selectors: Selectors) -> bool:
    """Whether a run is what all the selectors select."""
    return all(
        any(text == pattern or fnmatchcase(text, pattern) for text in texts_of(run, name))
        for name, pattern in selectors
    )


def texts_of(run: Run, selector: str) -> Sequence[str]:
    """What a selector of that name looks at."""
    if selector == "tag":
        return run.tags
    text: str | None = getattr(run, selector)
    return () if text is None else (text,)
