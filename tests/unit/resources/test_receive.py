import logging

import pytest

from heat_zaqar_transport.resources.receive import Receiver, unwrapped
from heat_zaqar_transport.testing import MemoryQueue
from heat_zaqar_transport.wire import Hello, PlainSnapshot, Result, Snapshot, serialize

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
def published():
    return []


@pytest.fixture
def receiver(engine, published):
    return Receiver(
        channel=CHANNEL,
        context=None,
        rpc=engine,
        deployments=lambda: [{"id": "d0", "config_id": "c0"}, {"id": "d1", "config_id": "c1"}],
        publish=lambda: published.append(True),
    )


def result(config_id="c1", channel=CHANNEL, **outputs):
    return serialize(Result(channel, config_id, outputs))


def test_a_result_is_recorded_with_its_deployment(receiver, engine):
    assert receiver.receive(result(deploy_stdout="hi")) == "deployment d1 succeeded"
    assert engine.signals == [("d1", {"deploy_stdout": "hi"})]


def test_a_result_of_an_earlier_action_changes_nothing(receiver, engine):
    assert receiver.receive(result("c1-of-before")) is None
    assert engine.signals == []


def test_a_second_result_makes_no_second_event(receiver, engine):
    engine.answer = None
    assert receiver.receive(result()) is None


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (result(channel="other"), "names another channel"),
        (serialize(Hello("other", "x")), "names another channel"),
        (serialize(Snapshot(CHANNEL, 1, {})), "neither a result nor a hello"),
        (serialize(PlainSnapshot({"deploy_stdout": "x"})), "neither a result nor a hello"),
        ("text", "must be a JSON object"),
        (None, "must be a JSON object"),
        ({"heat-zaqar": {"version": 2}}, "version 2 is not spoken here"),
    ],
)
def test_what_is_refused_is_told_and_does_nothing(receiver, engine, published, body, told, caplog):
    with caplog.at_level(logging.WARNING):
        assert told in receiver.receive(body)
    assert told in caplog.text
    assert (engine.signals, published) == ([], [])


def test_a_hello_is_answered_with_the_present_snapshot(receiver, published):
    assert receiver.receive(serialize(Hello(CHANNEL, "start"))) is None
    assert published == [True]


def test_a_sweep_takes_all_and_leaves_nothing(receiver, engine):
    queue = MemoryQueue()
    queue.post(result("c0"), 60)
    queue.post({"no": "header"}, 60)
    queue.post(result("c1"), 60)
    said = receiver.sweep(queue).said
    assert [deployment for deployment, _ in engine.signals] == ["d0", "d1"]
    assert len(said) == 3
    assert queue.fetch() == []


def test_a_sweep_that_dies_loses_nothing(receiver, engine):
    now = [0.0]
    queue = MemoryQueue(lambda: now[0])
    queue.post(result(), 600)

    def dead(*_):
        raise RuntimeError("database gone")

    engine.signal_software_deployment = dead
    with pytest.raises(RuntimeError):
        receiver.sweep(queue)
    assert queue.fetch() == []
    now[0] = 61.0
    assert len(queue.fetch()) == 1


def test_outputs_are_not_logged(receiver, caplog):
    with caplog.at_level(logging.DEBUG):
        receiver.receive(result(deploy_stdout="s3cret"))
    assert "s3cret" not in caplog.text


def test_the_notifiers_envelope_is_taken_off():
    assert unwrapped({"body": {"a": 1}, "ttl": 60, "queue_name": "q"}) == {"a": 1}
    assert unwrapped(None) is None
    assert unwrapped({"deploy_stdout": "x"}) is None


def test_a_sweep_tells_how_long_each_message_has_waited(receiver):
    now = [0.0]
    queue = MemoryQueue(lambda: now[0])
    assert receiver.sweep(queue).ages_s == []
    queue.post(result("c0"), 600)
    now[0] = 7.0
    queue.post(result("c1"), 600)
    assert receiver.sweep(queue).ages_s == [7, 0]
