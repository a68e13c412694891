"""A deployment to a server whose transport is another has a signal queue of its own."""

import json

import pytest

from heat_zaqar_transport.wire import Hello, Result, parse_queue_url, serialize
from support import hot
from support.engine.agent import seal_of_inputs

SCRIPT = "#!/bin/sh\necho $what\n"
UNKNOWN = "a-server-that-heat-did-not-make"
OWN = {"deploy_signal_id", "deploy_queue_id", "deploy_channel", "deploy_seal_keys"}


def template(what="first", transport="POLL_SERVER_HEAT", **properties):
    inputs = {"input_values": {"what": what}, "name": "one", **properties}
    return hot.one_script(SCRIPT, server_transport=transport, **inputs)


def unknown(what="first"):
    made = template(what)
    del made["resources"]["server"]
    made["resources"]["deployment"]["properties"]["server"] = UNKNOWN
    return made


def deployed(heat, made, server_id=None):
    """Return a stack with its server's agent, booted."""
    stack = heat.create(made, wait=False)
    heat.turn(3)
    agent = heat.poll(server_id or stack.server_id())
    heat.settle()
    assert stack.state == "CREATE_COMPLETE", stack.reason
    return stack, agent


def waiting(heat, stack, what):
    """Update the deployment, with a server that does not answer; return its inputs."""
    heat.answer = lambda deployment: None
    stack.update(template(what), wait=False)
    heat.turn(3)
    assert stack.state == "UPDATE_IN_PROGRESS", stack.reason
    return inputs_of(stack)


def inputs_of(stack):
    (deployment,) = stack.deployments()
    return deployment["inputs"]


def channels_end(heat, inputs):
    """Return the server's end of the queue."""
    return heat.zaqar.open_by_url(parse_queue_url(inputs["deploy_signal_id"]))


def sealed(inputs, message):
    return seal_of_inputs(inputs).seal(serialize(message))


@pytest.mark.parametrize("seal", [True, False])
def test_its_inputs_lead_to_a_queue_of_its_own(heat, seal):
    heat.option(seal=seal)
    stack, agent = deployed(heat, template())
    assert stack.outputs() == {"stdout": "did one\n"}
    assert len(agent.runs) == 1
    inputs = inputs_of(stack)
    assert inputs.keys() & OWN == (OWN if seal else OWN - {"deploy_seal_keys"})
    assert inputs["deploy_signal_transport"] == "ZAQAR_MESSAGE"
    url = parse_queue_url(inputs["deploy_signal_id"])
    assert (url.queue, url.endpoint) == (inputs["deploy_queue_id"], "http://zaqar-public")
    assert (url.paths, url.methods) == (("messages",), ("POST",))
    assert heat.zaqar.names("hz-") == [url.queue]
    assert inputs["deploy_channel"].startswith("hz-c-")
    # What has arrived is taken away, and nothing was refused.
    assert heat.zaqar.messages(url.queue) == []
    assert heat.refused == []
    (said,) = (each for each in stack.events("deployment") if "Signal" in each)
    assert "succeeded" in said
    stack.delete()
    assert stack.state == "DELETE_COMPLETE"
    assert heat.zaqar.queues == heat.keystone.users == heat.keystone.projects == {}


def test_to_a_server_that_heat_did_not_make(heat):
    stack, agent = deployed(heat, unknown(), UNKNOWN)
    assert stack.outputs() == {"stdout": "did one\n"}
    stack.update(unknown("second"))
    assert stack.state == "UPDATE_COMPLETE"
    assert len(agent.runs) == 2
    stack.delete()
    assert stack.state == "DELETE_COMPLETE"
    assert heat.zaqar.queues == heat.keystone.users == {}


def test_nobody_else_gets_what_opens_it(heat):
    made = template()
    resources = made["resources"]
    resources["other"] = hot.server()
    resources["second"] = hot.deployment("config", input_values={"what": "2"}, name="two")
    resources["of_other"] = hot.deployment("config", "other", input_values={"what": "3"})
    stack, _ = deployed(heat, made)
    first, second = (each["inputs"] for each in stack.deployments())
    for name in OWN:
        assert first[name] != second[name]
    shown = [
        heat.agent(stack, "other").document,
        stack.metadata("other"),
        stack.collect_config("other"),
        *(stack.metadata(name) for name in ("deployment", "second", "of_other")),
    ]
    for name in OWN - {"deploy_signal_id"}:
        assert first[name] not in json.dumps(shown)
    (of_other,) = stack.deployments("other")
    assert not of_other["inputs"].keys() & OWN


