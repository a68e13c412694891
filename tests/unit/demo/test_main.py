import io
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from keystoneauth1.exceptions import ConnectFailure

from demo import __main__ as command
from demo.errors import DemoFailed
from demo.redact import Redactor
from demo.show import PlainShow, Stage
from localcloud.errors import NotRunning


@pytest.fixture(autouse=True)
def _signals() -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def raising(error: BaseException) -> Callable[[], None]:
    def play() -> None:
        raise error

    return play


def perform(play: Callable[[], None], scratch: Path) -> tuple[int, str]:
    stream = io.StringIO()
    status = command.perform(Stage([PlainShow(stream)], Redactor()), scratch, play)
    return status, stream.getvalue()


def test_a_good_run_ends_with_0(tmp_path: Path) -> None:
    assert perform(lambda: None, tmp_path) == (0, "")


@pytest.mark.parametrize(
    "error", [DemoFailed("gone"), NotRunning("gone"), ConnectFailure("gone"), OSError("gone")]
)
def test_what_can_happen_ends_with_1_and_names_the_logs(error: Exception, tmp_path: Path) -> None:
    logs = tmp_path / "cloud" / "logs"
    logs.mkdir(parents=True)

    status, shown = perform(raising(error), tmp_path)

    assert status == 1
    assert "FAILED: gone" in shown
    assert str(logs) in shown
    assert "Traceback" not in shown


def test_a_mistake_in_the_demo_is_kept_in_a_file_without_secrets(tmp_path: Path) -> None:
    status, shown = perform(raising(KeyError("URL-Signature=abcdef")), tmp_path)

    kept = (tmp_path / command.TRACEBACK_FILE).read_text()
    assert status == 1
    assert "Traceback" not in shown
    assert "Traceback" in kept
    assert "abcdef" not in kept + shown


def test_ctrl_c_ends_with_130(tmp_path: Path) -> None:
    status, shown = perform(raising(KeyboardInterrupt()), tmp_path)

    assert status == 130
    assert "nothing is left running" in shown


def test_ctrl_c_owns_up_to_what_still_runs(tmp_path: Path) -> None:
    with subprocess.Popen(["sleep", "60"], env={**os.environ, "HOME": str(tmp_path)}) as process:
        _, shown = perform(raising(KeyboardInterrupt()), tmp_path)
        process.kill()

    assert "still running: sleep" in shown


class FakePlay:
    error: BaseException | None = None

    def __init__(self, _stage: object, scratch: Path) -> None:
        (scratch / "log").write_text("x")

    def run(self) -> None:
        if self.error:
            raise self.error


@pytest.fixture
def scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "scratch"

    def make() -> Path:
        path.mkdir()
        return path

    monkeypatch.setattr(command, "_scratch", make)
    monkeypatch.setattr(command, "Play", FakePlay)
    return path


def test_the_scratch_directory_goes_after_a_good_run(scratch: Path) -> None:
    assert command.main([]) == 0
    assert not scratch.exists()


def test_keep_leaves_it(scratch: Path, capsys: Any) -> None:
    assert command.main(["--keep"]) == 0
    assert (scratch / "log").exists()
    assert str(scratch) in capsys.readouterr().out


def test_a_failed_run_leaves_it(scratch: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FakePlay, "error", DemoFailed("gone"))

    assert command.main([]) == 1
    assert scratch.exists()


def test_an_interrupted_run_does_not(scratch: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FakePlay, "error", KeyboardInterrupt())

    assert command.main([]) == 130
    assert not scratch.exists()


def test_only_a_good_run_is_drawn(
    scratch: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    svg = tmp_path / "demo.svg"
    monkeypatch.setattr(FakePlay, "error", DemoFailed("gone"))
    assert command.main(["--svg", str(svg)]) == 1
    assert not svg.exists()


def test_help_needs_no_cloud() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "demo", "--help"],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[3],
    )

    assert "--svg" in done.stdout
    assert "130" in done.stdout
