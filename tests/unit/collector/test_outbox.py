"""Results are resent until they are acked, on a clock that only the waiting turns."""

import logging
import secrets
import threading
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace

import pytest

from heat_zaqar_collector import outbox as module
from heat_zaqar_collector.farewell import Farewell
from heat_zaqar_collector.outbox import TICK_S, UNFORESEEN_PAUSE_S, Outbox, open_outbox
from heat_zaqar_collector.push.base import Push
from heat_zaqar_hooks.states import Deployment, State, Store
from heat_zaqar_transport.testing import MemoryQueue
from heat_zaqar_transport.wire import Ack, Goodbye, Limits, Result, Snapshot, gather, serialize
from heat_zaqar_transport.wire.errors import (
    AccessRefused,
    RequestRefused,
    ServiceFailed,
    StateError,
    Unreachable,
)
from heat_zaqar_transport.wire.sealing import NO_SEAL, SealKeys, new_key

CHANNEL = "hz-c-1"
OUTPUTS = {"deploy_stdout": "did it", "deploy_status_code": 0}


class Over(BaseException):
    """Ends a thread that would go on for ever."""


class Queue(MemoryQueue):
    """Counts and fails as told.

    Attributes:
        asked: When each request came.
        error: Raised by each, until it is taken away.
    """

    def __init__(self, clock, limits=None):
        super().__init__(clock, limits)
        self.asked = []
        self.error = None

    def fetch(self):
        self._ask()
        return super().fetch()

    def post(self, body, ttl_s):
        self._ask()
        return super().post(body, ttl_s)

    def _ask(self):
        self.asked.append(self._clock())
        if self.error is not None:
            raise self.error


class World:
    """The records of a server, its two queues, and the outbox between them."""

    def __init__(self, state_dir):
        self.now = 1000.0
        self.chance = 0.5
        self.busy = False
        self.metadata = Queue(lambda: self.now)
        self.signals = Queue(lambda: self.now)
        self.store = Store(state_dir)
        self.farewell = Farewell(state_dir, CHANNEL)
        self.outbox = Outbox(
            CHANNEL,
            NO_SEAL,
            self.store,
            self.metadata,
            self.signals,
            self.farewell,
            86400,
            lambda: self.now,
            self.wait,
            lambda: self.chance,
            lambda: self.busy,
        )

    def wait(self, seconds):
        self.now += seconds

    def finish(self, config_id="a", channel=CHANNEL, outputs=OUTPUTS, attempt=1):
        """Put a result into the outbox, as the runner does."""
        record = Deployment(config_id, "d", "script", attempt=attempt)
        self.store.write(record.finished(outputs, "2026-01-01T00:00:00Z", channel))

    def sent(self, config_id="a", attempt=1):
        self.store.advance(config_id, attempt, State.SENT)

    def state(self, config_id="a"):
        return self.store.read(config_id).state

    def heat_says(self, message, ttl_s=300):
        MemoryQueue.post(self.metadata, serialize(message), ttl_s)

    def run(self, seconds):
        """Let the outbox live for a while; return when it posted, counted from now."""
        start, before = self.now, len(self.signals.asked)
        while self.now < start + seconds:
            self.outbox.tick()
            self.now += TICK_S
        return [each - start for each in self.signals.asked[before:]]

    def heard(self):
        """Return what Heat finds in the signal queue."""
        return [each.message for each in gather(MemoryQueue.fetch(self.signals)).found]


@pytest.fixture
def world(tmp_path):
    return World(tmp_path)


# Resending


def test_a_result_is_resent_as_the_runner_sent_it(world):
    world.finish(attempt=3)
    world.run(11)
    assert world.heard() == [Result(CHANNEL, "a", OUTPUTS, 3)]


def test_it_is_resent_after_growing_pauses_for_as_long_as_there_is_no_ack(world):
    world.finish()
    times = world.run(6000)
    gaps = [later - earlier for earlier, later in pairwise([0, *times])]
    assert gaps[:9] == [10, 20, 40, 80, 160, 320, 640, 900, 900]
    assert set(gaps[8:]) == {900}


@pytest.mark.parametrize(("chance", "first"), [(0.0, 7.5), (1.0, 12.5)])
def test_a_quarter_of_each_pause_is_chance(world, chance, first):
    world.chance = chance
    world.finish()
    assert world.run(14)[0] == pytest.approx(first, abs=1)


