"""A cloud on this machine, as a Python object."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import shutil
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from localcloud import boot_state
from localcloud.config import Sections, write_private
from localcloud.errors import LocalCloudError, NotRunning, ServiceDied
from localcloud.plan import (
    COMPUTE_PORT_NAMES,
    HEAT_PORT_NAMES,
    ZAQAR_PORT_NAMES,
    Plan,
    default_plugin_dirs,
    load_plan,
    new_secrets,
    prepare_scratch,
)
from localcloud.ports import HOST, reserve
from localcloud.supervisor_client import SupervisorClient, launch

if TYPE_CHECKING:
    from keystoneauth1.session import Session

    from localcloud.boot import Progress
    from localcloud.protocol import Status
    from localcloud.services import Service

_STOP_TIMEOUT_S = 30.0
_OPENRC = "openrc"


class LocalCloud:
    """Keystone, Zaqar and Heat with all that they need, on loopback ports.

    Made by :meth:`start` or :meth:`attach`. As a context manager it stops the cloud at the end, if
    it owns it. Its processes end with the process that started it, however that ends.

    Args:
        plan: what the cloud is made of.
        supervisor: the process that owns the services; ``None`` when this object owns nothing.
    """

    def __init__(self, plan: Plan, supervisor: subprocess.Popen[bytes] | None) -> None:
        # Imported here: the supervisor and the WSGI servers import this package too, and must
        # not wait for client libraries that they do not use.
        from localcloud.services import make_services

        self.plan = plan
        self._process = supervisor
        self._client = SupervisorClient(plan.control_socket)
        self._services = make_services(plan)
        self._user = "demo"
        self.seconds_to_ready = 0.0

    @classmethod
    def start(
        cls,
        scratch: Path | str | None = None,
        *,
        keep: bool = False,
        debug: bool = False,
        progress: Callable[[str], None] | None = None,
        on_progress: Callable[[Progress], None] | None = None,
        plugin_dirs: tuple[Path, ...] | None = None,
        compute: bool = False,
        tls: bool = False,
        heat: bool = True,
    ) -> Self:
        """Boot a cloud; returns when every service answers.

        Args:
            scratch: directory for everything, empty or not there yet; default: a temporary one.
            keep: whether the directory stays when the cloud is stopped.
            debug: whether services log at DEBUG.
            progress: is given a line of text for each step, from any thread.
            on_progress: is given the same as an object.
            plugin_dirs: heat-engine's plugin directories; default: this checkout's plugin.
            compute: whether Nova is booted, too, with the fake driver, a flavor and an image
                named "tiny", and what it needs; they are installed when they are not there.
            tls: whether Keystone, Zaqar and Heat are behind TLS, with a CA of the cloud's own
                (:attr:`ca_file`). Not together with ``compute``.
            heat: whether there is Heat. Without it Keystone and Zaqar are ready in seconds.

        Raises:
            PackagesMissing: Debian packages have to be installed, and we are not root.
            ServiceDied: a service ended; the text has the end of its log.
            LocalCloudError: anything else that prevents the start.
        """
        from localcloud import compute_env, packages
        from localcloud.services.base import user_if_root
        from localcloud.services.mariadb import USER

        if compute and (tls or not heat):
            raise LocalCloudError("a cloud with Nova has Heat and no TLS")
        tellers = [teller for teller in (progress and _as_text(progress), on_progress) if teller]
        dirs = default_plugin_dirs() if plugin_dirs is None else plugin_dirs
        wish = None if scratch is None else Path(scratch).absolute()
        with boot_state.failure_told(wish):
            packages.ensure()
            user = user_if_root(USER) if heat else None
            directory = prepare_scratch(wish, user)
            try:
                venv = compute_env.ensure() if compute else None
                names = (*ZAQAR_PORT_NAMES, *(HEAT_PORT_NAMES if heat else ()))
                block = reserve(names if venv is None else (*names, *COMPUTE_PORT_NAMES))
                options = (new_secrets(), dirs, debug, keep, venv, tls, heat)
                plan = Plan(directory, block.ports, *options)
                with block.mark as mark:
                    cloud = cls(plan, launch(plan, mark))
            except BaseException:
                shutil.rmtree(directory, ignore_errors=True)
                raise
            cloud._boot(tellers)
        return cloud

    @classmethod
    def attach(cls, scratch: Path | str, *, wait_s: float | None = None) -> Self:
        """Connect to a cloud that another process started.

        Args:
            scratch: its directory.
            wait_s: how long to wait, in seconds, until the cloud is ready; it need not be there
                yet. ``None`` connects to a running cloud, whether it is ready or not.

        Raises:
            NotRunning: there is none.
            BootFailed: it did not come up.
            StillBooting: it is not ready in time.
        """
        directory = Path(scratch).absolute()
        wait = boot_state.Wait(directory, wait_s)
        while True:
            try:
                cloud = cls(load_plan(directory), None)
                cloud._client.status()
                state = boot_state.load(directory)
            except NotRunning as error:
                wait.go_on(error)
                continue
            if state.ready or wait_s is None:
                cloud.seconds_to_ready = state.seconds_to_ready or 0.0
                return cloud
            wait.go_on(state)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._process is not None:
            self.stop()

    @property
    def scratch(self) -> Path:
        """The cloud's directory."""
        return self.plan.scratch

    @property
    def logs(self) -> Path:
        """Directory of the log files."""
        return self.plan.logs

    @property
    def openrc(self) -> Path:
        """File for a shell to read, with the demo user's variables."""
        return self.scratch / _OPENRC

    @property
    def auth_url(self) -> str:
        """Keystone's address, with ``/v3``."""
        return f"{self.plan.url('keystone')}/v3"

    @property
    def zaqar_url(self) -> str:
        """Address of Zaqar's REST API, without version."""
        return self.plan.url("zaqar")

    @property
    def websocket_url(self) -> str:
        """Address of Zaqar's websocket server (``ws://``, or ``wss://`` with TLS)."""
        return self.plan.url("zaqar-websocket", "ws")

    @property
    def heat_url(self) -> str:
        """Address of Heat's API, without version and project."""
        return self.plan.url("heat-api")

    @property
    def cfn_url(self) -> str:
        """Address of Heat's CFN API, without version."""
        return self.plan.url("heat-api-cfn")

    @property
    def ca_file(self) -> Path | None:
        """File with the CA of a cloud with TLS; ``None``: there is no TLS."""
        return self.plan.ca_file

    @property
    def redis_url(self) -> tuple[str, int]:
        """Host and port of Redis."""
        return HOST, self.plan.ports["redis"]

    @property
    def services(self) -> list[str]:
        """Names of all services."""
        return list(self._services)

    def log(self, service: str) -> Path:
        """Give a service's log file.

        Raises:
            NotRunning: there is no such service.
        """
        return self._service(service).log

    def for_project(self, name: str) -> Self:
        """Give the same cloud to a user in a project of its own, both named ``demo-NAME``.

        They have demo's roles, and are made when they are not there; other processes may ask for
        the same ones at the same time. What is returned owns nothing.

        Args:
            name: the project's name, such as that of a test worker.
        """
        from localcloud.catalog import make_demo_user
        from localcloud.clients import EXTRA_USER

        view = type(self)(self.plan, None)
        view.seconds_to_ready = self.seconds_to_ready
        view._user = f"{EXTRA_USER}{name}"
        make_demo_user(self.plan, view._user)
        return view

    def demo_session(self) -> Session:
        """Make a session of the user demo, or of that of :meth:`for_project`; role member."""
        return self._session(self._user)

    def admin_session(self) -> Session:
        """Make a session of the user admin in the project admin."""
        return self._session("admin")

    def heat(self) -> Any:
        """Make a heatclient (version 1) of the same user.

        Raises:
            NotRunning: there is no Heat.
        """
        from localcloud.clients import heat_client

        return heat_client(self.plan, self._user)

    def environment(self, user: str | None = None) -> dict[str, str]:
        """Give the ``OS_*`` variables that openstack clients read.

        Args:
            user: ``demo`` or ``admin``; default: whose :meth:`demo_session` is.
        """
        from localcloud import clients

        return clients.environment(self.plan, user or self._user)

    def status(self) -> dict[str, Status]:
        """Describe the services' processes, memory included, by name."""
        found = self._client.status(with_memory=True)
        return {name: found[name] for name in self._services if name in found}

    def check(self) -> None:
        """See that no service has died.

        Raises:
            ServiceDied: one has. One that ``stop_service`` ended does not count.
        """
        for name, status in self._client.status().items():
            if name in self._services and status.died:
                assert status.returncode is not None  # that is what died means
                raise ServiceDied(name, status.returncode, self.log(name))

    def stop_service(self, name: str) -> None:
        """End a service in good order, and wait until none of its processes is left."""
        service = self._service(name)
        self._client.stop(name, service.stop_grace_s)

    def kill_service(self, name: str) -> None:
        """Kill all processes of a service (SIGKILL), and wait until they are gone."""
        self._service(name)
        self._client.kill(name)

    def start_service(self, name: str) -> None:
        """Start a service that was stopped or killed, with the configuration it had; wait for it.

        Raises:
            ServiceDied: it ended at once.
        """
        from localcloud.boot import wait_ready

        service = self._service(name)
        self._client.start(service.command())
        wait_ready(self._client, service)

    def restart_service(self, name: str) -> None:
        """Stop a service, wait for its end, start it, and wait until it answers."""
        self.stop_service(name)
        self.start_service(name)

    def reconfigure(self, name: str, overrides: Sections) -> None:
        """Restart a service with another configuration.

        Args:
            name: the service; only the OpenStack services take overrides.
            overrides: options by section, laid over the usual ones; earlier overrides are
                forgotten, so ``{}`` restores.

        Raises:
            LocalCloudError: the service takes no overrides.
            ServiceDied: it does not start with them.
        """
        service = self._service(name)
        service.configure(overrides)
        self.restart_service(name)

    def show_certificate(self, kind: str, *names: str) -> None:
        """Have services behind TLS show another certificate; all connections are cut.

        Args:
            kind: ``good``, ``expired`` or ``other-host``.
            names: the services.

        Raises:
            NotRunning: there is no TLS.
        """
        from localcloud.services.haproxy import HAProxy

        proxy = self._service(HAProxy.name)
        assert isinstance(proxy, HAProxy)  # that is what its name says
        for name in names:
            proxy.show(kind, name)
        self.restart_service(HAProxy.name)

    def stop(self) -> None:
        """End everything, and remove the directory unless it is to be kept. May be called twice."""
        with contextlib.suppress(NotRunning):
            self._client.shutdown()
        if self._process is None:
            self._wait_for_end()
            return
        if self._process.stdin is not None:
            self._process.stdin.close()
        try:
            self._process.wait(_STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            # The kernel ends what the supervisor has started.
            self._process.kill()
            self._process.wait()
            raise LocalCloudError(
                f"the supervisor (pid {self._process.pid}) had to be killed"
            ) from None

    def _boot(self, tellers: list[Callable[[Progress], None]]) -> None:
        from localcloud.boot import Boot, all_steps

        lock = threading.Lock()
        state = boot_state.BootState(os.getpid())

        def tell(event: Progress) -> None:
            nonlocal state
            with lock:
                state = state.after(event)
                state.save(self.scratch)
                for teller in tellers:
                    teller(event)

        try:
            state.save(self.scratch)
            self.plan.save()
            self._write_openrc()
            boot = Boot(self._client, tell)
            self.seconds_to_ready = boot.run(all_steps(self.plan, self._services))
            dataclasses.replace(state, seconds_to_ready=self.seconds_to_ready).save(self.scratch)
        except BaseException:
            self.stop()
            raise

    def _write_openrc(self) -> None:
        lines = [f"export {name}='{value}'" for name, value in self.environment().items()]
        write_private(self.openrc, "\n".join(lines) + "\n")

    def _session(self, user: str) -> Session:
        from localcloud.clients import session

        return session(self.plan, user)

    def _service(self, name: str) -> Service:
        try:
            return self._services[name]
        except KeyError:
            names = ", ".join(self._services)
            raise NotRunning(f"no {name}{self.plan.without}, there are {names}") from None

    def _wait_for_end(self) -> None:
        from tenacity import RetryError, retry, retry_if_result, stop_after_delay, wait_fixed

        @retry(
            retry=retry_if_result(bool),
            stop=stop_after_delay(_STOP_TIMEOUT_S),
            wait=wait_fixed(0.1),
        )
        def answers() -> bool:
            try:
                self._client.status()
            except LocalCloudError:
                return False
            return True

        try:
            answers()
        except RetryError:
            raise LocalCloudError(f"the cloud in {self.scratch} does not end") from None


def _as_text(progress: Callable[[str], None]) -> Callable[[Progress], None]:
    return lambda event: progress(str(event))
