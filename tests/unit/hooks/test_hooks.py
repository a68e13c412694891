import gc
import json
import os
import signal
import time
from pathlib import Path

import pytest

from heat_zaqar_hooks import hooks, processes
from heat_zaqar_transport.wire.errors import HookFailed, StateError


def test_the_first_directory_that_has_the_hook_wins(tmp_path, hook_dir, hook):
    other = tmp_path / "other"
    other.mkdir()
    (other / "script").touch()
    path = hook("true")
    missing = tmp_path / "missing"
    assert hooks.find("script", [missing, hook_dir, other]) == path
    assert hooks.find("script", [other, hook_dir]) == other / "script"


def test_only_letters_digits_dash_and_underscore_name_a_file(tmp_path, hook_dir, hook):
    path = hook("true", name="docker-cmd_2")
    assert hooks.find("../docker-cmd_2", [hook_dir]) == path
    assert hooks.find("docker-cmd_2 .", [hook_dir]) == path


@pytest.mark.parametrize("group", ["", "..", "/", "none", "x" * 5000])
def test_no_hook_is_none(hook_dir, group):
    assert hooks.find(group, [hook_dir]) is None


def test_a_hook_reads_the_config_and_inherits_the_environment(hook, monkeypatch):
    monkeypatch.setenv("SOME_VARIABLE", "seen")
    run = hooks.run(hook('cat; echo "$SOME_VARIABLE" >&2; exit 3'), {"id": "c1", "a": "ü"})
    assert json.loads(run.stdout) == {"id": "c1", "a": "ü"}
    assert run.stderr == "seen\n"
    assert run.returncode == 3
    assert run.duration_s >= 0


def test_a_hook_need_not_read_its_input(hook):
    assert hooks.run(hook("exit 0"), {"config": "x" * 1_000_000}).returncode == 0


def test_bytes_that_are_no_text_are_replaced(hook):
    assert hooks.run(hook(r"printf 'a\377b'"), {}).stdout == "a\N{REPLACEMENT CHARACTER}b"


def test_a_signal_is_a_negative_return_code(hook):
    assert hooks.run(hook("kill -9 $$"), {}).returncode == -9


@pytest.mark.parametrize(
    ("mode", "text", "problem"),
    [
        (0o644, "#!/bin/sh\n", "Permission denied"),
        (0o755, "#!/no/such/interpreter\n", "No such file"),
        (0o755, "no interpreter\n", "Exec format error"),
    ],
)
def test_a_hook_that_cannot_be_started_fails(hook_dir, mode, text, problem):
    path = hook_dir / "script"
    path.write_text(text)
    path.chmod(mode)
    with pytest.raises(HookFailed, match=f"hook {path} cannot be started: {problem}"):
        hooks.run(path, {})


def test_the_repr_shows_no_output(hook):
    assert "hunter2" not in repr(hooks.run(hook("echo hunter2; echo hunter2 >&2"), {}))


def test_a_hook_is_told_its_attempt(hook):
    path = hook('echo "$HEAT_DEPLOY_ATTEMPT"')
    assert hooks.run(path, {}).stdout == "1\n"
    assert hooks.run(path, {}, attempt=3).stdout == "3\n"


def test_a_hook_leads_a_session_and_a_group_of_its_own(hook):
    fields = hooks.run(hook("cat /proc/self/stat"), {}).stdout.rpartition(")")[2].split()
    group, session = fields[2], fields[3]
    assert group == session
    assert session != str(os.getsid(0))


def test_who_started_it_is_told_before_it_gets_its_config(hook, tmp_path):
    told = []

    def started(pid, start_time):
        assert processes.is_same(pid, start_time)
        time.sleep(0.05)
        told.append((pid, (tmp_path / "got").exists()))

    run = hooks.run(hook(f"read -r line; touch {tmp_path}/got; echo $$"), {}, started=started)
    assert told == [(int(run.stdout), False)]


def test_a_hook_that_cannot_be_recorded_never_gets_its_config(hook, tmp_path):
    pids = []

    def full(pid, start_time):
        pids.append(pid)
        raise StateError("disk", "full")

    with pytest.raises(StateError):
        hooks.run(hook(f"read -r line && touch {tmp_path}/got"), {}, started=full)
    assert processes.start_time(pids[0]) is None
    assert not (tmp_path / "got").exists()


def test_a_hook_in_time_has_not_timed_out(hook):
    run = hooks.run(hook("echo in time"), {}, limit_s=30)
    assert (run.stdout, run.returncode, run.timed_out_s) == ("in time\n", 0, None)


