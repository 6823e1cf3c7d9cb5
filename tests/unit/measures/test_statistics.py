from __future__ import annotations

from statistics import median, quantiles

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_runlog.measures.statistics import percentile

SAMPLES = st.lists(st.floats(0, 1e6), min_size=2, max_size=50)


@pytest.mark.parametrize(
    ("percent", "value"), [(0, 1.0), (25, 1.75), (50, 2.5), (95, 3.85), (100, 4.0)]
)
def test_it_interpolates_between_the_neighbours(percent: float, value: float) -> None:
    assert percentile([4.0, 1.0, 3.0, 2.0], percent) == pytest.approx(value)


@pytest.mark.parametrize("percent", [0, 50, 99, 100])
def test_of_one_value_it_is_that_value(percent: float) -> None:
    assert percentile([7.0], percent) == 7.0


def test_of_no_values_it_is_not_defined() -> None:
    with pytest.raises(ValueError, match="a percentile of no values is not defined"):
        percentile([], 50)


def test_it_leaves_the_sample_alone() -> None:
    sample = [3.0, 1.0, 2.0]
    percentile(sample, 50)
    assert sample == [3.0, 1.0, 2.0]


@given(SAMPLES)
def test_it_agrees_with_the_standard_library(sample: list[float]) -> None:
    cuts = quantiles(sample, n=100, method="inclusive")

    assert percentile(sample, 50) == pytest.approx(median(sample))
    assert [percentile(sample, percent) for percent in range(1, 100)] == pytest.approx(cuts)


@given(SAMPLES, st.floats(0, 100), st.floats(0, 100))
def test_a_higher_percent_never_gives_a_lower_value(
    sample: list[float], one: float, other: float
) -> None:
    low, high = sorted([one, other])
    tolerance = 1e-9 * max(sample)

    assert percentile(sample, low) <= percentile(sample, high) + tolerance
    assert min(sample) <= percentile(sample, low) + tolerance
    assert percentile(sample, high) <= max(sample) + tolerance
