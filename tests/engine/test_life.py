"""A stack's life under Heat's own test case."""

from support import hot

SCRIPT = "#!/bin/sh\necho $what\n"


def test_a_whole_life(heat):
    stack = heat.create(hot.one_script(SCRIPT, input_values={"what": "first"}, name="one"))
    assert stack.state == "CREATE_COMPLETE"
    assert stack.outputs() == {"stdout": "did one\n"}
    agent = heat.agent(stack)
    stack.update(hot.one_script(SCRIPT, input_values={"what": "second"}, name="one"))
    assert stack.state == "UPDATE_COMPLETE"
    assert len(agent.runs) == 2
    assert agent.acks == agent.runs
    stack.delete()
    assert stack.state == "DELETE_COMPLETE"
    assert agent.goodbye
    assert heat.zaqar.queues == {}
    assert heat.keystone.users == heat.keystone.projects == {}
    assert heat.refused == []
