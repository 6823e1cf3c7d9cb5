"""The terminal summary, as a pure function of what the session came to."""

from __future__ import annotations

from collections import Counter
from heapq import nsmallest
from textwrap import wrap
from typing import TYPE_CHECKING, NamedTuple

from pytest_runlog.explain.budgets import value_text, verdict_line
from pytest_runlog.measures.statistics import percentile
from pytest_runlog.measures.units import count_text, seconds_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from pytest_runlog.measures.judge import Verdict
    from pytest_runlog.session.records import TestRecord
    from pytest_runlog.session.summary import Delivered, Summary

_INDENT = " " * 12
_SLOWEST = 3
_LISTED = 5
_PLAIN: Mapping[str, bool] = {}
_BAD: Mapping[str, bool] = {"red": True}
_WARNING: Mapping[str, bool] = {"yellow": True}


class Line(NamedTuple):
    """A line, and how a terminal shows it: `{"red": True}`."""

    text: str
    markup: Mapping[str, bool] = _PLAIN


def quiet_lines(summary: Summary, width: int = 80, *, counts: bool = True) -> Iterator[Line]:
    """The summary on one line, and what the session exceeds; without `counts` only that."""
    records = summary.recorded
    if not records:
        return
    if counts:
        tokens, budgets = _tokens(records), _budget_counts(records)
        parts = [
            _counts(records),
            f"tokens {tokens}" if tokens else "",
            f"errors {_errors(records)}",
            f"budgets {budgets}" if budgets else "",
        ]
        yield Line(f"runlog: {', '.join(filter(None, parts))}")
    for verdict in summary.verdicts:
        if verdict.fails:
            yield from _verdict(verdict, "runlog: ", summary, width)
    for delivered in summary.delivered:
        if delivered.reason is not None:
            yield from _delivery(delivered, "runlog: ", width)


def summary_lines(summary: Summary, width: int = 80) -> Iterator[Line]:
    """The lines of the summary, none when nothing was recorded."""
    records = summary.recorded
    if not records:
        return
    yield Line(_counts(records))
    if tokens := _tokens(records):
        yield Line(f"tokens      {tokens}")
    if latencies := [latency for record in records for latency in record.latencies]:
        yield Line(
            f"latency     p50 {seconds_text(percentile(latencies, 50))}, "
            f"p95 {seconds_text(percentile(latencies, 95))}, "
            f"max {seconds_text(max(latencies))} ({count_text(len(latencies), 'root')})"
        )
    yield Line(f"errors      {_errors(records)}")
    if unfinished := sum(record.unfinished for record in records):
        yield Line(f"unfinished  {count_text(unfinished, 'run')}")
    yield from _slowest(records, width)
    yield from _budgets(summary, width)
    yield from _session(summary, width)
    for delivered in summary.delivered:
        yield from _delivery(delivered, "infino      ", width)


def _counts(records: Sequence[TestRecord]) -> str:
    return (
        f"{count_text(len(records), 'test')} recorded, "
        f"{count_text(sum(record.runs for record in records), 'run')}, "
        f"{count_text(sum(record.model_runs for record in records), 'model run')}"
    )


def _tokens(records: Sequence[TestRecord]) -> str | None:
    """The tokens that were used, as far as the models said; `None` without model runs."""
    model_runs = sum(record.model_runs for record in records)
    silent = sum(record.unknown_usage for record in records)
    if not model_runs:
        return None
    if silent == model_runs:
        return "unknown (no model run reported its usage)"
    total = (
        f"{sum(record.total_tokens for record in records):,} "
        f"({sum(record.input_tokens for record in records):,} in, "
        f"{sum(record.output_tokens for record in records):,} out"
    )
    if not silent:
        return f"{total})"
    return f"at least {total}; {silent:,} of {count_text(model_runs, 'model run')} reported none)"


def _errors(records: Sequence[TestRecord]) -> str:
    errors = sum(record.errors for record in records)
    recovered = sum(record.recovered for record in records)
    return f"{errors:,} ({recovered:,} recovered)" if recovered else f"{errors:,}"


def _slowest(records: Sequence[TestRecord], width: int) -> Iterator[Line]:
    """The runs that took the longest, without the time of the runs below them."""
    runs = [
        (-seconds, label, record.nodeid) for record in records for seconds, label in record.slowest
    ]
    head = "slowest     "
    slowest = nsmallest(_SLOWEST, runs)
    times = [seconds_text(-negative) for negative, _, _ in slowest]
    for time, (_, label, nodeid) in zip(times, slowest):
        shown = f"{head}{time:>{max(map(len, times))}}  "
        yield Line(shown + _placed(label, nodeid, width - len(shown)))
        head = _INDENT


