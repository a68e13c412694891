"""The adapter's own part: every answer and every failure becomes one of our errors."""

import http.server
import json
import socket
import threading
from types import SimpleNamespace

import pytest

from heat_zaqar_transport import queues
from heat_zaqar_transport.wire import Secret, SignedUrl
from heat_zaqar_transport.wire.errors import (
    AccessRefused,
    RequestRefused,
    ServiceFailed,
    Unreachable,
)


class Answering(http.server.BaseHTTPRequestHandler):
    """Answers each request with what the test put on the server object."""

    protocol_version = "HTTP/1.1"

    def _answer(self):
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.server.connections.add(self.client_address)
        self.server.seen.append((self.command, self.path, dict(self.headers)))
        status, text = self.server.answer
        if status is None:
            self.server.released.wait(60)
            status = 200
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    do_GET = do_POST = do_DELETE = _answer  # noqa: N815

    def log_message(self, *_):
        pass


@pytest.fixture
def zaqar():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answering)
    server.seen, server.connections, server.released = [], set(), threading.Event()
    server.answer = (200, b'{"messages": [], "links": []}')
    server.handle_error = lambda *_: None  # a client that has not waited
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield server
    server.released.set()
    server.shutdown()
    server.server_close()


def url_to(port):
    return SignedUrl(
        endpoint=f"http://127.0.0.1:{port}",
        queue="q",
        project_id="p1",
        paths=("/v2/queues/q/messages",),
        methods=("GET",),
        expires="2036-01-01T00:00:00",
        signature=Secret("5ignature"),
    )


@pytest.fixture
def queue(zaqar):
    return queues.open_signed(url_to(zaqar.server_port), timeout_s=60)


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, RequestRefused),
        (401, AccessRefused),
        (403, AccessRefused),
        (404, AccessRefused),
        (409, RequestRefused),
        (413, RequestRefused),
        (429, ServiceFailed),
        (500, ServiceFailed),
        (502, ServiceFailed),
        (503, ServiceFailed),
        (504, ServiceFailed),
        (302, RequestRefused),
    ],
)
@pytest.mark.parametrize("call", ["fetch", "peek", "post", "delete"])
def test_every_refusal_has_its_class(zaqar, queue, call, status, error):
    zaqar.answer = (status, b'{"title": "No", "description": "because of the test"}')
    calls = {
        "fetch": queue.fetch,
        "peek": queue.peek,
        "post": lambda: queue.post({}, 60),
        "delete": lambda: queue.delete(["1"]),
    }
    with pytest.raises(error) as caught:
        calls[call]()
    assert type(caught.value) is error
    assert "queue q" in str(caught.value)
    assert "5ignature" not in str(caught.value)


@pytest.mark.parametrize(
    "text", [b"<html>", b'{"messages": [{"href":', b"{}", b"[]", b'{"links": 1}']
)
def test_an_unreadable_answer_is_not_an_empty_queue(zaqar, queue, text):
    zaqar.answer = (200, text)
    with pytest.raises(ServiceFailed, match="unreadable answer"):
        queue.fetch()
    with pytest.raises(ServiceFailed, match="unreadable answer"):
        queue.post({}, 60)


def test_no_server_is_unreachable():
    with socket.socket() as bound_but_not_listening:
        bound_but_not_listening.bind(("127.0.0.1", 0))
        port = bound_but_not_listening.getsockname()[1]
        with pytest.raises(Unreachable, match="refused"):
            queues.open_signed(url_to(port)).fetch()


def test_a_server_that_never_answers_is_unreachable_after_the_timeout(zaqar):
    zaqar.answer = (None, b"{}")
    with pytest.raises(Unreachable, match="timed out"):
        queues.open_signed(url_to(zaqar.server_port), timeout_s=0.05).fetch()


def test_the_signature_travels_in_headers_and_the_connection_is_kept(zaqar, queue):
    queue.fetch()
    queue.fetch()
    (_, path, headers), _ = zaqar.seen
    assert "5ignature" not in path
    assert headers["URL-Signature"] == "5ignature"
    assert headers["URL-Paths"] == "/v2/queues/q/messages"
    assert headers["X-Project-Id"] == "p1"
    assert len(zaqar.connections) == 1


def test_twenty_ids_a_delete(zaqar, queue):
    zaqar.answer = (204, b"")
    queue.delete(str(n) for n in range(45))
    counts = [path.count("ids=") for _, path, _ in zaqar.seen]
    assert counts == [20, 20, 5]


def test_the_id_of_a_post(zaqar, queue):
    zaqar.answer = (201, json.dumps({"resources": ["/v2/queues/q/messages/abc"]}).encode())
    assert queue.post({}, 60) == "abc"


def test_a_ca_bundle_is_used_for_a_signed_url_too(tmp_path):
    queue = queues.open_signed(url_to(1), verify=str(tmp_path / "ca.pem"))
    request, _ = queue._client._request_and_transport()
    assert (request.verify, request.cert) == (True, str(tmp_path / "ca.pem"))


class Subscriptions:
    """Stands for python-zaqarclient: a queue's subscriptions, and what was made of them."""

    def __init__(self, *urls):
        self.did = []
        self.subscriptions = lambda: iter([self.one(url) for url in urls])

    def one(self, url):
        return SimpleNamespace(
            subscriber=url, update=lambda what: self.did.append(("update", url, what))
        )

    def queue(self, name, auto_create):
        return self

    def subscription(self, name, **what):
        self.did.append(("create", name, what))


def test_a_subscription_that_is_there_lives_longer_and_is_else_the_same():
    client = Subscriptions("http://other", "http://heat/signal")
    queues.Queue(client, "q").prolong("http://heat/signal", 1000, {"post_data": "{}"})
    assert client.did == [("update", "http://heat/signal", {"ttl": 1000})]


@pytest.mark.parametrize(("given", "options"), [(None, {}), ({"a": 1}, {"a": 1})])
def test_a_subscription_that_is_gone_is_made_anew(given, options):
    client = Subscriptions("http://other")
    queues.Queue(client, "q").prolong("http://heat/signal", 1000, given)
    what = {"subscriber": "http://heat/signal", "ttl": 1000, "options": options}
    assert client.did == [("create", "q", what)]


def test_a_refusal_to_prolong_is_one_of_ours(zaqar, queue):
    zaqar.answer = (403, b"{}")
    with pytest.raises(AccessRefused, match="subscribe to queue q"):
        queue.prolong("http://heat/signal", 1000)


def test_a_zaqar_without_a_key_to_sign_with_is_known_by_its_words(zaqar, queue):
    zaqar.answer = (400, b"""{"title": "x", "description": "The `key` can't be None"}""")
    with pytest.raises(queues.SigningOff):
        queue.sign(["messages"], ["GET"], 60)
    zaqar.answer = (400, b'{"title": "x", "description": "Invalid paths"}')
    with pytest.raises(RequestRefused) as refusal:
        queue.sign(["messages"], ["GET"], 60)
    assert not isinstance(refusal.value, queues.SigningOff)


def test_a_url_of_no_known_kind_is_a_mistake_of_ours():
    with pytest.raises(TypeError, match="object"):
        queues.open_url(object())
