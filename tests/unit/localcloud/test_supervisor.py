"""Real processes, small ones; what is waited for is always an end or a line of output."""

import contextlib
import os
import signal
import socket
import sys
import time

import psutil
import pytest

from localcloud import boot
from localcloud.errors import LocalCloudError, NotRunning, ServiceDied, StepFailed
from localcloud.plan import REPO_ROOT, Plan
from localcloud.supervisor_client import SupervisorClient, launch

FOREVER = "import time\nwhile True: time.sleep(60)\n"
# Leaves its parents as daemons do, and overwrites nothing.
DAEMON = f"""
import os
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        print("daemon", os.getpid(), flush=True)
        {FOREVER.replace(chr(10), chr(10) + "        ")}
    os._exit(0)
os.wait()
"""
STUBBORN = "import signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\nprint('on', flush=True)\n"
OWNER = """
import socket, sys, time
from pathlib import Path
from localcloud.plan import Plan
from localcloud.protocol import Command
from localcloud.supervisor_client import SupervisorClient, launch
scratch = Path(sys.argv[1])
plan = Plan(scratch, {}, {}, (), False, keep=sys.argv[2] == "keep")
process = launch(plan, socket.socket())
client = SupervisorClient(plan.control_socket)
for name in ("one", "two"):
    script = Path(sys.argv[3]).read_text()
    command = Command(name, (sys.executable, "-c", script), plan.logs / f"{name}.log", scratch)
    print(client.start(command), flush=True)
print(process.pid, flush=True)
if len(sys.argv) > 4:
    import os
    if os.fork() == 0:
        time.sleep(600)
time.sleep(600)
"""


def processes(*pids):
    return [psutil.Process(int(pid)) for pid in pids]


def wait_for_text(path, text, timeout_s=10):
    """Wait until a log has a text in it; returns the log."""
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        if path.exists() and text in path.read_text():
            return path.read_text()
        os.sched_yield()
    raise AssertionError(f"{text!r} never came")


def lives(process):
    """Tell whether a process lives; an orphan that has ended may wait long for its reaper."""
    with contextlib.suppress(psutil.NoSuchProcess):
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    return False


def assert_end(living, timeout_s=15):
    deadline = time.monotonic() + timeout_s
    while any(lives(process) for process in living):
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_started_process_runs_as_told(supervisor, make_command, plan):
    script = "import os; print(os.environ['X'], os.environ['LOCALCLOUD_SERVICE'], os.getcwd())"
    supervisor.start(make_command("a", script=script, env={"X": "y"}))
    assert supervisor.wait("a", 10) == 0
    assert (plan.logs / "a.log").read_text() == f"y a {plan.scratch}\n"


def test_a_process_does_not_inherit_our_environment(supervisor, make_command, plan, monkeypatch):
    """A proxy or an OS_PASSWORD of the caller's must not change what services do."""
    supervisor.start(make_command("a", script="import os; print(sorted(os.environ))"))
    supervisor.wait("a", 10)
    assert "PYTEST_CURRENT_TEST" not in (plan.logs / "a.log").read_text()


def test_the_exit_status_is_kept(supervisor, make_command):
    supervisor.start(make_command("a", script="raise SystemExit(7)"))
    assert supervisor.wait("a", 10) == 7
    status = supervisor.status()["a"]
    assert (status.returncode, status.running, status.died) == (7, False, True)


def test_waiting_ends_when_time_is_up(supervisor, make_command):
    supervisor.start(make_command("a", script=FOREVER))
    assert supervisor.wait("a", 0.01) is None


def test_two_of_one_name_are_refused(supervisor, make_command):
    supervisor.start(make_command("a", script=FOREVER))
    with pytest.raises(LocalCloudError, match="a runs already"):
        supervisor.start(make_command("a", script=FOREVER))


def test_a_name_can_be_used_again_after_its_end(supervisor, make_command):
    for status in (1, 0):
        supervisor.start(make_command("a", script=f"raise SystemExit({status})"))
        assert supervisor.wait("a", 10) == status


@pytest.mark.parametrize("fields", [{"user": "no-such-user"}, {}])
def test_what_cannot_be_started_says_so(supervisor, make_command, fields):
    with pytest.raises(LocalCloudError, match="cannot start"):
        supervisor.start(make_command("a", "/no/such/program", **fields))


def test_unknown_names_and_verbs_are_refused(supervisor):
    with pytest.raises(LocalCloudError, match="was never started"):
        supervisor.kill("a")
    with pytest.raises(LocalCloudError, match="unknown verb"):
        supervisor._ask("dance")


def test_stop_is_not_a_death(supervisor, make_command):
    pid = supervisor.start(make_command("a", script=FOREVER))
    living = processes(pid)
    supervisor.stop("a", 5)
    assert_end(living, 0)
    status = supervisor.status()["a"]
    assert (status.returncode, status.died) == (-signal.SIGTERM, False)


def test_kill_is_a_death(supervisor, make_command):
    supervisor.start(make_command("a", script=FOREVER))
    supervisor.kill("a")
    status = supervisor.status()["a"]
    assert (status.returncode, status.died) == (-signal.SIGKILL, True)


