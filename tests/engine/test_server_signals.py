"""What a server says: hello, and what is not its own; and what an operator puts back."""

import pytest

from heat_zaqar_transport import seals
from heat_zaqar_transport.wire import Ack, Hello, Result, Snapshot
from support import hot

SCRIPT = "#!/bin/sh\necho $what\n"
REFUSED = "Signal: refused a message from the server: "


def one_script(what):
    return hot.one_script(SCRIPT, input_values={"what": what}, name=what)


@pytest.fixture
def stack(heat):
    return heat.create(hot.alone())


@pytest.fixture
def agent(heat, stack):
    return heat.agent(stack)


@pytest.fixture
def said(heat, stack):
    """Return what the events of the server have said since the last time."""
    seen = []

    def said():
        heat.settle()
        fresh = stack.events("server")[len(seen) :]
        seen.extend(fresh)
        return fresh

    said()
    return said


def snapshots(agent):
    return [each for each in agent.read() if isinstance(each, Snapshot)]


def empty(heat, name):
    heat.zaqar.queues[name].messages.delete([each.id for each in heat.zaqar.messages(name)])


# Hello.


def test_a_hello_puts_back_what_the_queue_lacks_whatever_its_reason(heat, agent, said):
    metadata, signals = agent.queue_names
    for reason in ("start", "empty", "older", "rejected", "half-life", "?" * 90):
        empty(heat, metadata)
        agent.hello(reason)
        assert said() == []
        assert snapshots(agent) == [agent.snapshot]
        # It has been read, and is gone.
        assert heat.zaqar.messages(signals) == []
    assert heat.refused == []


def test_a_hello_of_a_server_that_lacks_nothing_changes_nothing(heat, agent, said):
    agent.hello()
    assert said() == []
    before = heat.zaqar.messages(agent.queue_names[0])
    agent.say(Hello(agent.channel, "start"))
    agent.say(Hello(agent.channel, "start", 10**6, "hz-k-unknown"))
    assert said() == []
    assert [each.id for each in heat.zaqar.messages(agent.queue_names[0])] == [
        each.id for each in before
    ]
    assert heat.refused == []


def test_what_nobody_told_of_is_taken_with_the_next_message(heat, stack, agent, said):
    heat.zaqar.notifies = False
    empty(heat, agent.queue_names[0])
    for _ in range(5):
        agent.hello()
    heat.turn(10)
    assert snapshots(agent) == []
    heat.zaqar.notifies = True
    del heat.zaqar.calls[:]
    agent.result("no-such-config", {})
    assert said() == []
    assert snapshots(agent) == [agent.snapshot]
    assert heat.zaqar.messages(agent.queue_names[1]) == []
    # Five hellos cost one answer: the snapshot is posted once, beside one ack.
    posts = [name for call, name, _ in heat.zaqar.calls if call == "post"]
    assert posts.count(agent.queue_names[0]) == 2


def test_a_hello_while_zaqar_is_away_is_taken_when_it_asks_again(heat, agent, said):
    for call in ("fetch", "post"):
        empty(heat, agent.queue_names[0])
        with heat.zaqar.failing(call, "hz-m"):
            agent.hello()
            assert said() == []
        assert heat.refused == []
        assert snapshots(agent) == []
        agent.hello()
        assert said() == []
        assert snapshots(agent) == [agent.snapshot]


def test_a_signal_of_one_server_changes_nothing_of_another(heat):
    made = hot.alone(metadata=hot.wishes(tries=1))
    made["resources"]["other"] = made["resources"]["server"]
    stack = heat.create(made)
    agent, other = heat.agent(stack), heat.agent(stack, "other")
    other.hello()
    heat.settle()
    (before,) = snapshots(other)
    agent.hello()
    agent.say(Ack(agent.channel, "config"))
    stack.signal("server")
    assert len(stack.events("server")) > len(stack.events("other"))
    other.hello()
    heat.settle()
    assert snapshots(other) == [before]


def test_a_hello_of_a_suspended_server_is_nobodys_until_it_is_resumed(heat, stack, agent):
    stack.suspend()
    agent.hello()
    heat.settle()
    ((_, refusal),) = heat.refused
    assert "EC2 signature" in str(refusal)
    stack.resume()
    heat.turn(10)
    agent.hello()
    heat.settle()
    assert len(heat.refused) == 1
    assert heat.zaqar.messages(agent.queue_names[1]) == []


# What is not the server's own word.


