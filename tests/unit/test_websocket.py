"""The adapter against a real websocket server that plays what the test scripts."""

import contextlib
import http.server
import json
import logging
import socket
import threading
import time

import pytest
from websockets.exceptions import WebSocketException
from websockets.sync.client import connect
from websockets.sync.server import serve

from heat_zaqar_transport.queues import PUSH_OPTIONS
from heat_zaqar_transport.websocket import PushConnection, open_push
from heat_zaqar_transport.wire import Secret
from heat_zaqar_transport.wire.errors import (
    AccessRefused,
    RequestRefused,
    ServiceFailed,
    Unreachable,
)

TOKEN = Secret("t0ken")
NOTIFICATION = json.dumps({"body": {"event": "x"}, "queue_name": "q"})
SILENCE = object()
# For what comes at once unless the machine is busy.
ENOUGH_S = 60


def answer(status):
    return json.dumps({"headers": {"status": status}, "body": {}, "request": {}})


class Zaqar:
    """A websocket server.

    Attributes:
        script: Of each question in turn, the frames that answer it, or `SILENCE`, or a
            close code; the last entry stands for all that follow.
        asked: The questions, decoded.
        greeting: A frame sent to each client at once.
        connections: How many there have been.
    """

    def __init__(self):
        self.script = [[answer(200)]]
        self.asked = []
        self.greeting = None
        self.connections = 0
        self.closed = threading.Event()
        self._server = serve(self._serve, "127.0.0.1", 0, close_timeout=0.1)
        self._client = None
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()
        self.url = f"ws://127.0.0.1:{self._server.socket.getsockname()[1]}/"

    def send(self, frame):
        """Say something unasked."""
        self._client.send(frame)

    def hang_up(self, code=1000):
        self._client.close(code)

    def stop(self):
        self._server.shutdown()
        self._thread.join()

    def _serve(self, client):
        self.connections += 1
        self._client = client
        with contextlib.suppress(WebSocketException):
            if self.greeting is not None:
                client.send(self.greeting)
            for question in client:
                self.asked.append(json.loads(question))
                self._answer(client)
        self.closed.set()

    def _answer(self, client):
        step = self.script[0] if len(self.script) == 1 else self.script.pop(0)
        if step is SILENCE:
            return
        if isinstance(step, int):
            client.close(step)
            return
        for frame in step:
            client.send(frame)


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch):
    monkeypatch.setenv("no_proxy", "*")


@pytest.fixture
def zaqar():
    made = Zaqar()
    yield made
    made.stop()


@pytest.fixture
def connection(zaqar):
    made = open_push(zaqar.url, "p1", timeout_s=ENOUGH_S)
    yield made
    made.close()


# Questions


def test_a_token_is_shown_in_zaqars_words(zaqar, connection):
    connection.authenticate(TOKEN)
    (asked,) = zaqar.asked
    client_id = asked["headers"].pop("Client-ID")
    assert asked == {
        "action": "authenticate",
        "headers": {"X-Project-ID": "p1", "X-Auth-Token": "t0ken"},
        "body": {},
    }
    assert len(client_id) == 36


def test_a_subscription_is_asked_for_in_zaqars_words(zaqar, connection):
    connection.subscribe("hz-m-1", 600)
    (asked,) = zaqar.asked
    assert asked["action"] == "subscription_create"
    assert asked["body"] == {
        "queue_name": "hz-m-1",
        "ttl": 600,
        "options": PUSH_OPTIONS,
    }


def test_every_question_of_a_connection_has_the_same_client_id(zaqar, connection):
    connection.authenticate(TOKEN)
    connection.subscribe("q", 60)
    connection.authenticate(TOKEN)
    assert len({each["headers"]["Client-ID"] for each in zaqar.asked}) == 1
    with contextlib.closing(open_push(zaqar.url, "p1")) as another:
        another.authenticate(TOKEN)
    assert len({each["headers"]["Client-ID"] for each in zaqar.asked}) == 2


# Answers


@pytest.mark.parametrize("status", [200, 201, "201"])
def test_success_is_success(zaqar, connection, status):
    zaqar.script = [[answer(status)]]
    connection.authenticate(TOKEN)
    connection.subscribe("q", 60)
    assert len(zaqar.asked) == 2


def test_a_subscription_that_exists_already_is_good(zaqar, connection):
    zaqar.script = [[answer(409)]]
    connection.subscribe("q", 60)
    assert len(zaqar.asked) == 1


def test_only_a_subscription_can_exist_already(zaqar, connection):
    zaqar.script = [[answer(409)]]
    with pytest.raises(RequestRefused):
        connection.authenticate(TOKEN)


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, RequestRefused),
        (401, AccessRefused),
        (403, AccessRefused),
        (404, AccessRefused),
        (500, ServiceFailed),
        (503, ServiceFailed),
        (204, RequestRefused),
        (302, RequestRefused),
    ],
)
@pytest.mark.parametrize("call", ["authenticate", "subscribe"])
def test_every_refusal_has_its_class(zaqar, connection, call, status, error):
    zaqar.script = [[answer(status)]]
    with pytest.raises(error) as caught:
        if call == "authenticate":
            connection.authenticate(TOKEN)
        else:
            connection.subscribe("q", 60)
    assert type(caught.value) is error
    assert f"answered {status}" in str(caught.value)
    assert "t0ken" not in str(caught.value)


