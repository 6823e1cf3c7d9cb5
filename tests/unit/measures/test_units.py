from __future__ import annotations

import pytest

from pytest_runlog.measures.units import count_text, seconds_text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 us"),
        (0.000_000_4, "0 us"),
        (0.000_83, "830 us"),
        (0.000_999_4, "999 us"),
        (0.000_999_6, "1.0 ms"),
        (0.001_24, "1.2 ms"),
        (0.099_94, "99.9 ms"),
        (0.099_96, "100.0 ms"),
        (0.1, "100 ms"),
        (0.999_4, "999 ms"),
        (0.999_96, "1.00 s"),
        (3.456, "3.46 s"),
        (119.99, "119.99 s"),
        (120, "2 min 0 s"),
        (125.4, "2 min 5 s"),
        (179.6, "3 min 0 s"),
        (7_205, "120 min 5 s"),
    ],
)
def test_seconds_have_the_unit_that_a_person_would_choose(seconds: float, text: str) -> None:
    assert seconds_text(seconds) == text


@pytest.mark.parametrize(
    ("count", "text"), [(0, "0 runs"), (1, "1 run"), (2, "2 runs"), (12_345, "12,345 runs")]
)
def test_counts_agree_with_their_noun(count: int, text: str) -> None:
    assert count_text(count, "run") == text


def test_a_plural_can_be_irregular() -> None:
    assert count_text(2, "retry", "retries") == "2 retries"
    assert count_text(1, "retry", "retries") == "1 retry"