def test_the_pauses_are_each_results_own(world):
    world.finish("a")
    assert world.run(60) == [10, 30]
    world.finish("b")
    assert world.run(60) == [10, 10, 30]


def test_what_was_sent_is_resent_like_what_was_not(world):
    world.finish()
    world.sent()
    assert world.run(15) == [10]


def test_what_was_sent_again_is_sent(world):
    world.finish()
    world.run(15)
    assert world.state() is State.SENT


def test_a_new_attempt_is_a_result_of_its_own(world):
    world.finish(attempt=1)
    world.run(100)
    world.finish(attempt=2)
    assert world.run(15) == [10]
    assert world.heard()[-1].attempt == 2


def test_results_of_other_channels_are_others_business(world):
    world.finish("a", channel="other")
    world.finish("b", channel=None)
    assert world.run(1000) == []
    assert world.metadata.asked == []


def test_a_large_result_goes_in_parts_within_learned_limits_and_lifetimes(world):
    limits = Limits(post_bytes=8000, longest_ttl_s=600)
    world.signals = world.outbox._signals = Queue(lambda: world.now, limits)
    large = {"deploy_stdout": secrets.token_hex(20_000)}
    world.finish(outputs=large)
    world.run(11)
    assert world.heard() == [Result(CHANNEL, "a", large)]
    assert {each.ttl_s for each in MemoryQueue.fetch(world.signals)} == {600}
    assert len(MemoryQueue.fetch(world.signals)) > 1


# Acks


def test_while_nothing_waits_nothing_is_asked(world):
    world.heat_says(Ack(CHANNEL, "a"))
    world.run(10_000)
    assert world.metadata.asked == world.signals.asked == []


def test_before_anything_is_resent_the_queue_is_looked_into_once(world):
    world.finish("a")
    world.finish("b")
    assert world.run(15) == [10, 10]
    assert [each - 1000 for each in world.metadata.asked] == [10]


def test_what_is_acked_by_then_is_not_resent(world):
    world.finish("a")
    world.finish("b")
    world.run(5)
    world.heat_says(Ack(CHANNEL, "a"))
    world.run(100)
    assert {each.config_id for each in world.heard()} == {"b"}
    assert world.state("a") is State.ACKED


def test_acks_that_others_have_read_are_noted_within_a_second(world, caplog):
    world.finish()
    world.run(5)
    with caplog.at_level(logging.INFO):
        world.outbox.note([Ack("other", "a"), Ack(CHANNEL, "unknown"), Ack(CHANNEL, "a")])
        world.outbox.tick()
    assert world.state() is State.ACKED
    assert caplog.messages == ["Heat has the result of config a"]
    assert world.run(1000) == []
    assert world.metadata.asked == []


@pytest.mark.parametrize("ack", [Ack("other", "a"), Ack(CHANNEL, "b"), Ack(CHANNEL, "a", 2)])
def test_an_ack_of_something_else_is_none(world, ack):
    world.finish()
    world.heat_says(ack)
    world.outbox.note([ack])
    assert world.run(15) == [10]
    assert world.state() is State.SENT


def test_rubbish_among_the_acks_does_not_matter(world):
    world.finish()
    MemoryQueue.post(world.metadata, {"heat-zaqar": 1}, 300)
    world.heat_says(Snapshot(CHANNEL, 1, {}))
    world.heat_says(Ack(CHANNEL, "a"))
    assert world.run(15) == []
    assert world.state() is State.ACKED


# Sealing


@pytest.fixture
def seal(world):
    """Have a channel with a key."""
    keys = [new_key(lambda size: b"k" * size)]
    world.outbox._seal = SealKeys(keys, secrets.token_bytes)
    return world.outbox._seal


def test_a_result_is_sealed(world, seal):
    large = {"deploy_stdout": secrets.token_hex(200_000)}
    world.finish("a")
    world.finish("b", outputs=large)
    world.run(11)
    bodies = MemoryQueue.fetch(world.signals)
    assert len(bodies) > 2
    assert all(set(each.body) == {"heat-zaqar", "sealed"} for each in bodies)
    heard = [each.message for each in gather(bodies, seal).found]
    assert heard == [Result(CHANNEL, "a", OUTPUTS), Result(CHANNEL, "b", large)]


