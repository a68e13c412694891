import logging
import secrets
from dataclasses import replace
from types import SimpleNamespace

import pytest

from heat_zaqar_collector import source as module
from heat_zaqar_collector.farewell import Farewell
from heat_zaqar_collector.greeter import Greeter, Identity
from heat_zaqar_collector.source import GOODBYE_LOOK_S, Look, Source
from heat_zaqar_collector.store import SnapshotStore
from heat_zaqar_transport.queues import never_enough
from heat_zaqar_transport.testing import MemoryQueue
from heat_zaqar_transport.wire import (
    Ack,
    Goodbye,
    Hello,
    Limits,
    PlainSnapshot,
    Snapshot,
    pack,
    parse,
    serialize,
)
from heat_zaqar_transport.wire.errors import StateError, Unreachable
from heat_zaqar_transport.wire.sealing import SealKeys, new_key

CHANNEL = "hz-c-1"
TTL_S = 1000


def snapshot(generation, text="x"):
    return Snapshot(CHANNEL, generation, {"text": text})


class World:
    """Two queues, and a clock that is turned by hand."""

    def __init__(self, state_dir):
        self.now = 0.0
        self.state_dir = state_dir
        self.metadata = MemoryQueue(lambda: self.now)
        self.signals = MemoryQueue(lambda: self.now)

    def start(self):
        """Return the source of an agent that starts now."""
        greeter = Greeter(Identity(CHANNEL), self.signals, 86400, lambda: self.now, lambda: 0.5)
        return Source(
            CHANNEL,
            lambda: self.metadata,
            SnapshotStore(self.state_dir),
            Farewell(self.state_dir, CHANNEL),
            greeter,
        )

    def post(self, message, ttl_s=TTL_S):
        return self.metadata.post(serialize(message), ttl_s)

    def clear(self):
        self.metadata.delete([each.id for each in self.metadata.fetch()])

    def said(self):
        return [parse(each.body) for each in self.signals.fetch()]


@pytest.fixture
def world(tmp_path):
    return World(tmp_path)


@pytest.fixture
def source(world):
    return world.start()


def look_of(source):
    """Look; leave out when the next look is due, which most tests do not ask for."""
    return replace(source.look(), again_in_s=None, renewed=False)


def test_the_newest_is_returned_and_kept_and_stays_in_the_queue(source, world):
    world.post(snapshot(1))
    world.post(snapshot(2))
    assert look_of(source) == Look(snapshot(2), news=True)
    assert look_of(source) == Look(snapshot(2))
    assert source.store.load() == snapshot(2)
    assert len(world.metadata.fetch()) == 2


def test_an_emptied_queue_changes_nothing_and_is_asked_for(source, world):
    world.post(snapshot(1))
    source.look()
    world.clear()
    assert look_of(source) == Look(snapshot(1), emptied=True)
    assert look_of(source) == Look(snapshot(1), emptied=True)
    assert world.said() == [Hello(CHANNEL, "start", 1), Hello(CHANNEL, "empty queue", 1)]


@pytest.mark.parametrize("left", [Ack(CHANNEL, "a"), Snapshot("other", 9, {}), snapshot(1)])
def test_a_queue_without_a_snapshot_to_use_is_emptied(source, world, left):
    source.store.keep(snapshot(2))
    world.post(left)
    assert source.look().emptied
    world.post(snapshot(2))
    assert not source.look().emptied


def test_a_server_that_holds_nothing_has_no_queue_emptied(source):
    assert not source.look().emptied


def test_nothing_at_all_is_none_and_asked_for_once(source, world):
    assert look_of(source) == Look(None)
    assert look_of(source) == Look(None)
    assert world.said() == [Hello(CHANNEL, "empty queue", None)]


def test_what_is_rejected_is_logged_and_asked_for_once(source, world, caplog):
    world.post(snapshot(1))
    world.metadata.post({"heat-zaqar": {"version": 7}}, 60)
    with caplog.at_level(logging.ERROR):
        assert look_of(source) == Look(snapshot(1), news=True)
        assert look_of(source) == Look(snapshot(1))
    assert caplog.text.count("version 7 is not spoken here") == 1
    assert world.said() == [Hello(CHANNEL, "rejected", 1)]


