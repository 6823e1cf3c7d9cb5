from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any

import pytest

from pytest_runlog.model.order import Origin, sort_places, structure_of
from support.places import WrittenPlace

HOME = (1, 0, "")
UNKNOWN = object()
Lane = tuple[int, int, str]


@dataclass(eq=False)
class Spot(WrittenPlace):
    seen: Any = None

    def content(self) -> list[tuple[str, Any]]:
        return [("output", self.seen)]


class Starts:
    """Starts of runs, numbered as they are made."""

    def __init__(self) -> None:
        self.numbers = count(1)
        self.roots: list[Spot] = []

    def start(
        self,
        name: str,
        inputs: Any = None,
        *,
        under: Spot | None = None,
        after: Any = UNKNOWN,
        lane: Lane = HOME,
        thread: str = "",
        tags: Sequence[str] = (),
        metadata: dict[str, Any] | None = None,
        seen: Any = None,
    ) -> Spot:
        """A run below another; `after` is the one that its context saw start last."""
        previous = None if after is UNKNOWN else after.origin.number
        origin = Origin(next(self.numbers), previous, lane, thread)
        spot = Spot(name, inputs, tags, metadata or {}, origin, seen)
        (self.roots if under is None else under.children).append(spot)
        return spot

    def end(self, spot: Spot) -> None:
        spot.last = next(self.numbers)


@pytest.fixture
def starts() -> Starts:
    return Starts()


def names(places: Sequence[Spot]) -> list[str]:
    """Names of the places, and of what is below them, depth-first."""
    return [name for place in places for name in [place.name, *names(place.children)]]


def text(value: Any, path: str = "") -> str:
    return json.dumps(value)


def ordered(starts: Starts) -> list[str]:
    return names(sort_places(starts.roots, HOME, text))


def task(number: int) -> Lane:
    return (1, number, f"Task-{number}")


# --- What came first -----------------------------------------------------------------------


def test_roots_on_the_thread_of_the_recorder_keep_their_order(starts: Starts) -> None:
    for name in "cab":
        starts.start(name)

    assert ordered(starts) == ["c", "a", "b"]


def test_children_on_the_thread_of_their_parent_keep_their_order(starts: Starts) -> None:
    parent = starts.start("parent", lane=(7, 0, ""), thread="worker_1")
    for name in "cab":
        starts.start(name, under=parent, lane=(7, 0, ""), thread="worker_1")

    assert ordered(starts) == ["parent", "c", "a", "b"]


def test_runs_of_one_task_keep_their_order(starts: Starts) -> None:
    parent = before = starts.start("parent")
    for name in "cab":
        before = starts.start(name, under=parent, after=before, lane=task(1))

    assert ordered(starts) == ["parent", "c", "a", "b"]


def test_what_was_forked_stands_after_what_its_context_saw(starts: Starts) -> None:
    parent = starts.start("parent")
    first = starts.start("z first", under=parent, after=parent)
    inner = starts.start("inner", under=first, after=first)
    last = starts.start("last", under=parent, after=inner)
    starts.start("b", under=parent, after=inner, lane=task(1))
    starts.start("a", under=parent, after=first, lane=task(2))
    starts.start("end", under=parent, after=last, lane=task(3))

    assert ordered(starts) == ["parent", "z first", "inner", "a", "b", "last", "end"]


def test_what_a_fork_goes_on_with_stands_after_the_fork(starts: Starts) -> None:
    parent = starts.start("parent")
    b = starts.start("b", under=parent, after=parent, lane=task(1))
    a = starts.start("a", under=parent, after=parent, lane=task(2))
    starts.start("b's next", under=parent, after=b, lane=task(1))
    starts.start("a's fork", under=parent, after=a, lane=task(3))
    starts.start("a's next", under=parent, after=a, lane=task(2))

    assert ordered(starts) == ["parent", "a", "a's fork", "a's next", "b", "b's next"]


def test_a_task_whose_context_is_unknown_stands_after_what_its_thread_did_before(
    starts: Starts,
) -> None:
    starts.start("z")
    starts.start("task", lane=task(1))
    starts.start("y")

    assert ordered(starts) == ["z", "task", "y"]


