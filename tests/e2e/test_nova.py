"""OS::Nova::Server on real Nova: the one thing that is not real is what the server runs on.

Nova's fake driver boots nothing, so a guest is booted by hand with nothing but the user data that
Nova holds, as cloud-init would find it.
"""

import time

import pytest
import yaml
from heatclient.exc import HTTPBadRequest

from localcloud import LocalCloud
from localcloud.services.compute import admin
from support.leftovers import assert_left, assert_nothing_left, leftovers
from support.stacks import POLL_S, TEMPLATES
from support.user_data import boot_metadata, server_in_nova

pytestmark = pytest.mark.xdist_group("nova")

# Neutron has no agents here, so that no port could be bound.
NO_NETWORK = [{"allocate_network": "none"}]
# With its agent connected: Zaqar tells both Heat and the agent.
ONE_SERVER = {"projects": 1, "users": 1, "key_pairs": 1, "queues": 2, "subscriptions": 2}
OFFER = {"image": "tiny", "flavor": "tiny"}


@pytest.fixture(scope="module")
def cloud():
    """A cloud of its own, with Nova: booting that is dearer than all other tests need."""
    with LocalCloud.start(compute=True) as cloud:
        yield cloud


def template(**server_properties):
    """Our template as it stands, but for the network, and properties of the server laid over."""
    made = yaml.safe_load((TEMPLATES / "nova-server.yaml").read_text())
    del made["parameters"]["network"]
    properties = made["resources"]["server"]["properties"]
    properties.update({"networks": NO_NETWORK, **server_properties})
    return made


def boot(site, server):
    """Boot a server with what Nova's user data says, and no more."""
    metadata = boot_metadata(server)
    guest = site.guest()
    guest.boot_config(metadata.pop("os-collect-config"), **metadata)
    guest.start()
    return guest


def channel_of(server):
    return boot_metadata(server)["os-collect-config"]["zaqar"]["channel"]


def wait_successor(cloud, stack, server, timeout_s=60):
    """Return the server that has taken a server's place, once it is ACTIVE."""
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        server_id = stack.resource("server").physical_resource_id
        found = server_in_nova(cloud, server_id) if server_id not in ("", server["id"]) else None
        if found and found["status"] == "ACTIVE":
            return found
        time.sleep(POLL_S)
    raise AssertionError(f"nothing has replaced {server['id']} after {timeout_s} s")


def test_a_whole_life_on_nova(cloud, site):
    stack = site.stack(template(), **OFFER)
    stack.wait_resource("server", "CREATE_COMPLETE")
    server_id = stack.resource("server").physical_resource_id
    server = server_in_nova(cloud, server_id)
    assert server["status"] == "ACTIVE"

    # What the server knows at boot: how to reach its queues, and to be pushed.
    config = boot_metadata(server)["os-collect-config"]
    assert config["collectors"] == ["ec2", "zaqar", "local"]
    assert set(config["zaqar"]) == {
        "channel", "metadata_url", "signal_url", "seal_keys", "credentials", "renew_at",
        "websocket_url",
        "auth_url", "user_id", "password", "project_id", "queue_id", "region_name",
    }  # fmt: skip
    assert config == stack.collect_config("server")
    assert config["zaqar"]["seal_keys"]
    assert stack.show().stack_status == "CREATE_IN_PROGRESS"

    boot(site, server)
    stack.wait("CREATE_COMPLETE")
    assert stack.outputs()["result"] == "hello, world"

    stack.update(greeting="good evening")
    stack.wait("UPDATE_COMPLETE")
    assert stack.outputs()["result"] == "good evening, world"
    assert stack.resource("server").physical_resource_id == server_id

    assert_left(cloud, stack, ONE_SERVER)
    stack.delete()
    stack.wait("DELETE_COMPLETE")
    assert server_in_nova(cloud, server_id) is None
    assert_nothing_left(cloud, stack)


def test_a_wrong_transport_is_refused_before_anything_is_made(site):
    with pytest.raises(HTTPBadRequest) as refusal:
        site.stack(template(software_config_transport="PIGEON"), **OFFER)
    text = str(refusal.value)
    assert "PIGEON" in text
    for name in ("POLL_SERVER_CFN", "POLL_SERVER_HEAT", "ZAQAR_MESSAGE", "AUTO"):
        assert name in text


def test_a_server_that_is_replaced_takes_its_channel_along(cloud, site):
    stack = site.stack(template(software_config_transport="AUTO"), **OFFER)
    stack.wait_resource("server", "CREATE_COMPLETE")
    first = server_in_nova(cloud, stack.resource("server").physical_resource_id)
    boot(site, first)
    stack.wait("CREATE_COMPLETE")
    assert_left(cloud, stack, ONE_SERVER)

    other = template(software_config_transport="AUTO", user_data="#!/bin/sh\necho other\n")
    stack.update(other)
    second = wait_successor(cloud, stack, first)
    assert channel_of(first) != channel_of(second)
    boot(site, second)
    stack.wait("UPDATE_COMPLETE")

    assert server_in_nova(cloud, first["id"]) is None
    # The new server's user came after the ones that are counted here.
    assert_left(cloud, stack, ONE_SERVER | {"users": 0, "key_pairs": 0})


def test_a_server_that_nova_refuses_leaves_nothing(cloud, site):
    huge = {"name": "huge", "vcpus": 100_000, "ram": 64, "disk": 1}
    admin(cloud.plan, "nova-api").post("/v2.1/flavors", json={"flavor": huge})
    stack = site.stack(template(), image="tiny", flavor="huge")
    assert "Quota exceeded for cores" in stack.wait("CREATE_FAILED").stack_status_reason
    assert leftovers(cloud, stack)["queues"] == 2
    stack.delete()
    stack.wait("DELETE_COMPLETE")
    assert_nothing_left(cloud, stack)
