"""A hundred servers on one websocket server; see bench/fleet.py, and three hundred in heavy."""

import pytest

from support import fleet_apart


@pytest.mark.xdist_group("serial")
def test_every_server_is_pushed_and_comes_back_by_itself(cloud, tmp_path):
    fleet_apart.check(cloud, 100, tmp_path)
