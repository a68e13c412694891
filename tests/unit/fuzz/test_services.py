"""Whatever a service answers: a value, or an error of ours."""

import json

import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st
from requests.adapters import BaseAdapter
from websockets.exceptions import ConnectionClosedError
from websockets.frames import Close

from heat_zaqar_transport import queues
from heat_zaqar_transport.websocket import PushConnection
from heat_zaqar_transport.wire import Secret, SignedUrl
from heat_zaqar_transport.wire.errors import TransportError, WireFormatError
from support.fuzz import fuzzed, mutated, odd_values, words
from support.strategies import nested

URL = SignedUrl("http://zaqar", "q", "p", ("/v2/queues/q/messages",), ("GET",), "x", Secret("s"))

MESSAGE = {"id": "5", "href": "/v2/queues/q/messages/5", "ttl": 60, "age": 1, "body": {"a": 1}}
ANSWERS = [
    {"messages": [MESSAGE, {**MESSAGE, "id": "6"}], "links": []},
    {"messages": [MESSAGE], "links": [{"rel": "next", "href": "/v2/queues/q/messages?marker=5"}]},
    {"resources": ["/v2/queues/q/messages/abc"]},
    {"subscriptions": [{"id": "1", "subscriber": "http://x", "ttl": 60, "age": 1, "source": "q"}]},
    {"project": "p", "paths": ["/a"], "methods": ["GET"], "expires": "x", "signature": "s"},
    {"title": "Invalid API request", "description": "a\x1b[2J" + "x" * 5000},
]


class Answering(BaseAdapter):
    """Answers a request with what the test says, the later ones with no messages."""

    def __init__(self):
        super().__init__()
        self.answers = []

    def send(self, request, **_):
        status, content = self.answers.pop(0) if self.answers else (204, b"")
        response = requests.Response()
        response.status_code, response._content, response.request = status, content, request
        response.url, response.reason = request.url, "because"
        return response

    def close(self):
        pass


def queue_that_answers(*answers):
    queue = queues.open_signed(URL)
    adapter = Answering()
    adapter.answers += answers
    queue._client._http.client.session.mount("http://", adapter)
    return queue


CALLS = {
    "fetch": lambda queue: queue.fetch(),
    "peek": lambda queue: queue.peek(),
    "post": lambda queue: queue.post({}, 60),
    "delete": lambda queue: queue.delete(["1"]),
    "sign": lambda queue: queue.sign(["messages"], ["GET"], 60),
    "subscribe": lambda queue: queue.subscribe("http://x", 60),
    "prolong": lambda queue: queue.prolong("http://x", 60),
    "unsubscribe": lambda queue: queue.unsubscribe("http://x"),
    "destroy": lambda queue: queue.destroy(),
}

contents = (
    (mutated(ANSWERS) | odd_values).map(lambda each: json.dumps(each).encode())
    | st.binary(max_size=30)
    | st.sampled_from([b"[" * 100_000, json.dumps(nested(900)).encode(), b'{"a": 1' + b"0" * 5000])
)
answers = st.tuples(
    st.sampled_from([200, 200, 200, 201, 204, 302, 400, 401, 404, 409, 413, 429, 500, 503, 999]),
    contents,
)


@given(st.sampled_from(sorted(CALLS)), st.lists(answers, min_size=1, max_size=3))
@fuzzed(120)
def test_whatever_zaqar_answers(call, answered):
    queue = queue_that_answers(*answered)
    try:
        CALLS[call](queue)
    except TransportError as exc:
        assert len(str(exc)) < 1200
        assert str(exc).isprintable()
    except WireFormatError:
        assert call == "sign"


def test_an_answer_too_deep_to_be_read_is_unreadable():
    with pytest.raises(TransportError, match="unreadable answer"):
        queue_that_answers((200, b"[" * 100_000)).fetch()


@pytest.mark.parametrize(
    "answer",
    [
        {"messages": "text", "links": []},
        {"messages": {"a": 1}, "links": []},
        {"messages": [{"href": 5, "ttl": 1, "age": 1, "body": 1}], "links": []},
        {"messages": [{**MESSAGE, "age": float("inf")}], "links": []},
        {"messages": [{**MESSAGE, "age": "old"}], "links": []},
        {"messages": [{**MESSAGE, "id": [1]}], "links": []},
        {"messages": [], "links": 5},
        {"messages": [], "links": ["next"]},
    ],
)
def test_a_list_of_messages_that_is_none_is_unreadable(answer):
    with pytest.raises(TransportError, match="unreadable answer"):
        queue_that_answers((200, json.dumps(answer).encode())).fetch()


class Socket:
    """A websocket connection that says what the test says, and then closes."""

    def __init__(self, frames):
        self.frames = list(frames)

    def send(self, text):
        json.loads(text)

    def recv(self, timeout):
        if not self.frames:
            raise ConnectionClosedError(Close(1000, "bye\x1b[2J"), None)
        return self.frames.pop(0)


class Ends:
    def close(self):
        pass


FRAMES = [
    {"headers": {"status": 200}, "body": {}, "request": {}},
    {"headers": {"status": 403}, "body": {"error": "no"}},
    {"body": {"a": 1}, "ttl": 60, "queue_name": "q", "Message_Type": "Notification"},
]
frames = (
    (mutated(FRAMES) | odd_values).map(json.dumps)
    | st.binary(max_size=20)
    | words
    | st.just("[" * 100_000)
)


@given(st.lists(frames, max_size=4), st.sampled_from(["authenticate", "subscribe", "wait"]))
@fuzzed(100)
def test_whatever_the_websocket_server_says(said, call):
    connection = PushConnection(Socket(said), "p", 1.0, Ends())
    calls = {
        "authenticate": lambda: connection.authenticate(Secret("t")),
        "subscribe": lambda: connection.subscribe("q", 60),
        "wait": lambda: connection.wait(0.1),
    }
    try:
        calls[call]()
    except TransportError as exc:
        assert len(str(exc)) < 400
        assert str(exc).isprintable()
    connection.close()