def test_what_ignores_sigterm_is_killed_after_the_grace(supervisor, make_command, plan):
    supervisor.start(make_command("a", script=STUBBORN + FOREVER))
    wait_for_text(plan.logs / "a.log", "on")
    supervisor.stop("a", 0.1)
    assert supervisor.status()["a"].returncode == -signal.SIGKILL


@pytest.mark.parametrize("verb", ["stop", "kill"])
def test_a_daemonized_grandchild_ends_with_its_service(supervisor, make_command, plan, verb):
    supervisor.start(make_command("a", script=DAEMON + FOREVER))
    daemon = processes(wait_for_text(plan.logs / "a.log", "daemon").split()[1])
    {"stop": lambda: supervisor.stop("a", 0.5), "kill": lambda: supervisor.kill("a")}[verb]()
    assert_end(daemon, 0)


def test_one_services_end_leaves_another_alone(supervisor, make_command):
    supervisor.start(make_command("a", script=FOREVER))
    supervisor.start(make_command("b", script=FOREVER))
    supervisor.kill("a")
    assert supervisor.status()["b"].running


def test_a_daemon_whose_service_has_ended_ends_with_the_supervisor(make_command, plan):
    with socket.socket() as mark:
        process = launch(plan, mark)
    supervisor = SupervisorClient(plan.control_socket)
    supervisor.start(make_command("a", script=DAEMON))
    assert supervisor.wait("a", 10) == 0
    daemon = processes((plan.logs / "a.log").read_text().split()[1])
    supervisor.shutdown()
    process.wait(20)
    process.stdin.close()
    assert_end(daemon, 0)


def test_memory_is_counted_when_asked_for(supervisor, make_command, plan):
    supervisor.start(make_command("a", script="print('on', flush=True)\n" + FOREVER))
    wait_for_text(plan.logs / "a.log", "on")
    assert supervisor.status(with_memory=True)["a"].memory_bytes > 1 << 20
    assert supervisor.status()["a"].memory_bytes == 0


def test_no_supervisor_is_said_to_be_not_running(plan):
    with pytest.raises(NotRunning, match="no supervisor answers"):
        SupervisorClient(plan.control_socket).status()


@pytest.mark.parametrize("extra", [(), ("fork",)], ids=["alone", "with a fork that lives on"])
@pytest.mark.parametrize("keep", ["keep", "remove"])
def test_sigkill_of_the_owner_ends_everything(plan, reader, tmp_path, keep, extra):
    """A fork of the owner keeps the supervisor's pipe open; the owner's end counts all the same."""
    script = tmp_path / "service.py"
    script.write_text(DAEMON + FOREVER)
    argv = [sys.executable, "-c", OWNER, str(plan.scratch), keep, str(script), *extra]
    owner = reader(*argv, cwd=REPO_ROOT)
    living = processes(*(owner.stdout.readline() for _ in range(3)))
    for name in ("one", "two"):
        text = wait_for_text(plan.logs / f"{name}.log", "daemon")
        living += processes(text.split()[1])
    left_over = psutil.Process(owner.pid).children() if extra else []
    owner.kill()
    try:
        assert_end(living)
    finally:
        for process in left_over:
            if process not in living:
                process.kill()
    assert plan.scratch.exists() == (keep == "keep")


def test_sigkill_of_the_supervisor_ends_its_children(plan, make_command):
    with socket.socket() as mark:
        process = launch(plan, mark)
    pid = SupervisorClient(plan.control_socket).start(make_command("a", script=FOREVER))
    living = processes(pid)
    process.kill()
    process.wait()
    process.stdin.close()
    assert_end(living)


def test_no_secret_stands_in_a_plans_or_commands_text(make_command):
    command = make_command("a", "x", env={"OS_BOOTSTRAP_PASSWORD": "hush"})
    plan = Plan(REPO_ROOT, {}, {"demo": "hush"}, (), debug=False, keep=False)
    assert "hush" not in f"{command} {plan}"


def test_a_dying_step_shows_the_end_of_its_log(supervisor, make_command, plan):
    script = "print('first'); print('database is on fire'); raise SystemExit(3)"
    command = make_command("schema", script=script)
    with pytest.raises(StepFailed) as caught:
        boot.run_to_end(supervisor, command)
    text = str(caught.value)
    assert "schema failed with exit status 3" in text
    assert str(plan.logs / "schema.log") in text
    assert "database is on fire" in text


class Mute:
    """A service that never answers."""

    def __init__(self, command):
        self.name = command.name
        self.log = command.log

    def ask(self):
        raise ConnectionRefusedError("nobody there")


def test_a_service_that_dies_before_it_answers(supervisor, make_command):
    script = "import sys; sys.exit('OSError: [Errno 98] Address already in use')"
    command = make_command("a", script=script)
    supervisor.start(command)
    with pytest.raises(ServiceDied) as caught:
        boot.wait_ready(supervisor, Mute(command))
    assert str(caught.value).startswith("a died with exit status 1 (its port was taken), log: ")
    assert "Errno 98" in str(caught.value)


def test_a_service_that_does_not_answer_in_time(supervisor, make_command):
    command = make_command("a", script="print('hm', flush=True)\n" + FOREVER)
    supervisor.start(command)
    with pytest.raises(boot.NotReady, match=r"within 0 s \(ConnectionRefusedError: nobody there\)"):
        boot.wait_ready(supervisor, Mute(command), timeout_s=0.3)
