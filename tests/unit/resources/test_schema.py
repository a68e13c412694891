"""Heat's own types are kept: every property, constraint, attribute and behaviour flag."""

import pytest
from heat.engine import constraints
from heat.engine.resources.openstack.heat import (
    deployed_server,
    software_deployment,
    structured_config,
)
from heat.engine.resources.openstack.nova import server as nova_server

from heat_zaqar_transport.plugin import zaqar_transport

MAPPING = zaqar_transport.resource_mapping()
TRANSPORTS = {"software_config_transport", "signal_transport"}


HEATS = {
    name: each
    for module in (deployed_server, nova_server, software_deployment, structured_config)
    for name, each in module.resource_mapping().items()
}


@pytest.fixture(params=sorted(MAPPING))
def pair(request):
    return HEATS[request.param], MAPPING[request.param]


def told(schema):
    return {key: schema[key] for key in schema}


def test_ours_is_a_subclass(pair):
    heat, ours = pair
    assert issubclass(ours, heat)
    assert ours is not heat


def test_every_property_is_heats_but_for_the_transports(pair):
    heat, ours = pair
    assert set(ours.properties_schema) == set(heat.properties_schema)
    for name in set(heat.properties_schema) - TRANSPORTS:
        assert told(ours.properties_schema[name]) == told(heat.properties_schema[name])


def allowed(schema):
    (values,) = [each for each in schema.constraints if isinstance(each, constraints.AllowedValues)]
    return list(values.allowed)


def test_the_transports_allow_all_that_heat_allows_and_ours(pair):
    heat, ours = pair
    (name,) = TRANSPORTS & set(heat.properties_schema)
    before, after = heat.properties_schema[name], ours.properties_schema[name]
    assert allowed(after)[: len(allowed(before))] == allowed(before)
    added = set(allowed(after)) - set(allowed(before))
    assert added == ({"AUTO"} if name == "software_config_transport" else {"AUTO", "ZAQAR_MESSAGE"})
    assert after.default == before.default
    assert after.update_allowed == before.update_allowed
    assert "AUTO" not in allowed(before), "Heat's own schema was changed in place"


def test_every_attribute_is_heats(pair):
    heat, ours = pair
    assert ours.attributes_schema == heat.attributes_schema
    assert ours.base_attributes_schema == heat.base_attributes_schema


@pytest.mark.parametrize(
    "flag",
    [
        "default_client_name", "entity", "support_status", "no_signal_actions",
        "physical_resource_name_limit", "always_replace_on_check_failed",
        "update_policy_schema", "strict_dependency",
    ],
)  # fmt: skip
def test_every_behaviour_flag_is_heats(pair, flag):
    heat, ours = pair
    assert getattr(ours, flag, None) == getattr(heat, flag, None)
