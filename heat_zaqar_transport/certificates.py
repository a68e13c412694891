# SPDX-License-Identifier: Apache-2.0
"""CA certificates as one text without line breaks: how a server's configuration carries them.

Only certificates go through here. A private key that somebody left in the same file stays
where it is, and so do comments.
"""

import base64
import binascii
import re
import ssl

from heat_zaqar_transport.wire.errors import WireFormatError

# In PEM, all of them together. They are part of a new server's user data, which Nova limits to
# 65535 bytes in base64. A CA's certificate takes some 2000 bytes.
MAX_PEM_BYTES = 16384

_CERTIFICATE = re.compile(
    r"-----BEGIN CERTIFICATE-----\s[A-Za-z0-9+/=\s]*-----END CERTIFICATE-----", re.ASCII
)


def only_certificates(pem: bytes) -> str:
    """Return the certificates in a PEM file, and nothing else that it holds.

    Raises:
        WireFormatError: There is none, one of them is none, or they are too large.
    """
    found = _CERTIFICATE.findall(pem.decode("ascii", errors="replace"))
    if not found:
        raise WireFormatError("there is no PEM certificate in it")
    text = "".join(f"{each}\n" for each in found)
    if len(text) > MAX_PEM_BYTES:
        raise WireFormatError(
            f"its certificates take {len(text)} bytes, and at most {MAX_PEM_BYTES} can be sent"
        )
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=text)
    except ssl.SSLError as exc:
        raise WireFormatError(f"a certificate in it is damaged ({exc.reason})") from exc
    return text


def to_text(pem: bytes) -> str:
    """Return the certificates in a PEM file as one text without line breaks.

    Raises:
        WireFormatError: See `only_certificates`.
    """
    return base64.b64encode(only_certificates(pem).encode()).decode()


def from_text(text: str) -> str:
    """Return the PEM of what `to_text` has made.

    Raises:
        WireFormatError: It is no base64, or see `only_certificates`.
    """
    try:
        pem = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as exc:
        raise WireFormatError("it is not in base64") from exc
    return only_certificates(pem)
