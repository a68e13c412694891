"""The runner over real hooks, with results that go into a list instead of a service."""

import dataclasses
import json
import multiprocessing
import os
import signal
import stat
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from heat_zaqar_hooks import hooks, processes
from heat_zaqar_hooks import runner as runner_module
from heat_zaqar_hooks.deployed import Deployed
from heat_zaqar_hooks.results import failed
from heat_zaqar_hooks.runner import RESULT_LOST, Runner, only_runner
from heat_zaqar_hooks.script import ScriptPlaces
from heat_zaqar_hooks.states import Deployment, State, Store
from heat_zaqar_transport import durable
from heat_zaqar_transport.wire.errors import StateError, Unreachable
from support.fuzz import FACTOR

COUNTING = 'echo run >> "$RUNS"; echo \'{"mine": 1}\''


class Heat:
    """What the runner sends to; refuses configs named in `refused`."""

    def __init__(self):
        self.got = []
        self.attempts = []
        self.refused = set()
        self.channel = None

    def __call__(self, config, outputs, attempt):
        if config.id in self.refused:
            raise Unreachable("post", "refused")
        self.got.append((config.id, dict(outputs)))
        self.attempts.append(attempt)
        return "TEST_SIGNAL"

    def ack_channel(self, config):
        return self.channel

    @property
    def outputs(self):
        """The outputs of the one result there is."""
        ((_, outputs),) = self.got
        return outputs


@pytest.fixture
def heat():
    return Heat()


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "state")


@pytest.fixture
def runs(tmp_path, monkeypatch):
    """Tell how often hooks of COUNTING have run."""
    path = tmp_path / "runs"
    path.touch()
    monkeypatch.setenv("RUNS", str(path))
    return lambda: len(path.read_text().splitlines())


@pytest.fixture
def reboots():
    """The reboots that the runner asked for: an entry each."""
    return []


@pytest.fixture
def runner(tmp_path, hook_dir, heat, store, reboots):
    return Runner(
        config_list=tmp_path / "list",
        hook_dirs=(hook_dir,),
        store=store,
        deployed=Deployed(tmp_path / "deployed"),
        send=heat,
        ack_channel=heat.ack_channel,
        reboot=lambda: reboots.append("asked for"),
        boot_id="boot-2",
        clean=ScriptPlaces(tmp_path / "working", tmp_path / "outputs").clean,
        now=lambda: "2026-11-20T12:00:00+00:00",
    )


@pytest.fixture
def run(runner):
    """Run over a list of entries."""

    def run(*entries):
        runner.config_list.write_text(json.dumps(entries))
        return runner.run()

    return run


def state_of(store, config_id="c1"):
    return store.read(config_id).state


def test_a_deployment_is_run_and_answered_once(run, entry, hook, heat, store, runs):
    hook(COUNTING)
    assert run(entry()) == 0
    assert run(entry()) == 0
    assert runs() == 1
    assert heat.outputs["mine"] == 1
    assert heat.outputs["deploy_status_code"] == 0
    assert state_of(store) is State.SENT


def test_deployments_are_run_in_the_lists_order(run, entry, hook, heat):
    hook("echo '{}'")
    run(entry("b"), entry("a"), entry("c"))
    assert [config_id for config_id, _ in heat.got] == ["b", "a", "c"]


def test_each_state_is_on_the_disk_before_the_next_step(
    run, entry, hook, heat, store, tmp_path, monkeypatch
):
    seen = []
    write = durable.write_json

    def note(path, value):
        write(path, value)
        if path == store.path("c1"):
            known = "" if value["hook_pid"] is None else " with its pid"
            seen.append(f"{value['state']}{known}")

    monkeypatch.setattr(durable, "write_json", note)
    monkeypatch.setenv("STATE_FILE", str(store.path("c1")))
    hook('cat "$STATE_FILE" >&2; echo "{}"')

    def send(config, outputs, attempt):
        seen.append(f"sent from {state_of(store)}")
        return "X"

    monkeypatch.setattr(Heat, "__call__", lambda self, *args: send(*args))
    run(entry())
    assert seen == [
        "received",
        "running",
        "running with its pid",
        "finished",
        "sent from finished",
        "sent",
    ]


def test_while_the_hook_runs_the_record_says_so(run, entry, hook, heat, store, monkeypatch):
    monkeypatch.setenv("STATE_FILE", str(store.path("c1")))
    hook('cat "$STATE_FILE" >&2; echo "{}"')
    run(entry())
    record = json.loads(heat.outputs["deploy_stderr"])
    assert record["state"] == "running"
    assert record["boot_id"] == "boot-2"
    assert record["started_at"] == "2026-11-20T12:00:00+00:00"
    assert (record["name"], record["group"]) == ("web", "script")


