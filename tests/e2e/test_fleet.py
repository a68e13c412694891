"""Three hundred servers on one websocket server; see bench/fleet.py."""

import statistics

from bench import fleet
from support import fleet_apart

SERVERS = 300


def test_every_server_is_pushed_and_comes_back_by_itself(cloud, tmp_path):
    seconds, collected = fleet_apart.play(cloud, SERVERS, tmp_path, longest_s=600)

    assert {name: len(values) for name, values in seconds.items()} == dict.fromkeys(
        (fleet.CONNECTED, fleet.PUSHED, fleet.POLLED, fleet.BACK, fleet.PUSHED_AGAIN), SERVERS
    )
    for pushed in (fleet.PUSHED, fleet.PUSHED_AGAIN):
        assert statistics.median(seconds[pushed]) < 0.2
        assert max(seconds[pushed]) < 2
    assert max(seconds[fleet.POLLED]) < fleet.POLL_LONGEST_S + 2
    # Spread out: in no second came more than a fifth.
    came_back = [int(each) for each in seconds[fleet.BACK]]
    assert max(came_back.count(second) for second in set(came_back)) < SERVERS / 5
    assert max(came_back) < 60
    # Each generation once, and none left out.
    assert collected == [[1, 2, 3, 4]] * SERVERS
