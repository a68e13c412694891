# SPDX-License-Identifier: Apache-2.0
"""A queue in memory that behaves as Zaqar's does, for tests of this project and of others.

One contract suite (tests/contract) runs against it and against real Zaqar.
"""

import itertools
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from heat_zaqar_transport.queues import PAGE_SIZE, QueuedMessage
from heat_zaqar_transport.wire.errors import RequestRefused

# Zaqar's defaults: [transport] max_messages_post_size, and the limits of a TTL in seconds.
MAX_POST_BYTES = 262144
MIN_TTL_S = 60
MAX_TTL_S = 1209600


@dataclass
class _Stored:
    id: str
    text: str
    ttl_s: int
    posted_at: float
    claimed_until: float


class MemoryQueue:
    """A `queues.MessageQueue` without a server.

    Args:
        clock: Returns the time in seconds; tests turn it by hand.
    """

    def __init__(self, clock: Callable[[], float] = lambda: 0.0) -> None:
        self._clock = clock
        self._ids = itertools.count(1)
        self._stored: list[_Stored] = []

    def post(self, body: Mapping[str, Any], ttl_s: int) -> str:
        """Post one message; sizes and TTLs are refused as Zaqar refuses them."""
        # Encoded, as on the wire: what is no JSON fails here too, and no reference is kept.
        text = json.dumps({"messages": [{"body": body, "ttl": ttl_s}]})
        if len(text) > MAX_POST_BYTES:
            raise RequestRefused("post", f"collection size is too large. Max size {MAX_POST_BYTES}")
        if not MIN_TTL_S <= ttl_s <= MAX_TTL_S:
            raise RequestRefused("post", f"TTL must be {MIN_TTL_S} to {MAX_TTL_S} seconds")
        stored = _Stored(str(next(self._ids)), json.dumps(body), ttl_s, self._clock(), 0.0)
        self._stored.append(stored)
        return stored.id

    def fetch(self) -> list[QueuedMessage]:
        """List every message that is neither expired nor claimed, oldest first."""
        return [self._queued(each) for each in self._visible()]

    def peek(self) -> list[QueuedMessage]:
        """List the oldest of them, at most 20."""
        return self.fetch()[:PAGE_SIZE]

    def claim(self, ttl_s: int, limit: int = PAGE_SIZE) -> list[QueuedMessage]:
        """Hide up to `limit` of the oldest messages for `ttl_s` seconds."""
        claimed = self._visible()[:limit]
        for each in claimed:
            each.claimed_until = self._clock() + ttl_s
        return [self._queued(each) for each in claimed]

    def delete(self, ids: Iterable[str]) -> None:
        """Delete messages by id; unknown ids do not matter."""
        gone = set(ids)
        self._stored = [each for each in self._stored if each.id not in gone]

    def _visible(self) -> list[_Stored]:
        now = self._clock()
        return [
            each
            for each in self._stored
            if now < each.posted_at + each.ttl_s and now >= each.claimed_until
        ]

    def _queued(self, stored: _Stored) -> QueuedMessage:
        age_s = int(self._clock() - stored.posted_at)
        return QueuedMessage(stored.id, json.loads(stored.text), age_s, stored.ttl_s)
