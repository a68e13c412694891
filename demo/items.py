# SPDX-License-Identifier: Apache-2.0
"""What the demo can show: one class for each sort of line.

Items hold plain values only, so that each is one JSON object as it stands.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class Kind(StrEnum):
    """The steps of a deployment's way, in the order in which they are to happen."""

    STATUS = "status"
    AGENT_STARTED = "agent-started"
    POSTED = "posted"
    COLLECTED = "collected"
    HOOK_STARTED = "hook-started"
    HOOK_ENDED = "hook-ended"
    SENT = "sent"
    RECORDED = "recorded"


# Who did it, and whose turn it is then: the way of the data.
ACTORS: Mapping[Kind, tuple[str, str | None]] = {
    Kind.STATUS: ("Heat", None),
    Kind.AGENT_STARTED: ("agent", None),
    Kind.POSTED: ("Heat", "Zaqar"),
    Kind.COLLECTED: ("Zaqar", "agent"),
    Kind.HOOK_STARTED: ("hook", None),
    Kind.HOOK_ENDED: ("hook", None),
    Kind.SENT: ("agent", "Zaqar"),
    Kind.RECORDED: ("Zaqar", "Heat"),
}


@dataclass(frozen=True)
class Act:
    """The demo does something new; the seconds of its steps begin at zero."""

    act: str
    title: str


@dataclass(frozen=True)
class Progress:
    """Something takes a while; worth a line only where it can be overwritten."""

    text: str


@dataclass(frozen=True)
class Step:
    """One thing that happened.

    Attributes:
        act: The act it belongs to.
        elapsed_s: Seconds since the act began.
        time: When it happened, seconds since the epoch.
        kind: What it was; `None` for what the demo itself did.
        who: Who did it.
        to: Who gets what was done; `None`: nobody in particular.
        text: The rest of the sentence.
        failed: Whether it is bad news.
    """

    act: str
    elapsed_s: float
    time: float
    kind: Kind | None
    who: str
    to: str | None
    text: str
    failed: bool = False


@dataclass(frozen=True)
class Outputs:
    """A stack's outputs, fit to be shown."""

    values: Mapping[str, str]


@dataclass(frozen=True)
class Summary:
    """The end of a run that went well.

    Attributes:
        text: One paragraph.
        figures: The seconds in it, by act and step.
    """

    text: str
    figures: Mapping[str, Mapping[str, float]] = field(default_factory=dict)


@dataclass(frozen=True)
class Note:
    """A sentence that belongs to no act: where files are, that it was interrupted."""

    text: str


@dataclass(frozen=True)
class Problem:
    """The end of a run that failed.

    Attributes:
        text: Why.
        logs: Directories with logs.
    """

    text: str
    logs: tuple[str, ...] = ()


Item = Act | Progress | Step | Outputs | Summary | Note | Problem
