"""Servers that Zaqar calls: the URL comes from the template or from Nova, and is unguessable."""

import json
import socket
import time

import pytest
import redis
import requests
from heatclient.exc import HTTPBadRequest

from heat_zaqar_transport import queues
from heat_zaqar_transport.queues import PUSH_OPTIONS
from heat_zaqar_transport.resources.channel import new_name
from support import hot
from support.changes import Changes

LISTENING = "Listening for Zaqar's calls"
POLL_LONGEST_S = 30


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def stack_of(**options):
    resource = hot.server()
    resource["metadata"] = {"os-collect-config": {"zaqar": options}}
    return hot.template({"server": resource})


def called(port):
    address = f"127.0.0.1:{port}"
    return stack_of(push="webhook", webhook_listen=address, webhook_url=f"http://{address}")


def subscribers(cloud, options):
    """Return what Zaqar calls for a server's metadata queue, from Zaqar's own store."""
    queue = options["metadata_url"].split("/queues/")[1].split("?")[0]
    store = redis.Redis(*cloud.redis_url)
    (key,) = store.keys(f"*.{queue}.subscriptions") or [""]
    found = [store.hget(each, "u") for each in store.zrange(key, 0, -1)]
    return [each.decode() for each in found if each]


@pytest.fixture
def server(cloud, site):
    port = free_port()
    stack = site.stack(called(port))
    stack.wait("CREATE_COMPLETE")
    config = stack.collect_config("server")
    guest = site.guest(config, polling_interval_s=POLL_LONGEST_S)
    guest.start()
    guest.wait_log(LISTENING, 60)
    guest.wait_log("Completed phase configure(.*\n)+?.*Sleeping", 60)
    guest.stack, guest.options, guest.port = stack, config["zaqar"], port
    guest.changes = Changes(cloud, guest, guest.options)
    return guest


def arrives(guest, within_s=5):
    posted = guest.changes.post()
    latency_s = guest.changes.wait(within_s) - posted
    guest.changes.applied(30)
    return latency_s


def test_a_call_brings_a_change_at_once(cloud, server):
    assert "password" not in server.options
    assert "websocket_url" not in server.options
    assert arrives(server, 40)
    # Not by a poll after the change before.
    time.sleep(3)
    assert arrives(server) < 0.5
    time.sleep(8)
    assert arrives(server) < 0.5


def test_only_the_right_path_rings_and_nothing_else_costs_anything(cloud, server):
    arrives(server, 40)
    arrives(server)
    time.sleep(5)
    access = cloud.logs / "zaqar-access.log"
    size = access.stat().st_size
    base = f"http://127.0.0.1:{server.port}"
    with requests.Session() as session:
        for path in ["/", "/hz-w-guess", *(f"/{n}" for n in range(500))]:
            assert session.post(base + path, data=b"x", timeout=5).status_code == 404
    assert requests.get(base + server.options["webhook_path"], timeout=5).status_code == 404
    huge = requests.post(base + server.options["webhook_path"], data=b"x" * 3_000_000, timeout=5)
    assert huge.status_code == 413
    time.sleep(1)
    queue = server.options["metadata_url"].split("/queues/")[1].split("?")[0]
    assert queue not in access.read_text()[size:]
    # A flood of the right calls does not become a flood of looks.
    with requests.Session() as session:
        for _ in range(1000):
            session.post(base + server.options["webhook_path"], json={}, timeout=5)
    time.sleep(1)
    assert access.read_text()[size:].count(queue) < 60
    assert arrives(server, 10) < 6


def test_the_url_comes_from_the_template_and_moves_with_it(cloud, server):
    path = server.options["webhook_path"]
    assert subscribers(cloud, server.options) == [f"http://127.0.0.1:{server.port}{path}"]
    other = free_port()
    server.stack.update(called(other))
    server.stack.wait("UPDATE_COMPLETE")
    assert subscribers(cloud, server.options) == [f"http://127.0.0.1:{other}{path}"]
    server.stack.update(stack_of(push="poll"))
    server.stack.wait("UPDATE_COMPLETE")
    assert subscribers(cloud, server.options) == []
    # Neither has cost the server its channel.
    now = server.stack.collect_config("server")["zaqar"]
    assert {name: now[name] for name in ("channel", "metadata_url", "signal_url")} == {
        name: server.options[name] for name in ("channel", "metadata_url", "signal_url")
    }
    assert now["push"] == "poll"


def test_a_change_of_the_agents_options_reaches_a_running_server(cloud, site):
    stack = site.stack(stack_of(poll_longest=20))
    guest = site.boot(stack)
    stack.wait("CREATE_COMPLETE")
    conf = guest.path("etc/os-collect-config.conf")
    guest.wait_for(lambda: "poll_longest = 20" in conf.read_text(), 30, "the first value")
    channel = stack.collect_config("server")["zaqar"]["channel"]
    stack.update(stack_of(poll_longest=10))
    stack.wait("UPDATE_COMPLETE")
    guest.wait_for(lambda: "poll_longest = 10" in conf.read_text(), 30, "the second value")
    stack.update(stack_of())
    stack.wait("UPDATE_COMPLETE")
    guest.wait_for(lambda: "poll_longest" not in conf.read_text(), 30, "the default")
    assert channel in conf.read_text()


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"push": "pigeon"}, ["push is 'pigeon'", "websocket, webhook, poll"]),
        ({"push": "webhook"}, ["webhook_listen must be ADDRESS:PORT"]),
        (
            {"push": "webhook", "webhook_listen": "0.0.0.0:80", "webhook_url": "ftp://x"},
            ["webhook_url must be http(s)://HOST:PORT"],
        ),
    ],
)
def test_a_wish_that_is_none_is_refused_before_anything_is_made(site, options, told):
    with pytest.raises(HTTPBadRequest) as caught:
        site.stack(stack_of(**options))
    for words in told:
        assert words in str(caught.value)


def test_a_server_whose_address_nobody_knows_is_refused_with_what_to_do(site):
    stack = site.stack(stack_of(push="webhook", webhook_listen="0.0.0.0:8779"))
    shown = stack.wait("CREATE_FAILED")
    assert "webhook_url" in json.dumps(shown.stack_status_reason)


def test_a_call_tells_nothing_of_the_message(cloud):
    """Snapshots hold credentials, and a call goes over plain HTTP."""
    queue = queues.open_with_keystone(cloud.demo_session(), new_name("test"))
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(10)
        queue.subscribe(f"http://127.0.0.1:{server.getsockname()[1]}/", 300, PUSH_OPTIONS)
        queue.post({"password": "hunter2"}, 60)
        with server.accept()[0] as connection:
            heard = b""
            while not heard.endswith(b"{}"):
                heard += connection.recv(4096)
            connection.sendall(b"HTTP/1.1 204 No Content\r\n\r\n")
    assert heard.endswith(b"\r\n\r\n{}")
    assert b"hunter2" not in heard
    queue.destroy()
