"""Our agent over every transport that can run here, and with a Heat without the plugin."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from heatclient.exc import HTTPBadRequest

from support import hot
from support.leftovers import assert_nothing_left, leftovers

SCRIPT = "#!/bin/sh\necho over $deploy_signal_transport\n"


def run(site, server_transport, signal_transport):
    stack = site.stack(
        hot.one_script(SCRIPT, server_transport=server_transport, signal=signal_transport)
    )
    guest = site.boot(stack)
    stack.wait("CREATE_COMPLETE")
    return stack, guest


@pytest.mark.parametrize(
    ("server_transport", "signal_transport"),
    [
        ("ZAQAR_MESSAGE", "CFN_SIGNAL"),
        ("ZAQAR_MESSAGE", "ZAQAR_SIGNAL"),
        ("POLL_SERVER_HEAT", "HEAT_SIGNAL"),
        ("POLL_SERVER_CFN", "CFN_SIGNAL"),
    ],
)
def test_heats_own_transports_still_work(site, server_transport, signal_transport):
    stack, _ = run(site, server_transport, signal_transport)
    assert stack.outputs()["stdout"] == f"over {signal_transport}\n"


def test_no_signal_waits_for_nothing(site):
    stack = site.stack(hot.one_script(SCRIPT, signal="NO_SIGNAL"))
    guest = site.guest(stack.collect_config("server"))
    stack.wait("CREATE_COMPLETE")
    guest.start()
    guest.wait_log("hook ended with status 0", 60)


def test_auto_takes_zaqar_where_the_catalog_has_it(site):
    stack, _ = run(site, "AUTO", "AUTO")
    assert stack.outputs()["stdout"] == "over ZAQAR_MESSAGE\n"
    assert "channel" in stack.collect_config("server")["zaqar"]


def test_a_server_that_polls_gets_a_signal_queue_for_its_deployment(cloud, site):
    stack, _ = run(site, "POLL_SERVER_HEAT", "ZAQAR_MESSAGE")
    assert stack.outputs()["stdout"] == "over ZAQAR_MESSAGE\n"
    assert leftovers(cloud, stack)["queues"] == 1
    stack.delete()
    stack.wait("DELETE_COMPLETE")
    assert_nothing_left(cloud, stack)


def test_a_change_of_transport_strands_no_server(site):
    def template(transport, word):
        return hot.one_script(
            "#!/bin/sh\necho $word\n", server_transport=transport, input_values={"word": word}
        )

    stack = site.stack(template("ZAQAR_MESSAGE", "first"))
    guest = site.boot(stack)
    stack.wait("CREATE_COMPLETE")
    for transport, word in (("POLL_SERVER_HEAT", "polled"), ("ZAQAR_MESSAGE", "back")):
        stack.update(template(transport, word))
        stack.wait("UPDATE_COMPLETE")
        assert stack.outputs()["stdout"] == f"{word}\n"
        collector = "heat" if transport == "POLL_SERVER_HEAT" else "zaqar"
        conf = guest.path("etc/os-collect-config.conf")
        guest.wait_for(
            lambda wanted=f"collectors = {collector}": wanted in conf.read_text(),  # noqa: B023
            30,
            "the agent's new configuration",
        )
    # It has found its credentials where it polled, and they stay there no longer than that.
    guest.wait_for(
        lambda: "signature=" not in json.dumps(site.heat.resources.metadata(stack.id, "server")),
        30,
        "metadata without credentials",
    )


def test_metadata_of_the_template_reaches_the_server(site):
    def template(value):
        made = hot.one_script("#!/bin/sh\ntrue\n")
        made["resources"]["server"]["metadata"] = {"from-template": value}
        return made

    stack = site.stack(template("one"))
    guest = site.boot(stack)
    stack.wait("CREATE_COMPLETE")
    stack.update(template("two"))
    stack.wait("UPDATE_COMPLETE")
    cached = guest.path("var/lib/os-collect-config/zaqar.json")
    guest.wait_for(lambda: '"from-template": "two"' in cached.read_text(), 30, "the metadata")


@pytest.mark.parametrize(
    ("template", "told"),
    [
        (hot.one_script(SCRIPT, server_transport="PIGEON"),
         ["PIGEON", "ZAQAR_MESSAGE", "AUTO", "POLL_SERVER_CFN"]),
        (hot.one_script(SCRIPT, signal="PIGEON"),
         ["PIGEON", "ZAQAR_MESSAGE", "AUTO", "CFN_SIGNAL"]),
        (hot.one_script(SCRIPT, colour="blue"), ["Unknown Property colour"]),
        (hot.one_script(SCRIPT, actions=["DANCE"]), ["DANCE", "CREATE"]),
        (hot.template({"server": hot.server(deployment_swift_data={"container": ""})}),
         ["container"]),
        (hot.template({"group": {"type": "OS::Heat::SoftwareDeploymentGroup", "properties": {
            "servers": {}, "signal_transport": "PIGEON"}}}), ["PIGEON", "ZAQAR_MESSAGE"]),
    ],
)  # fmt: skip
def test_a_wrong_property_is_refused_before_anything_is_made(site, template, told):
    with pytest.raises(HTTPBadRequest) as caught:
        site.stack(template)
    for words in told:
        assert words in str(caught.value)


@pytest.fixture(scope="class")
def heat_without_the_plugin(cloud):
    cloud.reconfigure("heat-engine", {"DEFAULT": {"plugin_dirs": ""}})
    yield
    cloud.reconfigure("heat-engine", {})


@pytest.fixture(scope="class")
def servers_with_credentials(cloud):
    cloud.reconfigure(
        "heat-engine", {"zaqar_transport": {"server_credentials": "always", "seal": False}}
    )
    yield
    cloud.reconfigure("heat-engine", {})


@pytest.mark.usefixtures("heat_without_the_plugin")
class TestHeatWithoutThePlugin:
    @pytest.mark.parametrize("signal", ["ZAQAR_SIGNAL", "HEAT_SIGNAL", "CFN_SIGNAL"])
    def test_our_agent_with_a_heat_without_the_plugin(self, site, signal):
        """Keystone credentials, and plain snapshots without a header."""
        stack, guest = run(site, "ZAQAR_MESSAGE", signal)
        assert stack.outputs()["stdout"] == f"over {signal}\n"
        assert (
            "A snapshot of a Heat without heat-zaqar-transport collected" in guest.log.read_text()
        )
        stack.delete()
        stack.wait("DELETE_COMPLETE")


@pytest.mark.usefixtures("servers_with_credentials")
class TestServersWithCredentials:
    def test_reading_with_keystone_credentials_instead_of_a_signature(self, site):
        stack = site.stack(hot.one_script(SCRIPT))
        config = stack.collect_config("server")
        with_keystone = {k: v for k, v in config["zaqar"].items() if k != "metadata_url"}
        guest = site.guest({**config, "zaqar": with_keystone})
        guest.start()
        guest.wait_log(r"Generation \d+ of channel .* collected", 60)
        stack.wait("CREATE_COMPLETE")

    def test_os_collect_config_as_released_reads_our_snapshots(self, site, tmp_path):
        stack = site.stack(hot.one_script(SCRIPT, signal="NO_SIGNAL"))
        stack.wait("CREATE_COMPLETE")
        options = stack.collect_config("server")["zaqar"]
        wanted = ("auth_url", "user_id", "password", "project_id", "queue_id", "region_name")
        conf = tmp_path / "released.conf"
        # oslo.config would replace what follows a dollar sign.
        lines = [f"{name} = {options[name]}".replace("$", "$$") for name in wanted]
        conf.write_text("\n".join(["[DEFAULT]", "collectors = zaqar", "[zaqar]", *lines]))
        command = Path(sys.prefix) / "bin" / "os-collect-config"
        cache = ["--cachedir", tmp_path / "cache", "--backup-cachedir", tmp_path / "backup"]
        printed = subprocess.run(
            [command, "--config-file", conf, *cache, "--print"],
            check=True, capture_output=True, env={"LC_ALL": "C", "PATH": os.defpath},
        ).stdout  # fmt: skip
        (deployment,) = json.loads(printed)["zaqar"]["deployments"]
        assert deployment["config"] == SCRIPT


@pytest.fixture
def silent_notifier(cloud):
    """Zaqar as it comes: a subscription is taken, and never fires."""
    cloud.reconfigure("zaqar", {"storage": {"message_pipeline": ""}})
    yield
    cloud.reconfigure("zaqar", {})


def test_without_notifications_the_safety_net_finds_the_result(silent_notifier, site):
    stack, _ = run(site, "ZAQAR_MESSAGE", "ZAQAR_MESSAGE")
    reasons = [
        event.resource_status_reason
        for event in site.heat.events.list(stack.id, resource_name="deployment")
    ]
    assert any("succeeded" in reason for reason in reasons)


@pytest.fixture
def no_signing_key(cloud):
    cloud.reconfigure("zaqar", {"signed_url": {"secret_key": None}})
    yield
    cloud.reconfigure("zaqar", {})


@pytest.mark.usefixtures("no_signing_key")
def test_without_a_signing_key_keystone_users_take_the_place_of_signatures(cloud, site):
    log = cloud.log("heat-engine")
    size = log.stat().st_size
    for server_transport in ("ZAQAR_MESSAGE", "POLL_SERVER_HEAT"):
        stack, guest = run(site, server_transport, "ZAQAR_MESSAGE")
        assert stack.outputs()["stdout"] == "over ZAQAR_MESSAGE\n"
        leftovers(cloud, stack)
        if server_transport == "ZAQAR_MESSAGE":
            options = stack.collect_config("server")["zaqar"]
            assert "user_id=" in options["signal_url"]
            assert "signature=" not in json.dumps(options)
            # And on: a change arrives, and its result is acked.
            stack.update(hot.one_script(f"{SCRIPT}echo again\n"))
            stack.wait("UPDATE_COMPLETE")
            guest.wait_log("Heat has the result of config", 30)
        stack.delete()
        stack.wait("DELETE_COMPLETE")
        assert_nothing_left(cloud, stack)
    told = log.read_bytes()[size:].count(b"Zaqar signs no URLs")
    assert 1 <= told <= 2, "once in each of the engine's two workers"
