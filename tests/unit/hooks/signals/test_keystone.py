import json
from unittest import mock

import pytest
from keystoneauth1 import exceptions

from heat_zaqar_hooks.inputs import Inputs
from heat_zaqar_hooks.signals import keystone
from heat_zaqar_hooks.signals.keystone import HeatSignal, ZaqarSignal
from heat_zaqar_transport.wire.errors import (
    AccessRefused,
    RequestRefused,
    ServiceFailed,
    Unreachable,
)

SIGNAL_PATH = "/v1/p1/stacks/the%20stack/uuid-1/resources/my%2Fdeployment/signal"


def token(server, service="orchestration"):
    """Return the answer of Keystone that grants a token with one endpoint in its catalog."""
    endpoint = {"interface": "public", "region": "r1", "region_id": "r1", "id": "e1"}
    granted = {
        "token": {
            "methods": ["password"],
            "expires_at": "2999-01-01T00:00:00.000000Z",
            "issued_at": "2026-01-01T00:00:00.000000Z",
            "user": {"id": "u1", "name": "u", "domain": {"id": "d1", "name": "d"}},
            "project": {"id": "p1", "name": "p", "domain": {"id": "d1", "name": "d"}},
            "catalog": [
                {
                    "type": service,
                    "id": "s1",
                    "name": service,
                    "endpoints": [{**endpoint, "url": f"{server.url}/v1/p1"}],
                }
            ],
        }
    }
    return (201, {"X-Subject-Token": "the-token"}, json.dumps(granted).encode())


def inputs_for(server, **more):
    values = {
        "deploy_auth_url": f"{server.url}/v3",
        "deploy_user_id": "u1",
        "deploy_password": "hunter2",
        "deploy_project_id": "p1",
        "deploy_stack_id": "the stack/uuid-1",
        "deploy_resource_name": "my/deployment",
    }
    return Inputs("c1", {**values, **more})


def heat_signal(server, **more):
    return HeatSignal.from_inputs(inputs_for(server, **more), lambda: mock.Mock(verify=True))


def test_the_resource_is_signalled_as_the_deployments_user(server):
    server.answers = [token(server), (200, {}, b"")]
    heat_signal(server).send({"a": 1})
    login, posted = server.seen
    asked = json.loads(login[2])["auth"]
    assert asked["identity"]["password"]["user"] == {"id": "u1", "password": "hunter2"}
    assert asked["scope"] == {"project": {"id": "p1"}}
    assert (login[1], posted[0], posted[1]) == ("/v3/auth/tokens", "POST", SIGNAL_PATH)
    assert json.loads(posted[2]) == {"a": 1}


@pytest.mark.parametrize(
    ("status", "error"),
    [(401, AccessRefused), (403, AccessRefused), (404, AccessRefused), (503, ServiceFailed)],
)
def test_keystones_refusal_is_translated(server, status, error):
    server.answer(status)
    with pytest.raises(error, match=rf"^signal Heat's /stacks/.*: HTTP status {status}$"):
        heat_signal(server).send({})


@pytest.mark.parametrize(
    ("status", "error"),
    [(302, RequestRefused), (400, RequestRefused), (404, AccessRefused), (500, ServiceFailed)],
)
def test_heats_refusal_is_translated(server, status, error):
    server.answers = [token(server), (status, {"Location": "/x"}, b"")]
    with pytest.raises(error, match=f"HTTP status {status}"):
        heat_signal(server).send({})


def test_a_token_that_is_refused_once_is_renewed(server):
    server.answers = [token(server), (401, {}, b""), token(server), (200, {}, b"")]
    heat_signal(server).send({})
    assert len(server.seen) == 4


def test_no_endpoint_is_said(server):
    server.answers = [token(server, "compute")]
    with pytest.raises(RequestRefused, match="no orchestration endpoint"):
        heat_signal(server).send({})


def test_the_region_is_respected(server):
    server.answers = [token(server)]
    with pytest.raises(RequestRefused, match="no orchestration endpoint"):
        heat_signal(server, deploy_region_name="elsewhere").send({})


def test_no_answer_is_unreachable(server):
    signal = heat_signal(server, deploy_auth_url="http://127.0.0.1:9/v3")
    with pytest.raises(Unreachable, match=r"^signal Heat's .*: ConnectFailure$"):
        signal.send({})


def test_other_errors_of_keystoneauth_are_translated(server):
    signal = heat_signal(server)
    with (
        mock.patch.object(signal, "_endpoint", side_effect=exceptions.DiscoveryFailure("hunter2")),
        pytest.raises(RequestRefused, match=r": DiscoveryFailure$"),
    ):
        signal.send({})


def test_zaqar_gets_the_bare_outputs(server, make_settings, monkeypatch):
    opened = mock.Mock()
    monkeypatch.setattr(keystone.queues, "open_with_keystone", opened)
    settings = make_settings(timeout_s=7, verify="/ca.pem", signal_ttl_s=99)
    inputs = inputs_for(server, deploy_queue_id="the-queue", deploy_region_name="r1")
    ZaqarSignal.from_inputs(inputs, lambda: settings).send({"a": 1})
    session, queue = opened.call_args.args
    assert queue == "the-queue"
    assert opened.call_args.kwargs == {"region_name": "r1", "timeout_s": 7, "verify": "/ca.pem"}
    assert (session.timeout, session.verify) == (7, "/ca.pem")
    opened.return_value.post.assert_called_once_with({"a": 1}, 99)
