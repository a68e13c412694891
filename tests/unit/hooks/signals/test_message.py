import json

import pytest

from heat_zaqar_hooks.errors import UnusableConfig
from heat_zaqar_hooks.inputs import Inputs
from heat_zaqar_hooks.signals.message import MessageSignal
from heat_zaqar_transport.wire import Result, parse
from heat_zaqar_transport.wire.errors import NotConfigured

POSTED = json.dumps({"resources": ["/v2/queues/signal-queue/messages/m1"]}).encode()


def posted(server):
    """Return path and message of the one post."""
    ((_, path, body),) = server.seen
    (message,) = json.loads(body)["messages"]
    return path, message


def test_the_agents_own_queue_and_channel(server, make_settings, signed_url):
    server.answers = [(201, {"Content-Type": "application/json"}, POSTED)]
    agent = make_settings(signal_url=signed_url(server.url), signal_ttl_s=123)
    MessageSignal.from_inputs(Inputs("c1", {}), lambda: agent).send({"a": 1})
    path, message = posted(server)
    assert path == "/v2/queues/signal-queue/messages"
    assert message["ttl"] == 123
    assert parse(message["body"]) == Result("the-channel", "c1", {"a": 1})


def test_the_deployments_own_queue_and_channel(server, make_settings, signed_url):
    server.answers = [(201, {"Content-Type": "application/json"}, POSTED)]
    values = {
        "deploy_queue_id": "own-queue",
        "deploy_signal_id": signed_url(server.url, "own-queue").serialize(),
        "deploy_channel": "own-channel",
    }
    agent = make_settings(signal_url=signed_url("http://127.0.0.1:9"))
    MessageSignal.from_inputs(Inputs("c1", values), lambda: agent).send({"a": 1})
    path, message = posted(server)
    assert path == "/v2/queues/own-queue/messages"
    assert parse(message["body"]) == Result("own-channel", "c1", {"a": 1})


@pytest.mark.parametrize("option", ["signal_url", "channel"])
def test_a_missing_option_is_named(make_settings, signed_url, option):
    agent = make_settings(**{"signal_url": signed_url(), option: None})
    with pytest.raises(NotConfigured, match=rf"^option \[zaqar\] {option} is not set$"):
        MessageSignal.from_inputs(Inputs("c1", {}), lambda: agent)


def test_an_own_url_that_is_none_is_refused_without_quoting_it(make_settings):
    values = {
        "deploy_queue_id": "q",
        "deploy_signal_id": "http://h/secret-signature",
        "deploy_channel": "c",
    }
    with pytest.raises(UnusableConfig, match="input deploy_signal_id: not a pre-signed") as caught:
        MessageSignal.from_inputs(Inputs("c1", values), make_settings)
    assert "secret-signature" not in str(caught.value)


def test_an_own_queue_needs_its_channel(make_settings, signed_url):
    values = {"deploy_queue_id": "q", "deploy_signal_id": signed_url().serialize()}
    with pytest.raises(UnusableConfig, match="input deploy_channel is missing"):
        MessageSignal.from_inputs(Inputs("c1", values), make_settings)


def test_the_repr_shows_no_signature(make_settings, signed_url):
    agent = make_settings(signal_url=signed_url())
    assert "secret-signature" not in repr(
        MessageSignal.from_inputs(Inputs("c1", {}), lambda: agent)
    )