def test_a_hook_that_has_its_config_is_in_its_record(run, entry, hook, heat, store, monkeypatch):
    monkeypatch.setenv("STATE_FILE", str(store.path("c1")))
    hook('cat > /dev/null; cat "$STATE_FILE" >&2; echo "{\\"pid\\": $$}"')
    run(entry())
    assert json.loads(heat.outputs["deploy_stderr"])["hook_pid"] == heat.outputs["pid"]


def test_a_result_that_is_not_sent_is_sent_later_without_another_run(
    run, entry, hook, heat, store, runs
):
    hook(COUNTING)
    heat.refused = {"c1"}
    assert run(entry()) == 1
    assert state_of(store) is State.FINISHED
    heat.refused = set()
    assert run(entry()) == 0
    assert runs() == 1
    assert heat.outputs["mine"] == 1
    assert state_of(store) is State.SENT


def test_a_result_that_is_not_sent_stops_no_other(run, entry, hook, heat, caplog):
    hook("echo '{}'")
    heat.refused = {"a"}
    assert run(entry("a"), entry("b")) == 1
    assert [config_id for config_id, _ in heat.got] == ["b"]
    assert "deployment web (a): post: refused" in caplog.text


def test_a_crash_before_the_hook_started_runs_it(run, entry, hook, heat, store, runs):
    hook(COUNTING)
    store.write(Deployment("c1", "web", "script"))
    assert run(entry()) == 0
    assert runs() == 1
    assert len(heat.got) == 1


@pytest.mark.parametrize(
    ("boot_id", "cause"),
    [
        ("boot-1", "the server was rebooted"),
        ("boot-2", "the runner died"),
        ("", "the runner died"),
    ],
)
def test_an_interrupted_hook_has_failed_and_does_not_run_again(
    run, entry, hook, heat, store, runs, boot_id, cause
):
    hook(COUNTING)
    store.write(Deployment("c1", "web", "script").running("script", boot_id, "before"))
    assert run(entry()) == 0
    assert runs() == 0
    assert heat.outputs["deploy_status_code"] == 1
    assert heat.outputs["deploy_stderr"] == f"interrupted: {cause} while the hook was running"
    assert state_of(store) is State.SENT


# What the runner writes for one deployment, in order.
WRITES = ("received", "config", "running", "pid", "finished", "sent")


def die_at_a_write(runner, number, after):
    """Have a runner killed before or after one of its writes."""
    write, numbers = durable.write_json, iter(range(99))

    def write_or_die(path, value):
        at = next(numbers)
        if at != number or after:
            write(path, value)
        if at == number:
            os.kill(os.getpid(), signal.SIGKILL)

    def die():
        durable.write_json = write_or_die  # in the child alone
        runner.run()

    child = multiprocessing.get_context("fork").Process(target=die)
    child.start()
    child.join()
    assert child.exitcode == -signal.SIGKILL


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("name", WRITES)
def test_wherever_a_runner_is_killed_the_hook_runs_once_and_heat_gets_a_result(
    runner, entry, hook, heat, store, runs, tmp_path, name, after
):
    hook(COUNTING)
    runner.config_list.write_text(json.dumps([entry()]))
    sent_by_it = tmp_path / "sent by the one that is killed"
    sending = dataclasses.replace(runner, send=lambda *_: sent_by_it.touch() or "X")
    at = WRITES.index(name)
    die_at_a_write(sending, at, after)
    is_running = (WRITES.index("running"), True) <= (at, after) < (WRITES.index("finished"), True)
    assert (store.path("c1").exists() and state_of(store) is State.RUNNING) is is_running
    for _ in range(2):
        assert runner.run() == 0
    assert state_of(store) is State.SENT
    if (name, after) == ("sent", True):
        assert heat.got == []
        assert sent_by_it.exists()
    elif is_running:
        assert heat.outputs["deploy_stderr"].startswith("interrupted: the runner died")
    else:
        assert heat.outputs["mine"] == 1
    assert runs() <= 1 if is_running else runs() == 1


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_a_runner_that_is_killed_as_it_notes_the_wish_for_a_reboot(
    runner, entry, hook, heat, runs, reboots, after
):
    hook(ASKING)
    runner.config_list.write_text(json.dumps([entry()]))
    die_at_a_write(runner, WRITES.index("finished"), after)
    if after:
        assert (runner.run(), len(reboots), heat.got) == (1, 1, [])
        assert rebooted(runner, "boot-3").run() == 0
        assert (heat.outputs["deploy_status_code"], heat.attempts, runs()) == (0, [2], 2)
    else:
        assert runner.run() == 0
        assert heat.outputs["deploy_stderr"].startswith("interrupted: the runner died")
        assert (heat.attempts, runs(), reboots) == ([1], 1, [])


