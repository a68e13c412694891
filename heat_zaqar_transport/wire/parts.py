# SPDX-License-Identifier: Apache-2.0
"""Messages that are larger than one post: compressed, and cut into parts.

A snapshot or a result is sent as it is while it is small. A larger one is its JSON,
compressed by zlib, in base64, cut into as many parts as it takes; each part has the
message's header with `part` and `encoding`, and its piece under `payload`. Parts of one
message may come in any order, twice, and between others. A snapshot may also be told as a
change of an earlier one. Source: docs/wire-format.md, "Parts" and "Changes".
"""

import base64
import contextlib
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from heat_zaqar_transport.wire.bounds import (
    MAX_RESULT_WHOLE_BYTES,
    MAX_WHOLE_BYTES,
    check_depth,
    parsed_json,
)
from heat_zaqar_transport.wire.canonical import canonical_json
from heat_zaqar_transport.wire.changes import applied, change_since
from heat_zaqar_transport.wire.errors import TooLarge, WireFormatError
from heat_zaqar_transport.wire.limits import Limits, size_of
from heat_zaqar_transport.wire.messages import (
    CONTENT,
    ENCODING_ZLIB,
    HEADER,
    KEY_ENCODING,
    KEY_PART,
    MAX_PARTS,
    PAYLOAD,
    RESULT,
    SNAPSHOT,
    Base,
    Change,
    Message,
    Part,
    PartKey,
    Result,
    Snapshot,
    serialize,
)
from heat_zaqar_transport.wire.reading import parse, parse_change
from heat_zaqar_transport.wire.sealing import NO_SEAL, Seal

# Up to this size of its body a snapshot or result is sent as it is, unless told otherwise.
PLAIN_BYTES = 4096

# A change is sent in place of the whole if that takes so many times fewer bytes. Then the
# bytes of N changes of a growing document grow with N, and those of the wholes in between
# do, too.
MUCH_SMALLER = 4

# Messages of the largest size that are unpacked in one look, and changes that are applied. A
# queue that is kept up has three of the former and one or two of the latter.
MAX_WHOLES = 4
MAX_CHANGES = 16


@dataclass(frozen=True)
class QueuedMessage:
    """A message as a queue lists it.

    Attributes:
        id: Zaqar's id of it.
        body: The decoded JSON that was posted; nothing is known of it.
        age_s: Seconds since it was posted.
        ttl_s: Seconds it lives, counted from its post.
    """

    id: str
    body: object
    age_s: int = 0
    ttl_s: int = 0


@dataclass(frozen=True)
class Rejection:
    """One body, or all parts of one message, that was not accepted.

    Attributes:
        message_id: The queue's name for it, or for its first part.
        reason: Why, without quoting its content.
    """

    message_id: str
    reason: str


@dataclass(frozen=True)
class Found:
    """A whole message, and what carried it.

    Attributes:
        message: The message.
        carriers: One queued message, or several parts; of a change its base's, too.
        changed: Whether it was told as a change.
    """

    message: Message
    carriers: tuple[QueuedMessage, ...]
    changed: bool = False


@dataclass(frozen=True)
class Gathered:
    """What a list of queued messages holds.

    Attributes:
        found: Those that came whole, in the order of the list, then those put together.
        incomplete: Parts of messages of which others are missing, or a change's base.
        rejected: What is no message of this format.
    """

    found: tuple[Found, ...]
    incomplete: tuple[tuple[PartKey, tuple[QueuedMessage, ...]], ...]
    rejected: tuple[Rejection, ...]


def pack(
    message: Message,
    limits: Limits | None = None,
    plain_bytes: int = PLAIN_BYTES,
    base: Snapshot | None = None,
    seal: Seal = NO_SEAL,
) -> list[dict[str, Any]]:
    """Return the bodies to post for a message: itself, its parts, or a change.

    Args:
        message: Any; only snapshots and results can be cut.
        limits: Of the Zaqar that it goes to; `None`: Zaqar's defaults.
        plain_bytes: Up to this size of its body's JSON it is sent as it is.
        base: An earlier snapshot that its reader is sure to have; `None`: there is none.
        seal: The channel's.

    Raises:
        TooLarge: It cannot be carried.
        WireFormatError: It cannot be told in JSON, or is too deep.
    """
    body_bytes = (limits or Limits()).body_bytes
    room = _Room(seal.room(body_bytes), seal.payload_room(body_bytes))
    return [seal.seal(body) for body in _packed(message, room, plain_bytes, base)]


