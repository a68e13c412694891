"""A cloud without Heat has what Zaqar needs, and says what it does not have."""

import dataclasses

import pytest

from localcloud import LocalCloud, LocalCloudError, catalog
from localcloud.__main__ import describe
from localcloud.boot import all_steps
from localcloud.errors import NotRunning
from localcloud.plan import ZAQAR_PORT_NAMES, load_plan
from localcloud.services import make_services
from localcloud.services.haproxy import HAProxy
from localcloud.services.keystone import Keystone

SERVICES = ["redis", "memcached", "keystone", "zaqar", "zaqar-websocket"]


@pytest.fixture
def plan(plan):
    ports = {name: 20000 + index for index, name in enumerate(ZAQAR_PORT_NAMES)}
    return dataclasses.replace(plan, ports=ports, heat=False)


@pytest.fixture
def bare(plan):
    return LocalCloud(plan, None)


def test_it_is_read_back(plan):
    plan.save()
    assert load_plan(plan.scratch) == plan


def test_only_what_zaqar_needs_is_started(plan, bare):
    assert bare.services == SERVICES
    names = {step.name for step in all_steps(plan, make_services(plan))}
    assert names == {*SERVICES, "catalog"}


def test_every_need_of_a_step_is_met(plan):
    steps = all_steps(plan, make_services(plan))
    names = {step.name for step in steps}
    for service in make_services(plan).values():
        assert {*service.needs, *service.answer_needs} <= names
    assert all(set(step.needs) <= names for step in steps)


def test_the_catalog_has_no_orchestration(plan):
    assert set(catalog.endpoints(plan)) == {"messaging", "messaging-websocket"}


def test_keystone_writes_to_sqlite_from_one_process(plan):
    keystone = Keystone(plan)
    assert keystone.sections()["database"]["connection"].startswith("sqlite:////")
    assert "--workers=1" in keystone.command().argv
    assert "--threads=1" in keystone.command().argv


@pytest.mark.parametrize(
    ("use", "name"),
    [
        (lambda cloud: cloud.heat_url, "heat-api"),
        (lambda cloud: cloud.cfn_url, "heat-api-cfn"),
        (lambda cloud: cloud.heat(), "heat-api"),
        (lambda cloud: cloud.log("heat-engine"), "heat-engine"),
        (lambda cloud: cloud.stop_service("mariadb"), "mariadb"),
    ],
)
def test_what_is_not_there_is_named(bare, use, name):
    with pytest.raises(NotRunning, match=f"no {name} in a cloud that was started without Heat,"):
        use(bare)


def test_its_description_has_no_heat(bare):
    assert set(describe(bare)["endpoints"]) == {"keystone", "zaqar", "zaqar-websocket"}


def test_it_can_have_tls(plan):
    secure = dataclasses.replace(plan, tls=True)
    HAProxy(secure).configure()
    text = (secure.conf / "haproxy.cfg").read_text()
    assert text.count("\nlisten ") == 3


def test_nova_is_not_without_heat():
    with pytest.raises(LocalCloudError, match="a cloud with Nova has Heat and no TLS"):
        LocalCloud.start(compute=True, heat=False)