@pytest.fixture
def die_in_the_hook(runner, entry, hook):
    """Let a runner die while its hook runs for a minute; return the hook's pid."""

    def die(*more, first=""):
        hook(f"cat > /dev/null; {first} kill -9 $PPID; exec sleep 60")
        runner.config_list.write_text(json.dumps([entry(), *more]))
        child = multiprocessing.get_context("fork").Process(target=runner.run)
        child.start()
        child.join()
        assert child.exitcode == -9
        return runner.store.read("c1").hook_pid

    yield die
    found = runner.store.read("c1")
    if found and found.hook_pid:
        processes.send_signal(found.hook_pid, 9)


def lives(pid):
    fields = processes._stat(pid)
    return fields is not None and fields[0] != "Z"


def test_a_hook_that_outlives_its_runner_is_ended(run, entry, heat, die_in_the_hook, caplog):
    pid = die_in_the_hook()
    assert lives(pid)
    assert run(entry()) == 0
    assert not lives(pid)
    assert heat.outputs["deploy_stderr"].startswith("interrupted: the runner died")
    assert "deployment web (c1): its hook still runs without a runner and is ended" in caplog.text


def test_what_that_hook_has_started_is_ended_with_it(run, entry, die_in_the_hook, tmp_path):
    die_in_the_hook(first=f"sleep 60 & echo $! > {tmp_path}/child;")
    child = int((tmp_path / "child").read_text())
    assert lives(child)
    assert run(entry()) == 0
    assert not lives(child)


def test_the_orphan_of_a_vanished_config_is_ended_before_anything_runs(
    run, entry, hook, heat, die_in_the_hook, monkeypatch
):
    pid = die_in_the_hook()
    monkeypatch.setenv("ORPHAN", str(pid))
    hook('kill -0 "$ORPHAN" 2>/dev/null && grep -v ") Z" /proc/$ORPHAN/stat >&2; echo "{}"')
    assert run(entry("c2")) == 0
    assert not lives(pid)
    assert heat.outputs["deploy_stderr"] == ""


@pytest.mark.parametrize(
    ("boot_id", "started"),
    [("boot-2", "1"), ("boot-1", None), ("", None), ("boot-2", "no /proc")],
    ids=["pid used again", "other boot", "boot not known", "start not known"],
)
def test_another_process_of_that_number_is_left_alone(run, entry, store, boot_id, started):
    with subprocess.Popen(["sleep", "60"], start_new_session=True) as other:
        start_time = {None: processes.start_time(other.pid), "no /proc": None}.get(started, started)
        fresh = Deployment("c1", "web", "script").running("script", boot_id, "before")
        store.write(fresh.started(other.pid, start_time))
        assert run(entry()) == 0
        assert other.poll() is None
        other.kill()


def test_what_an_interrupted_script_left_is_removed(run, entry, store, tmp_path):
    for name in ("working/c1", "outputs/c1.result"):
        path = tmp_path / name
        path.parent.mkdir()
        path.touch()
    store.write(Deployment("c1", "web", "script").running("script", "boot-1", "before"))
    assert run(entry()) == 0
    assert not (tmp_path / "working/c1").exists()
    assert not (tmp_path / "outputs/c1.result").exists()


def test_what_waits_goes_before_what_is_new(run, entry, hook, heat, store, reboots):
    """A long hook does not hold back a result, nor does one run beside an orphan."""
    hook("echo '{}'")
    interrupted = Deployment("c3", "web", "script").running("script", "boot-1", "before")
    store.write(interrupted)
    store.write(Deployment("c4", "web", "script").finished({}, "before"))
    store.write(dataclasses.replace(interrupted, config_id="c5").rebooting())
    run(entry("c1"), entry("c2"), entry("c3"), entry("c4"), entry("c5"))
    assert [config_id for config_id, _ in heat.got] == ["c4", "c3", "c5", "c1", "c2"]


def test_an_acked_result_is_sent_no_more_and_one_that_waits_for_its_ack_neither(
    run, entry, hook, heat, store, runs
):
    hook(COUNTING)
    heat.channel = "ch"
    assert run(entry()) == 0
    assert (state_of(store), store.read("c1").outputs["mine"]) == (State.SENT, 1)
    assert run(entry()) == 0
    assert store.acked("c1", 1)
    assert run(entry()) == 0
    assert (runs(), len(heat.got)) == (1, 1)
    assert (state_of(store), store.read("c1").outputs) == (State.ACKED, None)


def test_an_ack_that_comes_before_the_post_returns_is_kept(run, entry, hook, heat, store):
    hook("echo '{}'")
    heat.channel = "ch"

    def acked_at_once(*_):
        assert store.acked("c1", 1)
        return "X"

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Heat, "__call__", acked_at_once)
        assert run(entry()) == 0
    assert state_of(store) is State.ACKED


def test_the_channel_is_recorded_before_the_result_is_sent(run, entry, hook, heat, store):
    hook("echo '{}'")
    heat.channel, heat.refused = "ch", {"c1"}
    run(entry())
    assert [found.config_id for found in store.unacked("ch")] == ["c1"]


