# SPDX-License-Identifier: Apache-2.0
"""Reading bodies, which are hostile until they are read: to messages, or to an error of ours.

Depth is looked at first, then the version, the type, and each field with its type and bounds.
Header keys that are not known are ignored; a version that is not known is an error. A body
without the header is what Heat itself posts: a `PlainSnapshot`.
"""

from collections.abc import Callable, Mapping
from typing import Any

from heat_zaqar_transport.wire.bounds import (
    MAX_DIGEST_CHARS,
    MAX_GENERATION,
    MAX_SMALL_NUMBER,
    check_depth,
    check_outputs,
)
from heat_zaqar_transport.wire.errors import UnknownVersion, WireFormatError
from heat_zaqar_transport.wire.fields import Fields, is_whole, kind_of
from heat_zaqar_transport.wire.messages import (
    ACK,
    CONTENT,
    ENCODING_ZLIB,
    GOODBYE,
    HEADER,
    HELLO,
    KEY_ATTEMPT,
    KEY_BASE,
    KEY_CHANNEL,
    KEY_CONFIG,
    KEY_CREDENTIALS,
    KEY_DEPLOYMENTS,
    KEY_DIGEST,
    KEY_ENCODING,
    KEY_GENERATION,
    KEY_OUTPUTS,
    KEY_PART,
    KEY_REASON,
    KEY_REST,
    KEY_TYPE,
    KEY_VERSION,
    MAX_PARTS,
    PAYLOAD,
    RESULT,
    SNAPSHOT,
    VERSION,
    Ack,
    Base,
    Change,
    Goodbye,
    Hello,
    Message,
    Part,
    PartKey,
    PlainSnapshot,
    Result,
    Snapshot,
    refuse_own_header,
)


def parse(body: object) -> Message | Part:
    """Read one body.

    Args:
        body: The decoded JSON of a queue message; hostile until it is read.

    Raises:
        UnknownVersion: The header's version is not spoken here.
        WireFormatError: The body is no JSON object or too deep, a field is missing, of the
            wrong type or out of bounds, or a snapshot's document does not have the digest
            its header tells.
    """
    check_depth(body)
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


def _parse_snapshot(header: Fields, body: Mapping[str, Any]) -> Snapshot:
    document = {key: value for key, value in body.items() if key != HEADER}
    generation = header.whole_number(KEY_GENERATION)
    snapshot = Snapshot(header.name(KEY_CHANNEL), generation, document)
    if snapshot.digest != header.name(KEY_DIGEST, MAX_DIGEST_CHARS):
        raise WireFormatError(
            f"the snapshot of generation {generation} is damaged: its digest does not fit"
        )
    return snapshot


def _parse_result(header: Fields, body: Mapping[str, Any]) -> Result:
    content = Fields(CONTENT, body.get(CONTENT))
    outputs = content.mapping(KEY_OUTPUTS)
    check_outputs(outputs)
    return Result(
        channel=header.name(KEY_CHANNEL),
        config_id=content.name(KEY_CONFIG),
        outputs=outputs,
        attempt=_attempt(content),
    )


def _parse_hello(header: Fields, body: Mapping[str, Any]) -> Hello:
    content = Fields(CONTENT, body.get(CONTENT))
    held = content.get(KEY_GENERATION)
    return Hello(
        channel=header.name(KEY_CHANNEL),
        reason=content.name(KEY_REASON),
        generation=None if held is None else content.whole_number(KEY_GENERATION),
        credentials=None if content.get(KEY_CREDENTIALS) is None else content.name(KEY_CREDENTIALS),
    )


def _parse_ack(header: Fields, body: Mapping[str, Any]) -> Ack:
    content = Fields(CONTENT, body.get(CONTENT))
    return Ack(header.name(KEY_CHANNEL), content.name(KEY_CONFIG), _attempt(content))


def _parse_goodbye(header: Fields, body: Mapping[str, Any]) -> Goodbye:
    return Goodbye(header.name(KEY_CHANNEL))


def _parse_part(kind: str, header: Fields, body: Mapping[str, Any]) -> Part:
    if kind not in (SNAPSHOT, RESULT):
        raise WireFormatError(f"{kind!r} cannot come in parts")
    encoding = header.text(KEY_ENCODING)
    if encoding != ENCODING_ZLIB:
        raise WireFormatError(f"unknown encoding {encoding!r:.40}")
    number, count = _place(header)
    generation = header.whole_number(KEY_GENERATION) if kind == SNAPSHOT else None
    base = _base(header) if kind == SNAPSHOT else None
    digest = header.name(KEY_DIGEST, MAX_DIGEST_CHARS)
    key = PartKey(kind, header.name(KEY_CHANNEL), generation, digest, count, base)
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
    refuse_own_header(rest)
    return Change(
        channel=key.channel,
        generation=key.generation or 0,
        digest=key.digest,
        base=base,
        rest=rest,
        deployments=tuple(deployments),
    )


def _attempt(content: Fields) -> int:
    return content.whole_number(KEY_ATTEMPT, least=1, most=MAX_SMALL_NUMBER)


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
        known = is_whole(generation) and 0 <= generation <= MAX_GENERATION
        if known and isinstance(digest, str) and len(digest) <= MAX_DIGEST_CHARS:
            return Base(generation, digest)
    raise header.wrong(KEY_BASE, "[generation, digest]")


_PARSERS: dict[str, Callable[[Fields, Mapping[str, Any]], Message]] = {
    SNAPSHOT: _parse_snapshot,
    RESULT: _parse_result,
    HELLO: _parse_hello,
    ACK: _parse_ack,
    GOODBYE: _parse_goodbye,
}
