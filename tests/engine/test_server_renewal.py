"""Credentials of a server: when new ones are made, and that old ones go on to work."""

import pytest

from heat_zaqar_transport.resources import options
from heat_zaqar_transport.wire import Hello, parse_queue_url
from support import hot
from support.engine.agent import secrets_of

DAY_S = 86400
# Of the default lifetime of a year: due after 146 days.
NOT_DUE_S, DUE_S = 145 * DAY_S, 147 * DAY_S


def alone(**metadata):
    return hot.alone(metadata=metadata)


def one_script(what, **metadata):
    made = hot.one_script("#!/bin/sh\ntrue\n", input_values={"what": what}, name=what)
    made["resources"]["server"]["metadata"] = metadata
    return made


def credentials(stack):
    return stack.collect_config()["zaqar"]


def keys(zaqar_options):
    return zaqar_options["seal_keys"].split(",")


def later(heat, seconds):
    heat.clock.now += seconds


def login(heat, zaqar_options):
    names = ("user_id", "password", "project_id")
    heat.keystone.login(*(zaqar_options[name] for name in names))


def renew_by_check(heat, stack):
    stack.check()


def renew_by_signal(heat, stack):
    stack.signal("server")


def renew_by_hello(heat, stack):
    heat.agent(stack).hello()
    heat.settle()


def renew_by_update(heat, stack):
    stack.update(alone(word="changed"))


@pytest.mark.parametrize(
    "renew", [renew_by_check, renew_by_signal, renew_by_hello, renew_by_update]
)
def test_credentials_are_renewed_when_they_are_due_and_not_before(heat, renew):
    stack = heat.create(alone())
    agent = heat.agent(stack)
    first = credentials(stack)
    assert first["renew_at"] == pytest.approx(heat.clock.time() + 146 * DAY_S, abs=60)
    later(heat, NOT_DUE_S)
    renew_by_hello(heat, stack)
    renew_by_check(heat, stack)
    assert credentials(stack) == first

    later(heat, DUE_S - NOT_DUE_S)
    renew(heat, stack)
    second = credentials(stack)
    changed = {name for name in first if first[name] != second[name]}
    assert changed == {
        "credentials", "renew_at", "metadata_url", "signal_url", "seal_keys", "password",
    }  # fmt: skip
    assert second["renew_at"] == pytest.approx(heat.clock.time() + 146 * DAY_S, abs=60)
    assert keys(second)[1:] == keys(first)
    for name in ("metadata_url", "signal_url"):
        before, after = (parse_queue_url(each[name]) for each in (first, second))
        assert (after.queue, after.methods, after.paths) == (
            before.queue, before.methods, before.paths,
        )  # fmt: skip
    # The server is told with the old key, which is all that it has.
    heat.turn(1)
    assert agent.options == second
    assert not {text for text in secrets_of(second) if text in str(stack.metadata())}


def test_the_password_changes_once_the_server_has_said_hello_with_the_new_set(heat):
    stack = heat.create(alone())
    agent = heat.agent(stack)
    first = credentials(stack)
    later(heat, DUE_S)
    stack.check()
    second = credentials(stack)
    login(heat, first)
    changes, users = [], heat.keystone.domain_admin_client.users
    update = users.update
    users.update = lambda **what: changes.append(what) or update(**what)
    for _ in range(2):
        agent.hello("credentials")
        heat.settle()
    assert changes == [{"user": second["user_id"], "password": second["password"]}]
    login(heat, second)
    with pytest.raises(Exception, match="requires authentication"):
        login(heat, first)
    # What is sealed for it from now on takes the new key alone.
    stack.update(one_script("two"))
    agent.options = {**agent.options, "seal_keys": keys(second)[0]}
    assert agent.snapshot in agent.read()
    agent.options = {**agent.options, "seal_keys": keys(first)[0]}
    assert agent.read() == []
    agent.options = second
    stack.update(one_script("three"))
    assert stack.outputs() == {"stdout": "did three\n"}
    stack.delete()
    assert stack.state == "DELETE_COMPLETE"
    assert agent.goodbye


