# SPDX-License-Identifier: Apache-2.0
"""What an act's events amount to: is the trail whole, and how long did it take? Pure."""

from collections.abc import Iterable, Mapping, Sequence

from demo.errors import DemoFailed
from demo.items import Kind
from demo.lines import Event

WAY = (
    Kind.POSTED,
    Kind.COLLECTED,
    Kind.HOOK_STARTED,
    Kind.HOOK_ENDED,
    Kind.SENT,
    Kind.RECORDED,
)


def missing(events: Sequence[Event]) -> list[str]:
    """Name the steps of a deployment's way that did not happen, or failed."""
    done = {event.kind for event in events if not event.failed}
    return [kind.value for kind in WAY if kind not in done]


def figures(events: Sequence[Event], began: float) -> dict[str, float]:
    """Measure one act with a whole trail.

    Args:
        events: In order.
        began: When Heat was asked, seconds since the epoch.

    Returns:
        Seconds: `posted` after the request; `collected`, `started` and `recorded` after that
        post; `complete`, again after the request.

    Raises:
        DemoFailed: What ran is not what was posted and collected.
    """
    started = _only(e for e in events if e.kind is Kind.HOOK_STARTED)
    before = [e for e in events if e.kind is Kind.COLLECTED and e.time <= started.time]
    collected = _only(reversed(before))
    posted = _only(
        e for e in events if e.kind is Kind.POSTED and e.generation == collected.generation
    )
    recorded = _only(e for e in events if e.kind is Kind.RECORDED)
    return {
        "posted": posted.time - began,
        "collected": collected.time - posted.time,
        "started": started.time - posted.time,
        "recorded": recorded.time - posted.time,
        "complete": events[-1].time - began,
    }


def paragraph(measured: Mapping[str, Mapping[str, float]], total_s: float) -> str:
    """Write the last word of a run.

    Args:
        measured: The figures by act.
        total_s: Seconds that the whole run took.
    """
    told = " ".join(_sentence(act, seconds) for act, seconds in measured.items())
    return f"{told} The whole demo took {total_s:.0f} s."


def _sentence(act: str, seconds: Mapping[str, float]) -> str:
    s = {name: f"{value:.1f} s" for name, value in seconds.items()}
    return (
        f"{act.capitalize()}: Heat posted the configuration {s['posted']} after the request; "
        f"from there it took {s['collected']} to the server, {s['started']} to the script's start "
        f"and {s['recorded']} to the result in Heat; stack complete after {s['complete']} in all."
    )


def _only(found: Iterable[Event]) -> Event:
    """Return the first; none at all is a trail that contradicts itself."""
    for event in found:
        return event
    raise DemoFailed("the hook ran for a generation that was not seen posted and collected")
