# SPDX-License-Identifier: Apache-2.0
"""Seal keys with the operating system's random numbers: made, written as text, and read."""

import os
from collections.abc import Iterable

from heat_zaqar_transport.wire import Secret, sealing
from heat_zaqar_transport.wire.sealing import NO_SEAL, Seal, SealKeys

_COMMA = ","


def new_key() -> Secret:
    """Return a key that nobody has."""
    return sealing.new_key(os.urandom)


def seal_of(keys: Iterable[Secret]) -> Seal:
    """Return what seals with the first key and opens with each; without one, nothing is sealed.

    Raises:
        WireFormatError: One of them is no key.
    """
    known = list(keys)
    return SealKeys(known, os.urandom) if known else NO_SEAL


def text_of(keys: Iterable[Secret]) -> str:
    """Return keys as one text for the server's configuration. It is a credential."""
    return _COMMA.join(key.reveal() for key in keys)


def seal_of_text(text: str | None) -> Seal:
    """Return what the keys in such a text seal and open with; `None` or empty: no key.

    Raises:
        WireFormatError: One of them is no key.
    """
    return seal_of(map(Secret, text.split(_COMMA) if text else []))
