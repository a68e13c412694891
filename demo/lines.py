# SPDX-License-Identifier: Apache-2.0
"""From log lines and Heat's events to what they tell. Pure: text in, values out.

Only what a pattern names gets through, so that a line of an unexpected form can be
overlooked but never shown.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from demo.items import Kind

_STAMP = re.compile(r"^(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d)[.,](\d{3}) (.*)$")
_STAMP_FORMAT = "%Y-%m-%d %H:%M:%S.%f"

# heat-engine's log.
_POSTED = re.compile(r"\] Channel \S+: posted generation (\d+)$")
_RECORDED = re.compile(r"\] Channel \S+: deployment \S+ (?:succeeded|failed)")
_BEGUN = re.compile(r'\] (creating|updating|deleting) \w+ "([^"]+)" .*Stack "')
_STACK_ENDED = re.compile(r"\] Stack (\w+) (COMPLETE|FAILED) \(([^)]+)\): ")
_ACTIONS = {"creating": "CREATE", "updating": "UPDATE", "deleting": "DELETE"}

# The guest's log: the collector's and the runner's lines.
_COLLECTED = re.compile(r"heat_zaqar_collector\S* .*Generation (\d+) of channel \S+ collected$")
_RUNNER = r"heat_zaqar_hooks\S* deployment \S+ \([\w-]+\): "
_HOOK_STARTED = re.compile(_RUNNER + r"hook (\S+) started$")
_HOOK_ENDED = re.compile(_RUNNER + r"hook ended with status (\d+) after ([\d.]+) s")
_SENT = re.compile(_RUNNER + r"result sent by ZAQAR_MESSAGE$")

# Reasons of a server's SIGNAL events.
_SIGNALLED = re.compile(r"^Signal: deployment \S+ (succeeded|failed)")
SIGNAL = "SIGNAL_COMPLETE"


@dataclass(frozen=True)
class Event:
    """Something that happened.

    Attributes:
        time: Seconds since the epoch.
        kind: What it was.
        text: The same for people.
        subject: The resource or stack that a status is of.
        generation: Of which snapshot, where it is about one.
        failed: Whether it is bad news.
    """

    time: float
    kind: Kind
    text: str
    subject: str = ""
    generation: int | None = None
    failed: bool = False


@dataclass(frozen=True)
class Mark:
    """When, to the millisecond, a resource or stack came to a status.

    Heat's API tells the status for certain but its time in whole seconds; heat-engine's log tells
    the time. Of a signal the log does not name the resource: `subject` is empty then.
    """

    time: float
    subject: str
    status: str


Parsed = Event | Mark | None
Parse = Callable[[str], Parsed]


def parse_engine(line: str) -> Parsed:
    """Read one line of heat-engine's log; `None`: it tells nothing of interest."""
    time, rest = _split(line)
    if time is None:
        return None
    if found := _POSTED.search(rest):
        text = f"generation {found[1]} of the server's metadata posted to its queue"
        return Event(time, Kind.POSTED, text, generation=int(found[1]))
    if _RECORDED.search(rest):
        return Mark(time, "", SIGNAL)
    if found := _BEGUN.search(rest):
        return Mark(time, found[2], f"{_ACTIONS[found[1]]}_IN_PROGRESS")
    if found := _STACK_ENDED.search(rest):
        return Mark(time, found[3], f"{found[1]}_{found[2]}")
    return None


def parse_guest(line: str) -> Parsed:
    """Read one line of the guest's log; `None`: it tells nothing of interest."""
    time, rest = _split(line)
    if time is None:
        return None
    if found := _COLLECTED.search(rest):
        text = f"generation {found[1]} collected"
        return Event(time, Kind.COLLECTED, text, generation=int(found[1]))
    if found := _HOOK_STARTED.search(rest):
        return Event(time, Kind.HOOK_STARTED, f"{found[1]} started")
    if found := _HOOK_ENDED.search(rest):
        text = f"ended with status {found[1]} after {found[2]} s"
        return Event(time, Kind.HOOK_ENDED, text, failed=found[1] != "0")
    if _SENT.search(rest):
        return Event(time, Kind.SENT, "result posted to the signal queue")
    return None


def describe_status(time: float, subject: str, status: str, reason: str) -> Event:
    """Say what one of Heat's events means.

    Args:
        time: When it happened.
        subject: The resource's name, or the stack's.
        status: Such as CREATE_COMPLETE.
        reason: Heat's reason; shown of failures only, as it may hold anything.
    """
    if status == SIGNAL and (signalled := _SIGNALLED.search(reason)):
        bad = signalled[1] == "failed"
        return Event(time, Kind.RECORDED, f"result recorded: {signalled[1]}", subject, None, bad)
    failed = status.endswith("_FAILED")
    text = f"{subject} {status}" + (f": {reason}" if failed else "")
    return Event(time, Kind.STATUS, text, subject, None, failed)


def _split(line: str) -> tuple[float | None, str]:
    """Split a line into its time, which is local, and the rest."""
    found = _STAMP.match(line)
    if found is None:
        return None, line
    stamp = datetime.strptime(f"{found[1]}.{found[2]}", _STAMP_FORMAT)
    return stamp.timestamp(), found[3]
