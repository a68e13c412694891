# SPDX-License-Identifier: Apache-2.0
"""Pauses that double, for what is said again until it has been heard. Pure."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass
class Backoff:
    """The pauses between the times that one thing is said.

    Attributes:
        first_s: The first pause, seconds.
        longest_s: The longest, seconds.
        chance: Returns 0 to 1. Each pause is between three and five quarters of its length, so
            that many servers do not speak at the same time.
    """

    first_s: float
    longest_s: float
    chance: Callable[[], float]
    _pause_s: float = 0.0

    def next_s(self) -> float:
        """Return the next pause, seconds."""
        self._pause_s = min(2 * self._pause_s or self.first_s, self.longest_s)
        return self._pause_s * (0.75 + 0.5 * self.chance())

    def reset(self) -> None:
        """Begin with the first pause again."""
        self._pause_s = 0.0
