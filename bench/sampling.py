# SPDX-License-Identifier: Apache-2.0
"""Taking one series' samples: a sample that fails is lost and told, three in a row end it."""

from collections.abc import Callable

from bench.errors import BenchFailed, Stopped
from bench.progress import Show
from bench.report import Series

MAX_LOST = 3


class Sampler:
    """Takes the samples of one series.

    Args:
        show: Is told of each.
        series: Gets them.
        take: Takes the sample of this number, counted from 1, and returns seconds.
    """

    def __init__(self, show: Show, series: Series, take: Callable[[int], float]) -> None:
        self._show = show
        self._series = series
        self._take = take
        self._number = 0
        self._lost_in_a_row = 0

    @property
    def done(self) -> bool:
        """Whether all have been taken, or too many in a row were lost."""
        return self._number == self._series.wanted or self._lost_in_a_row == MAX_LOST

    def next(self) -> None:
        """Take the next one.

        Raises:
            Stopped: The run is over.
        """
        self._number += 1
        try:
            value = self._take(self._number)
        except Stopped:
            raise
        except BenchFailed as error:
            self._lost_in_a_row += 1
            self._series.failures.append(f"number {self._number}: {error}")
            self._show.lost(self._series)
        else:
            self._lost_in_a_row = 0
            self._series.values.append(value)
            self._show.took(self._series)
