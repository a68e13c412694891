import json

import pytest

from heat_zaqar_hooks.bounds import MAX_RESULT_BYTES, MAX_SIGNAL_BYTES, size_of
from heat_zaqar_hooks.deployed import Deployed
from heat_zaqar_hooks.sending import ATTEMPTS, GIVE_UP_AFTER_S, Sender, deliver
from heat_zaqar_transport.wire import parse
from heat_zaqar_transport.wire.errors import AccessRefused, ServiceFailed, Unreachable


class Flaky:
    """A signal that raises some errors before it delivers."""

    transport = "FLAKY"
    limit_bytes = 2000

    def __init__(self, *errors):
        self.errors = list(errors)
        self.calls = 0

    def send(self, outputs):
        self.calls += 1
        self.outputs = outputs
        if self.errors:
            raise self.errors.pop(0)


def test_what_is_delivered_is_sent_once():
    signal, waits = Flaky(), []
    deliver(signal, {}, waits.append)
    assert (signal.calls, waits) == (1, [])


def test_an_error_that_may_pass_is_tried_again():
    signal, waits = Flaky(Unreachable("x", "refused"), ServiceFailed("x", "503")), []
    deliver(signal, {}, waits.append)
    assert signal.calls == 3
    assert 0.5 <= waits[0] <= 1.5
    assert 1.0 <= waits[1] <= 2.0


def test_attempts_are_bounded_and_the_last_error_is_raised():
    errors = [Unreachable("x", str(number)) for number in range(100)]
    signal, waits = Flaky(*errors), []
    with pytest.raises(Unreachable, match=f"x: {ATTEMPTS - 1}"):
        deliver(signal, {}, waits.append)
    assert signal.calls == ATTEMPTS
    assert 20 < sum(waits) < GIVE_UP_AFTER_S


def test_an_error_that_will_not_pass_is_not_tried_again():
    signal = Flaky(AccessRefused("x", "404"))
    with pytest.raises(AccessRefused):
        deliver(signal, {}, lambda _: None)
    assert signal.calls == 1


def test_the_retry_is_logged(caplog):
    deliver(Flaky(Unreachable("post", "refused")), {}, lambda _: None)
    assert "post: refused; trying again" in caplog.text


def test_a_sender_chooses_by_the_inputs(tmp_path, server, config, make_settings):
    inputs = {"deploy_signal_transport": "CFN_SIGNAL", "deploy_signal_id": f"{server.url}/s"}
    send = Sender(make_settings, Deployed(tmp_path), sleep=lambda _: None)
    server.answer(503, 200)
    assert send(config(inputs=inputs), {"a": 1}, 1) == "CFN_SIGNAL"
    assert server.bodies() == [{"a": 1}, {"a": 1}]


def test_a_notify_program_takes_the_place_of_all_transports(tmp_path, config, hook, make_settings):
    program = hook(f'cat "$1" > {tmp_path}/seen')
    deployed = Deployed(tmp_path)
    deployed.write(config())
    send = Sender(make_settings, deployed, str(program))
    assert send(config(), {}, 1) == str(program)
    assert json.loads((tmp_path / "seen").read_text())["id"] == "c1"


def test_outputs_are_cut_to_what_the_transport_carries():
    signal = Flaky()
    deliver(signal, {"deploy_stdout": "x" * 3000}, lambda _: None)
    assert signal.outputs["deploy_stdout"].startswith("[")
    assert size_of(signal.outputs) <= 2000


def test_the_attempt_reaches_the_message(tmp_path, server, config, make_settings, signed_url):
    server.answer(201)
    agent = make_settings(signal_url=signed_url(server.url))
    send = Sender(lambda: agent, Deployed(tmp_path))
    on_channel = config(inputs={"deploy_signal_transport": "ZAQAR_MESSAGE"})
    assert send(on_channel, {}, 3) == "ZAQAR_MESSAGE"
    assert parse(server.bodies()[0]["messages"][0]["body"]).attempt == 3
    assert send.ack_channel(on_channel) == "the-channel"


@pytest.mark.parametrize(
    ("transport", "limit_bytes"),
    [("ZAQAR_MESSAGE", MAX_RESULT_BYTES), ("CFN_SIGNAL", MAX_SIGNAL_BYTES)],
)
def test_a_notify_program_gets_what_its_transport_carries(
    tmp_path, config, hook, make_settings, transport, limit_bytes
):
    program = hook(f"cat > {tmp_path}/seen")
    send = Sender(make_settings, Deployed(tmp_path), str(program))
    given = config(inputs={"deploy_signal_transport": transport})
    send(given, {"deploy_stdout": "x" * 2_000_000}, 1)
    size = (tmp_path / "seen").stat().st_size
    assert limit_bytes - 200 < size <= limit_bytes