@pytest.mark.parametrize("failures", [1, 5, 19])
def test_a_subscription_that_fails_for_others_that_have_expired_is_asked_for_again(
    zaqar, connection, failures
):
    zaqar.script = [*([answer(500)] for _ in range(failures)), [answer(201)]]
    connection.subscribe("q", 60)
    assert len(zaqar.asked) == failures + 1


def test_a_subscription_that_fails_for_ever_is_given_up(zaqar, connection):
    zaqar.script = [[answer(500)]]
    with pytest.raises(ServiceFailed):
        connection.subscribe("q", 60)
    assert len(zaqar.asked) == 20


def test_a_refusal_is_not_asked_for_again(zaqar, connection):
    zaqar.script = [[answer(403)], [answer(201)]]
    with pytest.raises(AccessRefused):
        connection.subscribe("q", 60)
    assert len(zaqar.asked) == 1


def test_a_failed_authentication_is_not_asked_for_again(zaqar, connection):
    zaqar.script = [[answer(500)], [answer(200)]]
    with pytest.raises(ServiceFailed):
        connection.authenticate(TOKEN)
    assert len(zaqar.asked) == 1


@pytest.mark.parametrize(
    "junk",
    [
        "",
        "no JSON",
        b"\xff\xfe",
        '{"headers": {"status": "soon"}}',
        '{"headers": {"status": null}}',
        '{"headers": {"status": []}}',
        '{"headers": {"status": NaN}}',
        '{"headers": {"status": 1e999}}',
        "[" * 100_000,
    ],
    ids=["empty", "text", "bytes", "word", "null", "list", "nan", "infinite", "deep"],
)
def test_a_junk_answer_is_a_failure_of_the_service(zaqar, connection, junk):
    zaqar.script = [[junk]]
    with pytest.raises(ServiceFailed, match="unreadable answer"):
        connection.authenticate(TOKEN)


@pytest.mark.parametrize("frame", ["[]", "7", "null", '"x"', "{}", '{"headers": []}'])
def test_what_is_no_answer_is_not_taken_for_one(zaqar, connection, frame):
    zaqar.script = [[frame, answer(403)]]
    with pytest.raises(AccessRefused):
        connection.authenticate(TOKEN)


# Notifications


def test_a_notification_is_heard(zaqar, connection):
    connection.subscribe("q", 60)
    zaqar.send(NOTIFICATION)
    assert connection.wait(ENOUGH_S) is True


def test_none_in_time_is_no_notification(connection):
    connection.authenticate(TOKEN)
    assert connection.wait(0.01) is False
    assert connection.wait(0) is False


def test_each_is_heard_once(zaqar, connection):
    connection.authenticate(TOKEN)
    zaqar.send(NOTIFICATION)
    zaqar.send(NOTIFICATION)
    assert [connection.wait(ENOUGH_S), connection.wait(ENOUGH_S), connection.wait(0.01)] == [
        True,
        True,
        False,
    ]


def test_one_between_question_and_answer_is_remembered(zaqar, connection):
    zaqar.script = [[NOTIFICATION, answer(200)]]
    connection.authenticate(TOKEN)
    assert connection.wait(0) is True
    assert connection.wait(0.01) is False


def test_one_before_the_first_question_is_remembered(zaqar):
    zaqar.greeting = NOTIFICATION
    with contextlib.closing(open_push(zaqar.url, "p1", timeout_s=ENOUGH_S)) as connection:
        connection.authenticate(TOKEN)
        assert connection.wait(0) is True


def test_a_notification_is_a_doorbell_whatever_it_says(zaqar, connection):
    connection.authenticate(TOKEN)
    for frame in ("no JSON", b"\x00", "[" * 100_000):
        zaqar.send(frame)
        assert connection.wait(ENOUGH_S) is True


def test_a_notification_of_a_mebibyte_is_heard(zaqar, connection):
    connection.authenticate(TOKEN)
    zaqar.send(json.dumps({"body": "x" * 1024 * 1024}))
    assert connection.wait(ENOUGH_S) is True


# Failures


@pytest.mark.parametrize("code", [1000, 1001, 1011, 4003])
def test_a_connection_that_zaqar_closes_is_unreachable(zaqar, connection, code):
    zaqar.script = [code]
    with pytest.raises(Unreachable, match=str(code)):
        connection.authenticate(TOKEN)
    with pytest.raises(Unreachable):
        connection.wait(ENOUGH_S)
    with pytest.raises(Unreachable):
        connection.subscribe("q", 60)


