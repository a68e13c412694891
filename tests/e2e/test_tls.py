"""Everything over real TLS with a CA of the cloud's own: who verifies, and what is refused.

The cloud here is another one than that of the other modules, and is stopped at this module's end.
While you work on them: `python -m localcloud up --tls`, and LOCALCLOUD_TLS=<its scratch directory>.
"""

import os
import re
import time

import pytest

from localcloud import LocalCloud
from support import hot
from support.rig import Rig, wait_until
from support.site import Site

pytestmark = pytest.mark.xdist_group("tls")

CONNECTED = "Connected to Zaqar's websocket server"
REFUSED = "certificate verify failed"


@pytest.fixture(scope="module")
def cloud():
    running = os.environ.get("LOCALCLOUD_TLS")
    if running:
        yield LocalCloud.attach(running)
        return
    with LocalCloud.start(tls=True) as cloud:
        yield cloud


@pytest.fixture
def shown(cloud):
    """Have services show another certificate; the good one again at the end."""
    changed = set()

    def show(kind, *names):
        changed.update(names)
        cloud.show_certificate(kind, *names)

    yield show
    if changed:
        cloud.show_certificate("good", *changed)


@pytest.fixture(scope="module")
def rig(cloud, tmp_path_factory):
    """A server with a deployment, and a push that works."""
    with Site(cloud, tmp_path_factory.mktemp("rig")) as site:
        rig = Rig(site, agent={"poll_longest": 2})
        rig.guest.wait_log(CONNECTED, 60)
        yield rig


def test_a_stack_from_end_to_end_with_push(site):
    rig = Rig(site, agent={"poll_longest": 3600})
    rig.guest.wait_log(CONNECTED, 60)
    urls = [rig.options[name] for name in ("metadata_url", "signal_url", "auth_url")]
    assert {url.partition(":")[0] for url in urls} == {"https"}
    assert rig.options["websocket_url"].startswith("wss://")
    # The first push shows that pushes come; from then on only a push is waited for.
    rig.update("pushed")
    rig.settled()
    rig.update("again", timeout_s=20)
    log = rig.guest.log.read_text()
    assert REFUSED not in log
    assert "insecure" not in log


def test_signals_that_leave_zaqar_aside(site):
    names = ("CFN_SIGNAL", "HEAT_SIGNAL")
    config = hot.config("#!/bin/sh\necho done\n")
    deployments = {name: hot.deployment("config", transport=name, name=name) for name in names}
    outputs = {name: {"get_attr": [name, "deploy_stdout"]} for name in names}
    template = hot.template({"server": hot.server(), "config": config, **deployments}, outputs)
    stack = site.stack(template)
    site.boot(stack)
    stack.wait("CREATE_COMPLETE")
    assert stack.outputs() == dict.fromkeys(names, "done\n")


def test_an_agent_without_the_ca_asks_nobody_and_does_nothing(cloud, site):
    logs = [cloud.logs / f"{name}-access.log" for name in ("zaqar", "keystone")]
    sizes = [log.stat().st_size for log in logs]
    stack = site.stack(hot.one_script('#!/bin/sh\ntouch "$HOME/ran"\n'))
    config = stack.collect_config("server")
    config["zaqar"] = {k: v for k, v in config["zaqar"].items() if k != "ca_certificates"}
    guest = site.guest(config, polling_interval_s=2)
    guest.start()
    guest.wait_log(f"Zaqar cannot be read.*{REFUSED}", 60)
    guest.wait_log(f"polling meanwhile: connect to .*{REFUSED}", 60)
    time.sleep(5)
    assert stack.show().stack_status == "CREATE_IN_PROGRESS"
    assert not guest.path("root/ran").exists()
    # Nothing has been asked or posted: the handshake ends before. The engine posts no results.
    lines = [text for log, size in zip(logs, sizes, strict=True) for text in after(log, size)]
    assert lines
    assert [line for line in lines if "os-collect-config" in line] == []
    assert [line for line in lines if re.search(r"POST /v2/queues/hz-s-\w+/messages", line)] == []
    # By now only a file of its own can tell it of the CA.
    with guest.path("etc/os-collect-config-local.conf").open("a") as conf:
        conf.write(f"ca_file = {cloud.ca_file}\n")
    stack.wait("CREATE_COMPLETE")
    assert guest.path("root/ran").exists()


def after(log, size):
    """Return a log's lines beyond a size, in bytes."""
    return log.read_bytes()[size:].decode().splitlines()


# Both kinds of fault, with each of the libraries that verify, are tested without services in
# tests/unit: test_queues_tls.py, test_websocket_tls.py, hooks/signals/test_tls.py.


def test_a_bad_certificate_of_the_websocket_server_is_refused(rig, shown):
    since = rig.guest.log_size
    shown("other-host", "zaqar-websocket")
    refused = f"polling meanwhile: connect to .*{REFUSED}.*IP address mismatch"
    rig.guest.wait_log(refused, 90, since=since)
    assert CONNECTED not in rig.guest.log.read_text()[since:]
    # Zaqar's REST API shows a good one.
    rig.update("polled")
    shown("good", "zaqar-websocket")
    rig.guest.wait_log(CONNECTED, 90, since=since)


def test_a_bad_certificate_of_zaqar_is_refused_by_both_sides(cloud, rig, shown):
    since, engine_since = rig.guest.log_size, cloud.log("heat-engine").stat().st_size
    shown("expired", "zaqar")
    rig.start_update("withheld")
    refused = f"Zaqar cannot be read.*{REFUSED}.*certificate has expired"
    rig.guest.wait_log(refused, 60, since=since)
    wait_until(lambda: refusals(cloud, engine_since), 60, "the engine to refuse Zaqar")
    time.sleep(3)
    assert rig.runs() == 0
    assert rig.stack.show().stack_status == "UPDATE_IN_PROGRESS"
    shown("good", "zaqar")
    rig.completes(timeout_s=90)


def refusals(cloud, since):
    text = cloud.log("heat-engine").read_text()[since:]
    return re.findall(f"{REFUSED}: certificate has expired", text)


def test_a_bad_certificate_of_keystone_is_refused(rig, shown):
    rig.guest.stop()
    shown("other-host", "keystone")
    since = rig.guest.log_size
    rig.guest.start()
    refused = f"polling meanwhile: get a token .*{REFUSED}.*IP address mismatch"
    rig.guest.wait_log(refused, 60, since=since)
    shown("good", "keystone")
    rig.guest.wait_log(CONNECTED, 90, since=since)


def test_insecure_reaches_a_running_server_when_it_is_spelled_out_and_is_warned_of(cloud, rig):
    """The last one: the engine goes on to say so."""
    assert "insecure" not in rig.options
    since = rig.guest.log_size
    told = {"servers_ca_file": "", "servers_insecure": True}
    cloud.reconfigure("heat-engine", {"zaqar_transport": told})
    rig.site.heat.actions.check(rig.stack.id)
    rig.guest.wait_log(r"WARNING.*\[zaqar\] insecure is set", 60, since=since)
    rig.guest.wait_log(CONNECTED, 60, since=since)
    rendered = rig.guest.path("etc/os-collect-config.conf").read_text()
    assert "insecure = true" in rendered
    assert "ca_certificates" not in rendered
    rig.update("unverified")
    rig.settled()
    log = rig.guest.log.read_text()[since:]
    assert "InsecureRequestWarning" not in log
    # Once for each start of the agent.
    assert log.count("insecure is set") == 1