def test_runs_of_which_only_the_parent_is_known_come_first(starts: Starts) -> None:
    parent = starts.start("parent")
    starts.start("a", under=parent)
    starts.start("job", under=parent, lane=(2, 0, ""), thread="Thread-1")

    assert ordered(starts) == ["parent", "job", "a"]


def test_roots_of_which_nothing_is_known_come_last(starts: Starts) -> None:
    starts.start("b", lane=(2, 0, ""), thread="worker_0")
    starts.start("a", lane=(3, 9, "Task-9"), thread="worker_1")
    starts.start("z")

    assert ordered(starts) == ["z", "a", "b"]


def test_a_run_whose_start_was_not_reported_comes_last(starts: Starts) -> None:
    parent = starts.start("parent")
    parent.children.append(Spot("a", None, [], {}, None))
    starts.start("z", under=parent)

    assert ordered(starts) == ["parent", "z", "a"]


@pytest.mark.parametrize("worker", ["pool_0", "pool_1"])
def test_a_job_that_a_job_hands_to_its_pool_stands_where_any_worker_would_put_it(
    worker: str, starts: Starts
) -> None:
    lanes = {"pool_0": (2, 0, ""), "pool_1": (3, 0, "")}
    parent = starts.start("parent")
    job = starts.start("job", under=parent, after=parent, lane=lanes["pool_0"], thread="pool_0")
    starts.start("c", under=parent, after=job, lane=lanes["pool_0"], thread="pool_0")
    starts.start("b", under=parent, after=job, lane=lanes[worker], thread=worker)
    starts.start("d", under=parent, after=job, lane=lanes["pool_1"], thread="pool_1")

    assert ordered(starts) == ["parent", "job", "b", "c", "d"]


@pytest.mark.parametrize("worker", ["pool_0", "pool_1"])
def test_a_job_that_outlives_its_parent_stands_where_any_worker_would_put_it(
    worker: str, starts: Starts
) -> None:
    lanes = {"pool_0": (2, 0, ""), "pool_1": (3, 0, "")}
    parent = starts.start("parent", lane=lanes["pool_0"], thread="pool_0")
    for name in "zy":
        starts.start(name, under=parent, lane=lanes["pool_0"], thread="pool_0")
    starts.end(parent)
    starts.start("late", under=parent, after=parent, lane=lanes[worker], thread=worker)

    assert ordered(starts) == ["parent", "late", "z", "y"]


def test_what_fallbacks_try_keeps_its_order_on_any_task(starts: Starts) -> None:
    parent = starts.start("RunnableWithFallbacks")
    for number, name in enumerate("cab"):
        starts.start(name, under=parent, after=parent, lane=task(number + 1))

    assert ordered(starts) == ["RunnableWithFallbacks", "c", "a", "b"]


# --- Structure -----------------------------------------------------------------------------


def forks(starts: Starts, *tags: str, **more: Any) -> list[str]:
    """The order of concurrent runs that are named like their tag."""
    parent = starts.start("parent")
    for number, tag in enumerate(tags):
        starts.start(tag, under=parent, after=parent, lane=task(number + 1), tags=[tag], **more)
    return ordered(starts)[1:]


@pytest.mark.parametrize(
    "tags",
    [
        ["seq:step:1", "seq:step:2", "seq:step:10"],
        ["graph:step:-1", "graph:step:0", "graph:step:2"],
        ["retry:attempt:2", "retry:attempt:3"],
        ["map:key:", "map:key:\n", "map:key:10", "map:key:9", "map:key:a", "map:key:map:key:a"],
        ["condition:1", "condition:2", "branch:2"],
        ["condition:1", "branch:default"],
    ],
)
def test_tags_of_langchain_order_concurrent_runs(tags: list[str], starts: Starts) -> None:
    assert forks(starts, *reversed(tags)) == tags


def test_a_run_with_no_tag_comes_before_those_with_one(starts: Starts) -> None:
    assert forks(starts, "seq:step:1", "a tag") == ["a tag", "seq:step:1"]


def test_the_first_attempt_of_a_retry_has_no_tag(starts: Starts) -> None:
    parent = starts.start("retry")
    for attempt in (3, 2):
        tags = [f"retry:attempt:{attempt}"]
        starts.start(f"{attempt}", under=parent, after=parent, lane=task(attempt), tags=tags)
    starts.start("1", under=parent, after=parent).attempt = 1

    assert ordered(starts) == ["retry", "1", "2", "3"]


