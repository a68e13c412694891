"""Tests that are spread over processes: the serial group comes last, and alone."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[2]

CONFTEST = """
import json, os, pathlib, time
import pytest
from support.scheduling import TwoPhases, rank

def pytest_xdist_make_scheduler(config, log):
    return TwoPhases(config, log)

def pytest_collection_modifyitems(items):
    items.sort(key=rank)

@pytest.fixture(autouse=True)
def noted(request):
    began = time.time()
    yield
    line = json.dumps([request.node.nodeid, os.getpid(), began, time.time()])
    with open("noted", "a") as file:
        file.write(line + chr(10))
"""

MODULE = """
import time
import pytest

@pytest.mark.parametrize("n", range(4))
def test_plain(n):
    time.sleep(0.05)

@pytest.mark.xdist_group("serial")
@pytest.mark.parametrize("n", range(2))
def test_alone(n):
    time.sleep(0.05)

@pytest.mark.xdist_group("ours")
@pytest.mark.parametrize("n", range(3))
def test_of_a_group(n):
    time.sleep(0.05)
"""


@pytest.fixture
def spread(tmp_path):
    def spread(*selected):
        for name in ("tests/e2e/test_one.py", "tests/e2e/test_two.py", "tests/unit/test_three.py"):
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(MODULE)
        (tmp_path / "conftest.py").write_text(CONFTEST)
        (tmp_path / "pytest.ini").write_text(f"[pytest]\npythonpath = {TESTS}\n")
        options = ("-n", "3", "--dist", "loadgroup", "--no-loadscope-reorder", "-q")
        plugins = ("-p", "xdist", "-p", "no:cacheprovider", "--import-mode=importlib")
        done = subprocess.run(
            [sys.executable, "-m", "pytest", *options, *plugins, *selected],
            cwd=tmp_path, capture_output=True, text=True, check=False, timeout=120,
            env={**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        return [json.loads(line) for line in (tmp_path / "noted").read_text().splitlines()]

    return spread


def test_each_test_runs_once_and_the_serial_ones_when_nothing_else_does(spread):
    ran = spread()
    assert len(ran) == len({name for name, *_ in ran}) == 27
    serial = [each for each in ran if each[0].endswith("@serial")]
    assert len(serial) == 6
    others = [each for each in ran if each not in serial]
    assert max(ended for *_, ended in others) <= min(began for _, _, began, _ in serial)
    assert len({pid for _, pid, *_ in serial}) == 1
    # The others were spread, and a group and a module of unit tests stayed in one process.
    assert len({pid for _, pid, *_ in others}) == 3
    for part in ("@ours", "unit/test_three.py::test_plain"):
        assert len({pid for name, pid, *_ in others if part in name}) == 1


def test_the_serial_group_alone_runs(spread):
    assert len(spread("tests/e2e/test_one.py::test_alone")) == 2
