"""The other end of the supervisor's control socket."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

from localcloud.errors import LocalCloudError, NotRunning
from localcloud.plan import REPO_ROOT, Plan
from localcloud.protocol import Command, Status

# On top of what a request itself may take.
_ANSWER_TIMEOUT_S = 30.0


class SupervisorClient:
    """Talks to one cloud's supervisor; each call is its own connection, so threads may share it.

    Args:
        control: path of the control socket.
    """

    def __init__(self, control: Path) -> None:
        self._control = control

    def start(self, command: Command) -> int:
        """Start a process and return its pid.

        Raises:
            LocalCloudError: it cannot be started, or one of that name runs.
        """
        return int(self._ask("start", **command.to_json())["pid"])

    def wait(self, name: str, timeout_s: float) -> int | None:
        """Wait for a process's end.

        Args:
            name: its service's name.
            timeout_s: how long to wait, in seconds.

        Returns:
            The return code (negative: a signal), or ``None`` when it still runs.
        """
        reply = self._ask("wait", timeout_s, name=name, timeout_s=timeout_s)
        returncode: int | None = reply["returncode"]
        return returncode

    def stop(self, name: str, grace_s: float) -> None:
        """End all processes of a service: SIGTERM, then SIGKILL after the grace (seconds)."""
        self._ask("stop", grace_s, name=name, grace_s=grace_s)

    def kill(self, name: str) -> None:
        """End all processes of a service by SIGKILL; it counts as a death."""
        self._ask("kill", name=name)

    def status(self, *, with_memory: bool = False) -> dict[str, Status]:
        """Describe everything that was started so far, by name.

        Args:
            with_memory: whether to add up the memory too; it is 0 otherwise.
        """
        services = self._ask("status", with_memory=with_memory)["services"]
        return {name: Status(**fields) for name, fields in services.items()}

    def shutdown(self) -> None:
        """Begin the end of the supervisor and of everything that it owns."""
        self._ask("shutdown")

    def _ask(self, verb: str, patience_s: float = 0.0, /, **arguments: object) -> dict[str, Any]:
        request = json.dumps({"verb": verb, **arguments}).encode() + b"\n"
        try:
            line = self._exchange(request, patience_s + _ANSWER_TIMEOUT_S)
        except OSError as error:
            raise NotRunning(f"no supervisor answers at {self._control}: {error}") from error
        if not line:
            raise NotRunning(f"the supervisor at {self._control} went away")
        reply: dict[str, Any] = json.loads(line)
        if not reply["ok"]:
            raise LocalCloudError(reply["error"])
        return reply

    def _exchange(self, request: bytes, timeout_s: float) -> bytes:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(timeout_s)
            connection.connect(str(self._control))
            connection.sendall(request)
            with connection.makefile("rb") as answers:
                return answers.readline()


def launch(plan: Plan, mark: socket.socket) -> subprocess.Popen[bytes]:
    """Start a cloud's supervisor, owned by this process.

    The pipe to its standard input must stay open for as long as the cloud is to live.

    Args:
        plan: the cloud.
        mark: the mark on its ports; the supervisor keeps it open.

    Raises:
        LocalCloudError: it did not come up.
    """
    log = plan.logs / "supervisor.log"
    argv = [sys.executable, "-m", "localcloud.supervisor", "--control", str(plan.control_socket)]
    argv += ["--owner", str(os.getpid()), "--log", str(log)]
    if not plan.keep:
        argv += ["--remove", str(plan.scratch)]
    with log.open("ab") as errors:
        process = subprocess.Popen(
            argv,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            cwd="/",
            env={**os.environ, "PYTHONPATH": str(REPO_ROOT)},
            pass_fds=[mark.fileno()],
            start_new_session=True,
        )
    assert process.stdout is not None  # it was asked for; tells the type checker
    with process.stdout:
        if not process.stdout.readline():
            raise LocalCloudError(f"the supervisor did not start: {log.read_text().strip()}")
    return process
