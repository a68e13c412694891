"""How long the engine waits for a server to hear that its channel is deleted."""

import pytest

from heat_zaqar_transport.wire import Goodbye
from support import hot


@pytest.fixture
def stack(heat):
    stack = heat.create(hot.template({"server": hot.server()}))
    heat.agent(stack)
    return stack


def pushed(heat, stack):
    """Have the server listen, as over the websocket server; return its agent."""
    agent = heat.agent(stack)
    agent.pushed = True
    heat.zaqar.queues[agent.queue_names[0]].subscribers["http://websocket/1"] = float("inf")
    return agent


def seconds_of_delete(heat, stack):
    began = heat.clock.now
    stack.delete()
    assert stack.state == "DELETE_COMPLETE"
    assert heat.zaqar.queues == {}
    return heat.clock.now - began


def test_a_server_that_is_pushed_is_waited_for_until_it_answers(heat, stack):
    agent = pushed(heat, stack)
    assert seconds_of_delete(heat, stack) < 3
    assert agent.goodbye
    # What the notifier tells of it is no news to anybody.
    assert "refused a message" not in "".join(stack.events("server"))


def test_one_that_does_not_answer_delays_the_delete_by_ten_seconds(heat, stack):
    pushed(heat, stack).awake = False
    assert 10 <= seconds_of_delete(heat, stack) < 13


def test_one_that_polls_gets_a_second(heat, stack):
    heat.agent(stack).awake = False
    assert 1 <= seconds_of_delete(heat, stack) < 4


def test_a_foreign_goodbye_is_no_answer(heat, stack):
    agent = pushed(heat, stack)
    agent.awake = False
    agent.say(Goodbye("hz-c-other"))
    assert 10 <= seconds_of_delete(heat, stack) < 13
