# SPDX-License-Identifier: Apache-2.0
"""Sealing: only who has the channel's key can read a message, or make one.

A sealed message has its header's ordering and routing fields in the clear, and everything
else under `sealed`: AES-256-GCM (NIST SP 800-38D) with the clear header as associated data,
so that neither can be changed, nor either be used with another. The digest is inside, too:
in the clear, who can guess most of a document could find out the rest of it. A part is
sealed by itself, and so refused by itself. Source: docs/wire-format.md, "Sealing".
"""

import base64
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from heat_zaqar_transport.wire.bounds import check_depth, parsed_json
from heat_zaqar_transport.wire.canonical import canonical_json
from heat_zaqar_transport.wire.errors import WireFormatError
from heat_zaqar_transport.wire.fields import Fields
from heat_zaqar_transport.wire.messages import (
    HEADER,
    KEY_BASE,
    KEY_DIGEST,
    KEY_PART,
    PAYLOAD,
)
from heat_zaqar_transport.wire.reading import check_version
from heat_zaqar_transport.wire.secret import Secret

# Key of a body.
SEALED = "sealed"

KEY_BYTES = 32
# GCM's own nonce size. They are random: a key is good for 2^32 messages (SP 800-38D, 8.3).
NONCE_BYTES = 12
TAG_BYTES = 16

# Fields of the header that a sealed message has inside.
_INSIDE = (KEY_DIGEST, KEY_BASE)
# Ends them, and begins the content; canonical JSON has no line break.
_LINE = b"\n"

# What sealing adds to a body besides base64: nonce, tag, the fields inside, punctuation.
_ADDED_BYTES = 512


class Seal(Protocol):
    """What a channel's messages are sealed and opened with."""

    def seal(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """Return the body to post."""

    def unseal(self, body: object) -> object:
        """Return the body that was sealed.

        Raises:
            WireFormatError: It is not of this channel, or not as it was sealed.
        """

    def room(self, body_bytes: int) -> int:
        """Return the JSON bytes of a body that fit so many, sealed."""

    def payload_room(self, body_bytes: int) -> int:
        """Return the base64 characters of a part's payload that fit so many bytes, sealed."""


class NoSeal:
    """For channels without a key: everything is in the clear."""

    def seal(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """Return the same body."""
        return dict(body)

    def unseal(self, body: object) -> object:
        """Return the same body."""
        if isinstance(body, dict) and _is_sealed(body):
            raise WireFormatError("the message is sealed, and there is no key to open it with")
        return body

    def room(self, body_bytes: int) -> int:
        """Return the same number."""
        return body_bytes

    def payload_room(self, body_bytes: int) -> int:
        """Return what a part's header leaves: channel and digest are known to be short."""
        return body_bytes - _ADDED_BYTES


NO_SEAL = NoSeal()


class SealKeys:
    """The keys of one channel: the first one seals, each of them opens.

    Args:
        keys: At least one, each as `new_key` makes them.
        random_bytes: Returns so many bytes that nobody can guess, such as `os.urandom`.

    Raises:
        WireFormatError: A key is none; it is not quoted.
    """

    def __init__(self, keys: Iterable[Secret], random_bytes: Callable[[int], bytes]) -> None:
        self._ciphers = [AESGCM(_raw(key)) for key in keys]
        if not self._ciphers:
            raise WireFormatError("there is no seal key")
        self._random_bytes = random_bytes

    def __repr__(self) -> str:
        return f"SealKeys({len(self._ciphers)} keys)"

    def seal(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """Return the body to post."""
        header = body[HEADER]
        outside = {key: value for key, value in header.items() if key not in _INSIDE}
        inside = {key: value for key, value in header.items() if key in _INSIDE}
        text = canonical_json(inside) + _LINE + _content_of(body)
        nonce = self._random_bytes(NONCE_BYTES)
        sealed = nonce + self._ciphers[0].encrypt(nonce, text, canonical_json(outside))
        return {HEADER: outside, SEALED: base64.b64encode(sealed).decode("ascii")}

    def unseal(self, body: object) -> object:
        """Return the body that was sealed."""
        check_depth(body)
        fields = Fields("message", body)
        if fields.get(HEADER) is None or fields.get(SEALED) is None:
            raise WireFormatError("the message is not sealed, and this channel's must be")
        check_version(Fields("header", fields.get(HEADER)))
        outside = fields.mapping(HEADER)
        inside, content = self._opened(_bytes_of(fields.text(SEALED)), outside)
        header = {key: value for key, value in outside.items() if key not in _INSIDE}
        header |= {key: value for key, value in inside.items() if key in _INSIDE}
        return _body_of(header, content)

    def room(self, body_bytes: int) -> int:
        """Return the JSON bytes of a body that fit so many, sealed."""
        return (body_bytes - _ADDED_BYTES) // 4 * 3

    def payload_room(self, body_bytes: int) -> int:
        """Return the base64 characters of a part's payload that fit so many bytes, sealed.

        Its bytes are sealed, so that base64 does not cost twice; they are cut where bytes end.
        """
        return (body_bytes - 2 * _ADDED_BYTES) // 4 * 4

    def _opened(self, sealed: bytes, outside: Mapping[str, Any]) -> tuple[Mapping[str, Any], bytes]:
        nonce, text = sealed[:NONCE_BYTES], sealed[NONCE_BYTES:]
        for cipher in self._ciphers:
            try:
                inside, found, content = cipher.decrypt(
                    nonce, text, canonical_json(outside)
                ).partition(_LINE)
            except (InvalidTag, ValueError):
                continue
            if not found:
                break
            return Fields("sealed header", parsed_json(inside)).values, content
        raise WireFormatError(
            "the message cannot be opened: it was not sealed with a key of this channel, "
            "or was changed since"
        )


def new_key(random_bytes: Callable[[int], bytes]) -> Secret:
    """Return a new key: 256 bits as 43 characters of base64url."""
    return Secret(base64.urlsafe_b64encode(random_bytes(KEY_BYTES)).decode("ascii").rstrip("="))


def _is_sealed(body: Mapping[str, Any]) -> bool:
    """Tell whether a body is sealed; a document may have a key of that name, too."""
    header = body.get(HEADER)
    return SEALED in body and isinstance(header, dict) and KEY_DIGEST not in header


def _raw(key: Secret) -> bytes:
    try:
        raw = base64.b64decode(key.reveal() + "=", altchars=b"-_", validate=True)
    except ValueError as exc:
        raise WireFormatError("the seal key is no base64url text") from exc
    if len(raw) != KEY_BYTES:
        raise WireFormatError(f"the seal key has {len(raw)} bytes, not {KEY_BYTES}")
    return raw


def _content_of(body: Mapping[str, Any]) -> bytes:
    """Return what a body holds besides its header: a part's bytes, or else JSON."""
    if body[HEADER].get(KEY_PART) is not None:
        return base64.b64decode(body[PAYLOAD])
    return canonical_json({key: value for key, value in body.items() if key != HEADER})


def _body_of(header: Mapping[str, Any], content: bytes) -> dict[str, Any]:
    if header.get(KEY_PART) is not None:
        return {HEADER: header, PAYLOAD: base64.b64encode(content).decode("ascii")}
    return {**Fields("sealed content", parsed_json(content)).values, HEADER: header}


def _bytes_of(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except ValueError as exc:
        raise WireFormatError("the sealed text is no base64") from exc
