# SPDX-License-Identifier: Apache-2.0
"""Heat's goodbye, on disk: whether the channel's queues are deleted, or about to be.

Zaqar makes a queue anew when something is posted to it or subscribes to it, and does so for
a stack that is gone, too. So after a goodbye nothing is said any more, also by an agent that
was started anew since. A delete may fail, and the stack be updated after it: then Heat
publishes again and takes the goodbye out of the queue, and a queue that lists a snapshot and
no goodbye is alive.
"""

import threading
from pathlib import Path

from oslo_log import log as logging

from heat_zaqar_transport import durable
from heat_zaqar_transport.wire.errors import StateError

LOG = logging.getLogger(__name__)

FILE_NAME = "goodbye.json"
_KEY_CHANNEL = "channel"


class Farewell:
    """What is known of a channel's end; any thread may ask.

    Args:
        state_dir: The agent's state directory.
        channel: A goodbye of another channel does not count.
    """

    def __init__(self, state_dir: Path, channel: str | None) -> None:
        self._path = state_dir / FILE_NAME
        self._channel = channel
        self._lock = threading.Lock()
        self._gone = self._kept = self._load()

    @property
    def gone(self) -> bool:
        """Whether Heat has said goodbye, and nothing since."""
        return self._gone

    def heard(self) -> None:
        """Remember the goodbye. If the disk does not take it, another call tries again."""
        with self._lock:
            if not self._gone:
                LOG.info("Channel %s is deleted: nothing is said to Heat any more", self._channel)
            self._gone = True
            if not self._kept:
                self._keep()

    def lives(self) -> None:
        """Forget the goodbye: Heat has spoken again."""
        with self._lock:
            if not self._gone:
                return
            LOG.info("Channel %s is in use again", self._channel)
            self._gone = self._kept = False
            try:
                durable.remove(self._path)
            except StateError as exc:
                LOG.error("The goodbye is forgotten until the next start only: %s", exc)

    def _load(self) -> bool:
        try:
            value = durable.read_json(self._path)
        except StateError as exc:
            LOG.error("Whether Heat has said goodbye is not known: %s", exc)
            return False
        return self._channel is not None and value == {_KEY_CHANNEL: self._channel}

    def _keep(self) -> None:
        try:
            durable.write_json(self._path, {_KEY_CHANNEL: self._channel})
            self._kept = True
        except StateError as exc:
            LOG.error("The goodbye is remembered until the next start only: %s", exc)
