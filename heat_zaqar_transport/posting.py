# SPDX-License-Identifier: Apache-2.0
"""Posting a message of any size, within the limits of a Zaqar that are learned by refusals."""

from collections.abc import Callable, Mapping
from typing import Any

from heat_zaqar_transport.wire import Limits, Message, Snapshot, pack
from heat_zaqar_transport.wire.errors import RequestRefused, TooLarge
from heat_zaqar_transport.wire.parts import PLAIN_BYTES
from heat_zaqar_transport.wire.sealing import NO_SEAL, Seal

# Posts one body that is to live for so many seconds; raises TransportError.
Post = Callable[[Mapping[str, Any], int], object]


class Poster:
    """Remembers the limits of one Zaqar."""

    def __init__(self, limits: Limits | None = None) -> None:
        self.limits = limits or Limits()

    def post(
        self,
        post: Post,
        message: Message,
        ttl_s: int,
        seal: Seal = NO_SEAL,
        plain_bytes: int = PLAIN_BYTES,
        base: Snapshot | None = None,
    ) -> None:
        """Post a message, in parts if it takes that.

        Args:
            post: Posts one body.
            message: The message.
            ttl_s: Seconds that it shall live; less where Zaqar's longest is less.
            seal: The channel's.
            plain_bytes: Up to this size it is sent as it is, uncompressed.
            base: An earlier snapshot in the queue that it may be posted as a change of.

        Raises:
            TooLarge: It cannot be carried.
            WireFormatError: It cannot be told in JSON.
            TransportError: Zaqar did not take it. Some of its parts may have been posted.
        """

        def packed() -> list[dict[str, Any]]:
            return pack(message, self.limits, plain_bytes, base, seal)

        try:
            self._post(post, packed, ttl_s)
        except TooLarge:
            if self.limits == Limits():
                raise
            # What was refused once, long ago perhaps, need not be refused now.
            self.limits = Limits()
            self._post(post, packed, ttl_s)

    def _post(self, post: Post, packed: Callable[[], list[dict[str, Any]]], ttl_s: int) -> None:
        while True:
            try:
                for body in packed():
                    post(body, min(ttl_s, self.limits.longest_ttl_s))
            except RequestRefused as exc:
                learned = self.limits.learned(exc.problem)
                if learned is None:
                    raise
                # Narrower each time, so that this comes to an end.
                self.limits = learned
            else:
                return


def post_message(post: Post, message: Message, ttl_s: int, seal: Seal = NO_SEAL) -> None:
    """Post one message to a Zaqar that nothing is known of; see `Poster.post`."""
    Poster().post(post, message, ttl_s, seal)
