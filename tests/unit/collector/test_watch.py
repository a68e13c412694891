"""Waiting for a snapshot, on a clock that only the waiting itself turns."""

import logging
from itertools import pairwise

import pytest

from heat_zaqar_collector import watch as module
from heat_zaqar_collector.pace import LONGEST_CHASE_S, LONGEST_THROTTLE_S, SAFETY_S, Pace
from heat_zaqar_collector.push.base import Push, State
from heat_zaqar_collector.source import Look
from heat_zaqar_collector.watch import OVERDUE_S, TICK_S, Watch
from heat_zaqar_transport.wire import Ack, Snapshot

LONGEST_S = 30.0


class World:
    """Time, and what happens in it: events take place while somebody waits.

    Attributes:
        now: Seconds.
        events: What happens when.
    """

    def __init__(self):
        self.now = 1000.0
        self.events = []

    def clock(self):
        return self.now

    def at(self, time, event):
        self.events.append((time, event))
        self.events.sort(key=lambda each: each[0])

    def pass_until(self, time, stop=lambda: False):
        """Let time pass; `stop` is asked after each event."""
        while self.events and self.events[0][0] <= time and not stop():
            self.now, event = max(self.now, self.events[0][0]), self.events.pop(0)[1]
            event()
        if not stop():
            self.now = max(self.now, time)


class Bell:
    """A `threading.Event` in such a world."""

    def __init__(self, world):
        self._world = world
        self._set = False
        self.waits = []

    def set(self):
        self._set = True

    def clear(self):
        self._set = False

    def is_set(self):
        return self._set

    def wait(self, timeout):
        assert timeout > 0, "waiting without time to pass is a busy loop"
        self.waits.append(timeout)
        self._world.pass_until(self._world.now + timeout, self.is_set)
        return self._set


class Source:
    """A queue that holds one snapshot, or fails.

    Attributes:
        looks: When it was looked into.
        failing: Whether it cannot be read.
    """

    def __init__(self, world):
        self._world = world
        self._posted = (0, 0.0)
        self._held = 0
        self.looks = []
        self.failing = False
        self.emptied = False
        self.acks = ()
        self.renewed = False
        self.again_in_s = None
        self.during_look = lambda: None

    def post(self, generation):
        self._posted = (generation, self._world.now)

    def look(self):
        self.looks.append(self._world.now)
        generation, posted_at = self._posted
        during, self.during_look = self.during_look, lambda: None
        during()
        if self.failing:
            return Look(self.held(), failed=True)
        news, self._held = generation != self._held, generation
        age_s = int(self._world.now - posted_at)
        emptied, self.emptied = self.emptied, False
        acks, self.acks = self.acks, ()
        renewed, self.renewed = self.renewed, False
        return Look(
            self.held(),
            news=news,
            age_s=age_s if news else 0,
            acks=acks,
            renewed=renewed,
            emptied=emptied,
            again_in_s=self.again_in_s,
        )

    def held(self):
        return Snapshot("c", self._held, {}) if self._held else None


@pytest.fixture
def world():
    return World()


@pytest.fixture
def push(world):
    made = Push()
    made.bell = Bell(world)
    made.started = 0

    def start():
        made.started += 1

    made.start = start
    return made


@pytest.fixture
def source(world):
    return Source(world)


@pytest.fixture
def interrupts():
    return []


@pytest.fixture
def noted():
    return []


@pytest.fixture
def watch(world, source, push, interrupts, noted):
    return Watch(
        source=source,
        push=push,
        pace=Pace(lambda: 1.0),
        longest_s=LONGEST_S,
        interrupt=lambda: interrupts.append(world.now),
        clock=world.clock,
        note=noted.extend,
    )


def generation(snapshot):
    return None if snapshot is None else snapshot.generation


def quiet(watch, world, push, state=State.PROVEN):
    """Bring it where pushes come, all is applied, and nothing is left to look for."""
    watch.next(0)
    push.opened()
    watch.next(20)
    if state is State.PROVEN:
        push.told()
        watch.next(20)
    world.pass_until(world.now + 100)
    watch.next(1)
    watch.source.looks.clear()
    return world.now


def post_told(source, push, number):
    def happen():
        source.post(number)
        push.told()

    return happen


# The first call


def test_the_first_call_looks_and_returns_at_once(watch, world, source, push):
    source.post(1)
    assert generation(watch.next(600)) == 1
    assert (world.now, source.looks, push.started) == (1000, [1000], 1)


