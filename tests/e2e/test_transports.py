"""Our agent over every transport that can run here, and with a Heat without the plugin."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from support import hot
from support.leftovers import assert_nothing_left, leftovers

SCRIPT = "#!/bin/sh\necho over $deploy_signal_transport\n"

# By name: the server's transport, the deployment's, and what the script finds that to be.
PAIRS = {
    "ours": ("ZAQAR_MESSAGE", "ZAQAR_MESSAGE", "ZAQAR_MESSAGE"),
    "auto": ("AUTO", "AUTO", "ZAQAR_MESSAGE"),
    "cfn-signal": ("ZAQAR_MESSAGE", "CFN_SIGNAL", "CFN_SIGNAL"),
    "zaqar-signal": ("ZAQAR_MESSAGE", "ZAQAR_SIGNAL", "ZAQAR_SIGNAL"),
    "heat": ("POLL_SERVER_HEAT", "HEAT_SIGNAL", "HEAT_SIGNAL"),
    "cfn": ("POLL_SERVER_CFN", "CFN_SIGNAL", "CFN_SIGNAL"),
    # The deployment has a signal queue of its own.
    "polls": ("POLL_SERVER_HEAT", "ZAQAR_MESSAGE", "ZAQAR_MESSAGE"),
    "no-signal": ("ZAQAR_MESSAGE", "NO_SIGNAL", None),
}


def stack_of(pairs):
    """Return a template with a server and a deployment for each pair of transports."""
    resources, outputs = {"config": hot.config(SCRIPT)}, {}
    for name, (server, signal, said) in pairs.items():
        resources[f"server-{name}"] = hot.server(server)
        resources[name] = hot.deployment("config", f"server-{name}", signal)
        if said:
            outputs[name] = {"get_attr": [name, "deploy_stdout"]}
    return hot.template(resources, outputs)


def test_every_transport_that_can_run_here_at_the_same_time(cloud, site):
    stack = site.stack(stack_of(PAIRS))
    guests = {name: site.boot(stack, f"server-{name}") for name in PAIRS}
    stack.wait("CREATE_COMPLETE", 240)
    assert stack.outputs() == {
        name: f"over {said}\n" for name, (_, _, said) in PAIRS.items() if said
    }
    guests["no-signal"].wait_log("hook ended with status 0", 60)
    assert "channel" in stack.collect_config("server-auto")["zaqar"]
    leftovers(cloud, stack)
    stack.delete()
    stack.wait("DELETE_COMPLETE")
    # But for the queues of Heat's own ZAQAR_SIGNAL, which its deployment deletes.
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


@pytest.fixture
def heat_without_the_plugin(cloud):
    cloud.reconfigure("heat-engine", {"DEFAULT": {"plugin_dirs": ""}})
    yield
    cloud.reconfigure("heat-engine", {})


@pytest.fixture
def servers_with_credentials(cloud):
    cloud.reconfigure(
        "heat-engine", {"zaqar_transport": {"server_credentials": "always", "seal": False}}
    )
    yield
    cloud.reconfigure("heat-engine", {})


@pytest.mark.xdist_group("serial")
@pytest.mark.usefixtures("heat_without_the_plugin")
def test_our_agent_with_a_heat_without_the_plugin(site):
    """Keystone credentials, and plain snapshots without a header."""
    pairs = {
        signal.lower(): ("ZAQAR_MESSAGE", signal, signal)
        for signal in ("ZAQAR_SIGNAL", "HEAT_SIGNAL", "CFN_SIGNAL")
    }
    stack = site.stack(stack_of(pairs))
    guests = [site.boot(stack, f"server-{name}") for name in pairs]
    stack.wait("CREATE_COMPLETE")
    assert stack.outputs() == {name: f"over {said}\n" for name, (_, _, said) in pairs.items()}
    for guest in guests:
        log = guest.log.read_text()
        assert "A snapshot of a Heat without heat-zaqar-transport collected" in log
    stack.delete()
    stack.wait("DELETE_COMPLETE")


@pytest.mark.xdist_group("serial")
@pytest.mark.usefixtures("servers_with_credentials")
def test_keystone_credentials_instead_of_a_signature_for_our_agent_and_the_released_one(
    site, tmp_path
):
    stack = site.stack(hot.one_script(SCRIPT))
    config = stack.collect_config("server")
    options = config["zaqar"]
    with_keystone = {k: v for k, v in options.items() if k != "metadata_url"}
    guest = site.guest({**config, "zaqar": with_keystone})
    guest.start()
    guest.wait_log(r"Generation \d+ of channel .* collected", 60)
    stack.wait("CREATE_COMPLETE")
    # os-collect-config as released takes what it finds, and does not give it back.
    guest.stop()
    (deployment,) = released_agent_collects(options, tmp_path)["zaqar"]["deployments"]
    assert deployment["config"] == SCRIPT


def released_agent_collects(options, directory):
    wanted = ("auth_url", "user_id", "password", "project_id", "queue_id", "region_name")
    conf = directory / "released.conf"
    # oslo.config would replace what follows a dollar sign.
    lines = [f"{name} = {options[name]}".replace("$", "$$") for name in wanted]
    conf.write_text("\n".join(["[DEFAULT]", "collectors = zaqar", "[zaqar]", *lines]))
    command = Path(sys.prefix) / "bin" / "os-collect-config"
    cache = ["--cachedir", directory / "cache", "--backup-cachedir", directory / "backup"]
    printed = subprocess.run(
        [command, "--config-file", conf, *cache, "--print"],
        check=True, capture_output=True, env={"LC_ALL": "C", "PATH": os.defpath},
    ).stdout  # fmt: skip
    return json.loads(printed)


@pytest.fixture
def no_signing_key(cloud):
    cloud.reconfigure("zaqar", {"signed_url": {"secret_key": None}})
    yield
    cloud.reconfigure("zaqar", {})


@pytest.mark.xdist_group("serial")
@pytest.mark.usefixtures("no_signing_key")
def test_without_a_signing_key_keystone_users_take_the_place_of_signatures(cloud, site):
    log = cloud.log("heat-engine")
    size = log.stat().st_size
    stack = site.stack(stack_of({name: PAIRS[name] for name in ("ours", "polls")}))
    guests = {name: site.boot(stack, f"server-{name}") for name in ("ours", "polls")}
    stack.wait("CREATE_COMPLETE")
    assert stack.outputs() == dict.fromkeys(guests, "over ZAQAR_MESSAGE\n")
    leftovers(cloud, stack)
    options = stack.collect_config("server-ours")["zaqar"]
    assert "user_id=" in options["signal_url"]
    assert "signature=" not in json.dumps(options)
    guests["ours"].wait_log("Heat has the result of config", 30)
    stack.delete()
    stack.wait("DELETE_COMPLETE")
    assert_nothing_left(cloud, stack)
    told = log.read_bytes()[size:].count(b"Zaqar signs no URLs")
    assert 1 <= told <= 2, "once in each of the engine's two workers"
