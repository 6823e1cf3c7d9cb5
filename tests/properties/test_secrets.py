"""Secrets in random places are in no message that an assertion or a comparison gives."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from pytest_runlog import RunLogCapture
from pytest_runlog.explain.comparisons import explain_comparison
from support.secrets import Planted, planted

Check = Callable[[RunLogCapture, str], object]

TOOL = "lookup"


def other(secret: str) -> dict[str, Any]:
    """Arguments that nobody gave, with the secret in all of them."""
    return {
        "query": f"with {secret}",
        "password": secret,
        "options": {"access_token": f"{secret}?"},
        "limit": lambda limit: limit[secret],
        secret: 1,
    }


ASSERTIONS: dict[str, Check] = {
    "one by name": lambda log, secret: log.one(secret),
    "one by path": lambda log, secret: log.one(path=f"*{secret}*", tag=secret),
    "one under a run": lambda log, secret: log.one("*", under=log.root),
    "ran": lambda log, secret: log.assert_ran(secret, "lookp"),
    "not ran": lambda log, secret: log.assert_not_ran("*", secret),
    "order": lambda log, secret: log.assert_order("FakeChat", ..., secret),
    "order of runs": lambda log, secret: log.assert_order("FakeChat", ..., "desk*"),
    "overlapped": lambda log, secret: log.assert_overlapped("FakeChat", "desk*"),
    "overlapped by name": lambda log, secret: log.assert_overlapped("FakeChat", secret),
    "error": lambda log, secret: log.assert_error(KeyError, match=f"{secret[:3]}.*", name="*"),
    "error by name": lambda log, secret: log.assert_error(KeyError, name=secret),
    "retried": lambda log, secret: log.assert_retried("*", times=99),
    "fell back": lambda log, secret: log.assert_fell_back(to=secret),
    "streamed": lambda log, secret: log.assert_streamed("desk*", min_chunks=99),
    "added up": lambda log, secret: log.assert_streamed("*", min_chunks=1, ttft=0),
    "called": lambda log, secret: log.assert_called(TOOL, other(secret)),
    "called by name": lambda log, secret: log.assert_called(secret),
    "called by a function": lambda log, secret: log.assert_called(TOOL, lambda args: args[secret]),
    "called so often": lambda log, secret: log.assert_called(TOOL, times=99),
    "trajectory": lambda log, secret: log.assert_trajectory([(TOOL, other(secret)), (secret, {})]),
    "no trajectory": lambda log, secret: log.assert_trajectory([]),
    "trajectory under": lambda log, secret: log.assert_trajectory([], under=secret),
    "subset": lambda log, secret: log.assert_trajectory([secret], mode="subset"),
    "always": lambda log, secret: log.assert_always(lambda state: secret in state),
    "budget": lambda log, secret: log.assert_budget("runs <= 0", "errors[name='x*'] >= 1"),
}


def message_of(check: Check, log: RunLogCapture, secret: str) -> str:
    try:
        check(log, secret)
    except AssertionError as error:
        return str(error)
    raise ValueError("it holds")


@given(planted, st.sampled_from(sorted(ASSERTIONS)))
def test_no_message_of_an_assertion_has_the_secret(plant: Planted, name: str) -> None:
    with plant.recorded() as log:
        message = message_of(ASSERTIONS[name], log, plant.secret)

    assert not plant.shown_in(message)


@given(planted)
def test_no_explanation_of_a_comparison_has_the_secret(plant: Planted) -> None:
    secret = plant.secret
    with plant.recorded() as log:
        comparisons: list[tuple[object, str, object]] = [
            (log.names, "==", [secret, "x"]),
            ([f"desk {secret}"], "==", log.names),
            (secret, "in", log.names),
            (log.root.name, "not in", log.names),
            (secret, "in", log.runs),
            (log.runs, "==", []),
            (log.runs, "==", [secret]),
            (log.runs, "==", list(log.tools)),
            (log.runs[0], "==", log.runs[1]),
            (log.runs[2], "==", log.runs[3]),
        ]
        explanations = [
            explain_comparison(op, left, right, [log]) for left, op, right in comparisons
        ]

    assert None not in explanations
    assert not plant.shown_in("\n".join(line for each in explanations for line in each or ()))