def test_the_first_call_returns_at_once_also_when_there_is_nothing(watch, world):
    assert watch.next(600) is None
    assert world.now == 1000


def test_the_push_is_started_once(watch, push):
    for _ in range(3):
        watch.next(1)
    assert push.started == 1


# Waiting


def test_it_waits_until_the_deadline_and_returns_what_is_held(watch, world, source):
    source.post(1)
    watch.next(0)
    assert generation(watch.next(60)) == 1
    assert world.now == pytest.approx(1060)


def test_without_a_push_a_change_is_found_by_polling(watch, world, source):
    watch.next(0)
    world.at(1010, lambda: source.post(1))
    assert generation(watch.next(60)) == 1
    assert 1010 <= world.now <= 1010 + LONGEST_S


def test_without_a_push_no_two_looks_are_further_apart_than_the_longest_pause(watch, source):
    watch.next(0)
    watch.next(600)
    gaps = [later - earlier for earlier, later in pairwise(source.looks)]
    assert max(gaps) == pytest.approx(LONGEST_S)
    assert gaps[:5] == pytest.approx([0.5, 1, 2, 4, 8])


def test_the_pauses_go_on_from_call_to_call(watch, source):
    watch.next(0)
    for _ in range(120):
        watch.next(5)
    assert len(source.looks) <= 600 / LONGEST_S + 8


def test_a_fruitless_look_is_no_end_of_the_waiting(watch, world, source, push):
    start = quiet(watch, world, push)
    world.at(start + 5, push.told)
    watch.next(60)
    assert world.now == pytest.approx(start + 60)
    assert len(source.looks) > 1


def test_a_look_that_is_due_goes_before_a_deadline_that_has_passed(watch, source, push, world):
    start = quiet(watch, world, push)
    post_told(source, push, 1)()
    assert generation(watch.next(0)) == 1
    assert world.now == start


def test_the_interrupt_is_called_twice_a_second(watch, world, push, interrupts):
    start = quiet(watch, world, push)
    interrupts.clear()
    watch.next(60)
    gaps = [later - earlier for earlier, later in pairwise([start, *interrupts])]
    assert max(gaps) <= TICK_S == 0.5
    assert len(interrupts) == pytest.approx(120, abs=2)


def test_what_the_interrupt_raises_ends_the_waiting(watch, world):
    class Restart(Exception):
        pass

    def restart():
        raise Restart

    watch.next(0)
    watch.interrupt = restart
    with pytest.raises(Restart):
        watch.next(60)
    assert world.now == 1000


# Being pushed


def test_the_bell_ends_the_waiting(watch, world, source, push):
    start = quiet(watch, world, push)
    world.at(start + 10.2, post_told(source, push, 1))
    assert generation(watch.next(60)) == 1
    assert world.now == pytest.approx(start + 10.2)
    assert source.looks == [world.now]


def test_a_message_that_cannot_be_read_yet_is_looked_for_again(watch, world, source, push):
    start = quiet(watch, world, push)
    world.at(start + 10, push.told)
    world.at(start + 10.05, lambda: source.post(1))
    assert generation(watch.next(60)) == 1
    assert world.now <= start + 10.15
    assert push.state is State.PROVEN


def test_a_push_during_a_look_is_looked_for_next(watch, world, source, push):
    start = quiet(watch, world, push)
    source.during_look = post_told(source, push, 2)
    world.at(start + 10, post_told(source, push, 1))
    found = generation(watch.next(60))
    while found != 2:
        assert world.now < start + 11
        found = generation(watch.next(1))


def test_while_pushes_come_there_is_one_look_an_hour(watch, world, source, push):
    quiet(watch, world, push)
    watch.next(10 * SAFETY_S)
    assert 9 <= len(source.looks) <= 10


def test_a_change_that_no_push_told_of_is_found_within_the_hour(watch, world, source, push):
    start = quiet(watch, world, push)
    source.post(1)
    assert generation(watch.next(2 * SAFETY_S)) == 1
    assert world.now <= start + SAFETY_S


def test_another_look_that_found_nothing_new_puts_the_hourly_one_off(watch, world, source, push):
    start = quiet(watch, world, push)

    def confirm():
        push.confirmed_at = world.now

    for minutes in range(50, 1000, 50):
        world.at(start + 60 * minutes, confirm)
    watch.next(900 * 60)
    assert source.looks == []


# When pushes fail


def test_when_the_connection_is_lost_the_queue_is_polled(watch, world, source, push):
    start = quiet(watch, world, push)
    world.at(start + 10, push.closed)
    world.at(start + 12, lambda: source.post(1))
    assert generation(watch.next(600)) == 1
    assert world.now <= start + 10 + 2 * LONGEST_S + 1


