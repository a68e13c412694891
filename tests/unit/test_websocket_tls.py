"""Whom a push connection trusts: the same as requests do."""

import contextlib
import threading

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.server import serve

from heat_zaqar_transport.websocket import open_push
from heat_zaqar_transport.wire.errors import Unreachable
from support import tls_server


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    return tls_server.certificates(tmp_path_factory.mktemp("tls"))


@contextlib.contextmanager
def zaqar(directory, kind="good"):
    context = tls_server.context(directory, kind)
    # Python's ssl bears no two threads in one connection, and the library has one that reads and
    # one that writes. A session ticket, which comes just then, made one of 200 connections fail.
    context.num_tickets = 0
    server = serve(_until_closed, "127.0.0.1", 0, ssl=context, close_timeout=0.1)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"wss://127.0.0.1:{server.socket.getsockname()[1]}/"
    finally:
        server.shutdown()


def _until_closed(connection):
    with contextlib.suppress(ConnectionClosed):
        connection.recv()


def connects(url, verify):
    open_push(url, "p1", timeout_s=60, verify=verify).close()


def test_a_ca_that_is_named_is_trusted(directory):
    with zaqar(directory) as url:
        connects(url, str(directory / "ca.pem"))


@pytest.mark.parametrize(
    ("kind", "problem"),
    [("expired", "has expired"), ("other-host", "IP address mismatch")],
)
def test_a_certificate_that_is_not_right_is_refused(directory, kind, problem):
    with (
        zaqar(directory, kind) as url,
        pytest.raises(Unreachable, match=f"certificate verify failed: .*{problem}"),
    ):
        connects(url, str(directory / "ca.pem"))


def test_a_foreign_ca_is_refused_by_default(directory):
    with (
        zaqar(directory) as url,
        pytest.raises(Unreachable, match="certificate verify failed"),
    ):
        connects(url, True)


@pytest.mark.parametrize("variable", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"])
def test_the_default_is_what_requests_would_take(directory, monkeypatch, variable):
    monkeypatch.delenv("REQUESTS_CA_BUNDLE", raising=False)
    monkeypatch.setenv(variable, str(directory / "ca.pem"))
    with zaqar(directory) as url:
        connects(url, True)


def test_false_verifies_neither_name_nor_ca(directory):
    for kind in ("good", "expired", "other-host"):
        with zaqar(directory, kind) as url:
            connects(url, False)


def test_a_directory_of_cas_is_taken_as_requests_takes_it(directory, tmp_path):
    # OpenSSL looks a CA up by a hash of its name; none is there.
    with (
        zaqar(directory) as url,
        pytest.raises(Unreachable, match="certificate verify failed"),
    ):
        connects(url, str(tmp_path))
