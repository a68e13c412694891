# SPDX-License-Identifier: Apache-2.0
"""What every way of being pushed has in common.

A push is a doorbell: it says when to look into the queue, and nothing of it is believed.
"""

import enum
import threading
import time
from collections.abc import Callable

from heat_zaqar_collector.pace import SAFETY_S

# Seconds that the collector gets to hear the bell.
GRACE_S = 0.1


class State(enum.Enum):
    """How far a push can be relied on.

    AWAY: None can come. DOUBTED: One should have come, and did not. CONNECTED: One can
    come, and none has yet. PROVEN: They come.
    """

    AWAY = enum.auto()
    DOUBTED = enum.auto()
    CONNECTED = enum.auto()
    PROVEN = enum.auto()

    @property
    def trusted(self) -> bool:
        """Whether the queue need not be polled."""
        return self in (State.CONNECTED, State.PROVEN)


class Push:
    """A way for Zaqar to tell that something was posted to the metadata queue.

    This one never tells: the queue is polled.

    Attributes:
        bell: Set when it is time to look: something was posted, or may have been while
            nobody could tell.
        pushed: Set with each push, for the outbox: its thread is awake while the collector
            waits for a command.
        confirmed_at: When another look than the collector's own has last found nothing
            new, on the clock of `time.monotonic`.
        safety_s: Seconds between two looks while it is relied on, should it fail unnoticed.
    """

    safety_s = SAFETY_S

    def __init__(self) -> None:
        self.bell = threading.Event()
        self.pushed = threading.Event()
        self._heeded = 0
        self.confirmed_at = float("-inf")
        self._connected = False
        self._proven = False
        self._doubted = False

    @property
    def state(self) -> State:
        """How far it can be relied on."""
        if not self._connected:
            return State.AWAY
        if self._doubted:
            return State.DOUBTED
        return State.PROVEN if self._proven else State.CONNECTED

    def start(self) -> None:
        """Begin to listen, in a thread of its own; returns at once."""

    def doubt(self) -> None:
        """Rely on it no more, until it tells something again."""
        self._doubted = True

    def opened(self) -> None:
        """Take notice that pushes can come from now on."""
        self._proven, self._connected = False, True
        # What was posted before that is found by a look now.
        self.bell.set()

    def told(self) -> None:
        """Take notice of a push."""
        self._proven, self._doubted = True, False
        self.bell.set()
        self.pushed.set()

    def heed(self) -> None:
        """Take notice that the collector has heard the bell."""
        self.bell.clear()
        self._heeded += 1

    def wait_pushed(self, at_most_s: float) -> bool:
        """Wait for a push; return whether one has come."""
        came = self.pushed.wait(at_most_s)
        self.pushed.clear()
        return came

    def unheeded(self, sleep: Callable[[float], None] = time.sleep) -> bool:
        """Tell whether the collector is too busy to hear the bell: it gets a moment."""
        before = self._heeded
        sleep(GRACE_S)
        return self.bell.is_set() and self._heeded == before

    def closed(self) -> None:
        """Take notice that none can come any more."""
        self._connected = False
