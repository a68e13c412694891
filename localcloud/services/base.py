"""The small interface behind which each service is configured, started and asked for an answer."""

from __future__ import annotations

import os
import sys
from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

from localcloud.config import Sections
from localcloud.errors import LocalCloudError
from localcloud.plan import REPO_ROOT, Plan
from localcloud.protocol import Command

NO_OVERRIDES: Sections = {}


class NoAnswer(Exception):
    """A service does not answer yet, or answers wrongly; its text says what it did."""


class Service(ABC):
    """One process (with its workers) of the cloud.

    Attributes:
        name: what it is called, in logs and on the command line.
        needs: steps that must be done before it is started.
        answer_needs: steps that must be done before it can be asked, on top of ``needs``.
        stop_grace_s: how long it may take to end by itself, in seconds.
    """

    name: ClassVar[str]
    needs: tuple[str, ...] = ()
    answer_needs: tuple[str, ...] = ()
    stop_grace_s: ClassVar[float] = 5.0

    def __init__(self, plan: Plan) -> None:
        self.plan = plan

    @property
    def log(self) -> Path:
        """Its log file."""
        return self.plan.logs / f"{self.name}.log"

    @property
    def home(self) -> Path:
        """Its own directory: working directory, home and data."""
        return self.plan.scratch / "run" / self.name

    @abstractmethod
    def configure(self, overrides: Sections = NO_OVERRIDES) -> None:
        """Write its configuration.

        Args:
            overrides: options by section, laid over the usual ones.

        Raises:
            LocalCloudError: the service cannot be given overrides.
        """

    @abstractmethod
    def command(self) -> Command:
        """Say how to start it."""

    @abstractmethod
    def ask(self) -> None:
        """Send it one real request.

        Raises:
            Exception: any, when it does not answer as it should.
        """

    def make_command(
        self,
        argv: tuple[str, ...],
        env: Mapping[str, str] | None = None,
        user: str | None = None,
    ) -> Command:
        """Fill in what is the same for every service: name, log, directory."""
        self.home.mkdir(parents=True, exist_ok=True)
        return Command(self.name, argv, self.log, self.home, dict(env or {}), user)


class Store(Service):
    """A service without an OpenStack configuration file; it takes no overrides."""

    def configure(self, overrides: Sections = NO_OVERRIDES) -> None:
        """Write its configuration; overrides are refused."""
        if overrides:
            raise LocalCloudError(f"{self.name} cannot be reconfigured")
        self.home.mkdir(parents=True, exist_ok=True)
        self.write_config()

    def write_config(self) -> None:
        """Write its configuration; the default writes nothing."""


def script(name: str) -> str:
    """Find a console script of this Python environment.

    Raises:
        LocalCloudError: the environment does not have it.
    """
    path = Path(sys.prefix) / "bin" / name
    if not path.exists():
        raise LocalCloudError(f"{path} is missing: install the OpenStack services into this Python")
    return str(path)


def python_env() -> dict[str, str]:
    """Environment for a service written in Python: this checkout is importable."""
    inherited = os.environ.get("PYTHONPATH")
    path = str(REPO_ROOT) if not inherited else f"{REPO_ROOT}{os.pathsep}{inherited}"
    return {"PYTHONPATH": path, "PYTHONUNBUFFERED": "1", "PYTHONWARNINGS": "ignore"}


def user_if_root(name: str) -> str | None:
    """Give the user that a server insists on when we are root; otherwise stay who we are."""
    return name if os.geteuid() == 0 else None
