"""No test here, or anywhere, may run the default command."""

import time

import pytest

from heat_zaqar_hooks import reboot
from heat_zaqar_hooks.reboot import Reboot


def test_the_command_is_run_without_a_shell(tmp_path):
    path = tmp_path / "a b;c"
    Reboot(f"touch '{path}'")()
    assert path.exists()


def test_no_command_runs_nothing(caplog):
    caplog.set_level("INFO")
    Reboot("")()
    assert "no reboot command is configured" in caplog.text


@pytest.mark.parametrize(
    ("command", "told"),
    [
        ("/no/such/program now", "cannot be started: No such file or directory"),
        ("touch 'unclosed", "[zaqar] reboot_command cannot be used: No closing quotation"),
        ("false", "ended with exit status 1"),
    ],
)
def test_what_goes_wrong_is_logged(caplog, command, told):
    Reboot(command)()
    assert told in caplog.text


def test_a_command_that_hangs_is_given_up(caplog, monkeypatch):
    monkeypatch.setattr(reboot, "TIMEOUT_S", 0.05)
    began = time.monotonic()
    Reboot("sleep 60")()
    assert time.monotonic() - began < 30
    assert "took more than 0.05 s" in caplog.text
