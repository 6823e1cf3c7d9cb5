"""What happens to runs, as RFC 6902 operations in the format of LangChain's run logs.

The rules are those of `langchain_core.tracers.log_stream.LogStreamCallbackHandler`: what an
entry holds, which operations make one patch, how inputs and outputs are wrapped. Added are
`parent_id` and `error` of an entry, and whatever it never says of the root.
"""

from __future__ import annotations

from collections import defaultdict
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from pytest_runlog.model.data import message_of
from pytest_runlog.model.events import MODEL_TYPES, Error
from pytest_runlog.model.outcome import (
    error_of,
    inputs_of,
    is_interruption,
    late_inputs_of,
    output_of,
    response_of,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable, Sequence
    from datetime import datetime
    from typing import TypeAlias
    from uuid import UUID

    from pytest_runlog.model.outcome import Ending

Operation: TypeAlias = "dict[str, Any]"
"""`{"op": …, "path": …, "value": …}`"""
Patch: TypeAlias = "list[Operation]"
"""The operations of one event, what LangChain's `RunLogPatch` holds; none for no patch."""

Schema = Literal["original", "streaming_events"]
"""LangChain's two formats: `astream_log` writes the first, `astream_events` read the second."""

_INPUT_NAMES = {"retriever": "query", "llm": "prompts", "chat_model": "messages"}
"""Under which name LangChain puts the inputs of runs of these types."""


class Subject(NamedTuple):
    """A run, as far as it is known when it starts."""

    id: UUID
    name: str
    type: str
    """As LangChain calls it, `chat_model` included."""
    tags: Iterable[str]
    metadata: dict[str, Any]
    inputs: Any
    """As LangChain reports them: a model's are a list."""
    parent_id: UUID | None
    start: datetime


class _Paths(NamedTuple):
    """Where a run is in the log: `""` of the root, `"/logs/KEY"` of the others."""

    run: str
    chunks: str
    tokens: str

    @classmethod
    def of(cls, run: str) -> _Paths:
        return cls(run, f"{run}/streamed_output/-", f"{run}/streamed_output_str/-")


class Shown(NamedTuple):
    """How what a chain gave is written; as it is, unless somebody must not see it."""

    value: Callable[[Any, str], Any] = lambda value, _path: value
    """Takes a value and where it is: `"inputs"`, `"output"`, `"chunks"`, …"""
    text: Callable[[str], str] = str
    error: Callable[[BaseException], Any] = lambda error: {
        "type": type(error).__name__,
        "message": message_of(error),
    }


class LogWriter:
    """Writes the log of one root: each method returns the patch of one event.

    The first run is the root. A run is named by any `key` of the caller's.
    """

    def __init__(self, schema: Schema = "original", shown: Shown | None = None) -> None:
        self.schema = schema
        self.shown = Shown() if shown is None else shown
        self._subjects: dict[Hashable, Subject] = {}
        self._paths: dict[Hashable, _Paths] = {}
        self._keys = Keys()

    def __contains__(self, key: Hashable) -> bool:
        """Whether that run has been started."""
        return key in self._paths

    def start(self, key: Hashable, run: Subject) -> Patch:
        """A run began."""
        is_root = not self._paths
        self._subjects[key] = run
        if is_root:
            self._paths[key] = _Paths.of("")
            return [{"op": "replace", "path": "", "value": self._state(run)}]
        path = f"/logs/{escape(self._keys.new(self.shown.text(run.name)))}"
        self._paths[key] = _Paths.of(path)
        return [{"op": "add", "path": path, "value": self._entry(run)}]

    def token(self, key: Hashable, token: Any, chunk: Any) -> Patch:
        """A model reported a token and the chunk that carried it: a message, or the token."""
        paths = self._paths[key]
        patch = self.chunk(key, chunk)
        if paths.run:  # LangChain's `RunState` has no such list
            text = self.shown.value(token, "chunks")
            patch.insert(0, {"op": "add", "path": paths.tokens, "value": text})
        return patch

    def chunk(self, key: Hashable, value: Any) -> Patch:
        """A run streamed a piece of its output."""
        path = self._paths[key].chunks
        return [{"op": "add", "path": path, "value": self.shown.value(value, "chunks")}]

    def end(self, key: Hashable, ending: Ending, at: datetime, streamed: Sequence[Any]) -> Patch:
        """A run ended. `streamed` are the chunks that the root gave."""
        place, run = self._paths[key].run, self._subjects[key]
        facts: dict[str, Any] = {}
        if place:
            facts["final_output"] = self._logged_output(run, ending)
        else:
            facts["final_output"] = self.shown.value(_given(run, ending, streamed), "output")
        facts["end_time"] = _time(at)
        error = error_of(ending)
        if error is not None and not is_interruption(error):
            facts["error"] = self.shown.error(error)
        patch = [
            {"op": "add", "path": f"{place}/{name}", "value": value}
            for name, value in facts.items()
        ]
        return self._end_inputs(place, run, ending) + patch

    def _state(self, run: Subject) -> dict[str, Any]:
        """LangChain's `RunState`, and more."""
        inputs = None if _is_placeholder(run.inputs) else inputs_of(run.type, run.inputs)
        return {
            "id": str(run.id),
            "streamed_output": [],
            "final_output": None,
            "logs": {},
            "name": self.shown.text(run.name),
            "type": self.type_of(run),
            "inputs": self.shown.value(inputs, "inputs"),
            "start_time": _time(run.start),
            "end_time": None,
            "error": None,
            "tags": self.shown.value(list(run.tags), "tags"),
            "metadata": self.shown.value(dict(run.metadata), "metadata"),
        }

    def _entry(self, run: Subject) -> dict[str, Any]:
        """LangChain's `LogEntry`, and more."""
        entry = {
            "id": str(run.id),
            "name": self.shown.text(run.name),
            "type": self.type_of(run),
            "tags": self.shown.value(list(run.tags), "tags"),
            "metadata": self.shown.value(dict(run.metadata), "metadata"),
            "start_time": _time(run.start),
            "streamed_output": [],
            "streamed_output_str": [],
            "final_output": None,
            "end_time": None,
            "parent_id": None if run.parent_id is None else str(run.parent_id),
            "error": None,
        }
        if self.schema == "streaming_events":
            entry["inputs"] = self._logged_inputs(run, run.inputs)
        return entry

    def type_of(self, run: Subject) -> str:
        """LangChain tells chat models from others only in one of its formats."""
        return "llm" if self.schema == "original" and run.type in MODEL_TYPES else run.type

    def _end_inputs(self, place: str, run: Subject, ending: Ending) -> Patch:
        """The inputs, where they are known now, or where LangChain writes them again."""
        late = late_inputs_of(ending)
        inputs = run.inputs if late is None else late
        if place and self.schema == "streaming_events":
            value = self._logged_inputs(run, inputs)
        elif not place and (late is not None or _is_placeholder(run.inputs)):
            value = self.shown.value(inputs, "inputs")
        else:
            return []
        return [{"op": "replace", "path": f"{place}/inputs", "value": value}]

    def _logged_inputs(self, run: Subject, inputs: Any) -> Any:
        if run.type in _INPUT_NAMES:
            return {_INPUT_NAMES[run.type]: self.shown.value(inputs, "inputs")}
        if _is_placeholder(inputs) or (run.type == "tool" and not isinstance(inputs, dict)):
            return None  # of a tool, LangChain has only the arguments that have names
        return self.shown.value(inputs, "inputs")

    def _logged_output(self, run: Subject, ending: Ending) -> Any:
        """What LangChain makes of the output of a run that is not the root."""
        if run.type in MODEL_TYPES:
            response = response_of(run.type, ending)
            return {} if response is None else self._logged_response(response)
        original = self.schema == "original"
        if isinstance(ending, Error):
            return {} if original or run.type == "retriever" else None
        output = self.shown.value(ending.output, "output")
        if run.type == "retriever":
            return {"documents": output}
        if not original:
            return output
        if run.type == "tool" or not isinstance(ending.output, dict):
            return output if run.type == "prompt" else {"output": output}
        if run.type == "prompt" and "output" in ending.output:
            return self.shown.value(ending.output["output"], "output")
        return output

    def _logged_response(self, response: Any) -> Any:
        """An `LLMResult` as a dict that still holds the messages."""
        generations = getattr(response, "generations", None)
        if not isinstance(generations, list):
            return self.shown.value(response, "output")
        return {
            **self._dumped(response, "generations"),
            "generations": [
                [self._generation(generation) for generation in prompt] for prompt in generations
            ],
        }

    def _generation(self, generation: Any) -> dict[str, Any]:
        dumped = self._dumped(generation, "message", "text")
        message = getattr(generation, "message", None)
        path = "output" if message is None else "output.content"
        dumped["text"] = self.shown.value(generation.text, path)
        if message is not None:
            dumped["message"] = self.shown.value(message, "output")
        return dumped

    def _dumped(self, thing: Any, *but: str) -> dict[str, Any]:
        """The fields of a pydantic object; what is in them, too, becomes dicts."""
        try:
            fields = thing.model_dump(exclude=set(but), warnings=False)
        except Exception:  # something in it cannot be dumped: its own code raised
            fields = {name: value for name, value in vars(thing).items() if name not in but}
        return {name: self.shown.value(value, f"response.{name}") for name, value in fields.items()}


class Keys:
    """The keys of a log's entries: the name, and from the second of a name on `name:2`.

    A number that another run's name takes is passed over, so that keys are unique.
    """

    def __init__(self) -> None:
        self._taken: set[str] = set()
        self._counts: defaultdict[str, int] = defaultdict(int)

    def new(self, name: str) -> str:
        """The key of one more run of that name."""
        key = None
        while key is None or key in self._taken:
            self._counts[name] += 1
            key = name if self._counts[name] == 1 else f"{name}:{self._counts[name]}"
        self._taken.add(key)
        return key


def escape(key: str) -> str:
    """A key as a part of a JSON pointer (RFC 6901)."""
    return key.replace("~", "~0").replace("/", "~1")


def unescape(part: str) -> str:
    """The key of which this is the part of a JSON pointer."""
    return part.replace("~1", "/").replace("~0", "~")


def _given(run: Subject, ending: Ending, streamed: Sequence[Any]) -> Any:
    """What a root gave in the end: of chunks that cannot be added LangChain reports but a part."""
    output = None if isinstance(ending, Error) else output_of(run.type, ending)
    if output is None or len({type(chunk) for chunk in streamed}) > 1:
        return joined(streamed) if streamed else output
    return output


def joined(chunks: Iterable[Any]) -> Any:
    """What chunks add up to, as `astream_log` adds them: one that cannot be added replaces.

    Text and messages, of which there may be many, are added all at once.
    """
    chunks = list(chunks)
    kinds = {type(chunk) for chunk in chunks}
    if kinds == {str}:
        return "".join(chunks)
    if [kind.__name__ for kind in kinds] == ["AIMessageChunk"]:
        with suppress(Exception):  # some cannot be added; LangChain's code raised
            return chunks[0] + chunks[1:]
    total = None
    for chunk in chunks:
        try:
            total = chunk if total is None else total + chunk
        except Exception:  # a chunk's own code raised
            total = chunk
    return total


def _is_placeholder(inputs: Any) -> bool:
    """Whether these are what LangChain reports while a run has not read its inputs."""
    if type(inputs) is not dict or list(inputs) != ["input"]:
        return False
    return type(inputs["input"]) is str and not inputs["input"]


def _time(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds")
