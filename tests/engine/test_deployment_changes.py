"""Deployments that come, change and go: each config reaches its server, and its result Heat."""

import collections
import itertools

import pytest
from heat.engine import service_software_config

from support import hot
from support.engine.nova import Nova

SCRIPT = "#!/bin/sh\necho $what\n"
ALL = ["CREATE", "UPDATE", "SUSPEND", "RESUME", "DELETE"]


def template(what="first", server="server", servers=("server",), script=SCRIPT, **properties):
    made = hot.one_script(script, input_values={"what": what}, name="one", **properties)
    del made["resources"]["server"]
    made["resources"] |= {name: hot.server() for name in servers}
    made["resources"]["deployment"]["properties"]["server"] = {"get_resource": server}
    return made


class Server:
    """Answers as a server whose hook repeats its input, and remembers what it was given.

    Attributes:
        given: Actions and inputs, in order.
        silent: Inputs that are not answered.
        fails: Inputs that are answered by a failure.
    """

    def __init__(self, heat):
        heat.answer = self
        self.silent, self.fails = set(), set()
        self._given = {}

    @property
    def given(self):
        return list(self._given.values())

    def __call__(self, deployment):
        what = deployment["inputs"]["what"]
        self._given[deployment["id"]] = (deployment["inputs"]["deploy_action"], what)
        if what in self.silent:
            return None
        if what in self.fails:
            return {"deploy_stderr": f"no {what}", "deploy_status_code": 1}
        return {"deploy_stdout": f"did {what}", "deploy_status_code": 0}


def test_each_action_has_its_config_run_and_waits_for_it(heat):
    server = Server(heat)
    stack = heat.create(template(actions=ALL))
    stack.update(template("second", actions=ALL))
    assert stack.state == "UPDATE_COMPLETE"
    acts = {"SUSPEND": stack.suspend, "RESUME": stack.resume, "DELETE": stack.delete}
    for action, act in acts.items():
        server.silent = {"second"}
        act(wait=False)
        heat.turn(5)
        assert stack.state == f"{action}_IN_PROGRESS"
        server.silent = set()
        heat.settle()
        assert stack.state == f"{action}_COMPLETE", stack.reason
    assert server.given == [
        ("CREATE", "first"),
        ("UPDATE", "second"),
        ("SUSPEND", "second"),
        ("RESUME", "second"),
        ("DELETE", "second"),
    ]
    (agent,) = heat.agents.values()
    assert agent.acks == agent.runs
    assert len(agent.runs) == 5
    assert agent.goodbye
    assert heat.zaqar.queues == {}


@pytest.mark.parametrize("action", ["CREATE", "UPDATE"])
def test_an_action_that_is_not_wanted_has_nothing_run(heat, action):
    server = Server(heat)
    stack = heat.create(template(actions=[action]))
    stack.update(template("second", actions=[action]))
    assert stack.state == "UPDATE_COMPLETE"
    expected = [("CREATE", "first")] if action == "CREATE" else [("UPDATE", "second")]
    assert server.given == expected
    if action == "CREATE":
        stack.suspend()
        assert stack.state == "SUSPEND_COMPLETE"
        stack.delete()
        assert stack.state == "DELETE_COMPLETE"
        assert server.given == expected


def test_a_delete_that_fails_on_the_server_says_why_and_can_be_tried_again(heat):
    server = Server(heat)
    stack = heat.create(template(actions=["DELETE"]))
    server.fails = {"first"}
    stack.delete()
    assert stack.state == "DELETE_FAILED"
    assert "no first" in stack.reason
    server.fails = set()
    stack.delete()
    assert stack.state == "DELETE_COMPLETE"
    assert server.given == [("DELETE", "first"), ("DELETE", "first")]
    assert heat.zaqar.queues == {}


def test_an_update_in_the_middle_of_an_update_comes_to_the_newer_ones_end(heat):
    server = Server(heat)
    stack = heat.create(template())
    server.silent = {"second"}
    stack.update(template("second"), wait=False)
    heat.turn(3)
    stack.update(template("third"), wait=False)
    heat.turn(5)
    assert stack.state == "UPDATE_IN_PROGRESS"
    server.silent = set()
    heat.settle()
    assert stack.state == "UPDATE_COMPLETE", stack.reason
    assert stack.outputs() == {"stdout": "did third"}
    assert server.given[0] == ("CREATE", "first")
    assert server.given[-1] == ("UPDATE", "third")
    (agent,) = heat.agents.values()
    assert agent.acks == agent.runs
    (deployment,) = agent.document["deployments"]
    assert agent.runs[-1] == deployment["id"]
    assert heat.refused == []


