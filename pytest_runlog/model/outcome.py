"""What a run took and gave, from the events of its start and its end."""

from __future__ import annotations

from asyncio import CancelledError
from typing import TYPE_CHECKING, Any

from pytest_runlog.model.events import MODEL_TYPES, Chunk, End, Error, Note, Token

if TYPE_CHECKING:
    from typing import TypeAlias

Ending: TypeAlias = End | Error

_INTERRUPTIONS = (CancelledError, GeneratorExit, KeyboardInterrupt, SystemExit)


def is_interruption(error: BaseException) -> bool:
    """Whether an exception broke a run off without being an error of the chain.

    That is what closes a generator, cancels a task or ends the process, and what LangGraph
    raises to pause a graph.
    """
    return isinstance(error, _INTERRUPTIONS) or _is_a(error, "GraphBubbleUp", "Cancelled")


def inputs_of(type_: str, inputs: Any) -> Any:
    """What a run took: of a model, its messages or its prompt."""
    if type_ in MODEL_TYPES and isinstance(inputs, list) and len(inputs) == 1:
        return inputs[0]  # LangChain reports each prompt as a run of its own
    return inputs


def late_inputs_of(ending: Ending | None) -> Any:
    """The inputs of a run that LangChain knew only when it ended, else `None`."""
    details = ending.details if ending is not None else None
    return None if details is None else details.get("inputs")


def response_of(type_: str, ending: Ending | None) -> Any:
    """The `LLMResult` of a model, also the partial one of a model that failed."""
    if type_ not in MODEL_TYPES or ending is None:
        return None
    if isinstance(ending, End):
        return ending.output
    return (ending.details or {}).get("response")


def output_of(type_: str, ending: Ending | None) -> Any:
    """What a run gave: of a model, its message or its text."""
    if ending is None:
        return None
    if isinstance(ending, Error):
        return _command_of(ending.error)
    return _answer(ending.output) if type_ in MODEL_TYPES else ending.output


def chunk_of(piece: Token | Chunk | Note) -> Any:
    """What was streamed: a model's message chunk or text, what a chain yields, a v3 event."""
    if isinstance(piece, Token):
        return piece.token if piece.message is None else piece.message
    return piece.value


def error_of(ending: Ending | None) -> BaseException | None:
    """The exception that ended a run, unless it only carries a command to a graph."""
    if isinstance(ending, Error) and not _is_a(ending.error, "ParentCommand"):
        return ending.error
    return None


def status_of(ending: Ending | None) -> str:
    """`"ok"`, `"error"`, `"unfinished"` or `"interrupted"`."""
    if ending is None:
        return "unfinished"
    error = error_of(ending)
    if error is None:
        return "ok"
    return "interrupted" if is_interruption(error) else "error"


def _answer(response: Any) -> Any:
    """The message, or text, of a model's first generation."""
    for prompt in getattr(response, "generations", None) or []:
        for generation in prompt:
            message = getattr(generation, "message", None)
            return generation.text if message is None else message
    return None


def _command_of(error: BaseException) -> Any:
    """The command that a node sends to the parent graph by raising."""
    return error.args[0] if _is_a(error, "ParentCommand") and error.args else None


def _is_a(error: BaseException, *names: str) -> bool:
    return any(base.__name__ in names for base in type(error).__mro__)
