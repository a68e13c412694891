import dataclasses
import stat

import pytest

from localcloud.plan import COMPUTE_PORT_NAMES, PORT_NAMES
from localcloud.services import openstack
from localcloud.services.compute import Placement
from localcloud.services.keystone import Keystone
from localcloud.services.zaqar import Zaqar


@pytest.fixture
def plan(plan, tmp_path):
    ports = dict.fromkeys((*PORT_NAMES, *COMPUTE_PORT_NAMES), 1)
    return dataclasses.replace(plan, ports=ports, compute=tmp_path)


def test_keystone_keeps_its_keys_when_it_is_reconfigured(plan):
    """Or no token would be valid any more."""
    keystone = Keystone(plan)
    keystone.configure()
    keys = {path: path.read_bytes() for path in keystone.home.rglob("*") if path.is_file()}
    assert len(set(keys.values())) == 4
    assert all(stat.S_IMODE(path.stat().st_mode) == 0o600 for path in keys)
    keystone.configure({"token": {"expiration": 40}})
    assert "expiration = 40" in keystone.config_file.read_text()
    assert all(path.read_bytes() == key for path, key in keys.items())


def test_keystone_with_heat_waits_for_mariadb(plan):
    keystone = Keystone(plan)
    assert keystone.needs == ("mariadb",)
    assert "--workers=3" in keystone.command().argv


class Session:
    """Answers as each of the services should."""

    def __init__(self, user):
        self.user = user

    def get(self, _url, **_options):
        return self

    def json(self):
        return {"queues": []}


@pytest.mark.parametrize(("service", "user"), [(Zaqar, "demo"), (Placement, "admin")])
def test_a_service_is_asked_again_and_again_with_one_login(plan, monkeypatch, service, user):
    made = []
    monkeypatch.setattr(
        openstack, "session", lambda _plan, name: made.append(name) or Session(name)
    )
    asked = service(plan)
    for _ in range(3):
        asked.ask()
    assert made == [user]
