"""Which way a deployment's result takes: Heat's own signal transports, ours, and AUTO."""

import json
from types import SimpleNamespace

import pytest
from heat.common import exception
from heat.engine.clients.os import zaqar as heat_zaqar

from support import hot
from support.engine.swift import Swift

SCRIPT = "#!/bin/sh\necho $what\n"
DONE = {"deploy_stdout": "done\n", "deploy_status_code": 0}
KINDS = ("SoftwareDeployment", "StructuredDeployment")
OF_HEAT = ("CFN_SIGNAL", "TEMP_URL_SIGNAL", "HEAT_SIGNAL", "NO_SIGNAL", "ZAQAR_SIGNAL")


def template(kind="SoftwareDeployment", **properties):
    properties = {"input_values": {"what": "first"}, "name": "one", **properties}
    made = hot.one_script(SCRIPT, **properties)
    if kind == "StructuredDeployment":
        made["resources"]["config"] = {
            "type": "OS::Heat::StructuredConfig",
            "properties": {"group": "apply", "config": {"greeting": {"get_input": "what"}}},
        }
        made["resources"]["deployment"]["type"] = "OS::Heat::StructuredDeployment"
    return made


def started(heat, **properties):
    """Return a stack whose deployment waits, and the inputs that the server has got."""
    stack = heat.create(template(**properties), wait=False)
    heat.turn(3)
    assert stack.state == "CREATE_IN_PROGRESS", stack.reason
    return stack, inputs_of(stack)


def inputs_of(stack):
    (deployment,) = stack.deployments()
    return deployment["inputs"]


def ends(heat, stack):
    heat.settle()
    assert stack.state == "CREATE_COMPLETE", stack.reason
    assert stack.outputs() == {"stdout": "done\n"}
    stack.delete()
    assert stack.state == "DELETE_COMPLETE"
    assert heat.zaqar.queues == {}
    assert heat.keystone.users == heat.keystone.projects == {}


@pytest.mark.parametrize(("kind", "signal"), [(KINDS[0], "ZAQAR_MESSAGE"), (KINDS[1], "AUTO")])
def test_our_transport_puts_no_credential_into_the_inputs(heat, kind, signal):
    stack = heat.create(template(kind, signal=signal))
    assert stack.state == "CREATE_COMPLETE"
    inputs = inputs_of(stack)
    assert set(inputs) == {
        "what",
        "deploy_server_id",
        "deploy_action",
        "deploy_stack_id",
        "deploy_resource_name",
        "deploy_signal_transport",
    }
    assert inputs["deploy_signal_transport"] == "ZAQAR_MESSAGE"
    (deployment,) = heat.agent(stack).document["deployments"]
    assert deployment["config"] == (SCRIPT if kind == KINDS[0] else {"greeting": "first"})
    # The only user and the only queues are the server's.
    assert len(heat.keystone.users) == 1
    assert len(heat.zaqar.names("hz-s")) == 1


@pytest.mark.parametrize("kind", KINDS)
def test_by_a_pre_signed_url_of_heat(heat, kind):
    stack, inputs = started(heat, kind=kind, signal="CFN_SIGNAL")
    assert inputs["deploy_signal_transport"] == "CFN_SIGNAL"
    assert inputs["deploy_signal_verb"] == "POST"
    assert "deploy_queue_id" not in inputs
    heat.call(inputs["deploy_signal_id"], DONE)
    assert any("succeeded" in reason for reason in stack.events("deployment"))
    ends(heat, stack)


def test_by_a_pre_signed_url_of_swift(heat):
    swift = Swift()
    swift.install(heat)
    stack, inputs = started(heat, signal="TEMP_URL_SIGNAL")
    assert inputs["deploy_signal_transport"] == "TEMP_URL_SIGNAL"
    assert inputs["deploy_signal_verb"] == "PUT"
    swift.put(inputs["deploy_signal_id"], json.dumps(DONE))
    ends(heat, stack)
    assert swift.containers == {}