def _packed(
    message: Message, room: "_Room", plain_bytes: int, base: Snapshot | None
) -> list[dict[str, Any]]:
    body = serialize(message)
    check_depth(body)
    size = size_of(body)
    if size <= min(plain_bytes, room.body_bytes) or not isinstance(message, Snapshot | Result):
        return [body]
    payload = _payload(message)
    change = change_since(base, message) if base and isinstance(message, Snapshot) else None
    if change is not None:
        with contextlib.suppress(TooLarge):  # by the few bytes that telling it so adds
            changed = _payload(change)
            if len(changed) * MUCH_SMALLER <= len(payload):
                return _cut(change, changed, room.payload_bytes)
    if size <= min(len(payload), room.body_bytes):
        return [body]  # it cannot be compressed, and fits
    return _cut(message, payload, room.payload_bytes)


def is_plain(snapshot: Snapshot, plain_bytes: int = PLAIN_BYTES) -> bool:
    """Tell whether a snapshot is small enough to be sent as it is."""
    return size_of(serialize(snapshot)) <= plain_bytes


def gather(
    messages: Iterable[QueuedMessage],
    seal: Seal = NO_SEAL,
    kind: str | None = None,
    wanted: Callable[[Sequence[QueuedMessage]], bool] = lambda _: True,
) -> Gathered:
    """Read all that a queue lists, and put parts together.

    No more is unpacked than `MAX_WHOLES` times the largest message of a kind, the newest
    snapshots first: what is beyond that is left out, for a later look.

    Args:
        messages: What the queue lists.
        seal: The channel's.
        kind: Of messages in parts, the one that is expected here; `None`: either.
        wanted: Tells of all parts of a message whether it is worth unpacking; others are left
            out.
    """
    gathering = _Gathering(seal, kind, wanted)
    for queued in messages:
        gathering.add(queued)
    return gathering.gathered()


def _payload(message: Snapshot | Change | Result) -> str:
    whole = canonical_json(message.whole)
    limit_bytes = _limit_bytes(message.kind)
    if len(whole) > limit_bytes:
        raise TooLarge(message.kind, len(whole), limit_bytes)
    return base64.b64encode(zlib.compress(whole)).decode("ascii")


def _cut(message: Snapshot | Change | Result, payload: str, room: int) -> list[dict[str, Any]]:
    if room <= 0 or len(payload) > room * MAX_PARTS:
        raise TooLarge(message.kind, len(payload), max(room, 0) * MAX_PARTS)
    pieces = [payload[start : start + room] for start in range(0, len(payload), room)]
    return [
        {
            HEADER: {
                **message.header(),
                KEY_PART: [number, len(pieces)],
                KEY_ENCODING: ENCODING_ZLIB,
            },
            PAYLOAD: piece,
        }
        for number, piece in enumerate(pieces, 1)
    ]


@dataclass(frozen=True)
class _Room:
    """What one post has room for: JSON of a body, or base64 of a part's payload."""

    body_bytes: int
    payload_bytes: int


