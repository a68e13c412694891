# SPDX-License-Identifier: Apache-2.0
"""os-collect-config's loop, from within a call of its collector.

Its loop collects, runs the command when something has changed, sleeps, and starts
itself anew when its configuration file has changed. We wait inside the collection, so
that three of its duties fall to us: to pause after a command that failed, to end the
waiting for a changed file, and for SIGHUP, which it ignores after its first command.
"""

import json
import signal
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from os_collect_config import cache, collect
from oslo_log import log as logging

LOG = logging.getLogger(__name__)

# Seconds until a command that failed runs again, the first time.
FIRST_RETRY_S = 1.0


@dataclass
class Patience:
    """How long to wait for something new.

    os-collect-config runs its command again after each collection until it has succeeded.

    Attributes:
        name: The collector's.
        failures: Commands that have failed in a row.
    """

    name: str
    failures: int = 0

    def seconds(self, longest_s: float) -> float:
        """Return the longest, or, after commands that failed, 1, 2, 4, ... seconds."""
        self.failures = 0 if self._applied() else self.failures + 1
        if not self.failures:
            return longest_s
        # The command may fail for months: ten doublings are enough.
        return min(longest_s, FIRST_RETRY_S * 2.0 ** min(self.failures - 1, 10))

    def _applied(self) -> bool:
        """Tell whether the command succeeded with what was collected last."""
        collected = Path(cache.get_path(self.name))
        applied = Path(f"{collected}.last")
        try:
            return bool(json.loads(collected.read_bytes()) == json.loads(applied.read_bytes()))
        except (OSError, ValueError):
            return not collected.exists()


def restart_on_change(config_files: Sequence[str]) -> Callable[[], None]:
    """Return a function that starts the agent anew if a configuration file has changed.

    Args:
        config_files: Those that were read.
    """
    known = [_stamps(config_files), collect.getfilehash(config_files)]

    def restart_if_changed() -> None:
        stamps = _stamps(config_files)
        if stamps == known[0]:
            return
        known[0] = stamps
        if collect.getfilehash(config_files) != known[1]:
            LOG.info("The configuration has changed: starting anew")
            collect.reexec_self()

    return restart_if_changed


def heed_sighup() -> None:
    """Have SIGHUP start the agent anew, also after os-collect-config's first command."""
    signal.signal(signal.SIGHUP, collect.reexec_self)


def _stamps(paths: Sequence[str]) -> list[tuple[int, int, int] | None]:
    return [_stamp(Path(path)) for path in paths]


def _stamp(path: Path) -> tuple[int, int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size
