"""A server of a played Heat, its guest, and how changes come to it.

The guest is started once; what happens to the services is up to its agent.
"""

import re
import time
from datetime import datetime

from support.requests_seen import RequestLog

CONNECTED = "Connected to Zaqar's websocket server"
AWAY = "polling meanwhile"
# Of os-collect-config: longer than any test waits for a change.
POLLING_INTERVAL_S = 60

# A change that was told and found is followed by one look more, after 2.56 s.
CHASED_S = 3
# An agent that polls each second looks more than once in so many seconds.
POLLS_S = 2.5
# A change that was found is followed by looks after 0.5, 1, 2, 4, 8, ... s, each up to a quarter
# earlier, up to the longest pause. So long after it has been applied, the next one is more than
# 3 s away if there is no longest pause, as for an agent that relies on a push.
GROWN_S = 7.6
SOON_S = 3


class Follower:
    """One server, created and booted.

    Args:
        heat: The played Heat.
        site: For the guest.
        agent: The agent's options, as a template has them.
    """

    def __init__(self, heat, site, **agent):
        self._cloud = heat.cloud
        self.played = heat.server(**agent)
        self.guest = site.guest(self.played.config, polling_interval_s=POLLING_INTERVAL_S)
        self.guest.start()

    @property
    def options(self):
        return self.played.options

    def connects(self, within_s=60, since=0):
        self.guest.wait_log(CONNECTED, within_s, since=since)

    def change(self):
        """Publish a change; return when, in seconds of the epoch."""
        return self.played.change()

    def arrives(self, within_s):
        """Change something; return after how many seconds the server begins to apply it."""
        posted = self.change()
        latency_s = self._began(within_s) - posted
        self.applied()
        return latency_s

    def _began(self, within_s):
        """Wait until the command begins to apply the last change; return the time of that."""
        return _time_of(self.guest.wait_log(rf"{self._collected}^(\S+ \S+) .*Executing", within_s))

    def applied(self, within_s=30):
        """Wait until the last change has been applied, and the agent waits for the next one."""
        self.guest.wait_log(rf"{self._collected}.*Sleeping", within_s)

    @property
    def _collected(self):
        return rf"Generation {self.played.generation} of .* collected\n(?:.*\n)*?"

    def collected(self):
        """Return the generations that the server has collected, in order."""
        return [int(each) for each in re.findall(r"Generation (\d+) of", self.logged())]

    def logged(self, since=0):
        """Return the guest's log from an offset on."""
        return self.guest.log.read_bytes()[since:].decode(errors="replace")

    def is_told(self):
        """See that a change comes by push, not by a look that was due.

        An agent that does not rely on a push polls each second: `poll_longest` must be 1. One
        that does may look once for the sake of its token. A change has been applied just now.
        """
        time.sleep(GROWN_S - POLLS_S)
        assert self.looks(POLLS_S) <= 1
        self.arrives(SOON_S)

    def rests(self):
        """Wait until the look that follows a change by push is over."""
        time.sleep(CHASED_S)

    def polls(self):
        """See that the agent relies on no push: it polls, and its pauses do not grow."""
        assert self.looks(2 * POLLS_S) >= 2

    def looks(self, seconds):
        """Count the looks into the metadata queue during so many seconds."""
        log = RequestLog(self._cloud)
        time.sleep(seconds)
        return len(log.seen(method="GET", path=self.played.queue_names[0]))


def _time_of(match):
    return datetime.fromisoformat(match[1].replace(",", ".")).timestamp()
