import dataclasses
import json
import threading
from random import Random

import pytest

from heat_zaqar_transport import seals
from heat_zaqar_transport.resources import options, publish
from heat_zaqar_transport.resources.channel import Channel, Credentials, SignalQueue, Webhook
from heat_zaqar_transport.resources.credentials import KnownCredentials
from heat_zaqar_transport.testing import MemoryQueue
from heat_zaqar_transport.wire import (
    Ack,
    Secret,
    SignedUrl,
    Snapshot,
    gather,
    parse,
    serialize,
)
from heat_zaqar_transport.wire.errors import RequestRefused, TooLarge, Unreachable
from heat_zaqar_transport.wire.sealing import NO_SEAL

NONE_KNOWN = KnownCredentials({}, None)


def bodies(queue):
    return [parse(message.body) for message in queue.fetch()]


def test_the_newest_replaces_what_was_there():
    queue = MemoryQueue()
    for generation in (1, 2, 3):
        publish._put(queue, Snapshot("c", generation, {"n": generation}), NO_SEAL)
        assert bodies(queue) == [Snapshot("c", generation, {"n": generation})]


def test_what_is_there_is_not_posted_again():
    queue = MemoryQueue()
    snapshot = Snapshot("c", 1, {})
    publish._put(queue, snapshot, NO_SEAL)
    (before,) = queue.fetch()
    publish._put(queue, snapshot, NO_SEAL)
    assert [message.id for message in queue.fetch()] == [before.id]


def test_an_engine_that_is_late_changes_nothing():
    queue = MemoryQueue()
    publish._put(queue, Snapshot("c", 5, {"n": 5}), NO_SEAL)
    publish._put(queue, Snapshot("c", 4, {"n": 4}), NO_SEAL)
    assert bodies(queue) == [Snapshot("c", 5, {"n": 5})]


def test_rubbish_is_cleared_away():
    queue = MemoryQueue()
    publish._put(queue, Snapshot("c", 5, {}), NO_SEAL)
    queue.post({"heat-zaqar": "?"}, 60)
    publish._put(queue, Snapshot("c", 5, {}), NO_SEAL)
    assert bodies(queue) == [Snapshot("c", 5, {})]


def test_at_no_time_is_the_queue_empty():
    class Watched(MemoryQueue):
        def post(self, body, ttl_s):
            counts.append(len(self.fetch()))
            return super().post(body, ttl_s)

        def delete(self, ids):
            super().delete(ids)
            counts.append(len(self.fetch()))

    counts = []
    queue = Watched()
    queue.post(serialize(Snapshot("c", 1, {})), 60)
    counts.clear()
    publish._put(queue, Snapshot("c", 2, {}), NO_SEAL)
    assert counts == [1, 1]


class Failing(MemoryQueue):
    def __init__(self, *errors):
        super().__init__()
        self.errors = list(errors)

    def post(self, body, ttl_s):
        if self.errors:
            raise self.errors.pop(0)
        return super().post(body, ttl_s)


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch):
    monkeypatch.setattr(publish._put.retry, "sleep", lambda seconds: None)


def test_a_passing_fault_is_overcome():
    queue = Failing(Unreachable("post", "refused"), Unreachable("post", "refused"))
    publish._put(queue, Snapshot("c", 1, {}), NO_SEAL)
    assert bodies(queue) == [Snapshot("c", 1, {})]


def test_a_lasting_fault_is_told():
    queue = Failing(*[Unreachable("post", "refused")] * 3)
    with pytest.raises(Unreachable):
        publish._put(queue, Snapshot("c", 1, {}), NO_SEAL)


def test_a_refusal_is_told_at_once():
    queue = Failing(RequestRefused("post", "too large"), RequestRefused("post", "again"))
    with pytest.raises(RequestRefused, match="too large"):
        publish._put(queue, Snapshot("c", 1, {}), NO_SEAL)


def row(generation=1, channel=None, deleting=False):
    return publish.ServerRow(
        {}, generation, channel, NONE_KNOWN, None, deleting=deleting, in_nova=False
    )


def test_nothing_happens_without_a_channel_or_for_a_server_that_goes(monkeypatch):
    monkeypatch.setattr(publish, "open_as_engine", None)
    for nobody in (None, row(), row(channel=CHANNEL, deleting=True)):
        publish.publish(lambda nobody=nobody: nobody)
        publish.restore(lambda nobody=nobody: nobody)


URL = SignedUrl("http://zaqar", "q", "p", ("/v2/queues/q/messages",), ("GET",), "2036", Secret("s"))
CHANNEL = Channel(SignalQueue("c", URL, Secret("http://heat/signal")), URL)