def test_tagged_runs_on_the_thread_of_their_parent_are_ordered_by_tag(starts: Starts) -> None:
    parent = starts.start("parent")
    for number in (3, 1, 2):
        tags = [f"seq:step:{number}"]
        starts.start(f"{number}", under=parent, after=parent, tags=tags)

    assert ordered(starts) == ["parent", "1", "2", "3"]


def test_a_tag_that_all_siblings_have_does_not_part_them_from_their_thread(starts: Starts) -> None:
    parent = before = starts.start("parent")
    for name in "cab":
        before = starts.start(name, under=parent, after=before, tags=["branch:1"])

    assert ordered(starts) == ["parent", "c", "a", "b"]


@pytest.mark.parametrize("tag", ["branch:main", "seq:step:", "seq:step:x", "my seq:step:1"])
def test_tags_that_langchain_would_not_give_tell_nothing(tag: str) -> None:
    assert structure_of(WrittenPlace("a", None, [tag], {}, None)) == ()


def test_nodes_are_ordered_by_step_path_and_name(starts: Starts) -> None:
    paths: list[tuple[int, tuple[Any, ...], str]] = [
        (1, ("__pregel_pull", "a"), "a"),
        (1, ("__pregel_pull", "b"), "b"),
        (1, ("__pregel_push", 2, False), "a"),
        (1, ("__pregel_push", 10, False), "a"),
        (2, ("__pregel_pull", "a"), "a"),
        (2, ("__pregel_push", ("__pregel_pull", "a"), 9, True), "a"),
        (2, ("__pregel_push", ("__pregel_pull", "a"), 10, True), "a"),
    ]
    parent = starts.start("graph")
    for number, (step, path, node) in reversed(list(enumerate(paths))):
        starts.start(
            str(number),
            under=parent,
            after=parent,
            lane=task(number + 1),
            tags=[f"graph:step:{step}"],
            metadata={"langgraph_path": path, "langgraph_node": node},
        )

    assert ordered(starts) == ["graph", *map(str, range(len(paths)))]


def test_metadata_that_is_inherited_from_a_node_orders_nothing(starts: Starts) -> None:
    parent = starts.start("node")
    for number, name in enumerate("ba"):
        metadata = {"langgraph_path": ("__pregel_pull", 5 - number), "langgraph_node": "node"}
        lane = task(number + 1)
        starts.start(name, under=parent, after=parent, lane=lane, metadata=metadata)

    assert ordered(starts) == ["node", "a", "b"]


# --- Names, inputs, and the rest -----------------------------------------------------------


def test_concurrent_runs_are_ordered_by_name_then_by_inputs(starts: Starts) -> None:
    parent = starts.start("parent")
    for number, (name, inputs) in enumerate([("b", "1"), ("a", "3"), ("a", "2")]):
        starts.start(name, inputs, under=parent, after=parent, lane=task(number + 1))

    children = sort_places(starts.roots, HOME, text)[0].children
    assert [(child.name, child.inputs) for child in children] == [
        ("a", "2"),
        ("a", "3"),
        ("b", "1"),
    ]


def test_the_place_in_the_list_that_the_parent_was_given_comes_before_the_name(
    starts: Starts,
) -> None:
    parent = starts.start("parent", ["z", "y", "x", "y"])
    for number, (name, inputs) in enumerate([("a", "x"), ("b", "y"), ("c", "z"), ("a", "no")]):
        starts.start(name, inputs, under=parent, after=parent, lane=task(number + 1))

    children = sort_places(starts.roots, HOME, text)[0].children
    assert [child.inputs for child in children] == ["z", "y", "x", "no"]


def test_runs_with_equal_inputs_are_ordered_by_what_else_can_be_seen(starts: Starts) -> None:
    for number, seen in enumerate([3, 1, 2]):
        starts.start("a", lane=(2, 0, ""), thread=f"worker_{number}", seen=seen)

    assert [place.seen for place in sort_places(starts.roots, HOME, text)] == [1, 2, 3]