def test_its_credentials_are_renewed_when_they_are_due_and_its_key_stays(heat):
    heat.option(channel_lifetime=1000)
    stack, agent = deployed(heat, template())
    first = inputs_of(stack)
    subscribed_until = heat.zaqar.queues[first["deploy_queue_id"]].subscribers.copy()
    heat.clock.now += 300
    stack.update(template("second"))
    assert {name: inputs_of(stack)[name] for name in OWN} == {name: first[name] for name in OWN}
    heat.clock.now += 100
    stack.update(template("third"))
    assert stack.state == "UPDATE_COMPLETE", stack.reason
    renewed = inputs_of(stack)
    same = OWN - {"deploy_signal_id"}
    assert {name: renewed[name] for name in same} == {name: first[name] for name in same}
    urls = [parse_queue_url(each["deploy_signal_id"]) for each in (first, renewed)]
    assert float(urls[1].expires) >= float(urls[0].expires) + 400
    ((url, until),) = heat.zaqar.queues[first["deploy_queue_id"]].subscribers.items()
    assert until >= subscribed_until[url] + 400
    assert len(agent.runs) == 3
    # Long after the first ones have run out, the engine's own are good.
    heat.clock.now += 2 * 365 * 86400
    stack.update(template("fourth"))
    assert stack.state == "UPDATE_COMPLETE", stack.reason
    assert heat.refused == []
    stack.delete()
    assert heat.zaqar.queues == {}


def test_what_the_notifier_does_not_tell_is_found(heat):
    heat.zaqar.notifies = False
    made = template()
    made["resources"]["second"] = hot.deployment("config", input_values={"what": "2"}, name="two")
    stack, _ = deployed(heat, made)
    assert stack.outputs() == {"stdout": "did one\n"}
    for name in ("deployment", "second"):
        (said,) = (each for each in stack.events(name) if "Signal" in each)
        assert "succeeded" in said
    for deployment in stack.deployments():
        assert heat.zaqar.messages(deployment["inputs"]["deploy_queue_id"]) == []
    # By the first look into each queue: a look into one is none into the other.
    assert heat.clock.now < 20


def test_only_a_result_of_its_own_counts(heat):
    stack, agent = deployed(heat, template())
    (first,) = agent.runs
    inputs = waiting(heat, stack, "second")
    (config,) = (each["id"] for each in stack.deployments())
    queue = channels_end(heat, inputs)
    good = Result(inputs["deploy_channel"], config, {"deploy_stdout": "from the server"})
    elsewhere = Result("hz-c-other", config, {})
    late = Result(inputs["deploy_channel"], first, {"deploy_stdout": "of before"})
    for body in (
        serialize(good),
        sealed(inputs, elsewhere),
        sealed(inputs, late),
        sealed(inputs, Hello(inputs["deploy_channel"], "start")),
    ):
        queue.post(body, 60)
        heat.turn()
    assert stack.state == "UPDATE_IN_PROGRESS"
    assert heat.zaqar.messages(inputs["deploy_queue_id"]) == []
    told = [each for each in stack.events("deployment") if "refused" in each]
    assert len(told) == 2
    assert "is not sealed" in told[0]
    assert "names another channel" in told[1]
    assert len(heat.refused) == 0
    queue.post(sealed(inputs, good), 60)
    heat.settle()
    assert stack.state == "UPDATE_COMPLETE"
    assert stack.outputs() == {"stdout": "from the server"}
    # Once more: nothing comes of it.
    before = stack.events("deployment")
    queue.post(sealed(inputs, good), 60)
    heat.turn()
    assert stack.events("deployment") == before
    assert heat.zaqar.messages(inputs["deploy_queue_id"]) == []


def test_it_has_one_while_its_server_is_away_from_our_transport(heat):
    stack = heat.create(template(transport="ZAQAR_MESSAGE"))
    assert not inputs_of(stack).keys() & OWN
    agent = heat.agent(stack)
    agent.awake = False
    stack.update(template("second"), wait=False)
    heat.turn(3)
    poller = heat.poll(stack.server_id())
    heat.settle()
    assert stack.state == "UPDATE_COMPLETE", stack.reason
    assert poller.runs == [each["id"] for each in stack.deployments()]
    assert inputs_of(stack).keys() & OWN == OWN
    poller.awake = False
    stack.update(template("third", "ZAQAR_MESSAGE"), wait=False)
    heat.turn(3)
    # A server that comes from polling finds its credentials there.
    agent.options, agent.awake = stack.metadata()["os-collect-config"]["zaqar"], True
    heat.settle()
    assert stack.state == "UPDATE_COMPLETE", stack.reason
    assert not inputs_of(stack).keys() & OWN
    assert stack.deployments()[0]["id"] in agent.acks
    stack.delete()
    assert stack.state == "DELETE_COMPLETE"
    assert heat.zaqar.queues == heat.keystone.users == {}


def test_an_operator_may_signal_it_as_heat_allows(heat):
    stack, _ = deployed(heat, template())
    waiting(heat, stack, "second")
    stack.signal("deployment", {"deploy_stdout": "by hand", "queue_name": "another"})
    assert stack.state == "UPDATE_COMPLETE"
    assert stack.outputs() == {"stdout": "by hand"}