def test_a_cancelled_update_is_rolled_back(heat):
    server = Server(heat)
    stack = heat.create(template())
    server.silent = {"second"}
    stack.update(template("second"), wait=False)
    heat.turn(3)
    stack.cancel(wait=False)
    heat.turn(5)
    assert stack.state == "ROLLBACK_IN_PROGRESS"
    server.silent = set()
    heat.settle()
    assert stack.state == "ROLLBACK_COMPLETE"
    assert stack.outputs() == {"stdout": "did first"}
    assert [what for _, what in server.given] == ["first", "second", "first"]


def test_a_server_that_never_answers_times_out_and_the_next_update_mends_it(heat):
    server = Server(heat)
    server.silent = {"first"}
    stack = heat.create(template(), wait=False)
    heat.turn(2)
    (agent,) = heat.agents.values()
    agent.awake = False
    heat.clock.now += 280
    heat.settle()
    assert stack.state == "CREATE_FAILED"
    assert "Timed out" in stack.reason
    assert 300 <= heat.clock.now < 310
    agent.awake = True
    stack.update(template("second"))
    assert stack.state == "UPDATE_COMPLETE"
    assert stack.outputs() == {"stdout": "did second"}


def test_a_failed_create_is_rolled_back_to_nothing(heat):
    server = Server(heat)
    server.fails = {"first"}
    stack = heat.create(template(), rollback=True)
    assert stack.state == "ROLLBACK_COMPLETE"
    assert heat.zaqar.queues == heat.keystone.users == {}
    (agent,) = heat.agents.values()
    assert agent.goodbye


def test_a_failed_update_is_rolled_back_or_mended_by_the_next(heat):
    server = Server(heat)
    stack = heat.create(template())
    server.fails = {"bad"}
    stack.update(template("bad"), rollback=True)
    assert stack.state == "ROLLBACK_COMPLETE"
    assert stack.outputs() == {"stdout": "did first"}
    assert [what for _, what in server.given] == ["first", "bad", "first"]
    stack.update(template("bad"), rollback=False)
    assert stack.state == "UPDATE_FAILED"
    assert "no bad" in stack.reason
    stack.update(template("good"))
    assert stack.state == "UPDATE_COMPLETE", stack.reason
    assert stack.outputs() == {"stdout": "did good"}
    (agent,) = heat.agents.values()
    (deployment,) = agent.document["deployments"]
    assert deployment["id"] == agent.runs[-1] == agent.acks[-1]


def test_a_deployment_whose_server_changes_is_moved(heat):
    server = Server(heat)
    stack = heat.create(template(servers=("server", "other")))
    before, after = heat.agent(stack), heat.agent(stack, "other")
    stack.update(template(servers=("server", "other"), server="other"))
    assert stack.state == "UPDATE_COMPLETE"
    assert server.given == [("CREATE", "first"), ("CREATE", "first")]
    (deployment,) = after.document["deployments"]
    assert after.runs == after.acks == [deployment["id"]]
    heat.turn()
    assert before.document["deployments"] == []


def test_deployments_are_added_changed_and_removed(heat):
    server = Server(heat)
    made = hot.many_scripts(2)
    for name, each in made["resources"].items():
        if name.startswith("deployment"):
            each["properties"]["input_values"]["what"] = name
    stack = heat.create(made)
    agent = heat.agent(stack)
    assert {what for _, what in server.given} == {"deployment_0", "deployment_1"}
    first = {each["name"]: each["id"] for each in agent.document["deployments"]}
    # One is changed, one goes, one comes.
    resources = made["resources"]
    resources["new"] = hot.deployment("config", name="new", input_values={"what": "new"})
    resources["deployment_0"]["properties"]["input_values"]["what"] = "other"
    del resources["deployment_1"]
    del made["outputs"]["deployment_1"]
    stack.update(made)
    assert stack.state == "UPDATE_COMPLETE"
    heat.turn()
    second = {each["name"]: each["id"] for each in agent.document["deployments"]}
    assert second.keys() == {"deployment_0", "new"}
    assert second["deployment_0"] != first["deployment_0"]
    assert set(agent.runs) == {*first.values(), *second.values()}
    assert set(agent.acks) == set(agent.runs)
    # The config is another one.
    resources["config"]["properties"]["config"] = "#!/bin/sh\necho changed\n"
    stack.update(made)
    assert stack.state == "UPDATE_COMPLETE"
    third = agent.document["deployments"]
    assert {each["config"] for each in third} == {"#!/bin/sh\necho changed\n"}
    assert len(agent.runs) == 6
    assert agent.acks == agent.runs
    assert stack.outputs() == {"deployment_0": "did other"}


# Who waits for the server's answer when a deployment is deleted.


def elsewhere(server_id, **properties):
    """A deployment on a server of another stack."""
    made = template(**properties)
    del made["resources"]["server"]
    made["resources"]["deployment"]["properties"]["server"] = server_id
    return made