def test_new_trouble_is_asked_for_again(source, world):
    first = world.metadata.post({"heat-zaqar": 1}, 60)
    source.look()
    world.metadata.delete([first])
    world.post(snapshot(1))
    source.look()
    world.metadata.post({"heat-zaqar": 1}, 60)
    source.look()
    assert [each.generation for each in world.said()] == [None, 1]


class Unreached(MemoryQueue):
    def fetch(self, enough=never_enough):
        raise Unreachable("list queue q", "connection refused")

    def post(self, body, ttl_s):
        raise Unreachable("post to queue q", "connection refused")


def test_while_zaqar_is_away_the_last_good_one_is_returned(source, world, caplog):
    source.store.keep(snapshot(4))
    world.metadata = Unreached()
    assert source.look() == Look(snapshot(4), failed=True)
    assert "connection refused" in caplog.text
    assert world.said() == []


def test_a_hello_that_could_not_be_said_is_said_again(source, world):
    source.greeter._signals = Unreached()
    source.look()
    source.greeter._signals = world.signals
    source.look()
    assert world.said() == []
    world.now += 30
    source.look()
    assert len(world.said()) == 1


class Full(SnapshotStore):
    def keep(self, snapshot):
        raise StateError("/var/lib/x", "No space left on device")


def test_on_a_full_disk_the_held_one_is_returned_and_the_new_one_stays(
    source, tmp_path, caplog, world
):
    source.store.keep(snapshot(1))
    source.store = Full(tmp_path)
    world.post(snapshot(2))
    assert look_of(source) == Look(snapshot(1), failed=True)
    assert "No space left on device" in caplog.text
    source.store = SnapshotStore(tmp_path)
    assert look_of(source) == Look(snapshot(2), news=True)


def test_a_heat_without_the_plugin(tmp_path):
    queue = MemoryQueue()
    source = Source(None, lambda: queue, SnapshotStore(tmp_path), Farewell(tmp_path, None))
    assert look_of(source) == Look(None)
    queue.post({"deployments": [1]}, 60)
    queue.post({"deployments": [1, 2]}, 60)
    assert source.look() == Look(PlainSnapshot({"deployments": [1, 2]}), news=True)
    assert source.look() == Look(PlainSnapshot({"deployments": [1, 2]}))


def test_no_content_is_logged(source, caplog, world):
    with caplog.at_level(logging.DEBUG):
        world.post(snapshot(1, "s3cret"))
        world.post(snapshot(1, "s3cret too"))
        source.look()
    assert "generation 1 again" in caplog.text
    assert "s3cret" not in caplog.text


def test_a_queue_that_cannot_be_opened_yet_is_opened_later(source, world):
    source.store.keep(snapshot(1))
    opened, source.open_metadata = source.open_metadata, Unreached().fetch
    assert look_of(source) == Look(snapshot(1), failed=True)
    source.open_metadata = opened
    world.post(snapshot(2))
    assert look_of(source) == Look(snapshot(2), news=True)


def test_news_say_how_long_they_have_waited_whatever_else_is_younger(source, world):
    world.post(snapshot(1))
    world.now = 40.0
    world.post(snapshot(2))
    world.now = 45.0
    world.post(Ack(CHANNEL, "a"))
    world.now = 47.9
    look = source.look()
    assert (look.snapshot, look.news, look.age_s) == (snapshot(2), True, 7)


def test_what_was_listed_is_known_until_the_next_list(source, world):
    first = world.post(snapshot(1))
    second = world.metadata.post({"heat-zaqar": 1}, 60)
    assert source.listed == frozenset()
    source.look()
    assert source.listed == {first, second}
    world.metadata.delete([first])
    source.look()
    assert source.listed == {second}


def test_a_queue_that_loses_only_some_messages_is_not_emptied(source, world):
    first = world.post(snapshot(1))
    world.post(snapshot(2))
    source.look()
    world.metadata.delete([first])
    assert look_of(source) == Look(snapshot(2))


class MissedOnce:
    """A queue whose next list falls between the old snapshot and the new one."""

    def __init__(self, queue):
        self._queue = queue
        self.lists = 0

    def fetch(self, enough=never_enough):
        self.lists += 1
        return [] if self.lists == 1 else self._queue.fetch(enough)


def test_a_list_that_lacks_what_is_being_replaced_is_made_once_more(source, world):
    old = world.post(snapshot(1))
    source.look()
    world.post(snapshot(2))
    world.metadata.delete([old])
    source._metadata = MissedOnce(world.metadata)
    assert look_of(source) == Look(snapshot(2), news=True)
    assert [each.reason for each in world.said()] == ["start"]


