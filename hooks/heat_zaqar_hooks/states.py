# SPDX-License-Identifier: Apache-2.0
"""How far each deployment has come, in files that survive a crash and a reboot.

`received -> running -> finished -> sent`; each step is on the disk before the next
begins. A deployment that is found `running` while nobody holds the runner's lock was
interrupted.
"""

import enum
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from heat_zaqar_hooks import configs
from heat_zaqar_transport import durable
from heat_zaqar_transport.wire.errors import StateError

DIRECTORY = "deployments"


class State(enum.StrEnum):
    """Where a deployment stands."""

    RECEIVED = "received"
    RUNNING = "running"
    FINISHED = "finished"
    SENT = "sent"


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
        outputs: The result, from `finished` until it is sent.
    """

    config_id: str
    name: str
    group: str | None
    state: State = State.RECEIVED
    boot_id: str | None = None
    started_at: str | None = None
    finished_at: str | None = None
    outputs: Mapping[str, Any] | None = field(default=None, repr=False)

    def running(self, group: str | None, boot_id: str, now: str) -> "Deployment":
        """Return the record for: the hook of a group is about to be started."""
        return replace(self, state=State.RUNNING, group=group, boot_id=boot_id, started_at=now)

    def finished(self, outputs: Mapping[str, Any], now: str) -> "Deployment":
        """Return the record for: there is a result."""
        return replace(self, state=State.FINISHED, outputs=outputs, finished_at=now)

    def sent(self) -> "Deployment":
        """Return the record for: Heat has been told. Outputs may be secret, so they go."""
        return replace(self, state=State.SENT, outputs=None)


class Store:
    """The records of a server's deployments, one file each."""

    def __init__(self, state_dir: Path) -> None:
        """Use `<state_dir>/deployments`, which need not exist yet."""
        self._directory = state_dir / DIRECTORY

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

    def write(self, deployment: Deployment) -> None:
        """Keep a record, durably.

        Raises:
            StateError: The disk is unwilling; the record before is untouched.
        """
        durable.write_json(self.path(deployment.config_id), asdict(deployment))

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
        durable.remove(self.path(config_id))


def _parse(value: object, path: Path) -> Deployment:
    try:
        fields = dict(value)  # type: ignore[call-overload]
        deployment = Deployment(**{**fields, "state": State(fields["state"])})
    except (TypeError, ValueError, KeyError) as exc:
        raise StateError(path, "is no record of a deployment") from exc
    if deployment.state is State.FINISHED and not isinstance(deployment.outputs, dict):
        raise StateError(path, "is finished but holds no outputs")
    return deployment
