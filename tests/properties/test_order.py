"""Programs that start threads and tasks, run by schedulers that do it in any order."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count
from random import Random
from typing import Any, NamedTuple

from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_runlog.model.order import Origin, sort_places
from support.places import WrittenPlace

HOME = (1, 0, "")


class Run(NamedTuple):
    """Run something, with a body that runs on the same thread or task."""

    name: str
    inputs: int
    tags: tuple[str, ...]
    body: list[Any]


class Fork(NamedTuple):
    """Run programs at the same time, in tasks, threads or a pool, and perhaps wait for them."""

    kind: str
    programs: list[Any]
    wait: bool


@dataclass(eq=False)
class Spot(WrittenPlace):
    flow: tuple[int, ...] = ()
    """Which thread or task this ran in, and where in its program."""

    def content(self) -> list[tuple[str, Any]]:
        return [("tags", self.tags)]


@dataclass
class Pool:
    name: str
    workers: list[tuple[int, str]]
    """Threads that are free."""


@dataclass
class Flow:
    """A thread or task, as far as it got."""

    steps: Iterator[Any]
    pool: Pool | None
    worker: tuple[int, str] | None
    lane: tuple[int, int, str]
    done: bool = False


@dataclass
class Machine:
    """Runs a program step by step, and lets chance decide who goes next."""

    chance: Random
    copied: bool
    """Whether threads get a copy of the context of what started them."""
    flows: list[Flow] = field(default_factory=list)
    waiting: list[tuple[list[Any], Spot | None, Any, Pool]] = field(default_factory=list)
    roots: list[Spot] = field(default_factory=list)
    numbers: Iterator[int] = field(default_factory=lambda: count(2))
    last: int = 1
    names: Iterator[int] = field(default_factory=lambda: count(2))

    def run(self, program: list[Any]) -> list[Spot]:
        main = Flow(iter(()), None, None, HOME)
        main.steps = self.steps(program, None, [1], main, HOME, "")
        self.flows.append(main)
        while any(not flow.done for flow in self.flows) or self.waiting:
            ready = [flow for flow in self.flows if not flow.done]
            self.begin_jobs()
            flow = self.chance.choice(ready or self.flows)
            if next(flow.steps, "done") == "done" and not flow.done:
                flow.done = True
                if flow.pool is not None and flow.worker is not None:
                    flow.pool.workers.append(flow.worker)
        return self.roots

    def begin_jobs(self) -> None:
        for job in list(self.waiting):
            program, parent, context, pool = job
            if pool.workers:
                self.waiting.remove(job)
                worker = pool.workers.pop(self.chance.randrange(len(pool.workers)))
                lane = (worker[0], 0, "")
                flow = Flow(iter(()), pool, worker, lane)
                flow.steps = self.steps(program, parent, context, flow, lane, worker[1])
                context[1:] = [flow]
                self.flows.append(flow)

    def steps(
        self,
        program: list[Any],
        parent: Spot | None,
        context: list[Any],
        flow: Flow,
        lane: tuple[int, int, str],
        thread: str,
    ) -> Iterator[None]:
        """`context` holds the number of the start that was seen last, or `None`."""
        for place, step in enumerate(program):
            yield
            if isinstance(step, Run):
                self.last = number = next(self.numbers)
                origin = Origin(number, context[0], lane, thread)
                spot = Spot(step.name, step.inputs, step.tags, {}, origin, (id(flow), place))
                (self.roots if parent is None else parent.children).append(spot)
                if context[0] is not None or lane[1] or not thread:
                    context[0] = number
                body = [number if context[0] is not None or lane[1] or not thread else None]
                yield from self.steps(step.body, spot, body, flow, lane, thread)
                yield
                spot.last = self.last
            else:
                yield from self.fork(step, parent, context, flow, lane, thread)

    def fork(
        self,
        step: Fork,
        parent: Spot | None,
        context: list[Any],
        flow: Flow,
        lane: tuple[int, int, str],
        thread: str,
    ) -> Iterator[None]:
        started: list[list[Any]] = []
        pool = flow.pool
        if step.kind == "pool" or (step.kind == "own pool" and pool is None):
            name = f"pool-{next(self.names)}"
            pool = Pool(name, [(next(self.names), f"{name}_{number}") for number in range(2)])
        for program in step.programs:
            copy = [context[0] if self.copied or step.kind == "tasks" else None]
            started.append(copy)
            if step.kind in ("pool", "own pool") and pool is not None:
                self.waiting.append((program, parent, copy, pool))
                continue
            number = next(self.names)
            new = Flow(iter(()), None, None, lane)
            if step.kind == "tasks":
                new.lane, name = (lane[0], number, f"Task-{number}"), thread
            else:
                new.lane, name = (number, 0, ""), f"Thread-{number}"
            new.steps = self.steps(program, parent, copy, new, new.lane, name)
            copy[1:] = [new]
            self.flows.append(new)
        own = step.kind == "own pool" and pool is flow.pool
        while step.wait and not own and not all(len(c) > 1 and c[1].done for c in started):
            yield
        while not lane[1] and any(self.tasks_on(lane[0])):
            yield  # an event loop runs until its tasks have ended

    def tasks_on(self, thread: int) -> Iterator[Flow]:
        return (
            flow for flow in self.flows if flow.lane[0] == thread and flow.lane[1] and not flow.done
        )


names = st.sampled_from("abc")
tags = st.sampled_from([(), (), (), ("seq:step:1",), ("seq:step:2",), ("map:key:a",), ("mine",)])
kinds = st.sampled_from(["tasks", "threads", "pool", "own pool"])


def programs(depth: int) -> st.SearchStrategy[list[Any]]:
    if depth == 0:
        return st.just([])
    inner = st.deferred(lambda: programs(depth - 1))
    run = st.builds(Run, names, st.integers(0, 1), tags, inner)
    fork = st.builds(Fork, kinds, st.lists(inner, min_size=1, max_size=3), st.booleans())
    return st.lists(st.one_of(run, run, fork), max_size=3)


def text(value: Any, path: str = "") -> str:
    return json.dumps(value)


def shown(places: list[Spot]) -> Any:
    return [[place.name, place.inputs, place.tags, shown(place.children)] for place in places]


def run(program: list[Any], seed: int, *, copied: bool) -> list[Spot]:
    return Machine(Random(seed), copied).run(program)  # noqa: S311 (no cryptography)


def ordered(places: list[Spot]) -> list[Spot]:
    return sort_places(places, HOME, text)


seeds = st.integers(0, 2**32)


@settings(deadline=None)
@given(programs(4), seeds, seeds, st.booleans())
def test_whoever_goes_first_the_order_is_the_same(
    program: list[Any], one: int, other: int, copied: bool
) -> None:
    first = shown(ordered(run(program, one, copied=copied)))

    assert shown(ordered(run(program, other, copied=copied))) == first


@settings(deadline=None)
@given(programs(4), seeds, st.randoms())
def test_the_order_in_which_runs_are_given_does_not_matter(
    program: list[Any], seed: int, random: Random
) -> None:
    first = shown(ordered(run(program, seed, copied=True)))
    places = run(program, seed, copied=True)
    shuffle(places, random)

    assert shown(ordered(places)) == first


def shuffle(places: list[Spot], random: Random) -> None:
    random.shuffle(places)
    for place in places:
        shuffle(place.children, random)


@settings(deadline=None)
@given(programs(4), seeds)
def test_sorting_again_changes_nothing(program: list[Any], seed: int) -> None:
    places = ordered(run(program, seed, copied=True))
    first = identities(places)

    assert identities(ordered(places)) == first


def identities(places: list[Spot]) -> Any:
    return [[id(place), identities(place.children)] for place in places]


@settings(deadline=None)
@given(programs(4), seeds)
def test_no_run_is_lost_or_doubled(program: list[Any], seed: int) -> None:
    places = run(program, seed, copied=True)
    before = sorted(all_ids(places))

    assert sorted(all_ids(ordered(places))) == before


def all_ids(places: list[Spot]) -> list[int]:
    return [one for place in places for one in [id(place), *all_ids(place.children)]]


@settings(deadline=None)
@given(programs(3), seeds)
def test_each_thread_and_task_keeps_the_order_of_what_it_ran(program: list[Any], seed: int) -> None:
    for siblings in families(ordered(run(untagged(program), seed, copied=True))):
        for flow in {place.flow[0] for place in siblings}:
            own = [place.flow[1] for place in siblings if place.flow[0] == flow]
            assert own == sorted(own)


def untagged(program: list[Any]) -> list[Any]:
    """The program without tags, which order by themselves, and without jobs for busy pools."""
    return [
        step._replace(tags=(), body=untagged(step.body))
        if isinstance(step, Run)
        else step._replace(
            kind="pool" if step.kind == "own pool" else step.kind,
            programs=[untagged(inner) for inner in step.programs],
        )
        for step in program
    ]


def families(places: list[Spot]) -> Iterator[list[Spot]]:
    yield places
    for place in places:
        yield from families(place.children)
