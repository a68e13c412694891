"""The runner over real hooks, with results that go into a list instead of a service."""

import dataclasses
import json
import multiprocessing
import stat
import subprocess
import sys

import pytest

from heat_zaqar_hooks import runner as runner_module
from heat_zaqar_hooks.deployed import Deployed
from heat_zaqar_hooks.results import failed
from heat_zaqar_hooks.runner import RESULT_LOST, Runner, only_runner
from heat_zaqar_hooks.script import ScriptPlaces
from heat_zaqar_hooks.states import Deployment, State, Store
from heat_zaqar_transport import durable
from heat_zaqar_transport.wire.errors import StateError, Unreachable

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
