import shutil
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from localcloud.plan import Plan, new_secrets, prepare_scratch
from localcloud.protocol import Command
from localcloud.supervisor_client import SupervisorClient, launch


@pytest.fixture
def scratch():
    """A directory with a path short enough for sockets, which pytest's own is not always."""
    path = Path(tempfile.mkdtemp(prefix="lc-test-"))
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture
def plan(scratch):
    """A cloud of nothing but a directory."""
    return Plan(prepare_scratch(scratch), {}, new_secrets(), (), debug=False, keep=True)


@pytest.fixture
def supervisor(plan):
    """A running supervisor with nothing to supervise, owned by the test."""
    with socket.socket() as mark:
        process = launch(plan, mark)
    yield SupervisorClient(plan.control_socket)
    process.stdin.close()
    process.wait(20)


@pytest.fixture
def make_command(plan):
    """Make a command that runs a Python script or any program."""

    def make(name, *argv, script=None, **fields):
        argv = (sys.executable, "-c", script) if script else argv
        return Command(name, argv, plan.logs / f"{name}.log", plan.scratch, **fields)

    return make


@pytest.fixture
def reader():
    """Run a program that is killed at the end of the test, and read its output line by line."""
    started = []

    def start(*argv, **options):
        process = subprocess.Popen(argv, stdout=subprocess.PIPE, text=True, **options)
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.wait()
        process.stdout.close()
