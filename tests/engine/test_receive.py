"""What a server says of its deployments: recorded once, acked, and taken out of the queue."""

import pytest
from heat.engine import service_software_config

from heat_zaqar_transport.wire import Ack, Limits, Result, pack, serialize
from heat_zaqar_transport.wire.errors import AccessRefused, Unreachable
from support import hot

SCRIPT = "#!/bin/sh\necho $what\n"


def template(what="first"):
    return hot.one_script(SCRIPT, input_values={"what": what}, name="one")


def waiting(heat, made=None):
    """Return a new stack whose server does not answer, its agent, and its configs' ids."""
    heat.answer = lambda deployment: None
    stack = heat.create(made or template(), wait=False)
    heat.turn(3)
    assert stack.state == "CREATE_IN_PROGRESS", stack.reason
    agent = heat.agent(stack)
    return stack, agent, [each["id"] for each in agent.document["deployments"]]


def done(stdout="done"):
    return {"deploy_stdout": stdout, "deploy_status_code": 0}


def signals(heat):
    """Return what lies in the signal queue."""
    (name,) = heat.zaqar.names("hz-s")
    return heat.zaqar.messages(name)


def acks(agent):
    """Return the acks that lie in the metadata queue."""
    return [each for each in agent.read() if isinstance(each, Ack)]


def tell(heat, body):
    """Call Heat as Zaqar's notifier does, whatever lies in the queue."""
    (name,) = heat.zaqar.names("hz-s")
    (url,) = heat.zaqar.queues[name].subscribers
    heat.call(url, {"body": body, "queue_name": name, "Message_Type": "Notification"})


def test_a_result_is_recorded_told_acked_and_taken_away(heat):
    stack, agent, (config,) = waiting(heat)
    agent.result(config, done("hi"), attempt=3)
    heat.settle()
    assert stack.state == "CREATE_COMPLETE"
    assert stack.outputs() == {"stdout": "hi"}
    (said,) = (each for each in stack.events("server") if "Signal" in each)
    assert "succeeded" in said
    assert acks(agent) == [Ack(agent.channel, config, 3)]
    assert signals(heat) == []
    assert heat.refused == []


@pytest.mark.parametrize(
    ("outputs", "stdout"),
    [
        ({"deploy_stdout": {"lines": [1, 2.5, None, True]}}, {"lines": [1, 2.5, None, True]}),
        ({"deploy_stdout": ["a", "b"], "deploy_status_code": "0"}, ["a", "b"]),
        ({"deploy_stdout": "nul\0half\ud83d", "deploy_status_code": False}, "nul\ufffdhalf\ufffd"),
        ({}, None),
    ],
)
def test_outputs_may_be_any_values_and_are_made_storable(heat, outputs, stdout):
    heat.answer = lambda deployment: outputs
    stack = heat.create(template())
    assert stack.state == "CREATE_COMPLETE"
    assert stack.outputs() == {"stdout": stdout}
    assert signals(heat) == []


# Failures.


def failed(heat, outputs, **output):
    made = template()
    made["resources"]["config"]["properties"]["outputs"] = [{"name": "complaint", **output}]
    heat.answer = lambda deployment: outputs
    stack = heat.create(made)
    assert stack.state == "CREATE_FAILED"
    assert signals(heat) == []
    agent = heat.agent(stack)
    assert [ack.config_id for ack in acks(agent)] == agent.runs
    return stack


def test_a_failure_tells_the_status_code_and_what_the_hook_wrote_last(heat):
    stderr = "".join(f"line {n}\n" for n in range(200)) + "the disk\x1b[2J is\tmade of cheese \r\n"
    stack = failed(heat, {"deploy_status_code": 7, "deploy_stderr": stderr})
    reason = stack.resource("deployment")["resource_status_reason"]
    head, _, tail = reason.partition("status code: 7\n")
    assert "Deployment exited with non-zero" in head
    assert tail.endswith("line 199\nthe disk [2J is\tmade of cheese")
    assert 400 < len(tail) <= 500
    (said,) = (each for each in stack.events("server") if "Signal" in each)
    assert "failed (7)" in said
    assert "made of cheese" in stack.reason


def test_an_output_that_means_an_error_tells_so_in_bounds(heat):
    complaint = "no\x07 bell,\n" + "x" * 5000
    outputs = {"complaint": complaint, "deploy_status_code": 0, "deploy_stderr": " \n"}
    stack = failed(heat, outputs, error_output=True)
    reason = stack.resource("deployment")["resource_status_reason"]
    assert "complaint : no  bell,\nxxx" in reason
    assert reason.endswith("xxx...")
    assert 2000 < len(reason) < 2100
    assert stack.load()["deployment"].FnGetAtt("complaint") == complaint


# Whatever is repeated, late, or of somebody else.


