"""How a server sleeps, wakes, is replaced, and ends, with each thing missing that may be."""

import pytest
from keystoneauth1.exceptions import Unauthorized

from heat_zaqar_transport.wire.errors import ServiceFailed
from support import hot

SCRIPT = "#!/bin/sh\necho $what\n"


def one_script(what="1"):
    return hot.one_script(SCRIPT, input_values={"what": what}, name="one")


def assert_nothing_left(heat):
    assert heat.zaqar.queues == {}
    assert heat.keystone.users == heat.keystone.projects == {}


def test_a_keystone_that_is_slow_to_wake_a_user_delays_the_delete(heat):
    stack = heat.create(hot.alone()).suspend()
    asleep_until = []
    wake, login = heat.keystone.enable_stack_domain_user, heat.keystone.login

    def enable(user_id, project_id):
        asleep_until.append(heat.clock.now + 4)
        wake(user_id, project_id)

    def refused_for_a_while(*args):
        if asleep_until and heat.clock.now < asleep_until[0]:
            raise Unauthorized("The request you have made requires authentication.")
        return login(*args)

    heat.patch(heat.keystone, "enable_stack_domain_user", enable)
    heat.patch(heat.keystone, "login", refused_for_a_while)
    assert stack.delete().state == "DELETE_COMPLETE"
    assert heat.zaqar.queues == {}


def test_a_suspended_server_cannot_get_in_and_a_resumed_one_can(heat):
    stack = heat.create(one_script())
    agent = heat.agent(stack)
    (user,) = heat.keystone.users.values()
    stack.suspend()
    assert (stack.state, user.enabled) == ("SUSPEND_COMPLETE", False)
    stack.resume()
    assert (stack.state, user.enabled) == ("RESUME_COMPLETE", True)
    stack.update(one_script("2"))
    assert stack.state == "UPDATE_COMPLETE"
    assert len(agent.runs) == 2


def test_a_stack_that_sleeps_is_deleted_with_all_that_it_has(heat):
    stack = heat.create(one_script())
    agent = heat.agent(stack)
    stack.suspend()
    stack.delete()
    assert stack.state == "DELETE_COMPLETE"
    assert agent.goodbye
    assert_nothing_left(heat)


def test_a_goodbye_lives_for_a_minute_and_is_sealed(heat):
    stack = heat.create(hot.alone())
    agent = heat.agent(stack)
    with heat.zaqar.failing("destroy"):
        stack.delete()
    assert stack.state == "DELETE_FAILED"
    (goodbye,) = heat.zaqar.messages(agent.queue_names[0])[1:]
    assert goodbye.ttl_s == 60
    assert set(goodbye.body) == {"heat-zaqar", "sealed"}
    stack.delete()
    assert stack.state == "DELETE_COMPLETE"
    assert_nothing_left(heat)


def test_a_goodbye_that_zaqar_does_not_take_costs_no_time_and_no_delete(heat, caplog):
    stack = heat.create(hot.alone())
    agent = heat.agent(stack)
    with heat.zaqar.failing("post", "hz-m", ServiceFailed("post queue", "503")):
        stack.delete()
    assert stack.state == "DELETE_COMPLETE"
    assert not agent.goodbye
    assert f"Channel {agent.channel}: the server is not told of the end: post queue" in caplog.text
    assert_nothing_left(heat)


def lose_queues(heat, agent):
    heat.zaqar.queues.clear()


def lose_metadata_queue(heat, agent):
    del heat.zaqar.queues[agent.queue_names[0]]


def lose_signal_queue(heat, agent):
    del heat.zaqar.queues[agent.queue_names[1]]


def lose_subscription(heat, agent):
    heat.zaqar.queues[agent.queue_names[1]].subscribers.clear()


def lose_server(heat, agent):
    agent.awake = False


