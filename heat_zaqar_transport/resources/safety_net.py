# SPDX-License-Identifier: Apache-2.0
"""When a waiting deployment looks into its signal queue itself.

While Zaqar's notifier works nobody needs to look; should it be broken or switched off,
a look now and then makes that cost seconds, never the deployment.
"""

from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass
class SafetyNet:
    """Growing intervals: first, then twice as long each time, up to the longest.

    With 10 and 1800 seconds that is 8 looks in an hour of waiting, none of them in
    the first 10 seconds.

    Attributes:
        first_s: Seconds until the first look.
        longest_s: Longest interval, in seconds.
        clock: Seconds that only go up, such as `time.monotonic`.
    """

    first_s: float
    longest_s: float
    clock: Callable[[], float]
    _interval_s: float = field(init=False)
    _due_at: float = field(init=False)

    def __post_init__(self) -> None:
        self._interval_s = self.first_s
        self._due_at = self.clock() + self.first_s

    def due(self) -> bool:
        """Tell whether to look now; a yes starts the next interval."""
        now = self.clock()
        if now < self._due_at:
            return False
        self._interval_s = min(2 * self._interval_s, self.longest_s)
        self._due_at = now + self._interval_s
        return True
