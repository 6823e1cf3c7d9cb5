"""The tool calls that an agent made, against those that a test expects.

The modes are those of agentevals' trajectory match:

- `"strict"`: these calls, in this order. Calls that a model asked for in one message are made
  at once, so among themselves they have no order.
- `"unordered"`: these calls, in any order.
- `"superset"`: at least these calls.
- `"subset"`: no other calls than these.

Each expected call stands for one call. Which one is decided by a matching of all calls, so an
expectation that fits several calls never takes the only one that another fits.
"""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, get_args

from pytest_runlog.model.runs import matches

if TYPE_CHECKING:
    from typing import TypeAlias

    from pytest_runlog.model.runs import Run

Mode = Literal["strict", "unordered", "subset", "superset"]
ArgsMode = Literal["exact", "ignore", "subset", "superset"]
ArgsMatch: TypeAlias = "ArgsMode | Callable[[Any, Any], object]"
"""How arguments are compared; a function takes those of the run, then those expected."""

MODES: tuple[str, ...] = get_args(Mode)
ARGS_MODES: tuple[str, ...] = get_args(ArgsMode)


class Expected(NamedTuple):
    """A call that a test expects."""

    name: str
    """Exact, or a pattern."""
    args: Any = ...
    """A dict, a function of the arguments, or `...` for any."""


class Call(NamedTuple):
    """A tool call that was made: one run of a tool, or the attempts of one."""

    runs: tuple[Run, ...]
    asked: object
    """The same for calls that a model asked for in one message."""

    @property
    def run(self) -> Run:
        """The run, or the last attempt."""
        return self.runs[-1]


class Difference(NamedTuple):
    """Why the arguments of a call are not those expected."""

    argument: str | None
    """`None` where the arguments as a whole are not."""
    kind: Literal["missing", "unexpected", "different", "untrue", "raised"]
    """`"untrue"` and `"raised"` are of a function of the test's."""
    detail: object = None
    """The function, or what it raised."""


class Row(NamedTuple):
    """A line of the comparison: what was expected, what was seen, or both."""

    expected: int | None
    seen: int | None
    differences: tuple[Difference, ...] = ()

    @property
    def agrees(self) -> bool:
        """Whether the call was expected and made, with such arguments."""
        return self.expected is not None and self.seen is not None and not self.differences


@dataclass(frozen=True)
class Comparison:
    """Whether the calls are those expected, and how they differ."""

    holds: bool
    rows: list[Row]
    """In order: of the calls, if their order counts, else of what was expected."""
    reordered: bool = False
    """Whether only the order is wrong."""


def calls_of(runs: Iterable[Run], *, nested: bool = False) -> Iterator[Call]:
    """The tool calls made in these runs and below, in canonical order.

    The attempts of one call are one call. What a tool calls is part of its own call, unless
    the `nested` calls are wanted too.
    """
    tops = list(runs)
    attempts: dict[tuple[int, str], list[Run]] = {}
    calls: list[tuple[list[Run], object]] = []
    lost = _Askers(tops)
    pending: Counter[str] = Counter()
    asked: object = None
    todo = tops[::-1]
    while todo:
        run = todo.pop()
        if nested or run.type != "tool":
            todo += reversed(run.children)
        if run.tool_calls:
            pending = Counter(str(call.get("name")) for call in run.tool_calls)
            asked = run.id
        if run.type != "tool":
            continue
        before = attempts.get((id(run.parent), run.name))
        if before is not None and run.attempt is not None and run.attempt > 1:
            before.append(run)
            continue
        attempts[id(run.parent), run.name] = tried = [run]
        is_pending = pending[run.name] > 0
        pending[run.name] -= is_pending
        calls.append((tried, asked if is_pending else lost.asker_of(run)))
    return (Call(tuple(tried), asked) for tried, asked in calls)


class _Askers:
    """The models that have no parent, so that they do not come before what they asked for.

    Before Python 3.11, async code that does not pass the config on loses the parent.
    """

    def __init__(self, tops: Iterable[Run]) -> None:
        self.by_call: dict[str, list[object]] = defaultdict(list)
        for run in tops:
            for call in run.tool_calls if run.parent is None else ():
                self.by_call[str(call.get("id"))].append(run.id)

    def asker_of(self, run: Run) -> object:
        """The model that asked for this run of a tool; the run itself if none did."""
        call_id = run.details.get("tool_call_id") or getattr(run.output, "tool_call_id", None)
        askers = self.by_call.get(str(call_id))
        return askers.pop(0) if askers else run.id


def compare(
    expected: Sequence[Expected], calls: Sequence[Call], mode: Mode, how: ArgsMatch
) -> Comparison:
    """Compare the calls that were made with those expected."""
    table = _Table(expected, calls, how)
    pairs = match(len(expected), len(calls), table.agrees)
    missing = [row for row in range(len(expected)) if row not in pairs]
    extra = sorted(set(range(len(calls))) - set(pairs.values()))
    near = match(len(missing), len(extra), lambda row, at: table.is_near(missing[row], extra[at]))
    partners = pairs | {missing[row]: extra[at] for row, at in near.items()}
    if mode == "strict":
        if table.holds_in_order():
            return Comparison(True, [])
        is_reordered = not missing and not extra
        return Comparison(False, list(table.align(partners)), is_reordered)
    rows = [table.row(row, partners.get(row)) for row in range(len(expected))]
    rows += [table.row(None, at) for at in extra if at not in partners.values()]
    holds = (mode == "subset" or not missing) and (mode == "superset" or not extra)
    return Comparison(holds, rows)


