"""Three hundred servers on one websocket server; see bench/fleet.py."""

from support import fleet_apart


def test_every_server_is_pushed_and_comes_back_by_itself(cloud, tmp_path):
    fleet_apart.check(cloud, 300, tmp_path)
