"""What those who wait for a cloud are told by the process that boots it."""

import dataclasses
import json
import os
import subprocess
import sys
import threading
import time

import pytest

from localcloud import LocalCloud, boot_state, packages
from localcloud.boot import Progress
from localcloud.boot_state import BootState
from localcloud.errors import BadScratch, BootFailed, NotRunning, ScratchInUse, StillBooting

LONG_AGO_S = 3600


@pytest.fixture
def booting(plan, supervisor):
    """A cloud of this process that is not ready; it has a supervisor and no services."""
    state = BootState(os.getpid()).after(Progress("keystone", "started", 0.0))
    state.save(plan.scratch)
    plan.save()
    return state


@pytest.fixture
def ended_pid():
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def fail(scratch, error, age_s=0.0, pid=None):
    """Leave what a failed boot leaves."""
    with pytest.raises(type(error)), boot_state.failure_told(scratch):
        raise error
    file = scratch.with_name(f"{scratch.name}.failed")
    os.utime(file, (time.time() - age_s,) * 2)
    if pid is not None:
        file.write_text(json.dumps({**json.loads(file.read_text()), "pid": pid}))
        os.utime(file, (time.time() - age_s,) * 2)
    return file


def test_the_steps_that_have_begun_are_waited_for():
    state = BootState(1)
    assert "its start" in str(state)
    for event in [("a", "started"), ("b", "started"), ("a", "ready"), ("c", "started")]:
        state = state.after(Progress(*event, 0.0))
    assert str(state) == "it waits for b, c"
    assert not state.ready


def test_a_state_is_read_back(scratch):
    assert boot_state.load(scratch) == BootState()
    for state in (BootState(1, ("a", "b")), BootState(1, (), 0.0)):
        state.save(scratch)
        assert boot_state.load(scratch) == state
    assert state.ready


def test_a_cloud_that_boots_can_be_attached_to_without_waiting(plan, booting):
    """So that it can be taken down."""
    assert LocalCloud.attach(plan.scratch).seconds_to_ready == 0.0


def test_time_is_up_and_the_steps_are_named(plan, booting):
    with pytest.raises(StillBooting, match=r"not ready after 0\.1 s: it waits for keystone$"):
        LocalCloud.attach(plan.scratch, wait_s=0.1)


def test_time_is_up_and_nothing_is_there(tmp_path):
    with pytest.raises(StillBooting, match="not ready after 0 s: no local cloud in"):
        LocalCloud.attach(tmp_path / "none", wait_s=0)


def later(action):
    thread = threading.Timer(0.3, action)
    thread.start()
    return thread


def test_waiting_ends_when_the_cloud_is_ready(plan, booting):
    thread = later(lambda: dataclasses.replace(booting, seconds_to_ready=7.0).save(plan.scratch))
    assert LocalCloud.attach(plan.scratch, wait_s=60).seconds_to_ready == 7.0
    thread.join()


def test_waiting_ends_when_the_boot_fails(tmp_path):
    """The directory has gone by then."""
    scratch = tmp_path / "cloud"
    thread = later(lambda: fail(scratch, BadScratch("too sandy")))
    with pytest.raises(BootFailed, match="did not come up: too sandy"):
        LocalCloud.attach(scratch, wait_s=60)
    thread.join()


def test_waiting_ends_when_the_booting_process_has_been_killed(plan, booting, ended_pid):
    dataclasses.replace(booting, pid=ended_pid).save(plan.scratch)
    with pytest.raises(BootFailed, match=f"process {ended_pid} has ended"):
        LocalCloud.attach(plan.scratch, wait_s=60)


def test_an_interrupted_boot_has_failed(tmp_path):
    fail(tmp_path / "cloud", KeyboardInterrupt())
    with pytest.raises(BootFailed, match="did not come up: KeyboardInterrupt"):
        LocalCloud.attach(tmp_path / "cloud", wait_s=60)


def test_who_comes_late_is_told_while_the_process_lives(tmp_path, ended_pid):
    """Afterwards it is an earlier boot's failure, and another boot may be on its way."""
    scratch = tmp_path / "cloud"
    fail(scratch, BadScratch("x"), age_s=LONG_AGO_S)
    with pytest.raises(BootFailed):
        LocalCloud.attach(scratch)
    fail(scratch, BadScratch("x"), age_s=LONG_AGO_S, pid=ended_pid)
    with pytest.raises(NotRunning, match="no local cloud in"):
        LocalCloud.attach(scratch)
    fail(scratch, BadScratch("x"), pid=ended_pid)
    with pytest.raises(BootFailed):
        LocalCloud.attach(scratch)


def test_the_next_boot_removes_the_failure(tmp_path):
    file = fail(tmp_path / "cloud", BadScratch("x"))
    with boot_state.failure_told(tmp_path / "cloud"):
        assert not file.exists()


def test_a_start_in_a_running_clouds_directory_is_no_failure_of_that_cloud(plan, monkeypatch):
    plan.save()
    monkeypatch.setattr(packages, "ensure", lambda: ())
    with pytest.raises(ScratchInUse):
        LocalCloud.start(plan.scratch)
    with pytest.raises(NotRunning):
        LocalCloud.attach(plan.scratch)


def test_a_start_that_fails_is_told(tmp_path, monkeypatch):
    def ensure():
        raise packages.PackagesMissing(("memcached",))

    monkeypatch.setattr(packages, "ensure", ensure)
    with pytest.raises(packages.PackagesMissing):
        LocalCloud.start(tmp_path / "cloud")
    with pytest.raises(BootFailed, match="apt-get install memcached"):
        LocalCloud.attach(tmp_path / "cloud", wait_s=60)
