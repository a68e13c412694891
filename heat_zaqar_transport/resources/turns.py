# SPDX-License-Identifier: Apache-2.0
"""Taking turns, so that what several threads want done at the same time is done once."""

import contextlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field


@dataclass
class Turn:
    """What those know who wait for the same thing at the same time.

    Attributes:
        done: The newest generation that one of them has dealt with; `None`: none yet.
    """

    done: int | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _waiting: int = 0


class Turns:
    """Turns by name. A name that nobody holds or waits for is forgotten."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._turns: dict[str, Turn] = {}

    @contextlib.contextmanager
    def of(self, name: str) -> Iterator[Turn]:
        """Wait for the turn, and hold it."""
        with self._lock:
            turn = self._turns.setdefault(name, Turn())
            turn._waiting += 1
        try:
            with turn._lock:
                yield turn
        finally:
            with self._lock:
                turn._waiting -= 1
                if not turn._waiting:
                    del self._turns[name]
