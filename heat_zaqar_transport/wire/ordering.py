# SPDX-License-Identifier: Apache-2.0
"""Which snapshot wins.

The rules, all of them:

* The highest generation wins; a lower one than the one held is ignored.
* The same generation with the same digest is a duplicate, and ignored.
* The same generation with another digest is rejected, and so is a snapshot of
  another channel and a body that breaks the format.
* A server without a channel talks to a Heat without this plugin, whose plain documents
  carry no order of their own: the one listed last wins (Zaqar lists oldest first).

A rejection never costs what is held already.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from heat_zaqar_transport.wire.errors import WireFormatError
from heat_zaqar_transport.wire.messages import PlainSnapshot, Snapshot, parse


@dataclass(frozen=True)
class Rejection:
    """One body that was not accepted.

    Attributes:
        message_id: The queue's name for it.
        reason: Why, without quoting its content.
    """

    message_id: str
    reason: str


@dataclass(frozen=True)
class Choice:
    """What to hold after a look into the queue.

    Attributes:
        snapshot: The winner; `None` when nothing is held and nothing usable was found.
        rejected: What was refused on the way, in queue order.
    """

    snapshot: Snapshot | PlainSnapshot | None
    rejected: tuple[Rejection, ...] = ()


def choose(
    channel: str | None,
    held: Snapshot | PlainSnapshot | None,
    bodies: Iterable[tuple[str, object]],
) -> Choice:
    """Choose among what is held and what the metadata queue lists.

    Args:
        channel: The server's channel; `None` for a server of a Heat without this plugin.
        held: What the server holds from before; `None` for nothing.
        bodies: Message id and decoded body of each message, in the queue's order.
    """
    # What was held for another channel (a server rebuilt, or moved to another
    # stack) has no say in the order of this one.
    if channel_of(held) != channel:
        held = None
    rejected = []
    for message_id, body in bodies:
        try:
            held = _better(channel, held, parse(body))
        except WireFormatError as exc:
            rejected.append(Rejection(message_id, str(exc)))
    return Choice(held, tuple(rejected))


@dataclass(frozen=True)
class Upkeep:
    """What to do with a metadata queue so that it holds the newest snapshot and nothing else.

    Attributes:
        post: Whether the snapshot at hand must be posted: the queue has none as new.
        delete: Ids of the messages to delete after that.
    """

    post: bool
    delete: tuple[str, ...]


def upkeep(snapshot: Snapshot, bodies: Iterable[tuple[str, object]]) -> Upkeep:
    """Compare a snapshot with what its metadata queue lists.

    Older snapshots go, and so do duplicates and what cannot be read at all. A snapshot
    that another engine has posted meanwhile, newer than the one at hand, stays.
    """
    queued = list(bodies)
    newest: tuple[int, str] | None = None
    for message_id, body in queued:
        generation = _generation_of_good(snapshot, body)
        if generation is not None and (newest is None or generation > newest[0]):
            newest = (generation, message_id)
    keep = newest[1] if newest else None
    return Upkeep(post=keep is None, delete=tuple(each for each, _ in queued if each != keep))


def channel_of(snapshot: Snapshot | PlainSnapshot | None) -> str | None:
    """Return the channel a snapshot belongs to; `None` for a plain one or none."""
    return snapshot.channel if isinstance(snapshot, Snapshot) else None


def _better(
    channel: str | None, held: Snapshot | PlainSnapshot | None, found: object
) -> Snapshot | PlainSnapshot:
    match found:
        case PlainSnapshot():
            if channel is not None:
                raise WireFormatError("a document without a header, on a queue with a channel")
            return found
        case Snapshot():
            return _newer(channel, held, found)
        case _:
            raise WireFormatError("not a snapshot, on a metadata queue")


def _newer(channel: str | None, held: Snapshot | PlainSnapshot | None, found: Snapshot) -> Snapshot:
    if found.channel != channel:
        raise WireFormatError("a snapshot of another channel")
    if not isinstance(held, Snapshot) or found.generation > held.generation:
        return found
    if found.generation == held.generation and found.digest != held.digest:
        raise WireFormatError(f"generation {found.generation} again, with other content")
    return held


def _generation_of_good(snapshot: Snapshot, body: object) -> int | None:
    """Return the generation of a queued snapshot that is as good as the one at hand."""
    try:
        found = parse(body)
    except WireFormatError:
        return None
    if not isinstance(found, Snapshot) or found.channel != snapshot.channel:
        return None
    newer = found.generation > snapshot.generation
    return found.generation if newer or found == snapshot else None