def test_a_sealed_ack_and_a_sealed_goodbye_are_read(world, seal):
    world.finish("a")
    for message in (Ack(CHANNEL, "a"), Goodbye(CHANNEL)):
        MemoryQueue.post(world.metadata, seal.seal(serialize(message)), 300)
    world.run(15)
    assert world.state() is State.ACKED
    assert world.farewell.gone


@pytest.mark.usefixtures("seal")
def test_an_ack_and_a_goodbye_that_anybody_could_have_made_are_none(world):
    others = SealKeys([new_key(lambda size: b"o" * size)], secrets.token_bytes)
    world.finish("a")
    for message in (Ack(CHANNEL, "a"), Goodbye(CHANNEL)):
        world.heat_says(message)
        MemoryQueue.post(world.metadata, others.seal(serialize(message)), 300)
    assert world.run(15) == [10]
    assert world.state() is State.SENT
    assert not world.farewell.gone


# The goodbye


def test_after_a_goodbye_nothing_is_resent(world):
    world.farewell.heard()
    world.finish()
    assert world.run(1000) == []
    assert world.metadata.asked == []


def test_a_goodbye_that_the_outbox_reads_itself_counts_for_good(world):
    world.finish()
    world.heat_says(Goodbye("other"))
    world.run(15)
    assert len(world.heard()) == 1
    world.heat_says(Goodbye(CHANNEL), 60)
    assert world.run(5000) == []
    assert world.farewell.gone


def test_a_channel_in_use_again_is_sent_what_waits(world):
    world.finish()
    world.farewell.heard()
    world.run(1000)
    world.farewell.lives()
    assert world.run(15) == [10]


# Trouble


@pytest.mark.parametrize("error", [Unreachable("list", "refused"), ServiceFailed("list", "503")])
def test_while_the_queue_cannot_be_read_for_now_nothing_is_resent(world, caplog, error):
    world.finish()
    world.metadata.error = error
    assert world.run(100) == []
    assert [each - 1000 for each in world.metadata.asked] == [10, 30, 70]
    assert caplog.text.count(str(error)) == 1
    world.metadata.error = None
    assert len(world.run(100)) == 1


@pytest.mark.parametrize("error", [AccessRefused("list", "403"), RequestRefused("list", "400")])
def test_one_who_may_not_read_is_heard_all_the_same(world, caplog, error):
    world.finish()
    world.metadata.error = error
    assert world.run(100) == [10, 30, 70]
    assert caplog.text.count(str(error)) == 1


@pytest.mark.parametrize("error", [Unreachable("post", "refused"), AccessRefused("post", "403")])
def test_what_cannot_be_posted_is_tried_again_at_the_same_pace(world, caplog, error):
    world.finish()
    world.signals.error = error
    assert world.run(100) == [10, 30, 70]
    assert world.state() is State.FINISHED
    assert caplog.text.count(str(error)) == 1
    world.signals.error = None
    world.run(100)
    assert len(world.heard()) == 1


def test_new_trouble_after_a_success_is_told_again(world, caplog):
    world.finish()
    for _ in range(2):
        world.signals.error = Unreachable("post", "refused")
        world.run(1000)
        world.signals.error = None
        world.run(1000)
    assert caplog.text.count("refused") == 2


def test_other_trouble_is_told_though_there_has_been_no_success(world, caplog):
    world.finish()
    world.signals.error = Unreachable("post", "refused")
    world.run(15)
    world.signals.error = AccessRefused("post", "403")
    world.run(100)
    assert [caplog.text.count(each) for each in ("refused", "403")] == [1, 1]


def test_a_queue_that_cannot_be_read_once_more_is_told_again(world, caplog):
    world.finish()
    for error in (Unreachable("list", "refused"), None, Unreachable("list", "refused")):
        world.metadata.error = error
        world.run(1000)
    assert caplog.text.count("refused") == 2


def test_an_ack_ends_the_trouble_of_its_result(world, caplog):
    world.signals.error = Unreachable("post", "refused")
    for attempt in (1, 2):
        world.finish(attempt=attempt)
        world.run(15)
        world.outbox.note([Ack(CHANNEL, "a", attempt)])
        world.run(15)
    assert caplog.text.count("refused") == 2