def test_a_token_that_expires_ends_the_waiting(zaqar, connection):
    connection.authenticate(TOKEN)
    zaqar.hang_up(4003)
    with pytest.raises(Unreachable, match="4003"):
        connection.wait(ENOUGH_S)


@pytest.fixture
def impatient(zaqar):
    """A connection that had all the time to come up, and has next to none for an answer."""
    ends = contextlib.ExitStack()
    connection = ends.enter_context(connect(zaqar.url, open_timeout=ENOUGH_S))
    return PushConnection(connection, "p1", 0.05, ends)


def test_no_answer_in_time_is_unreachable(zaqar, impatient):
    zaqar.script = [SILENCE]
    asked_at = time.monotonic()
    with contextlib.closing(impatient), pytest.raises(Unreachable, match="no answer in time"):
        impatient.authenticate(TOKEN)
    assert time.monotonic() - asked_at < ENOUGH_S


def test_a_subscription_that_is_not_answered_is_not_asked_for_again(zaqar, impatient):
    zaqar.script = [SILENCE]
    with contextlib.closing(impatient), pytest.raises(Unreachable):
        impatient.subscribe("q", 60)
    assert zaqar.closed.wait(ENOUGH_S)  # by then it has read all
    assert len(zaqar.asked) == 1


def test_closing_ends_the_connection_and_may_be_done_twice(zaqar):
    connection = open_push(zaqar.url, "p1")
    connection.authenticate(TOKEN)
    connection.close()
    assert zaqar.closed.wait(ENOUGH_S)
    connection.close()


def test_closing_from_another_thread_ends_the_waiting(connection):
    connection.authenticate(TOKEN)
    closing = threading.Timer(0.02, connection.close)
    closing.start()
    with pytest.raises(Unreachable):
        connection.wait(ENOUGH_S)
    closing.join()


def test_no_server_is_unreachable():
    with socket.socket() as bound_but_not_listening:
        bound_but_not_listening.bind(("127.0.0.1", 0))
        port = bound_but_not_listening.getsockname()[1]
        with pytest.raises(Unreachable, match="refused"):
            open_push(f"ws://127.0.0.1:{port}/", "p1")


def test_a_server_that_does_not_greet_in_time_is_unreachable():
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"ws://127.0.0.1:{silent.getsockname()[1]}/"
        with pytest.raises(Unreachable):
            open_push(url, "p1", timeout_s=0.05)


class NoWebsocket(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_):
        pass


def test_a_server_that_speaks_no_websocket_is_unreachable():
    with http.server.HTTPServer(("127.0.0.1", 0), NoWebsocket) as server:
        thread = threading.Thread(target=server.handle_request)
        thread.start()
        with pytest.raises(Unreachable, match="connect to Zaqar's websocket server"):
            open_push(f"ws://127.0.0.1:{server.server_port}/", "p1", timeout_s=ENOUGH_S)
        thread.join()


@pytest.mark.parametrize(
    "greeting", [b"\x00" * 100, b"SSH-2.0-OpenSSH\r\n", b"HTTP/1.1 101 \r\n\r\n", b""]
)
def test_a_server_that_speaks_something_else_is_unreachable(greeting):
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve_one():
            client, _ = server.accept()
            with client:
                client.recv(10_000)
                client.sendall(greeting)

        thread = threading.Thread(target=serve_one)
        thread.start()
        with pytest.raises(Unreachable):
            open_push(f"ws://127.0.0.1:{server.getsockname()[1]}/", "p1", timeout_s=ENOUGH_S)
        thread.join()


@pytest.mark.parametrize(
    "url",
    [
        "",
        "zaqar",
        "http://zaqar:9000",
        "ws://",
        "ws:///",
        "ws://h:port/",
        "ws://h:99999/",
        "ws://[::1",
        "ws://h/#fragment",
    ],
)
def test_an_address_that_is_none_is_refused(url):
    with pytest.raises(RequestRefused, match="no ws:// or wss:// URL"):
        open_push(url, "p1", timeout_s=1)


def test_a_name_that_is_not_known_is_unreachable():
    with pytest.raises(Unreachable):
        open_push("ws://zaqar.invalid:9000/", "p1", timeout_s=1)


def test_tls_to_a_server_without_it_is_unreachable(zaqar):
    with pytest.raises(Unreachable):
        open_push(zaqar.url.replace("ws:", "wss:"), "p1", timeout_s=1)


def test_a_ca_bundle_that_is_missing_is_unreachable(zaqar, tmp_path):
    url = zaqar.url.replace("ws:", "wss:")
    with pytest.raises(Unreachable):
        open_push(url, "p1", timeout_s=1, verify=str(tmp_path / "ca.pem"))
    assert zaqar.connections == 0


def test_no_token_and_no_content_is_logged(zaqar, connection, caplog):
    with caplog.at_level(logging.INFO):
        zaqar.script = [["s3cret", answer(200)]]
        with contextlib.suppress(ServiceFailed):
            connection.authenticate(TOKEN)
    assert "t0ken" not in caplog.text
    assert "s3cret" not in caplog.text
