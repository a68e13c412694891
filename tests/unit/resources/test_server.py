"""What of the server classes needs no Heat; the rest is tested end to end."""

from types import SimpleNamespace
from unittest.mock import Mock

import pytest

from heat_zaqar_transport.resources.server import ChannelServer, Server


@pytest.mark.parametrize(
    ("networks", "address"),
    [
        ({}, None),
        ({"net": []}, None),
        ({"net": ["10.0.0.5", "203.0.113.5"]}, "10.0.0.5"),
        ({"empty": [], "net": ["2001:db8::5"]}, "2001:db8::5"),
    ],
)
def test_the_address_is_the_first_that_nova_tells(networks, address):
    server = Mock(resource_id="s1")
    server.client_plugin().get_server.return_value.networks = networks
    assert Server._address(server) == address
    server.client_plugin().get_server.assert_called_once_with("s1")


@pytest.mark.parametrize("details", [None, {}])
def test_a_signal_without_content_has_the_server_given_all_that_it_needs(details):
    did = []
    called = SimpleNamespace(
        channel=object,
        _renew_credentials=lambda: did.append("renewed"),
        restore=lambda: did.append("restored"),
    )
    assert "queue holds" in ChannelServer.handle_signal(called, details)
    assert did == ["renewed", "restored"]