def test_a_server_that_holds_nothing_lists_once(source, world):
    source._metadata = MissedOnce(world.metadata)
    source.look()
    assert source._metadata.lists == 1


def test_a_queue_that_cannot_be_read_is_not_emptied(source, world):
    world.post(snapshot(1))
    source.look()
    source._metadata = Unreached()
    assert source.look() == Look(snapshot(1), failed=True)
    source._metadata = None
    assert look_of(source) == Look(snapshot(1))


def test_a_failed_look_lists_nothing_anew(source, world):
    message_id = world.post(snapshot(1))
    source.look()
    source._metadata = Unreached()
    source.look()
    assert source.listed == {message_id}


def test_what_could_not_be_kept_counts_as_not_seen_yet(source, tmp_path, world):
    source.store = Full(tmp_path)
    message_id = world.post(snapshot(1))
    source.look()
    assert message_id not in source.listed


class Counting(MemoryQueue):
    """Counts what is asked of it: a page, and the rest if that is not enough."""

    def __init__(self):
        super().__init__()
        self.asked = []

    def fetch(self, enough):
        def asked(page):
            will_do = enough(page)
            self.asked.append("page" if will_do else "all")
            return will_do

        return super().fetch(asked)


def test_while_nothing_happens_a_look_is_one_request(source, world):
    world.metadata = queue = Counting()
    world.post(snapshot(1))
    source.look()
    queue.asked.clear()
    for _ in range(3):
        assert look_of(source) == Look(snapshot(1))
    assert queue.asked == ["page"] * 3
    world.post(snapshot(2))
    assert look_of(source) == Look(snapshot(2), news=True)
    assert queue.asked[3:] == ["all"]


def test_an_empty_queue_is_looked_through(source, world):
    world.metadata = queue = Counting()
    source.look()
    source.look()
    assert queue.asked == ["all"] * 2


def test_what_has_gone_is_no_reason_to_ask_for_more_unless_it_was_the_snapshot(source, world):
    world.metadata = queue = Counting()
    carrier = world.post(snapshot(1))
    ack = world.post(Ack(CHANNEL, "a"))
    source.look()
    queue.asked.clear()
    queue.delete([ack])
    assert source.knows(frozenset([carrier]))
    source.look()
    assert queue.asked == ["page"]
    assert source.listed == {carrier}
    assert not source.knows(frozenset())


def test_a_lost_file_is_made_good_from_an_unchanged_queue(source, world):
    world.post(snapshot(1))
    source.look()
    (source.store._path).unlink()
    assert look_of(source) == Look(snapshot(1), news=True)


def test_what_lies_behind_a_full_page_is_found(source, world):
    for generation in range(1, 21):
        world.post(snapshot(generation))
    source.look()
    world.post(snapshot(21))
    assert look_of(source) == Look(snapshot(21), news=True)
    assert not source.knows(frozenset(message.id for message in world.metadata.peek()))


# Parts


def test_a_snapshot_that_came_in_parts_is_kept_as_one_body(source, world):
    large = snapshot(3, "x" * 5000)
    world.post(snapshot(1))
    bodies = pack(large)
    assert "payload" in bodies[0]
    for body in bodies:
        world.metadata.post(body, TTL_S)
    assert look_of(source) == Look(large, news=True)
    assert source.store.load() == large


def test_parts_of_which_some_are_missing_wait_and_are_asked_for(source, world):
    world.post(snapshot(1))
    source.look()
    limits = Limits(post_bytes=2000)
    first, *others = pack(snapshot(2, secrets.token_hex(5000)), limits)
    assert others
    world.metadata.post(first, TTL_S)
    look = source.look()
    assert (look.snapshot, look.news, look.again_in_s) == (snapshot(1), False, 10)
    world.now += 10
    source.look()
    assert world.said()[-1] == Hello(CHANNEL, "incomplete", 1)
    for body in others:
        world.metadata.post(body, TTL_S)
    assert source.look().news


# Changes


def grown(generation):
    """Return a snapshot with so many deployments, each hard to compress."""
    deployments = [{"id": each, "config": RANDOM[each]} for each in range(generation)]
    return Snapshot(CHANNEL, generation, {"deployments": deployments})


RANDOM = [secrets.token_hex(1500) for _ in range(12)]


