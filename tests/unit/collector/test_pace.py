"""Every rule of the docstring of `pace`, on a clock of the test's own."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from heat_zaqar_collector import pace as module
from heat_zaqar_collector.pace import Pace
from support.strategies import chances, spans_s

LONGEST_S = 30.0


def pace(chance=1.0):
    """A pace that was told of one look at 0, with nothing new; 1.0: no pause is shortened."""
    made = Pace(lambda: chance)
    looked(made, 0.0)
    return made


def looked(made, now, *, news=False, longest_s=LONGEST_S, proven=False, **kwargs):
    made.looked(now, news=news, longest_s=longest_s, proven=proven, **kwargs)
    return made.due_at - now


def looks_until(made, end, **kwargs):
    """Look whenever it is due, and find nothing; return when."""
    times = []
    while made.due_at <= end:
        times.append(made.due_at)
        looked(made, made.due_at, **kwargs)
    return times


# Polling


def test_the_first_look_is_due_at_once():
    assert Pace(lambda: 1.0).due_at == float("-inf")


def test_the_pauses_double_up_to_the_longest():
    times = [0.0, *looks_until(pace(), 100)]
    pauses = [later - earlier for earlier, later in pairwise(times)]
    assert pauses == [0.5, 1, 2, 4, 8, 16, 30, 30]


def test_after_something_new_the_pauses_begin_anew():
    made = pace()
    looks_until(made, 100)
    assert looked(made, 100, news=True) == 0.5
    assert looked(made, 100.5) == 1.0


def test_a_longest_pause_that_became_shorter_is_heeded_at_once():
    made = pace()
    looks_until(made, 2000, longest_s=600)
    assert looked(made, 2000, longest_s=LONGEST_S) == LONGEST_S


@pytest.mark.parametrize(("chance", "part"), [(0.0, 0.75), (0.5, 0.875), (1.0, 1.0)])
def test_up_to_a_quarter_of_a_pause_is_left_to_chance(chance, part):
    made = pace(chance)
    assert made.due_at == 0.5 * part
    looks_until(made, 100)
    assert looked(made, 100) == LONGEST_S * part


@given(
    longest_s=spans_s(1, module.SAFETY_S),
    chances=st.lists(chances, min_size=1, max_size=20),
    news=st.lists(st.booleans(), max_size=40),
)
def test_a_poll_is_never_later_than_the_longest_pause_nor_earlier_than_half_a_second_or_so(
    longest_s, chances, news
):
    turn = [0]

    def chance():
        turn[0] += 1
        return chances[turn[0] % len(chances)]

    made, now = Pace(chance), 1000.0
    for each in news:
        pause_s = looked(made, now, news=each, longest_s=longest_s)
        assert 0.374 <= pause_s <= longest_s + 1e-6
        now = made.due_at


# Pushes


def test_a_push_after_a_quiet_time_is_looked_for_at_once():
    made = pace()
    looked(made, 100, proven=True)
    made.pushed(107)
    assert made.due_at == 107


def test_a_push_never_puts_a_look_off():
    made = Pace(lambda: 1.0)
    made.pushed(100)
    assert made.due_at == float("-inf")


def test_a_push_that_was_right_is_looked_for_once_more_as_two_may_have_rung_as_one():
    made = pace()
    made.pushed(100)
    assert looked(made, 100, news=True, proven=True) == pytest.approx(module.LONGEST_CHASE_S)
    assert looked(made, 102.56, proven=True) == module.SAFETY_S


def test_news_that_no_push_told_of_are_not_looked_for_again():
    assert looked(pace(), 100, news=True, proven=True) == module.SAFETY_S


def test_a_fruitless_push_is_chased_with_growing_pauses_and_then_let_go():
    made = pace()
    looked(made, 0, proven=True)
    made.pushed(100)
    times = looks_until(made, 1000, proven=True)
    pauses = [later - earlier for earlier, later in pairwise(times)]
    assert times[0] == 100
    assert pauses == pytest.approx([0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56])
    assert made.due_at == times[-1] + module.SAFETY_S


def test_a_chase_that_finds_something_is_over_and_the_next_one_begins_in_small_steps():
    made = pace()
    made.pushed(100)
    looked(made, 100)
    looked(made, 100.02)
    assert looked(made, 100.06, news=True, proven=True) == pytest.approx(module.LONGEST_CHASE_S)
    assert looked(made, 102.62, proven=True) == module.SAFETY_S
    made.pushed(110)
    assert made.due_at == 110
    assert looked(made, 110) == pytest.approx(module.FIRST_CHASE_S)


def test_a_few_fruitless_pushes_are_each_followed_at_once():
    made = pace()
    looked(made, 99, proven=True)
    for count in range(module.BURST):
        now = 100 + count
        looks_until(made, now - 0.001, proven=True)
        made.pushed(now)
        assert made.due_at == now
        assert looked(made, now, proven=True) == pytest.approx(module.FIRST_CHASE_S)


def flooded():
    """A pace for which fruitless pushes wait, and when it last looked."""
    made = pace()
    for count in range(30):
        made.pushed(100 + count / 1000)
    looks_until(made, 110, proven=True)
    made.pushed(110)
    last = looks_until(made, 120, proven=True)[-1]
    return made, last


def test_many_fruitless_pushes_wait_for_up_to_five_seconds():
    made, last = flooded()
    made.pushed(last + 1)
    assert made.due_at == last + module.LONGEST_THROTTLE_S == last + 5
    assert looked(made, made.due_at, proven=True) == module.SAFETY_S


def test_a_push_that_waits_is_not_forgotten_for_anothers_look_from_before_it():
    made, last = flooded()
    made.pushed(last + 1)
    made.confirmed(last - 50)
    assert made.due_at == last + module.LONGEST_THROTTLE_S


def test_a_push_long_after_the_last_one_is_no_part_of_a_flood():
    made, _ = flooded()
    now = 110 + module.QUIET_S + 1
    for each in (now, now + 0.5):
        looks_until(made, each - 0.001, proven=True)
        made.pushed(each)
        assert made.due_at == each


def test_something_new_ends_a_flood():
    made, last = flooded()
    made.pushed(last + 1)
    looked(made, last + 5, news=True, proven=True)
    made.pushed(last + 6)
    assert made.due_at == last + 6


def test_a_push_every_millisecond_causes_few_looks():
    made = pace()
    looked(made, 0, proven=True)
    looks, now = [], 100.0
    for millisecond in range(60_000):
        now = 100 + millisecond / 1000
        made.pushed(now)
        if now >= made.due_at:
            looks.append(now)
            looked(made, now, proven=True)
    # Ten at once, some while the pauses grow, and then one every 5 s.
    assert 12 <= len(looks) <= 40
    assert now - looks[-1] <= module.LONGEST_THROTTLE_S


def test_pushes_with_news_each_time_are_looked_for_without_growing_pauses():
    made = pace()
    looked(made, 99, proven=True)
    for now in (100, 101, 102, 103):
        made.pushed(now)
        assert made.due_at == now
        looked(made, now, news=True, proven=True)


@given(
    st.lists(
        st.tuples(
            spans_s(0.001, 200),
            st.sampled_from(["push", "look", "news"]),
            st.booleans(),
        ),
        max_size=60,
    )
)
def test_whatever_happens_a_push_is_looked_for_within_five_seconds(steps):
    made, now = pace(), 0.0
    for after_s, what, proven in steps:
        now += after_s
        if what == "push":
            made.pushed(now)
            assert made.due_at <= now + module.LONGEST_THROTTLE_S
        else:
            looked(made, now, news=what == "news", longest_s=3600, proven=proven)
            assert now < made.due_at <= now + module.SAFETY_S


# Being asked for a look


def test_what_is_asked_for_is_looked_for_at_once_and_once():
    made = pace()
    looked(made, 100, proven=True)
    made.asked(200)
    assert made.due_at == 200
    assert looked(made, 200, proven=True) == module.SAFETY_S


def test_what_is_asked_for_never_puts_a_look_off():
    made = pace()
    made.asked(100)
    assert made.due_at == 0.5


# While pushes are known to come


def test_proven_pushes_leave_one_look_an_hour():
    assert looked(pace(), 100, proven=True) == module.SAFETY_S == 3600


def test_anothers_look_that_found_nothing_new_counts():
    made = pace()
    looked(made, 100, proven=True)
    made.confirmed(2000)
    assert made.due_at == 2000 + module.SAFETY_S


def test_an_old_look_of_another_does_not_bring_ours_forward():
    made = pace()
    looked(made, 100, proven=True)
    made.confirmed(50)
    assert made.due_at == 100 + module.SAFETY_S


def test_while_a_push_is_chased_anothers_look_does_not_count():
    made = pace()
    looked(made, 100, proven=True)
    made.pushed(200)
    made.confirmed(200.001)
    assert made.due_at == 200
    looked(made, 200, proven=True)
    made.confirmed(200.001)
    assert made.due_at == pytest.approx(200 + module.FIRST_CHASE_S)


def test_anothers_look_from_before_our_own_failed_one_does_not_count():
    """A look that failed comes to the pace as one that nothing is proven for."""
    made = pace()
    failed_at = 100.0
    retry_at = failed_at + looked(made, failed_at, proven=False)
    made.confirmed(failed_at - 50)
    assert made.due_at == retry_at


# When pushes come no more


@pytest.mark.parametrize(("chance", "after_s"), [(0.0, 0.0), (0.25, 7.5), (1.0, 30.0)])
def test_when_pushes_end_the_first_look_comes_at_any_time_within_a_pause(chance, after_s):
    made = pace(chance)
    looked(made, 100, proven=True)
    made.lost(500, LONGEST_S)
    assert made.due_at == 500 + after_s


def test_when_pushes_end_a_look_that_was_due_sooner_stays():
    made = pace()
    looked(made, 50, proven=True)
    made.pushed(100)
    made.lost(100, LONGEST_S)
    assert made.due_at == 100


def test_when_pushes_end_the_pauses_are_the_longest():
    """All servers find out at once: short pauses would add up to a storm."""
    made = pace()
    looked(made, 100, news=True, proven=True)
    made.lost(500, LONGEST_S)
    assert looked(made, made.due_at) == LONGEST_S


# When the last look said so


@pytest.mark.parametrize("proven", [True, False])
def test_the_next_look_comes_at_the_latest_when_the_last_one_said(proven):
    made = pace()
    assert looked(made, 100, longest_s=3600, proven=proven, again_in_s=0.25) == 0.25


def test_a_look_that_is_due_sooner_is_not_put_off():
    assert looked(pace(), 100, again_in_s=1000) == 1.0


def test_neither_is_that_put_off_by_anothers_look():
    made = pace()
    looked(made, 100, proven=True, again_in_s=300)
    made.confirmed(200)
    assert made.due_at == 400


def test_each_look_says_it_anew():
    made = pace()
    looked(made, 100, proven=True, again_in_s=300)
    assert looked(made, 110, proven=True) == module.SAFETY_S


# What a push told of, and is nothing new


def test_what_was_only_posted_again_ends_a_chase_and_begins_no_short_pauses():
    made = pace()
    looks_until(made, 100)
    made.pushed(100)
    assert looked(made, 100, renewed=True) == pytest.approx(module.LONGEST_CHASE_S)
    assert looked(made, 102.56) == LONGEST_S


def test_what_was_only_posted_again_ends_a_flood():
    made, last = flooded()
    made.pushed(last + 1)
    looked(made, last + 5, renewed=True, proven=True)
    made.pushed(last + 6)
    assert made.due_at == last + 6
