"""The fleet in a process of its own, with which its agents' connections end.

In the tests' process they would stay, and hundreds of agents would come back with each
websocket server that a later test starts.
"""

import multiprocessing
import statistics
from concurrent.futures import ProcessPoolExecutor

from bench import fleet
from bench.waiting import Clock
from localcloud import LocalCloud
from support.played_heat import ensure_role


def check(cloud, count, directory):
    """See that every server is pushed, and comes back by itself."""
    seconds, collected = play(cloud, count, directory, longest_s=600)

    assert {name: len(values) for name, values in seconds.items()} == dict.fromkeys(
        (fleet.CONNECTED, fleet.PUSHED, fleet.POLLED, fleet.BACK, fleet.PUSHED_AGAIN), count
    )
    for pushed in (fleet.PUSHED, fleet.PUSHED_AGAIN):
        assert statistics.median(seconds[pushed]) < 0.2
        assert max(seconds[pushed]) < 2
    assert max(seconds[fleet.POLLED]) < fleet.POLL_LONGEST_S + 2
    # Spread out: in no second came more than a fifth.
    came_back = [int(each) for each in seconds[fleet.BACK]]
    assert max(came_back.count(second) for second in set(came_back)) < count / 5
    assert max(came_back) < 60
    # Each generation once, and none left out.
    assert collected == [[1, 2, 3, 4]] * count


def play(cloud, count, directory, longest_s):
    """Return the seconds of each act, and which generations each agent collected."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context) as pool:
        return pool.submit(_play, cloud.scratch, count, directory, longest_s).result()


def _play(scratch, count, directory, longest_s):
    cloud = LocalCloud.attach(scratch)
    ensure_role(cloud)
    servers = fleet.Fleet(cloud, count, directory)
    try:
        seconds = dict(fleet.acts(cloud, servers, Clock(longest_s), print))
    finally:
        servers.stop()
    return seconds, [sorted(agent.collected) for agent in servers.agents]
