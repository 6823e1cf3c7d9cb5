"""Record what a LangChain chain does in a test: runs, RunLog patches, Infino metrics.

Names are imported when they are first used: loading a plugin taxes every test session.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pytest_runlog.budgeting import LatencySample
    from pytest_runlog.capture import RunLogCapture, record
    from pytest_runlog.delivery.http.client import InfinoClientSink
    from pytest_runlog.delivery.sinks import NotDelivered
    from pytest_runlog.gate import BudgetExceeded
    from pytest_runlog.infino.handler import InfinoCallbackHandler
    from pytest_runlog.infino.recorder import InfinoRecorder
    from pytest_runlog.model.runs import Chunk, Run, RunEvent, Runs
    from pytest_runlog.model.usage import TokenUsage
    from pytest_runlog.recording.handler import RunLogCallbackHandler
    from pytest_runlog.recording.streaming import StreamingRunLogCallbackHandler
    from pytest_runlog.snapshot import RunLogSnapshotExtension

__all__ = [
    "BudgetExceeded",
    "Chunk",
    "InfinoCallbackHandler",
    "InfinoClientSink",
    "InfinoRecorder",
    "LatencySample",
    "NotDelivered",
    "Run",
    "RunEvent",
    "RunLogCallbackHandler",
    "RunLogCapture",
    "RunLogSnapshotExtension",
    "Runs",
    "StreamingRunLogCallbackHandler",
    "TokenUsage",
    "record",
]

_HOMES = {
    "BudgetExceeded": "gate",
    "Chunk": "model.runs",
    "InfinoCallbackHandler": "infino.handler",
    "InfinoClientSink": "delivery.http.client",
    "InfinoRecorder": "infino.recorder",
    "LatencySample": "budgeting",
    "NotDelivered": "delivery.sinks",
    "Run": "model.runs",
    "RunEvent": "model.runs",
    "RunLogCallbackHandler": "recording.handler",
    "RunLogCapture": "capture",
    "RunLogSnapshotExtension": "snapshot",
    "Runs": "model.runs",
    "StreamingRunLogCallbackHandler": "recording.streaming",
    "TokenUsage": "model.usage",
    "record": "capture",
}


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(f"{__name__}.{home}"), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
