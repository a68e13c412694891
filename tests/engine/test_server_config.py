"""What a server gets to reach its channel with, by what the operator says."""

import json

import pytest
from heat.common.exception import StackValidationFailed

from heat_zaqar_transport import certificates
from heat_zaqar_transport.wire import KeystoneUrl, SignedUrl, parse_queue_url
from support import hot, tls_server
from support.engine.agent import secrets_of

SCRIPT = "#!/bin/sh\necho $what\n"

ALWAYS = {"channel", "metadata_url", "signal_url", "credentials", "renew_at"}
KEYSTONE = {"user_id", "password", "auth_url", "project_id", "queue_id", "region_name"}


def options_of(heat, **wishes):
    """Return the agent options of a new server, with those that its template asks for."""
    stack = heat.create(hot.alone(metadata=hot.wishes(**wishes)))
    assert stack.state == "CREATE_COMPLETE", stack.reason
    return stack.collect_config()["zaqar"]


def test_the_whole_configuration(heat):
    stack = heat.create(hot.alone())
    config = stack.collect_config()
    assert config["collectors"] == ["zaqar", "local"]
    options = config["zaqar"]
    assert set(options) == ALWAYS | KEYSTONE | {"seal_keys", "websocket_url"}

    metadata, signal = (parse_queue_url(options[name]) for name in ("metadata_url", "signal_url"))
    assert {metadata.queue, signal.queue} == set(heat.zaqar.queues)
    assert options["queue_id"] == metadata.queue
    assert (metadata.paths, metadata.methods) == (("messages",), ("GET",))
    assert (signal.paths, signal.methods) == (("messages",), ("POST",))
    # Servers reach the public endpoint, the engine one of its own.
    assert metadata.endpoint == signal.endpoint == "http://zaqar-public"
    assert options["websocket_url"] == "ws://zaqar-public"

    ((user_id, user),) = heat.keystone.users.items()
    assert (options["user_id"], options["password"]) == (user_id, user.password)
    assert options["project_id"] == metadata.project_id == user.project
    assert options["auth_url"] == "http://keystone/v3"
    assert options["region_name"] == "RegionOne"
    heat.keystone.login(options["user_id"], options["password"], options["project_id"])
    # What Zaqar calls is good for as long as the subscription.
    (notify_url,) = heat.zaqar.subscribers("hz-s")
    assert "Timestamp" not in notify_url
    # Nothing of it is the stack's name, which is the user's to choose.
    assert "stack" not in json.dumps(options)


def test_each_server_has_a_channel_of_its_own(heat):
    stack = heat.create(hot.template({"one": hot.server(), "two": hot.server()}))
    one, two = (stack.collect_config(name)["zaqar"] for name in ("one", "two"))
    shared = {name for name in one if one[name] == two[name]}
    assert shared - {"renew_at"} == {"websocket_url", "auth_url", "project_id", "region_name"}
    assert not secrets_of(one) & secrets_of(two)
    assert len(heat.zaqar.queues) == 4


@pytest.mark.parametrize(
    ("credentials", "push", "catalog_has_it", "gets"),
    [
        ("websocket", "auto", True, {"websocket_url", *KEYSTONE}),
        ("websocket", "websocket", True, {"websocket_url", *KEYSTONE}),
        ("websocket", "", True, {"websocket_url", *KEYSTONE}),
        ("websocket", "poll", True, set()),
        ("websocket", "auto", False, set()),
        ("always", "poll", True, KEYSTONE),
        ("always", "auto", False, KEYSTONE),
        ("always", "auto", True, {"websocket_url", *KEYSTONE}),
        ("never", "auto", True, set()),
        ("never", "websocket", True, set()),
    ],
)
def test_who_gets_keystone_credentials(heat, credentials, push, catalog_has_it, gets):
    heat.option(server_credentials=credentials)
    if not catalog_has_it:
        del heat.catalog.urls["messaging-websocket"]
    options = options_of(heat, push=push)
    assert set(options) == ALWAYS | {"seal_keys", "push"} | gets
    assert options["push"] == push
    (agent,) = heat.agents.values()
    assert agent.document["os-collect-config"]["zaqar"] == options