# What a hook that is ended at its limit must not take, and what nothing waits for to end.
FAR_TOO_LONG_S = 60


def test_a_hook_over_time_may_clean_up(hook, begun):
    path = hook(f"trap 'echo cleaned; exit 3' TERM; echo out; sleep 60 & {begun}; wait")
    run = hooks.run(path, {}, limit_s=0.05, grace_s=FAR_TOO_LONG_S)
    assert (run.stdout, run.returncode, run.timed_out_s) == ("out\ncleaned\n", 3, 0.05)
    assert run.duration_s < FAR_TOO_LONG_S


def test_a_hook_that_does_not_heed_sigterm_is_killed_with_its_children(hook, begun, until):
    path = hook(f"trap '' TERM; sleep 60 & echo $!; {begun}; while :; do sleep 60; done")
    run = hooks.run(path, {}, limit_s=0.05, grace_s=0.1)
    assert run.returncode == -9
    assert run.duration_s < FAR_TOO_LONG_S
    until(lambda: dead(int(run.stdout)))


def test_children_that_closed_the_pipes_end_too(hook, begun, until):
    child = f"trap '' TERM; exec >&- 2>&-; {begun}; exec sleep 60"
    path = hook(f"({child}) & echo $!; wait")
    run = hooks.run(path, {}, limit_s=0.05)
    assert run.returncode == -15  # the hook itself heeded SIGTERM
    until(lambda: dead(int(run.stdout)))


@pytest.fixture
def daemon(begun, tmp_path):
    """Return the command that starts one which leaves the group and keeps the pipes."""
    yield f"setsid sh -c '{begun}; exec sleep {FAR_TOO_LONG_S}' &"
    os.kill(int((tmp_path / "begun").read_text()), signal.SIGKILL)


def test_a_daemon_that_left_the_group_with_the_pipes_does_not_hang_the_runner(
    hook, daemon, monkeypatch
):
    monkeypatch.setattr(hooks, "LAST_OUTPUT_S", 0.1)
    run = hooks.run(hook(f"echo before; {daemon} sleep 60"), {}, limit_s=0.05, grace_s=0.1)
    assert run.stdout == "before\n"
    assert run.returncode == -15
    assert run.duration_s < FAR_TOO_LONG_S


def test_what_was_printed_is_kept_where_the_pipes_were_closed_long_before(hook, begun):
    path = hook(f"echo out; echo trace >&2; exec >&- 2>&-; trap '' TERM; {begun}; sleep 60; :")
    run = hooks.run(path, {}, limit_s=0.05, grace_s=0.1)
    assert (run.stdout, run.stderr, run.timed_out_s) == ("out\n", "trace\n", 0.05)


def test_the_limit_holds_while_only_a_daemon_has_the_pipes(hook, daemon, monkeypatch):
    monkeypatch.setattr(hooks, "LAST_OUTPUT_S", 0.1)
    run = hooks.run(hook(f"echo '{{}}'; {daemon}"), {}, limit_s=0.05, grace_s=0.1)
    assert (run.timed_out_s, run.stdout) == (0.05, "{}\n")
    assert run.duration_s < FAR_TOO_LONG_S


def test_a_limit_of_months_is_waited_for_in_slices(hook, monkeypatch):
    monkeypatch.setattr(hooks, "_SLICE_S", 0.02)
    run = hooks.run(hook("echo out; sleep 0.1; echo end"), {"id": "c1"}, limit_s=FAR_TOO_LONG_S)
    assert (run.stdout, run.timed_out_s) == ("out\nend\n", None)
    assert hooks.run(hook("sleep 60"), {}, limit_s=0.1).timed_out_s == 0.1


def test_a_limit_beyond_what_poll_takes(hook):
    assert hooks.run(hook("echo ok"), {}, limit_s=1e9).stdout == "ok\n"


def test_no_descriptor_is_left_open(hook):
    # Not how many there are: those that other tests have left may be closed meanwhile.
    gc.collect()
    before = descriptors()
    hooks.run(hook("true"), {})
    hooks.run(hook("sleep 60"), {}, limit_s=0.02)
    assert descriptors() <= before


def descriptors():
    return {path.name for path in Path("/proc/self/fd").iterdir()}


def dead(pid):
    """Tell whether a process is gone, or waits for init to collect it."""
    fields = processes._stat(pid)
    return fields is None or fields[0] == "Z"