def test_what_is_not_sealed_by_the_servers_key_is_an_event_and_nothing_else(heat):
    stack = heat.create(one_script("one"))
    agent = heat.agent(stack)
    empty(heat, agent.queue_names[0])
    right, state = agent.options, stack.resource("deployment")
    for keys in (None, seals.text_of([seals.new_key()])):
        for message in (
            Hello(agent.channel, "start"),
            Result(agent.channel, agent.runs[0], {"deploy_status_code": 1}),
        ):
            events = stack.events("server")
            agent.options = {**right, "seal_keys": keys}
            agent.say(message)
            agent.options = right
            heat.settle()
            (sentence,) = stack.events("server")[len(events) :]
            assert sentence.startswith(REFUSED)
            assert ("cannot be opened" in sentence) is (keys is not None)
            assert agent.read() == []
            assert heat.zaqar.messages(agent.queue_names[1]) == []
    assert stack.resource("deployment") == state


def test_what_names_another_channel_or_is_no_answer_is_refused(heat, agent, said):
    empty(heat, agent.queue_names[0])
    other = "hz-c-" + 32 * "0"
    for message, reason in (
        (Hello(other, "start"), "the message names another channel"),
        (Result(other, "config", {"deploy_status_code": 1}), "the message names another channel"),
        (Ack(agent.channel, "config"), "neither a result nor a hello"),
    ):
        agent.say(message)
        assert said() == [REFUSED + reason]
        assert agent.read() == []
        assert heat.zaqar.messages(agent.queue_names[1]) == []


def test_many_that_are_refused_for_the_same_reason_are_one_sentence(heat, agent, said):
    heat.zaqar.notifies = False
    for number in range(20):
        agent.say(Hello(f"hz-c-{number}", "start"))
    heat.turn(10)
    heat.zaqar.notifies = True
    agent.say(Hello("hz-c-x", "start"))
    assert said() == [REFUSED + "the message names another channel"]
    assert heat.zaqar.messages(agent.queue_names[1]) == []


def test_a_flood_is_taken_in_stretches(heat, agent, said):
    signals = heat.zaqar.queues[agent.queue_names[1]].messages
    for _ in range(1100):
        signals.post({}, 600)
    heat.turn(10)
    agent.hello()
    assert len(said()) == 1
    left = len(signals.fetch())
    assert 50 < left < 100
    heat.turn(10)
    agent.hello()
    said()
    assert signals.fetch() == []


# An operator's call, and a check of the stack.


def test_an_operators_signal_puts_back_all_that_zaqar_has_lost(heat, stack, agent, said):
    for details in (None, {}):
        heat.zaqar.queues.clear()
        stack.signal("server", details)
        assert said() == ["Signal: the queue holds what the server needs"]
        assert snapshots(agent) == [agent.snapshot]
        assert len(heat.zaqar.subscribers("hz-s")) == 1
    stack.update(one_script("two"))
    assert stack.outputs() == {"stdout": "did two\n"}


def test_a_check_puts_back_what_zaqar_has_lost(heat, stack, agent):
    metadata, signals = agent.queue_names

    def lose_snapshot():
        empty(heat, metadata)

    def lose_subscription():
        # It is the queue without a snapshot that shows it: Zaqar loses one with the other.
        empty(heat, metadata)
        heat.zaqar.queues[signals].subscribers.clear()

    for lose in (lose_snapshot, lose_subscription, heat.zaqar.queues.clear):
        lose()
        stack.check()
        assert stack.state == "CHECK_COMPLETE"
        heat.turn(1)
        assert snapshots(agent) == [agent.snapshot]
        assert len(heat.zaqar.queues[signals].subscribers) == 1
        agent.hello()
        heat.settle()
        assert heat.zaqar.messages(signals) == []


def test_a_check_puts_back_a_webhook_too(heat):
    wishes = hot.wishes(push="webhook", webhook_listen="0.0.0.0:1", webhook_url="http://web:1")
    stack = heat.create(hot.alone(metadata=wishes))
    before = heat.zaqar.subscribers("hz-m")
    heat.zaqar.queues.clear()
    stack.check()
    assert heat.zaqar.subscribers("hz-m") == before
    assert len(before) == len(heat.zaqar.subscribers("hz-s")) == 1


def test_a_check_of_a_server_of_another_transport_asks_nothing_of_zaqar(heat):
    stack = heat.create(hot.alone("POLL_SERVER_HEAT"))
    before = stack.metadata()
    stack.check()
    assert (stack.state, stack.metadata()) == ("CHECK_COMPLETE", before)
    assert heat.zaqar.calls == []
    # And a signal to it is no event: there is nothing to do.
    events = stack.events("server")
    stack.signal("server")
    assert stack.events("server") == events


def test_a_check_fails_with_a_reason_while_zaqar_is_away(heat, stack):
    with heat.zaqar.failing("", "hz-m"):
        stack.check()
    assert stack.state == "CHECK_FAILED"
    assert "connection refused" in stack.reason
    stack.check()
    assert stack.state == "CHECK_COMPLETE"