def differences(expected: Any, seen: Any, how: ArgsMatch) -> Iterator[Difference]:
    """Why these arguments are not those expected; nothing if they are."""
    if expected is ... or how == "ignore":
        return
    if callable(how):
        yield from _verdict(None, how, seen, expected)
    elif not isinstance(expected, Mapping) or not isinstance(seen, Mapping):
        yield from _difference(None, expected, seen)
    else:
        for name, value in expected.items():
            if name in seen:
                yield from _difference(name, value, seen[name])
            elif how != "subset":
                yield Difference(name, "missing")
        if how != "superset":
            yield from (Difference(name, "unexpected") for name in seen if name not in expected)


def match(rows: int, columns: int, fits: Callable[[int, int], bool]) -> dict[int, int]:
    """As many pairs of a row and a column that fit as there can be, each in one pair only."""
    fitting = [[column for column in range(columns) if fits(row, column)] for row in range(rows)]
    pairs: dict[int, int] = {}
    taken: dict[int, int] = {}
    for start in range(rows):
        reached: dict[int, int] = {}
        column = _free_column(start, fitting, taken, reached)
        while column is not None:  # each row on the way takes the column that it reached
            row = reached[column]
            taken[column] = row
            left = pairs.get(row)
            pairs[row] = column
            column = left
    return pairs


def _free_column(
    start: int, fitting: Sequence[Sequence[int]], taken: Mapping[int, int], reached: dict[int, int]
) -> int | None:
    """A column for a row, perhaps by the row that has it taking another one, and so on."""
    todo = deque([start])
    while todo:
        row = todo.popleft()
        for column in fitting[row]:
            if column not in reached:
                reached[column] = row
                if column not in taken:
                    return column
                todo.append(taken[column])
    return None


class _Table:
    """Which expected call which call is."""

    def __init__(self, expected: Sequence[Expected], calls: Sequence[Call], how: ArgsMatch) -> None:
        self.expected = expected
        self.calls = calls
        self.how = how
        self.known: dict[tuple[int, int], tuple[Difference, ...]] = {}

    def is_near(self, row: int, at: int) -> bool:
        """Whether the tool is the one expected."""
        return matches(self.calls[at].run.name, self.expected[row].name)

    def agrees(self, row: int, at: int) -> bool:
        return self.is_near(row, at) and not self.differences(row, at)

    def differences(self, row: int, at: int) -> tuple[Difference, ...]:
        if (row, at) not in self.known:
            inputs = self.calls[at].run.inputs
            self.known[row, at] = tuple(differences(self.expected[row].args, inputs, self.how))
        return self.known[row, at]

    def row(self, row: int | None, at: int | None) -> Row:
        if row is None or at is None:
            return Row(row, at)
        return Row(row, at, self.differences(row, at))

    def holds_in_order(self) -> bool:
        return len(self.expected) == len(self.calls) and all(map(self.fits, self.groups()))

    def fits(self, group: Sequence[int]) -> bool:
        """Whether these calls are those expected in the same places, in any order."""
        size = len(group)
        return size == len(match(size, size, lambda row, at: self.agrees(group[row], group[at])))

    def groups(self) -> Iterator[list[int]]:
        """The calls that were asked for at once."""
        for _, group in groupby(range(len(self.calls)), lambda at: self.calls[at].asked):
            yield list(group)

    def align(self, partners: Mapping[int, int]) -> Iterator[Row]:
        """The rows of both sequences in order, with as few differences as there can be.

        Calls that were asked for at once come in the order in which they were expected.
        """
        rows = {at: row for row, at in partners.items()}
        last = len(self.expected)
        seen = [
            at for group in self.groups() for at in sorted(group, key=lambda at: rows.get(at, last))
        ]
        costs = self.costs(seen)
        row = place = 0
        while row < len(self.expected) or place < len(seen):
            cost = costs[row][place]
            if (
                row < len(self.expected)
                and place < len(seen)
                and cost == costs[row + 1][place + 1] + self.cost(row, seen[place])
            ):
                yield self.row(row, seen[place])
                row, place = row + 1, place + 1
            elif row < len(self.expected) and cost == costs[row + 1][place] + 2:
                yield self.row(row, None)
                row += 1
            else:
                yield self.row(None, seen[place])
                place += 1

    def costs(self, seen: Sequence[int]) -> list[list[int]]:
        """What aligning the rest costs, from each expected call and each call on."""
        costs = [[2 * left for left in range(len(seen), -1, -1)]]
        for row in reversed(range(len(self.expected))):
            below = costs[-1]
            line = [below[-1] + 2]
            for place in reversed(range(len(seen))):
                line.append(
                    min(
                        line[-1] + 2,
                        below[place] + 2,
                        below[place + 1] + self.cost(row, seen[place]),
                    )
                )
            costs.append(line[::-1])
        return costs[::-1]

    def cost(self, row: int, at: int) -> int:
        """Less than leaving both alone, unless they are of different tools."""
        if not self.is_near(row, at):
            return 5
        return 3 if self.differences(row, at) else 0


def _difference(name: str | None, expected: Any, seen: Any) -> Iterator[Difference]:
    """Why a value is not the one expected: equal to it, of that class, or such that it holds."""
    if expected is ...:
        return
    try:
        if expected == seen:
            return
        if isinstance(expected, type):
            if not isinstance(seen, expected):
                yield Difference(name, "different")
            return
    except Exception as error:  # what the test expects may compare as it likes
        yield Difference(name, "raised", error)
        return
    if callable(expected):
        yield from _verdict(name, expected, seen)
    else:
        yield Difference(name, "different")


def _verdict(name: str | None, function: Callable[..., object], *args: Any) -> Iterator[Difference]:
    try:
        holds = bool(function(*args))
    except Exception as error:
        yield Difference(name, "raised", error)
    else:
        if not holds:
            yield Difference(name, "untrue", function)
