# SPDX-License-Identifier: Apache-2.0
"""The messages of wire format version 1, and their way to JSON bodies; reading.py has the other.

A body is a JSON object. Its key `heat-zaqar` holds the header. A snapshot is the
plain metadata document with the header beside its other keys, so that
os-collect-config as released can read it; every other message has its data under
`content`, and a part of a larger message its piece under `payload`. Header keys that are
not known are ignored; a version that is not known is an error. A body without the header
is what Heat itself posts: a `PlainSnapshot`.
"""

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from heat_zaqar_transport.wire.canonical import digest_of
from heat_zaqar_transport.wire.errors import WireFormatError

VERSION = 1

# Keys of a body.
HEADER = "heat-zaqar"
CONTENT = "content"
PAYLOAD = "payload"

# Keys of the header.
KEY_VERSION = "version"
KEY_TYPE = "type"
KEY_CHANNEL = "channel"
KEY_GENERATION = "generation"
KEY_DIGEST = "digest"
KEY_PART = "part"
KEY_ENCODING = "encoding"
KEY_BASE = "base"

# The value of KEY_ENCODING: JSON, by zlib (RFC 1950), in base64.
ENCODING_ZLIB = "zlib"

# A message of some 22 MB in the parts of a Zaqar that takes 48 KiB a post.
MAX_PARTS = 512

# Values of KEY_TYPE.
SNAPSHOT = "snapshot"
RESULT = "result"
HELLO = "hello"
ACK = "ack"
GOODBYE = "goodbye"

# Keys of a change.
KEY_REST = "rest"
KEY_DEPLOYMENTS = "deployments"

# Keys of a result's, an ack's and a hello's content.
KEY_CONFIG = "config_id"
KEY_ATTEMPT = "attempt"
KEY_OUTPUTS = "outputs"
KEY_REASON = "reason"
KEY_CREDENTIALS = "credentials"


@dataclass(frozen=True)
class Snapshot:
    """A server's whole metadata document at one generation.

    Attributes:
        channel: The channel it belongs to.
        generation: Orders the snapshots of one channel; higher is newer; from 0.
        document: The metadata, without the wire header.
    """

    channel: str
    generation: int
    document: Mapping[str, Any]

    kind: ClassVar[str] = SNAPSHOT

    @functools.cached_property
    def digest(self) -> str:
        """SHA-256 of the document's canonical JSON, in hex."""
        return digest_of(self.document)

    @property
    def whole(self) -> Mapping[str, Any]:
        """What parts carry pieces of."""
        return self.document

    def header(self) -> dict[str, Any]:
        """Return the header of its body, or of its parts."""
        order = {KEY_GENERATION: self.generation, KEY_DIGEST: self.digest}
        return _header(SNAPSHOT, self.channel) | order


@dataclass(frozen=True)
class Base:
    """Names the snapshot that a change is told against.

    Attributes:
        generation: Its generation.
        digest: Its digest.
    """

    generation: int
    digest: str


@dataclass(frozen=True)
class Change:
    """A snapshot told by what is other than in an earlier one of its channel.

    Attributes:
        channel: The channel.
        generation: Of the snapshot.
        digest: Of the snapshot's document.
        base: The earlier one.
        rest: All of the document but its deployments.
        deployments: Its deployments: each as it is, or its place in the base's, from 0.
    """

    channel: str
    generation: int
    digest: str
    base: Base
    rest: Mapping[str, Any]
    deployments: tuple[Any, ...]

    kind: ClassVar[str] = SNAPSHOT

    @property
    def whole(self) -> Mapping[str, Any]:
        """What parts carry pieces of."""
        return {KEY_REST: dict(self.rest), KEY_DEPLOYMENTS: list(self.deployments)}

    def header(self) -> dict[str, Any]:
        """Return the header of its parts."""
        return _header(SNAPSHOT, self.channel) | {
            KEY_GENERATION: self.generation,
            KEY_DIGEST: self.digest,
            KEY_BASE: [self.base.generation, self.base.digest],
        }


@dataclass(frozen=True)
class PlainSnapshot:
    """A metadata document as Heat itself posts it: no channel, no order, no digest."""

    document: Mapping[str, Any]


