import base64

import pytest

from heat_zaqar_transport import certificates
from heat_zaqar_transport.wire.errors import WireFormatError
from support import tls_server

BEGIN = "-----BEGIN CERTIFICATE-----"


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    return tls_server.certificates(tmp_path_factory.mktemp("tls"))


@pytest.fixture
def ca(directory):
    return (directory / "ca.pem").read_bytes()


def test_certificates_pass_both_ways_as_one_line(ca):
    text = certificates.to_text(ca)
    assert "\n" not in text
    assert certificates.from_text(text).encode() == ca


def test_several_certificates_stay_several(ca, directory):
    other = (directory / "good.pem").read_bytes()
    assert certificates.from_text(certificates.to_text(ca + other)).count(BEGIN) == 2


def test_a_private_key_and_comments_stay_behind(ca, directory):
    noisy = "Aussteller: Prüfstelle\n".encode() + ca + (directory / "good.pem").read_bytes()
    assert b"PRIVATE KEY" in noisy
    sent = certificates.from_text(certificates.to_text(noisy))
    assert sent.count(BEGIN) == 2
    assert "PRIVATE KEY" not in sent
    assert "Pr" not in sent.split(BEGIN)[0]


@pytest.mark.parametrize(
    ("pem", "problem"),
    [
        (b"", "no PEM certificate"),
        (b"hello", "no PEM certificate"),
        (b"\xff\xfe\x00", "no PEM certificate"),
        (b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "damaged"),
    ],
)
def test_what_is_no_certificate_is_refused(pem, problem):
    with pytest.raises(WireFormatError, match=problem):
        certificates.to_text(pem)


def test_more_than_user_data_can_carry_is_refused_with_both_sizes(ca):
    many = ca * (certificates.MAX_PEM_BYTES // len(ca) + 1)
    with pytest.raises(WireFormatError, match=rf"take {len(many)} bytes, and at most 16384"):
        certificates.to_text(many)


@pytest.mark.parametrize("text", ["%%%", "äöü", "QUJD QUJD", "QUJ"])
def test_what_is_no_base64_is_refused_without_quoting_it(text):
    with pytest.raises(WireFormatError) as caught:
        certificates.from_text(text)
    assert "base64" in str(caught.value)
    assert text not in str(caught.value)


def test_base64_of_something_else_is_refused_without_quoting_it():
    with pytest.raises(WireFormatError, match="no PEM certificate") as caught:
        certificates.from_text(base64.b64encode(b"hunter2").decode())
    assert "hunter2" not in str(caught.value)