def test_what_is_late_repeated_or_unknown_changes_nothing_and_is_acked(heat):
    stack, agent, (config,) = waiting(heat)
    agent.result(config, done("of create"))
    heat.settle()
    stack.update(template("second"), wait=False)
    heat.turn(2)
    agent.result(config, done("late"))
    agent.result("a-config-that-nobody-has", done())
    heat.turn(2)
    assert stack.state == "UPDATE_IN_PROGRESS"
    assert stack.outputs() == {"stdout": "of create"}
    assert {ack.config_id for ack in acks(agent)} == {config, "a-config-that-nobody-has"}
    assert signals(heat) == []
    (second,) = (each["id"] for each in agent.document["deployments"])
    agent.result(second, done("of update"))
    heat.settle()
    told = stack.events("server")
    heat.turn(400)  # the acks so far are gone
    assert acks(agent) == []
    agent.result(second, {**done("again"), "deploy_status_code": 1}, attempt=2)
    heat.settle()
    assert stack.state == "UPDATE_COMPLETE"
    assert stack.outputs() == {"stdout": "of update"}
    assert acks(agent) == [Ack(agent.channel, second, 2)]
    assert stack.events("server") == told
    assert len([each for each in told if "Signal" in each]) == 2


def test_a_server_answers_for_no_other(heat):
    made = template()
    made["resources"]["other"] = hot.server()
    made["resources"]["of_other"] = hot.deployment("config", "other")
    stack, agent, _ = waiting(heat, made)
    (victim,) = heat.agent(stack, "other").document["deployments"]
    agent.result(victim["id"], done("forged"))
    heat.turn(2)
    assert stack.resource("of_other")["resource_status"] == "IN_PROGRESS"
    (said,) = (each for each in stack.events("server") if "Signal" in each)
    assert "refused a message from the server" in said
    assert "a deployment that is not this server's" in said
    assert acks(agent) == [Ack(agent.channel, victim["id"], 1)]
    assert all(heat.zaqar.messages(name) == [] for name in heat.zaqar.names("hz-s"))


# When it is acked, and taken out of the queue.


def dies(*_, **__):
    raise RuntimeError("the database is gone")


def test_nothing_is_acked_or_taken_away_that_is_not_recorded(heat):
    stack, agent, (config,) = waiting(heat)
    service = service_software_config.SoftwareConfigService
    records = service.signal_software_deployment
    heat.patch(service, "signal_software_deployment", dies)
    agent.result(config, done())
    heat.turn(2)
    ((_, error),) = heat.refused
    assert "the database is gone" in str(error)
    assert acks(agent) == []
    assert len(signals(heat)) == 1
    heat.patch(service, "signal_software_deployment", records)
    heat.settle()
    assert stack.state == "CREATE_COMPLETE"
    assert [ack.config_id for ack in acks(agent)] == [config]
    assert signals(heat) == []


def test_a_look_that_dies_loses_nothing(heat):
    _, agent, (config,) = waiting(heat)
    heat.patch(service_software_config.SoftwareConfigService, "signal_software_deployment", dies)
    heat.zaqar.notifies = False
    agent.result(config, done())
    heat.turn(12)
    assert acks(agent) == []
    assert len(signals(heat)) == 1


def test_a_server_that_could_not_be_acked_is_when_it_tells_again(heat):
    stack, agent, (config,) = waiting(heat)
    with heat.zaqar.failing("post", "hz-m"):
        agent.result(config, done())
        heat.settle()
    assert stack.state == "CREATE_COMPLETE"
    assert acks(agent) == signals(heat) == []
    agent.result(config, done())
    heat.settle()
    assert acks(agent) == [Ack(agent.channel, config, 1)]
    assert heat.refused == []


@pytest.mark.parametrize("call", ["fetch", "delete"])
def test_a_queue_that_cannot_be_cleared_costs_nothing_that_was_told(heat, call):
    stack, agent, (config,) = waiting(heat)
    with heat.zaqar.failing(call, "hz-s", Unreachable("list", "refused")):
        agent.result(config, done())
        heat.settle()
    assert stack.state == "CREATE_COMPLETE"
    assert acks(agent) == [Ack(agent.channel, config, 1)]
    assert len(signals(heat)) == 1
    # It is taken with the next one, and recorded no second time.
    stack.update(template("second"), wait=False)
    heat.turn(6)
    (second,) = (each["id"] for each in agent.document["deployments"])
    agent.result(second, done("of update"))
    heat.settle()
    assert stack.state == "UPDATE_COMPLETE"
    assert stack.outputs() == {"stdout": "of update"}
    assert signals(heat) == []
    assert len([each for each in stack.events("server") if "Signal" in each]) == 2
    assert heat.refused == []


