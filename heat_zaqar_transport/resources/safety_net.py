# SPDX-License-Identifier: Apache-2.0
"""When a waiting deployment looks into its signal queue itself.

While Zaqar's notifier works nobody needs to look; should it be broken or switched off,
a look now and then makes that cost seconds, never the deployment. Once a look has found
what the notifier should have told, no interval grows, until it tells again.
"""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from heat_zaqar_transport.resources.receive import OVERDUE_S


@dataclass
class Notifier:
    """What an engine process has seen of Zaqar's notifier, in whichever stack.

    Attributes:
        silent: Whether it did not tell of a message, last time.
    """

    silent: bool = False


NOTIFIER = Notifier()


class Looks:
    """When queues were last looked into, by whichever deployment of this process.

    Hundreds of deployments of one server may wait at the same time; one look serves them all.

    Args:
        clock: Seconds that only go up, such as `time.monotonic`.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._looked_at: dict[str, float] = {}

    def due(self, name: str, interval_s: float) -> bool:
        """Tell whether to look now; a yes counts as a look.

        Args:
            name: Names a server, or a queue.
            interval_s: Seconds that a look serves.
        """
        with self._lock:
            now = self._clock()
            self._looked_at = {
                each: at for each, at in self._looked_at.items() if now - at < interval_s
            }
            if name in self._looked_at:
                return False
            self._looked_at[name] = now
            return True


LOOKS = Looks(time.monotonic)


@dataclass
class SafetyNet:
    """Growing intervals: each as long as the waiting was until then, up to the longest.

    With 10 and 1800 seconds that is 9 looks in an hour of waiting, after 10, 20, 40, ...
    seconds. With a silent notifier all intervals are as long as the first.

    Attributes:
        first_s: Seconds until the first look.
        longest_s: Longest interval, in seconds.
        clock: Seconds that only go up, such as `time.monotonic`.
        notifier: Whether to rely on it.
    """

    first_s: float
    longest_s: float
    clock: Callable[[], float]
    notifier: Notifier
    _interval_s: float = field(init=False)
    _began_at: float = field(init=False)
    _looked_at: float = field(init=False)
    _found: bool = field(default=False, init=False)

    def __post_init__(self) -> None:
        self._interval_s = self.first_s
        self._began_at = self._looked_at = self.clock()

    def due(self) -> bool:
        """Tell whether to look now; a yes starts the next interval."""
        now = self.clock()
        if now < self._looked_at + (self.first_s if self.notifier.silent else self._interval_s):
            return False
        self._interval_s = min(now - self._began_at, self.longest_s)
        self._looked_at = now
        return True

    def looked(self, found: Sequence[int] | None) -> None:
        """Take notice of a look.

        Args:
            found: Ages of the messages that were found, in seconds; `None`: it could not
                be looked. That is tried again soon.
        """
        if found is None:
            self._interval_s = self.first_s
            return
        self._found = self._found or bool(found)
        if max(found, default=0) >= OVERDUE_S:
            self.notifier.silent = True

    def completed(self) -> None:
        """Take notice that the waiting is over; without a find of ours, somebody told."""
        if not self._found:
            self.notifier.silent = False
