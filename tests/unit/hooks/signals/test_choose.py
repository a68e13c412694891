import pytest

from heat_zaqar_hooks import signals
from heat_zaqar_hooks.errors import UnusableConfig
from heat_zaqar_hooks.inputs import Inputs
from heat_zaqar_transport.wire.errors import NotConfigured

KEYSTONE = {
    "deploy_auth_url": "http://127.0.0.1:9/v3",
    "deploy_user_id": "u",
    "deploy_password": "p",
    "deploy_project_id": "p1",
    "deploy_stack_id": "stack/uuid",
    "deploy_resource_name": "deployment",
}
URL = {"deploy_signal_id": "http://127.0.0.1:9/signal"}
QUEUE = {"deploy_queue_id": "q"}


@pytest.fixture
def chosen(make_settings, signed_url):
    agent = make_settings(signal_url=signed_url())
    return lambda values: signals.choose(Inputs("c1", values), lambda: agent)


@pytest.mark.parametrize(
    ("name", "needed"),
    [
        ("CFN_SIGNAL", URL),
        ("TEMP_URL_SIGNAL", URL),
        ("HEAT_SIGNAL", KEYSTONE),
        ("ZAQAR_SIGNAL", {**KEYSTONE, **QUEUE}),
        ("ZAQAR_MESSAGE", {}),
        ("NO_SIGNAL", {}),
    ],
)
def test_the_input_names_the_transport(chosen, name, needed):
    assert chosen({"deploy_signal_transport": name, **needed}).transport == name


@pytest.mark.parametrize(
    ("values", "name"),
    [
        (URL, "CFN_SIGNAL"),
        ({**URL, "deploy_signal_verb": "POST"}, "CFN_SIGNAL"),
        ({**URL, "deploy_signal_verb": "PUT"}, "TEMP_URL_SIGNAL"),
        ({**KEYSTONE, **QUEUE}, "ZAQAR_SIGNAL"),
        (KEYSTONE, "HEAT_SIGNAL"),
        ({}, "NO_SIGNAL"),
    ],
)
def test_without_it_the_other_inputs_tell(chosen, values, name):
    assert chosen(values).transport == name


def test_a_transport_that_is_not_known_is_named(chosen):
    with pytest.raises(UnusableConfig, match="config c1: signal transport 'PIGEON' is not known"):
        chosen({"deploy_signal_transport": "PIGEON"})


@pytest.mark.parametrize("missing", sorted(KEYSTONE))
def test_a_missing_input_is_named(chosen, missing):
    values = {name: value for name, value in KEYSTONE.items() if name != missing}
    with pytest.raises(UnusableConfig, match=f"config c1: input {missing} is missing"):
        chosen({"deploy_signal_transport": "HEAT_SIGNAL", **values})


def test_the_agents_settings_are_only_read_where_they_are_needed():
    def unreadable():
        raise AssertionError("read")

    signals.choose(Inputs("c1", {"deploy_signal_transport": "NO_SIGNAL"}), unreadable)


@pytest.mark.parametrize(
    ("values", "channel"),
    [
        ({"deploy_signal_transport": "ZAQAR_MESSAGE"}, "the-channel"),
        ({"deploy_signal_transport": "ZAQAR_MESSAGE", **QUEUE, **URL}, None),
        ({"deploy_signal_transport": "ZAQAR_SIGNAL", **QUEUE}, None),
        ({"deploy_signal_transport": "CFN_SIGNAL", **URL}, None),
        ({"deploy_signal_transport": "PIGEON"}, None),
        ({"deploy_signal_transport": 5}, None),
        ({}, None),
    ],
)
def test_acks_come_over_the_servers_own_channel_only(make_settings, values, channel):
    assert signals.ack_channel(Inputs("c1", values), make_settings) == channel


def test_without_settings_nothing_is_acked():
    def unreadable():
        raise NotConfigured("[zaqar]")

    message = Inputs("c1", {"deploy_signal_transport": "ZAQAR_MESSAGE"})
    assert signals.ack_channel(message, unreadable) is None


@pytest.mark.parametrize(
    ("name", "needed", "limit_bytes"),
    [
        ("CFN_SIGNAL", URL, 200 * 1024),
        ("TEMP_URL_SIGNAL", URL, 200 * 1024),
        ("HEAT_SIGNAL", KEYSTONE, 200 * 1024),
        ("ZAQAR_SIGNAL", {**KEYSTONE, **QUEUE}, 200 * 1024),
        ("ZAQAR_MESSAGE", {}, 1536 * 1024),
        ("NO_SIGNAL", {}, 200 * 1024),
    ],
)
def test_each_transport_says_what_it_carries(chosen, name, needed, limit_bytes):
    assert chosen({"deploy_signal_transport": name, **needed}).limit_bytes == limit_bytes


def test_the_attempt_is_passed_on(make_settings, signed_url):
    agent = make_settings(signal_url=signed_url())
    inputs = Inputs("c1", {"deploy_signal_transport": "ZAQAR_MESSAGE"})
    assert signals.choose(inputs, lambda: agent, 3).attempt == 3
    assert signals.choose(Inputs("c1", {}), lambda: agent, 3).transport == "NO_SIGNAL"
