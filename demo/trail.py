# SPDX-License-Identifier: Apache-2.0
"""The trail of a stack: log files and Heat's API, read again and again by one loop."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from demo.items import Kind
from demo.lines import Event, Parse, parse_engine, parse_guest
from demo.merge import Merge, Status

POLL_S = 0.1
# A line may reach its file this much after the time that is in it.
HOLD_S = 0.3


class Tail:
    """The lines that are added to a file.

    Args:
        path: The file, which need not be there yet.
        offset: Where to begin, in bytes.
    """

    def __init__(self, path: Path, offset: int = 0) -> None:
        self._path = path
        self._offset = offset

    @classmethod
    def from_now(cls, path: Path) -> "Tail":
        """Begin at the present end of a file."""
        return cls(path, path.stat().st_size)

    def lines(self) -> Iterator[str]:
        """Return the lines that are complete and have not been returned before."""
        if not self._path.exists():
            return
        with self._path.open("rb") as file:
            file.seek(self._offset)
            text, newline, _ = file.read().rpartition(b"\n")
        self._offset += len(text + newline)
        yield from text.decode(errors="replace").splitlines()


class HeatEvents:
    """The events of one stack, from Heat's API, each once.

    Args:
        fetch: Returns all of the stack's events, oldest first.
        since: When the stack began, seconds since the epoch.
    """

    def __init__(self, fetch: Callable[[], list[Any]], since: float) -> None:
        self._fetch = fetch
        self._since = since
        self._known: set[str] = set()

    def fetch(self) -> list[Status]:
        """Look, and return what is new."""
        began = time.time()
        found = [each for each in self._fetch() if each.id not in self._known]
        seen = time.time()
        self._known.update(each.id for each in found)
        statuses = [
            Status(
                each.resource_name,
                each.resource_status,
                each.resource_status_reason or "",
                self._since,
                seen,
            )
            for each in found
        ]
        self._since = began
        return statuses


class Trail:
    """All sources together.

    Args:
        events: Heat's.
        engine_log: heat-engine's log.
        guest_log: What the agent and all that it runs print.
    """

    def __init__(self, events: HeatEvents, engine_log: Tail, guest_log: Tail) -> None:
        self._statuses = events
        self._logs: list[tuple[Tail, Parse]] = [
            (engine_log, parse_engine),
            (guest_log, parse_guest),
        ]
        self._merge = Merge()

    def add(self, kind: Kind, text: str) -> None:
        """Add something that the demo itself has just done."""
        self._merge.add(Event(time.time(), kind, text))

    def poll(self, hold_s: float = HOLD_S) -> list[Event]:
        """Read every source once; return what is settled, in order."""
        began = time.time()
        self._merge.add_statuses(self._statuses.fetch())
        for tail, parse in self._logs:
            for line in tail.lines():
                if told := parse(line):
                    self._merge.add(told)
        return self._merge.release(began - hold_s)

    def rest(self) -> list[Event]:
        """Return everything that is left, settled or not."""
        time.sleep(HOLD_S)
        return self.poll(hold_s=-1)


def follow(
    trail: Trail,
    show: Callable[[Event], None],
    until: Callable[[Event], bool],
    check: Callable[[], None],
    timeout_s: float,
) -> bool:
    """Show a trail as it grows.

    Args:
        trail: The trail.
        show: Is given every event; may raise to end it all.
        until: Tells the event to stop after; the ones that came with it are shown too.
        check: Called again and again; raises when there is nothing to wait for any more.
        timeout_s: Seconds to go on at most.

    Returns:
        Whether the event came in time.
    """
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        events = trail.poll()
        for event in events:
            show(event)
        if any(until(event) for event in events):
            return True
        check()
        time.sleep(POLL_S)
    return False
