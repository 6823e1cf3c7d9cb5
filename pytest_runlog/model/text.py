"""Plain data as one line of text, and runs as a tree of such lines."""

from __future__ import annotations

import hashlib
import json
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Literal, get_args

from pytest_runlog.model.data import (
    error_to_data,
    group_chunks,
    is_call,
    is_object,
    metadata_to_data,
    tags_to_data,
    to_data,
    without_call_ids,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Sequence

    from pytest_runlog.model.data import Data
    from pytest_runlog.model.masking import Mask
    from pytest_runlog.model.runs import Run

Level = Literal["shape", "structure", "full"]

_in_snapshot = ContextVar("_in_snapshot", default=False)

_LONGEST_STRING = 160
_LONGEST_VALUE = 600
_HEAD = 100


class HasTree:
    """What is compared with a snapshot by its tree, never by its fields or its short `repr`."""

    __slots__ = ()

    def tree(self, level: Level = "structure") -> str:
        """The text: `"shape"`, `"structure"` or `"full"`."""
        raise NotImplementedError

    def _why_empty(self) -> str | None:
        """Why there is nothing to compare, where that means that something went wrong."""
        return None

    def _short(self) -> str:
        """The `repr` where no snapshot is compared."""
        raise NotImplementedError

    def __repr__(self) -> str:
        return snapshot_text(self, "structure") if _in_snapshot.get() else self._short()


@contextmanager
def in_snapshot() -> Iterator[None]:
    """Within it, the `repr` of what has a tree is that tree: serializers write what `repr` says."""
    token = _in_snapshot.set(True)
    try:
        yield
    finally:
        _in_snapshot.reset(token)


def snapshot_text(value: HasTree, level: Level) -> str:
    """The tree, or what stands for none: an empty text would be equal to that of any other."""
    return value.tree(level) or "no runs"


def value_text(data: Data) -> str:
    """Data on one line: JSON, with objects as `Type(field=…)`; long text is folded."""
    text = _text(without_call_ids(data))
    if len(text) <= _LONGEST_VALUE:
        return text
    return f"{text[: _LONGEST_VALUE // 2]}… {_measure(text)}"


def name_text(name: str) -> str:
    """The name of a run on one line, with control characters escaped."""
    quoted = quote(name)
    plain = quoted == f'"{name}"' and name.strip() == name != "" and not name.startswith("| ")
    return name if plain else quoted


def quote(text: str) -> str:
    """Text as JSON writes it: what a terminal could take for a command is escaped."""
    quoted = json.dumps(text, ensure_ascii=False)
    if quoted.isprintable():
        return quoted
    return "".join(char if char.isprintable() else _escape(char) for char in quoted)


def tree_lines(
    runs: Iterable[Run],
    mask: Mask,
    level: Level = "structure",
    marked: Collection[Run] = (),
) -> Iterator[str]:
    """The run tree: one line per run, its values below it behind a bar.

    Runs in `marked` have `>` before their line.
    """
    _check(level)
    margin = "  " if marked else ""
    todo = [(run, 0) for run in reversed(list(runs))]
    while todo:
        run, depth = todo.pop()
        indent = "  " * depth
        yield ("> " if run in marked else margin) + indent + heading(run, mask, level)
        for line in _details(run, mask, level):
            yield f"{margin}{indent}| {line}"
        todo += [(child, depth + 1) for child in reversed(run.children)]


def lines_of(
    runs: Sequence[Run], mask_of: Callable[[Run], Mask], level: Level = "structure"
) -> Iterator[str]:
    """These runs and no others, each below the closest of them that it is part of."""
    _check(level)
    depths: dict[int, int] = {}
    chosen = {id(run) for run in runs}
    for run in runs:
        above = run.parent
        while above is not None and id(above) not in chosen:
            above = above.parent
        depth = depths[id(run)] = 0 if above is None else depths.get(id(above), -1) + 1
        indent, mask = "  " * depth, mask_of(run)
        yield indent + heading(run, mask, level)
        for line in _details(run, mask, level):
            yield f"{indent}| {line}"


def _check(level: str) -> None:
    if level not in get_args(Level):
        choices = ", ".join(map(repr, get_args(Level)))
        raise ValueError(f"tree level {level!r} is not one of {choices}")


def heading(run: Run, mask: Mask, level: Level = "shape") -> str:
    """The name, the type and, unless the run went well, the status: one line.

    Except in a `"shape"`, models are shown with their own name.
    """
    model = f" {name_text(mask.text(run.model))}" if run.model and level != "shape" else ""
    text = f"{name_text(mask.text(run.name))} ({name_text(run.type)}{model})"
    if run.attempt is not None:
        text += f" attempt {run.attempt}"
    return text if run.status == "ok" else f"{text} {run.status.upper()}"


def _details(run: Run, mask: Mask, level: Level) -> Iterator[str]:
    if level == "shape":
        return
    if level == "full":
        if run.tags:
            yield "tags   " + value_text(tags_to_data(run.tags, mask))
        metadata = metadata_to_data(run.metadata, mask, run.tags)
        if metadata:
            yield "meta   " + value_text(metadata)
    yield "in     " + value_text(to_data(run.inputs, mask, "inputs"))
    if run.status == "ok" or run.output is not None:
        yield "out    " + value_text(to_data(run.output, mask, "output"))
    if run.error is not None:
        yield "error  " + value_text(error_to_data(run.error, mask))
    if run.interrupt is not None:
        yield "break  " + value_text(error_to_data(run.interrupt, mask, "interrupt"))
    if level == "full":
        if run.is_model and any(count is not None for count in run.usage):
            counts = zip(run.usage._fields, run.usage)
            yield "tokens " + " ".join(f"{name}={_count(count)}" for name, count in counts)
        for event in run.events:
            yield f"event  {quote(mask.text(event.name))} " + value_text(
                to_data(event.data, mask, "events")
            )
        if run.chunks:
            chunks = to_data([chunk.value for chunk in run.chunks], mask, "chunks")
            grouped = group_chunks(chunks) if isinstance(chunks, list) else chunks
            yield f"chunks {len(run.chunks)}: " + value_text(grouped)


def _count(count: int | None) -> str:
    return "unknown" if count is None else str(count)


def _text(data: Data) -> str:
    if isinstance(data, str):
        return quote(data) if len(data) <= _LONGEST_STRING else _fold(data)
    if isinstance(data, list):
        return f"[{', '.join(map(_text, data))}]"
    if isinstance(data, dict):
        if is_object(data):
            return _thing(data)
        if is_call(data):
            return _call(data)
        return f"{{{', '.join(f'{quote(key)}: {_text(data[key])}' for key in sorted(data))}}}"
    return json.dumps(data)


def _thing(data: dict[str, Data]) -> str:
    fields = dict(data)
    name = str(fields.pop("@type"))
    if set(fields) == {"repr"}:
        shown = str(fields["repr"])
        return _safe(shown) if len(shown) <= _LONGEST_STRING else _fold(shown)
    leading = [key for key in ("content", "page_content", "message") if key in fields]
    arguments = [_text(fields.pop(key)) for key in leading]
    if name.endswith(("Message", "MessageChunk")):
        fields = _telling(fields)
    arguments += [f"{_safe(key)}={_text(item)}" for key, item in fields.items()]
    return f"{_safe(name)}({', '.join(arguments)})"


def _telling(fields: dict[str, Data]) -> dict[str, Data]:
    """The fields of a message without those that follow from others, or say that all is well."""
    hidden = {"chunk_position"}
    if fields.get("status") == "success":
        hidden.add("status")
    if fields.get("tool_calls"):
        hidden.add("tool_call_chunks")
    return {key: item for key, item in fields.items() if key not in hidden}


def _call(call: dict[str, Data]) -> str:
    """A call that a model asks for; one that it got wrong has text for arguments, and an error."""
    arguments = [_text(call.get("args"))]
    if call.get("error"):
        arguments.append(f"error={_text(call['error'])}")
    return f"{_safe(str(call.get('name')))}({', '.join(arguments)})"


def _safe(text: str) -> str:
    return text if text.isprintable() else quote(text)[1:-1]


def _fold(text: str) -> str:
    return f'{quote(text[:_HEAD])[:-1]}…" {_measure(text)}'


def _measure(text: str) -> str:
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    return f"({len(text):,} characters, sha256 {digest})"


def _escape(char: str) -> str:
    code = ord(char)
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"
