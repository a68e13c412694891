# SPDX-License-Identifier: Apache-2.0
"""The chain on a server, from os-collect-config down to the hook, without a cloud."""

import json
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from localcloud.guest import GUEST_VARIABLE, Guest

TIMEOUT_S = 30.0
# os-collect-config makes this file when the document has been applied.
APPLIED = "var/lib/os-collect-config/heat_local.json.last"
BOOT: dict[str, Any] = {
    "collectors": ["heat_local", "local"],
    "zaqar": {"password": "a&b%c=$d", "channel": None},
}


@pytest.fixture
def guest(tmp_path: Path) -> Iterator[Guest]:
    guest = Guest.create(tmp_path / "guest")
    yield guest
    guest.kill()


def deployment(config_id: str, script: str, **inputs: Any) -> dict[str, Any]:
    """One entry of `deployments`, as Heat derives it, that wants no signal."""
    inputs = {
        "deploy_server_id": "server-1",
        "deploy_action": "CREATE",
        "deploy_signal_transport": "NO_SIGNAL",
        **inputs,
    }
    return {
        "id": config_id,
        "name": "hello",
        "group": "script",
        "config": script,
        "creation_time": "2026-11-20T12:00:00Z",
        "options": {},
        "inputs": [
            {"name": name, "type": "String", "value": value} for name, value in inputs.items()
        ],
        "outputs": [{"name": "result", "type": "String", "error_output": False}],
    }


def counting(guest: Guest) -> dict[str, Any]:
    """A deployment that leaves a line in a file each time it runs."""
    return deployment(
        "config-1",
        '#!/bin/sh\necho "hello $who" >> "$witness"\n',
        who="wörld",
        witness=str(guest.path("witness")),
    )


def witness(guest: Guest) -> str:
    return guest.path("witness").read_text()


def wait_applied(guest: Guest) -> None:
    guest.wait_for(guest.path(APPLIED).exists, TIMEOUT_S, "the metadata to be applied")


def processes_of(guest: Guest) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get(GUEST_VARIABLE) == str(guest.root):
                found.append(process)
        except psutil.Error:
            continue
    return found


def test_boot_runs_the_deployment_and_renders_the_configuration(guest: Guest) -> None:
    guest.boot_config(BOOT, deployments=[counting(guest)])

    guest.start()
    wait_applied(guest)

    assert witness(guest) == "hello wörld\n"
    rendered = guest.path("etc/os-collect-config.conf")
    assert stat.S_IMODE(rendered.stat().st_mode) == 0o600
    assert "password = a&b%c=\\$d\n" in rendered.read_text()
    deployments = guest.path("var/run/heat-config/heat-config")
    assert stat.S_IMODE(deployments.stat().st_mode) == 0o600
    assert json.loads(deployments.read_text()) == [counting(guest)]


def test_the_agent_starts_itself_anew_with_the_rendered_configuration(guest: Guest) -> None:
    guest.boot_config(BOOT | {"collectors": ["heat_local", "local", "request"]})

    guest.start()

    # The second agent's warning: the first one's configuration names no such collector.
    guest.wait_log(r"Source \[request\] Unavailable", TIMEOUT_S)


def test_a_deployment_does_not_run_twice(guest: Guest) -> None:
    guest.boot_config(BOOT, deployments=[counting(guest)])
    guest.start()
    wait_applied(guest)
    guest.kill()
    guest.path(APPLIED).unlink()

    guest.start()
    wait_applied(guest)
    guest.stop()
    forced = guest.run_once()

    assert forced.returncode == 0, forced.stderr
    assert "55-heat-config completed" in forced.stderr
    assert witness(guest) == "hello wörld\n"


def test_kill_in_the_middle_of_a_hook_leaves_no_process(guest: Guest) -> None:
    script = '#!/bin/sh\ntouch "$witness"\nsetsid sleep 600 &\nsleep 600\n'
    started = guest.path("witness")
    guest.boot_config(BOOT, deployments=[deployment("config-1", script, witness=str(started))])
    guest.start()
    guest.wait_for(started.exists, TIMEOUT_S, "the hook to start")
    assert len(processes_of(guest)) > 3

    guest.kill()

    assert processes_of(guest) == []
    assert not guest.running


def test_stop_ends_an_idle_agent_at_once(guest: Guest) -> None:
    guest.boot_config(BOOT)
    guest.start()
    wait_applied(guest)

    guest.stop()

    assert not guest.running
    assert processes_of(guest) == []


def test_a_layout_keeps_what_is_there(guest: Guest) -> None:
    rendered = guest.path("etc/os-collect-config.conf")
    rendered.write_text("[DEFAULT]\n# rendered\n")

    again = Guest.create(guest.root)

    assert again.path("etc/os-collect-config.conf").read_text() == "[DEFAULT]\n# rendered\n"