@dataclass(frozen=True)
class Result:
    """What came of one run of a deployment; terminal.

    Attributes:
        channel: The channel of the server that ran it.
        config_id: Heat's derived config: one per deployment and action, so it names the run.
        outputs: Output values by name: the config's own and Heat's `deploy_stdout`,
            `deploy_stderr` and `deploy_status_code`.
        attempt: How often its hook was started for it, from 1: a hook may ask for a reboot
            and to be started again after it.
    """

    channel: str
    config_id: str
    outputs: Mapping[str, Any]
    attempt: int = 1

    kind: ClassVar[str] = RESULT

    @functools.cached_property
    def digest(self) -> str:
        """SHA-256 of the content's canonical JSON, in hex; tells parts of results apart."""
        return digest_of(self.whole)

    @property
    def whole(self) -> Mapping[str, Any]:
        """The content, which parts carry pieces of."""
        return {
            KEY_CONFIG: self.config_id,
            KEY_ATTEMPT: self.attempt,
            KEY_OUTPUTS: dict(self.outputs),
        }

    def header(self) -> dict[str, Any]:
        """Return the header of its parts."""
        return _header(RESULT, self.channel) | {KEY_DIGEST: self.digest}


@dataclass(frozen=True)
class Hello:
    """A server asks for the present snapshot again.

    Attributes:
        channel: Its channel.
        reason: Why, in a word or two, for the log.
        generation: The generation it holds; `None`: none.
        credentials: Names the URLs and keys that it has; `None`: it knows no name.
    """

    channel: str
    reason: str
    generation: int | None = None
    credentials: str | None = None


@dataclass(frozen=True)
class Ack:
    """Heat has read a result, and there is nothing left to do about it.

    Attributes:
        channel: The channel of the server that sent it.
        config_id: The run that the result was of.
        attempt: Likewise.
    """

    channel: str
    config_id: str
    attempt: int = 1


@dataclass(frozen=True)
class Goodbye:
    """The channel is about to be deleted: nothing that is posted to it is read any more.

    Attributes:
        channel: The channel.
    """

    channel: str


Message = Snapshot | PlainSnapshot | Result | Hello | Ack | Goodbye


@dataclass(frozen=True)
class PartKey:
    """What the parts of one message have in common.

    Attributes:
        kind: `snapshot` or `result`.
        channel: Of the message.
        generation: Of a snapshot; `None` for a result.
        digest: Of the whole, or of the snapshot that a change tells of.
        count: How many parts there are.
        base: Of a change; `None` for everything else.
    """

    kind: str
    channel: str
    generation: int | None
    digest: str
    count: int
    base: Base | None = None

    def header(self) -> dict[str, Any]:
        """Return the header that the message has when it is whole."""
        header = _header(self.kind, self.channel) | {KEY_DIGEST: self.digest}
        return header if self.generation is None else header | {KEY_GENERATION: self.generation}


@dataclass(frozen=True)
class Part:
    """One piece of a message that is larger than a post.

    Attributes:
        key: Which message.
        number: Which piece, from 1.
        payload: The piece: a stretch of base64 text.
    """

    key: PartKey
    number: int
    payload: str


def serialize(message: Message) -> dict[str, Any]:
    """Return the JSON body of a message.

    Raises:
        WireFormatError: A snapshot's document uses the header's key itself, or is not JSON.
    """
    match message:
        case Snapshot():
            return _serialize_snapshot(message)
        case PlainSnapshot():
            return dict(message.document)
        case Result():
            return {HEADER: _header(RESULT, message.channel), CONTENT: message.whole}
        case Hello():
            said = {
                KEY_REASON: message.reason,
                KEY_GENERATION: message.generation,
                KEY_CREDENTIALS: message.credentials,
            }
            return {HEADER: _header(HELLO, message.channel), CONTENT: said}
        case Ack():
            run = {KEY_CONFIG: message.config_id, KEY_ATTEMPT: message.attempt}
            return {HEADER: _header(ACK, message.channel), CONTENT: run}
        case Goodbye():
            return {HEADER: _header(GOODBYE, message.channel)}


def _header(kind: str, channel: str) -> dict[str, Any]:
    return {KEY_VERSION: VERSION, KEY_TYPE: kind, KEY_CHANNEL: channel}


def _serialize_snapshot(snapshot: Snapshot) -> dict[str, Any]:
    refuse_own_header(snapshot.document)
    return {**snapshot.document, HEADER: snapshot.header()}


def refuse_own_header(document: Mapping[str, Any]) -> None:
    """Look whether a document is one that a header can be put beside.

    Raises:
        WireFormatError: It has one already.
    """
    if HEADER in document:
        raise WireFormatError(f"the metadata must not have a key {HEADER!r} of its own")
