"""Where errors arose, and which of them something handled."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pytest_runlog.model.errors import arising, recovered
from support.tape import Tape

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_runlog.model.runs import Runs


def test_without_errors_there_are_none() -> None:
    tape = Tape()
    tape.end(tape.start())

    assert arising(tape.runs()) == []
    assert recovered(tape.runs()) == []


def test_an_error_that_climbs_counts_once_where_it_began() -> None:
    error = ValueError("no")
    tape = Tape()
    root = tape.start("root")
    middle = tape.start("middle", under=root)
    bottom = tape.start("bottom", under=middle)
    for run in (bottom, middle, root):
        tape.fail(run, error)

    assert arising(tape.runs()).names == ["bottom"]


def test_an_equal_but_different_exception_is_an_error_of_its_own() -> None:
    tape = Tape()
    root = tape.start("root")
    child = tape.start("child", under=root)
    tape.fail(child, ValueError("no"))
    tape.fail(root, ValueError("no"))

    assert arising(tape.runs()).names == ["root", "child"]


def test_an_exception_raised_in_two_children_arose_in_both() -> None:
    error = ValueError("the same object, as a Mock raises it")
    tape = Tape()
    root = tape.start("root")
    for name in ("a", "b"):
        tape.fail(tape.start(name, under=root), error)
    tape.fail(root, error)

    assert arising(tape.runs()).names == ["a", "b"]


def streamed() -> Runs:
    error = ValueError("broken")
    tape = Tape()
    root = tape.start("root", at=0)
    model = tape.start("model", under=root, tags=["seq:step:1"], at=1)
    parser = tape.start("parser", under=root, tags=["seq:step:2"], at=2)
    tape.fail(model, error, at=3)
    tape.fail(parser, error, at=4)
    tape.fail(root, error, at=5)
    return tape.runs()


def test_a_step_that_reads_the_stream_of_one_that_fails_has_no_error_of_its_own() -> None:
    assert arising(streamed()).names == ["model"]


def test_a_step_that_begins_after_another_failed_has_an_error_of_its_own() -> None:
    error = ValueError("the same object")
    tape = Tape()
    root = tape.start("root")
    first = tape.start("first", under=root, tags=["seq:step:1"])
    tape.fail(first, error)
    second = tape.start("second", under=root, tags=["seq:step:2"])
    tape.fail(second, error)

    assert arising(tape.runs()).names == ["first", "second"]


def test_fallbacks_beside_what_they_tried_have_no_error_of_their_own() -> None:
    first, second = ValueError("first"), ValueError("second")
    tape = Tape()
    root = tape.start("root")
    fallbacks = tape.start("fallbacks", under=root, tags=["seq:step:1"])
    for error in (first, second):
        tape.fail(tape.start(str(error), under=root, tags=["seq:step:1"]), error)
    tape.fail(fallbacks, first)
    tape.fail(root, first)

    assert arising(tape.runs()).names == ["first", "second"]
    assert recovered(tape.runs()).names == ["second"]


def test_an_interrupt_is_no_error() -> None:
    tape = Tape()
    tape.fail(tape.start(), GeneratorExit())

    assert arising(tape.runs()) == []


def test_an_unfinished_run_is_no_error() -> None:
    tape = Tape()
    tape.start()

    assert arising(tape.runs()) == []


# --- Recovered ---------------------------------------------------------------------------


def handled(caught: BaseException, raised: BaseException | None) -> Runs:
    """The runs of a root that catches an exception of its child, and ends with another."""
    tape = Tape()
    root = tape.start("root")
    tape.fail(tape.start("child", under=root), caught)
    if raised is None:
        tape.end(root, "well")
    else:
        tape.fail(root, raised)
    return tape.runs()


def test_an_error_below_a_root_that_ends_well_is_recovered() -> None:
    assert recovered(handled(ValueError(), None)).names == ["child"]


def test_an_error_that_its_root_ends_with_is_not_recovered() -> None:
    error = ValueError()

    assert recovered(handled(error, error)) == []


def test_an_error_is_recovered_when_its_root_ends_with_another_one() -> None:
    assert recovered(handled(ValueError(), KeyError())).names == ["child"]


def raising(handle: Callable[[ValueError], None]) -> tuple[ValueError, BaseException]:
    """An exception, and the one that its handler raises."""

    def fail() -> None:
        raise caught

    def chain() -> None:
        try:
            fail()
        except ValueError as error:
            handle(error)

    caught = ValueError()
    with pytest.raises(KeyError) as raised:
        chain()
    return caught, raised.value


def test_an_error_that_another_was_raised_from_is_not_recovered() -> None:
    def wrap(error: ValueError) -> None:
        raise KeyError from error

    runs = handled(*raising(wrap))

    assert recovered(runs) == []
    assert arising(runs).names == ["root", "child"]


def test_an_error_whose_handling_failed_is_not_recovered() -> None:
    def stumble(error: ValueError) -> None:
        raise KeyError

    assert recovered(handled(*raising(stumble))) == []


def test_an_error_that_was_replaced_on_purpose_is_recovered() -> None:
    def replace(error: ValueError) -> None:
        raise KeyError from None

    assert recovered(handled(*raising(replace))).names == ["child"]


def test_a_member_of_a_group_that_a_root_ends_with_is_not_recovered() -> None:
    class Group(Exception):  # ExceptionGroup is there from Python 3.11 on
        def __init__(self, exceptions: list[Exception]) -> None:
            super().__init__("several")
            self.exceptions = tuple(exceptions)

    member = ValueError()

    assert recovered(handled(member, Group([KeyError(), member]))) == []


def test_causes_that_go_in_a_circle_are_followed_once() -> None:
    first, second = ValueError(), KeyError()
    first.__cause__, second.__cause__ = second, first

    assert recovered(handled(first, second)) == []


def test_one_root_that_recovers_does_not_hide_another_that_fails() -> None:
    tape = Tape()
    good = tape.start("good")
    tape.fail(tape.start("retried", under=good), ValueError())
    tape.end(good)
    tape.fail(tape.start("bad"), ValueError())

    assert arising(tape.runs()).names == ["retried", "bad"]
    assert recovered(tape.runs()).names == ["retried"]
