"""Retries and fallbacks. LangChain does not report them, so they are recognised.

A *retry* runs the same thing again after it failed, a *fallback* runs another thing in its
place. Either is started by the code that ran what failed, and takes the same inputs. So they
are known of `with_retry`, `with_fallbacks`, LangGraph's retry policies, the middleware of
agents and loops written by hand. What a provider's SDK repeats by itself, nobody sees.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from pytest_runlog.model.data import to_data
from pytest_runlog.model.masking import Mask
from pytest_runlog.model.order import Place

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from pytest_runlog.model.order import Origin, Text
    from pytest_runlog.model.runs import Run

FALLBACKS = "RunnableWithFallbacks"
_ATTEMPT = "retry:attempt:"


class Fallback(NamedTuple):
    """A run that was tried in the place of one that had failed."""

    failed: Run
    tried: Run


class Kind(NamedTuple):
    """What is tried. Two runs of one name may ask different models."""

    name: str
    type: str
    model: str | None
    """The first model that it asked, if it came as far."""

    def is_that_of(self, other: Kind) -> bool:
        """Whether both can be tries of the same thing."""
        return self[:2] == other[:2] and (
            self.model == other.model or self.model is None or other.model is None
        )


class Try(Place, Protocol):
    """What must be known of a run, while runs are built, to tell what it is a try of."""

    type: str
    parent: Any
    """Its own kind of try, or `None`."""
    attempt: int | None

    def status(self) -> str:
        """The status of the run."""

    def model_name(self) -> str | None:
        """The name of the model that it is a run of, if it is one."""

    def details(self) -> Mapping[str, Any]:
        """What else LangChain told of its start."""

    def runs_at(self, number: int) -> bool:
        """Whether it had not ended when the start of that number was reported."""


def number_attempts(tries: Iterable[Try]) -> None:
    """Number the attempts that LangChain marks, before they are put in order.

    It tags those of `with_retry`, but for the first. Tool runs of one tool call have its id.
    """
    tries = list(tries)
    for each in tries:
        each.attempt = _tagged_attempt(each.tags)
    for parent in tries:
        repeated = {child.name for child in parent.children if child.attempt is not None}
        calls: dict[tuple[str, str], Try] = {}
        for child in parent.children:
            if child.name in repeated:
                child.attempt = child.attempt or 1
            elif child.type == "tool" and (call_id := child.details().get("tool_call_id")):
                before = calls.get((child.name, call_id))
                if before is not None and before.status() == "error":
                    _number(before, child)
                calls[child.name, call_id] = child


def number_repetitions(tries: Iterable[Try], text: Text) -> None:
    """Number what code ran again after it failed, which LangChain does not know.

    `tries` are in the order of their starts; `text` gives the canonical text of a value.
    What came first is known from the contexts, not from the clock: see `order`.
    """
    tries = list(tries)
    parents = {each.parent for each in tries if each.status() == "error"} - {None}
    if not parents:
        return
    before = _Before(tries)
    series: dict[Try, _Series] = {}
    for each in tries:
        failed = before.failed(each) if each.parent in parents else None
        if failed is None or text(failed.inputs, "inputs") != text(each.inputs, "inputs"):
            continue
        tried = series.get(failed)
        if tried is None or tried.latest is not failed:
            tried = _Series(failed)
        tried.add(each)
        series[each] = tried


def fallbacks(runs: Iterable[Run]) -> Iterator[Fallback]:
    """The runs that were tried in the place of others, in canonical order."""
    for parent in runs:
        first: Kind | None = None
        for failed, tried in zip(parent.children, parent.children[1:]):
            if not _replaces(failed, tried):
                first = None
                continue
            if first is None:
                first = _kind_of(failed)
            if parent.name == FALLBACKS or not _kind_of(tried).is_that_of(first):
                yield Fallback(failed, tried)


class _Series:
    """What was tried one after another, after the same inputs."""

    def __init__(self, first: Try) -> None:
        self.latest = first
        self.kinds: list[tuple[Kind, Try]] = [(_kind_of_try(first), first)]

    def add(self, each: Try) -> None:
        kind = _kind_of_try(each)
        for at, (known, before) in enumerate(self.kinds):
            if kind.is_that_of(known):
                if each.attempt is None:
                    _number(before, each)
                self.kinds[at] = (kind, each)
                break
        else:
            self.kinds.append((kind, each))
        self.latest = each


def _number(before: Try, after: Try) -> None:
    before.attempt = before.attempt or 1
    after.attempt = before.attempt + 1


class _Before:
    """Which sibling had ended where another one was started."""

    def __init__(self, tries: Iterable[Try]) -> None:
        self.numbered = {each.origin.number: each for each in tries if each.origin is not None}
        self.at_home: dict[Try, Try] = {}
        """By parent, the last child that was started on the parent's own thread or task."""

    def failed(self, each: Try) -> Try | None:
        """The sibling in whose place this one was started because it failed, if there is one.

        To be asked in the order of the starts.
        """
        if each.origin is None or each.parent.name == FALLBACKS:
            return None
        before = self.sibling(each, each.origin)
        if before is None or before.status() != "error" or before.runs_at(each.origin.number):
            return None
        return before if _place(before.tags) == _place(each.tags) else None

    def sibling(self, each: Try, origin: Origin) -> Try | None:
        """What ran last on the parent's thread or task, elsewhere what the context saw start."""
        parent = each.parent
        is_home = parent.origin is not None and parent.origin.lane == origin.lane
        if is_home and parent.runs_at(origin.number):
            before = self.at_home.get(parent)
            self.at_home[parent] = each
            return before
        seen = self.numbered.get(origin.previous) if origin.previous is not None else None
        while seen is not None and seen.parent is not parent:
            seen = seen.parent
        return seen


def _replaces(failed: Run, tried: Run) -> bool:
    if failed.status != "error" or failed.end_ns is None or failed.end_ns > tried.start_ns:
        return False
    is_told = failed.parent is not None and failed.parent.name == FALLBACKS
    return is_told or (
        _place(failed.tags) == _place(tried.tags)
        and to_data(failed.inputs, Mask()) == to_data(tried.inputs, Mask())
    )


def _kind_of_try(each: Try) -> Kind:
    model, todo = None, [each]
    while todo and model is None:
        inner = todo.pop()
        model = inner.model_name()
        todo += reversed(inner.children)
    return Kind(each.name, each.type, model)


def _kind_of(run: Run) -> Kind:
    models = (inner.model for inner in (run, *run.descendants) if inner.model is not None)
    return Kind(run.name, run.type, next(models, None))


def _place(tags: Iterable[str]) -> list[str]:
    """The tags that do not differ between attempts."""
    return sorted(tag for tag in tags if not tag.startswith(_ATTEMPT))


def _tagged_attempt(tags: Iterable[str]) -> int | None:
    for tag in tags:
        number = tag[len(_ATTEMPT) :]
        if tag.startswith(_ATTEMPT) and number.isdecimal():
            return int(number)
    return None
