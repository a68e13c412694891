"""Servers that Zaqar calls, at a URL that is unguessable."""

import secrets
import time
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
import requests

from heat_zaqar_transport.queues import PUSH_OPTIONS
from heat_zaqar_transport.resources.channel import new_name
from support.follower import Follower
from support.requests_seen import RequestLog

LISTENING = "Listening for Zaqar's calls"


def new_address():
    """Return an address on loopback that is nobody else's, whichever ports others take."""
    return "127.{}.{}.{}:8779".format(*(1 + secrets.randbelow(254) for _ in range(3)))


@pytest.fixture
def server(heat, site):
    address = new_address()
    server = Follower(
        heat,
        site,
        push="webhook",
        webhook_listen=address,
        webhook_url=f"http://{address}",
        poll_longest=1,
    )
    server.url = f"http://{address}"
    server.guest.wait_log(LISTENING, 60)
    server.guest.wait_log("Completed phase configure(.*\n)+?.*Sleeping", 60)
    return server


@pytest.mark.xdist_group("serial")
def test_a_call_brings_a_change_at_once(server):
    assert "password" not in server.options
    assert "websocket_url" not in server.options
    assert server.arrives(40)
    # Not by a poll after the change before.
    time.sleep(3)
    assert server.arrives(5) < 0.5
    time.sleep(8)
    assert server.arrives(5) < 0.5


def test_only_the_right_path_rings_and_nothing_else_costs_anything(cloud, server):
    server.arrives(40)
    server.is_told()
    server.rests()
    log = RequestLog(cloud)
    queue, path = server.played.queue_names[0], server.options["webhook_path"]
    with requests.Session() as session:
        for wrong in ["/", "/hz-w-guess", *(f"/{n}" for n in range(500))]:
            assert session.post(server.url + wrong, data=b"x", timeout=5).status_code == 404
    assert requests.get(server.url + path, timeout=5).status_code == 404
    huge = requests.post(server.url + path, data=b"x" * 3_000_000, timeout=5)
    assert huge.status_code == 413
    time.sleep(1)
    assert log.seen(method="GET", path=queue) == []
    # A flood of the right calls does not become a flood of looks.
    with requests.Session() as session:
        for _ in range(1000):
            session.post(server.url + path, json={}, timeout=5)
    time.sleep(1)
    assert len(log.seen(method="GET", path=queue)) < 60
    server.arrives(10)


class Called(BaseHTTPRequestHandler):
    """Keeps the headers and the body of a call."""

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.heard = str(self.headers), body
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_):
        """Say nothing."""


def test_a_call_tells_nothing_of_the_message(heat):
    """Snapshots hold credentials, and a call goes over plain HTTP."""
    queue = heat.project.open_queue(new_name("test"))
    with HTTPServer(("127.0.0.1", 0), Called) as server:
        server.timeout, server.heard = 10, None
        queue.subscribe(f"http://127.0.0.1:{server.server_port}/", 300, PUSH_OPTIONS)
        queue.post({"password": "hunter2"}, 60)
        server.handle_request()
    headers, body = server.heard
    assert body == b"{}"
    assert "hunter2" not in headers
    queue.destroy()
