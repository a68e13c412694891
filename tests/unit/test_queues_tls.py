"""The adapter's requests over real TLS."""

import pytest

from heat_zaqar_transport import queues
from heat_zaqar_transport.wire import Secret, SignedUrl
from heat_zaqar_transport.wire.errors import Unreachable
from support import tls_server


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    return tls_server.certificates(tmp_path_factory.mktemp("tls"))


def signed(server, verify):
    url = SignedUrl(
        endpoint=server.url,
        queue="q",
        project_id="p1",
        paths=("/v2/queues/q/messages",),
        methods=("GET",),
        expires="2036-01-01T00:00:00",
        signature=Secret("5ignature"),
    )
    return queues.open_signed(url, timeout_s=60, verify=verify)


def with_token(server, verify):
    return queues.open_with_token(server.url, "t0ken", "p1", "q", timeout_s=60, verify=verify)


WAYS = pytest.mark.parametrize("opened", [signed, with_token])


@WAYS
def test_a_ca_that_is_named_is_trusted(directory, opened):
    with tls_server.https_server(tls_server.context(directory)) as server:
        assert opened(server, str(directory / "ca.pem")).fetch() == []


@WAYS
@pytest.mark.parametrize(
    ("kind", "problem"),
    [("expired", "has expired"), ("other-host", "IP address mismatch")],
)
def test_a_certificate_that_is_not_right_is_refused(directory, opened, kind, problem):
    with tls_server.https_server(tls_server.context(directory, kind)) as server:
        with pytest.raises(Unreachable, match=f"certificate verify failed: .*{problem}"):
            opened(server, str(directory / "ca.pem")).fetch()
        assert server.seen == []


@WAYS
def test_a_foreign_ca_is_refused_by_default(directory, opened):
    with tls_server.https_server(tls_server.context(directory)) as server:
        with pytest.raises(Unreachable, match="certificate verify failed"):
            opened(server, True).fetch()
        assert server.seen == []


@WAYS
@pytest.mark.filterwarnings("ignore:Unverified")
def test_false_verifies_nothing(directory, opened, monkeypatch):
    # requests itself would let this go before a session's own False.
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/nowhere.pem")
    with tls_server.https_server(tls_server.context(directory, "other-host")) as server:
        assert opened(server, False).fetch() == []
