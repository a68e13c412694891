"""The certificates of a cloud with TLS, as a client sees them."""

import socket
import ssl
import stat
import threading

import pytest

from localcloud import tls
from support import tls_server


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    return tls_server.certificates(tmp_path_factory.mktemp("tls"))


def shake_hands(directory, kind, name="127.0.0.1"):
    context = ssl.create_default_context(cafile=directory / tls.CA_FILE)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=_accept_one, args=(listener, directory, kind))
        thread.start()
        try:
            with socket.create_connection(listener.getsockname(), timeout=5) as plain:
                context.wrap_socket(plain, server_hostname=name).close()
        finally:
            thread.join(5)


def _accept_one(listener, directory, kind):
    connection, _ = listener.accept()
    try:
        tls_server.context(directory, kind).wrap_socket(connection, server_side=True).close()
    except OSError:
        connection.close()


@pytest.mark.parametrize("name", ["127.0.0.1", "localhost"])
def test_the_good_one_is_taken(directory, name):
    shake_hands(directory, tls.GOOD, name)


@pytest.mark.parametrize(
    ("kind", "problem"), [(tls.EXPIRED, "has expired"), (tls.OTHER_HOST, "mismatch")]
)
def test_the_others_are_refused_for_their_one_fault(directory, kind, problem):
    with pytest.raises(ssl.SSLCertVerificationError, match=problem):
        shake_hands(directory, kind)


def test_the_other_host_is_refused_for_its_name_alone(directory):
    shake_hands(directory, tls.OTHER_HOST, "other.example.org")


def test_keys_are_private_and_the_ca_is_not(directory):
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in directory.iterdir()}
    assert modes == {
        "ca.pem": 0o644,
        "good.pem": 0o600,
        "expired.pem": 0o600,
        "other-host.pem": 0o600,
    }


def test_the_cas_key_is_kept_nowhere(directory):
    assert b"PRIVATE KEY" not in (directory / tls.CA_FILE).read_bytes()
