# SPDX-License-Identifier: Apache-2.0
import json
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from bench import cli, push
from bench.errors import BenchFailed, Stopped
from bench.lab import Run
from bench.report import Report

Measured = Callable[[Run, int, float, Report], None]


@pytest.fixture(autouse=True)
def _leave_the_process_alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    monkeypatch.setenv("TZ", "UTC")
    monkeypatch.setattr(cli, "_scratch", lambda: _made(tmp_path / "scratch"))


def _made(path: Path) -> Path:
    path.mkdir()
    return path


def measuring(monkeypatch: pytest.MonkeyPatch, error: BaseException | None) -> None:
    """Have one of two changes measured, and then the error raised."""

    def measure(_run: Run, changes: int, _settle_s: float, report: Report) -> None:
        series = report.add("websocket", changes)
        series.values.append(0.25)
        if error is not None:
            raise error
        series.values.append(0.5)

    monkeypatch.setattr(push, "measure", measure)


def test_all_measured_is_status_0_and_leaves_nothing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    measuring(monkeypatch, None)

    assert cli.main(["push", "--changes", "2"]) == 0

    assert "websocket  2   0.375" in capsys.readouterr().out
    assert not (tmp_path / "scratch").exists()


@pytest.mark.parametrize(
    ("error", "status", "told"),
    [
        (KeyboardInterrupt(), 130, "bench: interrupted"),
        (Stopped(), 1, "bench: the time limit has come"),
        (BenchFailed("no luck"), 1, "bench: no luck"),
        (OSError(28, "No space left on device"), 1, "No space left"),
        (ZeroDivisionError("oh"), 1, "a mistake in the bench, ZeroDivisionError: see"),
    ],
)
def test_what_was_measured_before_an_end_is_told(
    error: BaseException,
    status: int,
    told: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    measuring(monkeypatch, error)

    assert cli.main(["push", "--changes", "2", "--json"]) == status

    printed = capsys.readouterr()
    assert told in printed.err
    assert "Traceback" not in printed.err
    found = json.loads(printed.out)
    assert found["complete"] is False
    assert found["series"][0]["values"] == [0.25]


def test_a_traceback_of_ours_is_kept_in_a_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    measuring(monkeypatch, ZeroDivisionError("oh"))

    cli.main(["push"])

    assert "ZeroDivisionError: oh" in (tmp_path / "scratch" / cli.TRACEBACK_FILE).read_text()


def test_json_goes_into_a_file_too(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    measuring(monkeypatch, None)
    file = tmp_path / "figures.json"

    assert cli.main(["push", "--changes", "2", "--output", str(file)]) == 0

    assert json.loads(file.read_text())["series"][0]["n"] == 2
    assert "median" in capsys.readouterr().out
