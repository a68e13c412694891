# SPDX-License-Identifier: Apache-2.0
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.stats import Figures, percentile
from support.strategies import spans_s

NUMBERS = st.lists(spans_s(0, 1e6), min_size=1, max_size=300)


def test_one_value_is_all_of_its_figures() -> None:
    assert Figures.of([2.5]) == Figures(count=1, median=2.5, p90=2.5, p99=2.5, maximum=2.5)


def test_figures_of_a_hundred_values() -> None:
    values = [float(n) for n in range(1, 101)]
    random.Random(1).shuffle(values)

    assert Figures.of(values) == Figures(count=100, median=50.5, p90=90, p99=99, maximum=100)


def test_of_twelve_values_p99_is_the_maximum_and_p90_the_second_greatest() -> None:
    values = [float(n) for n in range(12)]

    found = Figures.of(values)

    assert (found.p90, found.p99, found.maximum) == (10, 11, 11)


@pytest.mark.parametrize(("count", "is_maximum"), [(9, True), (10, False)])
def test_p90_is_the_maximum_of_fewer_than_ten(count: int, is_maximum: bool) -> None:
    found = Figures.of([float(n) for n in range(count)])

    assert (found.p90 == found.maximum) is is_maximum


@pytest.mark.parametrize(("count", "is_maximum"), [(99, True), (100, False)])
def test_p99_is_the_maximum_of_fewer_than_a_hundred(count: int, is_maximum: bool) -> None:
    found = Figures.of([float(n) for n in range(count)])

    assert (found.p99 == found.maximum) is is_maximum


@given(NUMBERS)
def test_figures_are_in_order_and_percentiles_were_measured(values: list[float]) -> None:
    found = Figures.of(values)

    assert min(values) <= found.median <= found.p90 <= found.p99 <= found.maximum
    assert {found.p90, found.p99, found.maximum} <= set(values)


@given(NUMBERS, st.floats(0.1, 100))
def test_so_many_values_are_no_greater_than_a_percentile(
    values: list[float], percent: float
) -> None:
    found = percentile(values, percent)

    assert sum(value <= found for value in values) >= len(values) * percent / 100
    assert sum(value < found for value in values) < len(values) * percent / 100


@pytest.mark.parametrize("values", [[], [float("nan")], [1.0, float("inf")]])
def test_what_has_no_figures_is_refused(values: list[float]) -> None:
    with pytest.raises(ValueError, match="value"):
        Figures.of(values)


@pytest.mark.parametrize("percent", [0, -1, 100.1])
def test_there_is_no_percentile_beyond_the_ends(percent: float) -> None:
    with pytest.raises(ValueError, match="no percentile"):
        percentile([1.0], percent)
