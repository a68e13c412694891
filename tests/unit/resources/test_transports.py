import itertools

import pytest

from heat_zaqar_transport.resources.transports import SERVER, SIGNAL, Catalog


@pytest.mark.parametrize(
    ("catalog", "server", "signal"),
    [
        (Catalog(True, True, True), "ZAQAR_MESSAGE", "ZAQAR_MESSAGE"),
        (Catalog(True, False, False), "ZAQAR_MESSAGE", "ZAQAR_MESSAGE"),
        (Catalog(False, True, True), "POLL_TEMP_URL", "TEMP_URL_SIGNAL"),
        (Catalog(False, False, True), "POLL_SERVER_CFN", "CFN_SIGNAL"),
        (Catalog(False, False, False), "POLL_SERVER_HEAT", "HEAT_SIGNAL"),
    ],
)
def test_what_auto_stands_for(catalog, server, signal):
    assert SERVER.resolve(catalog) == server
    assert SIGNAL.resolve(catalog) == signal


def test_auto_never_stays_auto():
    for flags in itertools.product([True, False], repeat=3):
        assert "AUTO" not in (SERVER.resolve(Catalog(*flags)), SIGNAL.resolve(Catalog(*flags)))
