# SPDX-License-Identifier: Apache-2.0
"""A notify program of somebody's own, called the way heat-agents calls one."""

import json
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from heat_zaqar_hooks.bounds import MAX_SIGNAL_BYTES
from heat_zaqar_transport.wire.errors import RequestRefused

# Seconds. heat-agents' own program retries for some minutes before it gives up.
TIMEOUT_S = 900.0


@dataclass(frozen=True)
class ExternalSignal:
    """Runs `PROGRAM CONFIG.json` with the outputs as JSON on its standard input.

    Attributes:
        program: A path, or a name to look for in $PATH.
        config_path: The config's file in the deployed directory.
        limit_bytes: What its transport carries.
        timeout_s: Seconds until the program is killed.
    """

    program: str
    config_path: Path
    limit_bytes: int = MAX_SIGNAL_BYTES
    timeout_s: float = TIMEOUT_S

    @property
    def transport(self) -> str:
        """What the log calls it."""
        return self.program

    def send(self, outputs: Mapping[str, Any]) -> None:
        """Deliver the outputs; exit status 0 means that they were.

        What the program prints is not passed on: it may hold secrets.

        Raises:
            RequestRefused: It cannot be started, takes too long, or says that it failed.
                Not retriable: retrying within a run is the program's own business.
        """
        operation = f"notify by {self.program}"
        try:
            done = subprocess.run(
                [self.program, self.config_path],
                input=json.dumps(dict(outputs)).encode(),
                capture_output=True,
                check=False,
                timeout=self.timeout_s,
            )
        except OSError as exc:
            raise RequestRefused(operation, f"cannot be started: {exc.strerror}") from exc
        except subprocess.TimeoutExpired as exc:
            raise RequestRefused(operation, f"took more than {self.timeout_s:g} s") from exc
        if done.returncode:
            raise RequestRefused(operation, f"exit status {done.returncode}")
