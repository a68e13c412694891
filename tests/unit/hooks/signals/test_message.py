import json
import random

import pytest

from heat_zaqar_hooks.bounds import MAX_RESULT_BYTES, bounded
from heat_zaqar_hooks.errors import UnusableConfig
from heat_zaqar_hooks.inputs import Inputs
from heat_zaqar_hooks.signals.message import MessageSignal
from heat_zaqar_transport import seals
from heat_zaqar_transport.wire import QueuedMessage, Result, gather, parse
from heat_zaqar_transport.wire.errors import NotConfigured, RequestRefused

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


# Sealing

KEYS = [seals.new_key() for _ in range(3)]


def own_queue(url, **more):
    return {
        "deploy_queue_id": "own-queue",
        "deploy_signal_id": url.serialize(),
        "deploy_channel": "own-channel",
        **more,
    }


def test_on_the_agents_channel_a_result_is_sealed_with_the_agents_key(
    server, make_settings, signed_url
):
    server.answers = [(201, {}, POSTED)]
    seal = seals.seal_of(KEYS[:1])
    agent = make_settings(signal_url=signed_url(server.url), seal=seal)
    MessageSignal.from_inputs(Inputs("c1", {}), lambda: agent).send({"a": "s3cret"})
    body = posted(server)[1]["body"]
    assert parse(seal.unseal(body)) == Result("the-channel", "c1", {"a": "s3cret"})
    assert "s3cret" not in json.dumps(body)


def test_on_its_own_queue_a_result_is_sealed_with_the_first_key_of_the_input(
    server, make_settings, signed_url
):
    server.answers = [(201, {}, POSTED)]
    agent = make_settings(seal=seals.seal_of(KEYS[:1]))
    keys = seals.text_of(KEYS[1:])
    values = own_queue(signed_url(server.url, "own-queue"), deploy_seal_keys=keys)
    MessageSignal.from_inputs(Inputs("c1", values), lambda: agent).send({"a": 1})
    body = posted(server)[1]["body"]
    assert parse(seals.seal_of(KEYS[1:2]).unseal(body)) == Result("own-channel", "c1", {"a": 1})


@pytest.mark.parametrize("more", [{}, {"deploy_seal_keys": None}, {"deploy_seal_keys": ""}])
def test_an_own_queue_without_a_key_gets_it_in_the_clear(server, make_settings, signed_url, more):
    server.answers = [(201, {}, POSTED)]
    agent = make_settings(seal=seals.seal_of(KEYS[:1]))
    values = own_queue(signed_url(server.url, "own-queue"), **more)
    MessageSignal.from_inputs(Inputs("c1", values), lambda: agent).send({"a": 1})
    assert parse(posted(server)[1]["body"]) == Result("own-channel", "c1", {"a": 1})


@pytest.mark.parametrize(
    "keys",
    ["s3cret", f"{KEYS[0].reveal()},s3cret", ["s3cret"], 7],
    ids=["none", "one and none", "a list", "a number"],
)
def test_a_seal_key_that_is_none_is_refused_without_quoting_it(make_settings, signed_url, keys):
    values = own_queue(signed_url(), deploy_seal_keys=keys)
    with pytest.raises(UnusableConfig, match="input deploy_seal_keys") as caught:
        MessageSignal.from_inputs(Inputs("c1", values), make_settings)
    assert "s3cret" not in str(caught.value)
    assert KEYS[0].reveal() not in str(caught.value)


def test_the_repr_shows_no_key(make_settings, signed_url):
    values = own_queue(signed_url(), deploy_seal_keys=KEYS[0].reveal())
    signal = MessageSignal.from_inputs(Inputs("c1", values), make_settings)
    assert KEYS[0].reveal() not in repr(signal)


class Zaqar:
    """Answers posts as a Zaqar with some limits does, and keeps what it takes."""

    def __init__(self, server, post_bytes=262144, longest_ttl_s=1209600):
        self.limits = post_bytes, longest_ttl_s
        self.server, self.kept = server, []
        server.handler = self

    def __call__(self, body):
        (message,) = json.loads(body)["messages"]
        post_bytes, longest_ttl_s = self.limits
        if len(body) > post_bytes:
            said = f"Message collection size is too large. Max size {post_bytes}"
        elif message["ttl"] > longest_ttl_s:
            said = f"The TTL for a message may not exceed {longest_ttl_s} seconds, and so on"
        else:
            self.kept.append(message)
            return 201, POSTED
        return 400, json.dumps({"description": f"{said}."}).encode()


def received(zaqar):
    """Return the one result that a reader of the queue puts together."""
    listed = [QueuedMessage(str(at), message["body"]) for at, message in enumerate(zaqar.kept)]
    (found,) = gather(listed).found
    return found.message


@pytest.fixture
def send(server, make_settings, signed_url):
    def send(outputs, **changes):
        agent = make_settings(signal_url=signed_url(server.url), **changes)
        MessageSignal.on_agents_channel("c1", 2, agent).send(outputs)

    return send


def test_a_result_larger_than_one_post_goes_in_parts(server, send):
    zaqar = Zaqar(server)
    outputs = {"deploy_stdout": random.Random(1).randbytes(700_000).hex()}
    send(outputs)
    assert len(zaqar.kept) > 2
    assert received(zaqar) == Result("the-channel", "c1", outputs, 2)


def test_the_largest_result_that_is_kept_can_be_carried(server, send):
    zaqar = Zaqar(server)
    log = "".join(random.Random(1).choices("".join(map(chr, range(32, 127))), k=1_600_000))
    outputs = bounded({"deploy_stdout": log}, MAX_RESULT_BYTES)
    send(outputs)
    assert received(zaqar).outputs == outputs


def test_the_limits_of_this_zaqar_are_learned_from_its_refusals(server, send):
    zaqar = Zaqar(server, post_bytes=20_000, longest_ttl_s=300)
    outputs = {"deploy_stdout": random.Random(1).randbytes(30_000).hex()}
    send(outputs, signal_ttl_s=86400)
    assert received(zaqar).outputs == outputs
    assert {message["ttl"] for message in zaqar.kept} == {300}


def test_another_refusal_is_an_error(server, send):
    server.answers = [(400, {}, b"no")]
    with pytest.raises(RequestRefused, match=r"HTTP status 400$"):
        send({})
    assert len(server.seen) == 1


@pytest.mark.parametrize("option", ["signal_url", "channel"])
def test_to_resend_without_a_channel_is_an_error(make_settings, signed_url, option):
    agent = make_settings(**{"signal_url": signed_url(), option: None})
    with pytest.raises(NotConfigured, match=option):
        MessageSignal.on_agents_channel("c1", 1, agent)
