"""The built wheel in empty environments: a guest gets no Heat, an engine no os-collect-config."""

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.xdist_group("packaging")

ROOT = Path(__file__).parents[2]


def run(*command, **options):
    done = subprocess.run(command, capture_output=True, text=True, check=False, **options)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    out = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "build", "--wheel", "--outdir", out, ROOT)
    (found,) = out.glob("*.whl")
    return found


def installed(wheel, extra, directory):
    """Install the wheel with one extra; return the environment's commands and package names."""
    # Byte code is made as it is needed, which is of a tenth of the modules.
    run(sys.executable, "-m", "venv", "--without-pip", directory)
    pip = (sys.executable, "-m", "pip", "--python", directory / "bin/python")
    constraints = ROOT / "constraints.txt"
    run(*pip, "install", "-q", "--no-compile", "-c", constraints, f"{wheel}[{extra}]")
    listed = run(*pip, "list", "--format=freeze")
    return directory / "bin", {line.partition("==")[0].lower() for line in listed.splitlines()}


def test_the_agent_brings_no_heat(wheel, tmp_path):
    commands, names = installed(wheel, "agent", tmp_path / "agent")
    assert "openstack-heat" not in names
    assert {"os-collect-config", "os-refresh-config", "os-apply-config", "dib-utils"} <= names
    for command in ("os-collect-config-zaqar", "heat-config-run", "heat-config-notify",
                    "heat-config-hook-script"):  # fmt: skip
        assert "usage" in run(commands / command, "--help").lower()
    for command in ("os-collect-config", "os-refresh-config", "os-apply-config", "dib-run-parts"):
        assert (commands / command).exists()


def test_the_engine_brings_no_os_collect_config(wheel, tmp_path):
    commands, names = installed(wheel, "engine", tmp_path / "engine")
    assert "openstack-heat" in names
    assert not {"os-collect-config", "os-refresh-config", "os-apply-config"} & names
    plugin = Path(run(commands / "heat-zaqar-plugin-dir").strip()) / "zaqar_transport.py"
    assert plugin.exists()
    # A system-wide install puts the same module where Heat looks by default.
    copy = tmp_path / "engine/lib/heat/zaqar_transport.py"
    assert copy.read_text() == plugin.read_text()
    types = run(
        commands / "python", "-c",
        "from heat_zaqar_transport.plugin import zaqar_transport;"
        "print(*sorted(zaqar_transport.resource_mapping()))",
    )  # fmt: skip
    assert "OS::Heat::DeployedServer" in types