def test_while_zaqar_is_away_each_result_does_not_wait_for_its_own_timeout(world):
    world.finish("a")
    world.finish("b")
    world.signals.error = Unreachable("post", "timed out")
    assert world.run(15) == [10]


def test_a_result_that_zaqar_refuses_does_not_stop_the_others(world):
    class Picky(Queue):
        def post(self, body, ttl_s):
            if body["content"]["config_id"] == "a":
                raise RequestRefused("post", "no")
            return super().post(body, ttl_s)

    world.signals = world.outbox._signals = Picky(lambda: world.now)
    world.finish("a")
    world.finish("b")
    world.run(15)
    assert [each.config_id for each in world.heard()] == ["b"]


class Broken:
    """Records on a bad disk."""

    def __init__(self, store):
        self._store = store
        self.failing = "unacked"

    def __getattr__(self, name):
        def fail(*args):
            raise StateError("/var/lib/x", "Input/output error")

        return fail if name == self.failing else getattr(self._store, name)


@pytest.mark.parametrize("failing", ["unacked", "acked", "advance"])
def test_a_bad_disk_is_told_and_ends_nothing(world, caplog, failing):
    world.finish()
    world.outbox._records = broken = Broken(world.store)
    broken.failing = failing
    world.outbox.note([Ack(CHANNEL, "a")] if failing == "acked" else [])
    world.run(20)
    assert caplog.text.count("Input/output error") == 1
    broken.failing = None
    world.heat_says(Ack(CHANNEL, "a"), 3600)
    world.run(100)
    assert world.state() is State.ACKED


def test_a_disk_that_goes_bad_once_more_is_told_again(world, caplog):
    world.outbox._records = broken = Broken(world.store)
    for failing in ("unacked", None, "unacked"):
        broken.failing = failing
        world.run(5)
    assert caplog.text.count("Input/output error") == 2


def test_a_damaged_record_that_is_acked_does_not_stop_the_others(world, caplog):
    world.finish("a")
    world.finish("b")
    world.store.path("a").write_text("{")
    world.heat_says(Ack(CHANNEL, "a"))
    world.run(15)
    assert [each.config_id for each in world.heard()] == ["b"]
    assert "not JSON" in caplog.text


def test_no_output_is_logged(world, caplog):
    world.finish(outputs={"password": "s3cret"})
    with caplog.at_level(logging.DEBUG):
        world.run(15)
        world.signals.error = RequestRefused("post", "no")
        world.run(100)
        world.outbox.note([Ack(CHANNEL, "a")])
        world.run(2)
    assert len(caplog.messages) == 3
    assert "s3cret" not in caplog.text


# The thread


class Stumbling(World):
    """One whose outbox meets an error that nobody foresaw, twice."""

    def __init__(self, state_dir):
        super().__init__(state_dir)
        self.left = 2
        self.waits = []

    def unacked(self, channel):
        if not self.left:
            raise Over
        self.left -= 1
        raise KeyError("s3cret")

    def wait(self, seconds):
        self.waits.append(seconds)


def test_an_error_that_nobody_foresaw_is_told_and_ends_nothing(tmp_path, caplog):
    world = Stumbling(tmp_path)
    world.outbox._records = world
    with pytest.raises(Over):
        world.outbox.run()
    assert world.waits == [UNFORESEEN_PAUSE_S] * 2
    assert caplog.text.count("unexpected KeyError at ") == 2
    assert "s3cret" not in caplog.text


def test_it_looks_once_a_second(world, monkeypatch):
    times = []

    def tick():
        times.append(world.now)
        if len(times) == 4:
            raise Over

    monkeypatch.setattr(world.outbox, "tick", tick)
    with pytest.raises(Over):
        world.outbox.run()
    assert times == [1000, 1001, 1002, 1003]


def test_it_lives_in_a_thread_that_ends_with_the_process(world, monkeypatch):
    ran = threading.Event()
    made = []

    def run():
        made.append(threading.current_thread())
        ran.set()

    monkeypatch.setattr(world.outbox, "run", run)
    world.outbox.start()
    assert ran.wait(10)
    assert made[0].daemon
    assert made[0] is not threading.current_thread()


