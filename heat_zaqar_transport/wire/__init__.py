# SPDX-License-Identifier: Apache-2.0
"""The wire protocol, without any I/O: bytes and values in, values and decisions out.

Nothing in this package imports Heat, oslo, zaqarclient or requests, reads a clock,
a file or a random number, or sleeps; a test walks the syntax trees to keep it so.
The normative text is docs/wire-format.md.

Usual way through it: a sender builds a `Snapshot`, `Result`, `Hello` or `Ack` and posts
the bodies that `pack()` makes of it; a receiver gives what a queue lists to `gather()`,
which parses it and puts parts together. The collector gives it to `choose()`, which says
which snapshot wins, the engine to `upkeep()`, which says what to post and delete.
"""

from heat_zaqar_transport.wire.canonical import canonical_json, digest_of
from heat_zaqar_transport.wire.keystone_url import KeystoneUrl, parse_queue_url
from heat_zaqar_transport.wire.limits import Limits
from heat_zaqar_transport.wire.messages import (
    Ack,
    Goodbye,
    Hello,
    Message,
    Part,
    PlainSnapshot,
    Result,
    Snapshot,
    serialize,
)
from heat_zaqar_transport.wire.ordering import Choice, Upkeep, choose, upkeep
from heat_zaqar_transport.wire.parts import QueuedMessage, Rejection, gather, pack
from heat_zaqar_transport.wire.queue_url import QueueUrl
from heat_zaqar_transport.wire.reading import parse
from heat_zaqar_transport.wire.secret import Secret
from heat_zaqar_transport.wire.signed_url import SignedUrl

__all__ = [
    "Ack",
    "Choice",
    "Goodbye",
    "Hello",
    "KeystoneUrl",
    "Limits",
    "Message",
    "Part",
    "PlainSnapshot",
    "QueueUrl",
    "QueuedMessage",
    "Rejection",
    "Result",
    "Secret",
    "SignedUrl",
    "Snapshot",
    "Upkeep",
    "canonical_json",
    "choose",
    "digest_of",
    "gather",
    "pack",
    "parse",
    "parse_queue_url",
    "serialize",
    "upkeep",
]
