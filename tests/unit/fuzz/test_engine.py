"""What a hostile server can do to the engine through its signal queue: nothing but be refused."""

import json
import logging
import tracemalloc
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from heat_zaqar_transport.listing import METADATA, SIGNALS
from heat_zaqar_transport.resources import receive
from heat_zaqar_transport.resources.receive import MAX_SENTENCES, Receiver, unwrapped
from heat_zaqar_transport.testing import MemoryQueue
from heat_zaqar_transport.wire import (
    Hello,
    Limits,
    QueuedMessage,
    Result,
    Snapshot,
    choose,
    pack,
    serialize,
)
from heat_zaqar_transport.wire.bounds import MAX_DEPTH, check_depth
from heat_zaqar_transport.wire.sealing import NO_SEAL
from support.fuzz import (
    CHANNEL,
    MIB,
    SEAL,
    bodies,
    fuzzed,
    hostile,
    listings,
    sealed_bodies,
)
from support.strategies import nested

# What a look into a flooded queue may take, beyond the queue itself.
PEAK_BYTES = 64 * MIB


class Engine:
    """Stands for Heat: stores outputs as its database does, and makes sentences of them."""

    def __init__(self):
        self.signals = []

    def signal_software_deployment(self, context, deployment_id, details, updated_at):
        check_depth(details)
        json.dumps(details, allow_nan=False, ensure_ascii=False).encode()
        assert "\\u0000" not in json.dumps(details)
        self.signals.append((deployment_id, details))
        status = details.get("deploy_status_code")
        return f"deployment {deployment_id} failed ({status})" if status else None


class Listed(MemoryQueue):
    """A queue that lists what it is told to, whatever that is."""

    def __init__(self, listed):
        super().__init__()
        self.window = SIGNALS
        self.listed = listed
        self.deleted = []

    def fetch(self):
        return self.window.of(self.listed)

    def delete(self, ids):
        self.deleted += ids


def receiver(seal=NO_SEAL, channel=CHANNEL):
    return Receiver(
        channel=channel,
        context=None,
        rpc=Engine(),
        deployments=lambda: [{"id": "d1", "config_id": "a0e1"}, {"id": "d2", "config_id": "c2"}],
        exists=lambda config_id: config_id == "c3",
        answer=lambda hello: None,
        acknowledge=lambda ack: None,
        seal=seal,
    )


def check_said(said):
    assert len(said) <= MAX_SENTENCES + 1
    for each in said:
        assert len(each) <= 400
        assert each.isprintable()


details = bodies | st.builds(
    lambda body: {"body": body, "queue_name": "q"}, sealed_bodies | hostile
)


@given(details, listings(sealed_bodies), st.sampled_from([SEAL, NO_SEAL]))
@fuzzed(50)
def test_whatever_a_notification_brings(told, listed, seal):
    body = unwrapped(told)
    queue = Listed([*listed, QueuedMessage("told", body, 0, 60)])
    check_said(receive._few(receiver(seal).notified(body, queue)))
    assert set(queue.deleted) <= {each.id for each in queue.listed}


@given(listings(sealed_bodies), st.sampled_from([SEAL, NO_SEAL]))
@fuzzed(40)
def test_whatever_lies_in_the_queue(listed, seal):
    queue = Listed(listed)
    check_said(receiver(seal).sweep(queue).said)
    assert set(queue.deleted) <= {each.id for each in listed}


def test_a_body_too_deep_is_refused_and_goes_once_it_is_overdue():
    body = {"heat-zaqar": nested(900)}
    queue = Listed([QueuedMessage("1", body, 6, 60)])
    (said, _) = receiver().notified(body, queue)
    assert f"nested more than {MAX_DEPTH} levels" in said
    assert queue.deleted == ["1"]


def result(**outputs):
    return serialize(Result(CHANNEL, "a0e1", outputs))


@pytest.mark.parametrize(
    ("outputs", "told"),
    [
        ({"x" * 256: 1}, "name"),
        ({f"o{n}": n for n in range(1025)}, "more than 1024 outputs"),
        ({"a": float("nan")}, "finite"),
        ({"a": [{"b": float("inf")}]}, "finite"),
        ({"a": nested(63)}, "nested"),
        ({"deploy_status_code": [1]}, "status code"),
        ({"deploy_status_code": 2**31}, "status code"),
        ({"deploy_status_code": "1" * 33}, "status code"),
        ({"deploy_status_code": "\x1b[2J"}, "status code"),
        ({"deploy_status_code": 1.5}, "status code"),
    ],
)
def test_outputs_out_of_bounds_are_refused(outputs, told):
    receiving = receiver()
    (said,) = receiving.notified(result(**outputs), MemoryQueue())
    assert told in said
    assert receiving.rpc.signals == []


@pytest.mark.parametrize(
    "outputs",
    [
        {"x" * 255: 1, "": "", "deploy_status_code": "1"},
        {f"o{n}": n for n in range(1024)},
        {"a": nested(61)},
        {"deploy_status_code": -(2**31) + 1},
        {"deploy_status_code": None},
    ],
)
def test_outputs_at_the_bounds_are_taken(outputs):
    receiving = receiver()
    receiving.notified(result(**outputs), MemoryQueue())
    assert receiving.rpc.signals == [("d1", outputs)]


