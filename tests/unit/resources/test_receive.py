import logging
from dataclasses import replace

import pytest

from heat_zaqar_transport import seals
from heat_zaqar_transport.resources.receive import Receiver, unwrapped
from heat_zaqar_transport.testing import MemoryQueue
from heat_zaqar_transport.wire import (
    Ack,
    Hello,
    Limits,
    PlainSnapshot,
    Result,
    Snapshot,
    pack,
    serialize,
)
from heat_zaqar_transport.wire.errors import Unreachable

CHANNEL = "hz-c-1"


class Engine:
    """Stands for Heat's RPC client: records what is signalled."""

    def __init__(self):
        self.signals = []
        self.answer = "deployment d1 succeeded"

    def signal_software_deployment(self, context, deployment_id, details, updated_at):
        self.signals.append((deployment_id, details))
        return self.answer


@pytest.fixture
def engine():
    return Engine()


@pytest.fixture
def answered():
    return []


@pytest.fixture
def acked():
    return []


@pytest.fixture
def receiver(engine, answered, acked):
    return Receiver(
        channel=CHANNEL,
        context=None,
        rpc=engine,
        deployments=lambda: [{"id": "d0", "config_id": "c0"}, {"id": "d1", "config_id": "c1"}],
        exists=lambda config_id: config_id in ("c0", "c1", "of-another-server"),
        answer=answered.append,
        acknowledge=acked.append,
    )


@pytest.fixture
def now():
    return [0.0]


@pytest.fixture
def queue(now):
    return MemoryQueue(lambda: now[0])


def result(config_id="c1", channel=CHANNEL, **outputs):
    return serialize(Result(channel, config_id, outputs))


# A notification, and what is in the queue by then.


def test_a_result_is_recorded_acked_and_cleared_away(receiver, engine, acked, queue):
    queue.post(result(deploy_stdout="hi"), 60)
    assert receiver.notified(result(deploy_stdout="hi"), queue) == ["deployment d1 succeeded"]
    assert engine.signals == [("d1", {"deploy_stdout": "hi"})]
    assert acked == [Ack(CHANNEL, "c1", 1)]
    assert queue.fetch() == []


def test_a_notification_that_is_sooner_than_its_message_is_taken(receiver, engine, acked, queue):
    assert receiver.notified(result(), queue) == ["deployment d1 succeeded"]
    assert len(engine.signals) == len(acked) == 1


def test_a_result_of_an_earlier_action_changes_nothing_and_is_acked(receiver, engine, acked, queue):
    assert receiver.notified(result("c1-of-before"), queue) == []
    assert engine.signals == []
    assert acked == [Ack(CHANNEL, "c1-of-before", 1)]


def test_a_result_of_another_servers_deployment_is_refused_told_and_acked(
    receiver, engine, acked, queue, caplog
):
    (said,) = receiver.notified(result("of-another-server"), queue)
    assert "a deployment that is not this server's" in said
    assert "a deployment that is not this server's" in caplog.text
    assert engine.signals == []
    assert acked == [Ack(CHANNEL, "of-another-server", 1)]


def test_a_second_result_makes_no_second_event_and_is_acked(receiver, engine, acked, queue):
    engine.answer = None
    assert receiver.notified(result(), queue) == []
    assert acked == [Ack(CHANNEL, "c1", 1)]


def test_the_ack_names_the_attempt(receiver, acked, queue):
    receiver.notified(serialize(Result(CHANNEL, "c1", {}, attempt=3)), queue)
    assert acked == [Ack(CHANNEL, "c1", 3)]


def test_the_ack_comes_after_the_record_and_the_deletion_last(receiver, engine, acked, queue):
    queue.post(result(), 600)

    def dead(*_):
        raise RuntimeError("database gone")

    engine.signal_software_deployment = dead
    with pytest.raises(RuntimeError):
        receiver.notified(result(), queue)
    assert acked == []
    assert len(queue.fetch()) == 1


def test_a_server_that_cannot_be_told_sends_again(receiver, engine, queue, caplog):
    def refuse(_):
        raise Unreachable("post", "refused")

    object.__setattr__(receiver, "acknowledge", refuse)
    queue.post(result(), 60)
    assert receiver.notified(result(), queue) == ["deployment d1 succeeded"]
    assert "no ack" in caplog.text
    assert queue.fetch() == []