def test_a_result_waits_for_the_ack_of_the_channel_that_it_went_to(run, entry, hook, heat, store):
    hook("echo '{}'")
    heat.channel, heat.refused = "before", {"c1"}
    run(entry())
    heat.channel, heat.refused = "after", set()
    run(entry())
    assert store.unacked("before") == []
    assert [found.config_id for found in store.unacked("after")] == ["c1"]


def test_a_result_that_notify_put_there_meanwhile_stands(run, entry, hook, heat, store, runs):
    hook(COUNTING)
    write, finished = durable.write_json, Deployment("c1", "web", "script").finished({"by": 1}, "t")

    def overtaken(path, value):
        write(path, value)
        if value.get("state") == "received":
            write(path, {**dataclasses.asdict(finished)})

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(durable, "write_json", overtaken)
        assert run(entry()) == 0
    assert (runs(), heat.outputs) == (0, {"by": 1})


# reboots

ASKING = (
    'echo "$HEAT_DEPLOY_ATTEMPT" >> "$RUNS"; echo "{}"; [ "$HEAT_DEPLOY_ATTEMPT" = 2 ] || exit 194'
)


def rebooted(runner, boot_id):
    return dataclasses.replace(runner, boot_id=boot_id)


def test_a_hook_that_asks_for_a_reboot_goes_on_after_it(
    runner, run, entry, hook, heat, store, runs, reboots
):
    hook(ASKING)
    assert run(entry()) == 1
    assert (heat.got, len(reboots)) == ([], 1)
    found = store.read("c1")
    assert (found.state, found.boot_id, found.attempt) == (State.REBOOTING, "boot-2", 1)
    assert rebooted(runner, "boot-3").run() == 0
    assert heat.outputs["deploy_status_code"] == 0
    assert (heat.attempts, runs(), len(reboots)) == ([2], 2, 1)


def test_the_record_is_on_the_disk_before_the_reboot(runner, entry, hook, store):
    hook("exit 194")
    seen = []
    runner.config_list.write_text(json.dumps([entry()]))
    asking = dataclasses.replace(runner, reboot=lambda: seen.append(state_of(store)))
    asking.run()
    assert seen == [State.REBOOTING]


def test_a_script_that_asks_for_it_by_its_status_is_heard_too(run, entry, hook, heat, reboots):
    """The script hook ends with 0, and passes the script's own status on."""
    hook("echo '{\"deploy_status_code\": 194}'")
    assert run(entry()) == 1
    assert (heat.got, len(reboots)) == ([], 1)


def test_nothing_runs_between_the_wish_and_the_reboot(run, entry, hook, heat, runs, reboots):
    hook("echo '{}'; exit 194")
    hook(COUNTING, name="other")
    assert run(entry("a"), entry("b", "other")) == 1
    assert run(entry("0", "other"), entry("a"), entry("b", "other")) == 1
    assert (runs(), heat.got) == (0, [])
    assert len(reboots) == 2  # the reboot has not come: it is asked for again


def test_what_ran_before_the_wish_is_answered(run, entry, hook, heat, reboots):
    hook("exit 194")
    hook("echo '{}'", name="other")
    assert run(entry("a", "other"), entry("b")) == 1
    assert [config_id for config_id, _ in heat.got] == ["a"]


def test_where_boots_cannot_be_told_apart_the_hook_goes_on(runner, entry, hook, runs):
    hook(ASKING)
    runner.config_list.write_text(json.dumps([entry()]))
    assert rebooted(runner, "").run() == 1
    assert rebooted(runner, "").run() == 0
    assert runs() == 2


def test_a_hook_that_never_has_enough_fails(runner, run, entry, hook, heat, runs, store, reboots):
    hook('echo run >> "$RUNS"; echo out; echo trace >&2; exit 194')
    run(entry())
    for boot in range(3, 20):
        rebooted(runner, f"boot-{boot}").run()
    assert (runs(), len(reboots)) == (10, 9)
    assert heat.attempts == [10]
    assert heat.outputs["deploy_status_code"] == 194
    reason = "the hook has asked for a reboot in all of its 10 attempts"
    assert heat.outputs["deploy_stderr"] == f"trace\n{reason}"
    assert heat.outputs["deploy_stdout"] == "out\n"


def test_a_reboot_in_the_middle_of_a_later_attempt_is_an_interruption(
    run, entry, heat, store, hook
):
    hook("echo '{}'")
    waiting = Deployment("c1", "web", "script").running("script", "boot-0", "t").rebooting()
    store.write(waiting.running("script", "boot-1", "t"))
    assert run(entry()) == 0
    assert "the server was rebooted" in heat.outputs["deploy_stderr"]
    assert heat.attempts == [2]


def test_a_hook_that_is_gone_after_the_reboot_is_a_failure(runner, run, entry, hook, heat):
    path = hook("exit 194")
    run(entry())
    path.unlink()
    assert rebooted(runner, "boot-3").run() == 0
    assert heat.outputs["deploy_stderr"] == "this server has no hook for group script"


