import io
import json
import sys

import pytest

from heat_zaqar_hooks import main, notify
from heat_zaqar_hooks.states import Deployment, State, Store
from heat_zaqar_transport.wire import Result, parse
from heat_zaqar_transport.wire.errors import AccessRefused, StateError


@pytest.fixture
def config_file(tmp_path, server):
    path = tmp_path / "config.json"
    url = {"name": "deploy_signal_id", "value": f"{server.url}/s?Signature=secret-signature"}
    path.write_text(json.dumps({"inputs": [url]}))
    return path


def run_main(path, result):
    return notify.main([str(path)], io.StringIO(result))


def test_a_result_is_sent(server, config_file):
    assert run_main(config_file, '{"deploy_status_code": 0}') == 0
    assert server.bodies() == [{"deploy_status_code": 0}]


def test_blank_input_is_no_outputs(server, config_file):
    assert run_main(config_file, " \n") == 0
    assert server.bodies() == [{}]


def test_a_refusal_is_exit_status_1_and_one_line(server, config_file, caplog):
    server.answer(404)
    assert run_main(config_file, "{}") == 1
    (record,) = caplog.records
    assert record.getMessage().startswith("not sent: POST the result to 127.0.0.1:")
    assert "secret-signature" not in record.getMessage()


@pytest.mark.parametrize("result", ["no JSON", "[]", "null"])
def test_a_result_that_is_none_is_not_sent(server, config_file, caplog, result):
    assert run_main(config_file, result) == 1
    assert "standard input: is no JSON object" in caplog.text
    assert server.seen == []


def test_a_missing_config_is_exit_status_1(tmp_path, caplog):
    assert run_main(tmp_path / "none.json", "{}") == 1
    assert "none.json: there is no such file" in caplog.text


def test_a_config_that_is_no_object_is_an_error(tmp_path):
    path = tmp_path / "config.json"
    path.write_text("[]")
    with pytest.raises(StateError, match="is no JSON object"):
        notify.run(path, "{}", lambda: None)


def test_a_large_result_is_cut(server, config_file):
    assert run_main(config_file, json.dumps({"deploy_stdout": "x" * 300_000})) == 0
    assert len(server.seen[0][2]) <= 200 * 1024


def test_an_unreadable_agent_configuration_is_named(tmp_path, monkeypatch, caplog):
    path = tmp_path / "config.json"
    path.write_text(
        '{"id": "c1", "inputs": [{"name": "deploy_signal_transport", "value": "ZAQAR_MESSAGE"}]}'
    )
    monkeypatch.setenv("HEAT_ZAQAR_CONFIG", str(tmp_path / "none.conf"))
    assert run_main(path, "{}") == 1
    assert "none.conf" in caplog.text


def test_the_agents_signal_url_is_read_from_its_configuration(
    tmp_path, server, signed_url, monkeypatch
):
    text = b'{"resources": ["/v2/queues/q/messages/1"]}'
    server.answers = [(201, {"Content-Type": "application/json"}, text)]
    path, agent = tmp_path / "config.json", tmp_path / "agent.conf"
    path.write_text(
        '{"id": "c1", "inputs": [{"name": "deploy_signal_transport", "value": "ZAQAR_MESSAGE"}]}'
    )
    agent.write_text(
        f"[zaqar]\nchannel = c\nsignal_url = {signed_url(server.url).serialize()}\n"
        f"state_dir = {tmp_path}/state\n"
    )
    monkeypatch.setenv("HEAT_ZAQAR_CONFIG", str(agent))
    assert run_main(path, "{}") == 0
    assert server.seen[0][1] == "/v2/queues/signal-queue/messages"


def test_an_unforeseen_error_is_exit_status_1_without_its_text(config_file, monkeypatch, caplog):
    def broken(*_):
        raise ZeroDivisionError("hunter2")

    monkeypatch.setattr(notify, "run", broken)
    assert run_main(config_file, "{}") == 1
    assert "unexpected ZeroDivisionError" in caplog.text
    assert "hunter2" not in caplog.text


@pytest.mark.parametrize("arguments", [[], ["a", "b"], ["--unknown"]])
def test_wrong_usage_is_exit_status_2(arguments, capsys):
    with pytest.raises(SystemExit) as caught:
        notify.main(arguments)
    assert caught.value.code == 2
    assert "usage: heat-config-notify" in capsys.readouterr().err


def test_help_tells_the_exit_statuses(capsys):
    with pytest.raises(SystemExit) as caught:
        notify.main(["--help"])
    assert caught.value.code == 0
    text = capsys.readouterr().out
    assert "CONFIG.json" in text
    assert "1  not sent" in text


# the outbox

FRESH = Deployment("c1", "web", "script")


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "state")


@pytest.fixture
def on_channel(tmp_path, server, make_settings, signed_url, entry):
    """Send a result over the server's own channel; return what was posted."""
    server.answer(201)
    settings = make_settings(signal_url=signed_url(server.url))
    path = tmp_path / "config.json"
    inputs = {"deploy_signal_transport": "ZAQAR_MESSAGE"}
    path.write_text(json.dumps(entry(inputs=inputs)))

    def send(result='{"a": 1}', sleep=lambda _: None, **more):
        if more:
            path.write_text(json.dumps({**entry(inputs=inputs), **more}))
        assert notify.run(path, result, lambda: settings, sleep) == "ZAQAR_MESSAGE"
        return parse(server.bodies()[-1]["messages"][0]["body"])

    return send