def test_a_server_that_was_off_gets_in_with_the_old_ones_while_they_live(heat):
    stack = heat.create(one_script("one"))
    agent = heat.agent(stack)
    first = dict(agent.options)
    agent.awake = False
    later(heat, DUE_S)
    stack.check()
    stack.check()
    second = credentials(stack)
    assert second["credentials"] != first["credentials"]
    assert agent.options == first
    # It answers a deployment with nothing but what it had.
    agent.awake = True
    stack.update(one_script("two"))
    assert stack.outputs() == {"stdout": "did two\n"}
    assert agent.options == second

    # It may have lost what it had been told, and come with the first ones again.
    agent.hello("credentials")
    heat.settle()
    login(heat, second)
    agent.options, agent.snapshot = first, None
    agent.hello()
    heat.settle()
    login(heat, first)
    heat.turn(1)
    assert agent.options == second == credentials(stack)
    stack.update(one_script("three"))
    assert stack.outputs() == {"stdout": "did three\n"}
    assert heat.refused == []


def test_at_a_later_renewal_those_that_have_expired_are_forgotten(heat):
    stack = heat.create(alone())
    agent = heat.agent(stack)
    sets = [dict(agent.options)]
    for _ in range(4):
        later(heat, DUE_S)
        agent.hello()
        heat.settle()
        heat.turn(1)
        sets.append(dict(agent.options))
        agent.hello("credentials")
        heat.settle()
    assert len({each["credentials"] for each in sets}) == 5
    # Each set has the key of the one before, which so is known for one renewal longer.
    current = dict(agent.options)
    agent.awake = False
    agent.options = {**current, "seal_keys": sets[0]["seal_keys"]}
    agent.hello()
    heat.settle()
    assert "refused a message from the server" in stack.events("server")[-1]
    # Those before the present ones live on.
    agent.options = {**current, "seal_keys": sets[-2]["seal_keys"]}
    events = len(stack.events("server"))
    agent.hello()
    heat.settle()
    assert len(stack.events("server")) == events


def test_what_the_server_told_of_last_is_never_forgotten(heat):
    stack = heat.create(alone())
    agent = heat.agent(stack)
    agent.awake = False
    first, sets = dict(agent.options), []
    for _ in range(4):
        later(heat, DUE_S)
        stack.check()
        sets.append(credentials(stack))
    assert len({each["credentials"] for each in [first, *sets]}) == 5
    # Nor is what has not expired, whether the server has told of it or not.
    events = len(stack.events("server"))
    agent.options = {**sets[-1], "seal_keys": keys(sets[1])[0]}
    agent.say(Hello(agent.channel, "start"))
    heat.settle()
    assert len(stack.events("server")) == events
    # Its URLs have ended; but what is sealed for it, it could still open.
    agent.options = {**first, "metadata_url": credentials(stack)["metadata_url"]}
    (snapshot,) = agent.read()
    assert snapshot.document["os-collect-config"]["zaqar"] == credentials(stack)


def test_the_engines_own_access_and_zaqars_calls_are_prolonged(heat):
    wishes = hot.wishes(push="webhook", webhook_listen="0.0.0.0:1", webhook_url="http://web:1")
    stack = heat.create(one_script("one", **wishes))
    agent = heat.agent(stack)
    queues = [heat.zaqar.queues[name] for name in agent.queue_names]
    until = [list(queue.subscribers.items()) for queue in queues]
    lifetime_s = options.ENGINE_LIFETIME_S
    later(heat, lifetime_s - DAY_S)
    agent.options = {**credentials(stack)}
    agent.awake = False  # its own URLs have ended long ago
    stack.check()
    for before, queue in zip(until, queues, strict=True):
        ((url, ends_at),), ((url_before, ended_at),) = queue.subscribers.items(), before
        assert url == url_before
        assert ends_at == pytest.approx(ended_at + lifetime_s - DAY_S, abs=60)
    later(heat, 10 * DAY_S)
    agent.options = credentials(stack)
    agent.awake = True
    heat.called.clear()
    stack.update(one_script("two", **wishes))
    assert stack.state == "UPDATE_COMPLETE"
    assert stack.outputs() == {"stdout": "did two\n"}
    assert {url for url, _ in heat.called} == {f"http://web:1{agent.options['webhook_path']}"}


def test_another_lifetime_is_that_of_the_next_credentials(heat):
    heat.option(channel_lifetime=1000)
    stack = heat.create(hot.alone())
    agent = heat.agent(stack)
    first = credentials(stack)
    assert first["renew_at"] == pytest.approx(heat.clock.time() + 400, abs=30)
    assert float(parse_queue_url(first["signal_url"]).expires) == pytest.approx(
        heat.clock.time() + 1000, abs=30
    )
    later(heat, 450)
    agent.hello()
    heat.settle()
    heat.turn(1)
    assert agent.options["credentials"] != first["credentials"]


