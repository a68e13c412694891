import logging

import pytest

from heat_zaqar_collector.source import Look, Source
from heat_zaqar_collector.store import SnapshotStore
from heat_zaqar_transport.testing import MemoryQueue
from heat_zaqar_transport.wire import Hello, PlainSnapshot, Snapshot, parse, serialize
from heat_zaqar_transport.wire.errors import StateError, Unreachable

CHANNEL = "hz-c-1"


def snapshot(generation, text="x"):
    return Snapshot(CHANNEL, generation, {"text": text})


@pytest.fixture
def source(tmp_path):
    metadata = MemoryQueue()
    source = Source(CHANNEL, lambda: metadata, MemoryQueue(), SnapshotStore(tmp_path), 60)
    source._metadata = metadata
    return source


def said(source):
    return [parse(message.body) for message in source.signals.fetch()]


def post(source, message):
    return source._metadata.post(serialize(message), 60)


def test_the_newest_is_returned_and_kept_and_stays_in_the_queue(source):
    post(source, snapshot(1))
    post(source, snapshot(2))
    assert source.look() == Look(snapshot(2), news=True)
    assert source.look() == Look(snapshot(2))
    assert source.store.load() == snapshot(2)
    assert len(source._metadata.fetch()) == 2


def test_an_emptied_queue_changes_nothing(source):
    message_id = post(source, snapshot(1))
    source.look()
    source._metadata.delete([message_id])
    assert source.look() == Look(snapshot(1), emptied=True)
    assert source.look() == Look(snapshot(1))
    assert said(source) == []


def test_nothing_at_all_is_none_and_asked_for_once(source):
    assert source.look() == Look(None)
    assert source.look() == Look(None)
    assert said(source) == [Hello(CHANNEL, "empty queue", None)]


def test_what_is_rejected_is_logged_and_asked_for_once(source, caplog):
    post(source, snapshot(1))
    source._metadata.post({"heat-zaqar": {"version": 7}}, 60)
    with caplog.at_level(logging.ERROR):
        assert source.look() == Look(snapshot(1), news=True)
        assert source.look() == Look(snapshot(1))
    assert "version 7 is not spoken here" in caplog.text
    assert said(source) == [Hello(CHANNEL, "rejected", 1)]


def test_new_trouble_is_asked_for_again(source):
    first = source._metadata.post({"heat-zaqar": 1}, 60)
    source.look()
    source._metadata.delete([first])
    post(source, snapshot(1))
    source.look()
    source._metadata.post({"heat-zaqar": 1}, 60)
    source.look()
    assert [each.generation for each in said(source)] == [None, 1]


class Unreached(MemoryQueue):
    def fetch(self):
        raise Unreachable("list queue q", "connection refused")

    def post(self, body, ttl_s):
        raise Unreachable("post to queue q", "connection refused")


def test_while_zaqar_is_away_the_last_good_one_is_returned(source, caplog):
    source.store.keep(snapshot(4))
    source._metadata = Unreached()
    assert source.look() == Look(snapshot(4), failed=True)
    assert "connection refused" in caplog.text


def test_a_hello_that_could_not_be_said_is_said_again(source):
    there, source.signals = source.signals, Unreached()
    source.look()
    source.signals = there
    source.look()
    assert len(said(source)) == 1


class Full(SnapshotStore):
    def keep(self, snapshot):
        raise StateError("/var/lib/x", "No space left on device")


def test_on_a_full_disk_the_held_one_is_returned_and_the_new_one_stays(source, tmp_path, caplog):
    source.store.keep(snapshot(1))
    source.store = Full(tmp_path)
    post(source, snapshot(2))
    assert source.look() == Look(snapshot(1), failed=True)
    assert "No space left on device" in caplog.text
    source.store = SnapshotStore(tmp_path)
    assert source.look() == Look(snapshot(2), news=True)


