"""The terminal summary, as a pure function of the session's records."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_runlog.measures.statistics import percentile
from pytest_runlog.measures.units import count_text, seconds_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pytest_runlog.session.records import TestRecord


def summary_line(records: Sequence[TestRecord]) -> str | None:
    """The summary on one line, `None` when nothing was recorded."""
    records = _recorded(records)
    if not records:
        return None
    tokens = _tokens(records)
    parts = [_counts(records), f"tokens {tokens}" if tokens else "", f"errors {_errors(records)}"]
    return ", ".join(filter(None, parts))


def summary_lines(records: Sequence[TestRecord]) -> Iterator[str]:
    """The lines of the summary, none when nothing was recorded."""
    records = _recorded(records)
    if not records:
        return
    yield _counts(records)
    if tokens := _tokens(records):
        yield f"tokens      {tokens}"
    if latencies := [latency for record in records for latency in record.latencies]:
        yield (
            f"latency     p50 {seconds_text(percentile(latencies, 50))}, "
            f"p95 {seconds_text(percentile(latencies, 95))}, "
            f"max {seconds_text(max(latencies))} ({count_text(len(latencies), 'root')})"
        )
    yield f"errors      {_errors(records)}"
    if unfinished := sum(record.unfinished for record in records):
        yield f"unfinished  {count_text(unfinished, 'run')}"


def _recorded(records: Sequence[TestRecord]) -> Sequence[TestRecord]:
    return [record for record in records if record.runs]


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
