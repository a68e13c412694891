"""Groups of deployments: each member, in a nested stack, answers by itself."""

from support import hot

SCRIPT = "#!/bin/sh\necho $what\n"
KINDS = (
    "SoftwareDeploymentGroup",
    "StructuredDeploymentGroup",
    "SoftwareDeployments",
    "StructuredDeployments",
)


def groups(what, *kinds, servers=("one", "two"), transport="ZAQAR_MESSAGE"):
    """So many groups on the same servers, each of them named by its kind."""
    resources = {name: hot.server(transport) for name in servers}
    resources["config"] = hot.config(SCRIPT, inputs=["what"])
    resources["structured"] = {
        "type": "OS::Heat::StructuredConfig",
        "properties": {"group": "apply", "config": {"greeting": {"get_input": "what"}}},
    }
    for kind in kinds:
        config = "structured" if kind.startswith("Structured") else "config"
        resources[kind] = {
            "type": f"OS::Heat::{kind}",
            "properties": {
                "config": {"get_resource": config},
                "servers": {name: {"get_resource": name} for name in servers},
                "input_values": {"what": what},
                "signal_transport": "ZAQAR_MESSAGE",
            },
        }
    return hot.template(resources, {kind: {"get_attr": [kind, "deploy_stdouts"]} for kind in kinds})


def saying(deployment):
    server = deployment["inputs"]["deploy_resource_name"]
    return {"deploy_stdout": f"{server}: {deployment['inputs']['what']}", "deploy_status_code": 0}


def test_each_member_answers_through_its_servers_own_channel(heat):
    heat.answer = saying
    stack = heat.create(groups("hello", *KINDS))
    assert stack.state == "CREATE_COMPLETE", stack.reason
    answers = {"one": "one: hello", "two": "two: hello"}
    assert stack.outputs() == dict.fromkeys(KINDS, answers)
    agents = [heat.agent(stack, name) for name in ("one", "two")]
    for agent in agents:
        deployments = agent.document["deployments"]
        assert len(deployments) == len(KINDS)
        assert set(agent.runs) == set(agent.acks) == {each["id"] for each in deployments}
        configs = [each["config"] for each in deployments]
        assert configs.count({"greeting": "hello"}) == configs.count(SCRIPT) == 2
        names = {one["name"] for each in deployments for one in each["inputs"]}
        assert not names & {"deploy_channel", "deploy_signal_id", "deploy_seal_keys"}
    assert not set(agents[0].runs) & set(agents[1].runs)
    assert len(heat.zaqar.names("hz-s")) == len(heat.keystone.users) == 2


def test_members_come_change_and_go(heat):
    heat.answer = saying
    stack = heat.create(groups("hello", KINDS[0]))
    leaves = heat.agent(stack, "two")
    stack.update(groups("again", KINDS[0], servers=("one", "three")))
    assert stack.state == "UPDATE_COMPLETE", stack.reason
    assert stack.outputs() == {KINDS[0]: {"one": "one: again", "three": "three: again"}}
    assert leaves.goodbye
    stack.delete()
    assert stack.state == "DELETE_COMPLETE"
    assert heat.zaqar.queues == heat.keystone.users == {}


def test_members_whose_servers_poll_have_queues_of_their_own(heat):
    heat.answer = saying
    stack = heat.create(groups("hi", KINDS[0], transport="POLL_SERVER_HEAT"), wait=False)
    heat.turn(3)
    for name in ("one", "two"):
        heat.poll(stack.server_id(name))
    heat.settle()
    assert stack.state == "CREATE_COMPLETE", stack.reason
    assert stack.outputs() == {KINDS[0]: {"one": "one: hi", "two": "two: hi"}}
    assert len(heat.zaqar.names("hz-s")) == 2
    assert heat.refused == []
    stack.delete()
    assert stack.state == "DELETE_COMPLETE"
    assert heat.zaqar.queues == heat.keystone.users == {}


def test_one_failed_member_fails_the_stack_with_its_reason(heat):
    def answer(deployment):
        if deployment["inputs"]["deploy_resource_name"] == "two":
            return {"deploy_stderr": "no cheese", "deploy_status_code": 7}
        return saying(deployment)

    heat.answer = answer
    stack = heat.create(groups("hello", KINDS[0]))
    assert stack.state == "CREATE_FAILED"
    assert "non-zero status code: 7" in stack.reason
    assert "no cheese" in stack.reason
