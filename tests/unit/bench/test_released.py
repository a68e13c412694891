# SPDX-License-Identifier: Apache-2.0
import io
import subprocess
import tarfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from bench import released
from bench.errors import NoReleasedAgent

SCRIPTS = (
    "heat-config/os-refresh-config/configure.d/55-heat-config",
    "heat-config/bin/heat-config-notify",
    "heat-config-script/install.d/hook-script.py",
)


def fake_pip(monkeypatch: pytest.MonkeyPatch, scripts: tuple[str, ...]) -> list[list[str]]:
    """Have pip leave an sdist with these scripts; return the calls of it."""
    calls = []

    def run(command: list[str], **_options: Any) -> SimpleNamespace:
        calls.append(command)
        target = Path(command[command.index("--dest") + 1])
        with tarfile.open(target / "heat_agents-13.0.0.tar.gz", "w:gz") as sdist:
            for name in scripts:
                member = tarfile.TarInfo(f"heat_agents-13.0.0/{name}")
                member.size = 2
                sdist.addfile(member, io.BytesIO(b"#!"))
        return SimpleNamespace(returncode=0, stderr="")

    monkeypatch.setattr(subprocess, "run", run)
    return calls


def test_the_scripts_are_fetched_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = fake_pip(monkeypatch, SCRIPTS)

    first = released.fetch(tmp_path / "cache")
    second = released.fetch(tmp_path / "cache")

    assert first == second
    assert first.notify.read_text() == "#!"
    assert len(calls) == 1
    assert "heat-agents==13.0.0" in calls[0]
    assert [path.name for path in (tmp_path / "cache").iterdir()] == ["heat-agents-13.0.0"]


def test_an_sdist_without_the_scripts_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_pip(monkeypatch, SCRIPTS[:1])

    with pytest.raises(NoReleasedAgent, match="lacks scripts"):
        released.fetch(tmp_path)


def test_what_pip_says_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    failed = SimpleNamespace(returncode=1, stderr="noise\nERROR: no such thing\n")
    monkeypatch.setattr(subprocess, "run", lambda *_args, **_options: failed)

    with pytest.raises(NoReleasedAgent, match=r"cannot fetch heat-agents 13.0.0: ERROR: no such"):
        released.fetch(tmp_path)


def test_a_cache_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(NoReleasedAgent, match="cannot be unpacked"):
        released.fetch(tmp_path / "file")