def test_a_vanished_config_reboots_nothing(run, entry, hook, heat, store, reboots):
    hook("exit 194")
    run(entry())
    reboots.clear()
    hook("echo '{}'")
    assert run(entry("c2")) == 0
    assert (reboots, store.ids()) == ([], ["c2"])


# time limits


@pytest.mark.parametrize("value", [0.05, "0.05", " .05 "])
def test_a_hook_over_its_time_has_failed(runner, entry, hook, begun, heat, value, tmp_path, caplog):
    caplog.set_level("INFO")
    for name in ("working/c1", "outputs/c1.result"):
        (tmp_path / name).parent.mkdir()
    hook(f"echo out; echo trace >&2; touch {tmp_path}/working/c1; {begun}; exec sleep 60")
    runner.config_list.write_text(json.dumps([entry(inputs={"deploy_timeout": value})]))
    assert dataclasses.replace(runner, limit_s=50.0).run() == 0
    assert heat.outputs == {
        "deploy_stdout": "out\n",
        "deploy_stderr": "trace\ntimed out after 0.05 s",
        "deploy_status_code": 124,
    }
    assert not (tmp_path / "working/c1").exists()
    assert "hook timed out with status 124" in caplog.text


def test_the_agents_limit_holds_where_the_inputs_say_nothing(runner, entry, hook, heat):
    hook("exec sleep 60")
    runner.config_list.write_text(json.dumps([entry(inputs={"deploy_timeout": ""})]))
    assert dataclasses.replace(runner, limit_s=0.1).run() == 0
    assert heat.outputs["deploy_stderr"] == "timed out after 0.1 s"


def test_the_inputs_limit_goes_before_a_shorter_one_of_the_agent(runner, entry, hook, heat):
    hook("sleep 0.2; echo '{}'")
    runner.config_list.write_text(json.dumps([entry(inputs={"deploy_timeout": 30})]))
    assert dataclasses.replace(runner, limit_s=0.05).run() == 0
    assert heat.outputs["deploy_status_code"] == 0


def test_without_a_limit_a_hook_takes_its_time(runner, entry, hook, heat, monkeypatch):
    given, hooks_run = [], hooks.run

    def note(*args, **more):
        given.append(more["limit_s"])
        return hooks_run(*args, **more)

    monkeypatch.setattr(hooks, "run", note)
    hook("sleep 0.1; echo '{}'")
    runner.config_list.write_text(json.dumps([entry()]))
    assert dataclasses.replace(runner, limit_s=0.0).run() == 0
    assert (heat.outputs["deploy_status_code"], given) == (0, [None])


def test_a_stubborn_hook_has_its_grace_and_no_more(runner, entry, hook, begun, heat):
    hook(f"trap '' TERM; {begun}; while :; do sleep 0.02; done")
    runner.config_list.write_text(json.dumps([entry()]))
    assert dataclasses.replace(runner, limit_s=0.05, grace_s=0.1).run() == 0
    assert heat.outputs["deploy_status_code"] == 124


@pytest.mark.parametrize("value", ["soon", 0, -1, "nan", "inf", True, [5], "1e999"])
def test_a_limit_that_is_none_is_a_failure_that_names_it(run, entry, hook, heat, runs, value):
    hook(COUNTING)
    assert run(entry(inputs={"deploy_timeout": value})) == 0
    assert heat.outputs["deploy_status_code"] == 1
    told = "config c1: input deploy_timeout is no number of seconds above 0"
    assert heat.outputs["deploy_stderr"] == told
    assert runs() == 0


def test_a_crash_before_sending_sends_and_runs_nothing(run, entry, hook, heat, store, runs):
    hook(COUNTING)
    store.write(Deployment("c1", "web", "script").finished({"kept": 1}, "before"))
    assert run(entry()) == 0
    assert runs() == 0
    assert heat.got == [("c1", {"kept": 1})]


@pytest.mark.parametrize("text", ["{", '{"state": "odd"}'])
def test_a_damaged_record_is_a_failure_not_a_second_run(run, entry, hook, heat, store, runs, text):
    hook(COUNTING)
    store.write(Deployment("c1", "web", "script"))
    store.path("c1").write_text(text)
    assert run(entry()) == 0
    assert runs() == 0
    assert heat.outputs["deploy_status_code"] == 1
    assert "record of this deployment on the server is damaged" in heat.outputs["deploy_stderr"]


def test_a_killed_runner_leaves_a_deployment_that_is_reported(
    runner, run, entry, hook, heat, tmp_path
):
    """A real process dies in the middle of a real hook."""
    hook("kill -9 $PPID")
    runner.config_list.write_text(json.dumps([entry()]))
    child = multiprocessing.get_context("fork").Process(target=runner.run)
    child.start()
    child.join()
    assert child.exitcode == -9
    assert run(entry()) == 0
    assert heat.outputs["deploy_stderr"].startswith("interrupted: the runner died")


