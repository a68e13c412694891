# SPDX-License-Identifier: Apache-2.0
"""How much of a queue is listed at a time: never all that somebody may have posted to it.

Who may post to a queue may post a hundred thousand messages. See
docs/adr/0018-what-is-taken-at-most.md for the sizes.
"""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass

from heat_zaqar_transport.wire import QueuedMessage
from heat_zaqar_transport.wire.bounds import weight_of

MIB = 1024 * 1024


@dataclass(frozen=True)
class Window:
    """A stretch of a queue.

    Attributes:
        messages: Most messages that are listed.
        weight_bytes: What their bodies may take in memory, about. One message is listed
            whatever it weighs: Zaqar takes no larger ones than it is told to.
        newest: Whether the newest are listed, or else the oldest.
        read: Most messages that are read for that: Zaqar lists the oldest first.
    """

    messages: int
    weight_bytes: int
    newest: bool
    read: int

    def of(self, listed: Iterable[QueuedMessage]) -> list[QueuedMessage]:
        """Return what of a queue is in the window, oldest first; no more is read than it takes."""
        kept: deque[tuple[int, QueuedMessage]] = deque()
        total_bytes = 0
        for count, message in enumerate(listed, 1):
            weight_bytes = weight_of(message.body)
            if (
                kept
                and not self.newest
                and self._is_over(len(kept) + 1, total_bytes + weight_bytes)
            ):
                break
            kept.append((weight_bytes, message))
            total_bytes += weight_bytes
            while len(kept) > 1 and self._is_over(len(kept), total_bytes):
                total_bytes -= kept.popleft()[0]
            if count >= self.read:
                break
        return [message for _, message in kept]

    def _is_over(self, messages: int, weight_bytes: int) -> bool:
        return messages > self.messages or weight_bytes > self.weight_bytes


# A signal queue, which a server posts to: what is listed is handled and deleted, so that the
# next look finds what lies behind. Room for a result in as many parts as there may be, and
# as many other messages.
SIGNALS = Window(messages=1024, weight_bytes=8 * MIB, newest=False, read=1024)

# A metadata queue, which Heat posts to: the newest snapshot is the last. Room for it, its base
# and one that is being posted, each of the largest size, and for acks.
METADATA = Window(messages=2048, weight_bytes=96 * MIB, newest=True, read=16384)