def test_a_result_is_in_the_outbox_before_it_is_posted(on_channel, server, store):
    seen = []

    def note(body):
        seen.append(store.read("c1"))
        return 201, b""

    server.handler = note
    assert on_channel() == Result("the-channel", "c1", {"a": 1}, 1)
    ((found,), kept) = seen, store.read("c1")
    assert (found.state, found.outputs, found.channel) == (State.FINISHED, {"a": 1}, "the-channel")
    assert (found.name, found.group) == ("web", "script")
    assert (kept.state, kept.outputs) == (State.SENT, {"a": 1})


def test_a_result_that_is_not_sent_stays_in_the_outbox(on_channel, server, store):
    server.answer(404)
    with pytest.raises(AccessRefused):
        on_channel()
    assert [found.state for found in store.unacked("the-channel")] == [State.FINISHED]


def test_the_runners_result_keeps_its_record_and_attempt(on_channel, store):
    waiting = FRESH.running("script", "b1", "t").rebooting()
    finished = waiting.running("script", "b2", "u").finished({"a": 1}, "v", "the-channel")
    store.write(finished)
    assert on_channel().attempt == 2
    assert store.read("c1") == finished.sent("the-channel")


def test_a_result_of_a_config_that_has_not_run_is_its_result(on_channel, store):
    store.write(FRESH)
    on_channel()
    assert store.read("c1").state is State.SENT


@pytest.mark.parametrize(
    "present",
    [FRESH.running("script", "b", "t"), FRESH.running("script", "b", "t").rebooting()],
    ids=lambda record: record.state,
)
def test_a_hook_that_is_not_over_leaves_its_record_alone(on_channel, store, present):
    """A hook may call the program itself; what it ends with is its result."""
    store.write(present)
    assert on_channel().outputs == {"a": 1}
    assert store.read("c1") == present


def test_what_is_acked_meanwhile_stays_acked(on_channel, server, store):
    def acked_at_once(body):
        assert store.acked("c1", 1)
        return 201, b""

    server.handler = acked_at_once
    on_channel()
    assert store.read("c1").state is State.ACKED


def test_a_first_result_stays_in_the_record(on_channel, store):
    store.write(FRESH.finished({"first": 1}, "t", "the-channel"))
    assert on_channel().outputs == {"a": 1}
    assert store.read("c1").outputs == {"first": 1}


def test_a_state_directory_that_cannot_be_written_keeps_no_result_from_heat(
    on_channel, tmp_path, caplog
):
    (tmp_path / "state").touch()
    assert on_channel().outputs == {"a": 1}
    assert "the result is sent without being kept" in caplog.text
    assert "the agent will send the result again" in caplog.text


def test_a_damaged_record_keeps_no_result_from_heat(on_channel, store, caplog):
    store.write(FRESH)
    store.path("c1").write_text("{")
    assert on_channel().outputs == {"a": 1}
    assert "the result is sent without being kept" in caplog.text


def test_a_config_without_a_usable_id_has_no_record(on_channel, store):
    on_channel(id="../c1")
    assert store.ids() == []


def test_other_transports_leave_no_record(server, config_file, store, monkeypatch, tmp_path):
    agent = tmp_path / "agent.conf"
    agent.write_text(f"[zaqar]\nchannel = c\nstate_dir = {tmp_path}/state\n")
    monkeypatch.setenv("HEAT_ZAQAR_CONFIG", str(agent))
    assert run_main(config_file, "{}") == 0
    assert not (tmp_path / "state").exists()


def test_a_name_that_is_none_is_no_trouble(on_channel, store):
    on_channel(name=5, group=[])
    assert (store.read("c1").name, store.read("c1").group) == ("", None)


def test_the_runner_can_send_by_this_program(
    tmp_path, server, signed_url, entry, hook, hook_dir, store, monkeypatch
):
    """As $HEAT_CONFIG_NOTIFY, in a process of its own."""
    server.answer(201)
    agent, listed = tmp_path / "agent.conf", tmp_path / "list"
    agent.write_text(
        f"[zaqar]\nchannel = c\nsignal_url = {signed_url(server.url).serialize()}\n"
        f"state_dir = {tmp_path}/state\nreboot_command =\n"
    )
    listed.write_text(json.dumps([entry(inputs={"deploy_signal_transport": "ZAQAR_MESSAGE"})]))
    program = "from heat_zaqar_hooks.notify import main; raise SystemExit(main())"
    notify_program = hook(f'exec {sys.executable} -c "{program}" "$1"', name="notify")
    for name, value in {
        "HEAT_ZAQAR_CONFIG": agent,
        "HEAT_SHELL_CONFIG": listed,
        "HEAT_CONFIG_DEPLOYED": tmp_path / "deployed",
        "HEAT_CONFIG_HOOKS": hook_dir,
        "HEAT_CONFIG_NOTIFY": notify_program,
    }.items():
        monkeypatch.setenv(name, str(value))
    hook("echo '{\"mine\": 1}'")
    assert main.main([]) == 0
    result = parse(server.bodies()[0]["messages"][0]["body"])
    assert (result.outputs["mine"], len(server.seen)) == (1, 1)
    assert [found.state for found in store.unacked("c")] == [State.SENT]
