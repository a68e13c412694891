# SPDX-License-Identifier: Apache-2.0
"""Waiting for the next snapshot, inside os-collect-config's call for metadata.

os-collect-config collects, runs its command when something has changed, and sleeps. We
have it not sleep, and wait here instead, where a push can end the waiting.
"""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from oslo_log import log as logging

from heat_zaqar_collector.pace import Pace
from heat_zaqar_collector.push.base import Push, State
from heat_zaqar_collector.source import Look, Source
from heat_zaqar_transport.wire import Ack, PlainSnapshot, Snapshot

LOG = logging.getLogger(__name__)

# How often the other reasons to end the waiting are looked at, in seconds.
TICK_S = 0.5

# A snapshot that lay in the queue for so many seconds, connected all the while, should have
# been told by a push.
OVERDUE_S = 3


def ignore_acks(acks: Iterable[Ack]) -> None:
    """Take acks where no results wait for them."""


@dataclass
class Watch:
    """One server's queue, and what tells that something is in it.

    Attributes:
        source: The queue, and what was collected last.
        push: How Zaqar tells us.
        pace: When to look.
        longest_s: Longest pause between two polls, seconds.
        interrupt: Called twice a second while waiting; need not return.
        clock: Seconds that only go up; the one of `push`.
        note: Given the acks that a look found; returns at once.
    """

    source: Source
    push: Push
    pace: Pace
    longest_s: float
    interrupt: Callable[[], None]
    clock: Callable[[], float] = time.monotonic
    note: Callable[[Iterable[Ack]], None] = ignore_acks
    _begun: bool = field(default=False, init=False)
    _state: State = field(default=State.AWAY, init=False)
    _told: bool = field(default=False, init=False)

    def next(self, at_most_s: float) -> Snapshot | PlainSnapshot | None:
        """Return the present snapshot: as soon as there is a new one, or when time is over.

        The first call looks and returns at once.

        Args:
            at_most_s: Seconds to wait for a new one.

        Returns:
            `None` when there has never been one.
        """
        if not self._begun:
            self._begun = True
            self.push.start()
            return self._look().snapshot
        deadline = self.clock() + at_most_s
        while self._wait(deadline):
            look = self._look()
            if look.news:
                return look.snapshot
        return self.source.held()

    def _wait(self, deadline: float) -> bool:
        """Wait until it is time to look; False: the deadline came first."""
        while True:
            self.interrupt()
            now = self.clock()
            self._take_notice(now)
            if now >= self.pace.due_at:
                return True
            if now >= deadline:
                return False
            end = min(self.pace.due_at, deadline)
            self.push.bell.wait(min(TICK_S, end - now))

    def _take_notice(self, now: float) -> None:
        """Tell the pace what has become of the push."""
        # The bell before the state: a push says which it is before it rings.
        rung = self.push.bell.is_set()
        if rung:
            # Before the look: what is pushed during it rings for the next one.
            self.push.heed()
        before, self._state = self._state, self.push.state
        if before.trusted and not self._state.trusted:
            self.pace.lost(now, self.longest_s)
        if rung:
            self._told = True
            (self.pace.pushed if self._state is State.PROVEN else self.pace.asked)(now)
        elif self._state is State.PROVEN:
            self.pace.confirmed(self.push.confirmed_at)

    def _look(self) -> Look:
        look = self.source.look()
        if look.acks:
            self.note(look.acks)
        if self._state.trusted and (look.emptied or self._overdue(look)):
            self.push.doubt()
        # What was told of is still to be found after a look that failed.
        self._told = self._told and look.failed
        self._state = self.push.state
        trusted = self._state.trusted and not look.failed
        self.pace.looked(
            self.clock(),
            news=look.news or bool(look.acks),
            longest_s=self.push.safety_s if trusted else self.longest_s,
            proven=trusted and self._state is State.PROVEN,
            safety_s=self.push.safety_s,
            renewed=look.renewed,
            again_in_s=look.again_in_s,
        )
        return look

    def _overdue(self, look: Look) -> bool:
        overdue = look.news and look.age_s >= OVERDUE_S and not self._told
        if overdue:
            LOG.warning("Zaqar's push did not tell of a change; polling until it tells of one")
        return overdue