def _budgets(summary: Summary, width: int) -> Iterator[Line]:
    """How many budgets the tests kept, and which they were not held to."""
    records = summary.recorded
    counts = _budget_counts(records)
    if not counts:
        return
    breaches = [(record.nodeid, text) for record in records for text in record.breaches]
    yield Line(f"budgets     {counts}", _tone(summary) if breaches else _PLAIN)
    if summary.warns:
        shown = [f"{nodeid}: {text}" for nodeid, text in sorted(breaches)]
        yield from _listed(shown, width, _WARNING)
    skipped = Counter(text for record in records for text in record.skipped)
    yield from _listed(
        [f"{text} ({count_text(count, 'test')})" for text, count in sorted(skipped.items())], width
    )


def _budget_counts(records: Sequence[TestRecord]) -> str:
    counts = {
        "held": sum(record.held for record in records),
        "breached": sum(len(record.breaches) for record in records),
        "skipped": sum(len(record.skipped) for record in records),
    }
    return ", ".join(f"{count:,} {name}" for name, count in counts.items() if count)


def _session(summary: Summary, width: int) -> Iterator[Line]:
    """The budgets of the session: what was measured, and what is left."""
    head = "session     "
    for verdict in summary.verdicts:
        yield from _verdict(verdict, head, summary, width)
        head = _INDENT
    for note in summary.notes:
        yield Line(head + note)
        head = _INDENT


def _verdict(verdict: Verdict, head: str, summary: Summary, width: int) -> Iterator[Line]:
    markup = _tone(summary) if verdict.fails else _PLAIN
    result = "BREACHED " if verdict.fails else ""
    for text in _folded(f"{head}{result}{verdict_line(verdict)}", width):
        yield Line(text, markup)
    if verdict.fails and verdict.budget.measure.unit in ("seconds", "tokens"):
        pairs = verdict.sample.largest
        values = [value_text(value, verdict.budget.measure.unit) for value, _ in pairs]
        for value, (_, label) in zip(values, pairs):
            shown = f"{_INDENT}  {value:>{max(map(len, values))}}  "
            path, _, nodeid = label.partition("  ")
            yield Line(shown + _placed(path, nodeid, width - len(shown)), markup)
    elif verdict.fails:
        for _, label in verdict.sample.largest:
            path, _, nodeid = label.partition("  ")
            yield Line(f"{_INDENT}  " + _placed(path, nodeid, width - 14), markup)


def _delivery(delivered: Delivered, head: str, width: int) -> Iterator[Line]:
    """What was sent, or why not and where it is."""
    if delivered.sent or delivered.reason is None:
        yield Line(f"{head}{count_text(delivered.sent, 'record')} sent to {delivered.to}")
        head = " " * len(head)
    if delivered.reason is not None:
        records = count_text(delivered.kept, "record")
        kept = (
            f"lost {records}" if delivered.file is None else f"{records} kept in {delivered.file}"
        )
        text = f"{head}{kept}: {delivered.reason}"
        for line in _folded(text, width):
            yield Line(line, _WARNING)


def _tone(summary: Summary) -> Mapping[str, bool]:
    return _WARNING if summary.warns else _BAD


def _listed(
    texts: Sequence[str], width: int, markup: Mapping[str, bool] = _PLAIN
) -> Iterator[Line]:
    for text in texts[:_LISTED]:
        for line in _folded(_INDENT + text, width):
            yield Line(line, markup)
    if len(texts) > _LISTED:
        yield Line(f"{_INDENT}… and {len(texts) - _LISTED:,} more", markup)


def _folded(text: str, width: int) -> list[str]:
    """The text on lines of that width, broken between words; no word is cut."""
    return wrap(
        text,
        width,
        subsequent_indent=f"{_INDENT}  ",
        break_long_words=False,
        break_on_hyphens=False,
    )


def _placed(label: str, nodeid: str, width: int) -> str:
    """A run and its test, cut at their beginnings where they are too long together."""
    spare = width - 2
    if len(label) + len(nodeid) > spare:
        half = spare // 2
        label_width = max(half, spare - len(nodeid))
        label = _end_of(label, label_width)
        nodeid = _end_of(nodeid, max(half, spare - len(label)))
    return f"{label}  {nodeid}"


def _end_of(text: str, width: int) -> str:
    return text if len(text) <= width else f"…{text[-(max(width, 2) - 1) :]}"
