# SPDX-License-Identifier: Apache-2.0
"""Median and percentiles of a few seconds. Pure.

Percentiles are nearest-rank: the smallest value such that at least p percent of all values are
no greater than it. So each of them is a value that was truly measured, and nothing is
interpolated between two. The price shows where values are few: p99 of fewer than 100 is the
maximum, and p90 of fewer than 10 is, too.
"""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

HOW = (
    "Percentiles are nearest-rank, so always a value that was measured: "
    "with fewer than 100 values p99 is the maximum, with fewer than 10 p90 is, too."
)


@dataclass(frozen=True)
class Figures:
    """What a series of values amounts to, in the unit of the values.

    Attributes:
        count: How many values there were, at least 1.
        median: The middle one, or the mean of the two in the middle.
        p90: Nearest-rank.
        p99: Nearest-rank; the maximum where there are fewer than 100 values.
        maximum: The greatest.
    """

    count: int
    median: float
    p90: float
    p99: float
    maximum: float

    @classmethod
    def of(cls, values: Sequence[float]) -> "Figures":
        """Sum values up.

        Args:
            values: In any order, finite.

        Raises:
            ValueError: There are none, or one is not finite.
        """
        if not all(math.isfinite(value) for value in values):
            raise ValueError("a value is not finite")
        return cls(
            count=len(values),
            median=statistics.median(values) if values else _none(),
            p90=percentile(values, 90),
            p99=percentile(values, 99),
            maximum=max(values),
        )


def percentile(values: Sequence[float], percent: float) -> float:
    """Return the nearest-rank percentile.

    Args:
        values: In any order.
        percent: Above 0, at most 100.

    Raises:
        ValueError: There are no values, or there is no such percentile.
    """
    if not values:
        _none()
    if not 0 < percent <= 100:
        raise ValueError(f"there is no percentile {percent:g}")
    rank = math.ceil(len(values) * percent / 100)
    return sorted(values)[rank - 1]


def _none() -> float:
    raise ValueError("there are no values")
