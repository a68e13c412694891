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


def outdated(channel: str, bodies: Iterable[tuple[str, object]]) -> list[str]:
    """Return the ids of the messages that the newest snapshot of a queue replaces.

    Everything but one message of the highest generation is outdated: lower generations,
    duplicates, and what could not be read at all.
    """
    newest: tuple[int, str] | None = None
    ids = []
    for message_id, body in bodies:
        ids.append(message_id)
        generation = _generation(channel, body)
        if generation is not None and (newest is None or generation > newest[0]):
            newest = (generation, message_id)
    return [] if newest is None else [each for each in ids if each != newest[1]]


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


def _generation(channel: str, body: object) -> int | None:
    try:
        message = parse(body)
    except WireFormatError:
        return None
    if isinstance(message, Snapshot) and message.channel == channel:
        return message.generation
    return None
