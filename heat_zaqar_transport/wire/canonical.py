# SPDX-License-Identifier: Apache-2.0
"""One text for one JSON value, so that two sides compute the same digest.

Keys sorted by code point, no white space, every character beyond ASCII escaped,
no NaN and no infinity. Source: docs/wire-format.md, "Digest".
"""

import hashlib
import json

from heat_zaqar_transport.wire.errors import WireFormatError


def canonical_json(value: object) -> bytes:
    """Return the canonical JSON text of a value, as ASCII bytes.

    Raises:
        WireFormatError: The value cannot be told in JSON.
    """
    try:
        text = json.dumps(
            value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False
        )
    except (TypeError, ValueError, RecursionError) as exc:
        raise WireFormatError(f"not expressible in JSON: {exc}") from exc
    return text.encode("ascii")


def digest_of(value: object) -> str:
    """Return the SHA-256 of the value's canonical JSON, as 64 lower-case hex digits."""
    return hashlib.sha256(canonical_json(value)).hexdigest()
