# SPDX-License-Identifier: Apache-2.0
"""Puts what several sources tell into the order in which it happened. Pure.

A log line has the time of what it tells. An event of Heat's API has only the second, so
its time is found otherwise: from heat-engine's log where that has a line of the same, else
it is the latest that is possible, the look that showed it (0.1 s late in the middle) or the next
event that the log has. The latest, so that nothing comes after what it has caused.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from demo.lines import Event, Mark, describe_status

# How far a line of the log may lie outside of the two looks.
_SLACK_S = 1.0


@dataclass(frozen=True)
class Status:
    """One event of Heat's API.

    Attributes:
        subject: Name of the resource, or of the stack.
        status: Such as CREATE_COMPLETE.
        reason: In Heat's words.
        since: Time of the last look that did not show it.
        seen: Time of the look that did.
    """

    subject: str
    status: str
    reason: str
    since: float
    seen: float


class Merge:
    """Takes what happened from all sources, and gives it back in order."""

    def __init__(self) -> None:
        self._events: list[Event] = []
        self._statuses: list[Status] = []
        self._marks: list[Mark] = []
        self._floor = 0.0

    def add(self, told: Event | Mark) -> None:
        """Take what a log line told."""
        if isinstance(told, Mark):
            self._marks.append(told)
        else:
            self._events.append(told)

    def add_statuses(self, statuses: Iterable[Status]) -> None:
        """Take events of Heat's API, in Heat's order."""
        self._statuses += statuses

    def release(self, until: float) -> list[Event]:
        """Give back, in order, what happened before a time, and forget it.

        Args:
            until: Seconds since the epoch; all sources must have been read after it.
        """
        times = times_of(self._statuses, self._marks, self._floor)
        due = sum(time < until for time in times)
        told = [
            describe_status(time, each.subject, each.status, each.reason)
            for time, each in zip(times[:due], self._statuses, strict=False)
        ]
        self._floor = times[due - 1] if due else self._floor
        self._statuses = self._statuses[due:]
        told += [event for event in self._events if event.time < until]
        self._events = [event for event in self._events if event.time >= until]
        return sorted(told, key=lambda event: event.time)


def times_of(statuses: list[Status], marks: list[Mark], floor: float) -> list[float]:
    """Find when Heat's events happened; the times never fall.

    Args:
        statuses: In Heat's order.
        marks: What heat-engine's log told.
        floor: Time of the event before them.
    """
    marked = [_marked(status, marks) for status in statuses]
    times = [
        status.seen if mark is None else mark for status, mark in zip(statuses, marked, strict=True)
    ]
    # A time that is known bounds the guesses before it, then the ones after it.
    for at in range(len(times) - 2, -1, -1):
        if marked[at] is None:
            times[at] = min(times[at], times[at + 1])
    for at, time in enumerate(times):
        floor = times[at] = max(time, floor)
    return times


def _marked(status: Status, marks: list[Mark]) -> float | None:
    for mark in marks:
        same = mark.status == status.status and mark.subject in (status.subject, "")
        if same and status.since - _SLACK_S <= mark.time <= status.seen + _SLACK_S:
            return mark.time
    return None