def test_a_missing_hook_is_a_failure(run, entry, heat, store, caplog):
    assert run(entry(group="puppet")) == 0
    assert heat.outputs == {
        "deploy_stdout": "",
        "deploy_stderr": "this server has no hook for group puppet",
        "deploy_status_code": 1,
    }
    assert state_of(store) is State.SENT
    assert "deployment web (c1): FAILED: this server has no hook" in caplog.text


def test_a_hook_that_cannot_be_started_is_a_failure(run, entry, hook, heat, hook_dir):
    hook("true", mode=0o644)
    assert run(entry()) == 0
    reason = f"hook {hook_dir}/script cannot be started: Permission denied"
    assert heat.outputs["deploy_stderr"] == reason


@pytest.mark.parametrize(
    ("text", "code", "end"),
    [
        ("echo boom >&2; exit 4", 4, "boom\n"),
        ("echo trace >&2; kill -11 $$", 139, "trace\nhook script was ended by signal 11 (SIGSEGV)"),
        ("echo text", 1, "hook script gave no JSON object on its standard output"),
        ("true", 1, "hook script gave no JSON object on its standard output"),
        ("echo boom >&2; echo '{}'; exit 5", 5, "boom\n"),
    ],
)
def test_whatever_a_hook_does_there_is_a_result(run, entry, hook, heat, text, code, end):
    hook(text)
    assert run(entry()) == 0
    assert heat.outputs["deploy_status_code"] == code
    assert heat.outputs["deploy_stderr"] == end


@pytest.mark.parametrize("group", ["os-apply-config", "Heat::Ungrouped", None, ""])
def test_what_os_apply_config_applies_needs_no_hook(run, entry, heat, store, group):
    assert run(entry(group=group)) == 0
    assert heat.outputs["deploy_status_code"] == 0
    assert "os-apply-config" in heat.outputs["deploy_stdout"]
    assert state_of(store) is State.SENT


def test_a_hook_of_that_name_is_used_where_there_is_one(run, entry, hook, heat):
    hook("echo '{\"mine\": 1}'", name="os-apply-config")
    run(entry(group="os-apply-config"))
    assert heat.outputs["mine"] == 1


def test_a_component_runs_the_tool_for_the_action(run, entry, hook, heat, store):
    hook("cat >&2; echo '{}'", name="tool")
    configs = {"configs": [{"actions": ["CREATE"], "config": "text", "tool": "tool"}]}
    assert run(entry(group="component", config=configs, inputs={"deploy_action": "CREATE"})) == 0
    given = json.loads(heat.outputs["deploy_stderr"])
    assert (given["config"], given["group"]) == ("text", "tool")
    assert store.read("c1").group == "tool"


def test_a_component_without_the_action_is_a_failure(run, entry, heat):
    given = entry(group="component", config={"configs": []}, inputs={"deploy_action": "UPDATE"})
    assert run(given) == 0
    assert heat.outputs["deploy_status_code"] == 1
    assert heat.outputs["deploy_stderr"] == "the component has no config for action 'UPDATE'"


def test_string_inputs_reach_the_hook_as_strings(run, entry, hook, heat):
    hook("cat >&2; echo '{}'")
    given = entry()
    given["inputs"].append({"name": "n", "type": "String", "value": 5})
    run(given)
    assert json.loads(heat.outputs["deploy_stderr"])["inputs"][-1]["value"] == "5"


def test_a_malformed_entry_is_named_and_stops_no_other(run, entry, hook, heat, caplog):
    hook("echo '{}'")
    assert run({"name": "no id"}, entry("ok"), {**entry("bad"), "inputs": "x"}) == 2
    assert [config_id for config_id, _ in heat.got] == ["ok"]
    assert (
        "config number 1 of the list: its id is missing or unusable; it is skipped" in caplog.text
    )
    assert "config bad: its inputs are no list" in caplog.text


def test_a_list_that_cannot_be_read_loses_nothing(runner, run, entry, hook, heat, store):
    hook("echo '{}'")
    heat.refused = {"c1"}
    run(entry())
    runner.config_list.write_text("{")
    with pytest.raises(StateError, match=str(runner.config_list)):
        runner.run()
    assert state_of(store) is State.FINISHED


def test_the_list_is_closed_to_others(runner, run, entry, hook):
    hook("echo '{}'")
    runner.config_list.touch(mode=0o644)
    run(entry())
    assert stat.S_IMODE(runner.config_list.stat().st_mode) == 0o600


def test_the_config_is_kept_for_its_owner_before_the_hook_runs(runner, run, entry, hook, heat):
    path = runner.deployed.path("c1")
    hook(f"stat -c %a {path} >&2; echo '{{}}'")
    run(entry())
    assert heat.outputs["deploy_stderr"] == "600\n"
    assert json.loads(path.read_text())["config"] == "the config's text"


