"""What the runner itself takes for a deployment, all of its steps synced to the disk."""

import json
import subprocess
import time

import pytest

from localcloud.guest import Guest

COUNT = 100
HOOK = "#!/bin/sh\ncat > /dev/null\necho '{}'\n"


def seconds(command, **options):
    began = time.monotonic()
    subprocess.run(command, check=True, capture_output=True, **options)
    return time.monotonic() - began


@pytest.mark.xdist_group("serial")
def test_a_deployment_costs_less_than_50_ms_besides_its_hook(tmp_path):
    guest = Guest.create(tmp_path / "guest")
    hook = guest.path("usr/libexec/heat-config/hooks/bare")
    hook.write_text(HOOK)
    hook.chmod(0o755)
    transport = {"name": "deploy_signal_transport", "type": "String", "value": "NO_SIGNAL"}
    entries = [
        {"id": f"config-{n}", "name": "bare", "group": "bare", "config": "", "inputs": [transport]}
        for n in range(COUNT)
    ]
    config_list = guest.path("var/run/heat-config/heat-config")
    config_list.parent.mkdir(parents=True, exist_ok=True)
    config_list.write_text(json.dumps(entries))
    guest.path("etc/os-collect-config.conf").touch()
    bare_s = sum(seconds([hook], input=b"{}") for _ in range(COUNT))
    # Its start, some 0.3 s, is part of it: that is shared by all that it finds to do.
    runner = guest.path("usr/local/bin/heat-config-run")
    whole_s = seconds([runner], env=guest.environ(), cwd=guest.root)
    records = list(guest.path("var/lib/heat-zaqar-transport/deployments").glob("*.json"))
    assert len(records) == COUNT
    own_ms = (whole_s - bare_s) / COUNT * 1000
    print(f"{COUNT / whole_s:.0f} deployments a second, {own_ms:.1f} ms each besides the hook")
    assert own_ms < 50
