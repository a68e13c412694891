# SPDX-License-Identifier: Apache-2.0
"""Runs each derived config once and answers Heat for each, whatever happens on the way.

Every run ends in a result: a hook that is missing, dies or talks nonsense makes a FAILED
one. A result is on the disk before it is sent, and is sent until Heat has it; its hook
does not run for that again. What is not sent does not stop what comes after it.

A hook runs again for one reason only: it asked for a reboot, and the server was rebooted.
"""

import contextlib
import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import fasteners  # type: ignore[import-untyped]  # ships no type information

from heat_zaqar_hooks import configs, hooks, processes
from heat_zaqar_hooks.bounds import MAX_RESULT_BYTES, bounded, size_of
from heat_zaqar_hooks.configs import Config
from heat_zaqar_hooks.deployed import Deployed
from heat_zaqar_hooks.errors import UnusableConfig
from heat_zaqar_hooks.hooks import HookRun
from heat_zaqar_hooks.results import (
    REBOOT_STATUS,
    STATUS,
    STDERR,
    STDOUT,
    Outputs,
    exit_status,
    failed,
    from_run,
    succeeded,
)
from heat_zaqar_hooks.states import Deployment, State, Store, utc_now
from heat_zaqar_transport import durable
from heat_zaqar_transport.wire.errors import HeatZaqarError, HookFailed, StateError

LOG = logging.getLogger(__name__)

LOCK_FILE = "runner.lock"

# Groups whose configs os-apply-config itself applies, before the runner's turn comes:
# 20-os-apply-config runs before 55-heat-config. None: Heat's default for a config.
UNGROUPED = frozenset({None, "", "os-apply-config", "Heat::Ungrouped"})
APPLIED = "Applied by os-apply-config, before the hooks."

RESULT_LOST = "this deployment has run before, and its result is not known any more"

INPUT_TIMEOUT = "deploy_timeout"

# Runs of one hook that asks for a reboot each time.
MAX_ATTEMPTS = 10

# What has waited longest goes first: results of earlier passes, so that no hook holds them
# back; then what may have left a process behind, or a reboot that is due.
_URGENCY = {State.FINISHED: 0, State.RUNNING: 1, State.REBOOTING: 2}

