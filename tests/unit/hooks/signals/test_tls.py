"""Every transport that speaks HTTP verifies as the agent's settings say."""

import json

import pytest

from heat_zaqar_hooks import signals
from heat_zaqar_hooks.inputs import Inputs
from heat_zaqar_transport.wire.errors import NotConfigured, StateError, Unreachable
from support import tls_server

POSTED = json.dumps({"resources": ["/v2/queues/q/messages/m1"]}).encode()


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    return tls_server.certificates(tmp_path_factory.mktemp("tls"))


@pytest.fixture
def https(directory):
    with tls_server.https_server(tls_server.context(directory)) as server:
        yield server


def token_of(url):
    """Return the answer of a Keystone, whatever else is asked of it, that serves all at a URL."""
    endpoint = {"interface": "public", "region": "r", "region_id": "r", "id": "e", "url": url}
    services = [
        {"type": kind, "id": kind, "name": kind, "endpoints": [endpoint]}
        for kind in ("orchestration", "messaging")
    ]
    granted = {
        "methods": ["password"],
        "expires_at": "2999-01-01T00:00:00.000000Z",
        "issued_at": "2026-01-01T00:00:00.000000Z",
        "user": {"id": "u1", "name": "u", "domain": {"id": "d1", "name": "d"}},
        "project": {"id": "p1", "name": "p", "domain": {"id": "d1", "name": "d"}},
        "catalog": services,
    }
    text = {"token": granted, "resources": ["/v2/queues/q/messages/m1"]}
    return (201, {"X-Subject-Token": "t", "Content-Type": "application/json"}, json.dumps(text))


def inputs_for(transport, url, signed_url):
    keystone = {
        "deploy_auth_url": f"{url}/v3",
        "deploy_user_id": "u1",
        "deploy_password": "hunter2",
        "deploy_project_id": "p1",
    }
    more = {
        "CFN_SIGNAL": {"deploy_signal_id": f"{url}/v1/signal/arn"},
        "TEMP_URL_SIGNAL": {"deploy_signal_id": f"{url}/v1/object"},
        "HEAT_SIGNAL": {"deploy_stack_id": "s/1", "deploy_resource_name": "r", **keystone},
        "ZAQAR_SIGNAL": {"deploy_queue_id": "q", **keystone},
        "ZAQAR_MESSAGE": {
            "deploy_queue_id": "q",
            "deploy_signal_id": signed_url(url, "q").serialize(),
            "deploy_channel": "c",
        },
    }
    return Inputs("c1", {"deploy_signal_transport": transport, **more[transport]})


TRANSPORTS = pytest.mark.parametrize(
    "transport",
    ["CFN_SIGNAL", "TEMP_URL_SIGNAL", "HEAT_SIGNAL", "ZAQAR_SIGNAL", "ZAQAR_MESSAGE"],
)


@pytest.fixture
def send(https, signed_url, make_settings):
    status, headers, text = token_of(https.url)
    https.answer = (status, headers, text.encode())

    def sent(transport, verify):
        inputs = inputs_for(transport, https.url, signed_url)
        signals.choose(inputs, lambda: make_settings(verify=verify)).send({"a": 1})

    return sent


@TRANSPORTS
def test_the_agents_ca_is_trusted(send, https, directory, transport):
    send(transport, str(directory / "ca.pem"))
    assert https.seen


@TRANSPORTS
def test_a_foreign_ca_is_refused_and_nothing_is_sent(send, https, transport):
    with pytest.raises(Unreachable, match="certificate verify failed: ") as caught:
        send(transport, True)
    for secret in ("secret-signature", "/v1/signal/arn", "/v1/object"):
        assert secret not in str(caught.value)
    assert https.seen == []


@TRANSPORTS
@pytest.mark.filterwarnings("ignore:Unverified")
def test_insecure_that_is_spelled_out_verifies_nothing(send, https, transport):
    send(transport, False)
    assert https.seen


@pytest.mark.parametrize("error", [NotConfigured("[zaqar]"), StateError("/state", "full")])
@pytest.mark.parametrize("transport", ["CFN_SIGNAL", "TEMP_URL_SIGNAL", "HEAT_SIGNAL"])
def test_without_settings_of_an_agent_it_verifies(
    https, directory, signed_url, monkeypatch, transport, error
):
    status, headers, text = token_of(https.url)
    https.answer = (status, headers, text.encode())

    def no_agent():
        raise error

    signal = signals.choose(inputs_for(transport, https.url, signed_url), no_agent)
    with pytest.raises(Unreachable):
        signal.send({"a": 1})
    assert https.seen == []
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(directory / "ca.pem"))
    signal.send({"a": 1})