def test_what_zaqar_tells_of_sooner_than_it_is_stored_is_taken(heat):
    stack, agent, (config,) = waiting(heat)
    tell(heat, agent.seal.seal(serialize(Result(agent.channel, config, done()))))
    heat.settle()
    assert stack.state == "CREATE_COMPLETE"
    assert acks(agent) == [Ack(agent.channel, config, 1)]


def test_what_others_are_told_of_is_left_to_them_and_what_nobody_told_of_is_not(heat):
    made = template()
    for name in ("second", "third"):
        made["resources"][name] = hot.deployment("config", name=name)
    stack, agent, configs = waiting(heat, made)
    heat.zaqar.notifies = False
    agent.result(configs[0], done())
    agent.post({"no": "message"})
    heat.turn(1)
    heat.zaqar.notifies = True
    agent.result(configs[1], done())
    heat.turn(1)
    # Those before are not old enough to be given up by the notifier.
    assert [ack.config_id for ack in acks(agent)] == [configs[1]]
    assert len(signals(heat)) == 2
    heat.turn(4)
    agent.result(configs[2], done())
    heat.turn(1)
    assert {ack.config_id for ack in acks(agent)} == set(configs)
    assert signals(heat) == []
    assert any("is not sealed" in each for each in stack.events("server"))
    heat.settle()
    assert stack.state == "CREATE_COMPLETE"


def test_a_hello_that_cannot_be_answered_holds_up_nothing(heat):
    made = template()
    made["resources"]["second"] = hot.deployment("config", name="second")
    stack, agent, configs = waiting(heat, made)
    heat.zaqar.notifies = False
    agent.hello()
    agent.result(configs[0], done())
    heat.turn(5)
    heat.zaqar.notifies = True
    with heat.zaqar.failing("fetch", "hz-m", AccessRefused("list", "404 Not Found")):
        agent.result(configs[1], done())
        heat.settle()
    assert stack.state == "CREATE_COMPLETE"
    assert {ack.config_id for ack in acks(agent)} == set(configs)
    assert signals(heat) == []


# Results in parts.

LARGE = {"deploy_stdout": "".join(map(str, range(20000))), "deploy_status_code": 0}
LIMITS = Limits(post_bytes=20000)


def parts_of(agent, config):
    parts = pack(Result(agent.channel, config, LARGE), LIMITS, seal=agent.seal)
    assert len(parts) > 2
    return parts


def test_parts_are_put_together_when_the_last_one_is_told_of(heat):
    made = template()
    made["resources"]["other"] = hot.server()
    stack, agent, (config,) = waiting(heat, made)
    signal_queue = agent.queue_names[1]
    *parts, last = parts_of(agent, config)
    # A part that somebody else has made of one of them does not count.
    forged = heat.agent(stack, "other").seal.seal(agent.seal.unseal(last))
    heat.zaqar.notifies = False
    agent.post(forged)
    heat.zaqar.notifies = True
    for part in parts:
        agent.post(part)
        heat.turn()
    assert stack.state == "CREATE_IN_PROGRESS"
    assert len(heat.zaqar.messages(signal_queue)) == len(parts) + 1
    assert acks(agent) == []
    agent.post(last)
    heat.settle()
    assert stack.state == "CREATE_COMPLETE"
    assert stack.outputs() == {"stdout": LARGE["deploy_stdout"]}
    assert acks(agent) == [Ack(agent.channel, config, 1)]
    assert [each.body for each in heat.zaqar.messages(signal_queue)] == [forged]
    assert len([each for each in stack.events("server") if "Signal" in each]) == 1


def test_parts_without_the_others_wait_and_go_in_the_end(heat):
    stack, agent, (config,) = waiting(heat)
    *parts, last = parts_of(agent, config)
    for part in parts[1:]:
        agent.post(part)
    heat.turn(12)  # with a look of the engine's own
    assert len(signals(heat)) == len(parts) - 1
    agent.post(parts[0])
    tell(heat, last)  # before it is stored
    heat.settle()
    assert stack.state == "CREATE_COMPLETE"
    assert signals(heat) == []
    for part in parts:
        agent.post(part)
    # Whatever comes next has the engine look after them.
    for seconds, left in ((590, len(parts)), (20, 0)):
        heat.clock.now += seconds
        agent.hello()
        heat.turn()
        assert len(signals(heat)) == left
    assert stack.state == "CREATE_COMPLETE"


def test_parts_that_nobody_told_of_are_found(heat):
    heat.zaqar.limits = LIMITS
    heat.zaqar.notifies = False
    heat.answer = lambda deployment: LARGE
    stack = heat.create(template())
    assert stack.state == "CREATE_COMPLETE"
    assert stack.outputs() == {"stdout": LARGE["deploy_stdout"]}
    agent = heat.agent(stack)
    assert agent.acks == agent.runs
    assert signals(heat) == []
    calls = [call for call, queue, _ in heat.zaqar.calls if queue.startswith("hz-s")]
    assert calls.count("post") > 2