# Sends the outputs of an attempt at a config, and returns the transport's name.
Send = Callable[[Config, Mapping[str, Any], int], str]


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
        ack_channel: Returns the channel on which Heat acks a config's result; `None`: none.
        reboot: Asks for a reboot of this server; returns before it happens, if it does.
        boot_id: The kernel's, to tell a reboot; empty: not known.
        limit_s: How long a hook may run, seconds, where its inputs do not say; 0: no limit.
        clean: Removes what a hook that was ended left behind for a config's id.
        now: Returns the time for the records.
        grace_s: Seconds that a hook has between SIGTERM and SIGKILL.
    """

    config_list: Path
    hook_dirs: tuple[Path, ...]
    store: Store
    deployed: Deployed
    send: Send
    ack_channel: Callable[[Config], str | None]
    reboot: Callable[[], None]
    boot_id: str
    limit_s: float = 0.0
    clean: Callable[[str], None] = lambda config_id: None
    now: Callable[[], str] = utc_now
    grace_s: float = hooks.GRACE_S

    def run(self) -> int:
        """Run what has not run and send what has not been sent.

        Returns:
            How many configs are left without an answer; each has been logged. When a hook
            asked for a reboot, its config is one, and nothing after it has been run.

        Raises:
            StateError: The list cannot be read; nothing has been done.
        """
        entries = configs.fetch(self.config_list)
        problems = self._forget_all_but(entries) + (not self._swept())
        usable = self._usable(entries)
        problems += len(entries) - len(usable)
        for config in sorted(usable, key=self._urgency):
            state = self._brought_on(config)
            if state is State.REBOOTING:
                LOG.warning("%s: its hook asked for a reboot; nothing runs before", config.label)
                self.reboot()
                return problems + 1
            problems += state is None
        return problems

    def _usable(self, entries: list[dict[str, Any]]) -> list[Config]:
        found = []
        for position, entry in enumerate(entries, 1):
            try:
                found.append(configs.parse(entry, position))
            except UnusableConfig as exc:
                LOG.error("%s; it is skipped", exc)
        return found

    def _urgency(self, config: Config) -> int:
        with contextlib.suppress(StateError):  # its turn will come, and tell
            found = self.store.read(config.id)
            if found:
                return _URGENCY.get(found.state, len(_URGENCY))
        return len(_URGENCY)

    def _brought_on(self, config: Config) -> State | None:
        """Return how far a deployment has come; `None`: not to its end, and why is logged."""
        try:
            return self._answer(config)
        except HeatZaqarError as exc:
            LOG.error("%s: %s", config.label, exc)
            return None

    def _answer(self, config: Config) -> State:
        """Bring one deployment to its end from wherever it stands, or to a reboot."""
        deployment = self._found(config)
        if deployment.state is State.RECEIVED or self._is_rebooted(deployment):
            deployment = self._run(config, deployment)
        elif deployment.state is State.RUNNING:
            deployment = self._interrupted(config, deployment)
        if deployment.state is State.FINISHED:
            self._send(config, deployment)
        return deployment.state

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
            return self.store.write(fresh.sent())
        outputs = self.deployed.kept_result(config.id)
        return self._finished(config, fresh, outputs or failed(RESULT_LOST))

    def _is_rebooted(self, deployment: Deployment) -> bool:
        """Tell whether a reboot that was asked for has come; not known counts as yes."""
        if deployment.state is not State.REBOOTING:
            return False
        return not self.boot_id or deployment.boot_id != self.boot_id

    def _run(self, config: Config, deployment: Deployment) -> Deployment:
        """Run the hook; return the record with its result, or of the reboot it asked for."""
        self.deployed.write(config)
        try:
            chosen = configs.chosen(config)
            path = self._hook(chosen.group)
            if path is None:
                LOG.info("%s: applied by os-apply-config", config.label)
                return self._finished(config, deployment, succeeded(APPLIED))
            limit_s = config.inputs.seconds(INPUT_TIMEOUT) or self.limit_s or None
            deployment = self.store.write(
                deployment.running(chosen.group, self.boot_id, self.now())
            )
            if deployment.state is not State.RUNNING:  # notify was called for it meanwhile
                return deployment
            outputs = self._run_hook(chosen, path, deployment, limit_s)
        except (HookFailed, UnusableConfig) as exc:
            LOG.warning("%s: FAILED: %s", config.label, exc)
            return self._finished(config, deployment, failed(str(exc)))
        return self._ended(config, deployment, outputs)

    def _ended(self, config: Config, deployment: Deployment, outputs: Outputs) -> Deployment:
        """Return the record of a hook that ended by itself, or in time."""
        if outputs[STATUS] != REBOOT_STATUS:
            return self._finished(config, deployment, outputs)
        if deployment.attempt < MAX_ATTEMPTS:
            return self.store.write(deployment.rebooting())
        reason = f"the hook has asked for a reboot in all of its {MAX_ATTEMPTS} attempts"
        LOG.warning("%s: FAILED: %s", config.label, reason)
        logs = {"stdout": str(outputs[STDOUT]), "stderr": str(outputs[STDERR])}
        return self._finished(config, deployment, failed(reason, **logs, status=REBOOT_STATUS))

    def _hook(self, group: str | None) -> Path | None:
        """Return the hook of a group; `None`: the group needs none."""
        path = hooks.find(group or "", self.hook_dirs)
        if path is None and group not in UNGROUPED:
            raise HookFailed(f"this server has no hook for group {group}")
        return path

    def _run_hook(
        self, config: Config, path: Path, deployment: Deployment, limit_s: float | None
    ) -> Outputs:
        LOG.info("%s: hook %s started", config.label, config.group)
        run = hooks.run(
            path,
            config.document,
            attempt=deployment.attempt,
            limit_s=limit_s,
            # Who finds the record later can tell whether the hook, with its config, still runs.
            started=lambda pid, started: self._keep_started(deployment.started(pid, started)),
            grace_s=self.grace_s,
        )
        if run.timed_out_s is not None:
            self.clean(config.id)
        outputs = from_run(path.name, run)
        self._log_end(config, run, outputs)
        return outputs

    def _keep_started(self, deployment: Deployment) -> None:
        self.store.write(deployment)

    def _log_end(self, config: Config, run: HookRun, outputs: Outputs) -> None:
        LOG.info(
            "%s: hook %s with status %s after %.1f s (its exit status %d, %d bytes of outputs)",
            config.label,
            "ended" if run.timed_out_s is None else "timed out",
            outputs[STATUS],
            run.duration_s,
            exit_status(run.returncode),
            size_of(outputs),
        )

    def _interrupted(self, config: Config, deployment: Deployment) -> Deployment:
        self._end_orphan(config.label, deployment)
        return self._finished(config, deployment, failed(self._interruption(deployment)))

    def _end_orphan(self, label: str, deployment: Deployment) -> None:
        """End what is left of a hook whose runner died."""
        pid = deployment.hook_pid
        of_this_boot = self.boot_id and deployment.boot_id == self.boot_id
        if pid and of_this_boot and processes.is_same(pid, deployment.hook_started):
            LOG.warning("%s: its hook still runs without a runner and is ended", label)
            processes.end_group(pid)
        self.clean(deployment.config_id)

    def _interruption(self, deployment: Deployment) -> str:
        known = self.boot_id and deployment.boot_id
        if known and deployment.boot_id != self.boot_id:
            return "interrupted: the server was rebooted while the hook was running"
        return "interrupted: the runner died while the hook was running"

    def _finished(self, config: Config, deployment: Deployment, outputs: Outputs) -> Deployment:
        kept = bounded(outputs, MAX_RESULT_BYTES)
        finished = deployment.finished(kept, self.now(), self.ack_channel(config))
        try:
            return self.store.write(finished)
        except StateError as exc:
            # A hook may well have filled the disk; Heat shall have its result all the same.
            LOG.error("%s: %s; the result is sent without being kept", config.label, exc)
            return finished

    def _send(self, config: Config, deployment: Deployment) -> None:
        # The channel may be another one than when the hook ended.
        channel = self.ack_channel(config)
        transport = self.send(config, deployment.outputs or {}, deployment.attempt)
        LOG.info("%s: result sent by %s", config.label, transport)
        self.store.write(deployment.sent(channel))

    def _forget_all_but(self, entries: list[dict[str, Any]]) -> int:
        """Drop the records of configs that Heat has dropped; return how many would not go.

        Before anything runs: a hook of theirs may still do so.
        """
        listed = {entry["id"] for entry in entries if configs.is_id(entry.get("id"))}
        if not listed:
            # An empty list may be a moment without metadata. Without the records,
            # everything would run once more when the metadata is back.
            return 0
        vanished = [config_id for config_id in self.store.ids() if config_id not in listed]
        return sum(not self._forgotten(config_id) for config_id in vanished)

    def _swept(self) -> bool:
        try:
            self.deployed.remove_litter()
            self.store.remove_litter()
        except StateError as exc:
            LOG.error("%s", exc)
            return False
        return True

    def _forgotten(self, config_id: str) -> bool:
        try:
            self._leave(config_id)
            # The record last: with it gone, nobody would look for the rest.
            self.clean(config_id)
            self.deployed.remove(config_id)
            self.store.remove(config_id)
        except StateError as exc:
            LOG.error("deployment (%s): %s", config_id, exc)
            return False
        return True

    def _leave(self, config_id: str) -> None:
        """End what a vanished deployment has going on, and log what is lost with it."""
        with contextlib.suppress(StateError):  # damaged, and about to go
            deployment = self.store.read(config_id)
            if deployment is None or deployment.state.rank >= State.SENT.rank:
                return
            label = configs.label(deployment.name, config_id)
            LOG.warning("%s: no longer wanted by Heat, dropped unsent", label)
            if deployment.state is State.RUNNING:
                self._end_orphan(label, deployment)