def test_a_snapshot_that_is_told_as_a_change_is_kept_whole(source, world):
    for body in pack(grown(11)):
        world.metadata.post(body, TTL_S)
    source.look()
    (change,) = pack(grown(12), base=grown(11))
    assert "base" in change["heat-zaqar"]
    world.metadata.post(change, TTL_S)
    assert look_of(source) == Look(grown(12), news=True)
    assert source.store.load() == grown(12)


def test_a_change_is_as_old_as_itself_not_as_its_base(source, world):
    """Else each would look as if a push had failed to tell of it."""
    for generation, base in ((11, None), (12, grown(11))):
        world.now += 40
        for body in pack(grown(generation), base=base):
            world.metadata.post(body, TTL_S)
    world.now += 2
    assert source.look().age_s == 2


def test_a_change_lives_no_longer_than_its_base(source, world):
    for body in pack(grown(11)):
        world.metadata.post(body, 60)
    for body in pack(grown(12), base=grown(11)):
        world.metadata.post(body, TTL_S)
    assert source.look().again_in_s == 30
    world.now += 30
    source.look()
    assert world.said()[-1] == Hello(CHANNEL, "expiring", 12)


def test_a_change_whose_base_is_not_in_the_queue_is_asked_for_like_a_missing_part(source, world):
    world.post(snapshot(10))
    for body in pack(grown(12), base=grown(11)):
        world.metadata.post(body, TTL_S)
    look = source.look()
    assert (look.snapshot, look.again_in_s) == (snapshot(10), 10)
    world.now += 10
    source.look()
    assert world.said()[-1] == Hello(CHANNEL, "incomplete", 10)


# Acks


def test_acks_are_told_of_once(source, world):
    world.post(snapshot(1))
    world.post(Ack(CHANNEL, "a"))
    world.post(Ack("other", "z"))
    assert source.look().acks == (Ack(CHANNEL, "a"),)
    assert source.look().acks == ()
    world.post(Ack(CHANNEL, "b", 2))
    assert source.look().acks == (Ack(CHANNEL, "b", 2),)


def test_an_ack_is_no_news(source, world):
    world.post(snapshot(1))
    source.look()
    world.post(Ack(CHANNEL, "a"))
    assert look_of(source) == Look(snapshot(1), acks=(Ack(CHANNEL, "a"),))


# Looking again, and being posted again


def test_the_next_look_is_due_at_half_of_the_snapshots_life(source, world):
    world.post(snapshot(1), 60)
    assert source.look().again_in_s == 30
    world.now += 20
    assert source.look().again_in_s == 10


def test_a_snapshot_that_has_lived_half_of_its_life_is_asked_for(source, world):
    world.post(snapshot(1), 60)
    source.look()
    world.now += 30
    source.look()
    assert world.said()[-1] == Hello(CHANNEL, "expiring", 1)
    world.post(snapshot(1), 60)
    look = source.look()
    assert (look.news, look.renewed, look.again_in_s) == (False, True, 30)
    assert not source.look().renewed


def test_without_a_queue_to_heat_no_look_is_due(source, world):
    source.greeter = None
    world.post(snapshot(1))
    assert source.look().again_in_s is None


def test_a_hello_tells_the_generation_that_is_on_the_disk(source, world, tmp_path):
    source.store.keep(snapshot(1))
    source.store = Full(tmp_path)
    world.post(snapshot(2))
    source.look()
    assert world.said() == [Hello(CHANNEL, "start", 1)]


# Sealing

SEAL, OTHERS = (
    SealKeys([new_key(lambda size, digit=digit: digit * size)], secrets.token_bytes)
    for digit in (b"k", b"o")
)


@pytest.fixture
def sealed(source):
    """The source of an agent whose channel has a key."""
    source.seal = SEAL
    return source


def test_a_sealed_snapshot_is_kept_in_the_clear(sealed, world):
    for body in pack(snapshot(1, "s3cret"), seal=SEAL):
        world.metadata.post(body, TTL_S)
    assert look_of(sealed) == Look(snapshot(1, "s3cret"), news=True)
    assert sealed.store.load() == snapshot(1, "s3cret")


def test_sealed_parts_and_changes_are_put_together(sealed, world):
    for generation, base in ((11, None), (12, grown(11))):
        for body in pack(grown(generation), Limits(post_bytes=4000), base=base, seal=SEAL):
            world.metadata.post(body, TTL_S)
    assert look_of(sealed) == Look(grown(12), news=True)


