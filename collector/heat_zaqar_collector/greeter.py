# SPDX-License-Identifier: Apache-2.0
"""Saying hello: why a server asks Heat for the present snapshot, and how often.

Reasons, the most severe first; one hello names the first that is new, or else that lasts, and
serves them all:

* rejected: something in the queue was refused;
* empty queue: the queue lists no snapshot that could be used;
* incomplete: for a while there have been parts of something newer, and others are missing;
* expiring: the snapshot in the queue has lived half of its life;
* credentials: the URLs and keys have;
* start: once for each start of the agent.

Trouble that was not there at the hello before is told at once. Otherwise a hello follows the
last one after 30 s, 60 s, ... up to an hour, for as long as there is trouble: it may have got
lost itself.
"""

import random
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from oslo_log import log as logging

from heat_zaqar_collector.backoff import Backoff
from heat_zaqar_transport.posting import Poster
from heat_zaqar_transport.queues import MessageQueue
from heat_zaqar_transport.wire import Choice, Hello
from heat_zaqar_transport.wire.errors import TransportError
from heat_zaqar_transport.wire.sealing import NO_SEAL, Seal

LOG = logging.getLogger(__name__)

# Pauses between two hellos for the same trouble, seconds.
FIRST_PAUSE_S = 30.0
LONGEST_PAUSE_S = 3600.0
# Parts may follow each other slowly; so many seconds are enough.
INCOMPLETE_S = 10.0
# Zaqar tells ages in whole seconds: no look for a matter of one or two.
SOONEST_LOOK_S = 5.0

REJECTED = "rejected"
EMPTY = "empty queue"
INCOMPLETE = "incomplete"
EXPIRING = "expiring"
CREDENTIALS = "credentials"
START = "start"
_SEVERITY = (REJECTED, EMPTY, INCOMPLETE, EXPIRING, CREDENTIALS, START)

# The reason, and what tells one such trouble from another.
Trouble = tuple[str, str]


@dataclass(frozen=True)
class Identity:
    """What a server says hello as.

    Attributes:
        channel: The server's.
        seal: The channel's.
        credentials: Heat's name of the URLs and keys that it has; `None`: it gave none.
        renew_at: When to ask for new ones, in seconds since 1970; `None`: never.
    """

    channel: str
    seal: Seal = NO_SEAL
    credentials: str | None = None
    renew_at: float | None = None


class Greeter:
    """Says hello where there is reason to.

    Args:
        me: Who says it.
        signals: The queue to Heat.
        ttl_s: How long a hello may wait for Heat, in seconds.
        clock: Seconds that only go up.
        chance: Returns 0 to 1, for the length of pauses.
        time_of_day: Seconds since 1970.
    """

    def __init__(
        self,
        me: Identity,
        signals: MessageQueue,
        ttl_s: int,
        clock: Callable[[], float] = time.monotonic,
        chance: Callable[[], float] = random.random,
        time_of_day: Callable[[], float] = time.time,
    ) -> None:
        self._me = me
        self._signals = signals
        self._ttl_s = ttl_s
        self._clock = clock
        self._time_of_day = time_of_day
        self._poster = Poster()
        self._pauses = Backoff(FIRST_PAUSE_S, LONGEST_PAUSE_S, chance)
        self._started = False
        self._incomplete_since: float | None = None
        self._told: frozenset[Trouble] = frozenset()
        self._due_at = 0.0

    def greet(self, choice: Choice, generation: int | None) -> float | None:
        """Say hello if what a look found is a reason.

        Args:
            choice: What came of the look.
            generation: The generation that is held now; `None`: none.

        Returns:
            Seconds until the queue must be looked into again at the latest, for a hello that
            may be due by then; `None`: none will.
        """
        now = self._clock()
        troubles = frozenset(self._troubles(choice, now))
        new = troubles - self._told
        overdue = troubles if now >= self._due_at else frozenset()
        self._told = troubles
        if new:
            self._pauses.reset()
        if new or overdue:
            self._say(new or overdue, generation, now)
        return self._look_in_s(choice, now)

    def _troubles(self, choice: Choice, now: float) -> Iterator[Trouble]:
        if not self._started:
            yield START, ""
        if not choice.carriers:
            yield EMPTY, ""
        for rejection in choice.rejected:
            yield REJECTED, rejection.message_id
        half_life_in_s = choice.half_life_in_s
        if half_life_in_s is not None and half_life_in_s <= 0:
            yield EXPIRING, ""
        renew_in_s = self._renew_in_s()
        if renew_in_s is not None and renew_in_s <= 0:
            yield CREDENTIALS, ""
        if not choice.incomplete:
            self._incomplete_since = None
        elif self._incomplete_since is None:
            self._incomplete_since = now
        elif now - self._incomplete_since >= INCOMPLETE_S:
            yield INCOMPLETE, ""

    def _say(self, troubles: frozenset[Trouble], generation: int | None, now: float) -> None:
        self._due_at = now + self._pauses.next_s()
        reason = min((reason for reason, _ in troubles), key=_SEVERITY.index)
        try:
            hello = Hello(self._me.channel, reason, generation, self._me.credentials)
            self._poster.post(self._signals.post, hello, self._ttl_s, self._me.seal)
        except TransportError as exc:
            LOG.warning("Heat could not be asked for the present snapshot: %s", exc)
            return
        self._started = True
        self._told -= {(START, "")}
        LOG.info("Asked Heat for the present snapshot (%s)", reason)

    def _renew_in_s(self) -> float | None:
        """Return the seconds until new credentials are due; not above 0: they are."""
        renew_at = self._me.renew_at
        return None if renew_at is None else renew_at - self._time_of_day()

    def _look_in_s(self, choice: Choice, now: float) -> float | None:
        times_s = []
        if self._told:
            times_s.append(self._due_at - now)
        if self._incomplete_since is not None and INCOMPLETE not in dict(self._told):
            times_s.append(self._incomplete_since + INCOMPLETE_S - now)
        half_life_in_s = choice.half_life_in_s
        if half_life_in_s is not None and half_life_in_s > 0:
            times_s.append(half_life_in_s)
        renew_in_s = self._renew_in_s()
        if renew_in_s is not None and renew_in_s > 0:
            times_s.append(renew_in_s)
        return max(min(times_s), SOONEST_LOOK_S) if times_s else None
