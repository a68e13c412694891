"""What of the server classes needs no Heat; the rest is tested end to end."""

from unittest.mock import Mock

import pytest

from heat_zaqar_transport.resources.server import Server


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
