# SPDX-License-Identifier: Apache-2.0
"""The reboot that a hook asked for, by a command of the operator's choice."""

import logging
import shlex
import subprocess
from dataclasses import dataclass

LOG = logging.getLogger(__name__)

# Seconds. The command starts a reboot and need not see it.
TIMEOUT_S = 60.0


@dataclass(frozen=True)
class Reboot:
    """Asks for a reboot.

    Attributes:
        command: A program and its arguments, quoted as for a shell; empty: nothing is
            run, as the hook or somebody else reboots.
    """

    command: str

    def __call__(self) -> None:
        """Run the command; if it fails that is logged, and the runner's next pass asks again."""
        try:
            self._run(shlex.split(self.command))
        except ValueError as exc:
            LOG.error("option [zaqar] reboot_command cannot be used: %s", exc)
        except OSError as exc:
            LOG.error("the reboot command cannot be started: %s", exc.strerror)
        except subprocess.TimeoutExpired:
            LOG.error("the reboot command took more than %g s", TIMEOUT_S)

    def _run(self, words: list[str]) -> None:
        if not words:
            LOG.info("no reboot command is configured; somebody else has to reboot")
            return
        done = subprocess.run(words, stdin=subprocess.DEVNULL, check=False, timeout=TIMEOUT_S)
        if done.returncode:
            LOG.error("the reboot command ended with exit status %d", done.returncode)