def test_the_record_holds_neither_config_nor_inputs_nor_outputs_that_are_sent(
    run, entry, hook, heat, store
):
    hook('echo \'{"o": "hunter3"}\'')
    run(entry(inputs={"password": "hunter2"}))
    text = store.path("c1").read_text()
    assert not any(secret in text for secret in ("hunter2", "hunter3", "config's text"))


@pytest.mark.parametrize(
    ("result", "told"),
    [
        ('{"mine": 1}', {"mine": 1}),
        (None, failed(RESULT_LOST)),
        ("{", failed(RESULT_LOST)),
        ("{}", failed(RESULT_LOST)),
    ],
)
def test_what_has_run_without_a_record_is_answered_and_not_run_again(
    runner, run, entry, hook, heat, runs, store, caplog, result, told
):
    """By heat-agents, which keeps its result beside the config, or with another state_dir."""
    hook(COUNTING)
    path = runner.deployed.path("c1")
    path.parent.mkdir()
    path.write_text("{}")
    if result is not None:
        path.with_name("c1.notify.json").write_text(result)
    assert run(entry()) == 0
    assert runs() == 0
    assert heat.outputs == told
    assert state_of(store) is State.SENT
    assert f"not run, as it has run before: there is {path}" in caplog.text


def test_an_empty_file_means_do_not_run(runner, run, entry, hook, heat, runs, store):
    hook(COUNTING)
    path = runner.deployed.path("c1")
    path.parent.mkdir()
    path.touch()
    assert run(entry()) == 0
    assert (runs(), heat.got) == (0, [])
    assert state_of(store) is State.SENT


def test_large_logs_are_cut(run, entry, hook, heat, store):
    hook("yes 0123456789 | head -c 2000000 >&2; echo last >&2; exit 1")
    heat.refused = {"c1"}
    run(entry())
    kept = store.read("c1").outputs["deploy_stderr"]
    assert kept.startswith("[")
    assert kept.endswith("last\n")
    assert 1_560_000 < store.path("c1").stat().st_size < 1_580_000


def test_vanished_configs_are_forgotten(runner, run, entry, hook, heat, store, caplog):
    hook("echo '{}'")
    heat.refused = {"unsent"}
    run(entry("old"), entry("unsent"))
    caplog.clear()
    assert run(entry("new")) == 0
    assert store.ids() == ["new"]
    assert [path.stem for path in runner.deployed.path("x").parent.iterdir()] == ["new"]
    assert [config_id for config_id, _ in heat.got] == ["old", "new"]
    assert "deployment web (unsent): no longer wanted by Heat, dropped unsent" in caplog.text
    assert "(old)" not in caplog.text


def test_a_damaged_record_of_a_vanished_config_goes_too(run, entry, hook, store):
    hook("echo '{}'")
    run(entry("old"))
    store.path("old").write_text("{")
    assert run(entry("new")) == 0
    assert store.ids() == ["new"]


def test_what_crashes_left_is_removed(runner, run, entry, hook, store, tmp_path):
    hook("echo '{}'")
    run(entry())
    litter = [
        store.path("c1").with_name(".c1.json.x1y2"),
        runner.deployed.path("c1").with_name(".c1.json.x1y2"),
    ]
    for path in litter:
        path.touch()
    assert run(entry()) == 0
    assert not any(path.exists() for path in litter)


def test_litter_that_will_not_go_stops_nothing(runner, run, entry, hook, heat, store):
    hook("echo '{}'")
    (store.path("c1").parent / ".c1.json.x1y2").mkdir(parents=True)
    assert run(entry()) == 1
    assert heat.outputs["deploy_status_code"] == 0


