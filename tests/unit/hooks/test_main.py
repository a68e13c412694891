"""The program as os-refresh-config calls it: environment in, exit status out."""

import json
import sys

import pytest

from heat_zaqar_hooks import main, sending
from heat_zaqar_hooks.places import Places
from heat_zaqar_hooks.states import State, Store


@pytest.fixture
def world(tmp_path, hook_dir, monkeypatch):
    """Point the environment at directories of the test; return the list's path."""
    agent = tmp_path / "agent.conf"
    # Never the default reboot command in a test.
    reboot = f"touch {tmp_path / 'rebooted'}"
    agent.write_text(f"[zaqar]\nstate_dir = {tmp_path / 'state'}\nreboot_command = {reboot}\n")
    config_list = tmp_path / "list"
    for name, value in {
        "HEAT_ZAQAR_CONFIG": agent,
        "HEAT_SHELL_CONFIG": config_list,
        "HEAT_CONFIG_DEPLOYED": tmp_path / "deployed",
        "HEAT_CONFIG_HOOKS": hook_dir,
        "HEAT_ZAQAR_BOOT_ID_FILE": tmp_path / "boot-id",
        "HEAT_SCRIPT_WORKING": tmp_path / "working",
        "HEAT_SCRIPT_OUTPUTS": tmp_path / "outputs",
    }.items():
        monkeypatch.setenv(name, str(value))
    monkeypatch.delenv("HEAT_CONFIG_NOTIFY", raising=False)
    return config_list


@pytest.fixture
def run(world, entry, server):
    def run(**more):
        inputs = {
            "deploy_signal_transport": "CFN_SIGNAL",
            "deploy_signal_id": f"{server.url}/s?Signature=hunter2",
        }
        world.write_text(json.dumps([entry(inputs=inputs, **more)]))
        return main.main([])

    return run


@pytest.fixture
def no_waiting(monkeypatch):
    for name in ("FIRST_WAIT_S", "MAX_WAIT_S", "JITTER_S"):
        monkeypatch.setattr(sending, name, 0)


def test_a_deployment_is_answered(run, hook, server):
    hook("echo '{\"mine\": 1}'")
    assert run() == 0
    assert server.bodies()[0]["mine"] == 1


def test_a_failed_hook_whose_result_is_sent_is_no_error(run, hook, server):
    hook("echo boom >&2; exit 3")
    assert run() == 0
    assert server.bodies()[0]["deploy_status_code"] == 3


def test_a_result_that_is_refused_is_exit_status_1_until_it_is_taken(run, hook, server, tmp_path):
    hook("echo '{}'")
    server.answer(404)
    assert run() == 1
    assert Store(tmp_path / "state").read("c1").state is State.FINISHED
    server.answer(200)
    assert run() == 0
    assert len(server.seen) == 2


def test_an_outage_is_bridged(run, hook, server, no_waiting):
    hook("echo '{}'")
    server.answer(503, 503, 200)
    assert run() == 0
    assert len(server.seen) == 3


def test_unusable_inputs_are_exit_status_1(world, entry, hook, caplog):
    hook("echo '{}'")
    world.write_text(json.dumps([entry(inputs={"deploy_signal_transport": "CFN_SIGNAL"})]))
    assert main.main([]) == 1
    assert "config c1: input deploy_signal_id is missing" in caplog.text


def test_many_unanswered_deployments_are_exit_status_1_too(world, caplog):
    world.write_text(json.dumps([{}, {}, {}]))
    assert main.main([]) == 1


def test_a_notify_program_is_used(world, entry, hook, tmp_path, monkeypatch):
    hook("echo '{}'")
    program = hook(f'cat > "{tmp_path}/sent"; cp "$1" {tmp_path}/given', name="notify")
    monkeypatch.setenv("HEAT_CONFIG_NOTIFY", str(program))
    world.write_text(json.dumps([entry()]))
    assert main.main([]) == 0
    assert json.loads((tmp_path / "sent").read_text())["deploy_status_code"] == 0
    assert json.loads((tmp_path / "given").read_text())["id"] == "c1"


def test_no_list_is_exit_status_1_and_one_line(world, caplog):
    assert main.main([]) == 1
    (record,) = caplog.records
    assert record.getMessage() == f"{world}: No such file or directory"


def test_no_agent_configuration_is_exit_status_1(world, monkeypatch, caplog):
    monkeypatch.setenv("HEAT_ZAQAR_CONFIG", "/none.conf")
    assert main.main([]) == 1
    assert "/none.conf" in caplog.text


def test_no_secret_is_logged_whatever_happens(run, hook, server, no_waiting, caplog):
    caplog.set_level("DEBUG")
    hook("cat; cat >&2; exit 1")
    server.answer(500, 404)
    run()
    assert "trying again" in caplog.text
    assert "hunter2" not in caplog.text


def test_an_unforeseen_error_is_exit_status_1_without_its_text(world, monkeypatch, caplog):
    def broken(*_):
        raise ZeroDivisionError("hunter2")

    monkeypatch.setattr(main, "run", broken)
    assert main.main([]) == 1
    assert "unexpected ZeroDivisionError" in caplog.text
    assert "hunter2" not in caplog.text


def test_the_boot_id_is_the_kernels(tmp_path):
    assert len(main._boot_id(Places.from_environ({}).boot_id_file)) == 36
    assert main._boot_id(tmp_path / "none") == ""


def test_wrong_usage_is_exit_status_2():
    with pytest.raises(SystemExit) as caught:
        main.main(["--unknown"])
    assert caught.value.code == 2


def test_help_tells_environment_and_exit_statuses(capsys):
    with pytest.raises(SystemExit) as caught:
        main.main(["--help"])
    assert caught.value.code == 0
    text = capsys.readouterr().out
    for name in ("HEAT_SHELL_CONFIG", "HEAT_CONFIG_HOOKS", "HEAT_ZAQAR_BOOT_ID_FILE", "194"):
        assert name in text


def test_a_reboot_is_asked_for_by_the_configured_command(run, hook, server, tmp_path):
    boot_id, marker = tmp_path / "boot-id", tmp_path / "rebooted"
    boot_id.write_text("first\n")
    hook('echo "{}"; [ "$HEAT_DEPLOY_ATTEMPT" = 2 ] || exit 194')
    assert run() == 1
    assert marker.exists()
    assert server.seen == []
    marker.unlink()
    assert run() == 1
    assert marker.exists()  # the same boot still
    marker.unlink()
    boot_id.write_text("second\n")
    assert run() == 0
    assert not marker.exists()
    assert server.bodies()[0]["deploy_status_code"] == 0


def test_a_script_asks_for_a_reboot_by_its_exit_status(run, hook, server, tmp_path):
    program = "from heat_zaqar_hooks.script import main; raise SystemExit(main())"
    hook(f'exec {sys.executable} -c "{program}"')
    assert run(config="exit 194") == 1
    assert (tmp_path / "rebooted").exists()
    assert server.seen == []


def test_the_configured_time_limit_holds(run, hook, server, tmp_path):
    with (tmp_path / "agent.conf").open("a") as agent:
        agent.write("deploy_timeout = 0.1\n")
    hook("exec sleep 60")
    assert run() == 0
    assert server.bodies()[0]["deploy_status_code"] == 124
