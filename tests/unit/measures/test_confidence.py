from __future__ import annotations

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_runlog.measures.confidence import median_interval, rounds_needed


@pytest.mark.parametrize(
    ("size", "low", "high", "coverage"),
    [  # Conover, table A3; Hahn and Meeker, table A.15
        (6, 1, 6, 0.9688),
        (8, 1, 8, 0.9922),
        (10, 2, 9, 0.9785),
        (15, 4, 12, 0.9648),
        (20, 6, 15, 0.9586),
        (100, 40, 61, 0.9648),
    ],
)
def test_the_interval_lies_between_the_published_order_statistics(
    size: int, low: int, high: int, coverage: float
) -> None:
    interval = median_interval([float(rank) for rank in range(size, 0, -1)])

    assert (interval.low, interval.high) == (low, high)
    assert interval.coverage == pytest.approx(coverage, abs=5e-5)


@pytest.mark.parametrize("size", [6, 7, 9])
def test_it_covers_the_median_as_often_as_it_says(size: int) -> None:
    """Every value is as likely below the median as above it: count all such samples."""
    samples = list(product((-1.0, 1.0), repeat=size))
    intervals = [median_interval(sample) for sample in samples]

    covering = sum(interval.low < 0 < interval.high for interval in intervals)

    assert covering / len(samples) == intervals[0].coverage >= 0.95


@pytest.mark.parametrize(
    ("confidence", "needed"), [(0.5, 2), (0.9, 5), (0.95, 6), (0.99, 8), (0.999, 11)]
)
def test_a_confidence_needs_a_number_of_values(confidence: float, needed: int) -> None:
    assert rounds_needed(confidence) == needed
    assert median_interval([1.0] * needed, confidence).coverage >= confidence
    with pytest.raises(ValueError, match=f"needs at least {needed} values, not {needed - 1}"):
        median_interval([1.0] * (needed - 1), confidence)


@pytest.mark.parametrize("confidence", [0, 1, -0.5, 95])
def test_a_confidence_lies_between_0_and_1(confidence: float) -> None:
    with pytest.raises(ValueError, match="a confidence lies between 0 and 1"):
        rounds_needed(confidence)


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=6, max_size=2000))
def test_the_median_lies_in_it_and_enough_is_covered(sample: list[float]) -> None:
    interval = median_interval(sample)
    middle = sorted(sample)[len(sample) // 2]

    assert interval.low <= middle <= interval.high
    assert 0.95 <= interval.coverage <= 1
