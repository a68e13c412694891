"""Time that a test turns, and the engine's threads as greenlets: one runs at a time.

Nobody sleeps for real: who sleeps lets the others run, in the order in which they are due. So
what would be a matter of luck between threads is the same in each run.
"""

import itertools
import time

from greenlet import getcurrent, greenlet
from heat.common import timeutils

# Of one run: more than a stack's timeout of five minutes, and less than for ever.
LONGEST_S = 3600


class Task:
    """What `spawn` has started.

    Attributes:
        done: Whether it has ended.
        error: What it has raised.
        value: What it has returned.
    """

    def __init__(self, function, args, kwargs):
        self.done, self.error, self.value = False, None, None
        self._call = (function, args, kwargs)
        self._links = []

    def run(self):
        function, args, kwargs = self._call
        try:
            self.value = function(*args, **kwargs)
        except Exception as exc:
            self.error = exc
        self.done = True
        for call, more in self._links:
            call(self, *more)

    def link(self, call, *args):
        """Have something called at its end, as Heat's threads do."""
        if self.done:
            call(self, *args)
        else:
            self._links.append((call, args))


class Clock:
    """Stands in for `time.time`, `time.monotonic` and `time.sleep`.

    Args:
        meanwhile: Called each time that somebody has slept, and nobody else is due.
    """

    def __init__(self, meanwhile):
        # Signatures expire, so that it has to begin near the real time.
        self._epoch = int(time.time())
        self.now = 0.0
        self._meanwhile = meanwhile
        self._numbers = itertools.count()
        self._due = []
        self._hub = getcurrent()

    def time(self):
        return self._epoch + self.now

    def monotonic(self):
        return self.now

    @property
    def in_task(self):
        """Whether a task runs now, and not the test or an agent."""
        return getcurrent() is not self._hub

    def sleep(self, seconds):
        """Let others run; outside of all tasks this turns the time."""
        if not seconds:
            return  # oslo.db does so whenever it gives a connection back
        current = getcurrent()
        if current is self._hub:
            self.run(seconds)
        else:
            self._due.append((self.now + max(seconds, 0), next(self._numbers), current))
            self._hub.switch()

    def spawn(self, function, *args, **kwargs):
        """Start a task; it runs as soon as the one that runs now sleeps or ends."""
        task = Task(function, args, kwargs)
        started = greenlet(task.run, parent=self._hub)
        self._due.append((self.now, next(self._numbers), started))
        return task

    def run(self, seconds=None):
        """Run all tasks for so long; default: until all have ended."""
        assert getcurrent() is self._hub, "only a test turns the time"
        end = self.now + (LONGEST_S if seconds is None else seconds)
        while True:
            while self._next_at() <= self.now:
                self._due.remove(first := min(self._due, key=lambda due: due[:2]))
                first[2].switch()
            self._meanwhile()
            if self._next_at() <= self.now:
                continue
            if seconds is None and not self._due:
                return
            if self.now >= end:
                assert seconds is not None, f"not at an end after {LONGEST_S} s"
                return
            self.now = min(self._next_at(), end)

    def _next_at(self):
        return min((at for at, *_ in self._due), default=float("inf"))

    def patch(self, monkeypatch):
        for name in ("time", "monotonic", "sleep"):
            monkeypatch.setattr(time, name, getattr(self, name))
        # What Heat measures timeouts by.
        monkeypatch.setattr(timeutils, "wallclock", self.time)


class Lock:
    """A `threading.Lock` of greenlets: who waits for it lets the others run."""

    def __init__(self):
        self._held = False

    def __enter__(self):
        while self._held:
            time.sleep(0.05)
        self._held = True

    def __exit__(self, *exc_info):
        self._held = False
