"""One local cloud for the whole run: booting it costs more than most tests.

With pytest-xdist its processes share it: the one that spreads the tests boots it when the others
have told which tests there are. Each of those has a project of its own in it.
"""

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import pytest

from localcloud import LocalCloud, LocalCloudError
from support.scheduling import SERIAL, TwoPhases, rank

# What a test below these needs of the cloud: Zaqar, or Heat as well.
ZAQAR_TESTS = ("tests/contract", "tests/zaqar")
HEAT_TESTS = ("tests/e2e", "tests/faults", "tests/heavy")
BOOT_LIMIT_S = 300


@pytest.fixture(scope="session")
def cloud(request):
    """Real Keystone and Zaqar with what they need, and Heat where a test of it is selected.

    A service that is missing fails the run; nothing is skipped. While you work on the tests,
    `make cloud` in another window and LOCALCLOUD=<its scratch directory> save the boot.
    """
    running = os.environ.get("LOCALCLOUD")
    worker = getattr(request.config, "workerinput", None)
    if running:
        yield LocalCloud.attach(Path(running))
    elif worker is not None:
        shared = LocalCloud.attach(Path(worker["cloud"]), wait_s=BOOT_LIMIT_S)
        yield shared.for_project(worker["workerid"])
    else:
        with LocalCloud.start(
            heat=_with_heat(item.nodeid for item in request.session.items)
        ) as own:
            yield own


@pytest.fixture(autouse=True)
def _every_service_lives(request):
    """Say which service died, with its log's end, rather than what broke because of it."""
    yield
    if "cloud" in request.fixturenames:
        request.getfixturevalue("cloud").check()


def _with_heat(nodeids):
    return any(each.startswith(HEAT_TESTS) for each in nodeids)


class Shared:
    """What the process that spreads the tests does for the others."""

    def __init__(self):
        self._parent = tempfile.TemporaryDirectory(prefix="tests-")
        self.scratch = Path(self._parent.name) / "cloud"
        # MariaDB, which is another user, has to pass.
        Path(self._parent.name).chmod(0o711)
        self._ends = contextlib.ExitStack()
        self._thread = None
        self._begun = False

    @pytest.hookimpl
    def pytest_configure_node(self, node):
        node.workerinput["cloud"] = str(self.scratch)

    @pytest.hookimpl
    def pytest_xdist_make_scheduler(self, config, log):
        return TwoPhases(config, log)

    @pytest.hookimpl
    def pytest_xdist_node_collection_finished(self, node, ids):
        if self._begun:
            return
        self._begun = True
        if any(each.startswith("tests/e2e/test_nova.py") for each in ids):
            _make_compute_environment(self._ends)
        wanted = any(each.startswith(ZAQAR_TESTS + HEAT_TESTS) for each in ids)
        if wanted and "LOCALCLOUD" not in os.environ:
            self._thread = threading.Thread(target=self._boot, args=[_with_heat(ids)])
            self._thread.start()

    def _boot(self, heat):
        try:
            self._ends.enter_context(LocalCloud.start(self.scratch, heat=heat))
        except LocalCloudError as exc:
            # Those who wait for it find that out, too.
            print(f"the tests' cloud cannot be booted: {exc}", file=sys.stderr)

    @pytest.hookimpl
    def pytest_unconfigure(self):
        if self._thread is not None:
            self._thread.join()
        self._ends.close()
        self._parent.cleanup()


def pytest_configure(config):
    spreads = getattr(config.option, "numprocesses", None)
    if spreads and not hasattr(config, "workerinput") and not config.option.collectonly:
        config.pluginmanager.register(Shared())


def pytest_collection_modifyitems(items):
    for item in items:
        if item.nodeid.startswith(("tests/faults", "tests/heavy")):
            item.add_marker(pytest.mark.xdist_group(SERIAL))
    items.sort(key=rank)


@pytest.hookimpl(wrapper=True)
def pytest_runtestloop(session):
    """Without pytest-xdist, too, make Nova's environment while the first tests run."""
    wanted = any(item.path.name == "test_nova.py" for item in session.items)
    alone = not hasattr(session.config, "workerinput")
    with contextlib.ExitStack() as ends:
        if wanted and alone and not session.config.option.collectonly:
            _make_compute_environment(ends)
        return (yield)


def _make_compute_environment(ends):
    """Let pip make it: that takes minutes of one core."""
    command = ["nice", sys.executable, "-m", "localcloud.compute_env"]
    # A group of its own, so that pip ends with it.
    ends.callback(_end_group, subprocess.Popen(command, start_new_session=True))


def _end_group(process):
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
    process.wait()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    """Show what the servers of a failed test have logged last: a CI run leaves nothing else."""
    report = yield
    site = getattr(item, "funcargs", {}).get("site")
    if report.when == "call" and report.failed and site is not None:
        report.sections += site.ends_of_logs()
    return report
