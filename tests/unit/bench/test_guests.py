# SPDX-License-Identifier: Apache-2.0
import os
from pathlib import Path

import pytest

from bench.guests import mark_file, marks, our_guest, released_guest
from bench.released import ReleasedScripts
from localcloud.guest import Guest


@pytest.fixture
def scripts(tmp_path: Path) -> ReleasedScripts:
    made = ReleasedScripts(tmp_path / "heat agents")
    for path in (made.runner, made.notify, made.script_hook):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"import sys; print({path.name!r}, sys.argv[1:])\n")
    return made


def local_conf(guest: Guest) -> str:
    return guest.path("etc/os-collect-config-local.conf").read_text()


def test_our_agent_runs_at_its_default_intervals(tmp_path: Path) -> None:
    guest = our_guest(tmp_path / "server", "server")

    assert "polling_interval" not in local_conf(guest)
    assert "cachedir" in local_conf(guest)


def test_the_released_agent_is_released_throughout(
    tmp_path: Path, scripts: ReleasedScripts
) -> None:
    guest = released_guest(tmp_path / "server", "server", scripts)
    commands = guest.path("usr/local/bin")

    assert "polling_interval" not in local_conf(guest)
    assert (commands / "os-collect-config-zaqar").readlink().name == "os-collect-config"
    assert not (commands / "heat-config-run").exists()
    assert os.popen(f"{commands}/heat-config-notify 'a b'").read() == (
        "heat-config-notify ['a b']\n"
    )
    for place in ("os-refresh-config/configure.d/55-heat-config", "heat-config/hooks/script"):
        assert "heat agents" in guest.path(f"usr/libexec/{place}").read_text()


def test_marks_are_read_by_change_once_their_line_is_whole(tmp_path: Path) -> None:
    guest = our_guest(tmp_path / "server", "server")
    assert marks(guest) == {}

    mark_file(guest).write_text("1 1795231162.5\n2 1795231170.25\n3 17952")

    assert marks(guest) == {1: 1795231162.5, 2: 1795231170.25}
