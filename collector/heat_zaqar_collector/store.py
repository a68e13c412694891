# SPDX-License-Identifier: Apache-2.0
"""The last good snapshot, on disk.

It is what the server is configured from while Zaqar cannot be reached, and what the
order of generations is held against. The file holds the snapshot as its message body,
so that reading it back passes the same checks as reading it from a queue.
"""

from pathlib import Path

from oslo_log import log as logging

from heat_zaqar_transport import durable
from heat_zaqar_transport.wire import PlainSnapshot, Snapshot, parse, serialize
from heat_zaqar_transport.wire.errors import StateError, WireFormatError

LOG = logging.getLogger(__name__)

FILE_NAME = "snapshot.json"


class SnapshotStore:
    """One file in the agent's state directory.

    Args:
        state_dir: Created when the first snapshot is kept.
    """

    def __init__(self, state_dir: Path) -> None:
        self._path = state_dir / FILE_NAME

    def load(self) -> Snapshot | PlainSnapshot | None:
        """Return the snapshot that was kept last; `None` when there is none that can be used.

        A damaged file is reported and passed over: the queue has the present snapshot.
        """
        try:
            body = durable.read_json(self._path)
            message = None if body is None else parse(body)
        except (StateError, WireFormatError) as exc:
            LOG.error("The last good snapshot cannot be used: %s", exc)
            return None
        return message if isinstance(message, Snapshot | PlainSnapshot) else None

    def keep(self, snapshot: Snapshot | PlainSnapshot) -> None:
        """Put a snapshot in the place of the last one, durably.

        Raises:
            StateError: The disk is full or not writable; the last one is still there.
        """
        durable.write_json(self._path, serialize(snapshot))
