# SPDX-License-Identifier: Apache-2.0
"""The wire protocol, without any I/O: bytes and values in, values and decisions out.

Nothing in this package imports Heat, oslo, zaqarclient or requests, reads a clock,
a file or a random number, or sleeps; a test walks the syntax trees to keep it so.
The normative text is docs/wire-format.md.

Usual way through it: a sender builds a `Snapshot`, `Result` or `Hello` and passes
`serialize()` of it to a queue; a receiver gives each body it finds to `parse()`, and
the collector gives all of them to `choose()`, which says which snapshot wins.
"""

from heat_zaqar_transport.wire.canonical import canonical_json, digest_of
from heat_zaqar_transport.wire.messages import (
    Hello,
    Message,
    PlainSnapshot,
    Result,
    Snapshot,
    parse,
    serialize,
)
from heat_zaqar_transport.wire.ordering import Choice, Rejection, Upkeep, choose, upkeep
from heat_zaqar_transport.wire.secret import Secret
from heat_zaqar_transport.wire.signed_url import SignedUrl

__all__ = [
    "Choice",
    "Hello",
    "Message",
    "PlainSnapshot",
    "Rejection",
    "Result",
    "Secret",
    "SignedUrl",
    "Snapshot",
    "Upkeep",
    "canonical_json",
    "choose",
    "digest_of",
    "parse",
    "serialize",
    "upkeep",
]
