# SPDX-License-Identifier: Apache-2.0
"""A queue in memory that behaves as Zaqar's does, for tests of this project and of others.

One contract suite (tests/contract) runs against it and against real Zaqar.
"""

import itertools
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from heat_zaqar_transport.listing import METADATA
from heat_zaqar_transport.queues import PAGE_SIZE, Enough, never_enough
from heat_zaqar_transport.wire import Limits, QueuedMessage
from heat_zaqar_transport.wire.errors import RequestRefused

# The least TTL in seconds, which cannot be configured.
MIN_TTL_S = 60

# How Zaqar names its limits when it refuses.
_TOO_LARGE = "Message collection size is too large."
_TTL = "The TTL for a message may not exceed"


@dataclass
class _Stored:
    id: str
    text: str
    ttl_s: int
    posted_at: float


class MemoryQueue:
    """A `queues.MessageQueue` without a server.

    Args:
        clock: Returns the time in seconds; tests turn it by hand.
        limits: What it takes; `None`: Zaqar's defaults.
    """

    def __init__(
        self,
        clock: Callable[[], float] = lambda: 0.0,
        limits: Limits | None = None,
    ) -> None:
        self._clock = clock
        # What `fetch` lists.
        self.window = METADATA
        self._limits = limits or Limits()
        self._ids = itertools.count(1)
        self._stored: list[_Stored] = []

    def post(self, body: Mapping[str, Any], ttl_s: int) -> str:
        """Post one message; sizes and TTLs are refused as Zaqar refuses them."""
        # Encoded, as on the wire: what is no JSON fails here too, and no reference is kept.
        text = json.dumps({"messages": [{"body": body, "ttl": ttl_s}]})
        if len(text) > self._limits.post_bytes:
            raise RequestRefused("post", f"{_TOO_LARGE} Max size {self._limits.post_bytes}")
        if not MIN_TTL_S <= ttl_s <= self._limits.longest_ttl_s:
            raise RequestRefused("post", f"{_TTL} {self._limits.longest_ttl_s} seconds")
        stored = _Stored(str(next(self._ids)), json.dumps(body), ttl_s, self._clock())
        self._stored.append(stored)
        return stored.id

    def fetch(self, enough: Enough = never_enough) -> list[QueuedMessage]:
        """List what has not expired and is in the window, oldest first, unless a page will do."""
        page = self.peek()
        if enough(page):
            return page
        return self.window.of(map(self._queued, self._visible()))

    def peek(self) -> list[QueuedMessage]:
        """List the oldest of them, at most 20."""
        return [self._queued(each) for each in self._visible()[:PAGE_SIZE]]

    def delete(self, ids: Iterable[str]) -> None:
        """Delete messages by id; unknown ids do not matter."""
        gone = set(ids)
        self._stored = [each for each in self._stored if each.id not in gone]

    def _visible(self) -> list[_Stored]:
        now = self._clock()
        return [each for each in self._stored if now < each.posted_at + each.ttl_s]

    def _queued(self, stored: _Stored) -> QueuedMessage:
        age_s = int(self._clock() - stored.posted_at)
        return QueuedMessage(stored.id, json.loads(stored.text), age_s, stored.ttl_s)