def test_what_the_key_does_not_open_is_rejected_and_asked_for(sealed, world, caplog):
    world.metadata.post(SEAL.seal(serialize(snapshot(1))), TTL_S)
    for forged in (OTHERS.seal(serialize(snapshot(2))), serialize(snapshot(3))):
        world.metadata.post(forged, TTL_S)
    with caplog.at_level(logging.ERROR):
        assert look_of(sealed) == Look(snapshot(1), news=True)
    assert "cannot be opened" in caplog.text
    assert "is not sealed" in caplog.text
    assert world.said() == [Hello(CHANNEL, "rejected", 1)]


def test_without_the_key_nothing_sealed_is_taken(source, world, caplog):
    world.metadata.post(SEAL.seal(serialize(snapshot(1))), TTL_S)
    assert source.look().snapshot is None
    assert "there is no key" in caplog.text


def test_sealed_acks_are_told_of_and_others_are_not(sealed, world):
    for number, seal in enumerate((SEAL, OTHERS)):
        world.metadata.post(seal.seal(serialize(Ack(CHANNEL, f"c{number}"))), TTL_S)
    world.post(Ack(CHANNEL, "plain"))
    assert sealed.look().acks == (Ack(CHANNEL, "c0"),)


def test_a_goodbye_that_anybody_could_have_made_is_none(sealed, world):
    world.post(Goodbye(CHANNEL))
    sealed.look()
    assert not sealed.farewell.gone
    world.metadata.post(SEAL.seal(serialize(Goodbye(CHANNEL))), TTL_S)
    sealed.look()
    assert sealed.farewell.gone


# The goodbye


def test_after_a_goodbye_nothing_is_said_also_by_the_next_process(source, world):
    world.post(snapshot(1))
    source.look()
    world.post(Goodbye(CHANNEL))
    look = source.look()
    assert look == Look(snapshot(1), again_in_s=GOODBYE_LOOK_S)
    world.clear()  # the queue is deleted
    for each in (source, world.start()):
        world.now += 10_000
        assert each.look() == Look(snapshot(1), emptied=True)
        assert each.farewell.gone
    assert [each.reason for each in world.said()] == ["start"]


def test_a_goodbye_and_a_last_snapshot_found_together_are_a_goodbye(source, world):
    world.post(snapshot(1))
    world.post(Goodbye(CHANNEL))
    assert source.look().news
    assert source.farewell.gone
    assert world.said() == []


def test_a_channel_that_is_published_to_again_is_spoken_to_again(source, world):
    world.post(snapshot(1))
    source.look()
    world.post(Goodbye(CHANNEL))
    source.look()
    world.clear()
    world.post(snapshot(2))
    assert source.look().news
    assert not source.farewell.gone
    world.clear()
    source.look()
    assert [each.reason for each in world.said()] == ["start", "empty queue"]


def test_a_goodbye_that_was_taken_back_without_a_word_counts_no_more(source, world):
    world.post(snapshot(1))
    goodbye = world.post(Goodbye(CHANNEL))
    source.look()
    world.metadata.delete([goodbye])
    source.look()
    assert not world.start().farewell.gone
    assert [each.reason for each in world.said()] == ["start"]


def test_the_goodbye_of_another_channel_is_none(source, world):
    world.post(snapshot(1))
    world.post(Goodbye("other"))
    source.look()
    assert not source.farewell.gone


# From the settings


def test_a_server_without_a_signal_queue_or_a_channel_says_no_hello(tmp_path):
    for lacking in ({"signal_url": None}, {"channel": None}):
        settings = SimpleNamespace(**{"signal_url": "x", "channel": "c", **lacking})
        assert module._greeter(settings) is None


def test_a_hello_is_said_with_the_key_and_credentials_of_the_settings(monkeypatch):
    monkeypatch.setattr(module.queues, "open_url", lambda url, **kwargs: None)
    settings = SimpleNamespace(
        channel=CHANNEL,
        signal_url="s",
        signal_ttl_s=600,
        timeout_s=7.5,
        verify=True,
        seal=SEAL,
        credentials="hz-k-1",
        renew_at=1000.0,
    )
    assert module._greeter(settings)._me == Identity(CHANNEL, SEAL, "hz-k-1", 1000.0)
