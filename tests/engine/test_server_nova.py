"""OS::Nova::Server: what it boots with, what the API shows, and where Zaqar calls it."""

import email
import json

import pytest
from heat.common.exception import StackValidationFailed
from novaclient.exceptions import Forbidden

from support import hot
from support.engine.agent import secrets_of
from support.engine.nova import Nova


@pytest.fixture
def nova(heat):
    nova = Nova()
    nova.install(heat)
    return nova


def server(transport="ZAQAR_MESSAGE", metadata=None, **properties):
    made = {
        "type": "OS::Nova::Server",
        "properties": {
            "image": "an image",
            "flavor": "a flavor",
            "user_data_format": "SOFTWARE_CONFIG",
            "software_config_transport": transport,
            **properties,
        },
    }
    return made if metadata is None else {**made, "metadata": metadata}


def alone(*args, **properties):
    return hot.template({"server": server(*args, **properties)})


def one_script(*args, **properties):
    made = hot.one_script("#!/bin/sh\ntrue\n", name="one")
    made["resources"]["server"] = server(*args, **properties)
    return made


def boot_metadata(booted):
    """Return the metadata that cloud-init finds in a server's user data."""
    parts = email.message_from_string(booted.user_data).walk()
    (found,) = [part for part in parts if part.get_filename() == "cfn-init-data"]
    return json.loads(found.get_payload(decode=True))


@pytest.mark.parametrize("transport", ["ZAQAR_MESSAGE", "AUTO"])
def test_a_whole_life_on_nova(heat, nova, transport):
    heat.boots = False
    stack = heat.create(one_script(transport), wait=False)
    heat.turn(20)
    (booted,) = nova.servers.values()
    # All that the agent needs is in the user data, and it needs nothing else.
    metadata = boot_metadata(booted)
    options = metadata["os-collect-config"]["zaqar"]
    assert metadata["os-collect-config"]["collectors"] == ["ec2", "zaqar", "local"]
    agent = heat.boot(options)
    heat.settle()
    assert stack.state == "CREATE_COMPLETE"
    assert stack.outputs() == {"stdout": "did one\n"}
    assert stack.collect_config() == metadata["os-collect-config"]

    # The API shows it beside what Nova shows.
    shown = stack.resource("server")["attributes"]
    assert shown["os_collect_config"] == stack.collect_config()
    assert shown["addresses"]["net"][0]["addr"] == "10.0.0.5"
    stored = json.dumps([stack.metadata(), stack.resource("server")["metadata"]])
    assert not [secret for secret in secrets_of(options) if secret in stored]

    stack.check()
    assert stack.state == "CHECK_COMPLETE"
    stack.suspend()
    assert (stack.state, booted.status) == ("SUSPEND_COMPLETE", "SUSPENDED")
    stack.resume()
    assert (stack.state, booted.status) == ("RESUME_COMPLETE", "ACTIVE")
    stack.delete()
    assert stack.state == "DELETE_COMPLETE"
    assert agent.goodbye
    assert nova.servers == heat.zaqar.queues == heat.keystone.users == {}
    assert heat.refused == []


def test_a_check_puts_back_the_queue_and_sees_that_nova_has_the_server(heat, nova):
    stack = heat.create(alone())
    agent = heat.agent(stack)
    heat.zaqar.queues.clear()
    stack.check()
    assert stack.state == "CHECK_COMPLETE"
    (snapshot,) = agent.read()
    assert snapshot.document == agent.document
    (booted,) = nova.servers.values()
    booted.status = "ERROR"
    stack.check()
    assert stack.state == "CHECK_FAILED"
    assert "'status': expected 'ACTIVE', got 'ERROR'" in stack.reason


@pytest.mark.parametrize("data_format", ["RAW", "HEAT_CFNTOOLS"])
def test_a_server_that_is_not_configured_by_heat_has_no_channel(heat, nova, data_format):
    stack = heat.create(alone(user_data_format=data_format))
    assert stack.state == "CREATE_COMPLETE"
    assert heat.zaqar.calls == []
    stack.check()
    assert stack.state == "CHECK_COMPLETE"
    stack.delete()
    assert stack.state == "DELETE_COMPLETE"
    assert heat.zaqar.calls == []
    assert nova.servers == {}


