"""Places of runs that are written down, for tests of their order."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from pytest_runlog.model.order import Origin


@dataclass(eq=False)
class WrittenPlace:
    """A `Place` all of which is known."""

    name: str
    inputs: Any
    tags: Sequence[str]
    metadata: Mapping[str, Any]
    origin: Origin | None
    children: list[Any] = field(default_factory=list, kw_only=True)
    attempt: int | None = field(default=None, kw_only=True)
    last: float = field(default=float("inf"), kw_only=True)

    def content(self) -> Iterable[tuple[str, Any]]:
        return ()
