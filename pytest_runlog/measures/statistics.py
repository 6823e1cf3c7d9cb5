"""Order statistics over a sample."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


def percentile(sample: Sequence[float], percent: float) -> float:
    """The linearly interpolated percentile (Hyndman and Fan's type 7, as in NumPy).

    Raises `ValueError` for an empty sample.
    """
    if not sample:
        raise ValueError("a percentile of no values is not defined")
    ordered = sorted(sample)
    rank = (len(ordered) - 1) * percent / 100
    below = int(rank)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (rank - below)