# From the settings


def settings(tmp_path):
    return SimpleNamespace(
        channel=CHANNEL,
        metadata_url="m",
        signal_url="s",
        state_dir=Path(tmp_path),
        signal_ttl_s=600,
        timeout_s=7.5,
        verify="/ca.pem",
        seal=NO_SEAL,
    )


def test_it_seals_as_the_settings_say(tmp_path, monkeypatch, world, seal):
    monkeypatch.setattr(module.queues, "open_url", lambda url, **kwargs: None)
    sealed = settings(tmp_path)
    sealed.seal = seal
    assert open_outbox(sealed, world.farewell, Push())._seal is seal


def test_it_has_connections_of_its_own(tmp_path, monkeypatch, world):
    opened = []
    monkeypatch.setattr(
        module.queues, "open_url", lambda url, **kwargs: opened.append((url, kwargs))
    )
    assert open_outbox(settings(tmp_path), world.farewell, Push()) is not None
    options = {"timeout_s": 7.5, "verify": "/ca.pem"}
    assert opened == [("m", options), ("s", options)]


@pytest.mark.parametrize("lacking", ["channel", "metadata_url", "signal_url"])
def test_without_a_whole_channel_there_is_none(tmp_path, world, lacking):
    incomplete = settings(tmp_path)
    setattr(incomplete, lacking, None)
    assert open_outbox(incomplete, world.farewell, Push()) is None


# Goodbye


def test_a_goodbye_is_read_and_answered_while_the_collector_is_busy(world):
    world.heat_says(Goodbye(CHANNEL))
    world.busy = True
    world.outbox.pushed()
    assert world.run(30) == [0]
    assert world.farewell.gone
    assert world.heard() == [Goodbye(CHANNEL)]


def test_one_that_the_collector_has_read_is_answered_too_without_a_look(world):
    world.outbox.pushed()
    world.farewell.heard()
    world.run(30)
    assert world.heard() == [Goodbye(CHANNEL)]
    assert world.metadata.asked == []


def test_without_a_push_or_long_after_it_nothing_is_answered(world):
    """Heat does not wait for it, and the answer would make the deleted queue anew."""
    world.heat_says(Goodbye(CHANNEL))
    world.farewell.heard()
    world.run(30)
    world.farewell.lives()
    world.outbox.pushed()
    world.run(10)
    world.farewell.heard()
    world.run(30)
    assert world.heard() == []


def test_each_goodbye_is_answered_once_and_a_later_one_again(world):
    for _ in range(2):
        world.outbox.pushed()
        world.farewell.heard()
        world.run(4)
        world.farewell.lives()
        world.run(2)
    assert world.heard() == [Goodbye(CHANNEL)] * 2


def test_a_push_that_is_no_goodbye_costs_a_busy_server_one_look_and_an_idle_one_none(world):
    world.heat_says(Snapshot(CHANNEL, 1, {}))
    world.outbox.pushed()
    world.run(5)
    assert world.metadata.asked == []
    world.busy = True
    world.outbox.pushed()
    world.run(30)
    assert len(world.metadata.asked) == 1
    assert world.heard() == []


def test_a_flood_of_pushes_costs_a_busy_server_a_look_each_five_seconds(world):
    world.busy = True
    for _ in range(200):
        world.outbox.pushed()
        world.run(0.1)
    assert len(world.metadata.asked) <= 200 // 5 + 1
    # The last one is not lost.
    world.heat_says(Goodbye(CHANNEL))
    world.outbox.pushed()
    world.run(10)
    assert world.farewell.gone


def test_an_answer_that_cannot_be_posted_is_told_and_ends_nothing(world, caplog):
    world.outbox.pushed()
    world.farewell.heard()
    world.signals.error = Unreachable("post", "connection refused")
    world.run(3)
    assert caplog.text.count("Heat's goodbye could not be answered") == 1


def test_a_push_wakes_the_thread_at_once(tmp_path, monkeypatch):
    opened = []
    monkeypatch.setattr(module.queues, "open_url", lambda url, **kwargs: opened.append(url))
    push = Push()
    outbox = open_outbox(settings(tmp_path), Farewell(tmp_path, CHANNEL), push)
    push.told()
    assert outbox._wait(60)
    assert not outbox._wait(0)