@pytest.mark.parametrize("seal", [True, False])
def test_what_passes_is_sealed_unless_the_operator_says_no(heat, seal):
    heat.option(seal=seal)
    seen = []
    take = heat.zaqar.take_notifications

    def watched():
        for name in heat.zaqar.queues:
            seen.extend(each.body for each in heat.zaqar.messages(name))
        return [(seen.append(told["body"]) or (url, told)) for url, told in take()]

    heat.zaqar.take_notifications = watched
    stack = heat.create(hot.one_script(SCRIPT, input_values={"what": "w0rd"}, name="one"))
    assert stack.outputs() == {"stdout": "did one\n"}
    options = stack.collect_config()["zaqar"]
    assert ("seal_keys" in options) is seal
    stack.delete()
    assert stack.state == "DELETE_COMPLETE"
    kinds = {frozenset(body) for body in seen}
    text = json.dumps(seen)
    if seal:
        assert kinds == {frozenset({"heat-zaqar", "sealed"})}
        assert "w0rd" not in text
        assert not [secret for secret in secrets_of(options) if secret in text]
    else:
        assert frozenset({"heat-zaqar", "deployments", "os-collect-config"}) in kinds
        assert not [kind for kind in kinds if "sealed" in kind]
        assert "w0rd" in text


def test_a_server_keeps_to_the_sealing_that_it_was_created_with(heat):
    for seal in (True, False):
        heat.option(seal=seal)
        stack = heat.create(hot.one_script(SCRIPT, input_values={"what": "1"}), f"seal-{seal}")
        heat.option(seal=not seal)
        heat.clock.now += 180 * 86400
        before = stack.collect_config()["zaqar"]
        stack.update(hot.one_script(SCRIPT, input_values={"what": "2"})).check()
        assert stack.state == "CHECK_COMPLETE"
        options = stack.collect_config()["zaqar"]
        assert options["credentials"] != before["credentials"]
        assert ("seal_keys" in options) is seal


def test_heat_stores_and_shows_no_credentials(heat):
    stack = heat.create(hot.one_script(SCRIPT, input_values={"what": "w0rd"}))
    secrets = secrets_of(stack.collect_config()["zaqar"])
    assert len(secrets) == 4
    stack.update(hot.one_script(SCRIPT, input_values={"what": "next"})).check()
    shown = [stack.metadata(), stack.resource("server")["metadata"], stack.resource("deployment")]
    stored = json.dumps(shown, default=str)
    assert "next" in stored
    assert not [secret for secret in secrets if secret in stored]


# A Zaqar that signs no URLs.


def test_without_a_signing_key_a_keystone_user_takes_the_place_of_signatures(heat, caplog):
    heat.zaqar.signing_key = None
    stack = heat.create(hot.one_script(SCRIPT, input_values={"what": "1"}, name="one"))
    assert stack.outputs() == {"stdout": "did one\n"}
    options = stack.collect_config()["zaqar"]
    urls = [parse_queue_url(options[name]) for name in ("metadata_url", "signal_url")]
    for url in urls:
        assert isinstance(url, KeystoneUrl)
        assert url.endpoint == "http://zaqar-public"
        assert url.auth_url == "http://keystone/v3"
        assert (url.user_id, url.password.reveal()) == (options["user_id"], options["password"])
    assert [url.queue for url in urls] == list(heat.agent(stack).queue_names)
    stored = json.dumps(stack.metadata())
    assert options["password"] not in stored

    # The URLs hold the password, so that a renewal must leave it.
    heat.clock.now += 180 * 86400
    stack.update(hot.one_script(SCRIPT, input_values={"what": "2"}, name="two")).check()
    renewed = stack.collect_config()["zaqar"]
    assert renewed["credentials"] != options["credentials"]
    assert renewed["seal_keys"].split(",")[1:] == [options["seal_keys"]]
    assert renewed["password"] == options["password"]
    heat.agent(stack).hello()
    stack.update(hot.one_script(SCRIPT, input_values={"what": "3"}, name="three"))
    assert stack.outputs() == {"stdout": "did three\n"}

    assert caplog.text.count("Zaqar signs no URLs") == 1
    assert "[signed_url] secret_key in zaqar.conf is not set" in caplog.text
    stack.delete()
    assert stack.state == "DELETE_COMPLETE"
    assert heat.zaqar.queues == heat.keystone.users == {}
    assert heat.refused == []