def test_a_webhook_that_is_not_called_any_more_is_not_called_again(heat):
    webhook = {"push": "webhook", "webhook_listen": "0.0.0.0:1", "webhook_url": "http://web:1"}
    stack = heat.create(hot.alone(metadata=hot.wishes(**webhook)))
    stack.update(hot.alone(metadata=hot.wishes(**webhook | {"push": "poll"})))
    first = credentials(stack)
    later(heat, DUE_S)
    stack.check()
    assert stack.state == "CHECK_COMPLETE"
    assert credentials(stack)["credentials"] != first["credentials"]
    assert heat.zaqar.subscribers("hz-m") == []


def test_what_is_deployed_during_a_renewal_is_kept(heat):
    stack = heat.create(one_script("one"))
    agent = heat.agent(stack)
    first = credentials(stack)
    later(heat, DUE_S)
    with heat.zaqar.slow("sign", "hz-", 5):
        agent.hello()
        heat.turn(1)
        stack.update(one_script("two"))
    heat.turn(1)
    assert credentials(stack)["credentials"] != first["credentials"]
    assert agent.options == credentials(stack)
    assert [each["name"] for each in agent.document["deployments"]] == ["two"]
    assert stack.metadata()["deployments"] == agent.document["deployments"]
    assert stack.outputs() == {"stdout": "did two\n"}


def test_a_password_that_keystone_does_not_take_is_changed_by_the_next_hello(heat):
    stack = heat.create(alone())
    agent = heat.agent(stack)
    first = credentials(stack)
    later(heat, DUE_S)
    stack.check()
    second = credentials(stack)
    heat.turn(1)
    update = heat.keystone.domain_admin_client.users.update
    heat.keystone.domain_admin_client.users.update = lambda **_: 1 / 0
    agent.hello("credentials")
    heat.settle()
    assert len(heat.refused) == 1
    login(heat, first)
    # Heat goes on to use the one that Keystone knows.
    heat.keystone.domain_admin_client.users.update = update
    stack.update(alone(word=1))
    assert stack.state == "UPDATE_COMPLETE"
    agent.hello("credentials")
    heat.settle()
    login(heat, second)
    stack.delete()
    assert stack.state == "DELETE_COMPLETE"
    assert heat.zaqar.queues == {}


def test_without_a_domain_of_heats_own_the_password_changes_all_the_same(heat):
    heat.keystone.stack_domain = None
    heat.keystone.client, heat.keystone.domain_admin_client = (
        heat.keystone.domain_admin_client, None,
    )  # fmt: skip
    stack = heat.create(alone())
    agent = heat.agent(stack)
    later(heat, DUE_S)
    agent.hello()
    heat.settle()
    heat.turn(1)
    agent.hello("credentials")
    heat.settle()
    assert heat.refused == []
    login(heat, credentials(stack))


@pytest.mark.parametrize("first_event", ["check", "hello"])
def test_of_two_engines_that_renew_at_the_same_time_one_counts(heat, caplog, first_event):
    stack = heat.create(one_script("one"))
    agent = heat.agent(stack)
    first = credentials(stack)
    later(heat, DUE_S)
    with heat.zaqar.slow("sign", "hz-", 3):
        stack.check(wait=False) if first_event == "check" else agent.hello()
        heat.turn(1)
        agent.hello("again")
        heat.settle()
    heat.turn(1)
    second = credentials(stack)
    assert second["credentials"] != first["credentials"]
    assert agent.options == second
    signed = [call for call in heat.zaqar.calls if call[0] == "sign"]
    assert len(signed) > 8, "only one of them has made credentials"
    assert caplog.text.count("credentials renewed") == 1
    agent.hello("credentials")
    heat.settle()
    login(heat, second)
    stack.update(one_script("two"))
    assert stack.outputs() == {"stdout": "did two\n"}
    assert heat.refused == []
    # Those of the other engine are forgotten, although they were made later.
    stack.update(hot.alone("POLL_SERVER_HEAT"))
    stack.update(alone())
    assert stack.state == "UPDATE_COMPLETE"
    assert credentials(stack)["credentials"] == second["credentials"]