def test_equal_runs_are_ordered_by_what_is_under_them(starts: Starts) -> None:
    for number, inner in enumerate("cab"):
        root = starts.start("root", lane=(2, 0, ""), thread=f"worker_{number}")
        child = starts.start("child", under=root, lane=(2, 0, ""), thread=f"worker_{number}")
        starts.start(inner, under=child, lane=(2, 0, ""), thread=f"worker_{number}")

    first = ordered(starts)
    starts.roots.reverse()
    assert ordered(starts) == first


def test_equal_runs_are_ordered_by_what_followed_them(starts: Starts) -> None:
    parent = starts.start("parent")
    for number, last in enumerate("cab"):
        lane = task(number + 1)
        first = starts.start("first", under=parent, after=parent, lane=lane)
        starts.start(last, under=parent, after=first, lane=lane)

    assert ordered(starts) == ["parent", "first", "a", "first", "b", "first", "c"]


def test_sorting_again_changes_nothing(starts: Starts) -> None:
    parent = starts.start("parent")
    for number, name in enumerate("cab"):
        starts.start(name, under=parent, after=parent, lane=task(number + 1))

    starts.roots = sort_places(starts.roots, HOME, text)
    first = names(starts.roots)
    assert ordered(starts) == first


# --- Cost ----------------------------------------------------------------------------------


class Counted:
    """Text of values that counts how often it is asked for, and how long it is."""

    def __init__(self) -> None:
        self.calls = 0
        self.length = 0

    def __call__(self, value: Any, path: str = "") -> str:
        shown = text(value)
        self.calls += 1
        self.length += len(shown)
        return shown


COUNT = 10_000


def pool(starts: Starts, parent: Spot, number: int, inputs: Any) -> Spot:
    thread = number % 4
    return starts.start(
        "x", inputs, under=parent, after=parent, lane=(thread + 2, 0, ""), thread=f"pool_{thread}"
    )


def wide_and_different(starts: Starts) -> None:
    parent = starts.start("x", list(range(COUNT)))
    for number in range(COUNT):
        pool(starts, parent, number, number)


def wide_and_equal(starts: Starts) -> None:
    parent = starts.start("x", [0] * COUNT)
    for number in range(COUNT):
        pool(starts, parent, number, 0)


def wide_in_line(starts: Starts) -> None:
    parent = starts.start("x")
    for _ in range(COUNT):
        starts.start("x", under=parent)


def wide_in_a_task(starts: Starts) -> None:
    parent = before = starts.start("x")
    for _ in range(COUNT):
        before = starts.start("x", under=parent, after=before, lane=task(1))


def task_after_task(starts: Starts) -> None:
    parent = before = starts.start("x")
    for number in range(COUNT):
        before = starts.start("x", under=parent, after=before, lane=task(number + 1))


def deep(starts: Starts) -> None:
    below = starts.start("x")
    for _ in range(COUNT):
        below = starts.start("x", under=below, after=below)


def deep_with_equal_siblings(starts: Starts) -> None:
    below = starts.start("x")
    for number in range(COUNT // 2):
        starts.start("x", under=below, after=below, lane=task(2 * number + 1))
        below = starts.start("x", under=below, after=below, lane=task(2 * number + 2))


def deep_and_back(starts: Starts) -> None:
    spots = [starts.start("x")]
    for _ in range(COUNT // 2):
        spots.append(starts.start("x", under=spots[-1], after=spots[-1], lane=task(1)))
    before = spots[-1]
    for spot in reversed(spots[:-1]):
        before = starts.start("x", under=spot, after=before, lane=task(1))


@pytest.mark.parametrize(
    "build",
    [
        wide_and_different,
        wide_and_equal,
        wide_in_line,
        wide_in_a_task,
        task_after_task,
        deep,
        deep_with_equal_siblings,
        deep_and_back,
    ],
    ids=lambda build: build.__name__,
)
def test_ten_thousand_runs_ask_for_a_few_short_texts_each(build: Any, starts: Starts) -> None:
    build(starts)
    counted = Counted()

    places = sort_places(starts.roots, HOME, counted)

    assert len(places) == 1
    assert counted.calls <= 9 * COUNT
    assert counted.length <= 75 * COUNT


def test_runs_in_line_ask_for_no_text(starts: Starts) -> None:
    wide_in_line(starts)
    counted = Counted()

    sort_places(starts.roots, HOME, counted)

    assert counted.calls == 0
