"""What was sent to Infino as text: by run, without what differs each time."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from pytest_runlog.model.data import to_data
from pytest_runlog.model.text import heading, name_text, value_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pytest_runlog.infino.payloads import Payload
    from pytest_runlog.model.masking import Mask
    from pytest_runlog.model.runs import Run
    from pytest_runlog.model.text import Level

_TIMES = frozenset({"latency"})


def payload_lines(
    calls: Iterable[Payload], runs: Iterable[Run], mask: Mask, level: Level
) -> Iterator[str]:
    """The payloads below the runs that they are about, in the order of the runs.

    Payloads of other runs follow in the order in which they were sent, their runs numbered.
    A `"shape"` has no values, only a `"full"` tree has labels; times are never shown.
    """
    sent: dict[str | None, list[Payload]] = defaultdict(list)
    for call in calls:
        labels = call.body.get("labels")
        sent[labels.get("run_id") if isinstance(labels, dict) else None].append(call)
    for run in runs:
        if str(run.id) in sent:
            yield heading(run, mask, level)
            yield from _details(sent.pop(str(run.id)), mask, level)
    alone = sent.pop(None, [])
    for number, group in enumerate(sent.values(), 1):
        yield f"run {number}"
        yield from _details(group, mask, level)
    if alone:
        yield "no run"
        yield from _details(alone, mask, level)


def _details(calls: Iterable[Payload], mask: Mask, level: Level) -> Iterator[str]:
    for call in calls:
        labels = call.body.get("labels")
        more = {
            key: value
            for key, value in (labels.items() if isinstance(labels, dict) else ())
            if key != "run_id" and value is not None
        }
        for key in call.keys:
            line = f"| {call.kind:<6} {name_text(mask.text(str(key)))}"
            if level != "shape" and key not in _TIMES:
                # Converted with its key, which may be that of a secret.
                shown = to_data({key: call.body[key]}, mask, "infino")
                line += " " + value_text(
                    next(iter(shown.values())) if isinstance(shown, dict) else shown
                )
            if level == "full" and more:
                line += " " + value_text(to_data(more, mask, "infino.labels"))
            yield line
