"""What arrives and proves nothing: refused with a sentence, and nothing else comes of it."""

import copy
import logging

import pytest

from heat_zaqar_transport.wire import Ack, Hello, PlainSnapshot, Result, Snapshot, serialize
from support import hot

SCRIPT = "#!/bin/sh\necho $what\n"
BAD_STATUS = {"deploy_status_code": "x" * 40}
DONE = {"deploy_stdout": "done", "deploy_status_code": 0}


def waiting(heat):
    """Return a stack of two servers whose agents do not answer, and both."""
    made = hot.one_script(SCRIPT, input_values={"what": "first"}, name="one")
    made["resources"]["other"] = hot.server()
    heat.answer = lambda deployment: None
    stack = heat.create(made, wait=False)
    heat.turn(3)
    assert stack.state == "CREATE_IN_PROGRESS", stack.reason
    return stack, heat.agent(stack), heat.agent(stack, "other")


def deep(levels):
    value = "bottom"
    for _ in range(levels):
        value = [value]
    return value


def bodies(agent, other, config):
    """Return bodies by what is told of them: none of them may do anything."""
    channel, seal = agent.channel, agent.seal
    result = serialize(Result(channel, config, {"deploy_stdout": "forged"}))
    hello = serialize(Hello(channel, "start", None, agent.options["credentials"]))
    elsewhere = serialize(Result(other.channel, config, {}))
    version = {**seal.seal(result)}
    version["heat-zaqar"] = {**version["heat-zaqar"], "version": 2}
    yield "names another channel", seal.seal(elsewhere)
    yield "names another channel", seal.seal(serialize(Hello(other.channel, "start")))
    for message in (Snapshot(channel, 1, {}), Ack(channel, config)):
        yield "neither a result nor a hello", seal.seal(serialize(message))
    yield "version 2 is not spoken here", version
    yield "must be a JSON object", "text"
    yield "must be a JSON object", None
    yield "must be a JSON object", ["list"]
    yield "nested more than 64 levels deep", {"heat-zaqar": deep(100)}
    yield "status code", seal.seal(serialize(Result(channel, config, BAD_STATUS)))
    if not agent.options.get("seal_keys"):
        yield "neither a result nor a hello", serialize(PlainSnapshot({"deploy_stdout": "x"}))
        yield "there is no key", {**result, "sealed": "AAAA" * 20}
        return
    for body in (result, hello):
        yield "is not sealed", body
        yield "cannot be opened", other.seal.seal(body)
    changed = copy.deepcopy(seal.seal(result))
    changed["heat-zaqar"]["channel"] = other.channel
    yield "cannot be opened", changed
    yield "cannot be opened", {**seal.seal(result), "sealed": "AAAA" * 20}
    yield "is no base64", {**seal.seal(result), "sealed": "!"}
    yield "'sealed' must be", {**seal.seal(result), "sealed": ""}


def config_of(agent):
    (deployment,) = agent.document["deployments"]
    return deployment["id"]


@pytest.mark.parametrize("seal", [True, False])
def test_what_anybody_could_have_made_does_nothing(heat, seal):
    heat.option(seal=seal)
    stack, agent, other = waiting(heat)
    config = config_of(agent)
    for told, body in bodies(agent, other, config):
        before = len(stack.events("server"))
        agent.post(body)
        heat.turn()
        (said,) = stack.events("server")[before:]
        assert said.startswith("Signal: refused a message from the server: "), told
        assert told in said
    assert agent.acks == []
    heat.turn(5)
    agent.result(config, DONE)
    heat.settle()
    assert stack.state == "CREATE_COMPLETE"
    assert stack.outputs() == {"stdout": "done"}
    assert agent.acks == [config]
    assert heat.zaqar.messages(agent.queue_names[1]) == []
    assert heat.refused == []


@pytest.mark.parametrize("seal", [True, False])
def test_a_flood_that_nobody_told_of_makes_few_events(heat, seal):
    heat.option(seal=seal)
    stack, agent, other = waiting(heat)
    config = config_of(agent)
    heat.zaqar.notifies = False
    for _, body in bodies(agent, other, config):
        for _ in range(3):
            agent.post(body)
    for version in range(3, 30):
        agent.post({"heat-zaqar": {"version": version}, "sealed": "AAAA"})
    agent.hello()
    agent.result(config, DONE)
    heat.settle()
    assert stack.state == "CREATE_COMPLETE"
    assert agent.acks == [config]
    told = [each for each in stack.events("deployment") if each.startswith("Signal: ")]
    assert len(told) == len(set(told)) == 9
    assert all("refused a message from the server" in each for each in told[:8])
    assert told[8].startswith("Signal: and ")
    assert told[8].endswith(" more")
    assert heat.zaqar.messages(agent.queue_names[1]) == []


def test_a_flood_beside_what_is_told_of_makes_one_event(heat):
    stack, agent, _ = waiting(heat)
    heat.zaqar.notifies = False
    for version in range(2, 30):
        agent.post({"heat-zaqar": {"version": version}, "sealed": "AAAA"})
    heat.turn(5)
    heat.zaqar.notifies = True
    agent.result(config_of(agent), DONE)
    heat.settle()
    assert stack.state == "CREATE_COMPLETE"
    assert heat.zaqar.messages(agent.queue_names[1]) == []
    (said,) = (each for each in stack.events("server") if "Signal: " in each)
    assert "succeeded; refused a message" in said
    assert len(said) < 300  # Heat's own bound of an event


def test_outputs_are_never_logged(heat, caplog):
    with caplog.at_level(logging.DEBUG):
        stack, agent, _ = waiting(heat)
        heat.zaqar.notifies = False
        agent.result(config_of(agent), {"deploy_stdout": "s3cret"})
        heat.turn(12)
        heat.zaqar.notifies = True
        agent.result("another", {"deploy_stdout": "s3cret"})
        heat.settle()
    assert stack.outputs() == {"stdout": "s3cret"}
    assert f"Channel {agent.channel}: late result, ignored" in caplog.text
    assert "s3cret" not in caplog.text
