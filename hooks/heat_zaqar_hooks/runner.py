# SPDX-License-Identifier: Apache-2.0
"""Runs each derived config once and answers Heat for each, whatever happens on the way.

Every run ends in a result: a hook that is missing, dies or talks nonsense makes a FAILED
one. A result is on the disk before it is sent, and is sent until Heat has it; its hook
does not run for that again. What is not sent does not stop what comes after it.
"""

import contextlib
import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import fasteners  # type: ignore[import-untyped]  # ships no type information

from heat_zaqar_hooks import configs, hooks
from heat_zaqar_hooks.bounds import bounded, size_of
from heat_zaqar_hooks.configs import Config
from heat_zaqar_hooks.deployed import Deployed
from heat_zaqar_hooks.errors import UnusableConfig
from heat_zaqar_hooks.results import STATUS, Outputs, exit_status, failed, from_run, succeeded
from heat_zaqar_hooks.states import Deployment, State, Store
from heat_zaqar_transport import durable
from heat_zaqar_transport.wire.errors import HeatZaqarError, HookFailed, StateError

LOG = logging.getLogger(__name__)

LOCK_FILE = "runner.lock"

# Groups whose configs os-apply-config itself applies, before the runner's turn comes:
# 20-os-apply-config runs before 55-heat-config. None: Heat's default for a config.
UNGROUPED = frozenset({None, "", "os-apply-config", "Heat::Ungrouped"})
APPLIED = "Applied by os-apply-config, before the hooks."

RESULT_LOST = "this deployment has run before, and its result is not known any more"

# Sends outputs for a config and returns the transport's name.
Send = Callable[[Config, Mapping[str, Any]], str]


def utc_now() -> str:
    """Return the time as ISO 8601, in whole seconds, UTC."""
    return datetime.now(UTC).isoformat(timespec="seconds")


@contextlib.contextmanager
def only_runner(state_dir: Path) -> Iterator[None]:
    """Be the only runner of this server; wait for as long as another one works.

    The kernel drops the lock of a process that dies.

    Raises:
        StateError: The state directory cannot be used.
    """
    durable.make_directory(state_dir)
    lock = fasteners.InterProcessLock(state_dir / LOCK_FILE)
    try:
        if not lock.acquire(blocking=False):
            LOG.info("waiting for another runner to finish")
            lock.acquire()
    except OSError as exc:
        raise StateError(state_dir / LOCK_FILE, exc.strerror) from exc
    try:
        yield
    finally:
        lock.release()


