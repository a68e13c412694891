"""A real listener on the loopback, called as Zaqar, or anybody else, might call it."""

import contextlib
import http.client
import logging
import socket

import pytest
import waitress

from heat_zaqar_collector.push import webhook as module
from heat_zaqar_collector.push.base import State
from heat_zaqar_collector.push.webhook import WebhookPush
from heat_zaqar_transport.wire import Secret

PATH = "/hz-w-0123456789abcdef"


@pytest.fixture
def servers(monkeypatch):
    """The servers that were made, and their threads, to be ended with the test."""
    made, create = [], waitress.create_server

    def create_server(*args, **kwargs):
        made.append(create(*args, **kwargs))
        return made[-1]

    monkeypatch.setattr(module.waitress, "create_server", create_server)
    yield made
    for server in made:
        server.task_dispatcher.shutdown()
        # Its loop ends when there is nothing left to listen to.
        server.trigger.pull_trigger(lambda server=server: server.asyncore.close_all(server._map))


@pytest.fixture
def push(servers):
    made = WebhookPush("127.0.0.1:0", Secret(PATH))
    made.start()
    made.bell.clear()
    return made


@pytest.fixture
def port(push, servers):
    return servers[0].effective_port


def call(port, method, path, body=b"{}", headers=()):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request(method, path, body, dict(headers))
        answer = connection.getresponse()
        answer.read()
    finally:
        connection.close()
    return answer.status


def test_it_listens_and_rings_for_what_was_posted_before(servers):
    push = WebhookPush("127.0.0.1:0", Secret(PATH))
    assert push.state is State.AWAY
    push.start()
    assert (push.state, push.bell.is_set()) == (State.CONNECTED, True)


def test_a_call_to_its_path_rings(push, port):
    assert call(port, "POST", PATH) == 204
    assert (push.state, push.bell.is_set()) == (State.PROVEN, True)


@pytest.mark.parametrize("body", [b"", b"\x00\xff", b"[" * 100_000, b"x" * 262_144 * 2])
def test_whatever_a_call_says_it_is_a_call(push, port, body):
    assert call(port, "POST", PATH, body) == 204
    assert push.bell.is_set()


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/"),
        ("POST", PATH[:-1]),
        ("POST", PATH + "0"),
        ("POST", PATH.upper()),
        ("POST", PATH + "/"),
        ("POST", "/%FF%00"),
        ("POST", "/" + "x" * 4000),
        ("GET", PATH),
        ("HEAD", PATH),
        ("PUT", PATH),
        ("DELETE", PATH),
        ("OPTIONS", PATH),
        ("PATCH", PATH),
    ],
)
def test_anything_else_is_not_found_and_rings_nothing(push, port, method, path):
    assert call(port, method, path) == 404
    assert (push.state, push.bell.is_set()) == (State.CONNECTED, False)


def test_a_body_above_the_limit_is_refused_unread_and_rings_nothing(push, port):
    with socket.create_connection(("127.0.0.1", port), timeout=60) as client:
        head = f"POST {PATH} HTTP/1.1\r\nHost: x\r\nContent-Length: {module.MAX_BODY_BYTES + 1}"
        client.sendall(f"{head}\r\n\r\n".encode())
        assert client.recv(100).split()[1] == b"413"
    assert not push.bell.is_set()


