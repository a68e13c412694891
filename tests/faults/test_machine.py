"""A server whose disk is full, or whose clock is wrong."""

import os
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest

from support.fault_proxy import wait_done
from support.rig import LONGEST_S, Rig

CLOCK_SEAM = Path(__file__).parents[1] / "support" / "clock_seam"


@pytest.mark.parametrize("step_s", [3600, -3600])
def test_the_clock_is_stepped_by_an_hour(site, tmp_path, step_s):
    step = tmp_path / "step"
    step.write_text("0")
    rig = Rig(site, environ={"PYTHONPATH": str(CLOCK_SEAM), "HEAT_ZAQAR_CLOCK_STEP": str(step)})
    for seconds in (step_s, 0):
        rewrite(step, str(seconds))
        rig.update(f"at {seconds}")
        rig.settled()
        (record,) = rig.records()
        ran_at = datetime.fromisoformat(record["finished_at"])
        assert abs((ran_at - datetime.now(UTC)).total_seconds() - seconds) < LONGEST_S


def rewrite(path, text):
    new = path.with_suffix(".new")
    new.write_text(text)
    new.replace(path)


@pytest.fixture
def small_disk(site):
    """A rig whose state directory is a file system of its own that is easily filled."""
    assert os.getuid() == 0, "this test mounts a tmpfs, as root"
    rig = Rig(site, 'while [ -e "$HOME/wait" ]; do sleep 0.1; done')
    rig.guest.stop()
    state = rig.guest.path("var/lib/heat-zaqar-transport")
    kept = {path.relative_to(state): path.read_bytes() for path in state.rglob("*.json")}
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", state], check=True)
    try:
        for path, content in kept.items():
            (state / path).parent.mkdir(exist_ok=True)
            (state / path).write_bytes(content)
        rig.guest.start()
        yield rig, state
    finally:
        rig.guest.kill()
        subprocess.run(["umount", state], check=True)


def fill(directory):
    with (directory / "filler").open("wb", buffering=0) as file:
        try:
            while True:
                file.write(b"x" * 4096)
        except OSError:
            return


def test_a_disk_that_fills_while_a_hook_runs(small_disk):
    rig, state = small_disk
    rig.guest.path("root/wait").touch()
    rig.start_update("on a full disk")
    rig.wait_run()
    fill(state)
    rig.guest.path("root/wait").unlink()
    # The result cannot be kept, and Heat shall have it all the same.
    rig.completes()
    (state / "filler").unlink()
    rig.guest.wait_log("No space left", LONGEST_S)
    rig.update("with room again")
    assert rig.runs("on a full disk") == 1


def test_a_disk_that_is_full_when_the_ack_arrives(small_disk, proxy):
    rig, state = small_disk
    rig.guest.path("root/wait").touch()
    rig.start_update("unacked")
    rig.wait_run()
    # The first ack is lost, so that there is time to fill the disk before the second one.
    with proxy.rule("swallow", "POST", rig.metadata_queue, 1) as lost:
        rig.guest.path("root/wait").unlink()
        wait_done(lost, 1, LONGEST_S)
        rig.completes()
    fill(state)
    rig.guest.wait_log("Results wait for Heat's ack.*No space left", LONGEST_S)
    assert rig.records()[-1]["state"] == "sent"
    (state / "filler").unlink()
    rig.settled()
    rig.update("with room again")
    rig.settled()
    assert rig.runs("unacked") == 1