def test_with_a_signing_key_nobody_is_warned(heat, caplog):
    options = options_of(heat)
    assert isinstance(parse_queue_url(options["metadata_url"]), SignedUrl)
    assert "signs no URLs" not in caplog.text


def test_who_allows_neither_signatures_nor_passwords_is_told_so(heat):
    heat.zaqar.signing_key = None
    heat.option(server_credentials="never")
    stack = heat.create(hot.alone())
    assert stack.state == "CREATE_FAILED"
    assert "secret_key in zaqar.conf is not set" in stack.reason
    assert "server_credentials = never" in stack.reason
    stack.delete()
    assert stack.state == "DELETE_COMPLETE"


# Endpoints.


def test_the_engine_reaches_zaqar_as_heat_conf_says_and_servers_as_the_public_does(heat):
    heat.boots = False
    options_of(heat)
    assert heat.zaqar.opened == {("http://zaqar-public", 10, True)}
    heat.zaqar.opened.clear()
    heat.option("clients_zaqar", endpoint_type="internalURL", ca_file="/ca.pem")
    heat.option(timeout=7)
    stack = heat.create(hot.alone(), "other")
    stack.update(hot.alone(metadata={"word": 1}))
    heat.clock.now += 180 * 86400
    stack.check().delete()
    assert stack.state == "DELETE_COMPLETE"
    assert heat.zaqar.opened == {("http://zaqar-internal", 7, "/ca.pem")}


def test_servers_reach_zaqar_at_its_public_endpoint_alone(heat):
    heat.option("clients_zaqar", endpoint_type="internalURL")
    options = options_of(heat)
    told = [options[name] for name in ("metadata_url", "signal_url", "websocket_url")]
    assert [url.split("/")[2] for url in told] == ["zaqar-public"] * 3


def test_a_cloud_without_zaqar_is_told_of_it(heat):
    del heat.catalog.urls["messaging"]
    stack = heat.create(hot.alone())
    assert stack.state == "CREATE_FAILED"
    assert (
        "ZAQAR_MESSAGE needs Zaqar: the Keystone catalog has no public endpoint of service type "
        "'messaging'"
    ) in stack.reason
    stack.delete()
    assert stack.state == "DELETE_COMPLETE"


# TLS.


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    return tls_server.certificates(tmp_path_factory.mktemp("ca"))


def test_the_operators_ca_and_insecure_are_sent_and_taken_back(heat, directory):
    heat.option(servers_ca_file=str(directory / "ca.pem"), servers_insecure=True)
    stack = heat.create(hot.alone())
    agent = heat.agent(stack)
    sent = agent.options["ca_certificates"]
    assert certificates.from_text(sent) == (directory / "ca.pem").read_text()
    assert agent.options["insecure"] is True
    assert stack.metadata()["os-collect-config"]["zaqar"]["ca_certificates"] == sent
    # What heat.conf says now goes out with the next check; what it no longer says becomes null.
    heat.option(servers_ca_file=None, servers_insecure=False)
    stack.check()
    assert stack.state == "CHECK_COMPLETE"
    heat.turn(1)
    assert (agent.options["ca_certificates"], agent.options["insecure"]) == (None, None)
    heat.option(servers_insecure=True)
    stack.check()
    heat.turn(1)
    assert (agent.options["ca_certificates"], agent.options["insecure"]) == (None, True)


def test_servers_verify_unless_they_are_told_otherwise(heat):
    options = options_of(heat)
    assert not {"ca_certificates", "insecure"} & set(options)


@pytest.mark.parametrize("transport", ["ZAQAR_MESSAGE", "AUTO", "POLL_SERVER_CFN"])
def test_a_ca_file_that_cannot_be_used_is_refused_before_anything_is_made(
    heat, tmp_path, transport
):
    heat.option(servers_ca_file=str(tmp_path / "none.pem"))
    if transport == "POLL_SERVER_CFN":
        assert heat.create(hot.alone(transport)).state == "CREATE_COMPLETE"
        return
    with pytest.raises(StackValidationFailed, match=r"server: option .* servers_ca_file cannot"):
        heat.create(hot.alone(transport))
    assert heat.zaqar.calls == []
    assert heat.keystone.users == {}
