"""How a server hears of its deployments: each transport, AUTO, and a change of the transport."""

import json

import pytest
from heat.common.exception import MissingCredentialError

from support import hot
from support.engine.agent import secrets_of
from support.engine.swift import Swift

SCRIPT = "#!/bin/sh\necho $word\n"
ALL = {"messaging": "http://zaqar", "object-store": Swift.url, "cloudformation": "http://heat/v1"}


def sources(stack):
    """Return what a server's configuration names as sources, and as collectors."""
    config = dict(stack.collect_config())
    collectors = config.pop("collectors")
    told = {name for name, options in config.items() if set(options.values()) != {None}}
    return told, collectors


@pytest.mark.parametrize(
    ("transport", "source", "names"),
    [
        ("ZAQAR_MESSAGE", "zaqar", {"channel", "metadata_url", "signal_url", "seal_keys"}),
        ("POLL_SERVER_HEAT", "heat", {"user_id", "password", "auth_url", "stack_id"}),
        ("POLL_SERVER_CFN", "cfn", {"access_key_id", "secret_access_key", "metadata_url"}),
        ("POLL_TEMP_URL", "request", {"metadata_url"}),
    ],
)
def test_each_transport_names_its_own_source_alone(heat, transport, source, names):
    (swift := Swift()).install(heat)
    stack = heat.create(hot.alone(transport))
    assert stack.state == "CREATE_COMPLETE"
    assert sources(stack) == ({source}, [source, "local"])
    assert names <= set(stack.collect_config()[source])
    assert bool(heat.zaqar.calls) is (transport == "ZAQAR_MESSAGE")
    assert len(swift.containers) == (transport == "POLL_TEMP_URL")
    stack.delete()
    assert stack.state == "DELETE_COMPLETE"
    assert heat.zaqar.queues == heat.keystone.users == heat.keystone.projects == {}


@pytest.mark.parametrize(
    ("catalog", "source"),
    [
        (["messaging", "object-store", "cloudformation"], "zaqar"),
        (["messaging", "cloudformation"], "zaqar"),
        (["object-store", "cloudformation"], "request"),
        (["cloudformation"], "cfn"),
        ([], "heat"),
    ],
)
def test_auto_takes_the_best_that_the_catalog_has_and_keeps_to_it(heat, catalog, source):
    Swift().install(heat)
    for name in set(ALL) - set(catalog):
        del heat.catalog.urls[name]
    stack = heat.create(hot.alone("AUTO", metadata={"word": "first"}))
    assert stack.state == "CREATE_COMPLETE"
    assert sources(stack) == ({source}, [source, "local"])
    # The other way round, another transport would be the best.
    if "messaging" in catalog:
        del heat.catalog.urls["messaging"]
    else:
        heat.catalog.urls.update(ALL)
    stack.update(hot.alone("AUTO", metadata={"word": "second"}))
    assert stack.state == "UPDATE_COMPLETE"
    assert sources(stack) == ({source}, [source, "local"])
    assert stack.metadata()["word"] == "second"


def test_an_operator_who_names_heat_api_cfn_needs_no_catalog_for_it(heat):
    del heat.catalog.urls["messaging"], heat.catalog.urls["cloudformation"]
    heat.option(
        None,
        heat_waitcondition_server_url="http://heat/v1/waitcondition",
        heat_metadata_server_url="http://heat",
    )
    stack = heat.create(hot.alone("AUTO"))
    assert stack.state == "CREATE_COMPLETE"
    assert sources(stack)[0] == {"cfn"}


@pytest.mark.parametrize("other", ["POLL_SERVER_HEAT", "POLL_SERVER_CFN", None])
def test_a_server_is_told_of_another_transport_and_of_the_way_back(heat, other):
    def one_script(transport, word):
        made = hot.one_script(
            SCRIPT, server_transport=transport, input_values={"word": word}, name="one"
        )
        if transport is None:
            del made["resources"]["server"]["properties"]["software_config_transport"]
        return made

    stack = heat.create(one_script("ZAQAR_MESSAGE", "first"))
    agent = heat.agent(stack)
    before, queues = stack.collect_config()["zaqar"], set(heat.zaqar.queues)

    stack.update(one_script(other, "first"))
    assert stack.state == "UPDATE_COMPLETE"
    section = agent.document["os-collect-config"]
    source = "heat" if other == "POLL_SERVER_HEAT" else "cfn"
    assert section["collectors"] == [source, "local"]
    assert set(section["zaqar"].values()) == {None}
    assert set(before) == set(section["zaqar"])

    # It comes back on the channel that it had, and is to read of it where it polls.
    stack.update(one_script("ZAQAR_MESSAGE", "first"))
    assert stack.state == "UPDATE_COMPLETE"
    assert set(heat.zaqar.queues) == queues
    polled = stack.metadata()["os-collect-config"]
    assert polled["collectors"] == ["zaqar", "local"]
    assert set(polled[source].values()) == {None}
    assert polled["zaqar"] == before == stack.collect_config()["zaqar"]
    agent.options = polled["zaqar"]
    assert agent.options["channel"] == before["channel"]

    agent.hello()
    heat.settle()
    stored = json.dumps(stack.metadata())
    assert not [secret for secret in secrets_of(before) if secret in stored]
    assert stack.collect_config()["zaqar"] == before
    stack.update(one_script("ZAQAR_MESSAGE", "second"))
    assert stack.state == "UPDATE_COMPLETE"
    assert stack.outputs() == {"stdout": "did one\n"}
    stack.delete()
    assert stack.state == "DELETE_COMPLETE"
    assert heat.zaqar.queues == heat.keystone.users == {}


def test_what_a_server_is_to_find_where_it_polls_is_renewed_with_the_rest(heat):
    stack = heat.create(hot.alone("POLL_SERVER_HEAT"))
    stack.update(hot.alone())
    first = stack.collect_config()["zaqar"]
    assert stack.metadata()["os-collect-config"]["zaqar"] == first
    heat.clock.now += 180 * 86400
    stack.check()
    second = stack.collect_config()["zaqar"]
    assert second["credentials"] != first["credentials"]
    assert stack.metadata()["os-collect-config"]["zaqar"] == second
    # It may find what it was told first, which is no reason to hide the others from it.
    agent = heat.boot(first)
    agent.options, agent.awake = first, False
    agent.hello()
    heat.settle()
    assert stack.metadata()["os-collect-config"]["zaqar"] == second
    agent.options = second
    agent.hello()
    heat.settle()
    assert stack.metadata()["os-collect-config"]["zaqar"]["seal_keys"] is None


def test_heat_must_be_able_to_act_for_the_user_who_makes_the_stack(heat):
    """Taking a result does; so Heat refuses a user whose credentials it could not store."""
    heat.option(None, deferred_auth_method="password")
    context = heat.context
    heat.context = lambda: setattr(made := context(), "password", None) or made
    with pytest.raises(MissingCredentialError):
        heat.create(hot.alone())
    assert heat.create(hot.alone("POLL_SERVER_CFN")).state == "CREATE_COMPLETE"
