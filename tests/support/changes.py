"""Changes of a server's metadata that need neither Heat nor Keystone, to be made while those
are away: the next generation, posted as an engine posts it."""

import re
import time
from datetime import datetime

from heat_zaqar_transport.posting import post_message
from heat_zaqar_transport.wire import Snapshot
from support.ends import Ends
from support.intruder import open_as_intruder

# Half of it is over after the longest test: before that the server would ask Heat, as soon as
# Heat is back, for a snapshot that Heat knows nothing of.
TTL_S = 7200


class Changes:
    """Posts snapshots to a server's metadata queue, and tells when they are on the server."""

    def __init__(self, cloud, guest, options):
        self._guest = guest
        self._ends = Ends(options)
        self._queue = open_as_intruder(cloud, self._ends.metadata_url)
        self._read = False

    def _read_newest(self):
        """Go on from what the engine has published last, in answer to the agent's hello too.

        Heat counts a generation more when the server has become complete.
        """
        time.sleep(2)
        self._read = True
        newest = self._ends.newest()
        self._channel, self.generation = newest.channel, newest.generation
        self._document = newest.document

    def post(self):
        """Post the next generation; return the time at which that was done, in s of the epoch."""
        if not self._read:
            self._read_newest()
        self.generation += 1
        document = dict(self._document) | {"change": self.generation}
        snapshot = Snapshot(self._channel, self.generation, document)
        post_message(self._queue.post, snapshot, TTL_S, self._ends.seal)
        return time.time()

    def wait(self, timeout_s):
        """Wait until the command begins to apply the last change; return the time of that."""
        pattern = rf"Generation {self.generation} of .* collected\n(?:.*\n)*?(\S+ \S+) .*Executing"
        started = self._guest.wait_log(pattern, timeout_s)
        return datetime.fromisoformat(started[1]).timestamp()

    def applied(self, timeout_s):
        """Wait until the last change has been applied, and the agent waits for the next one."""
        end = rf"Generation {self.generation} of .* collected\n(?:.*\n)*?.*Sleeping"
        self._guest.wait_log(end, timeout_s)

    def collected(self):
        """Return the generations that the server has collected, in order."""
        text = self._guest.log.read_text()
        return [int(each) for each in re.findall(r"Generation (\d+) of", text)]