def test_what_a_killed_script_left_goes_with_its_config(run, entry, hook, tmp_path):
    hook("echo '{}'")
    run(entry("old"))
    for name in ("working/old", "outputs/old.result", "outputs/older.result"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.touch()
    run(entry("new"))
    left = [path.name for name in ("working", "outputs") for path in (tmp_path / name).iterdir()]
    assert left == ["older.result"]


@pytest.fixture
def quick_path():
    """A directory in memory where there are such: 80,000 files are written there."""
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as name:
        yield Path(name)


# A hundred deployments each; ten thousand in the long run.
ROUNDS = 100 if FACTOR > 1 else 10


def test_deployments_leave_no_more_than_the_last_hundred(
    runner, run, entry, heat, quick_path, monkeypatch
):
    monkeypatch.setattr(os, "fsync", lambda _: None)  # what is left is not a matter of it
    heat.channel = "ch"
    places = {"store": Store(quick_path), "deployed": Deployed(quick_path / "deployed")}
    runner = dataclasses.replace(runner, **places)
    seen = []
    for at in range(ROUNDS):
        listed = [entry(f"c{at:02}-{n:02}", "os-apply-config") for n in range(100)]
        runner.config_list.write_text(json.dumps(listed))
        assert runner.run() == 0
        files = [path for path in quick_path.rglob("*") if path.is_file()]
        seen.append((len(files), sum(path.stat().st_size for path in files)))
        assert seen[-1] == seen[0]
    assert len(heat.got) == ROUNDS * 100
    count, size = seen[0]
    assert count == 201  # a record and a config for each, and the lock
    assert size < 201 * 1000


def test_an_empty_list_forgets_nothing(run, entry, hook, heat, runs):
    """Metadata that is away for a moment must not make everything run again."""
    hook(COUNTING)
    run(entry())
    assert run() == 0
    assert run(entry()) == 0
    assert runs() == 1


def test_a_malformed_entry_keeps_the_record_of_its_id(run, entry, hook, heat, runs):
    hook(COUNTING)
    run(entry())
    run({"id": "c1", "inputs": "x"}, entry("c2"))
    run(entry())
    assert runs() == 2  # c1 and c2 once each


def test_nothing_runs_that_cannot_be_recorded(run, entry, hook, heat, store, runs, monkeypatch):
    hook(COUNTING)

    def full(path, value):
        raise StateError(path, "No space left on device")

    monkeypatch.setattr(durable, "write_json", full)
    assert run(entry()) == 1
    assert (runs(), heat.got) == (0, [])


def test_a_result_is_sent_even_if_the_hook_filled_the_disk(
    run, entry, hook, heat, store, monkeypatch, caplog
):
    hook("echo '{\"mine\": 1}'")
    write = durable.write_json

    def full_after_the_hook(path, value):
        if value.get("state") in ("finished", "sent"):
            raise StateError(path, "No space left on device")
        write(path, value)

    monkeypatch.setattr(durable, "write_json", full_after_the_hook)
    assert run(entry()) == 1
    assert heat.outputs["mine"] == 1
    assert "No space left on device; the result is sent without being kept" in caplog.text


def test_the_log_tells_the_way_of_a_deployment(run, entry, hook, heat, caplog):
    caplog.set_level("INFO")
    hook("echo '{\"deploy_status_code\": 3}'")
    run(entry())
    lines = [record.getMessage() for record in caplog.records]
    assert lines[0] == "deployment web (c1): hook script started"
    assert lines[1].startswith("deployment web (c1): hook ended with status 3 after 0.")
    assert lines[2] == "deployment web (c1): result sent by TEST_SIGNAL"


def test_no_secret_is_logged(run, entry, hook, heat, store, caplog):
    caplog.set_level("DEBUG")
    hook("cat; echo hunter3 >&2; exit 1")
    hook('cat >&2; echo \'{"o": "hunter4"}\'', name="good")
    heat.refused = {"b"}
    inputs = {"password": "hunter2", "deploy_signal_id": "http://h/?Signature=hunter5"}
    for config_id, group in (("a", "script"), ("b", "good"), ("c", "none")):
        assert run(entry(config_id, group, inputs, config="hunter6")) in (0, 1)
    assert "result sent" in caplog.text
    assert "hunter" not in caplog.text


def test_only_one_runner_at_a_time(tmp_path):
    """While another process holds the lock this one waits, and goes on when it ends."""
    holding = (
        "import sys; from pathlib import Path; from heat_zaqar_hooks.runner import only_runner\n"
        "with only_runner(Path(sys.argv[1])):\n"
        "    print('held', flush=True); sys.stdin.read(); print('released', flush=True)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", holding, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as holder:
        assert holder.stdout.readline() == "held\n"
        order = []
        with pytest.MonkeyPatch.context() as patch:
            # The moment it would wait is the moment to let the other one go.
            patch.setattr(
                runner_module.LOG,
                "info",
                lambda *_: (order.append("waiting"), holder.stdin.close()),
            )
            with only_runner(tmp_path):
                order.append(holder.stdout.readline().strip())
    assert order == ["waiting", "released"]


def test_the_lock_is_free_after_an_error(tmp_path):
    with pytest.raises(ZeroDivisionError), only_runner(tmp_path):
        raise ZeroDivisionError
    with only_runner(tmp_path):
        pass


def test_a_hook_does_not_inherit_the_lock(tmp_path):
    with only_runner(tmp_path):
        inherited = subprocess.run(
            ["ls", "-l", "/proc/self/fd"], capture_output=True, text=True, check=True
        ).stdout
    assert "runner.lock" not in inherited


def test_a_state_directory_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "state").touch()
    with pytest.raises(StateError, match="state"), only_runner(tmp_path / "state"):
        pass


def test_a_lock_file_that_is_a_directory_is_named(tmp_path):
    (tmp_path / "runner.lock").mkdir()
    with pytest.raises(StateError, match=r"runner\.lock"), only_runner(tmp_path):
        pass


def test_a_runner_is_a_value(runner):
    with pytest.raises(dataclasses.FrozenInstanceError):
        runner.boot_id = "other"