def test_a_heat_without_the_plugin(tmp_path):
    source = Source(None, MemoryQueue, None, SnapshotStore(tmp_path), 60)
    assert source.look() == Look(None)
    source._metadata.post({"deployments": [1]}, 60)
    source._metadata.post({"deployments": [1, 2]}, 60)
    assert source.look() == Look(PlainSnapshot({"deployments": [1, 2]}), news=True)
    assert source.look() == Look(PlainSnapshot({"deployments": [1, 2]}))


def test_no_content_is_logged(source, caplog):
    with caplog.at_level(logging.DEBUG):
        post(source, snapshot(1, "s3cret"))
        post(source, snapshot(1, "s3cret too"))
        source.look()
    assert "generation 1 again" in caplog.text
    assert "s3cret" not in caplog.text


def test_a_queue_that_cannot_be_opened_yet_is_opened_later(source):
    source.store.keep(snapshot(1))
    source._metadata = None
    opened, source.open_metadata = source.open_metadata, Unreached().fetch
    assert source.look() == Look(snapshot(1), failed=True)
    source.open_metadata = opened
    opened().post(serialize(snapshot(2)), 60)
    assert source.look() == Look(snapshot(2), news=True)


def test_news_say_how_long_the_youngest_message_has_waited(source):
    now = [0.0]
    source._metadata = MemoryQueue(lambda: now[0])
    post(source, snapshot(1))
    now[0] = 40.0
    post(source, snapshot(2))
    now[0] = 47.9
    assert source.look() == Look(snapshot(2), news=True, age_s=7)


def test_what_was_listed_is_known_until_the_next_list(source):
    first = post(source, snapshot(1))
    second = source._metadata.post({"heat-zaqar": 1}, 60)
    assert source.listed == frozenset()
    source.look()
    assert source.listed == {first, second}
    source._metadata.delete([first])
    source.look()
    assert source.listed == {second}


def test_a_queue_that_loses_only_some_messages_is_not_emptied(source):
    first = post(source, snapshot(1))
    post(source, snapshot(2))
    source.look()
    source._metadata.delete([first])
    assert source.look() == Look(snapshot(2))


def test_a_queue_that_cannot_be_read_is_not_emptied(source):
    post(source, snapshot(1))
    source.look()
    source._metadata = Unreached()
    assert source.look() == Look(snapshot(1), failed=True)


def test_a_failed_look_lists_nothing_anew(source):
    message_id = post(source, snapshot(1))
    source.look()
    source._metadata = Unreached()
    source.look()
    assert source.listed == {message_id}


def test_what_could_not_be_kept_counts_as_not_seen_yet(source, tmp_path):
    source.store = Full(tmp_path)
    message_id = post(source, snapshot(1))
    source.look()
    assert message_id not in source.listed


class Counting(MemoryQueue):
    """Counts what is asked of it."""

    def __init__(self):
        super().__init__()
        self.asked = []

    def fetch(self):
        self.asked.append("fetch")
        return super().fetch()

    def peek(self):
        self.asked.append("peek")
        return super().fetch()[:20]


def test_while_nothing_happens_a_look_is_one_request(source):
    source._metadata = queue = Counting()
    post(source, snapshot(1))
    source.look()
    queue.asked.clear()
    for _ in range(3):
        assert source.look() == Look(snapshot(1))
    assert queue.asked == ["peek"] * 3
    post(source, snapshot(2))
    assert source.look() == Look(snapshot(2), news=True)


def test_a_lost_file_is_made_good_from_an_unchanged_queue(source):
    post(source, snapshot(1))
    source.look()
    (source.store._path).unlink()
    assert source.look() == Look(snapshot(1), news=True)


def test_what_lies_behind_a_full_page_is_found(source):
    for generation in range(1, 21):
        post(source, snapshot(generation))
    source.look()
    post(source, snapshot(21))
    assert source.look() == Look(snapshot(21), news=True)
    assert not source.knows(frozenset(message.id for message in source._metadata.peek()))
