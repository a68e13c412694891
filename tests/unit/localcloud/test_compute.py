"""Nova is there when it was asked for, and leaves no trace when it was not."""

import dataclasses
import re
import subprocess

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from localcloud import catalog, compute_env
from localcloud.errors import LocalCloudError
from localcloud.plan import COMPUTE_PORT_NAMES, PORT_NAMES
from localcloud.ports import BLOCK_SIZE
from localcloud.services import HEAT_CLASSES, ZAQAR_CLASSES, make_services
from localcloud.services.mariadb import databases

REQUIREMENTS = "requirements-compute.txt"


@pytest.fixture
def plan(plan):
    ports = dict.fromkeys((*PORT_NAMES, *COMPUTE_PORT_NAMES), 1)
    return dataclasses.replace(plan, ports=ports)


def test_a_cloud_without_compute_is_what_it_was(plan):
    kinds = (*ZAQAR_CLASSES, *HEAT_CLASSES)
    assert list(make_services(plan)) == [kind.name for kind in kinds]
    assert databases(plan) == ("keystone", "heat")
    assert "compute" not in catalog.endpoints(plan)


def test_a_cloud_with_compute_has_it_everywhere(plan, tmp_path):
    plan = dataclasses.replace(plan, compute=tmp_path)
    assert {"nova-api", "nova-compute"} < set(make_services(plan))
    assert {"nova", "nova_api", "nova_cell0"} < set(databases(plan))
    assert catalog.endpoints(plan)["compute"] == ("nova", "http://127.0.0.1:1/v2.1")


def test_all_ports_fit_into_one_block():
    assert len(PORT_NAMES) + len(COMPUTE_PORT_NAMES) <= BLOCK_SIZE


@pytest.fixture
def pip(monkeypatch, tmp_path):
    """Records what would be run; `failing` says with which status."""
    monkeypatch.setenv(compute_env.VARIABLE, str(tmp_path / "venv"))

    class Pip:
        ran = ()
        failing = 0

        def __call__(self, command, **_options):
            self.ran += (command,)
            (tmp_path / "venv").mkdir(exist_ok=True)
            return subprocess.CompletedProcess(command, self.failing, "no\n", "such thing")

    pip = Pip()
    monkeypatch.setattr(compute_env.subprocess, "run", pip)
    return pip


def test_the_environment_is_made_once(pip, tmp_path):
    assert compute_env.ensure() == compute_env.ensure() == tmp_path / "venv"
    assert [command[2] for command in pip.ran] == ["venv", "pip", "pip"]
    constraints = str(compute_env.REPO_ROOT / "constraints-compute.txt")
    assert pip.ran[1][-2:] == ("--requirement", constraints)
    # Nobody has resolved what is installed, so it is checked.
    assert pip.ran[2][-1] == "check"


def test_a_failed_installation_is_told_and_tried_again(pip, tmp_path):
    pip.failing = 1
    with pytest.raises(LocalCloudError, match="no\nsuch thing"):
        compute_env.ensure()
    pip.failing = 0
    compute_env.ensure()
    assert len(pip.ran) == 4


def lines_of(name):
    text = (compute_env.REPO_ROOT / name).read_text()
    return [line for line in text.splitlines() if line and not line.startswith("#")]


def test_all_that_is_installed_is_pinned_once():
    pins = [Requirement(line) for line in lines_of("constraints-compute.txt")]
    names = [canonicalize_name(pin.name) for pin in pins]
    assert all(re.fullmatch(r"==[0-9][^,*]*", str(pin.specifier)) for pin in pins)
    assert not any(pin.marker or pin.url for pin in pins)
    assert len(set(names)) == len(names)
    wanted = {canonicalize_name(Requirement(line).name) for line in lines_of(REQUIREMENTS)}
    assert wanted <= set(names)