@dataclass(frozen=True)
class Runner:
    """One pass over the list of derived configs. The caller holds the lock.

    Attributes:
        config_list: The list's file.
        hook_dirs: Searched in this order for hooks.
        store: Keeps how far each deployment has come.
        deployed: Keeps the configs themselves.
        send: Brings a result to Heat.
        boot_id: The kernel's, to tell a reboot; empty: not known.
        now: Returns the time for the records.
    """

    config_list: Path
    hook_dirs: tuple[Path, ...]
    store: Store
    deployed: Deployed
    send: Send
    boot_id: str
    now: Callable[[], str] = utc_now

    def run(self) -> int:
        """Run what has not run and send what has not been sent.

        Returns:
            How many configs are left without an answer; each has been logged.

        Raises:
            StateError: The list cannot be read; nothing has been done.
        """
        entries = configs.fetch(self.config_list)
        problems = sum(not self._answered(entry, at) for at, entry in enumerate(entries, 1))
        return problems + self._forget_all_but(entries)

    def _answered(self, entry: Mapping[str, Any], position: int) -> bool:
        try:
            config = configs.parse(entry, position)
        except UnusableConfig as exc:
            LOG.error("%s; it is skipped", exc)
            return False
        try:
            self._answer(config)
        except HeatZaqarError as exc:
            LOG.error("%s: %s", config.label, exc)
            return False
        return True

    def _answer(self, config: Config) -> None:
        """Bring one deployment to its end from wherever it stands."""
        deployment = self._found(config)
        if deployment.state is State.RECEIVED:
            deployment = self._finished(config, *self._run(config, deployment))
        elif deployment.state is State.RUNNING:
            outputs = failed(self._interruption(deployment))
            deployment = self._finished(config, deployment, outputs)
        if deployment.state is State.FINISHED:
            self._send(config, deployment)

    def _found(self, config: Config) -> Deployment:
        fresh = Deployment(config.id, config.name, config.group)
        try:
            found = self.store.read(config.id)
        except StateError as exc:
            # It may have run already, and hooks need not bear a second run.
            LOG.error("%s: %s", config.label, exc)
            reason = "interrupted: the record of this deployment on the server is damaged"
            return self._finished(config, fresh, failed(reason))
        return found or self._received(config, fresh)

    def _received(self, config: Config, fresh: Deployment) -> Deployment:
        if self.deployed.has(config.id):
            return self._adopted(config, fresh)
        self.store.write(fresh)
        return fresh

    def _adopted(self, config: Config, fresh: Deployment) -> Deployment:
        """Answer for a run of heat-agents, or one whose record is lost; Heat may still wait."""
        path = self.deployed.path(config.id)
        LOG.warning("%s: not run, as it has run before: there is %s", config.label, path)
        if self.deployed.is_mark(config.id):
            self.store.write(fresh.sent())
            return fresh.sent()
        outputs = self.deployed.kept_result(config.id)
        return self._finished(config, fresh, outputs or failed(RESULT_LOST))

    def _run(self, config: Config, deployment: Deployment) -> tuple[Deployment, Outputs]:
        """Run the hook; return the record as it is by then, and the outputs."""
        self.deployed.write(config)
        try:
            config = configs.chosen(config)
            path = self._hook(config.group)
            if path is None:
                LOG.info("%s: applied by os-apply-config", config.label)
                return deployment, succeeded(APPLIED)
            deployment = deployment.running(config.group, self.boot_id, self.now())
            self.store.write(deployment)
            return deployment, self._run_hook(config, path)
        except HookFailed as exc:
            LOG.warning("%s: FAILED: %s", config.label, exc)
            return deployment, failed(exc.reason)

    def _hook(self, group: str | None) -> Path | None:
        """Return the hook of a group; `None`: the group needs none."""
        path = hooks.find(group or "", self.hook_dirs)
        if path is None and group not in UNGROUPED:
            raise HookFailed(f"this server has no hook for group {group}")
        return path

    def _run_hook(self, config: Config, path: Path) -> Outputs:
        LOG.info("%s: hook %s started", config.label, config.group)
        run = hooks.run(path, config.document)
        outputs = from_run(path.name, run)
        LOG.info(
            "%s: hook ended with status %s after %.1f s (its exit status %d, %d bytes of outputs)",
            config.label,
            outputs[STATUS],
            run.duration_s,
            exit_status(run.returncode),
            size_of(outputs),
        )
        return outputs

    def _interruption(self, deployment: Deployment) -> str:
        known = self.boot_id and deployment.boot_id
        if known and deployment.boot_id != self.boot_id:
            return "interrupted: the server was rebooted while the hook was running"
        return "interrupted: the runner died while the hook was running"

    def _finished(self, config: Config, deployment: Deployment, outputs: Outputs) -> Deployment:
        finished = deployment.finished(bounded(outputs), self.now())
        try:
            self.store.write(finished)
        except StateError as exc:
            # A hook may well have filled the disk; Heat shall have its result all the same.
            LOG.error("%s: %s; the result is sent without being kept", config.label, exc)
        return finished

    def _send(self, config: Config, deployment: Deployment) -> None:
        transport = self.send(config, deployment.outputs or {})
        LOG.info("%s: result sent by %s", config.label, transport)
        self.store.write(deployment.sent())

    def _forget_all_but(self, entries: list[dict[str, Any]]) -> int:
        """Drop the records of configs that Heat has dropped; return how many would not go."""
        listed = {entry["id"] for entry in entries if configs.is_id(entry.get("id"))}
        if not listed:
            # An empty list may be a moment without metadata. Without the records,
            # everything would run once more when the metadata is back.
            return 0
        vanished = [config_id for config_id in self.store.ids() if config_id not in listed]
        return sum(not self._forgotten(config_id) for config_id in vanished)

    def _forgotten(self, config_id: str) -> bool:
        try:
            self._log_loss(config_id)
            # The record last: with it gone, nobody would look for the rest.
            self.deployed.remove(config_id)
            self.store.remove(config_id)
        except StateError as exc:
            LOG.error("deployment (%s): %s", config_id, exc)
            return False
        return True

    def _log_loss(self, config_id: str) -> None:
        with contextlib.suppress(StateError):  # damaged, and about to go
            deployment = self.store.read(config_id)
            if deployment and deployment.state is not State.SENT:
                label = configs.label(deployment.name, config_id)
                LOG.warning("%s: no longer wanted by Heat, dropped unsent", label)
