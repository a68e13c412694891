# SPDX-License-Identifier: Apache-2.0
"""The messages of wire format version 1, and their way to and from JSON bodies.

A body is a JSON object. Its key `heat-zaqar` holds the header. A snapshot is the
plain metadata document with the header beside its other keys, so that
os-collect-config as released can read it; every other message has its data under
`content`. Header keys that are not known are ignored; a version that is not known is
an error. A body without the header is what Heat itself posts: a `PlainSnapshot`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from heat_zaqar_transport.wire.canonical import digest_of
from heat_zaqar_transport.wire.errors import UnknownVersion, WireFormatError

VERSION = 1

# Keys of a body.
HEADER = "heat-zaqar"
CONTENT = "content"

# Keys of the header.
KEY_VERSION = "version"
KEY_TYPE = "type"
KEY_CHANNEL = "channel"
KEY_GENERATION = "generation"
KEY_DIGEST = "digest"

# Values of KEY_TYPE.
SNAPSHOT = "snapshot"
RESULT = "result"
HELLO = "hello"

# Keys of a result's and a hello's content.
KEY_CONFIG = "config_id"
KEY_OUTPUTS = "outputs"
KEY_REASON = "reason"


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

    @property
    def digest(self) -> str:
        """SHA-256 of the document's canonical JSON, in hex."""
        return digest_of(self.document)


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
    """

    channel: str
    config_id: str
    outputs: Mapping[str, Any]


@dataclass(frozen=True)
class Hello:
    """A server asks for the present snapshot again.

    Attributes:
        channel: Its channel.
        reason: Why, in a word or two, for the log.
        generation: The generation it holds; `None`: none.
    """

    channel: str
    reason: str
    generation: int | None = None


Message = Snapshot | PlainSnapshot | Result | Hello


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
            content = {
                KEY_CONFIG: message.config_id,
                KEY_OUTPUTS: dict(message.outputs),
            }
            return {HEADER: _header(RESULT, message.channel), CONTENT: content}
        case Hello():
            said = {KEY_REASON: message.reason, KEY_GENERATION: message.generation}
            return {HEADER: _header(HELLO, message.channel), CONTENT: said}


def parse(body: object) -> Message:
    """Read one body.

    Args:
        body: The decoded JSON of a queue message; hostile until it is read.

    Raises:
        UnknownVersion: The header's version is not spoken here.
        WireFormatError: The body is no JSON object, a field is missing or of the wrong
            type, or a snapshot's document does not have the digest its header tells.
    """
    if not isinstance(body, dict):
        raise WireFormatError(f"a message must be a JSON object, not {_kind(body)}")
    if HEADER not in body:
        return PlainSnapshot(body)
    header = _Fields("header", body[HEADER])
    version = header.get(KEY_VERSION)
    # bool is an int to isinstance, and True == 1.
    if version != VERSION or isinstance(version, bool):
        raise UnknownVersion(version, VERSION)
    kind = header.text(KEY_TYPE)
    if kind not in _PARSERS:
        raise WireFormatError(f"unknown message type {kind!r:.40}")
    return _PARSERS[kind](header, body)


def _header(kind: str, channel: str) -> dict[str, Any]:
    return {KEY_VERSION: VERSION, KEY_TYPE: kind, KEY_CHANNEL: channel}


def _serialize_snapshot(snapshot: Snapshot) -> dict[str, Any]:
    if HEADER in snapshot.document:
        raise WireFormatError(f"the metadata must not have a key {HEADER!r} of its own")
    header = _header(SNAPSHOT, snapshot.channel)
    header[KEY_GENERATION] = snapshot.generation
    header[KEY_DIGEST] = snapshot.digest
    return {**snapshot.document, HEADER: header}


def _parse_snapshot(header: "_Fields", body: Mapping[str, Any]) -> Snapshot:
    document = {key: value for key, value in body.items() if key != HEADER}
    generation = header.whole_number(KEY_GENERATION)
    snapshot = Snapshot(header.text(KEY_CHANNEL), generation, document)
    if snapshot.digest != header.text(KEY_DIGEST):
        raise WireFormatError(
            f"the snapshot of generation {generation} is damaged: its digest does not fit"
        )
    return snapshot


def _parse_result(header: "_Fields", body: Mapping[str, Any]) -> Result:
    content = _Fields(CONTENT, body.get(CONTENT))
    return Result(
        channel=header.text(KEY_CHANNEL),
        config_id=content.text(KEY_CONFIG),
        outputs=content.mapping(KEY_OUTPUTS),
    )


def _parse_hello(header: "_Fields", body: Mapping[str, Any]) -> Hello:
    content = _Fields(CONTENT, body.get(CONTENT))
    held = content.get(KEY_GENERATION)
    return Hello(
        channel=header.text(KEY_CHANNEL),
        reason=content.text(KEY_REASON),
        generation=None if held is None else content.whole_number(KEY_GENERATION),
    )


_PARSERS: dict[str, Callable[["_Fields", Mapping[str, Any]], Message]] = {
    SNAPSHOT: _parse_snapshot,
    RESULT: _parse_result,
    HELLO: _parse_hello,
}


class _Fields:
    """The fields of one JSON object, each read with the type it must have."""

    def __init__(self, where: str, value: object) -> None:
        if not isinstance(value, dict):
            raise WireFormatError(f"the {where} must be a JSON object, not {_kind(value)}")
        self._where = where
        self._values = value

    def get(self, key: str) -> object:
        return self._values.get(key)

    def text(self, key: str) -> str:
        value = self._values.get(key)
        if not isinstance(value, str) or not value:
            raise self._wrong(key, "a text that is not empty")
        return value

    def whole_number(self, key: str) -> int:
        value = self._values.get(key)
        if not isinstance(value, int) or isinstance(value, bool) or value < 0:
            raise self._wrong(key, "a whole number from 0")
        return value

    def mapping(self, key: str) -> Mapping[str, Any]:
        value = self._values.get(key)
        if not isinstance(value, dict):
            raise self._wrong(key, "a JSON object")
        return value

    def _wrong(self, key: str, wanted: str) -> WireFormatError:
        found = "missing" if key not in self._values else _kind(self._values[key])
        return WireFormatError(f"{self._where} field {key!r} must be {wanted}, it is {found}")


def _kind(value: object) -> str:
    """Name a value's JSON type: errors tell types, never contents."""
    match value:
        case None:
            return "null"
        case bool():
            return "a boolean"
        case int() | float():
            return "a number"
        case str():
            return "a text" if value else "an empty text"
        case list():
            return "an array"
        case dict():
            return "an object"
        case _:
            return type(value).__name__
