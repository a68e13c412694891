import pytest

from heat_zaqar_transport.resources import publish
from heat_zaqar_transport.testing import MemoryQueue
from heat_zaqar_transport.wire import Snapshot, parse, serialize
from heat_zaqar_transport.wire.errors import RequestRefused, Unreachable


def bodies(queue):
    return [parse(message.body) for message in queue.fetch()]


def test_the_newest_replaces_what_was_there():
    queue = MemoryQueue()
    for generation in (1, 2, 3):
        publish._put(queue, Snapshot("c", generation, {"n": generation}))
        assert bodies(queue) == [Snapshot("c", generation, {"n": generation})]


def test_what_is_there_is_not_posted_again():
    queue = MemoryQueue()
    snapshot = Snapshot("c", 1, {})
    publish._put(queue, snapshot)
    (before,) = queue.fetch()
    publish._put(queue, snapshot)
    assert [message.id for message in queue.fetch()] == [before.id]


def test_an_engine_that_is_late_changes_nothing():
    queue = MemoryQueue()
    publish._put(queue, Snapshot("c", 5, {"n": 5}))
    publish._put(queue, Snapshot("c", 4, {"n": 4}))
    assert bodies(queue) == [Snapshot("c", 5, {"n": 5})]


def test_rubbish_is_cleared_away():
    queue = MemoryQueue()
    publish._put(queue, Snapshot("c", 5, {}))
    queue.post({"heat-zaqar": "?"}, 60)
    publish._put(queue, Snapshot("c", 5, {}))
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
    publish._put(queue, Snapshot("c", 2, {}))
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
    publish._put(queue, Snapshot("c", 1, {}))
    assert bodies(queue) == [Snapshot("c", 1, {})]


def test_a_lasting_fault_is_told():
    queue = Failing(*[Unreachable("post", "refused")] * 3)
    with pytest.raises(Unreachable):
        publish._put(queue, Snapshot("c", 1, {}))


def test_a_refusal_is_told_at_once():
    queue = Failing(RequestRefused("post", "too large"), RequestRefused("post", "again"))
    with pytest.raises(RequestRefused, match="too large"):
        publish._put(queue, Snapshot("c", 1, {}))


def test_nothing_happens_without_a_channel():
    publish.publish(None)
    publish.publish(publish.ServerRow({}, 1, None, deleting=False, in_nova=False))
