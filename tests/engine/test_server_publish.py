"""What Heat posts to a server's metadata queue, when, and what it deletes there."""

import json
import re
from random import Random

import pytest

from heat_zaqar_transport.wire import Ack, Limits, Snapshot
from heat_zaqar_transport.wire.errors import RequestRefused, ServiceFailed
from support import hot

SCRIPT = "#!/bin/sh\necho $what\n"


def one_script(what, name="one"):
    return hot.one_script(SCRIPT, input_values={"what": what}, name=name)


def posts(heat, prefix="hz-m"):
    return [name for call, name, _ in heat.zaqar.calls if call == "post" and name[:4] == prefix]


def queue_of(heat, stack):
    return heat.zaqar.messages(heat.agent(stack).queue_names[0])


def noise(size, seed=7):
    """Return a text that can be halved, and no more."""
    return Random(seed).randbytes(size // 2).hex()


def test_the_queue_holds_the_newest_snapshot_alone_and_is_never_without_one(heat):
    heat.boots = False
    seen = set()
    stack = heat.create(hot.alone(metadata={"n": 0}))
    (name,) = heat.zaqar.names("hz-m")
    agent = heat.agent(stack)
    for n in (1, 2, 3):
        del heat.zaqar.calls[:]
        with heat.zaqar.slow("delete", "hz-m", 9):
            stack.update(hot.alone(metadata={"n": n}), wait=False)
            for _ in range(12):
                heat.turn(1)
                seen.add(tuple(each.document["n"] for each in agent.read()))
            heat.settle()
        steps = [call for call, queue, _ in heat.zaqar.calls if queue == name]
        assert [call for call in steps if call != "fetch"] == ["post", "delete"]
        (snapshot,) = agent.read()
        assert snapshot.document["n"] == n
    assert seen - {(0,)} == {(0, 1), (1,), (1, 2), (2,), (2, 3), (3,)}


def test_generations_only_grow_and_what_is_there_is_not_posted_again(heat):
    stack = heat.create(one_script("1"))
    agent = heat.agent(stack)
    generations = [agent.snapshot.generation]
    del heat.zaqar.calls[:]
    stack.signal("server")
    agent.hello()
    heat.settle()
    agent.hello("credentials")
    heat.settle()
    assert posts(heat) == []
    stack.update(one_script("2"))
    generations.append(agent.snapshot.generation)
    stack.update(one_script("3"))
    generations.append(agent.snapshot.generation)
    assert generations == sorted(set(generations))
    assert len([each for each in agent.read() if isinstance(each, Snapshot)]) == 1


def test_what_a_stranger_has_left_in_the_queue_goes_with_the_next_publish(heat):
    stack = heat.create(hot.alone())
    agent = heat.agent(stack)
    queue = heat.zaqar.queues[agent.queue_names[0]].messages
    for body in ({"heat-zaqar": "?"}, {"deployments": [], "os-collect-config": {}}):
        queue.post(body, 600)
    agent.hello()
    heat.settle()
    assert agent.read() == [agent.snapshot]
    assert len(queue_of(heat, stack)) == 1


def test_many_deployments_at_once_cost_few_snapshots_and_few_looks(heat):
    heat.boots = False
    made = hot.many_scripts(12)
    for name, resource in made["resources"].items():
        if name.startswith("deployment"):
            resource["properties"]["signal_transport"] = "NO_SIGNAL"
    with heat.zaqar.slow("post", "hz-m", 2):
        stack = heat.create(made)
    assert stack.state == "CREATE_COMPLETE"
    calls = [call for call, name, _ in heat.zaqar.calls if name.startswith("hz-m")]
    # One for the server alone, one for the first deployment, and one for all the others.
    assert calls.count("post") <= 4
    assert calls.count("fetch") <= 4
    agent = heat.agent(stack)
    heat.turn(1)
    assert len(agent.document["deployments"]) == 12


def test_a_snapshot_lives_as_long_as_the_operator_says_and_is_renewed_at_half_of_that(heat):
    heat.option(snapshot_ttl=1000)
    stack = heat.create(one_script("1"))
    agent = heat.agent(stack)
    agent.awake = False
    snapshot, ack = queue_of(heat, stack)
    assert (snapshot.ttl_s, ack.ttl_s) == (1000, 300)
    heat.turn(450)
    agent.hello()
    heat.settle()
    (same,) = queue_of(heat, stack)
    assert same.id == snapshot.id
    heat.turn(60)
    agent.hello()
    heat.settle()
    (renewed,) = queue_of(heat, stack)
    assert renewed.id != snapshot.id
    assert renewed.ttl_s == 1000
    assert agent.read() == [agent.snapshot]


def test_what_zaqar_allows_at_most_is_learned(heat):
    heat.zaqar.limits = Limits(longest_ttl_s=500)
    stack = heat.create(one_script("1"))
    assert stack.state == "CREATE_COMPLETE"
    assert queue_of(heat, stack)[0].ttl_s == 500


# Large documents.


@pytest.mark.parametrize("plain_bytes", [4096, 60_000])
def test_metadata_are_posted_as_they_are_up_to_the_operators_size(heat, plain_bytes):
    heat.option(plain_snapshot_bytes=plain_bytes, seal=False)
    stack = heat.create(hot.alone(metadata={"text": "a" * 50_000}))
    (body,) = [each.body for each in queue_of(heat, stack)]
    assert ("payload" in body) is (plain_bytes == 4096)
    assert ("text" in body) is (plain_bytes == 60_000)
    (size,) = [len(json.dumps(body))]
    assert (size < 5000) is (plain_bytes == 4096)
    assert heat.agent(stack).document["text"] == "a" * 50_000


def test_of_a_large_document_what_has_changed_is_posted_and_the_base_stays(heat):
    made = hot.alone()
    made["resources"]["large"] = hot.config(noise(60_000))
    made["resources"]["small"] = hot.config(SCRIPT)
    made["resources"]["first"] = hot.deployment("large", name="first")
    stack = heat.create(made)
    agent = heat.agent(stack)
    base = {each.id: each for each in queue_of(heat, stack)}
    assert sum(len(json.dumps(each.body)) for each in base.values()) > 40_000
    for n in (2, 3):
        made["resources"][f"deployment_{n}"] = hot.deployment("small", name=f"number {n}")
        stack.update(made)
        assert stack.state == "UPDATE_COMPLETE"
        names = {each["name"] for each in agent.document["deployments"]}
        assert names == {"first", *(f"number {each}" for each in range(2, n + 1))}
        queued = queue_of(heat, stack)
        assert next(each.id for each in queued if len(json.dumps(each.body)) > 40_000) in base
        assert sum(len(json.dumps(each.body)) for each in queued if each.id not in base) < 10_000


def test_a_zaqar_that_takes_little_is_served_in_parts_or_told_of_by_both_sizes(heat):
    heat.zaqar.limits = Limits(post_bytes=1500)
    stack = heat.create(hot.alone(metadata={"text": noise(20_000)}))
    assert stack.state == "CREATE_COMPLETE"
    agent = heat.agent(stack)
    assert agent.document["text"] == noise(20_000)
    assert len(queue_of(heat, stack)) > 10
    assert max(len(json.dumps(each.body)) for each in queue_of(heat, stack)) < 1500

    stack.update(hot.alone(metadata={"text": noise(400_000)}))
    assert stack.state == "UPDATE_FAILED"
    sizes = re.search(
        r"the snapshot takes (\d+) bytes, and at most (\d+) bytes can be carried over Zaqar",
        stack.reason,
    )
    takes, at_most = map(int, sizes.groups())
    assert takes > at_most > 100_000
    assert agent.document["text"] == noise(20_000)

    stack.update(hot.alone(metadata={"text": "short"}))
    assert stack.state == "UPDATE_COMPLETE"
    assert heat.agent(stack).document["text"] == "short"


# A Zaqar that fails for a moment.


def test_a_passing_fault_is_overcome(heat):
    stack = heat.create(hot.alone(metadata={"n": 0}))
    agent = heat.agent(stack)
    for n, call in enumerate(("fetch", "post", "delete"), 1):
        agent.awake = False
        with heat.zaqar.failing(call, "hz-m", times=2) as fault:
            stack.update(hot.alone(metadata={"n": n}))
        assert (stack.state, fault.left) == ("UPDATE_COMPLETE", 0)
        agent.awake = True
        heat.turn(1)
        assert agent.document["n"] == n
        assert agent.read() == [agent.snapshot]


@pytest.mark.parametrize(
    ("error", "tries"),
    [(ServiceFailed("post queue", "503"), 3), (RequestRefused("post queue", "400 nonsense"), 1)],
)
def test_a_lasting_fault_fails_with_a_reason_and_the_next_update_mends_it(heat, error, tries):
    stack = heat.create(hot.alone(metadata={"n": 0}))
    agent = heat.agent(stack)
    del heat.zaqar.calls[:]
    with heat.zaqar.failing("post", "hz-m", error):
        stack.update(hot.alone(metadata={"n": 1}))
    assert stack.state == "UPDATE_FAILED"
    assert str(error) in stack.reason
    assert len(posts(heat)) == tries
    assert agent.document["n"] == 0
    stack.update(hot.alone(metadata={"n": 2}))
    assert stack.state == "UPDATE_COMPLETE"
    # By Heat's own rule a server whose update has failed is replaced.
    assert heat.agent(stack).document["n"] == 2
    assert len(heat.zaqar.queues) == 2


@pytest.mark.parametrize("call", ["subscribe", "sign", "fetch", "post"])
def test_a_create_without_zaqar_fails_with_a_reason_and_an_update_mends_it(heat, call):
    with heat.zaqar.failing(call):
        stack = heat.create(hot.alone(metadata={"n": 0}))
    assert stack.state == "CREATE_FAILED"
    assert "connection refused" in stack.reason
    stack.update(hot.alone(metadata={"n": 1}))
    assert stack.state == "UPDATE_COMPLETE"
    agent = heat.agent(stack)
    assert agent.document["n"] == 1
    agent.hello()
    heat.settle()
    assert heat.refused == []
    stack.delete()
    assert stack.state == "DELETE_COMPLETE"
    assert agent.queue_names[0] not in heat.zaqar.queues
    assert agent.queue_names[1] not in heat.zaqar.queues


def test_acks_are_kept_when_a_snapshot_is_replaced(heat):
    stack = heat.create(one_script("1"))
    agent = heat.agent(stack)
    agent.awake = False
    stack.update(hot.alone(metadata={"n": 1}))
    kinds = [type(each) for each in agent.read()]
    assert sorted(kinds, key=str) == [Ack, Snapshot]
