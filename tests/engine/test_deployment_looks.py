"""When the engine looks into a signal queue by itself: seldom, and soon when nobody tells it."""

import itertools

import pytest

from support import hot

SCRIPT = "#!/bin/sh\necho $what\n"
DONE = {"deploy_stdout": "done", "deploy_status_code": 0}


def template(what="first", count=1, servers=("server",), **properties):
    """So many deployments on each server."""
    resources = {name: hot.server() for name in servers}
    resources["config"] = hot.config(SCRIPT, inputs=["what"])
    for server, n in itertools.product(servers, range(count)):
        made = hot.deployment("config", server, input_values={"what": what}, **properties)
        resources[f"{server}_{n}"] = made
    return hot.template(resources)


def waiting(heat, made=None, **options):
    """Return a new stack whose servers do not answer, their agents asleep."""
    heat.option(**options)
    heat.answer = lambda deployment: None
    stack = heat.create(made or template(), wait=False)
    # Snapshots that come before the last deployment are no matter here.
    heat.turn(2)
    assert stack.state == "CREATE_IN_PROGRESS", stack.reason
    for agent in heat.agents.values():
        agent.awake = False
    return stack


def again(heat, stack, what):
    """Update, and wait for an answer once more."""
    stack.update(template(what), wait=False)
    heat.turn(1)
    (agent,) = heat.agents.values()
    agent.look()
    return config_of(agent)


def config_of(agent):
    (deployment,) = agent.document["deployments"]
    return deployment["id"]


def looks(heat, prefix="hz-s"):
    calls = [call for call, queue, _ in heat.zaqar.calls if queue.startswith(prefix)]
    return calls.count("fetch")


def looked_at(heat, seconds, prefix="hz-s"):
    """Return the seconds, from now, in which there was a look."""
    found = []
    for second in range(seconds):
        before = looks(heat, prefix)
        heat.turn(1)
        if looks(heat, prefix) > before:
            found.append(second)
    return found


def pauses(seconds):
    return [later - earlier for earlier, later in itertools.pairwise(seconds)]


def test_each_look_comes_after_twice_the_waiting_and_none_after_the_end(heat):
    waiting(heat)
    found = looked_at(heat, 85)
    assert 5 <= found[0] <= 10
    assert pauses(found) == [10, 20, 40]
    (agent,) = heat.agents.values()
    agent.result(config_of(agent), DONE)
    heat.settle()
    assert looked_at(heat, 60) == []


def test_first_and_longest_pause_are_options(heat):
    waiting(heat, safety_net_first=5, safety_net_longest=15)
    assert pauses(looked_at(heat, 55)) == [5, 10, 15, 15]


def test_who_comes_late_makes_up_for_nothing(heat):
    waiting(heat)
    heat.clock.now += 100
    (pause,) = pauses(looked_at(heat, 110))
    assert 100 <= pause <= 105


def test_the_engine_learns_that_nobody_tells_and_that_somebody_does(heat):
    stack = waiting(heat)
    (agent,) = heat.agents.values()

    def found(config):
        """Have the engine find a result that it is not told of."""
        heat.zaqar.notifies = False
        agent.result(config, DONE)
        heat.settle()
        heat.zaqar.notifies = True
        assert stack.state.endswith("COMPLETE")

    # One that is as fresh as a notification may be proves nothing.
    heat.turn(5)
    found(config_of(agent))
    config = again(heat, stack, "second")
    assert pauses(looked_at(heat, 45)) == [10, 20]
    # One that has lain there for long does.
    found(config)
    config = again(heat, stack, "third")
    assert pauses(looked_at(heat, 37)) == [10, 10]
    # Who finds its result itself has been told nothing, however fresh it is.
    found(config)
    config = again(heat, stack, "fourth")
    assert pauses(looked_at(heat, 37)) == [10, 10]
    # One that is told of.
    agent.result(config, DONE)
    heat.settle()
    again(heat, stack, "fifth")
    assert pauses(looked_at(heat, 45)) == [10, 20]


def test_what_one_deployment_has_learned_shortens_the_pauses_of_the_others(heat):
    waiting(heat, template(servers=("one", "two")), safety_net_first=5)
    one, two = heat.agents.values()
    assert pauses(looked_at(heat, 20, one.queue_names[1])) == [5, 10]
    heat.zaqar.notifies = False
    two.result(config_of(two), DONE)
    heat.turn(20)
    assert pauses(looked_at(heat, 21, one.queue_names[1])) == [5, 5, 5]


@pytest.mark.parametrize(("count", "servers"), [(3, ("one",)), (2, ("one", "two"))])
def test_one_look_serves_all_deployments_of_a_server(heat, count, servers):
    waiting(heat, template(count=count, servers=servers), safety_net_first=6)
    before = looks(heat)
    heat.turn(16)
    assert looks(heat) - before == 2 * len(servers)


@pytest.mark.parametrize(("later", "expected"), [(3, [10]), (7, [7, 10])])
def test_a_look_serves_for_half_of_the_first_pause(heat, later, expected):
    stack = waiting(heat)
    made = template()
    del made["resources"]["server"]
    made["resources"]["server_0"]["properties"]["server"] = stack.server_id()
    heat.turn(later - 3)  # two calls of a second each, and one until it waits
    other = heat.create(made, "other", wait=False)
    found = looked_at(heat, 27)
    assert other.state == "CREATE_IN_PROGRESS"
    assert pauses(found) == expected


def test_a_look_that_fails_is_made_again_soon(heat):
    waiting(heat, safety_net_first=4)
    with heat.zaqar.failing("fetch", "hz-s"):
        failed = looked_at(heat, 11)
    assert pauses([*failed, *(11 + second for second in looked_at(heat, 22))]) == [4, 4, 4, 16]


def test_what_zaqar_has_lost_is_put_back_and_told_of(heat):
    stack = waiting(heat)
    heat.zaqar.queues.clear()
    heat.turn(12)
    (agent,) = heat.agents.values()
    (name,) = heat.zaqar.names("hz-m")
    assert len(heat.zaqar.messages(name)) == 1
    began = looks(heat)
    heat.answer = lambda deployment: DONE
    agent.look()
    heat.settle()
    assert stack.state == "CREATE_COMPLETE"
    # By a notification, which clears the queue with one list: no look was needed.
    assert looks(heat) - began == 1
    assert any("succeeded" in each for each in stack.events("server"))


def test_a_deployment_that_signals_otherwise_has_only_its_snapshot_looked_after(heat):
    waiting(heat, template(transport="CFN_SIGNAL"))
    heat.zaqar.queues.clear()
    heat.turn(30)
    assert looks(heat) == 0
    assert len(heat.zaqar.names("hz-m")) == 1
