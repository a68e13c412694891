"""The fleet in a process of its own, with which its agents' connections end.

In the tests' process they would stay, and three hundred agents would come back with each
websocket server that a later test starts.
"""

import multiprocessing
from concurrent.futures import ProcessPoolExecutor

from bench import fleet
from bench.waiting import Clock
from localcloud import LocalCloud


def play(cloud, count, directory, longest_s):
    """Return the seconds of each act, and which generations each agent collected."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context) as pool:
        return pool.submit(_play, cloud.scratch, count, directory, longest_s).result()


def _play(scratch, count, directory, longest_s):
    cloud = LocalCloud.attach(scratch)
    servers = fleet.Fleet(cloud, count, directory)
    try:
        seconds = dict(fleet.acts(cloud, servers, Clock(longest_s), print))
    finally:
        servers.stop()
    return seconds, [sorted(agent.collected) for agent in servers.agents]