@pytest.mark.parametrize(
    "lose",
    [lose_queues, lose_metadata_queue, lose_signal_queue, lose_subscription, lose_server],
)
def test_a_delete_ends_with_something_lost(heat, lose):
    stack = heat.create(one_script())
    lose(heat, heat.agent(stack))
    stack.delete()
    assert stack.state == "DELETE_COMPLETE", stack.reason
    assert_nothing_left(heat)


def test_a_delete_ends_when_the_cloud_has_no_zaqar_any_more(heat, caplog):
    stack = heat.create(one_script())
    del heat.catalog.urls["messaging"]
    stack.delete()
    assert stack.state == "DELETE_COMPLETE"
    assert "server: no messaging endpoint, its queues are left to expire" in caplog.text
    assert len(heat.zaqar.queues) == 2
    assert heat.keystone.users == heat.keystone.projects == {}


def test_a_delete_fails_while_zaqar_is_away_and_ends_when_it_is_back(heat):
    stack = heat.create(hot.alone())
    with heat.zaqar.failing(""):
        stack.delete()
    assert stack.state == "DELETE_FAILED"
    assert "connection refused" in stack.reason
    assert len(heat.zaqar.queues) == 2
    assert len(heat.keystone.users) == 1
    stack.delete()
    assert stack.state == "DELETE_COMPLETE"
    assert_nothing_left(heat)


def test_one_queue_that_cannot_be_deleted_does_not_hide_the_other(heat):
    stack = heat.create(hot.alone())
    agent = heat.agent(stack)
    with heat.zaqar.failing("destroy", "hz-s"):
        stack.delete()
    assert stack.state == "DELETE_FAILED"
    assert agent.queue_names[1] in heat.zaqar.queues
    stack.delete()
    assert stack.state == "DELETE_COMPLETE"
    assert_nothing_left(heat)


def test_a_server_that_is_removed_from_the_template_leaves_nothing_and_the_other_all(heat):
    made = hot.template({"server": hot.server(), "other": hot.server()})
    stack = heat.create(made)
    agent, other = heat.agent(stack), heat.agent(stack, "other")
    del made["resources"]["server"]
    stack.update(made)
    assert stack.state == "UPDATE_COMPLETE"
    assert set(heat.zaqar.queues) == set(other.queue_names)
    assert (agent.goodbye, other.goodbye) == (True, False)
    assert len(heat.keystone.users) == 1


def test_a_replacement_has_a_channel_of_its_own_and_ends_that_of_before(heat):
    stack = heat.create(one_script())
    before = heat.agent(stack)
    old = stack.collect_config()["zaqar"]
    stack.mark_unhealthy("server")
    stack.update(one_script())
    assert stack.state == "UPDATE_COMPLETE"
    after = heat.agent(stack)
    new = stack.collect_config()["zaqar"]
    assert {name for name in old if old[name] == new[name]} <= {
        "websocket_url", "auth_url", "project_id", "region_name", "renew_at",
    }  # fmt: skip
    assert set(heat.zaqar.queues) == set(after.queue_names)
    assert before.goodbye
    assert not after.goodbye
    # The new server is told of the deployment, and answers it.
    assert [each["name"] for each in after.document["deployments"]] == ["one"]
    assert len(after.runs) == 1
    stack.delete()
    assert_nothing_left(heat)


def test_a_name_of_a_hundred_characters_with_dots_has_no_part_in_the_queues(heat):
    name = ("a.name-that_is.as-long.as.heat.allows." * 3)[:100]
    made = one_script()
    made["resources"][name] = made["resources"].pop("server")
    made["resources"]["deployment"]["properties"]["server"] = {"get_resource": name}
    stack = heat.create(made, name=f"stack.{name}"[:100])
    assert stack.state == "CREATE_COMPLETE"
    assert stack.outputs() == {"stdout": "did one\n"}
    assert all(len(each) <= 64 for each in heat.zaqar.queues)
    heat.agent(stack, name).hello()
    heat.settle()
    assert heat.refused == []
    stack.delete()
    assert stack.state == "DELETE_COMPLETE"
    assert_nothing_left(heat)