def test_what_a_database_cannot_hold_is_replaced():
    receiving = receiver()
    receiving.notified(result(**{"a\0": ["\ud83d", "grü\ud800\n", "😀\t"]}), MemoryQueue())
    assert receiving.rpc.signals == [("d1", {"a\ufffd": ["\ufffd", "grü\ufffd\n", "😀\t"]})]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        (("content", "reason"), "x" * 256),
        (("content", "generation"), 2**63),
        (("content", "generation"), -1),
        (("content", "credentials"), "x" * 256),
        (("heat-zaqar", "channel"), "x" * 256),
    ],
)
def test_a_hello_out_of_bounds_is_refused(field, value):
    body = serialize(Hello(CHANNEL, "start", 1))
    body[field[0]][field[1]] = value
    (said,) = receiver().notified(body, MemoryQueue())
    assert f"{field[1]!r} must be" in said


@pytest.mark.parametrize(
    ("field", "value"), [("config_id", "x" * 256), ("attempt", 2**31), ("attempt", True)]
)
def test_a_result_out_of_bounds_is_refused(field, value):
    body = result()
    body["content"][field] = value
    (said,) = receiver().notified(body, MemoryQueue())
    assert f"{field!r} must be" in said


# Floods.


def flood(count, body):
    return (QueuedMessage(str(n), json.loads(body), 60, 3600) for n in range(count))


def peak_of(action):
    tracemalloc.start()
    try:
        action()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


# As light as the other one: to count the weight of a hundred megabytes takes a minute here.
LIGHT = replace(METADATA, weight_bytes=SIGNALS.weight_bytes)


@pytest.mark.parametrize("window", [SIGNALS, LIGHT], ids=["signals", "metadata"])
@pytest.mark.parametrize(
    ("text", "count"),
    [
        ('{"a": 1}', 20_000),
        (json.dumps({"a": "x" * 250_000}), 100),
        (f'{{"a": [{"[]," * 20_000}1]}}', 20),
    ],
    ids=["many", "long texts", "many values"],
)
def test_a_flood_is_not_listed_into_memory(window, text, count):
    found = []
    limit = window.weight_bytes + 16 * MIB
    assert peak_of(lambda: found.extend(window.of(flood(count, text)))) < limit
    assert 0 < len(found) < count


def test_a_flood_is_taken_away_look_by_look():
    queue = MemoryQueue()
    queue.window = SIGNALS
    for n in range(2000):
        queue.post(result(n=n) if n % 2 else {"rubbish": n}, 60)
    queue.post(serialize(Result(CHANNEL, "c2", {"last": True})), 60)
    receiving = receiver()
    looks = 0
    while queue.peek():
        check_said(receiving.sweep(queue).said)
        looks += 1
    assert looks == 2
    assert [deployment for deployment, _ in receiving.rpc.signals] == ["d1", "d1", "d2"]


def test_one_look_says_and_answers_little():
    answered = []
    receiving = receiver()
    object.__setattr__(receiving, "answer", answered.append)
    queue = MemoryQueue()
    queue.window = SIGNALS
    for n in range(100):
        queue.post(serialize(Hello(CHANNEL, f"again {n}")), 60)
        queue.post({"heat-zaqar": {"version": n + 2}}, 60)
    said = receiving.sweep(queue).said
    assert [hello.reason for hello in answered] == ["again 99"]
    assert len(said) == MAX_SENTENCES + 1
    assert said[-1] == "and 92 more"


LARGE = Result(CHANNEL, "a0e1", {"deploy_stdout": "".join(map(str, range(20000)))})


def test_a_large_result_is_found_among_as_many_other_messages():
    parts = pack(LARGE, Limits(post_bytes=760))
    assert len(parts) > 100
    queue = MemoryQueue()
    queue.window = SIGNALS
    for part in parts:
        queue.post(part, 60)
        queue.post({"rubbish": 1}, 60)
    receiving = receiver()
    receiving.notified(parts[-1], queue)
    assert receiving.rpc.signals == [("d1", LARGE.outputs)]


@pytest.mark.parametrize(("age_s", "left"), [(599, 1), (600, 0)])
def test_parts_that_nothing_comes_of_go_after_a_while(age_s, left):
    now = [0.0]
    queue = MemoryQueue(lambda: now[0])
    queue.post(pack(LARGE, Limits(post_bytes=20000))[0], 3600)
    now[0] = float(age_s)
    receiver().sweep(queue)
    assert len(queue.fetch()) == left


def test_the_newest_snapshot_is_found_behind_a_flood():
    newest = Snapshot(CHANNEL, 9, {"a": 1})
    listed = [*flood(5000, '{"a": 1}'), QueuedMessage("newest", serialize(newest), 0, 60)]
    assert choose(CHANNEL, None, METADATA.of(listed)).snapshot == newest


def test_no_more_is_read_than_a_window_takes():
    read = []
    for window in (SIGNALS, METADATA):
        read.clear()
        messages = (read.append(n) or QueuedMessage(str(n), {}) for n in range(100_000))
        window.of(messages)
        assert len(read) <= window.read + 1


def test_refusals_do_not_flood_the_log(caplog):
    queue = MemoryQueue()
    for _ in range(50):
        queue.post({"rubbish": "s3cret\n"}, 60)
    with caplog.at_level(logging.DEBUG):
        receiver().sweep(queue)
    assert len(caplog.records) == 1
    assert "s3cret" not in caplog.text