class Subscribed(MemoryQueue):
    def __init__(self, clock=lambda: 0.0):
        super().__init__(clock)
        self.subscribed = []

    def subscribe(self, url, ttl_s, options=None):
        self.subscribed.append(url)


@pytest.fixture
def queue(monkeypatch):
    queue = Subscribed()
    monkeypatch.setattr(publish, "open_as_engine", lambda url: queue)
    return queue


def test_those_who_come_while_one_posts_have_nothing_left_to_do(queue, monkeypatch):
    """Ten changes of one server, all made before the first of their posts has ended."""
    threads, generation, everyone_waits = [], [0], threading.Event()
    post = queue.post

    def slow_post(body, ttl_s):
        if not threads:
            for number in range(1, 10):
                generation[0] = number
                threads.append(
                    threading.Thread(
                        target=publish.publish,
                        args=(lambda: row(generation[0], CHANNEL),),
                    )
                )
                threads[-1].start()
            while publish._TURNS._turns["c"]._waiting < 10:
                everyone_waits.wait(0.001)
        return post(body, ttl_s)

    monkeypatch.setattr(queue, "post", slow_post)
    posts = []
    put = publish._put
    monkeypatch.setattr(publish, "_put", lambda *args: posts.append(1) or put(*args))
    publish.publish(lambda: row(generation[0], CHANNEL))
    for thread in threads:
        thread.join()
    assert len(posts) == 2
    assert [each.generation for each in bodies(queue)] == [9]
    assert publish._TURNS._turns == {}


def test_a_later_change_is_posted_though_an_earlier_one_was(queue):
    publish.publish(lambda: row(1, CHANNEL))
    publish.publish(lambda: row(2, CHANNEL))
    assert [each.generation for each in bodies(queue)] == [2]


def test_what_zaqar_has_lost_is_put_back_with_the_subscription(queue):
    publish.publish(lambda: row(3, CHANNEL))
    queue.subscribed.clear()
    publish.restore(lambda: row(3, CHANNEL))
    assert queue.subscribed == []
    queue.delete([each.id for each in queue.fetch()])
    publish.restore(lambda: row(3, CHANNEL))
    assert [each.generation for each in bodies(queue)] == [3]
    assert queue.subscribed == ["http://heat/signal"]


def test_a_webhook_is_subscribed_again_too(queue):
    called = dataclasses.replace(row(3, CHANNEL), webhook=Webhook("/p", "http://server/p"))
    publish.restore(lambda: called)
    assert queue.subscribed == ["http://heat/signal", "http://server/p"]


def test_a_snapshot_of_an_age_is_posted_again():
    now = [0.0]
    queue = MemoryQueue(lambda: now[0])
    snapshot = Snapshot("c", 1, {})
    publish._put(queue, snapshot, NO_SEAL)
    now[0] = options.get().snapshot_ttl / 2
    publish._put(queue, snapshot, NO_SEAL)
    (renewed,) = queue.fetch()
    assert (renewed.age_s, parse(renewed.body)) == (0, snapshot)


def whole(queue):
    return [found.message for found in gather(queue.fetch()).found]


def test_a_large_document_is_posted_in_parts_and_the_one_before_stays_as_a_base():
    queue = MemoryQueue()
    random = Random(7)
    snapshots = [Snapshot("c", n, {"text": random.randbytes(600_000).hex()}) for n in range(4)]
    for number, snapshot in enumerate(snapshots):
        publish._put(queue, snapshot, NO_SEAL)
        assert len(queue.fetch()) > 2
        assert whole(queue) == snapshots[max(number - 1, 0) : number + 1]


class Counting(MemoryQueue):
    def __init__(self):
        super().__init__()
        self.posted_bytes = 0

    def post(self, body, ttl_s):
        self.posted_bytes += len(json.dumps(body))
        return super().post(body, ttl_s)


def test_bytes_grow_with_the_document():
    """Sixty deployments, one after the other, of text that can be halved and no more."""
    queue, random, deployments = Counting(), Random(7), []
    for number in range(60):
        config = random.randbytes(2048).hex()
        deployments.append({"id": str(number), "config": config})
        snapshot = Snapshot("c", number, {"deployments": list(deployments)})
        publish._put(queue, snapshot, NO_SEAL)
        assert max(whole(queue), key=lambda each: each.generation) == snapshot
        assert len(queue.fetch()) <= 3
    assert queue.posted_bytes < 60 * len(json.dumps(deployments)) / 10
    del deployments[7]
    publish._put(queue, Snapshot("c", 60, {"deployments": deployments}), NO_SEAL)
    assert {"deployments": deployments} in [each.document for each in whole(queue)]