def test_when_the_connection_is_lost_the_first_poll_is_not_at_once(watch, world, source, push):
    start = quiet(watch, world, push)
    world.at(start + 10, push.closed)
    watch.next(200)
    assert source.looks[0] == pytest.approx(start + 10 + LONGEST_S, abs=TICK_S)
    assert source.looks[1] - source.looks[0] == pytest.approx(LONGEST_S)


def test_what_was_lost_during_a_look_is_polled_for(watch, world, source, push):
    start = quiet(watch, world, push)
    source.during_look = push.closed
    world.at(start + 10, post_told(source, push, 1))
    watch.next(60)
    world.at(start + 20, lambda: source.post(2))
    assert generation(watch.next(600)) == 2
    assert world.now <= start + 20 + LONGEST_S


def test_a_new_connection_looks_at_once(watch, world, source, push):
    start = quiet(watch, world, push)
    world.at(start + 10, push.closed)
    world.at(start + 11, lambda: source.post(1))
    world.at(start + 12, push.opened)
    assert generation(watch.next(600)) == 1
    assert world.now == pytest.approx(start + 12)


def test_a_new_connection_is_one_look_and_no_chase(watch, world, source, push):
    start = quiet(watch, world, push)
    push.closed()
    watch.next(600)
    source.looks.clear()
    push.opened()
    opened_at = world.now
    watch.next(LONGEST_S / 2)
    assert source.looks == [opened_at]
    assert world.now > start


def test_a_look_that_failed_is_tried_again_at_the_pace_of_polls(watch, world, source, push):
    start = quiet(watch, world, push)
    source.failing = True
    world.at(start + 10, post_told(source, push, 1))

    def recover():
        source.failing = False

    world.at(start + 60, recover)
    assert generation(watch.next(600)) == 1
    assert world.now <= start + 60 + LONGEST_S


def test_a_look_that_failed_is_tried_again_though_a_connect_has_confirmed_an_earlier_one(
    watch, world, source, push
):
    """Each connect confirms; that is older than the failure, and says nothing of it."""
    push.confirmed_at = world.now
    start = quiet(watch, world, push)
    source.failing = True
    world.at(start + 10, post_told(source, push, 1))

    def recover():
        source.failing = False

    world.at(start + 60, recover)
    assert generation(watch.next(600)) == 1
    assert world.now <= start + 60 + LONGEST_S


@pytest.mark.parametrize("state", [State.CONNECTED, State.PROVEN])
def test_a_change_found_overdue_without_a_push_is_a_reason_to_poll(
    watch, world, source, push, state, caplog
):
    quiet(watch, world, push, state)
    source.post(1)
    with caplog.at_level(logging.WARNING):
        assert generation(watch.next(2 * SAFETY_S)) == 1
    assert push.state is State.DOUBTED
    assert "did not tell" in caplog.text
    found_at = world.now
    world.at(found_at + 100, lambda: source.post(2))
    assert generation(watch.next(SAFETY_S)) == 2
    assert world.now <= found_at + 100 + LONGEST_S


def test_a_queue_that_lost_its_messages_has_lost_the_subscription_too(watch, world, source, push):
    start = quiet(watch, world, push)
    source.emptied = True
    world.at(start + 10, push.told)
    world.at(start + 1000, lambda: source.post(1))
    assert generation(watch.next(SAFETY_S)) == 1
    assert world.now <= start + 1000 + LONGEST_S


def test_what_cannot_come_at_all_is_not_doubted(watch, world, source, push):
    watch.next(0)
    source.emptied = True
    source.post(1)
    world.pass_until(world.now + 100)
    watch.next(1)
    push.opened()
    assert push.state is State.CONNECTED


def test_a_push_ends_the_doubt(watch, world, source, push):
    quiet(watch, world, push)
    source.post(1)
    watch.next(2 * SAFETY_S)
    push.told()
    watch.next(60)
    source.looks.clear()
    watch.next(SAFETY_S - 120)
    assert source.looks == []


def test_a_change_found_before_its_push_could_come_is_no_reason_for_doubt(
    watch, world, source, push
):
    quiet(watch, world, push)
    watch.pace.pushed(world.now)  # a look, for whatever reason
    source.post(1)
    world.pass_until(world.now + OVERDUE_S - 0.1)
    assert generation(watch.next(1)) == 1
    assert push.state is State.PROVEN