def test_a_body_without_a_length_is_refused_above_the_limit(push, port):
    chunk = b"10000\r\n" + b"x" * 0x10000 + b"\r\n"
    with socket.create_connection(("127.0.0.1", port), timeout=60) as client:
        head = f"POST {PATH} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
        client.sendall(head.encode())
        answer = b""
        try:
            for _ in range(2 * module.MAX_BODY_BYTES // 0x10000):
                client.sendall(chunk)
            answer = client.recv(100)
        except OSError:
            answer = b"HTTP/1.1 413 it hung up before its answer was read"
    assert answer.split()[1] == b"413"
    assert not push.bell.is_set()
    assert call(port, "POST", PATH) == 204


@pytest.mark.parametrize(
    "junk",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 50 + b"\r\n\r\n",  # TLS
        b"GET\r\n\r\n",
        b"POST " + PATH.encode() + b" HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        b"POST " + PATH.encode() + b" HTTP/1.1\r\nX: " + b"y" * 20_000 + b"\r\n\r\n",
    ],
    ids=["tls", "no path", "negative length", "long header"],
)
def test_junk_rings_nothing_and_ends_nothing(push, port, junk):
    with socket.create_connection(("127.0.0.1", port), timeout=60) as client:
        client.sendall(junk)
        assert client.recv(100).split()[1] in (b"400", b"404", b"431")
    assert not push.bell.is_set()
    assert call(port, "POST", PATH) == 204


def test_a_client_that_says_nothing_is_cut(servers, monkeypatch):
    monkeypatch.setattr(module, "IDLE_TIMEOUT_S", 0)
    push = WebhookPush("127.0.0.1:0", Secret(PATH))
    push.start()
    push.bell.clear()
    address = ("127.0.0.1", servers[0].effective_port)
    with socket.create_connection(address, timeout=60) as slow:
        slow.sendall(b"POST " + PATH.encode())
        # waitress looks at its connections when it wakes.
        with socket.create_connection(address), contextlib.suppress(ConnectionResetError):
            assert slow.recv(1) == b""
    assert not push.bell.is_set()


def test_silence_is_cut_after_ten_seconds(push, servers):
    assert servers[0].adj.channel_timeout == 10
    assert servers[0].adj.cleanup_interval == 5


def test_many_connections_do_not_end_it(push, port):
    clients = [socket.create_connection(("127.0.0.1", port)) for _ in range(100)]
    for client in clients:
        client.close()
    assert call(port, "POST", PATH) == 204
    assert push.bell.is_set()


def test_more_connections_than_a_few_wait_for_their_turn(push, port):
    silent = [socket.create_connection(("127.0.0.1", port)) for _ in range(module.MAX_CONNECTIONS)]
    try:
        with socket.create_connection(("127.0.0.1", port)) as client:
            client.sendall(b"POST " + PATH.encode() + b" HTTP/1.0\r\n\r\n")
            client.settimeout(0.05)
            with pytest.raises(TimeoutError):
                client.recv(1)
            assert not push.bell.is_set()
            for each in silent:
                each.close()
            client.settimeout(5)
            assert client.recv(100).split()[1] == b"204"
    finally:
        for each in silent:
            each.close()
    assert push.bell.is_set()


def test_a_port_in_use_is_told_in_the_log_and_the_queue_is_polled(caplog):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        listen = f"127.0.0.1:{taken.getsockname()[1]}"
        push = WebhookPush(listen, Secret(PATH))
        with caplog.at_level(logging.ERROR):
            push.start()
    assert (push.state, push.bell.is_set()) == (State.AWAY, False)
    assert f"webhook_listen = {listen}" in caplog.text
    assert PATH not in caplog.text


@pytest.mark.parametrize("listen", ["127.0.0.1:http!", "192.0.2.1:8779", ":x"])
def test_an_address_that_is_none_is_told_in_the_log_and_the_queue_is_polled(
    servers, caplog, listen
):
    push = WebhookPush(listen, Secret(PATH))
    with caplog.at_level(logging.ERROR):
        push.start()
    assert push.state is State.AWAY
    assert f"webhook_listen = {listen}" in caplog.text


def test_ipv6_is_an_address_too(monkeypatch):
    asked = []
    monkeypatch.setattr(module.waitress, "create_server", lambda *_, **to: asked.append(to))
    WebhookPush("[::1]:8779", Secret(PATH))._server()
    assert asked[0]["listen"] == "[::1]:8779"


def test_the_path_is_not_shown(push):
    assert PATH not in repr(push)