def test_a_queue_without_acks(receiver, engine, queue):
    object.__setattr__(receiver, "acknowledge", None)
    assert receiver.notified(result(), queue) == ["deployment d1 succeeded"]


def test_what_others_are_told_of_is_left_to_them(receiver, engine, queue):
    queue.post(result("c0"), 60)
    receiver.notified(result(), queue)
    assert [deployment for deployment, _ in engine.signals] == ["d1"]
    assert len(queue.fetch()) == 1


def test_what_nobody_has_told_of_is_taken_along(receiver, engine, acked, queue, now):
    queue.post(result("c0"), 60)
    queue.post({"no": "header"}, 60)
    now[0] = 6.0
    said = receiver.notified(result(), queue)
    assert [deployment for deployment, _ in engine.signals] == ["d1", "d0"]
    assert any("neither a result nor a hello" in each for each in said)
    assert queue.fetch() == []


def test_a_queue_that_cannot_be_read_costs_nothing_that_was_told(receiver, engine, caplog):
    class Gone(MemoryQueue):
        def fetch(self):
            raise Unreachable("list", "refused")

    assert receiver.notified(result(), Gone()) == ["deployment d1 succeeded"]
    assert "not cleared" in caplog.text


LARGE = Result(CHANNEL, "c1", {"deploy_stdout": "".join(map(str, range(40000)))})
PARTS = pack(LARGE, Limits(post_bytes=20000))


def test_parts_are_put_together_whenever_the_last_one_is_told_of(receiver, engine, acked, queue):
    assert len(PARTS) > 3
    for number, part in enumerate(PARTS, 1):
        queue.post(part, 60)
        said = receiver.notified(part, queue)
        assert bool(said) == (number == len(PARTS))
    assert engine.signals == [("d1", LARGE.outputs)]
    assert acked == [Ack(CHANNEL, "c1", 1)]
    assert queue.fetch() == []


def test_the_last_part_may_be_told_of_before_it_is_stored(receiver, engine, queue):
    for part in PARTS[:-1]:
        queue.post(part, 60)
    assert receiver.notified(PARTS[-1], queue) == ["deployment d1 succeeded"]
    assert queue.fetch() == []


def test_parts_without_the_others_wait(receiver, engine, queue):
    queue.post(PARTS[0], 60)
    assert receiver.sweep(queue).ages_s == []
    assert len(queue.fetch()) == 1


# Refusals.


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (result(channel="other"), "names another channel"),
        (serialize(Hello("other", "x")), "names another channel"),
        (serialize(Snapshot(CHANNEL, 1, {})), "neither a result nor a hello"),
        (serialize(Ack(CHANNEL, "c1")), "neither a result nor a hello"),
        (serialize(PlainSnapshot({"deploy_stdout": "x"})), "neither a result nor a hello"),
        ("text", "must be a JSON object"),
        (None, "must be a JSON object"),
        ({"heat-zaqar": {"version": 2}}, "version 2 is not spoken here"),
    ],
)
def test_what_is_refused_is_told_and_does_nothing(
    receiver, engine, answered, acked, queue, body, told, caplog
):
    with caplog.at_level(logging.WARNING):
        (said,) = receiver.notified(body, queue)
    assert told in said
    assert told in caplog.text
    assert (engine.signals, answered, acked) == ([], [], [])


def test_a_hello_is_answered_as_it_was_said(receiver, answered, queue):
    hello = Hello(CHANNEL, "start", 7, "hz-k-1")
    assert receiver.notified(serialize(hello), queue) == []
    assert answered == [hello]


def test_a_hello_that_cannot_be_answered_does_not_hold_up_what_lies_behind_it(
    receiver, engine, queue
):
    def refuse(hello):
        raise Unreachable("post", "refused")

    object.__setattr__(receiver, "answer", refuse)
    queue.post(serialize(Hello(CHANNEL, "start")), 60)
    queue.post(result(), 60)
    assert receiver.sweep(queue).said == ["deployment d1 succeeded"]


# A look without a notification.


