"""Deployments while Zaqar, or something else that they need, is away."""

import random
import re

import pytest

from heat_zaqar_transport.wire.errors import AccessRefused, RequestRefused, ServiceFailed
from support import hot

SCRIPT = "#!/bin/sh\necho $what\n"


def template(what="first", *, server="ZAQAR_MESSAGE", script=SCRIPT, **properties):
    properties = {"input_values": {"what": what}, "name": "one", **properties}
    return hot.one_script(script, server_transport=server, **properties)


def test_a_zaqar_that_fails_for_a_moment_is_asked_again_at_once(heat):
    stack = heat.create(template())
    began = heat.clock.now
    with heat.zaqar.failing("post", "hz-m", ServiceFailed("post", "503"), times=2):
        stack.update(template("second"))
    assert stack.state == "UPDATE_COMPLETE"
    assert heat.clock.now - began < 9
    assert heat.agent(stack).acks == heat.agent(stack).runs


@pytest.mark.parametrize("call", ["fetch", "post"])
def test_a_deployment_waits_for_a_zaqar_that_is_away(heat, call):
    stack = heat.create(template())
    with heat.zaqar.failing(call, "hz-m"):
        stack.update(template("second"), wait=False)
        heat.turn(25)
        assert stack.state == "UPDATE_IN_PROGRESS", stack.reason
        assert len(heat.agent(stack).runs) == 1
    began = heat.clock.now
    heat.settle()
    assert stack.state == "UPDATE_COMPLETE"
    assert len(heat.agent(stack).runs) == 2
    assert heat.clock.now - began < 15


@pytest.mark.parametrize(
    ("call", "error"),
    [
        ("fetch", AccessRefused("list queue hz-m", "404 Not Found")),
        ("post", RequestRefused("post to queue hz-m", "Bad request: cheese")),
    ],
)
def test_a_zaqar_that_refuses_fails_the_deployment_until_the_next_update(heat, call, error):
    stack = heat.create(template())
    with heat.zaqar.failing(call, "hz-m", error):
        stack.update(template("second"))
    assert stack.state == "UPDATE_FAILED"
    assert str(error) in stack.reason
    assert heat.clock.now < 60
    stack.update(template("third"))
    assert stack.state == "UPDATE_COMPLETE"
    assert stack.outputs() == {"stdout": "did one\n"}


def test_where_nobody_would_try_again_the_action_fails(heat):
    stack = heat.create(template(signal="NO_SIGNAL"))
    with heat.zaqar.failing("post", "hz-m"):
        stack.update(template("second", signal="NO_SIGNAL"))
    assert stack.state == "UPDATE_FAILED"
    assert "connection refused" in stack.reason
    stack.update(template("third", signal="NO_SIGNAL"))
    assert stack.state == "UPDATE_COMPLETE"
    heat.turn()
    assert len(heat.agent(stack).runs) == 2


TOO_LARGE = RequestRefused("post", "Message collection size is too large. Max size 1200")


def test_what_is_too_large_fails_with_both_sizes(heat):
    stack = heat.create(template())
    large = random.Random(1).randbytes(40_000).hex()
    with heat.zaqar.failing("post", "hz-m", TOO_LARGE):
        stack.update(template(script=f"#!/bin/sh\n: {large}\n"))
    assert stack.state == "UPDATE_FAILED"
    found = re.search(r"takes (\d+) bytes, and at most (\d+) bytes can be carried", stack.reason)
    assert 30_000 < int(found[2]) < int(found[1])
    # A Zaqar that takes more by now is found out about.
    stack.update(template(script=f"#!/bin/sh\n: {large} \n"))
    assert stack.state == "UPDATE_COMPLETE"
    assert large in heat.agent(stack).document["deployments"][0]["config"]


# Not even a part of a message fits into that.
TAKES_NOTHING = RequestRefused("post", "Message collection size is too large. Max size 500")


@pytest.mark.parametrize("error", [None, TAKES_NOTHING])
def test_a_deployment_goes_also_when_the_server_cannot_be_told(heat, error):
    made = template()
    made["resources"]["second"] = hot.deployment("config", name="two")
    stack = heat.create(made)
    agent = heat.agent(stack)
    assert len(agent.document["deployments"]) == 2
    del made["resources"]["deployment"]
    made["outputs"] = {}
    with heat.zaqar.failing("post", "hz-m", error):
        stack.update(made)
    assert stack.state == "UPDATE_COMPLETE", stack.reason
    heat.turn()
    assert len(agent.document["deployments"]) == 2
    # Whatever is published next does not name it either.
    stack.check()
    heat.turn()
    (left,) = agent.document["deployments"]
    assert left["name"] == "two"


# Deleting, when things are gone already.


def lose(heat, stack, what):
    match what:
        case "metadata queue" | "signal queue":
            (name,) = heat.zaqar.names("hz-m" if what == "metadata queue" else "hz-s")
            del heat.zaqar.queues[name]
        case "subscription":
            (name,) = heat.zaqar.names("hz-s")
            heat.zaqar.queues[name].subscribers.clear()
        case "endpoint":
            del heat.catalog.urls["messaging"]
        case "deployment":
            deployment_id = stack.resource("deployment")["physical_resource_id"]
            heat.ask("delete_software_deployment", deployment_id=deployment_id)


@pytest.mark.parametrize(
    ("server", "what"),
    [
        ("ZAQAR_MESSAGE", "metadata queue"),
        ("ZAQAR_MESSAGE", "signal queue"),
        ("ZAQAR_MESSAGE", "subscription"),
        ("ZAQAR_MESSAGE", "endpoint"),
        ("ZAQAR_MESSAGE", "deployment"),
        ("POLL_SERVER_HEAT", "signal queue"),
        ("POLL_SERVER_HEAT", "endpoint"),
        ("POLL_SERVER_HEAT", "deployment"),
    ],
)
def test_a_stack_is_deleted_whatever_is_gone_before(heat, server, what):
    stack = heat.create(template(server=server), wait=False)
    heat.turn(3)
    if server == "POLL_SERVER_HEAT":
        heat.poll(stack.server_id())
    heat.settle()
    assert stack.state == "CREATE_COMPLETE", stack.reason
    lose(heat, stack, what)
    stack.delete()
    assert stack.state == "DELETE_COMPLETE", stack.reason
    assert heat.keystone.users == heat.keystone.projects == {}
    if what != "endpoint":
        assert heat.zaqar.queues == {}


def test_a_deployment_is_deleted_when_the_stack_of_its_server_is_gone(heat):
    owner = heat.create(template(), "owner")
    made = template("guest")
    del made["resources"]["server"]
    made["resources"]["deployment"]["properties"]["server"] = owner.server_id()
    guest = heat.create(made, "guest")
    assert guest.state == "CREATE_COMPLETE"
    owner.delete()
    assert owner.state == "DELETE_COMPLETE"
    guest.delete()
    assert guest.state == "DELETE_COMPLETE"
    assert heat.zaqar.queues == {}


def test_a_zaqar_that_is_away_keeps_an_own_queue_for_the_next_delete(heat):
    stack = heat.create(template(server="POLL_SERVER_HEAT"), wait=False)
    heat.turn(3)
    heat.poll(stack.server_id())
    heat.settle()
    with heat.zaqar.failing("destroy"):
        stack.delete()
    assert stack.state == "DELETE_FAILED"
    assert "connection refused" in stack.reason
    assert len(heat.zaqar.queues) == 1
    stack.delete()
    assert stack.state == "DELETE_COMPLETE"
    assert heat.zaqar.queues == heat.keystone.users == {}
