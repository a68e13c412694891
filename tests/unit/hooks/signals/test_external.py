import json
import time

import pytest

from heat_zaqar_hooks.signals.external import ExternalSignal
from heat_zaqar_transport.wire.errors import RequestRefused, Retriable


def test_the_program_is_called_as_heat_agents_calls_it(tmp_path, hook):
    program = hook(f'echo "$#" "$1" > {tmp_path}/arguments; cat > {tmp_path}/stdin')
    ExternalSignal(str(program), tmp_path / "c1.json").send({"a": 1})
    assert (tmp_path / "arguments").read_text() == f"1 {tmp_path}/c1.json\n"
    assert json.loads((tmp_path / "stdin").read_text()) == {"a": 1}


def test_an_exit_status_means_not_sent_and_its_output_stays_away(tmp_path, hook):
    program = hook("echo hunter2; echo hunter2 >&2; exit 3")
    with pytest.raises(RequestRefused) as caught:
        ExternalSignal(str(program), tmp_path).send({})
    assert str(caught.value) == f"notify by {program}: exit status 3"
    assert not isinstance(caught.value, Retriable)


def test_a_program_that_is_missing_means_not_sent(tmp_path):
    with pytest.raises(RequestRefused, match="cannot be started: No such file"):
        ExternalSignal(str(tmp_path / "none"), tmp_path).send({})


def test_a_program_that_hangs_is_ended(tmp_path, hook):
    program = hook("exec sleep 60")
    started = time.monotonic()
    with pytest.raises(RequestRefused, match=r"took more than 0\.05 s"):
        ExternalSignal(str(program), tmp_path, timeout_s=0.05).send({})
    assert time.monotonic() - started < 30
