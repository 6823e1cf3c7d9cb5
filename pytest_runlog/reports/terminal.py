"""The terminal summary, as a pure function of the session's records."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_runlog.measures.statistics import percentile
from pytest_runlog.measures.units import count_text, seconds_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pytest_runlog.session.records import TestRecord


def summary_lines(records: Sequence[TestRecord], *, short: bool = False) -> Iterator[str]:
    """The lines of the summary; none when nothing was recorded. `short` gives one line."""
    records = [record for record in records if record.runs]
    if not records:
        return
    parts = [
        count_text(len(records), "test") + " recorded",
        count_text(sum(record.runs for record in records), "run"),
        count_text(sum(record.model_runs for record in records), "model run"),
    ]
    if short:
        yield ", ".join([*parts, _tokens(records), _errors(records)])
        return
    yield ", ".join(parts)
    yield f"tokens   {_tokens(records)}"
    latencies = [latency for record in records for latency in record.latencies]
    if latencies:
        quantiles = ", ".join(
            f"p{percent} {seconds_text(percentile(latencies, percent))}" for percent in (50, 95)
        )
        yield (
            f"latency  {quantiles}, max {seconds_text(max(latencies))} "
            f"({count_text(len(latencies), 'root')})"
        )
    yield f"errors   {_errors(records)}"
    unfinished = sum(record.unfinished for record in records)
    if unfinished:
        yield f"         {count_text(unfinished, 'run')} did not end"


def _tokens(records: Sequence[TestRecord]) -> str:
    model_runs = sum(record.model_runs for record in records)
    unknown = sum(record.unknown_usage for record in records)
    total = count_text(sum(record.total_tokens for record in records), "token")
    split = (
        f"{sum(record.input_tokens for record in records):,} in, "
        f"{sum(record.output_tokens for record in records):,} out"
    )
    if not unknown:
        return f"{total} ({split})"
    if unknown == model_runs:
        return "unknown: no model run reported its usage"
    return f"at least {total} ({split}; {unknown} of {model_runs} model runs reported no usage)"


def _errors(records: Sequence[TestRecord]) -> str:
    errors = sum(record.errors for record in records)
    recovered = sum(record.recovered for record in records)
    text = count_text(errors, "error")
    return f"{text} ({recovered} recovered)" if recovered else text
