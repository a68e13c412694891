# SPDX-License-Identifier: Apache-2.0
"""The messages of wire format version 1, and their way to and from JSON bodies.

A body is a JSON object. Its key `heat-zaqar` holds the header. A snapshot is the
plain metadata document with the header beside its other keys, so that
os-collect-config as released can read it; every other message has its data under
`content`, and a part of a larger message its piece under `payload`. Header keys that are
not known are ignored; a version that is not known is an error. A body without the header
is what Heat itself posts: a `PlainSnapshot`.
"""

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from heat_zaqar_transport.wire.canonical import digest_of
from heat_zaqar_transport.wire.errors import UnknownVersion, WireFormatError
from heat_zaqar_transport.wire.fields import Fields, is_whole, kind_of

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


def parse(body: object) -> Message | Part:
    """Read one body.

    Args:
        body: The decoded JSON of a queue message; hostile until it is read.

    Raises:
        UnknownVersion: The header's version is not spoken here.
        WireFormatError: The body is no JSON object, a field is missing or of the wrong
            type, or a snapshot's document does not have the digest its header tells.
    """
    if not isinstance(body, dict):
        raise WireFormatError(f"a message must be a JSON object, not {kind_of(body)}")
    if HEADER not in body:
        return PlainSnapshot(body)
    header = Fields("header", body[HEADER])
    check_version(header)
    kind = header.text(KEY_TYPE)
    if kind not in _PARSERS:
        raise WireFormatError(f"unknown message type {kind!r:.40}")
    if header.get(KEY_PART) is not None:
        return _parse_part(kind, header, body)
    return _PARSERS[kind](header, body)


def check_version(header: Fields) -> None:
    """Look at a header's version, before all else.

    Raises:
        UnknownVersion: It is not spoken here.
    """
    version = header.get(KEY_VERSION)
    # bool is an int to isinstance, and True == 1.
    if version != VERSION or isinstance(version, bool):
        raise UnknownVersion(version, VERSION)


def _header(kind: str, channel: str) -> dict[str, Any]:
    return {KEY_VERSION: VERSION, KEY_TYPE: kind, KEY_CHANNEL: channel}


def _serialize_snapshot(snapshot: Snapshot) -> dict[str, Any]:
    _refuse_own_header(snapshot.document)
    return {**snapshot.document, HEADER: snapshot.header()}


def _refuse_own_header(document: Mapping[str, Any]) -> None:
    if HEADER in document:
        raise WireFormatError(f"the metadata must not have a key {HEADER!r} of its own")


def _parse_snapshot(header: Fields, body: Mapping[str, Any]) -> Snapshot:
    document = {key: value for key, value in body.items() if key != HEADER}
    generation = header.whole_number(KEY_GENERATION)
    snapshot = Snapshot(header.text(KEY_CHANNEL), generation, document)
    if snapshot.digest != header.text(KEY_DIGEST):
        raise WireFormatError(
            f"the snapshot of generation {generation} is damaged: its digest does not fit"
        )
    return snapshot


def _parse_result(header: Fields, body: Mapping[str, Any]) -> Result:
    content = Fields(CONTENT, body.get(CONTENT))
    return Result(
        channel=header.text(KEY_CHANNEL),
        config_id=content.text(KEY_CONFIG),
        outputs=content.mapping(KEY_OUTPUTS),
        attempt=content.whole_number(KEY_ATTEMPT, least=1),
    )


def _parse_hello(header: Fields, body: Mapping[str, Any]) -> Hello:
    content = Fields(CONTENT, body.get(CONTENT))
    held = content.get(KEY_GENERATION)
    return Hello(
        channel=header.text(KEY_CHANNEL),
        reason=content.text(KEY_REASON),
        generation=None if held is None else content.whole_number(KEY_GENERATION),
        credentials=None if content.get(KEY_CREDENTIALS) is None else content.text(KEY_CREDENTIALS),
    )


def _parse_ack(header: Fields, body: Mapping[str, Any]) -> Ack:
    content = Fields(CONTENT, body.get(CONTENT))
    attempt = content.whole_number(KEY_ATTEMPT, least=1)
    return Ack(header.text(KEY_CHANNEL), content.text(KEY_CONFIG), attempt)


def _parse_goodbye(header: Fields, body: Mapping[str, Any]) -> Goodbye:
    return Goodbye(header.text(KEY_CHANNEL))


def _parse_part(kind: str, header: Fields, body: Mapping[str, Any]) -> Part:
    if kind not in (SNAPSHOT, RESULT):
        raise WireFormatError(f"{kind!r} cannot come in parts")
    encoding = header.text(KEY_ENCODING)
    if encoding != ENCODING_ZLIB:
        raise WireFormatError(f"unknown encoding {encoding!r:.40}")
    number, count = _place(header)
    generation = header.whole_number(KEY_GENERATION) if kind == SNAPSHOT else None
    base = _base(header) if kind == SNAPSHOT else None
    digest = header.text(KEY_DIGEST)
    key = PartKey(kind, header.text(KEY_CHANNEL), generation, digest, count, base)
    return Part(key, number, Fields("body", body).text(PAYLOAD))


def parse_change(key: PartKey, base: Base, value: object) -> Change:
    """Read what the parts of a change carry.

    Raises:
        WireFormatError: A field is missing or of the wrong type.
    """
    fields = Fields("change", value)
    deployments = fields.array(KEY_DEPLOYMENTS)
    # bool is an int to isinstance; a place is none, and neither is a negative number.
    if any(isinstance(each, bool) or (is_whole(each) and each < 0) for each in deployments):
        raise WireFormatError("a change names a deployment by what is no place")
    rest = fields.mapping(KEY_REST)
    _refuse_own_header(rest)
    return Change(
        channel=key.channel,
        generation=key.generation or 0,
        digest=key.digest,
        base=base,
        rest=rest,
        deployments=tuple(deployments),
    )


def _place(header: Fields) -> tuple[int, int]:
    """Read which part of how many."""
    value = header.get(KEY_PART)
    if isinstance(value, list) and len(value) == 2 and all(map(is_whole, value)):
        number, count = value
        if 1 <= number <= count <= MAX_PARTS:
            return number, count
    raise header.wrong(KEY_PART, f"[number, count] with 1 <= number <= count <= {MAX_PARTS}")


def _base(header: Fields) -> Base | None:
    """Read what a change is told against; `None`: it is no change."""
    value = header.get(KEY_BASE)
    if value is None:
        return None
    if isinstance(value, list) and len(value) == 2:
        generation, digest = value
        if is_whole(generation) and generation >= 0 and isinstance(digest, str):
            return Base(generation, digest)
    raise header.wrong(KEY_BASE, "[generation, digest]")


_PARSERS: dict[str, Callable[[Fields, Mapping[str, Any]], Message]] = {
    SNAPSHOT: _parse_snapshot,
    RESULT: _parse_result,
    HELLO: _parse_hello,
    ACK: _parse_ack,
    GOODBYE: _parse_goodbye,
}
