# SPDX-License-Identifier: Apache-2.0
"""How far each deployment has come, in files that survive a crash and a reboot.

`received -> running -> finished -> sent -> acked`; each step is on the disk before the
next begins. From `running` a hook may go to `rebooting`, and from there to `running` once
more as the next attempt. A deployment that is found `running` while nobody holds the
runner's lock was interrupted.

Two processes write a record: the runner, and the agent that notes acks, perhaps while the
runner is still between its post and `sent`. So a record never goes back, and each change
is made under a lock that is held for nothing else.
"""

import contextlib
import enum
import fcntl
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from heat_zaqar_hooks import configs
from heat_zaqar_transport import durable
from heat_zaqar_transport.wire.errors import StateError

DIRECTORY = "deployments"
LOCK_FILE = "deployments.lock"

# A file system's clock moves in steps, of 2 s at worst: two changes may show the same time,
# so a directory's time proves nothing until it is older than that.
_UNSURE_NS = 2_000_000_000

# fcntl's locks keep processes apart, not the threads of one.
_THREADS = threading.Lock()


def utc_now() -> str:
    """Return the time as ISO 8601, in whole seconds, UTC."""
    return datetime.now(UTC).isoformat(timespec="seconds")


class State(enum.StrEnum):
    """Where a deployment stands; in the order in which it gets there."""

    RECEIVED = "received"
    RUNNING = "running"
    REBOOTING = "rebooting"
    FINISHED = "finished"
    SENT = "sent"
    ACKED = "acked"

    @property
    def rank(self) -> int:
        """Its place in the order, from 0."""
        return list(State).index(self)

    @property
    def has_result(self) -> bool:
        """Whether the hook's part is over."""
        return self.rank >= State.FINISHED.rank


@dataclass(frozen=True)
class Deployment:
    """The record of one run.

    Attributes:
        config_id: The derived config's id: names the run.
        name: The deployment's name for people.
        group: What its hook is called; `None`: it has none.
        state: How far it has come.
        boot_id: The kernel's boot id when its hook was started.
        started_at: ISO 8601, UTC.
        finished_at: Likewise.
        outputs: The result, from `finished` until nobody needs it any more.
        attempt: Which run of its hook this is, from 1; more after reboots it asked for.
        channel: The channel whose ack it waits for; `None`: its transport has no acks.
        hook_pid: The hook's process, and the number of its process group; `None`: not
            known, or it does not run.
        hook_started: The kernel's start time of that process.
    """

    config_id: str
    name: str
    group: str | None
    state: State = State.RECEIVED
    boot_id: str | None = None
    started_at: str | None = None
    finished_at: str | None = None
    outputs: Mapping[str, Any] | None = field(default=None, repr=False)
    attempt: int = 1
    channel: str | None = None
    hook_pid: int | None = None
    hook_started: str | None = None

    def running(self, group: str | None, boot_id: str, now: str) -> "Deployment":
        """Return the record for: the hook of a group is about to be started."""
        again = self.state is State.REBOOTING
        return replace(
            self,
            state=State.RUNNING,
            group=group,
            boot_id=boot_id,
            started_at=now,
            attempt=self.attempt + again,
        )

    def started(self, pid: int, started: str | None) -> "Deployment":
        """Return the record for: this process is the hook's."""
        return replace(self, hook_pid=pid, hook_started=started)

    def rebooting(self) -> "Deployment":
        """Return the record for: the hook asked for a reboot."""
        return replace(self, state=State.REBOOTING, hook_pid=None, hook_started=None)

    def finished(
        self, outputs: Mapping[str, Any], now: str, channel: str | None = None
    ) -> "Deployment":
        """Return the record for: there is a result, which a channel's ack is to answer."""
        return replace(
            self,
            state=State.FINISHED,
            outputs=outputs,
            finished_at=now,
            channel=channel,
            hook_pid=None,
            hook_started=None,
        )

    def sent(self, channel: str | None = None) -> "Deployment":
        """Return the record for: the result has been posted.

        Args:
            channel: Whose ack tells that Heat has it. `None`: nobody tells, so this is the
                end. Outputs may be secret, so they go then.
        """
        outputs = None if channel is None else self.outputs
        return replace(self, state=State.SENT, channel=channel, outputs=outputs)

    def acked(self) -> "Deployment":
        """Return the record for: Heat has it. Outputs may be secret, so they go."""
        return replace(self, state=State.ACKED, outputs=None)

    def is_beyond(self, other: "Deployment") -> bool:
        """Tell whether this record must not give way to another; the first result stays."""
        mine, others = self._place, other._place
        return mine > others or (mine == others and self.state.has_result)

    @property
    def _place(self) -> tuple[int, int]:
        return self.attempt, self.state.rank