def test_a_change_that_a_push_told_of_long_ago_is_no_reason_for_doubt(watch, world, source, push):
    """The agent was busy with a command."""
    quiet(watch, world, push)
    post_told(source, push, 1)()
    world.pass_until(world.now + 900)
    assert generation(watch.next(1)) == 1
    assert push.state is State.PROVEN


def test_a_change_that_was_told_of_but_could_not_be_read_for_a_while_is_no_reason_for_doubt(
    watch, world, source, push
):
    """It is Zaqar's API that failed, not the push."""
    start = quiet(watch, world, push)
    source.failing = True
    world.at(start + 10, post_told(source, push, 1))

    def recover():
        source.failing = False

    world.at(start + 10 + OVERDUE_S + 1, recover)
    assert generation(watch.next(600)) == 1
    assert push.state is State.PROVEN


def test_what_was_posted_while_nobody_could_tell_is_no_reason_for_doubt(watch, world, source, push):
    start = quiet(watch, world, push)
    world.at(start + 10, push.closed)
    world.at(start + 11, lambda: source.post(1))
    world.at(start + 20, push.opened)
    assert generation(watch.next(600)) == 1
    assert push.state is State.CONNECTED


def test_a_new_connection_that_never_tells_delays_a_change_by_no_more_than_its_age(
    watch, world, source, push
):
    """Connected but not proven: polls grow rarer with time, not with the connect's own looks."""
    watch.next(0)
    push.opened()
    opened_at = world.now
    world.at(opened_at + 15, lambda: source.post(1))
    assert generation(watch.next(SAFETY_S)) == 1
    assert world.now <= opened_at + 15 + LONGEST_S


def test_a_connection_that_has_not_told_anything_yet_is_no_reason_to_stop_polling(
    watch, world, source, push
):
    start = quiet(watch, world, push, State.CONNECTED)
    watch.next(start + SAFETY_S / 2 - world.now)
    assert source.looks
    assert push.state is State.CONNECTED


def test_a_flood_of_pushes_causes_few_looks(watch, world, source, push):
    start = quiet(watch, world, push)
    for millisecond in range(1, 60_000, 10):
        world.at(start + millisecond / 1000, push.told)
    watch.next(60)
    assert 2 <= len(source.looks) <= 30 + 60 / LONGEST_THROTTLE_S


def test_waiting_is_no_busy_loop(watch, world, push):
    quiet(watch, world, push)
    push.bell.waits.clear()
    watch.next(60)
    assert len(push.bell.waits) <= 60 / module.TICK_S + 2


# Acks, and when to look for a hello's sake

ACK = Ack("c", "config")


def test_acks_are_handed_on_and_end_no_waiting(watch, world, source, push, noted):
    start = quiet(watch, world, push)

    def happen():
        source.acks = (ACK,)
        push.told()

    world.at(start + 10, happen)
    watch.next(60)
    assert noted == [ACK]
    assert world.now == pytest.approx(start + 60)


@pytest.mark.parametrize("what", [{"acks": (ACK,)}, {"renewed": True}])
def test_what_a_push_told_of_is_looked_for_once_more(watch, world, source, push, what):
    start = quiet(watch, world, push)

    def happen():
        vars(source).update(what)
        push.told()

    world.at(start + 10, happen)
    watch.next(60)
    assert source.looks == [start + 10, pytest.approx(start + 10 + LONGEST_CHASE_S)]


def test_after_an_ack_the_polls_are_close_together_again(watch, world, source):
    watch.next(0)
    watch.next(600)
    source.acks = (ACK,)
    source.looks.clear()
    watch.next(LONGEST_S + 1)
    assert source.looks[1] - source.looks[0] == pytest.approx(0.5)


def test_an_old_ack_that_no_push_told_of_is_no_reason_for_doubt(watch, world, source, push):
    quiet(watch, world, push)
    source.acks = (ACK,)
    watch.next(2 * SAFETY_S)
    assert push.state is State.PROVEN


def test_while_pushes_come_a_look_is_as_early_as_the_last_one_said(watch, world, source, push):
    source.again_in_s = 30.0
    start = quiet(watch, world, push)
    watch.next(100)
    gaps = [later - earlier for earlier, later in pairwise([start, *source.looks])]
    assert len(gaps) >= 3
    assert max(gaps) <= 30
    assert push.state is State.PROVEN


def test_acks_may_have_nobody_who_waits_for_them(watch, source):
    watch.note = module.ignore_acks
    source.acks = (ACK,)
    assert watch.next(0) is None
