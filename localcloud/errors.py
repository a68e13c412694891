"""What can go wrong with a local cloud.

LocalCloudError
├── PackagesMissing     Debian packages that have to be installed first
├── NoFreePorts         no block of loopback ports is free
├── BadScratch          the scratch directory cannot be used
│   └── ScratchInUse    there is something in it, perhaps another cloud
├── NotRunning          no cloud, or no such service, where one was expected
├── BootFailed          the cloud that was waited for did not come up
├── StillBooting        the cloud that was waited for is not ready in time
├── StepFailed          a preparation (database files, schemas) failed
├── CatalogFailed       Keystone refused what it should have been filled with
├── ServiceDied         a service's process has ended
└── NotReady            a service lives but does not answer in time

Every one of them prints as text that a user can act on; the command line shows just that.
"""

from __future__ import annotations

import signal
from pathlib import Path

TAIL_LINES = 25
_TAIL_BYTES = 64 * 1024


class LocalCloudError(Exception):
    """Root of everything that this package raises on purpose."""


class PackagesMissing(LocalCloudError):
    """Programs from Debian packages are not on this machine.

    Args:
        packages: names of the Debian packages, in the order to install them.
    """

    def __init__(self, packages: tuple[str, ...]) -> None:
        super().__init__(packages)
        self.packages = packages

    def __str__(self) -> str:
        return f"missing Debian packages, as root run: apt-get install {' '.join(self.packages)}"


class NoFreePorts(LocalCloudError):
    """No block of ports outside the kernel's own choice is free on 127.0.0.1."""


class BadScratch(LocalCloudError):
    """The scratch directory is not empty, cannot be entered, or its path is too long."""


class ScratchInUse(BadScratch):
    """The scratch directory is not empty."""


class NotRunning(LocalCloudError):
    """There is no cloud (or no such service) to talk to."""


class BootFailed(LocalCloudError):
    """Another process could not boot the cloud that was waited for; the text is its reason."""


class StillBooting(LocalCloudError):
    """The cloud that was waited for is not ready in time; the text says what it waits for."""


class LoggedError(LocalCloudError):
    """An error whose cause stands in a service's log.

    Args:
        service: name of the service or preparation.
        log: its log file; the last lines are read when the error is made, because the file goes
            away with the scratch directory.
    """

    def __init__(self, service: str, log: Path) -> None:
        super().__init__(service, log)
        self.service = service
        self.log = log
        self.tail = tail(log)

    def summary(self) -> str:
        """Say in one line what happened."""
        return self.service

    def __str__(self) -> str:
        text = f"{self.summary()}, log: {self.log}"
        return f"{text}\n{self.tail}" if self.tail else text


class ServiceDied(LoggedError):
    """A service's main process has ended without having been asked to.

    Args:
        service: its name.
        returncode: exit status; negative is the signal that ended it, as in ``subprocess``.
        log: its log file.
    """

    def __init__(self, service: str, returncode: int, log: Path) -> None:
        super().__init__(service, log)
        self.returncode = returncode

    def summary(self) -> str:
        """Name the service and how it ended, and the port trouble if it was that."""
        hint = " (its port was taken)" if _speaks_of_ports(self.tail) else ""
        return f"{self.service} died with {describe_exit(self.returncode)}{hint}"


class StepFailed(ServiceDied):
    """A preparation that runs once (database files, a schema) failed."""

    def summary(self) -> str:
        """Name the preparation and how it ended."""
        return f"preparing {self.service} failed with {describe_exit(self.returncode)}"


class CatalogFailed(LoggedError):
    """Keystone refused a user, a role or an endpoint, or was not reached.

    Args:
        reason: what it answered.
        log: Keystone's log file.
    """

    def __init__(self, reason: str, log: Path) -> None:
        super().__init__("keystone", log)
        self.reason = reason

    def summary(self) -> str:
        """Say what Keystone answered."""
        return f"filling keystone failed: {self.reason}"


class NotReady(LoggedError):
    """A service runs but has not answered in time.

    Args:
        service: its name.
        timeout_s: how long it was given, in seconds.
        last_error: what the last try to reach it said.
        log: its log file.
    """

    def __init__(self, service: str, timeout_s: float, last_error: str, log: Path) -> None:
        super().__init__(service, log)
        self.timeout_s = timeout_s
        self.last_error = last_error

    def summary(self) -> str:
        """Name the service, the time it was given, and the last answer."""
        return f"{self.service} did not answer within {self.timeout_s:.0f} s ({self.last_error})"


def describe_exit(returncode: int) -> str:
    """Put a return code into words: ``exit status 1`` or ``signal SIGKILL``."""
    if returncode >= 0:
        return f"exit status {returncode}"
    try:
        return f"signal {signal.Signals(-returncode).name}"
    except ValueError:
        return f"signal {-returncode}"


def tail(log: Path, lines: int = TAIL_LINES) -> str:
    """Read a log's last lines; empty when there is no log.

    Args:
        log: the file.
        lines: how many lines at most.
    """
    try:
        with log.open("rb") as file:
            file.seek(max(0, file.seek(0, 2) - _TAIL_BYTES))
            text = file.read().decode(errors="replace")
    except OSError:
        return ""
    return "\n".join(text.splitlines()[-lines:])


def _speaks_of_ports(text: str) -> bool:
    lowered = text.lower()
    return any(sign in lowered for sign in ("address already in use", "eaddrinuse", "in use:"))
