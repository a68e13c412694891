# SPDX-License-Identifier: Apache-2.0
"""Which snapshot wins, and what a metadata queue should hold.

The rules, all of them:

* The highest complete generation wins; a lower one than the one held is ignored.
* The same generation with the same digest is a duplicate, and ignored.
* The same generation with another digest is rejected, and so is a snapshot of
  another channel and a body that breaks the format.
* Parts whose others are missing wait: they may be on their way.
* A server without a channel talks to a Heat without this plugin, whose plain documents
  carry no order of their own: the one listed last wins (Zaqar lists oldest first).

A rejection never costs what is held already.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from heat_zaqar_transport.wire.errors import WireFormatError
from heat_zaqar_transport.wire.messages import Ack, Goodbye, PartKey, PlainSnapshot, Snapshot
from heat_zaqar_transport.wire.parts import Found, Gathered, QueuedMessage, Rejection, gather
from heat_zaqar_transport.wire.sealing import NO_SEAL, Seal


@dataclass(frozen=True)
class Choice:
    """What came of a look into the queue.

    Attributes:
        snapshot: The winner; `None` when nothing is held and nothing usable was found.
        rejected: What was refused on the way, in queue order.
        acks: Of this channel, in queue order.
        carriers: What carries the winner in the queue; empty: the queue has it not.
        incomplete: Whether there are parts of something newer than the winner, and not all.
        goodbye: Whether the channel is about to be deleted.
    """

    snapshot: Snapshot | PlainSnapshot | None
    rejected: tuple[Rejection, ...] = ()
    acks: tuple[Ack, ...] = ()
    carriers: tuple[QueuedMessage, ...] = ()
    incomplete: bool = False
    goodbye: bool = False

    @property
    def half_life_in_s(self) -> float | None:
        """Seconds until the winner has lived half of its life in the queue.

        Not above 0: it has. `None`: the queue has it not.
        """
        return min((each.ttl_s / 2 - each.age_s for each in self.carriers), default=None)


def choose(
    channel: str | None,
    held: Snapshot | PlainSnapshot | None,
    messages: Iterable[QueuedMessage],
    seal: Seal = NO_SEAL,
) -> Choice:
    """Choose among what is held and what the metadata queue lists.

    Args:
        channel: The server's channel; `None` for a server of a Heat without this plugin.
        held: What the server holds from before; `None` for nothing.
        messages: All messages of the queue, in its order.
        seal: The channel's.
    """
    # What was held for another channel (a server rebuilt, or moved to another
    # stack) has no say in the order of this one.
    choosing = _Choosing(channel, held if channel_of(held) == channel else None)
    gathered = gather(messages, seal)
    for found in gathered.found:
        choosing.take(found)
    return choosing.choice(gathered)


@dataclass(frozen=True)
class Upkeep:
    """What to do with a metadata queue so that it holds the newest snapshot and nothing else.

    Attributes:
        post: Whether the snapshot at hand must be posted: the queue has none as new, or one
            that has lived half of its life.
        delete: Ids of the messages to delete after that.
        base: What it can be posted as a change of; `None`: nothing.
    """

    post: bool
    delete: tuple[str, ...]
    base: Snapshot | None = None


def upkeep(
    snapshot: Snapshot,
    messages: Iterable[QueuedMessage],
    *,
    plain: bool = True,
    seal: Seal = NO_SEAL,
) -> Upkeep:
    """Compare a snapshot with what its metadata queue lists.

    Older snapshots go, and so do duplicates, parts without the others, and what cannot be
    read at all. A snapshot that another engine has posted meanwhile, newer than the one at
    hand, stays, and so do the parts of one that it may be posting now. Acks stay: they have
    a short life of their own. So does the newest base: other engines may be posting
    changes of it.

    Args:
        snapshot: The one at hand.
        messages: All messages of the queue.
        plain: Whether the snapshot is posted as it is, and so no changes of anything are.
        seal: The channel's.
    """
    queued = list(messages)
    gathered = gather(queued, seal)
    newest = _newest(snapshot, gathered)
    post = newest is None or _half_over(newest.carriers)
    base = None if plain else _newest_base(snapshot, gathered)
    kept = {each.id for each in _carriers(base) + _carriers(None if post else newest)}
    kept |= {each.id for each in _arriving(snapshot, gathered)}
    kept |= {
        found.carriers[0].id
        for found in gathered.found
        if isinstance(found.message, Ack) and found.message.channel == snapshot.channel
    }
    return Upkeep(
        post=post,
        delete=tuple(each.id for each in queued if each.id not in kept),
        base=base.message if post and base and isinstance(base.message, Snapshot) else None,
    )


def channel_of(snapshot: Snapshot | PlainSnapshot | None) -> str | None:
    """Return the channel a snapshot belongs to; `None` for a plain one or none."""
    return snapshot.channel if isinstance(snapshot, Snapshot) else None


class _Choosing:
    """The state of `choose`."""

    def __init__(self, channel: str | None, held: Snapshot | PlainSnapshot | None) -> None:
        self._channel = channel
        self._held = held
        self._carriers: tuple[QueuedMessage, ...] = ()
        self._acks: list[Ack] = []
        self._goodbye = False
        self._rejected: list[Rejection] = []

    def take(self, found: Found) -> None:
        try:
            self._take(found)
        except WireFormatError as exc:
            self._rejected.append(Rejection(found.carriers[0].id, str(exc)))

    def _take(self, found: Found) -> None:
        match found.message:
            case PlainSnapshot() as plain:
                if self._channel is not None:
                    raise WireFormatError("a document without a header, on a queue with a channel")
                self._held, self._carriers = plain, found.carriers
            case Snapshot() | Ack() | Goodbye() as other if other.channel != self._channel:
                raise WireFormatError(f"a {_noun(other)} of another channel")
            case Snapshot() as snapshot:
                self._order(snapshot, found.carriers)
            case Ack() as ack:
                self._acks.append(ack)
            case Goodbye():
                self._goodbye = True
            case _:
                raise WireFormatError("not a snapshot, on a metadata queue")

    def _order(self, found: Snapshot, carriers: tuple[QueuedMessage, ...]) -> None:
        held = self._held
        if not isinstance(held, Snapshot) or found.generation > held.generation:
            self._held, self._carriers = found, carriers
        elif found.generation == held.generation:
            if found.digest != held.digest:
                raise WireFormatError(f"generation {found.generation} again, with other content")
            # Of two copies the one that lives longest, which is the later one.
            self._carriers = carriers

    def choice(self, gathered: Gathered) -> Choice:
        return Choice(
            snapshot=self._held,
            rejected=(*gathered.rejected, *self._rejected),
            acks=tuple(self._acks),
            carriers=self._carriers,
            incomplete=any(self._is_newer(key) for key, _ in gathered.incomplete),
            goodbye=self._goodbye,
        )

    def _is_newer(self, key: PartKey) -> bool:
        if key.channel != self._channel or key.generation is None:
            return False
        return not isinstance(self._held, Snapshot) or key.generation > self._held.generation


def _noun(message: Snapshot | Ack | Goodbye) -> str:
    return type(message).__name__.lower()


def _newest(snapshot: Snapshot, gathered: Gathered) -> Found | None:
    """Return the newest snapshot in the queue that is as good as the one at hand.

    Of two copies the later one, which lives longer.
    """
    newest: tuple[int, Found] | None = None
    for found in gathered.found:
        message = found.message
        if not isinstance(message, Snapshot) or message.channel != snapshot.channel:
            continue
        good = message.generation > snapshot.generation or _same(message, snapshot)
        if good and (newest is None or message.generation >= newest[0]):
            newest = (message.generation, found)
    return newest[1] if newest else None


def _same(one: Snapshot, other: Snapshot) -> bool:
    return (one.generation, one.digest) == (other.generation, other.digest)


def _newest_base(snapshot: Snapshot, gathered: Gathered) -> Found | None:
    """Return the newest snapshot in the queue that is no change itself and will stay a while.

    Not one of the generation at hand with other content: readers that keep that one would
    refuse what is told as a change of it.
    """
    bases = [
        (found.message.generation, found)
        for found in gathered.found
        if isinstance(found.message, Snapshot)
        and found.message.channel == snapshot.channel
        and not found.changed
        and not _half_over(found.carriers)
        and (found.message.generation != snapshot.generation or _same(found.message, snapshot))
    ]
    return max(bases, key=lambda each: each[0], default=(0, None))[1]


def _arriving(snapshot: Snapshot, gathered: Gathered) -> Iterable[QueuedMessage]:
    """Return the parts of newer snapshots than the one at hand."""
    for key, carriers in gathered.incomplete:
        newer = key.generation is not None and key.generation > snapshot.generation
        if newer and key.channel == snapshot.channel:
            yield from carriers


def _carriers(found: Found | None) -> tuple[QueuedMessage, ...]:
    return found.carriers if found else ()


def _half_over(carriers: Iterable[QueuedMessage]) -> bool:
    return any(each.ttl_s and 2 * each.age_s >= each.ttl_s for each in carriers)
