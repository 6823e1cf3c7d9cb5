"""A confidence interval of the median that assumes nothing about the distribution."""

from __future__ import annotations

from math import comb
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

METHOD = "order statistics, binomial (distribution-free)"


class Interval(NamedTuple):
    """A confidence interval: the limits, and how often such intervals cover the truth."""

    low: float
    high: float
    coverage: float
    """At least what was asked for: order statistics cannot give just any."""


def median_interval(sample: Sequence[float], confidence: float = 0.95) -> Interval:
    """The confidence interval of the median between two order statistics.

    As many values of a sample lie below the median of what it was drawn from as heads come
    up when a coin is thrown for each: so `n` and the binomial distribution alone say between
    which two of the sorted values the median lies how surely (Conover, Practical
    Nonparametric Statistics, 3.2). The values have to be independent of one another.

    Raises `ValueError` where the sample is too small for that confidence.
    """
    ordered = sorted(sample)
    size = len(ordered)
    if size < (needed := rounds_needed(confidence)):
        raise ValueError(
            f"a confidence of {confidence:.0%} needs at least {needed} values, not {size}"
        )
    rank, outside = 0, 0
    while True:
        # `outside` of 2**size outcomes have fewer than `rank` heads.
        more = outside + comb(size, rank)
        if 2 * more / 2**size > 1 - confidence:
            break
        rank, outside = rank + 1, more
    coverage = 1 - 2 * outside / 2**size
    return Interval(ordered[rank - 1], ordered[size - rank], coverage)


def rounds_needed(confidence: float) -> int:
    """The smallest sample that has an interval of that confidence.

    Raises `ValueError` unless the confidence lies between 0 and 1.
    """
    if not 0 < confidence < 1:
        raise ValueError(f"a confidence lies between 0 and 1, such as 0.95; {confidence} does not")
    size = 1
    while 2 * 0.5**size > 1 - confidence:
        size += 1
    return size
