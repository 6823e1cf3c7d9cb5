"""Events written by hand, one a second, for tests of what is derived from them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from uuid import UUID

from pytest_runlog import RunLogCapture
from pytest_runlog.capture import _Derived
from pytest_runlog.model.build import build_runs
from pytest_runlog.model.data import to_data
from pytest_runlog.model.events import Chunk, Custom, End, Error, Note, Start, Token, values_in
from pytest_runlog.model.masking import Mask
from pytest_runlog.model.runs import show_with
from pytest_runlog.model.secrets import secrets_in

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pytest_runlog.model.events import Event
    from pytest_runlog.model.runs import Runs

LANE = (1, 0, "")
NOON = 1_700_000_000_000_000_000
"""Wall clock at second 0."""


class Tape:
    """Takes down what happened to runs.

    Each event happens a second after the one before, or `at` some second. Runs start one
    after another in the same thread.
    """

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.parents: dict[UUID, UUID | None] = {}
        self.types: dict[UUID, str] = {}
        self.second: float = -1

    def start(
        self,
        name: str = "step",
        *,
        under: UUID | None = None,
        type: str = "chain",
        inputs: Any = None,
        tags: Iterable[str] = (),
        metadata: dict[str, Any] | None = None,
        details: dict[str, Any] | None = None,
        thread: int = 1,
        after: UUID | None = None,
        run_id: UUID | None = None,
        at: float | None = None,
    ) -> UUID:
        """A run starts; its context saw the run `after` start last, or the one before."""
        number = len(self.parents) + 1
        run_id = UUID(int=number) if run_id is None else run_id
        self.parents[run_id] = under
        self.types[run_id] = type
        self.events.append(
            Start(
                run_id.int,
                self._time(at),
                None if under is None else under.int,
                type,
                name,
                inputs,
                tuple(tags),
                metadata,
                details,
                NOON + self._time(self.second),
                number,
                number - 1 or None if after is None else list(self.parents).index(after) + 1,
                (thread, 0, ""),
                "",
            )
        )
        return run_id

    def end(
        self,
        run: UUID,
        output: Any = None,
        *,
        details: dict[str, Any] | None = None,
        at: float | None = None,
    ) -> None:
        self.events.append(
            End(run.int, self._time(at), self._parent(run), self._type(run), output, details)
        )

    def fail(
        self,
        run: UUID,
        error: BaseException,
        *,
        details: dict[str, Any] | None = None,
        at: float | None = None,
    ) -> None:
        self.events.append(
            Error(run.int, self._time(at), self._parent(run), self._type(run), error, details)
        )

    def token(self, run: UUID, text: str, message: Any = None, *, at: float | None = None) -> None:
        self.events.append(Token(run.int, self._time(at), self._parent(run), text, message, None))

    def chunk(self, run: UUID, value: Any, *, at: float | None = None) -> None:
        self.events.append(Chunk(run.int, self._time(at), value))

    def custom(self, run: UUID, name: str, data: Any = None, *, at: float | None = None) -> None:
        self.events.append(Custom(run.int, self._time(at), name, data))

    def note(self, run: UUID, kind: str, value: Any = None, *, at: float | None = None) -> None:
        self.events.append(Note(run.int, self._time(at), kind, value))

    def again(self) -> None:
        """Report the last event once more, as LangChain does if a handler is there twice."""
        self.events.append(self.events[-1])

    def runs(self, forgotten: Iterable[UUID] = ()) -> Runs:
        """The runs that the events tell of."""
        return build_runs(
            self.events,
            LANE,
            lambda value, path="": json.dumps(to_data(value, Mask(), path)),
            [run_id.int for run_id in forgotten],
        )

    def log(self) -> RunLogCapture:
        """A capture that recorded these events."""
        log = RunLogCapture()
        runs, mask = self.runs(), Mask(secrets=secrets_in(values_in(self.events)))
        show_with(runs, mask)
        log._derived = _Derived(0, runs, mask)
        return log

    def _time(self, at: float | None) -> int:
        self.second = self.second + 1 if at is None else at
        return round(self.second * 1e9)

    def _parent(self, run: UUID) -> int | None:
        parent = self.parents.get(run)
        return None if parent is None else parent.int

    def _type(self, run: UUID) -> str:
        type_ = self.types.get(run, "chain")
        return "llm" if type_ == "chat_model" else type_


def _text(value: Any) -> str:
    return json.dumps(to_data(value, Mask()))


def done(tape: Tape, name: str, *, under: UUID | None = None, **start: Any) -> UUID:
    """A run that gave `"done"`."""
    run = tape.start(name, under=under, **start)
    tape.end(run, "done")
    return run
