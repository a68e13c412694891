"""Starts everything in the order that the steps' needs allow, as much as possible at a time."""

from __future__ import annotations

import contextlib
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from dataclasses import dataclass

from keystoneauth1.exceptions import ClientException

from localcloud import catalog
from localcloud.errors import (
    CatalogFailed,
    LocalCloudError,
    NotReady,
    NotRunning,
    ServiceDied,
    StepFailed,
)
from localcloud.plan import Plan
from localcloud.protocol import Command
from localcloud.services import Service, compute
from localcloud.services.heat import HeatEngine
from localcloud.services.keystone import Keystone
from localcloud.services.mariadb import MariaDB
from localcloud.supervisor_client import SupervisorClient

READY_TIMEOUT_S = 180.0
_STEP_TIMEOUT_S = 180.0
_ASK_INTERVAL_S = 0.15
_NEEDS_POLL_S = 0.05


@dataclass(frozen=True)
class Progress:
    """Something that happened while a cloud boots.

    Attributes:
        step: name of the service or preparation.
        state: ``started`` or ``ready``.
        elapsed_s: seconds since the boot began.
    """

    step: str
    state: str
    elapsed_s: float

    def __str__(self) -> str:
        return f"{self.elapsed_s:5.1f} s  {self.step} {self.state}"


OnProgress = Callable[[Progress], None]


class Cancelled(Exception):
    """Another step has failed, so this one gave up."""


class Step(ABC):
    """One thing to be done at boot.

    Attributes:
        name: what others call it in their needs.
        needs: steps that must be done before.
    """

    name: str
    needs: tuple[str, ...]

    @abstractmethod
    def run(self, boot: Boot) -> None:
        """Do it."""


class ServiceStep(Step):
    """Starts a service and waits until it answers."""

    def __init__(self, service: Service) -> None:
        self.name = service.name
        self.needs = service.needs
        self._service = service

    def run(self, boot: Boot) -> None:
        """Configure, start, wait."""
        self._service.configure()
        boot.supervisor.start(self._service.command())
        boot.wait_for(self._service.answer_needs)
        wait_ready(boot.supervisor, self._service, cancelled=boot.failed)


class CommandStep(Step):
    """Runs a command to its end."""

    def __init__(self, needs: tuple[str, ...], command: Command) -> None:
        self.name = command.name
        self.needs = needs
        self._command = command

    def run(self, boot: Boot) -> None:
        """Run it; it has to succeed."""
        run_to_end(boot.supervisor, self._command)


class CatalogStep(Step):
    """Fills Keystone."""

    name = "catalog"
    needs = ("keystone", "memcached")

    def __init__(self, plan: Plan) -> None:
        self._plan = plan

    def run(self, _boot: Boot) -> None:
        """Make users, roles and endpoints."""
        try:
            catalog.fill(self._plan)
        except ClientException as error:
            raise CatalogFailed(str(error), Keystone(self._plan).log) from error


class OfferStep(Step):
    """Makes the flavor and the image that servers are made from."""

    name = "offer"
    needs = ("nova-api", "glance")

    def __init__(self, plan: Plan) -> None:
        self._plan = plan

    def run(self, _boot: Boot) -> None:
        """Make them."""
        try:
            compute.make_offer(self._plan)
        except ClientException as error:
            raise LocalCloudError(f"no flavor or image could be made: {error}") from error


