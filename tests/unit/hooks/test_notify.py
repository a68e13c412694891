import io
import json

import pytest

from heat_zaqar_hooks import notify
from heat_zaqar_transport.wire.errors import StateError


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
    agent.write_text(f"[zaqar]\nchannel = c\nsignal_url = {signed_url(server.url).serialize()}\n")
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
