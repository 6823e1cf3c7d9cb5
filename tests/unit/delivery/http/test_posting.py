"""What is sent again, in which requests; how it goes over HTTP is in `test_http.py`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from pytest_runlog.delivery.http import posting
from pytest_runlog.delivery.http.posting import Answer, Broke, Deadline, deliver
from support.records import metric

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_runlog.infino.payloads import Kind

RECORDS = [metric(float(n), f"{n}") for n in range(2_500)]
"""Three requests."""


class Route:
    """A route whose answers a function gives, by the number of entries of a request."""

    where = "the server"

    def __init__(self, answer: Callable[[int], Answer]) -> None:
        self.answer = answer
        self.numbers: list[int] = []
        """Of the entries of each request."""
        self.accepted: list[float] = []

    def post(self, kind: Kind, bodies: list[dict[str, Any]]) -> Answer:
        self.numbers.append(len(bodies))
        answer = self.answer(len(bodies))
        if answer.status == 200:
            self.accepted += [body["latency"] for body in bodies]
        return answer

    def explain_missing(self, kind: Kind, status: int) -> str:
        raise NotImplementedError


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(posting, "PAUSES", (0.0,) * 3)


def sent(route: Route) -> list[int]:
    deliver(RECORDS, route, Deadline.after(60))
    assert route.accepted == [record.value for record in RECORDS]
    return route.numbers


def test_each_request_has_its_own_tries() -> None:
    answers = iter([*[Answer(500)] * 3, Answer(200)] * 3)

    assert sent(Route(lambda number: next(answers))) == [1_000] * 8 + [500] * 4


def test_after_a_broken_connection_half_as_much_is_sent_until_that_arrives() -> None:
    def answer(number: int) -> Answer:
        if number > 600:
            raise Broke("it broke")
        return Answer(200)

    assert sent(Route(answer)) == [1_000, 500, 1_000, 500, 1_000, 500, 1_000, 500, 500]


def test_what_a_server_takes_in_one_request_is_remembered() -> None:
    numbers = sent(Route(lambda number: Answer(200 if number <= 600 else 413)))

    assert numbers[0] == 1_000
    assert max(numbers[1:]) <= 600
    assert sum(numbers[1:]) == len(RECORDS)