def test_a_sweep_takes_all_and_leaves_nothing(receiver, engine, acked, queue):
    queue.post(result("c0"), 60)
    queue.post({"heat-zaqar": 1}, 60)
    queue.post(result("c1"), 60)
    said = receiver.sweep(queue).said
    assert [deployment for deployment, _ in engine.signals] == ["d0", "d1"]
    assert len(said) == 3
    assert [ack.config_id for ack in acked] == ["c0", "c1"]
    assert queue.fetch() == []


def test_a_sweep_that_dies_loses_nothing(receiver, engine, queue):
    queue.post(result(), 600)

    def dead(*_):
        raise RuntimeError("database gone")

    engine.signal_software_deployment = dead
    with pytest.raises(RuntimeError):
        receiver.sweep(queue)
    assert len(queue.fetch()) == 1


def test_a_sweep_tells_how_long_each_message_has_waited(receiver, queue, now):
    assert receiver.sweep(queue).ages_s == []
    queue.post(result("c0"), 600)
    now[0] = 7.0
    queue.post(result("c1"), 600)
    assert receiver.sweep(queue).ages_s == [7, 0]


def test_outputs_are_not_logged(receiver, queue, caplog):
    with caplog.at_level(logging.DEBUG):
        receiver.notified(result(deploy_stdout="s3cret"), queue)
    assert "s3cret" not in caplog.text


def test_the_notifiers_envelope_is_taken_off():
    assert unwrapped({"body": {"a": 1}, "ttl": 60, "queue_name": "q"}) == {"a": 1}
    assert unwrapped(None) is None
    assert unwrapped({"deploy_stdout": "x"}) is None


# Sealing


SEAL, OTHERS = (seals.seal_of([seals.new_key()]) for _ in range(2))


@pytest.fixture
def sealed(receiver):
    """One that takes what is sealed with the channel's key."""
    return replace(receiver, seal=SEAL)


def test_a_sealed_result_is_recorded_acked_and_cleared_away(sealed, engine, acked, queue):
    body = SEAL.seal(result(deploy_stdout="hi"))
    queue.post(body, 60)
    assert sealed.notified(body, queue) == ["deployment d1 succeeded"]
    assert engine.signals == [("d1", {"deploy_stdout": "hi"})]
    assert acked == [Ack(CHANNEL, "c1", 1)]
    assert queue.fetch() == []


def test_a_sealed_hello_is_answered(sealed, answered, queue):
    hello = Hello(CHANNEL, "credentials", 7, "hz-k-1")
    sealed.notified(SEAL.seal(serialize(hello)), queue)
    assert answered == [hello]


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (result(), "is not sealed"),
        (serialize(Hello(CHANNEL, "start")), "is not sealed"),
        (OTHERS.seal(result()), "cannot be opened"),
        (OTHERS.seal(serialize(Hello(CHANNEL, "start", 1, "hz-k-1"))), "cannot be opened"),
        (SEAL.seal(result()) | {"sealed": ""}, "'sealed' must be"),
        (SEAL.seal(result(channel="other")), "names another channel"),
    ],
)
def test_what_anybody_could_have_made_does_nothing(
    sealed, engine, answered, acked, queue, body, told
):
    queue.post(body, 60)
    (said,) = sealed.notified(body, queue)
    assert told in said
    assert (engine.signals, answered, acked, queue.fetch()) == ([], [], [], [])
    queue.post(body, 60)
    assert len(sealed.sweep(queue).said) == 1
    assert (engine.signals, answered, acked, queue.fetch()) == ([], [], [], [])


def test_what_is_sealed_is_refused_where_there_is_no_key(receiver, engine, queue):
    (said,) = receiver.notified(SEAL.seal(result()), queue)
    assert "there is no key" in said
    assert engine.signals == []


def test_sealed_parts_are_put_together_and_a_forged_one_does_not_count(sealed, engine, queue):
    parts = pack(LARGE, Limits(post_bytes=20000), seal=SEAL)
    forged = OTHERS.seal(SEAL.unseal(parts[0]))
    queue.post(forged, 60)
    for number, part in enumerate(parts, 1):
        queue.post(part, 60)
        said = sealed.notified(part, queue)
        assert bool(said) == (number == len(parts))
    assert engine.signals == [("d1", LARGE.outputs)]
    assert [each.body for each in queue.fetch()] == [forged]
