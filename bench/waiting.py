# SPDX-License-Identifier: Apache-2.0
"""Waiting that ends: by what is waited for, by its time, or because the run is over."""

import contextlib
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from typing import TypeVar

from bench.errors import Late, Stopped

_T = TypeVar("_T")

# Seconds between two looks at whether the run is over, while another one has its turn.
TURN_POLL_S = 0.5


class Clock:
    """The time of one run, shared by its threads.

    Args:
        limit_s: Seconds after which the run is over.
    """

    def __init__(self, limit_s: float) -> None:
        self._over = threading.Event()
        self._ends = time.monotonic() + limit_s

    def stop(self) -> None:
        """End the run: whatever waits raises `Stopped`."""
        self._over.set()

    @property
    def over(self) -> bool:
        """Whether the run is over."""
        return self._over.is_set() or time.monotonic() >= self._ends

    def sleep(self, seconds: float) -> None:
        """Wait.

        Raises:
            Stopped: The run is over.
        """
        left = self._ends - time.monotonic()
        if self._over.wait(max(0.0, min(seconds, left))) or left <= seconds:
            raise Stopped

    def until(
        self, look: Callable[[], _T | None], timeout_s: float, what: str, every_s: float = 0.05
    ) -> _T:
        """Look again and again until there is something to see.

        Args:
            look: Returns what was waited for, or `None`.
            timeout_s: Seconds to go on.
            what: For the error.
            every_s: Seconds between two looks.

        Raises:
            Late: It did not come in time.
            Stopped: The run is over.
        """
        deadline = time.monotonic() + timeout_s
        while (seen := look()) is None:
            if time.monotonic() > deadline:
                raise Late(what, timeout_s)
            self.sleep(every_s)
        return seen


class Turns:
    """Lets one thread at a time go on.

    Args:
        clock: The run's.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()

    @contextlib.contextmanager
    def turn(self) -> Iterator[None]:
        """Wait for one's turn, and keep it.

        Raises:
            Stopped: The run is over.
        """
        while not self._lock.acquire(timeout=TURN_POLL_S):
            if self._clock.over:
                raise Stopped
        try:
            yield
        finally:
            self._lock.release()


def in_parallel(clock: Clock, calls: Sequence[Callable[[], _T]]) -> list[_T]:
    """Make calls at the same time, each in a thread of its own.

    Args:
        clock: Stopped when one of the calls raises, or on Ctrl-C, so that the others give up.
        calls: At least one.

    Returns:
        What they return, in their order.

    Raises:
        Exception: What the first of them that failed has raised.
    """
    with ThreadPoolExecutor(len(calls), thread_name_prefix="bench") as pool:
        futures = [pool.submit(call) for call in calls]
        try:
            done, _ = wait(futures, return_when=FIRST_EXCEPTION)
            failed = [future for future in done if future.exception() is not None]
            if failed:
                clock.stop()
            # One that failed first: what the others then raise is of no interest.
            return [future.result() for future in (*failed, *futures)][len(failed) :]
        except BaseException:
            clock.stop()
            raise
