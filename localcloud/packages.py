"""The Debian packages that the cloud's stores come from.

A program that is there already is used, wherever it comes from. What is missing is installed when
we are root, without letting the packages start their system-wide services; otherwise the error
says what to install.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from localcloud.errors import LocalCloudError, PackagesMissing

_SEARCH_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/usr/libexec"
_POLICY_FILE = Path("/usr/sbin/policy-rc.d")
# invoke-rc.d takes 101 as "action forbidden by policy".
_POLICY = "#!/bin/sh\nexit 101\n"
_LAST_LINES = 5


@dataclass(frozen=True)
class Package:
    """A Debian package and the programs that we need of it."""

    name: str
    programs: tuple[str, ...]


PACKAGES = (
    Package("mariadb-server", ("mariadbd", "mariadb-install-db")),
    Package("redis-server", ("redis-server",)),
    Package("memcached", ("memcached",)),
    Package("rabbitmq-server", ("/usr/lib/rabbitmq/bin/rabbitmq-server", "epmd")),
    Package("haproxy", ("haproxy",)),
)


def has_program(program: str) -> bool:
    """Tell whether a program is installed, also where a user's PATH does not lead."""
    return bool(shutil.which(program) or shutil.which(program, path=_SEARCH_PATH))


def missing(has: Callable[[str], bool] = has_program) -> tuple[str, ...]:
    """List the packages of which a program is not there.

    Args:
        has: tells whether a program is installed.
    """
    return tuple(
        package.name
        for package in PACKAGES
        if not all(has(program) for program in package.programs)
    )


def ensure(
    *,
    find_missing: Callable[[], tuple[str, ...]] = missing,
    is_root: bool | None = None,
    install: Callable[[tuple[str, ...]], None] | None = None,
) -> tuple[str, ...]:
    """See to it that nothing is missing.

    Args:
        find_missing: lists the missing packages.
        is_root: whether packages may be installed; default: whether we are root.
        install: installs packages; default: with apt-get.

    Returns:
        What had to be installed.

    Raises:
        PackagesMissing: something is missing and we are not root.
        LocalCloudError: the installation failed.
    """
    names = find_missing()
    if not names:
        return ()
    if not (os.geteuid() == 0 if is_root is None else is_root):
        raise PackagesMissing(names)
    (install or apt_install)(names)
    left = find_missing()
    if left:
        raise LocalCloudError(f"{' '.join(left)}: installed, but without the programs needed")
    return names


def apt_install(names: tuple[str, ...]) -> None:
    """Install packages with apt-get; their system-wide services are not started.

    Args:
        names: Debian packages.

    Raises:
        LocalCloudError: apt-get is missing or failed.
    """
    with no_service_starts(_POLICY_FILE):
        _apt_get("update")
        _apt_get("install", "--yes", "--no-install-recommends", *names)


@contextlib.contextmanager
def no_service_starts(policy_file: Path) -> Iterator[None]:
    """Forbid packages to start services meanwhile.

    A policy that is there already stays as it is, and stays afterwards.

    Args:
        policy_file: what invoke-rc.d asks.
    """
    try:
        descriptor = os.open(policy_file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o755)
    except FileExistsError:
        yield
        return
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(_POLICY)
        yield
    finally:
        policy_file.unlink()


def _apt_get(*arguments: str) -> None:
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    command = ["apt-get", "--quiet", *arguments]
    try:
        done = subprocess.run(
            command,
            check=False,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
    except FileNotFoundError:
        raise LocalCloudError(f"no apt-get here; install {' '.join(arguments)} yourself") from None
    if done.returncode != 0:
        last = "\n".join(done.stdout.splitlines()[-_LAST_LINES:])
        raise LocalCloudError(f"{' '.join(command)} failed:\n{last}")
