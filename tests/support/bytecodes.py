"""Counts the bytecodes that a call executes: what it costs, without a clock."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

_TOOL = 4
"""An id for `sys.monitoring` that neither debuggers nor coverage use."""


def count_bytecodes(call: Callable[[], object]) -> int:
    """How many bytecodes Python executes on this thread until `call` returns."""
    return _monitored(call) if sys.version_info >= (3, 12) else _traced(call)


def _traced(call: Callable[[], object]) -> int:
    count = 0

    def trace(frame: Any, event: str, _: object) -> Any:
        nonlocal count
        frame.f_trace_opcodes = True
        count += event == "opcode"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        call()
    finally:
        sys.settrace(before)
    return count


def _monitored(call: Callable[[], object]) -> int:
    count = 0

    def executed(*_: object) -> None:
        nonlocal count
        count += 1

    monitoring = sys.monitoring  # type: ignore[attr-defined, unused-ignore]
    event = monitoring.events.INSTRUCTION
    monitoring.use_tool_id(_TOOL, "bytecodes")
    try:
        monitoring.register_callback(_TOOL, event, executed)
        monitoring.set_events(_TOOL, event)
        call()
    finally:
        monitoring.set_events(_TOOL, 0)
        monitoring.free_tool_id(_TOOL)
    return count
