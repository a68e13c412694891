"""Process groups, with real ones."""

import os
import signal
import subprocess
import sys
import time

import pytest

from heat_zaqar_hooks import processes

# Starts a child in its group, tells both pids, and waits with it.
PAIR = "import subprocess, os\nc = subprocess.Popen(['sleep', '60'])\n"
PAIR += "print(os.getpid(), c.pid, flush=True)\nc.wait()"
STUBBORN = "import signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n"


@pytest.fixture
def start():
    """Start a Python program that leads a group; return it and what it prints first."""
    started = []

    def start(text):
        process = subprocess.Popen(
            [sys.executable, "-c", text],
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        started.append(process)
        return process, process.stdout.readline().split()

    yield start
    for process in started:
        processes.send_signal(process.pid, signal.SIGKILL)
        process.wait()
        process.stdout.close()


def alive(pid):
    fields = processes._stat(pid)
    return fields is not None and fields[0] != "Z"


def test_a_process_is_known_again_by_its_start_time(start):
    process, _ = start("print('up', flush=True); input()")
    started = processes.start_time(process.pid)
    assert int(started) > 0
    assert processes.is_same(process.pid, started)


@pytest.mark.parametrize("started", ["1", None])
def test_another_process_of_the_number_is_not_taken_for_it(started):
    assert not processes.is_same(os.getpid(), started)


def test_a_process_that_is_gone_is_not_the_same(start):
    process, _ = start("")
    started = processes.start_time(process.pid)
    process.wait()
    assert processes.start_time(process.pid) is None
    assert not processes.is_same(process.pid, started)
    assert not processes.is_same(None, started)


def test_a_name_with_blanks_and_brackets_is_no_trouble(tmp_path):
    program = tmp_path / "a) R 1 (b"
    program.symlink_to("/bin/sleep")
    with subprocess.Popen([program, "60"]) as process:
        started = int(processes.start_time(process.pid))
        assert abs(started - int(processes.start_time(os.getpid()))) < 10**7
        assert processes._stat(process.pid)[1] == str(os.getpid())
        process.kill()


def test_a_group_is_ended_with_all_that_is_in_it(start):
    process, (leader, child) = start(PAIR)
    sleeps = []
    processes.end_group(process.pid, sleep=lambda s: sleeps.append(s) or time.sleep(s))
    # Nobody waited for SIGKILL, nor for the dead leader, which is ours to collect.
    assert len(sleeps) < processes.ORPHAN_GRACE_S / processes.POLL_S
    assert not alive(int(leader))
    assert not alive(int(child))


def test_what_does_not_heed_sigterm_is_killed(start):
    process, (_, child) = start(STUBBORN + PAIR)
    processes.end_group(process.pid, grace_s=0.04)
    assert process.wait() == -signal.SIGKILL
    assert not alive(int(child))


def test_a_group_that_one_may_not_end_stops_nothing(start, monkeypatch):
    process, _ = start(PAIR)
    with monkeypatch.context() as patch:
        patch.setattr(os, "killpg", refused)
        patch.setattr(processes, "GONE_WITHIN_S", 2 * processes.POLL_S)
        processes.end_group(process.pid, grace_s=0, sleep=lambda _: None)
    assert process.poll() is None


def refused(*_):
    raise PermissionError


def test_a_group_that_is_gone_is_no_error(start):
    process, _ = start("")
    process.wait()
    processes.end_group(process.pid, grace_s=0, sleep=lambda _: None)
