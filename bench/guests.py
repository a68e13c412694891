# SPDX-License-Identifier: Apache-2.0
"""Servers in directories, with our agent or with the released one, at their default intervals.

Both are laid out by the element's own script. The released agent then gets the command
os-collect-config as released in place of ours, heat-agents' 55-heat-config, its script hook and
its heat-config-notify; the templates of os-apply-config stay ours, and so does the way
in which processes are started and stopped.
"""

import re
import shlex
import sys
from pathlib import Path

from bench.released import ReleasedScripts
from localcloud.guest import Guest

# Options of the local configuration without which os-collect-config keeps its own defaults:
# 1 s at first, doubled up to 30 s.
_INTERVALS = re.compile(r"^(min_)?polling_interval\s*=.*\n", re.MULTILINE)
# What our agent logs.
CONNECTED = b"Connected to Zaqar's websocket server"
NOT_CONNECTED = "websocket: the agent never said that it was connected, so it must have polled."
_EXECUTABLE = 0o755


def our_guest(directory: Path, name: str) -> Guest:
    """Lay a guest out with our agent at its default intervals."""
    guest = Guest.create(directory, name=name)
    conf = guest.path("etc/os-collect-config-local.conf")
    conf.write_text(_INTERVALS.sub("", conf.read_text()))
    return guest


def released_guest(directory: Path, name: str, scripts: ReleasedScripts) -> Guest:
    """Lay a guest out with os-collect-config and heat-agents as released.

    Args:
        directory: Made if it is missing.
        name: For errors.
        scripts: heat-agents'.
    """
    guest = our_guest(directory, name)
    commands = guest.path("usr/local/bin")
    for ours in ("heat-config-run", "heat-config-hook-script"):
        (commands / ours).unlink(missing_ok=True)
    # Guest starts the agent by this name.
    agent = commands / "os-collect-config-zaqar"
    agent.unlink()
    agent.symlink_to(Path(sys.prefix).absolute() / "bin" / "os-collect-config")
    _shim(guest.path("usr/libexec/os-refresh-config/configure.d/55-heat-config"), scripts.runner)
    _shim(guest.path("usr/libexec/heat-config/hooks/script"), scripts.script_hook)
    _shim(commands / "heat-config-notify", scripts.notify)
    return guest


def mark_file(guest: Guest) -> Path:
    """Return the file that the scripts on a guest note their starts in."""
    return guest.path("root/marks")


def marks(guest: Guest) -> dict[int, float]:
    """Return when the script of each change has begun, seconds since the epoch."""
    try:
        lines = mark_file(guest).read_text().splitlines(keepends=True)
    except FileNotFoundError:
        return {}
    whole = (line.split() for line in lines if line.endswith("\n"))
    return {int(change): float(began) for change, began in whole}


def connected(guest: Guest) -> bool:
    """Tell whether our agent has said that it is connected to Zaqar's websocket server."""
    return guest.log.exists() and CONNECTED in guest.log.read_bytes()


def _shim(path: Path, script: Path) -> None:
    """Start a script with this virtual environment's Python, as an image's system Python does."""
    path.unlink(missing_ok=True)
    python = Path(sys.prefix).absolute() / "bin" / "python3"
    path.write_text(f'#!/bin/sh\nexec {shlex.quote(str(python))} {shlex.quote(str(script))} "$@"\n')
    path.chmod(_EXECUTABLE)