@dataclass
class _Gathering:
    """The state of `gather`."""

    seal: Seal
    kind: str | None
    wanted: Callable[[Sequence[QueuedMessage]], bool]
    found: list[Found] = field(default_factory=list)
    rejected: list[Rejection] = field(default_factory=list)
    open: dict[PartKey, "_Pile"] = field(default_factory=dict)
    whole: list[tuple[PartKey, Found]] = field(default_factory=list)
    changes: list[tuple[PartKey, "_Pile", Change]] = field(default_factory=list)
    incomplete: list[tuple[PartKey, tuple[QueuedMessage, ...]]] = field(default_factory=list)
    unpacked_bytes: Counter[str] = field(default_factory=Counter)

    def add(self, queued: QueuedMessage) -> None:
        try:
            message = parse(self.seal.unseal(queued.body))
        except WireFormatError as exc:
            self.rejected.append(Rejection(queued.id, str(exc)))
            return
        if isinstance(message, Part):
            self._add_part(message, queued)
        else:
            self.found.append(Found(message, (queued,)))

    def _add_part(self, part: Part, queued: QueuedMessage) -> None:
        if self.kind not in (None, part.key.kind):
            self.rejected.append(
                Rejection(queued.id, f"a part of a {part.key.kind}, which has no place here")
            )
            return
        pile = self.open.setdefault(part.key, _Pile({}, []))
        pile.pieces.setdefault(part.number, part.payload)
        pile.carriers.append(queued)

    def gathered(self) -> Gathered:
        for key, pile in sorted(self.open.items(), key=_newest_first):
            if len(pile.pieces) < key.count:
                self.incomplete.append((key, tuple(pile.carriers)))
            elif self.wanted(pile.carriers):
                self._take(key, pile)
        places = {key: at for at, key in enumerate(self.open)}
        self.found += [found for _, found in sorted(self.whole, key=lambda each: places[each[0]])]
        for key, pile, change in self.changes[:MAX_CHANGES]:
            self._apply(key, pile, change)
        return Gathered(tuple(self.found), tuple(self.incomplete), tuple(self.rejected))

    def _take(self, key: PartKey, pile: "_Pile") -> None:
        if self.unpacked_bytes[key.kind] >= MAX_WHOLES * _limit_bytes(key.kind):
            return
        try:
            whole = _unpacked(key, pile.payload(key))
            self.unpacked_bytes[key.kind] += len(whole)
            message = _whole(key, parsed_json(whole))
        except WireFormatError as exc:
            self.rejected.append(Rejection(pile.carriers[0].id, str(exc)))
            return
        if isinstance(message, Change):
            self.changes.append((key, pile, message))
        else:
            self.whole.append((key, Found(message, tuple(pile.carriers))))

    def _apply(self, key: PartKey, pile: "_Pile", change: Change) -> None:
        base = self._base_of(change)
        if base is None:
            self.incomplete.append((key, tuple(pile.carriers)))
            return
        snapshot, carriers = base
        try:
            message = applied(change, snapshot, MAX_WHOLE_BYTES)
        except WireFormatError as exc:
            self.rejected.append(Rejection(pile.carriers[0].id, str(exc)))
        else:
            self.found.append(Found(message, (*pile.carriers, *carriers), changed=True))

    def _base_of(self, change: Change) -> tuple[Snapshot, tuple[QueuedMessage, ...]] | None:
        for found in self.found:
            match found.message:
                case Snapshot() as base if not found.changed and base.channel == change.channel:
                    if Base(base.generation, base.digest) == change.base:
                        return base, found.carriers
        return None


@dataclass
class _Pile:
    """Parts of one message that have been found."""

    pieces: dict[int, str]
    carriers: list[QueuedMessage]

    def payload(self, key: PartKey) -> str:
        return "".join(self.pieces[number] for number in range(1, key.count + 1))


def _newest_first(each: tuple[PartKey, _Pile]) -> int:
    """Sort snapshots by generation; of one generation the order stays that of the queue."""
    return -(each[0].generation or 0)


def _whole(key: PartKey, value: object) -> Message | Change:
    if not isinstance(value, dict):
        raise WireFormatError(f"the {key.kind} in parts is no JSON object")
    if key.base is not None:
        return parse_change(key, key.base, value)
    header = key.header()
    body = {**value, HEADER: header} if key.kind == SNAPSHOT else {HEADER: header, CONTENT: value}
    message = parse(body)  # which checks a snapshot's digest
    assert not isinstance(message, Part)  # its header says nothing of parts
    if isinstance(message, Result) and message.digest != key.digest:
        raise WireFormatError("the result in parts is damaged: its digest does not fit")
    return message


def _limit_bytes(kind: str) -> int:
    """Return how large the whole of a message may be, as canonical JSON."""
    return MAX_RESULT_WHOLE_BYTES if kind == RESULT else MAX_WHOLE_BYTES


def _unpacked(key: PartKey, payload: str) -> bytes:
    limit_bytes = _limit_bytes(key.kind)
    too_large = WireFormatError(
        f"the {key.kind} in parts is cut short, or larger than {limit_bytes} bytes"
    )
    # zlib makes nothing larger by more than a few bytes in 16 KiB, base64 by a third.
    if len(payload) * 3 // 4 > limit_bytes + limit_bytes // 1000 + 64:
        raise too_large
    try:
        packed = base64.b64decode(payload, validate=True)
        unpacker = zlib.decompressobj()
        whole = unpacker.decompress(packed, limit_bytes)
    except (ValueError, zlib.error) as exc:
        raise WireFormatError(f"the {key.kind} in parts cannot be unpacked") from exc
    if unpacker.unconsumed_tail or not unpacker.eof:
        raise too_large
    if unpacker.unused_data:
        raise WireFormatError(f"the {key.kind} in parts goes on after its end")
    return whole