class Store:
    """The records of a server's deployments, one file each."""

    def __init__(self, state_dir: Path, clock_ns: Callable[[], int] = time.time_ns) -> None:
        """Use `<state_dir>/deployments`, which need not exist yet.

        Args:
            state_dir: The agent's state directory.
            clock_ns: The time that files get, nanoseconds.
        """
        self._directory = state_dir / DIRECTORY
        self._lock_file = state_dir / LOCK_FILE
        self._clock_ns = clock_ns
        self._looked_at: int | None = None
        self._with_outputs: list[Deployment] = []

    def path(self, config_id: str) -> Path:
        """Return the file of one run."""
        return self._directory / f"{config_id}.json"

    def read(self, config_id: str) -> Deployment | None:
        """Return the record of one run; `None`: there is none.

        Raises:
            StateError: It cannot be read, or is damaged.
        """
        path = self.path(config_id)
        value = durable.read_json(path)
        return None if value is None else _parse(value, path)

    def write(self, deployment: Deployment) -> Deployment:
        """Keep a record, durably, unless the one that is there has come further.

        Returns:
            The record that is there now. A damaged one gives way.

        Raises:
            StateError: The disk is unwilling; the record before is untouched.
        """
        with self._locked():
            present = self._undamaged(deployment.config_id)
            if present and present.is_beyond(deployment):
                return present
            self._keep(deployment)
            return deployment

    def advance(self, config_id: str, attempt: int, to: State) -> bool:
        """Bring a record that holds a result to `sent` or `acked`, durably.

        Args:
            config_id: Names the run.
            attempt: The attempt whose result was posted or acked.
            to: `State.SENT` or `State.ACKED`.

        Returns:
            Whether it is there by this call. Not when it has come as far already, is of
            another attempt, has no result yet, or is not known.

        Raises:
            StateError: The record is damaged, or the disk unwilling.
        """
        with self._locked():
            present = self.read(config_id)
            if present is None or present.attempt != attempt:
                return False
            if not present.state.has_result or present.state.rank >= to.rank:
                return False
            self._keep(present.acked() if to is State.ACKED else present.sent(present.channel))
            return True

    def acked(self, config_id: str, attempt: int) -> bool:
        """Note that Heat has the result of an attempt; see `advance`."""
        return self.advance(config_id, attempt, State.ACKED)

    def unacked(self, channel: str) -> list[Deployment]:
        """Return the records whose results wait for the ack of a channel, sorted by id.

        They are `finished` or `sent`. Costs one look at the directory while nothing in it
        changes; damaged records are left out, the runner reports them.

        Raises:
            StateError: The directory cannot be read.
        """
        changed_at = self._changed_at()
        if changed_at is None or changed_at != self._looked_at:
            asked_at = self._clock_ns()
            self._with_outputs = [found for found in self._all() if found.outputs is not None]
            sure = changed_at is not None and asked_at - changed_at > _UNSURE_NS
            self._looked_at = changed_at if sure else None
        return [found for found in self._with_outputs if found.channel == channel]

    def ids(self) -> list[str]:
        """Return the ids of all runs that have a record, sorted.

        Raises:
            StateError: The directory cannot be read.
        """
        try:
            # Not the dot files: writes that a crash cut short.
            found = [path.stem for path in self._directory.glob("*.json")]
        except OSError as exc:
            raise StateError(self._directory, exc.strerror) from exc
        return sorted(config_id for config_id in found if configs.is_id(config_id))

    def remove(self, config_id: str) -> None:
        """Forget a run; one without a record does not matter.

        Raises:
            StateError: The disk is unwilling.
        """
        with self._locked():
            durable.remove(self.path(config_id))

    def remove_litter(self) -> None:
        """Remove what writes left behind that a crash cut short.

        Raises:
            StateError: The disk is unwilling.
        """
        with self._locked():
            durable.remove_litter(self._directory)

    def _keep(self, deployment: Deployment) -> None:
        durable.write_json(self.path(deployment.config_id), vars(deployment))

    def _undamaged(self, config_id: str) -> Deployment | None:
        with contextlib.suppress(StateError):
            return self.read(config_id)
        return None

    def _all(self) -> Iterator[Deployment]:
        found = map(self._undamaged, self.ids())
        return (deployment for deployment in found if deployment)

    def _changed_at(self) -> int | None:
        """Return when a file came or went; each write renames one into the directory."""
        try:
            return self._directory.stat().st_mtime_ns
        except FileNotFoundError:
            return None
        except OSError as exc:
            raise StateError(self._directory, exc.strerror) from exc

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        """Be the only one that changes records.

        Not with fasteners, as the runner's lock: it polls where this waits in the kernel,
        and notify, which runs for each result, would load it for this alone.
        """
        durable.make_directory(self._lock_file.parent)
        with _THREADS, contextlib.ExitStack() as stack:
            try:
                file = stack.enter_context(self._lock_file.open("ab"))
                fcntl.lockf(file, fcntl.LOCK_EX)
            except OSError as exc:
                raise StateError(self._lock_file, exc.strerror) from exc
            yield


def _parse(value: object, path: Path) -> Deployment:
    try:
        fields = dict(value)  # type: ignore[call-overload]
        deployment = Deployment(**{**fields, "state": State(fields["state"])})
    except (TypeError, ValueError, KeyError) as exc:
        raise StateError(path, "is no record of a deployment") from exc
    outputs_due = deployment.state is State.FINISHED or deployment.outputs is not None
    if outputs_due and not isinstance(deployment.outputs, dict):
        raise StateError(path, f"is {deployment.state} but holds no outputs")
    if not isinstance(deployment.attempt, int):
        raise StateError(path, "holds no number of an attempt")
    return deployment
