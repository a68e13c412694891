"""Process trees: who belongs to a service, and how none of them gets away.

A service's processes are found in two ways, since each has a hole: by descent (a daemon leaves its
parents), and by an environment variable (some programs overwrite theirs with a title).
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
from collections.abc import Iterable

import psutil

SERVICE_VARIABLE = "LOCALCLOUD_SERVICE"

# From the kernel's include/uapi/linux/prctl.h.
_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36


class _LibC:
    """The one C function needed; found at import, since a forked child must not load libraries."""

    prctl = ctypes.CDLL(None, use_errno=True).prctl


def become_subreaper() -> None:
    """Make this process the parent of every orphan among its descendants.

    Raises:
        OSError: the kernel refuses.
    """
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)


def die_with_parent() -> None:
    """Have the kernel kill this process when its parent dies; to be called in a child before exec.

    Raises:
        OSError: the kernel refuses.
    """
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def descendants() -> list[psutil.Process]:
    """List every living descendant of this process, zombies left out."""
    return [process for process in psutil.Process().children(recursive=True) if _lives(process)]


def members(service: str, main_pid: int) -> list[psutil.Process]:
    """List the living processes of a service, daemonized ones included.

    Args:
        service: its name, as in the variable ``LOCALCLOUD_SERVICE`` of its environment.
        main_pid: the process that was started; it may have ended already.
    """
    below = _below(main_pid)
    return [
        process for process in descendants() if process.pid in below or _tag(process) == service
    ]


def send(processes: Iterable[psutil.Process], signal_number: signal.Signals) -> None:
    """Send a signal to each of the processes that still live.

    ``psutil`` compares start times before it sends, so that a reused pid is never hit.
    """
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.send_signal(signal_number)


def memory_bytes(processes: Iterable[psutil.Process]) -> int:
    """Sum up the proportional memory (PSS) of processes, counting 0 for those that hide it."""
    return sum(_memory_bytes(process) for process in processes)


def _memory_bytes(process: psutil.Process) -> int:
    try:
        return int(process.memory_full_info().pss)
    except psutil.Error:
        return 0


def _below(pid: int) -> set[int]:
    try:
        main = psutil.Process(pid)
        return {pid, *(child.pid for child in main.children(recursive=True))}
    except psutil.NoSuchProcess:
        return set()


def _tag(process: psutil.Process) -> str | None:
    try:
        return process.environ().get(SERVICE_VARIABLE)
    except (psutil.Error, OSError):
        return None


def _lives(process: psutil.Process) -> bool:
    try:
        return bool(process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def _prctl(option: int, value: int) -> None:
    if _LibC.prctl(option, value, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), f"prctl({option}): {os.strerror(ctypes.get_errno())}")
