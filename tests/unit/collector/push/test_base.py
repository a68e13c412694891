"""How far a push is relied on, after what."""

import pytest

from heat_zaqar_collector.push.base import GRACE_S, Push, State


def test_one_that_never_began_is_away_and_silent():
    push = Push()
    push.start()
    assert (push.state, push.bell.is_set()) == (State.AWAY, False)


@pytest.mark.parametrize(
    ("state", "trusted"),
    [
        (State.AWAY, False),
        (State.DOUBTED, False),
        (State.CONNECTED, True),
        (State.PROVEN, True),
    ],
)
def test_only_one_that_can_come_spares_the_polls(state, trusted):
    assert state.trusted is trusted


def test_a_connection_rings_for_what_was_posted_before_it():
    push = Push()
    push.opened()
    assert (push.state, push.bell.is_set()) == (State.CONNECTED, True)


def test_what_tells_is_proven():
    push = Push()
    push.opened()
    push.bell.clear()
    push.told()
    assert (push.state, push.bell.is_set()) == (State.PROVEN, True)


def connected():
    push = Push()
    push.opened()
    return push


def test_doubt_ends_trust():
    push = connected()
    push.doubt()
    assert push.state is State.DOUBTED
    push = connected()
    push.told()
    push.doubt()
    assert push.state is State.DOUBTED


def test_doubt_makes_nothing_better():
    push = Push()
    push.doubt()
    assert push.state is State.AWAY


def test_a_new_connection_does_not_end_a_doubt_but_a_push_does():
    push = connected()
    push.doubt()
    push.closed()
    push.opened()
    assert push.state is State.DOUBTED
    push.told()
    assert push.state is State.PROVEN


def test_a_new_connection_is_to_be_proven_again():
    push = connected()
    push.told()
    push.closed()
    push.opened()
    assert push.state is State.CONNECTED


def test_one_that_is_closed_is_away():
    push = connected()
    push.told()
    push.closed()
    assert push.state is State.AWAY


def test_a_push_that_the_collector_hears_in_time_is_heeded():
    push = Push()
    push.told()
    assert not push.unheeded(lambda _: push.heed())
    assert not push.bell.is_set()
    # Also when another one has come meanwhile.
    push.told()
    assert not push.unheeded(lambda _: (push.heed(), push.told()))


def test_one_that_it_is_too_busy_for_is_not():
    push = Push()
    push.told()
    slept = []
    assert push.unheeded(slept.append)
    assert slept == [GRACE_S]


def test_the_outbox_is_woken_by_pushes_alone():
    push = Push()
    push.opened()
    assert not push.wait_pushed(0)
    push.told()
    assert push.wait_pushed(60)
    assert not push.wait_pushed(0)
