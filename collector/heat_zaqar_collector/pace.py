# SPDX-License-Identifier: Apache-2.0
"""When to look into the queue next. Pure: the time and chance come in as arguments.

* Polling: soon after there was something new, and then ever more rarely.
* A push: at once. It can come before the message can be read, so that a fruitless look is
  repeated a few times, with growing pauses, and a fruitful one once.
* Many pushes for which there is nothing new: ever more rarely, so that a flood of pushes does
  not become a flood of looks.
* While pushes are known to come: once an hour, should one have been lost.
* Whatever else: when the last look said that the next one is due.
"""

from collections.abc import Callable

# Seconds. The first pause after there was something new.
SHORTEST_S = 0.5

# The pauses after a push that nothing new was found for: 0.02, 0.04, ... 2.56 s.
FIRST_CHASE_S = 0.02
LONGEST_CHASE_S = 2.56

# So many fruitless pushes are each followed at once; then come pauses of 0.02, 0.04, ... 5 s.
BURST = 10
LONGEST_THROTTLE_S = 5.0
# A push that comes so long after the last one is no part of a flood.
QUIET_S = 60.0

# Between two looks while pushes come.
SAFETY_S = 3600.0


class Pace:
    """The time of the next look; the first is due at once.

    Args:
        chance: Returns 0 to 1: part of a pause that is left to it, so that many servers
            do not look at the same time.
    """

    def __init__(self, chance: Callable[[], float]) -> None:
        self._chance = chance
        self._due_at = float("-inf")
        self._looked_at = float("-inf")
        self._pause_s = SHORTEST_S
        self._chase_s: float | None = None
        self._fruitless = 0
        self._pushed_at = float("-inf")
        self._latest_at = float("inf")

    @property
    def due_at(self) -> float:
        """When to look, on the clock of the times that came in."""
        return self._due_at

    def asked(self, now: float) -> None:
        """Have a look now."""
        self._due_at = min(self._due_at, now)

    def pushed(self, now: float) -> None:
        """Take notice of a push."""
        self._fruitless = 0 if now - self._pushed_at > QUIET_S else self._fruitless + 1
        self._pushed_at = now
        throttle_s = self._throttle_s()
        if not throttle_s:
            self._chase_s = FIRST_CHASE_S
        self._due_at = min(self._due_at, max(now, self._looked_at + throttle_s))

    def looked(
        self,
        now: float,
        *,
        news: bool,
        longest_s: float,
        proven: bool,
        safety_s: float = SAFETY_S,
        renewed: bool = False,
        again_in_s: float | None = None,
    ) -> None:
        """Take notice of a look.

        Args:
            now: When it ended.
            news: Whether there was something new.
            longest_s: Longest pause between two polls, seconds.
            proven: Whether pushes are known to come.
            safety_s: Seconds until the next look then.
            renewed: Whether there was what a push may have told of, if nothing new.
            again_in_s: Seconds until the next look at the latest; `None`: no matter when.
        """
        self._looked_at = now
        self._latest_at = float("inf") if again_in_s is None else now + again_in_s
        if news:
            self._pause_s = SHORTEST_S
        if news or renewed:
            # Two pushes may have rung as one, and the second one's message not be there yet.
            self._chase_s = None if self._chase_s is None else LONGEST_CHASE_S
            self._fruitless = 0
        self._due_at = now + (safety_s if proven else self._next_pause_s(longest_s))
        if self._chase_s is not None:
            self._due_at = min(self._due_at, now + self._chase_s)
            longer_s = 2 * self._chase_s
            self._chase_s = longer_s if longer_s <= LONGEST_CHASE_S else None
        self._due_at = min(self._due_at, self._latest_at)

    def confirmed(self, at: float) -> None:
        """Take notice that there was nothing new, which another look has found.

        It counts if it was the last thing that happened. What a push has told of may not
        have been there to be found yet.
        """
        if self._chase_s is None and at > max(self._looked_at, self._pushed_at):
            self._due_at = min(max(self._due_at, at + SAFETY_S), self._latest_at)

    def lost(self, now: float, longest_s: float) -> None:
        """Go back to polling: pushes do not come any more.

        All servers of a cloud may find out at the same moment, so that the first look comes
        at any time within a pause.
        """
        self._pause_s = longest_s
        self._due_at = min(self._due_at, now + longest_s * self._chance())

    def _throttle_s(self) -> float:
        """Return the least time between two looks for pushes, seconds."""
        if self._fruitless < BURST:
            return 0.0
        # Doubled as often as it takes to reach the longest, and no more: a flood may be long.
        doublings = min(self._fruitless - BURST, 10)
        return float(min(FIRST_CHASE_S * 2**doublings, LONGEST_THROTTLE_S))

    def _next_pause_s(self, longest_s: float) -> float:
        pause_s = min(self._pause_s, longest_s)
        self._pause_s = min(2 * pause_s, longest_s)
        return pause_s * (0.75 + 0.25 * self._chance())
