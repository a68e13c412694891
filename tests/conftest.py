"""One local cloud for the whole session: booting it costs more than most tests."""

import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from localcloud import LocalCloud


@pytest.fixture(scope="session")
def cloud():
    """Real Keystone, Zaqar and Heat with everything below them.

    A service that is missing fails the run; nothing is skipped. While you work on the tests,
    `make cloud` in another window and LOCALCLOUD=<its scratch directory> save the boot.
    """
    running = os.environ.get("LOCALCLOUD")
    if running:
        yield LocalCloud.attach(Path(running))
        return
    with LocalCloud.start() as cloud:
        yield cloud


@pytest.fixture(autouse=True)
def _every_service_lives(request):
    """Say which service died, with its log's end, rather than what broke because of it."""
    yield
    if "cloud" in request.fixturenames:
        request.getfixturevalue("cloud").check()


@pytest.hookimpl(wrapper=True)
def pytest_runtestloop(session):
    """Let pip make Nova's environment while the first tests run: it takes minutes of one core."""
    wanted = any(item.path.name == "test_nova.py" for item in session.items)
    with contextlib.ExitStack() as ends:
        if wanted and not session.config.option.collectonly:
            command = ["nice", sys.executable, "-m", "localcloud.compute_env"]
            # A group of its own, so that pip ends with it.
            ends.callback(_end_group, subprocess.Popen(command, start_new_session=True))
        return (yield)


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