def test_a_wrong_transport_is_refused_before_anything_is_made(heat, nova):
    with pytest.raises(StackValidationFailed) as caught:
        heat.create(alone("PIGEON"))
    for words in ("PIGEON", "ZAQAR_MESSAGE", "AUTO", "POLL_SERVER_CFN"):
        assert words in str(caught.value)
    assert nova.servers == heat.keystone.users == {}


def test_a_server_that_nova_refuses_leaves_nothing(heat, nova):
    nova.refusal = Forbidden(403, "Quota exceeded")
    stack = heat.create(alone())
    assert stack.state == "CREATE_FAILED"
    assert "Quota exceeded" in stack.reason
    stack.delete()
    assert stack.state == "DELETE_COMPLETE"
    assert heat.zaqar.queues == heat.keystone.users == {}


def test_a_server_that_nova_has_lost_is_deleted_with_its_channel(heat, nova):
    stack = heat.create(alone())
    nova.servers.clear()
    stack.delete()
    assert stack.state == "DELETE_COMPLETE"
    assert heat.zaqar.queues == heat.keystone.users == {}


def test_a_replacement_boots_with_a_channel_of_its_own(heat, nova):
    stack = heat.create(one_script(name="first"))
    before = heat.agent(stack)
    stack.mark_unhealthy("server")
    stack.update(one_script(name="first"))
    assert stack.state == "UPDATE_COMPLETE"
    after = heat.agent(stack)
    (booted,) = nova.servers.values()
    assert boot_metadata(booted)["os-collect-config"]["zaqar"]["channel"] == after.channel
    assert after.channel != before.channel
    assert set(heat.zaqar.queues) == set(after.queue_names)
    assert (before.goodbye, after.goodbye) == (True, False)
    assert len(after.runs) == 1


# A webhook at the address that Nova tells.

WEBHOOK = {"push": "webhook", "webhook_listen": "0.0.0.0:8779"}


@pytest.mark.parametrize(
    ("networks", "base"),
    [
        ({"net": ["10.0.0.5", "203.0.113.5"]}, "http://10.0.0.5:8779"),
        ({"empty": [], "net": ["10.0.0.6"]}, "http://10.0.0.6:8779"),
        ({"net": ["2001:db8::5"], "other": ["10.0.0.5"]}, "http://[2001:db8::5]:8779"),
    ],
)
def test_zaqar_calls_the_first_address_that_nova_tells(heat, nova, networks, base):
    nova.networks = networks
    stack = heat.create(alone(metadata=hot.wishes(**WEBHOOK)))
    assert stack.state == "CREATE_COMPLETE"
    path = stack.collect_config()["zaqar"]["webhook_path"]
    assert heat.zaqar.subscribers("hz-m") == [f"{base}{path}"]
    stack.update(alone(metadata={"word": 1, **hot.wishes(**WEBHOOK)}))
    assert [url for url, _ in heat.called] == [f"{base}{path}"]


def test_a_url_in_the_template_goes_before_what_nova_tells(heat, nova):
    wishes = hot.wishes(**WEBHOOK, webhook_url="https://web:1")
    stack = heat.create(alone(metadata=wishes))
    path = stack.collect_config()["zaqar"]["webhook_path"]
    assert heat.zaqar.subscribers("hz-m") == [f"https://web:1{path}"]


@pytest.mark.parametrize("networks", [{}, {"net": []}])
def test_a_server_without_an_address_fails_with_what_to_do(heat, nova, networks):
    nova.networks = networks
    stack = heat.create(alone(metadata=hot.wishes(**WEBHOOK)))
    assert stack.state == "CREATE_FAILED"
    assert "no address of the server is known: say webhook_url" in stack.reason
    stack.delete()
    assert stack.state == "DELETE_COMPLETE"
    assert nova.servers == heat.zaqar.queues == {}


def test_a_server_that_is_not_active_yet_is_not_called_yet(heat, nova):
    """Its addresses are only known when it runs."""
    nova.status = "BUILD"
    stack = heat.create(alone(metadata=hot.wishes(**WEBHOOK)), wait=False)
    heat.turn(5)
    assert heat.zaqar.subscribers("hz-m") == []
    (booted,) = nova.servers.values()
    booted.status = "ACTIVE"
    heat.settle()
    assert stack.state == "CREATE_COMPLETE"
    assert len(heat.zaqar.subscribers("hz-m")) == 1
