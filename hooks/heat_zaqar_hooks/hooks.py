# SPDX-License-Identifier: Apache-2.0
"""Hooks: programs that apply a config of one group. heat-agents' contract, so its hooks run.

The hook gets the config as JSON on standard input, gives a JSON object of outputs on
standard output, and inherits the environment. Its standard error is for people.
"""

import json
import subprocess
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from heat_zaqar_transport.wire.errors import HookFailed


@dataclass(frozen=True)
class HookRun:
    """What a hook left behind.

    Attributes:
        returncode: Exit status; negative: minus the number of the signal that ended it.
        stdout: Decoded as UTF-8, bytes that are none replaced.
        stderr: Likewise.
        duration_s: Seconds from its start to its end.
    """

    returncode: int
    stdout: str = field(repr=False)
    stderr: str = field(repr=False)
    duration_s: float


def find(group: str, directories: Iterable[Path]) -> Path | None:
    """Return the first hook for a group; `None`: there is none.

    Args:
        group: Its letters, digits, '-' and '_' are the file name looked for.
        directories: Where to look; need not exist.
    """
    name = "".join(char for char in group if char.isalnum() or char in "-_")
    paths = (directory / name for directory in directories)
    return next((path for path in paths if _exists(path)), None) if name else None


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:  # such as a name too long for a file
        return False


def run(path: Path, document: Mapping[str, Any]) -> HookRun:
    """Run a hook to its end, however long that takes.

    Args:
        path: The program.
        document: The config, given to it as JSON.

    Raises:
        HookFailed: It cannot be started: not executable, no interpreter, no program.
    """
    started = time.monotonic()
    try:
        done = subprocess.run(
            [path], input=json.dumps(document).encode(), capture_output=True, check=False
        )
    except OSError as exc:
        raise HookFailed(f"hook {path} cannot be started: {exc.strerror}") from exc
    return HookRun(
        returncode=done.returncode,
        stdout=done.stdout.decode(errors="replace"),
        stderr=done.stderr.decode(errors="replace"),
        duration_s=time.monotonic() - started,
    )
