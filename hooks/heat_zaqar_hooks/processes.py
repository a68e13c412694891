# SPDX-License-Identifier: Apache-2.0
"""Process groups of hooks: known again after a crash of the runner, and ended as a whole.

A process is named by its number and the kernel's start time, as numbers are used again.
Source: proc(5), /proc/PID/stat.
"""

import contextlib
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

PROC = Path("/proc")

# Seconds that an orphan has between SIGTERM and SIGKILL, and after that to be gone.
ORPHAN_GRACE_S = 5.0
GONE_WITHIN_S = 2.0
POLL_S = 0.02

# Fields of /proc/PID/stat after the name, which ends with the last ")".
_STATE, _GROUP, _START_TIME = 0, 2, 19
_DEAD = ("Z", "X")


def start_time(pid: int) -> str | None:
    """Return when a process started, in the kernel's clock ticks; `None`: there is none."""
    fields = _stat(pid)
    return fields[_START_TIME] if fields else None


def is_same(pid: int | None, started: str | None) -> bool:
    """Tell whether a process is still the one that was started then."""
    return pid is not None and started is not None and start_time(pid) == started


def end_group(
    group: int, grace_s: float = ORPHAN_GRACE_S, sleep: Callable[[float], None] = time.sleep
) -> None:
    """End all processes of a group: SIGTERM, and SIGKILL for what is left after a while.

    Args:
        group: Its number.
        grace_s: Seconds between the two signals, at most.
        sleep: Waits between looks whether it is gone, seconds.
    """
    for number, wait_s in ((signal.SIGTERM, grace_s), (signal.SIGKILL, GONE_WITHIN_S)):
        send_signal(group, number)
        if _gone_within(group, wait_s, sleep):
            return


def send_signal(group: int, number: signal.Signals) -> None:
    """Send a signal to all processes of a group; none left does not matter.

    Nor do processes that this one may not end, as those of another user in a container
    without CAP_KILL: the runner has other deployments to bring on.
    """
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)


def _gone_within(group: int, wait_s: float, sleep: Callable[[float], None]) -> bool:
    for _ in range(max(1, round(wait_s / POLL_S))):
        if not _lives(group):
            return True
        sleep(POLL_S)
    return False


def _lives(group: int) -> bool:
    """Tell whether the group has a process that is not dead; killpg() counts the dead, too."""
    numbers = (int(entry.name) for entry in PROC.iterdir() if entry.name.isdigit())
    return any(
        fields[_GROUP] == str(group) and fields[_STATE] not in _DEAD
        for fields in map(_stat, numbers)
        if fields
    )


def _stat(pid: int) -> list[str] | None:
    try:
        text = (PROC / str(pid) / "stat").read_text(encoding="utf-8", errors="replace")
    except OSError:  # gone
        return None
    return text.rpartition(")")[2].split()
