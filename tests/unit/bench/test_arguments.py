# SPDX-License-Identifier: Apache-2.0
import signal
from pathlib import Path

import pytest

from bench import latency
from bench.arguments import parse
from bench.cli import main


@pytest.mark.parametrize(
    ("argv", "told"),
    [
        ([], "COMMAND"),
        (["latency", "--samples", "0"], "from 1 to 500"),
        (["latency", "--samples", "many"], "no number"),
        (["latency", "--samples", "1.5"], "no number"),
        (["latency", "--spread", "nan"], "not from"),
        (["latency", "--only", "pigeon"], "pigeon"),
        (["push", "--changes", "5001"], "from 1 to 5000"),
        (["push", "--time-limit", "0"], "from 1 to 600"),
        (["push", "--output", "/no/such/directory/file"], "cannot be a file"),
        (["signal", "--samples"], "expected one argument"),
    ],
)
def test_a_mistake_is_told_in_words(
    argv: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        parse(argv)

    assert ended.value.code == 2
    assert told in capsys.readouterr().err


def test_everything_is_measured_by_default() -> None:
    assert parse(["latency"]).only == [way.name for way in latency.WAYS]
    assert parse(["latency"]).samples == 12
    assert parse(["push"]).changes == 200
    assert parse(["signal"]).without_notifications is False


@pytest.mark.parametrize("command", [[], ["latency"], ["push"], ["signal"]])
def test_help_is_there(command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        parse([*command, "--help"])

    assert ended.value.code == 0
    assert "python -m bench" in capsys.readouterr().out


def test_a_cloud_that_is_not_there_is_told_in_a_line(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    monkeypatch.setenv("TZ", "UTC")
    status = main(["push", "--cloud", str(tmp_path)])

    told = capfd.readouterr()
    assert status == 1
    assert told.err.splitlines()[0] == f"bench: no local cloud in {tmp_path}"
    assert "Traceback" not in told.err
    assert told.out == ""
