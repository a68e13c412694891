import socket
import time
from unittest.mock import Mock

import pytest

from heat_zaqar_hooks.errors import UnusableConfig
from heat_zaqar_hooks.inputs import Inputs
from heat_zaqar_hooks.signals.url import CfnSignal, TempUrlSignal, UrlSignal
from heat_zaqar_transport.wire import Secret
from heat_zaqar_transport.wire.errors import (
    AccessRefused,
    RequestRefused,
    ServiceFailed,
    TransportError,
    Unreachable,
)

REFUSAL = (
    '{"title": "Invalid API request", "description": "Message collection size is too large. '
    'Max size 262144", "at": "secret-signature"}'
)
PATH = "/v1/signal/arn?Signature=secret-signature"


def signal_to(url, cls=CfnSignal, **inputs):
    inputs = Inputs("c1", {"deploy_signal_id": url, **inputs})
    return cls.from_inputs(inputs, lambda: Mock(verify=True))


@pytest.mark.parametrize(
    ("cls", "inputs", "verb"),
    [
        (CfnSignal, {}, "POST"),
        (TempUrlSignal, {}, "PUT"),
        (TempUrlSignal, {"deploy_signal_verb": "PUT"}, "PUT"),
        (CfnSignal, {"deploy_signal_verb": "PUT"}, "PUT"),
    ],
)
def test_the_outputs_are_sent_as_json_by_the_verb(server, cls, inputs, verb):
    signal_to(server.url + PATH, cls, **inputs).send({"a": "ü"})
    assert [(seen[0], seen[1]) for seen in server.seen] == [(verb, PATH)]
    assert server.bodies() == [{"a": "ü"}]


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (302, RequestRefused),
        (400, RequestRefused),
        (401, AccessRefused),
        (403, AccessRefused),
        (404, AccessRefused),
        (429, ServiceFailed),
        (500, ServiceFailed),
        (504, ServiceFailed),
    ],
)
def test_what_is_no_2xx_is_an_error_without_the_url_in_it(server, status, error):
    server.answers = [(status, {"Location": "/elsewhere"}, b"secret-signature")]
    with pytest.raises(error) as caught:
        signal_to(server.url + PATH).send({})
    text = str(caught.value)
    assert text == f"POST the result to 127.0.0.1:{server.server_port}: HTTP status {status}"
    assert len(server.seen) == 1


def test_no_answer_is_unreachable_and_quotes_no_url():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, but nobody listens
        port = taken.getsockname()[1]
        with pytest.raises(Unreachable) as caught:
            signal_to(f"http://user:hunter2@127.0.0.1:{port}{PATH}").send({})
    assert str(caught.value) == f"POST the result to 127.0.0.1:{port}: ConnectionError"


def test_an_answer_that_does_not_come_is_given_up():
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/"
        started = time.monotonic()
        with pytest.raises(Unreachable, match="ReadTimeout"):
            UrlSignal(Secret(url), "POST", timeout_s=0.05).send({})
        assert time.monotonic() - started < 30


@pytest.mark.parametrize("url", ["no url", "ftp://host/x", "http://", "http://[::1", "http://h:x/"])
def test_what_is_no_url_is_refused_without_quoting_it(url):
    with pytest.raises(UnusableConfig) as caught:
        signal_to(url)
    assert str(caught.value) == "config c1: input deploy_signal_id is no http(s) URL"


def test_another_verb_is_refused():
    with pytest.raises(UnusableConfig, match="deploy_signal_verb is neither POST nor PUT"):
        signal_to("http://127.0.0.1:9/", deploy_signal_verb="DELETE")


@pytest.mark.parametrize(
    ("status", "text", "quoted"),
    [
        (400, REFUSAL, "Message collection size is too large. Max size 262144"),
        (413, REFUSAL, "Message collection size is too large. Max size 262144"),
        (404, REFUSAL, ""),
        (503, REFUSAL, ""),
        (400, "x" * 2000 + REFUSAL, ""),
        (400, "\xff\xfe", ""),
    ],
    ids=["400", "413", "404", "503", "far behind", "no UTF-8"],
)
def test_of_a_refusal_only_the_words_about_a_limit_are_quoted(server, status, text, quoted):
    server.answers = [(status, {}, text.encode("latin-1"))]
    with pytest.raises(TransportError) as caught:
        signal_to(server.url + PATH).send({})
    told = f": {quoted}" if quoted else ""
    assert caught.value.problem == f"HTTP status {status}{told}"


def test_a_refusal_that_breaks_off_is_a_refusal(server):
    server.answers = [(400, {"Content-Length": "5000", "Connection": "close"}, b"half")]
    with pytest.raises(RequestRefused, match=r"HTTP status 400$"):
        signal_to(server.url + PATH).send({})