def test_by_heats_api(heat):
    stack, inputs = started(heat, signal="HEAT_SIGNAL")
    assert inputs["deploy_signal_transport"] == "HEAT_SIGNAL"
    user, project = inputs["deploy_user_id"], inputs["deploy_project_id"]
    assert heat.keystone.login(user, inputs["deploy_password"], project)
    stack.signal("deployment", DONE)
    ends(heat, stack)


def test_by_a_queue_of_heats_own_kind(heat):
    posted, deleted = [], []
    queue = SimpleNamespace(
        signed_url=lambda paths, methods: {"project": "project", "paths": paths},
        pop=lambda: [posted.pop()] if posted else [],
        delete=lambda: deleted.append("queue"),
    )
    client = SimpleNamespace(queue=lambda name: queue)
    for opens in ("create_for_tenant", "create_from_signed_url"):
        heat.patch(heat_zaqar.ZaqarClientPlugin, opens, lambda *_, **__: client)
    stack, inputs = started(heat, signal="ZAQAR_SIGNAL")
    assert inputs["deploy_signal_transport"] == "ZAQAR_SIGNAL"
    assert "deploy_channel" not in inputs
    user, project = inputs["deploy_user_id"], inputs["deploy_project_id"]
    assert heat.keystone.login(user, inputs["deploy_password"], project)
    posted.append(SimpleNamespace(body=DONE))
    ends(heat, stack)
    assert deleted == ["queue"]


def test_nobody_waits_where_no_signal_is_wanted(heat):
    heat.answer = lambda deployment: None
    stack = heat.create(template(signal="NO_SIGNAL"))
    assert stack.state == "CREATE_COMPLETE"
    (deployment,) = heat.agent(stack).document["deployments"]
    assert deployment["config"] == SCRIPT
    assert inputs_of(stack)["deploy_signal_transport"] == "NO_SIGNAL"


# What the catalog must lack for AUTO to come to each of them.
LACKING = {
    "ZAQAR_MESSAGE": (),
    "TEMP_URL_SIGNAL": ("messaging",),
    "CFN_SIGNAL": ("messaging", "object-store"),
    "HEAT_SIGNAL": ("messaging", "object-store", "cloudformation"),
}


@pytest.mark.parametrize("transport", LACKING)
def test_auto_is_the_best_of_the_catalog_once_and_for_all(heat, transport):
    Swift().install(heat)
    whole = dict(heat.catalog.urls)
    for service in LACKING[transport]:
        del heat.catalog.urls[service]
    polled = {"signal": "AUTO", "server_transport": "POLL_SERVER_HEAT"}
    stack, inputs = started(heat, **polled)
    assert inputs["deploy_signal_transport"] == transport
    stack.signal("deployment", DONE)
    assert stack.state == "CREATE_COMPLETE"
    # A catalog that changes later moves no deployment.
    heat.catalog.urls = whole
    if transport == "ZAQAR_MESSAGE":
        del whole["messaging"]
    stack.update(template(name="two", **polled), wait=False)
    heat.turn(3)
    assert inputs_of(stack)["deploy_signal_transport"] == transport


@pytest.mark.parametrize(
    "kind",
    [*KINDS, *(f"{kind}Group" for kind in KINDS), *(f"{kind}s" for kind in KINDS)],
)
def test_a_transport_that_nobody_knows_is_refused_with_all_that_there_are(heat, kind):
    properties = {"server": "s"} if kind in KINDS else {"servers": {"one": "s"}}
    made = {"type": f"OS::Heat::{kind}", "properties": {**properties, "signal_transport": "PIGEON"}}
    with pytest.raises(exception.StackValidationFailed) as caught:
        heat.create(hot.template({"deployment": made}))
    for name in ("PIGEON", "ZAQAR_MESSAGE", "AUTO", *OF_HEAT):
        assert name in str(caught.value)
    assert heat.zaqar.calls == []