class Boot:
    """One run through all steps, each in a thread of its own.

    Args:
        supervisor: starts the processes.
        on_progress: is told when a step starts and when it is done, from any thread.
    """

    def __init__(self, supervisor: SupervisorClient, on_progress: OnProgress) -> None:
        self.supervisor = supervisor
        self.failed = threading.Event()
        self._on_progress = on_progress
        self._done: dict[str, threading.Event] = {}
        self._first_error: BaseException | None = None
        self._lock = threading.Lock()
        self._began = time.monotonic()

    def run(self, steps: Sequence[Step]) -> float:
        """Take all steps.

        Args:
            steps: in any order.

        Returns:
            How long it took, in seconds.

        Raises:
            Exception: what the first step that failed has raised.
        """
        self._done = {step.name: threading.Event() for step in steps}
        with ThreadPoolExecutor(len(steps), thread_name_prefix="boot") as pool:
            futures = [pool.submit(self._take, step) for step in steps]
            try:
                wait(futures, return_when=FIRST_EXCEPTION)
            except BaseException as error:  # Ctrl-C
                self._give_up(error)
                raise
        if self._first_error is not None:
            raise self._first_error
        return time.monotonic() - self._began

    def wait_for(self, names: Sequence[str]) -> None:
        """Wait until other steps are done.

        Raises:
            Cancelled: one of all steps has failed.
        """
        for name in names:
            while not self._done[name].wait(_NEEDS_POLL_S):
                if self.failed.is_set():
                    raise Cancelled(name)

    def _take(self, step: Step) -> None:
        try:
            self.wait_for(step.needs)
            self._tell(step, "started")
            step.run(self)
        except BaseException as error:
            self._give_up(error)
            raise
        self._tell(step, "ready")
        self._done[step.name].set()

    def _give_up(self, error: BaseException) -> None:
        """Make the other steps end soon; what they then raise is of no interest."""
        with self._lock:
            if self._first_error is not None:
                return
            self._first_error = error
        self.failed.set()
        with contextlib.suppress(NotRunning):
            self.supervisor.shutdown()

    def _tell(self, step: Step, state: str) -> None:
        self._on_progress(Progress(step.name, state, time.monotonic() - self._began))


def all_steps(plan: Plan, services: dict[str, Service]) -> list[Step]:
    """List what a cloud's boot consists of."""
    return [
        CatalogStep(plan),
        *(_heat_steps(plan) if plan.heat else ()),
        *(_compute_steps(plan) if plan.compute else ()),
        *(ServiceStep(service) for service in services.values()),
    ]


def _heat_steps(plan: Plan) -> list[Step]:
    return [
        CommandStep((), MariaDB(plan).files_command()),
        CommandStep(("mariadb",), HeatEngine(plan).schema_command()),
    ]


def _compute_steps(plan: Plan) -> list[Step]:
    commands = compute.schema_commands(plan)
    return [OfferStep(plan), *(CommandStep(("mariadb",), command) for command in commands)]


def run_to_end(supervisor: SupervisorClient, command: Command) -> None:
    """Run a command and wait for its success.

    Raises:
        StepFailed: it ended with another status than 0.
        NotReady: it takes too long.
    """
    supervisor.start(command)
    returncode = supervisor.wait(command.name, _STEP_TIMEOUT_S)
    if returncode is None:
        raise NotReady(command.name, _STEP_TIMEOUT_S, "still running", command.log)
    if returncode != 0:
        raise StepFailed(command.name, returncode, command.log)


def wait_ready(
    supervisor: SupervisorClient,
    service: Service,
    timeout_s: float = READY_TIMEOUT_S,
    cancelled: threading.Event | None = None,
) -> None:
    """Ask a started service until it answers.

    Args:
        supervisor: knows whether it still lives.
        service: the service.
        timeout_s: how long to go on, in seconds.
        cancelled: set when there is no point any more.

    Raises:
        ServiceDied: its process ended.
        NotReady: time is up.
        Cancelled: ``cancelled`` was set.
    """
    deadline = time.monotonic() + timeout_s
    last_error = "not asked yet"
    while time.monotonic() < deadline:
        if cancelled is not None and cancelled.is_set():
            raise Cancelled(service.name)
        status = supervisor.status()[service.name]
        if status.returncode is not None:
            raise ServiceDied(service.name, status.returncode, service.log)
        try:
            service.ask()
        except Exception as error:  # any library's error means the same here: not yet
            last_error = f"{type(error).__name__}: {error}".partition("\n")[0]
        else:
            return
        time.sleep(_ASK_INTERVAL_S)
    raise NotReady(service.name, timeout_s, last_error, service.log)