def test_on_another_stacks_server(heat):
    server = Server(heat)
    owner = heat.create(template("own"), "owner")
    agent = heat.agent(owner)
    guest = heat.create(elsewhere(owner.server_id(), what="guest", actions=ALL), "guest")
    assert guest.state == "CREATE_COMPLETE"
    assert guest.outputs() == {"stdout": "did guest"}
    assert len(agent.document["deployments"]) == 2
    assert agent.acks == agent.runs
    guest.update(elsewhere(owner.server_id(), what="again", actions=ALL))
    assert guest.outputs() == {"stdout": "did again"}
    assert owner.outputs() == {"stdout": "did own"}
    # It owns nothing: neither user nor queue.
    assert len(heat.keystone.users) == 1
    assert len(heat.zaqar.queues) == 2
    server.silent = {"again"}
    guest.delete(wait=False)
    heat.turn(5)
    assert guest.state == "DELETE_IN_PROGRESS"
    server.silent = set()
    heat.settle()
    assert guest.state == "DELETE_COMPLETE"
    assert server.given[-1] == ("DELETE", "again")
    heat.turn()
    (left,) = agent.document["deployments"]
    assert left["id"] == agent.runs[0]
    owner.delete()
    assert heat.zaqar.queues == {}


def test_nobody_waits_for_a_server_that_is_being_deleted(heat):
    server = Server(heat)
    owner = heat.create(template("own"), "owner")
    guest = heat.create(elsewhere(owner.server_id(), what="guest", actions=ALL), "guest")
    with heat.zaqar.failing("destroy"):
        owner.delete()
    assert owner.state == "DELETE_FAILED"
    server.silent = {"guest"}
    guest.delete()
    assert guest.state == "DELETE_COMPLETE"
    assert heat.clock.now < 60
    owner.delete()
    assert heat.zaqar.queues == {}


@pytest.mark.parametrize("there", [True, False])
def test_a_server_in_nova_is_waited_for_if_nova_has_it(heat, there):
    nova = Nova()
    nova.install(heat)
    heat.catalog.urls["compute"] = "http://nova"
    server = Server(heat)
    made = template(actions=ALL)
    made["resources"]["server"] = {
        "type": "OS::Nova::Server",
        "properties": {
            "image": "any",
            "flavor": "any",
            "user_data_format": "SOFTWARE_CONFIG",
            "software_config_transport": "ZAQAR_MESSAGE",
        },
    }
    stack = heat.create(made)
    assert stack.state == "CREATE_COMPLETE", stack.reason
    server.silent = {"first"}
    if not there:
        nova.servers.clear()
    stack.delete(wait=False)
    heat.turn(8)
    assert stack.state == ("DELETE_IN_PROGRESS" if there else "DELETE_COMPLETE")
    server.silent = set()
    heat.settle()
    assert stack.state == "DELETE_COMPLETE", stack.reason
    assert heat.zaqar.queues == {}


# Many at once.


def slow_database(heat, seconds):
    """Have Heat take its time between reading a server's row and changing it.

    Returns:
        When it began to, by server id.
    """
    service = service_software_config.SoftwareConfigService
    lists = service.metadata_software_deployments
    began = collections.defaultdict(list)

    def slowly(self, context, server_id):
        found = lists(self, context, server_id)
        if heat.clock.in_task:
            began[server_id].append(heat.clock.now)
            heat.clock.sleep(seconds)
        return found

    heat.patch(service, "metadata_software_deployments", slowly)
    return began


def three_each(transport="ZAQAR_MESSAGE", servers=("one", "two")):
    made = {name: hot.server(transport) for name in ("one", "two")}
    made["config"] = hot.config(SCRIPT, inputs=["what"])
    for name, n in itertools.product(servers, range(3)):
        each = hot.deployment("config", name, "NO_SIGNAL", input_values={"what": name})
        made[f"{name}_{n}"] = each
    return hot.template(made)


def pauses(seconds):
    return [later - earlier for earlier, later in itertools.pairwise(seconds)]


def test_deployments_of_one_server_take_turns_and_do_not_disturb_each_other(heat):
    began = slow_database(heat, 2)
    stack = heat.create(three_each())
    assert stack.state == "CREATE_COMPLETE"
    assert len(began) == 2
    for each in began.values():
        assert len(each) >= 3
        assert all(pause >= 2 for pause in pauses(each))
    assert heat.clock.now < 11  # the servers do not wait for each other
    began.clear()
    stack.update(three_each(servers=["two"]))
    assert stack.state == "UPDATE_COMPLETE"
    deleted = max(began.values(), key=len)
    assert len(deleted) >= 3
    assert all(pause >= 2 for pause in pauses(deleted))
    assert heat.agent(stack, "one").document["deployments"] == []


def test_where_there_is_no_channel_they_do_as_heat_does(heat):
    began = slow_database(heat, 2)
    stack = heat.create(three_each("POLL_SERVER_HEAT"))
    assert stack.state == "CREATE_COMPLETE"
    for each in began.values():
        assert pauses(each)[:2] == [0, 0]
