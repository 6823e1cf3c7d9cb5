"""Whether what a run streamed is what it gave in the end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytest_runlog.model.data import to_data
from pytest_runlog.model.log.patches import joined
from pytest_runlog.model.masking import Mask

if TYPE_CHECKING:
    from pytest_runlog.model.runs import Run


def added_up(run: Run) -> Any:
    """The chunks of a run added up: of a model, their text."""
    values = [chunk.value for chunk in run.chunks]
    return "".join(map(_text, values)) if run.is_model else joined(values)


def adds_up(run: Run) -> bool:
    """Whether the chunks of a run add up to its output, as far as they can be added.

    Of a model, the text and the tool calls count: its chunks are messages of another class.
    """
    values = [chunk.value for chunk in run.chunks]
    if run.is_model:
        if any(isinstance(value, dict) and "event" in value for value in values):
            return True  # of the events of `stream_events`, the output is not the sum
        return added_up(run) == _text(run.output) and _calls(joined(values)) in (
            None,
            _calls(run.output),
        )
    if not all(hasattr(value, "__add__") for value in values):
        return True
    return bool(to_data(joined(values), Mask()) == to_data(run.output, Mask()))


def _text(value: Any) -> str:
    """The text of a message, also of a saved one, or of a piece of text."""
    content = value.get("content") if isinstance(value, dict) else getattr(value, "content", value)
    if isinstance(content, list):
        texts = [block.get("text", "") if isinstance(block, dict) else block for block in content]
        return "".join(text for text in texts if isinstance(text, str))
    return content if isinstance(content, str) else ""


def _calls(message: Any) -> list[tuple[Any, Any]] | None:
    """The tool calls of a message, `None` of what cannot have any."""
    calls = getattr(message, "tool_calls", None)
    return None if calls is None else [(call.get("name"), call.get("args")) for call in calls]
