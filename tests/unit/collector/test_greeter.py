"""Each reason for a hello, and how often it is said, on a clock that is turned by hand."""

import logging
from itertools import pairwise

import pytest

from heat_zaqar_collector.greeter import (
    FIRST_PAUSE_S,
    INCOMPLETE_S,
    LONGEST_PAUSE_S,
    SOONEST_LOOK_S,
    Greeter,
    Identity,
)
from heat_zaqar_transport.testing import MemoryQueue
from heat_zaqar_transport.wire import (
    Choice,
    Hello,
    Limits,
    QueuedMessage,
    Rejection,
    Snapshot,
    parse,
)
from heat_zaqar_transport.wire.errors import AccessRefused, Unreachable
from heat_zaqar_transport.wire.sealing import SealKeys, new_key

CHANNEL = "hz-c-1"
TTL_S = 10_000
HELD = Snapshot(CHANNEL, 7, {})


def carried(age_s=0, ttl_s=TTL_S):
    return (QueuedMessage("1", {}, age_s, ttl_s),)


FINE = Choice(HELD, carriers=carried())
EMPTY = Choice(HELD)
EXPIRING = Choice(HELD, carriers=carried(TTL_S // 2))
INCOMPLETE = Choice(HELD, carriers=carried(), incomplete=True)


def rejected(*ids):
    refused = tuple(Rejection(each, "is rubbish") for each in ids)
    return Choice(HELD, refused, carriers=carried())


class World:
    """A greeter, its clock, and what Heat hears of it."""

    def __init__(self):
        self.now = 1000.0
        self.chance = 0.5
        self.queue = MemoryQueue(lambda: self.now)
        self.error = None
        self.tries = 0
        self.be(Identity(CHANNEL))

    def be(self, me):
        """Have an agent that says hello as this one; its day began 500 s after its clock."""
        self.greeter = Greeter(
            me,
            self,
            86400,
            lambda: self.now,
            lambda: self.chance,
            lambda: self.now - 500,
        )

    def post(self, body, ttl_s):
        self.tries += 1
        if self.error is not None:
            raise self.error
        return self.queue.post(body, ttl_s)

    def see(self, choice):
        return self.greeter.greet(choice, 7)

    def reasons(self):
        return [parse(each.body).reason for each in self.queue.fetch()]

    def times(self, choice, seconds):
        """Look each second; return when a hello was tried, counted from now."""
        start, found = self.now, []
        while self.now <= start + seconds:
            before = self.tries
            self.see(choice)
            found += [self.now - start] * (self.tries - before)
            self.now += 1
        return found


@pytest.fixture
def fresh():
    return World()


@pytest.fixture
def world(fresh):
    """One whose agent has said hello at its start."""
    fresh.see(FINE)
    fresh.queue.delete(each.id for each in fresh.queue.fetch())
    fresh.tries = 0
    return fresh


# Reasons


def test_each_start_is_told_once(fresh):
    fresh.times(FINE, 5000)
    assert [parse(each.body) for each in fresh.queue.fetch()] == [Hello(CHANNEL, "start", 7)]


def test_one_who_holds_nothing_says_so(fresh):
    fresh.greeter.greet(Choice(None), None)
    assert [parse(each.body) for each in fresh.queue.fetch()] == [
        Hello(CHANNEL, "empty queue", None)
    ]


@pytest.mark.parametrize(
    ("choice", "reason"),
    [(EMPTY, "empty queue"), (EXPIRING, "expiring"), (rejected("5"), "rejected")],
)
def test_trouble_is_told_at_once(world, choice, reason):
    world.see(choice)
    assert world.reasons() == [reason]


@pytest.mark.parametrize("age_s", [0, TTL_S // 2 - 1])
def test_a_snapshot_in_the_first_half_of_its_life_is_no_trouble(world, age_s):
    world.see(Choice(HELD, carriers=carried(age_s)))
    assert world.reasons() == []


def test_one_part_that_has_lived_half_of_its_life_is_enough(world):
    world.see(Choice(HELD, carriers=carried() + carried(TTL_S // 2)))
    assert world.reasons() == ["expiring"]


def test_parts_may_take_a_while_to_come(world):
    assert world.times(INCOMPLETE, 12) == [INCOMPLETE_S] == [10]
    assert world.reasons() == ["incomplete"]


def test_the_while_begins_anew_with_other_parts(world):
    world.see(INCOMPLETE)
    world.now += 9
    world.see(FINE)
    world.now += 1
    assert world.times(INCOMPLETE, 9) == []


@pytest.mark.parametrize(
    ("rejections", "carriers", "reason"),
    [
        ((Rejection("5", "x"),), (), "rejected"),
        ((), (), "empty queue"),
        ((), carried(TTL_S), "incomplete"),
    ],
)
def test_several_reasons_make_one_hello_which_names_the_most_severe(
    fresh, rejections, carriers, reason
):
    """There are parts for long enough, and the start was never told."""
    fresh.error = Unreachable("post", "refused")
    fresh.see(INCOMPLETE)
    fresh.error = None
    fresh.now += FIRST_PAUSE_S
    fresh.see(Choice(HELD, rejections, carriers=carriers, incomplete=True))
    assert fresh.reasons() == [reason]


def test_what_is_new_is_named_though_something_more_severe_lasts(world):
    world.times(Choice(HELD, (Rejection("5", "x"),), carriers=carried(), incomplete=True), 41)
    assert world.reasons() == ["rejected", "incomplete", "rejected"]


@pytest.mark.parametrize(
    ("choice", "reason"), [(EMPTY, "empty queue"), (EXPIRING, "expiring"), (FINE, "start")]
)
def test_a_hello_for_trouble_is_the_one_of_the_start_too(fresh, choice, reason):
    fresh.see(choice)
    fresh.see(FINE)
    assert fresh.reasons() == [reason]


# How often


@pytest.mark.parametrize("choice", [EMPTY, EXPIRING, rejected("5")])
def test_the_same_trouble_is_told_again_after_growing_pauses(world, choice):
    times = world.times(choice, 20_000)
    gaps = [later - earlier for earlier, later in pairwise(times)]
    assert gaps[:8] == [30, 60, 120, 240, 480, 960, 1920, 3600]
    assert set(gaps[8:]) == {3600}
    assert (FIRST_PAUSE_S, LONGEST_PAUSE_S) == (30, 3600)


@pytest.mark.parametrize(("chance", "factor"), [(0.0, 0.75), (1.0, 1.25)])
def test_pauses_are_left_to_chance_in_part(world, chance, factor):
    world.chance = chance
    first, second, third = world.times(EMPTY, 120)[:3]
    assert second - first == pytest.approx(30 * factor, abs=1)
    assert third - second == pytest.approx(60 * factor, abs=1)


def test_another_kind_of_trouble_is_told_at_once_and_the_pauses_begin_anew(world):
    world.times(EMPTY, 200)
    told = world.tries
    assert world.times(Choice(HELD, (Rejection("5", "x"),)), 40) == [0, 30]
    assert world.reasons()[told:] == ["rejected"] * 2


def test_other_messages_that_are_rejected_are_told_at_once(world):
    world.see(rejected("5"))
    world.now += 1
    world.see(rejected("5", "6"))
    assert world.tries == 2


def test_trouble_that_has_become_less_is_not_told_as_new(world):
    world.see(rejected("5", "6"))
    world.now += 1
    world.see(rejected("6"))
    assert world.tries == 1


def test_trouble_that_comes_back_is_new(world):
    world.times(EMPTY, 100)
    world.see(FINE)
    assert world.times(EMPTY, 40) == [0, 30]


def test_no_trouble_costs_nothing(world):
    assert world.times(FINE, 5000) == []


# When it cannot be said


@pytest.mark.parametrize("error", [Unreachable("post", "refused"), AccessRefused("post", "403")])
def test_the_hello_of_the_start_is_tried_again_after_growing_pauses(fresh, caplog, error):
    fresh.error = error
    assert fresh.times(FINE, 100) == [0, 30, 90]
    fresh.error = None
    fresh.now += 200
    fresh.times(FINE, 100)
    assert fresh.reasons() == ["start"]
    assert caplog.text.count("could not be asked") == 3


def test_what_is_said_is_logged(world, caplog):
    with caplog.at_level(logging.INFO):
        world.see(EMPTY)
    assert caplog.messages == ["Asked Heat for the present snapshot (empty queue)"]


def test_a_smaller_maximum_of_a_messages_life_is_honoured(world):
    world.queue = MemoryQueue(lambda: world.now, Limits(longest_ttl_s=600))
    world.see(EMPTY)
    assert [each.ttl_s for each in world.queue.fetch()] == [600]


# When to look again


def test_without_trouble_it_is_half_of_the_snapshots_life(world):
    assert world.see(Choice(HELD, carriers=carried(1000))) == TTL_S / 2 - 1000


def test_a_life_of_a_minute_is_looked_at_after_half_of_it(world):
    assert world.see(Choice(HELD, carriers=carried(0, 60))) == 30


def test_it_is_never_a_matter_of_a_second(world):
    assert world.see(Choice(HELD, carriers=carried(29, 60))) == SOONEST_LOOK_S == 5


@pytest.mark.parametrize("choice", [EMPTY, EXPIRING, rejected("5")])
def test_with_trouble_it_is_the_next_hello(world, choice):
    assert world.see(choice) == 30
    world.now += 12
    assert world.see(choice) == 18


def test_with_parts_it_is_the_end_of_the_patience_and_then_the_next_hello(world):
    assert world.see(INCOMPLETE) == INCOMPLETE_S
    world.now += 4
    assert world.see(INCOMPLETE) == 6
    world.now += 6
    assert world.see(INCOMPLETE) == 30


def test_after_a_start_that_could_not_be_told_it_is_the_next_try(fresh):
    fresh.error = Unreachable("post", "refused")
    assert fresh.see(FINE) == 30
    fresh.error = None
    fresh.now += 30
    assert fresh.see(FINE) == TTL_S / 2


# Credentials


@pytest.fixture
def due_at_600(world):
    """One whose credentials are to be renewed 100 s from now."""
    world.be(Identity(CHANNEL, credentials="hz-k-1", renew_at=600))
    world.see(FINE)
    world.queue.delete(each.id for each in world.queue.fetch())
    world.tries = 0
    return world


def test_each_hello_tells_which_credentials_there_are(due_at_600):
    for choice in (EMPTY, EXPIRING, rejected("5")):
        due_at_600.see(choice)
    hellos = [parse(each.body) for each in due_at_600.queue.fetch()]
    assert [hello.credentials for hello in hellos] == ["hz-k-1"] * 3


def test_the_hello_of_the_start_tells_them_too(fresh):
    fresh.be(Identity(CHANNEL, credentials="hz-k-1", renew_at=600))
    fresh.see(FINE)
    (said,) = fresh.queue.fetch()
    assert parse(said.body) == Hello(CHANNEL, "start", 7, "hz-k-1")


def test_new_credentials_are_asked_for_when_they_are_due_and_after_growing_pauses(due_at_600):
    assert due_at_600.times(FINE, 320) == [100, 130, 190, 310]
    assert due_at_600.reasons() == ["credentials"] * 4


def test_without_a_time_new_ones_are_never_asked_for(fresh):
    fresh.be(Identity(CHANNEL, credentials="hz-k-1", renew_at=None))
    fresh.times(FINE, 5000)
    assert fresh.reasons() == ["start"]


def test_those_that_are_due_at_the_start_are_asked_for_by_the_one_hello(fresh):
    fresh.be(Identity(CHANNEL, renew_at=0))
    fresh.see(FINE)
    assert fresh.reasons() == ["credentials"]


@pytest.mark.parametrize(
    ("choice", "reason"),
    [(EMPTY, "empty queue"), (EXPIRING, "expiring"), (rejected("5"), "rejected")],
)
def test_what_the_queue_lacks_is_more_severe_than_credentials(due_at_600, choice, reason):
    due_at_600.now += 100
    due_at_600.see(choice)
    assert due_at_600.reasons() == [reason]


def test_the_next_look_is_when_credentials_are_due(due_at_600):
    assert due_at_600.see(FINE) == 100
    due_at_600.now += 97
    assert due_at_600.see(FINE) == SOONEST_LOOK_S
    due_at_600.now += 3
    assert due_at_600.see(FINE) == FIRST_PAUSE_S


def test_the_next_look_is_for_what_comes_first(due_at_600):
    assert due_at_600.see(Choice(HELD, carriers=carried(0, 60))) == 30


# Sealing


def test_a_hello_is_sealed(world):
    key = new_key(lambda size: b"k" * size)
    seal = SealKeys([key], lambda size: b"n" * size)
    world.be(Identity(CHANNEL, seal))
    world.see(EMPTY)
    (said,) = world.queue.fetch()
    assert set(said.body) == {"heat-zaqar", "sealed"}
    assert parse(seal.unseal(said.body)) == Hello(CHANNEL, "empty queue", 7)
    assert key.reveal() not in repr(world.greeter._me)
