import pytest

from heat_zaqar_collector.backoff import Backoff


def pauses(chance, count=6):
    backoff = Backoff(10, 100, lambda: chance)
    return [backoff.next_s() for _ in range(count)]


def test_the_pauses_double_up_to_the_longest():
    assert pauses(0.5) == [10, 20, 40, 80, 100, 100]


@pytest.mark.parametrize(("chance", "factor"), [(0.0, 0.75), (1.0, 1.25)])
def test_a_quarter_of_each_is_chance(chance, factor):
    assert pauses(chance) == [factor * each for each in pauses(0.5)]


def test_they_begin_anew_when_told_so():
    backoff = Backoff(10, 100, lambda: 0.5)
    backoff.next_s()
    backoff.next_s()
    backoff.reset()
    assert backoff.next_s() == 10