def test_what_cannot_be_carried_names_both_sizes():
    document = {"text": "x" * 20_000_000}
    with pytest.raises(TooLarge, match=r"20000011 bytes, and at most 16777216 bytes"):
        publish._put(MemoryQueue(), Snapshot("c", 1, document), NO_SEAL)


def test_an_ack_is_a_message_of_the_channel(queue):
    publish.acknowledge(CHANNEL, NO_SEAL, Ack("c", "c1", 2))
    assert bodies(queue) == [Ack("c", "c1", 2)]


# Sealing


def credentials(name, *keys):
    return Credentials(name, URL, URL, keys, Secret("s3cret-password"), 1000, 2500)


OLD = credentials("hz-k-1", seals.new_key())
NEW = credentials("hz-k-2", seals.new_key(), *OLD.seal_keys)


def sealed_row(told, generation=1):
    """Return a row whose metadata names the new credentials, of a server that told of some."""
    agent = {"channel": "c", **NEW.naming(), "password": None}
    return dataclasses.replace(
        row(generation, CHANNEL),
        metadata={"os-collect-config": {"zaqar": agent}},
        credentials=KnownCredentials({each.name: each for each in (OLD, NEW)}, told.name),
    )


def opened(queue, credentials):
    """Return what a server with these credentials finds, if it can open all of it."""
    gathered = gather(queue.fetch(), seals.seal_of(credentials.seal_keys))
    assert gathered.rejected == ()
    return [found.message for found in gathered.found]


@pytest.mark.parametrize("told", [OLD, NEW])
def test_what_is_published_is_sealed_for_the_credentials_that_the_server_told_of(queue, told):
    publish.restore(lambda: sealed_row(told))
    (snapshot,) = opened(queue, told)
    agent = snapshot.document["os-collect-config"]["zaqar"]
    assert agent["seal_keys"] == seals.text_of(NEW.seal_keys)
    assert (agent["credentials"], agent["password"]) == ("hz-k-2", "s3cret-password")
    assert "s3cret-password" not in json.dumps([each.body for each in queue.fetch()])
    first_key_alone = seals.seal_of(told.seal_keys[:1])
    assert gather(queue.fetch(), first_key_alone).rejected == ()


def test_what_the_server_could_not_open_is_replaced(queue):
    publish.restore(lambda: sealed_row(NEW))
    (before,) = queue.fetch()
    publish.restore(lambda: sealed_row(NEW))
    assert [each.id for each in queue.fetch()] == [before.id]
    publish.restore(lambda: sealed_row(OLD))
    (after,) = queue.fetch()
    assert after.id != before.id
    assert [each.generation for each in opened(queue, OLD)] == [1]


def test_what_is_not_sealed_is_replaced_where_there_is_a_key(queue):
    snapshot = Snapshot("c", 1, sealed_row(NEW).document)
    plain = queue.post(serialize(snapshot), 600)
    publish.restore(lambda: sealed_row(NEW))
    assert opened(queue, NEW) == [snapshot]
    assert plain not in [each.id for each in queue.fetch()]


def test_a_large_document_is_sealed_in_parts_and_as_changes(queue):
    noise = [Random(at).randbytes(300_000).hex() for at in range(3)]
    for number in (2, 3):
        several = dataclasses.replace(
            sealed_row(NEW, number),
            metadata={**sealed_row(NEW).metadata, "deployments": noise[:number]},
        )
        publish.restore(lambda several=several: several)
    assert all(set(each.body) == {"heat-zaqar", "sealed"} for each in queue.fetch())
    newest = max(opened(queue, NEW), key=lambda each: each.generation)
    assert newest.document["deployments"] == noise


def test_an_ack_is_sealed(queue):
    seal = seals.seal_of(NEW.seal_keys)
    publish.acknowledge(CHANNEL, seal, Ack("c", "c1", 2))
    assert opened(queue, NEW) == [Ack("c", "c1", 2)]
    assert all(set(each.body) == {"heat-zaqar", "sealed"} for each in queue.fetch())


def test_a_row_is_told_with_its_credentials_and_kept_without():
    found = sealed_row(OLD)
    assert "s3cret-password" not in json.dumps(found.metadata)
    assert found.document["os-collect-config"]["zaqar"]["password"] == "s3cret-password"
    for secret in ("s3cret", OLD.seal_keys[0].reveal()):
        assert secret not in repr(found)
