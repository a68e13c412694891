# SPDX-License-Identifier: Apache-2.0
import io

import pytest

from bench.errors import BenchFailed, Stopped
from bench.progress import Show
from bench.report import Series
from bench.sampling import MAX_LOST, Sampler


def sampler(outcomes: list[float | BenchFailed]) -> tuple[Sampler, Series, io.StringIO]:
    def take(number: int) -> float:
        outcome = outcomes[number - 1]
        if isinstance(outcome, BenchFailed):
            raise outcome
        return outcome

    shown = io.StringIO()
    series = Series("way", len(outcomes))
    return Sampler(Show(shown), series, take), series, shown


def run(made: Sampler) -> None:
    while not made.done:
        made.next()


def test_every_sample_is_taken_and_told() -> None:
    made, series, shown = sampler([0.5, 1.0])

    run(made)

    assert series.values == [0.5, 1.0]
    assert shown.getvalue().splitlines() == ["way  1/2  0.500 s", "way  2/2  1.000 s"]


def test_a_lost_sample_is_told_and_the_next_one_taken() -> None:
    made, series, shown = sampler([BenchFailed("no luck"), 1.0])

    run(made)

    assert series.values == [1.0]
    assert series.failures == ["number 1: no luck"]
    assert "lost: number 1: no luck" in shown.getvalue()


def test_too_many_lost_in_a_row_end_it() -> None:
    made, series, _ = sampler([1.0, *[BenchFailed("no")] * MAX_LOST, 2.0])

    run(made)

    assert series.values == [1.0]
    assert len(series.failures) == MAX_LOST


def test_the_end_of_the_run_is_no_lost_sample() -> None:
    made, series, _ = sampler([Stopped()])

    with pytest.raises(Stopped):
        made.next()

    assert series.failures == []
