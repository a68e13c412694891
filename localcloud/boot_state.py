"""What a booting process lets other processes know of the boot, in two small files.

One in the cloud's directory says which steps the boot waits for, or that the cloud is ready.
The directory goes away when the boot fails. So the reason stands in a file beside the directory,
which the next boot there removes.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from localcloud.config import write_private
from localcloud.errors import BootFailed, LocalCloudError, ScratchInUse, StillBooting

if TYPE_CHECKING:
    from localcloud.boot import Progress

_STATE_FILE = "boot.json"
_LOOK_INTERVAL_S = 0.2
# A waiting process may begin to wait a little later than the boot has failed.
_RECENT_S = 10.0


@dataclass(frozen=True)
class BootState:
    """How far a boot is.

    Attributes:
        pid: the booting process; 0 when it is not known.
        waits_for: the steps that have begun and are not done.
        seconds_to_ready: how long the boot took; ``None``: the cloud is not ready.
    """

    pid: int = 0
    waits_for: tuple[str, ...] = ()
    seconds_to_ready: float | None = None

    @property
    def ready(self) -> bool:
        """Whether the cloud is ready for use."""
        return self.seconds_to_ready is not None

    def after(self, event: Progress) -> BootState:
        """Give the state after something has happened."""
        others = tuple(name for name in self.waits_for if name != event.step)
        waits_for = (*others, event.step) if event.state == "started" else others
        return dataclasses.replace(self, waits_for=waits_for)

    def save(self, scratch: Path) -> None:
        """Write the state to the cloud's directory."""
        write_private(scratch / _STATE_FILE, json.dumps(dataclasses.asdict(self)))

    def __str__(self) -> str:
        return "ready" if self.ready else f"it waits for {', '.join(self.waits_for) or 'its start'}"


def load(scratch: Path) -> BootState:
    """Read how far the boot of a cloud is."""
    try:
        state = json.loads((scratch / _STATE_FILE).read_text())
    except FileNotFoundError:
        return BootState()
    return BootState(**{**state, "waits_for": tuple(state["waits_for"])})


@contextlib.contextmanager
def failure_told(scratch: Path | None) -> Iterator[None]:
    """Write why a boot fails, for those who wait for the cloud.

    Args:
        scratch: the cloud's directory; ``None``: nobody can know it yet, nobody waits.
    """
    if scratch is None:
        yield
        return
    file = _failure_file(scratch)
    with contextlib.suppress(OSError):
        file.unlink()
    try:
        yield
    except ScratchInUse:
        raise  # it is perhaps another boot, which has not failed
    except BaseException as error:
        failure = {"reason": str(error) or type(error).__name__, "pid": os.getpid()}
        with contextlib.suppress(OSError):
            write_private(file, json.dumps(failure))
        raise


class Wait:
    """Waiting for a cloud that another process boots.

    Args:
        scratch: the cloud's directory, which need not be there yet.
        wait_s: how long to wait, in seconds; ``None``: not at all.
    """

    def __init__(self, scratch: Path, wait_s: float | None) -> None:
        self._scratch = scratch
        self._wait_s = wait_s
        self._began = time.time()
        self._deadline = time.monotonic() + (wait_s or 0.0)
        self._booter = 0

    def go_on(self, trouble: LocalCloudError | BootState) -> None:
        """Pause before the next look.

        Args:
            trouble: why the cloud cannot be used yet.

        Raises:
            BootFailed: the boot has failed, or its process has ended.
            StillBooting: time is up.
            LocalCloudError: the trouble itself, where there is no waiting.
        """
        if isinstance(trouble, BootState):
            self._booter = trouble.pid
        # Looked at first: the process writes its reason before it ends.
        gone = self._booter and not psutil.pid_exists(self._booter)
        reason = self._failure() or (f"process {self._booter} has ended" if gone else "")
        if reason:
            raise BootFailed(f"the cloud in {self._scratch} did not come up: {reason}")
        if self._wait_s is None and isinstance(trouble, LocalCloudError):
            raise trouble
        if time.monotonic() >= self._deadline:
            text = f"the cloud in {self._scratch} is not ready after {self._wait_s:g} s: {trouble}"
            raise StillBooting(text)
        time.sleep(_LOOK_INTERVAL_S)

    def _failure(self) -> str:
        """Read why the boot has failed; empty when it has not.

        The failure of an earlier boot does not count: one that is older than this wait, and whose
        process has ended.
        """
        file = _failure_file(self._scratch)
        try:
            failure = json.loads(file.read_text())
            recent = file.stat().st_mtime >= self._began - _RECENT_S
        except (OSError, ValueError):
            return ""
        return str(failure["reason"]) if recent or psutil.pid_exists(failure["pid"]) else ""


def _failure_file(scratch: Path) -> Path:
    return scratch.with_name(f"{scratch.name}.failed")
