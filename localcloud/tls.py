"""A certificate authority of the cloud's own, and what its services show with it.

Beside the good certificate there are some that every client has to refuse.
"""

from __future__ import annotations

import datetime
import ipaddress
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from localcloud.config import write_private
from localcloud.ports import HOST

GOOD, EXPIRED, OTHER_HOST = "good", "expired", "other-host"
KINDS = (GOOD, EXPIRED, OTHER_HOST)

CA_FILE = "ca.pem"
_PUBLIC = 0o644
_LIFETIME = datetime.timedelta(days=30)
_LEEWAY = datetime.timedelta(hours=1)
_OTHER_NAME = "other.example.org"


@dataclass(frozen=True)
class Authority:
    """A CA with its key."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey


def make_authority(common_name: str, now: datetime.datetime) -> Authority:
    """Make a CA that is good for a month.

    Args:
        common_name: what it calls itself.
        now: with its time zone.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    name = _name(common_name)
    usage = {name: name in ("key_cert_sign", "crl_sign") for name in _KEY_USAGES}
    certificate = (
        _builder(name, name, key, now - _LEEWAY, now + _LIFETIME)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(x509.KeyUsage(**usage), critical=True)
        .sign(key, hashes.SHA256())
    )
    return Authority(certificate, key)


def make_server(authority: Authority, kind: str, now: datetime.datetime) -> bytes:
    """Make a server's certificate; returned with its key, in PEM.

    Args:
        authority: who signs it.
        kind: ``good`` is for 127.0.0.1 and localhost, ``expired`` is that and ended an hour ago,
            ``other-host`` is for another name.
        now: with its time zone.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    end = now - _LEEWAY if kind == EXPIRED else now + _LIFETIME
    issuer = authority.certificate.subject
    certificate = (
        _builder(_name(f"localcloud {kind}"), issuer, key, end - 2 * _LIFETIME, end)
        .add_extension(x509.SubjectAlternativeName(_names_of(kind)), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .sign(authority.key, hashes.SHA256())
    )
    return certificate.public_bytes(serialization.Encoding.PEM) + _key_pem(key)


def write_all(directory: Path) -> None:
    """Make a CA and a certificate of each kind in a directory, each in a file ``KIND.pem``.

    The CA's key is kept nowhere. Its certificate can be read by everybody.
    """
    now = datetime.datetime.now(datetime.UTC)
    authority = make_authority("localcloud CA", now)
    pem = authority.certificate.public_bytes(serialization.Encoding.PEM)
    write_private(directory / CA_FILE, pem.decode())
    (directory / CA_FILE).chmod(_PUBLIC)
    for kind in KINDS:
        write_private(directory / f"{kind}.pem", make_server(authority, kind, now).decode())


_KEY_USAGES = (
    "digital_signature",
    "content_commitment",
    "key_encipherment",
    "data_encipherment",
    "key_agreement",
    "key_cert_sign",
    "crl_sign",
    "encipher_only",
    "decipher_only",
)


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePrivateKey,
    begin: datetime.datetime,
    end: datetime.datetime,
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begin)
        .not_valid_after(end)
    )


def _names_of(kind: str) -> list[x509.GeneralName]:
    if kind == OTHER_HOST:
        return [x509.DNSName(_OTHER_NAME)]
    return [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address(HOST))]


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
