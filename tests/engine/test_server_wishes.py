"""What a template asks of a server's agent: what is refused, what reaches it, and the webhook."""

import pytest
from heat.common.exception import StackValidationFailed

from heat_zaqar_transport.resources import options
from support import hot

WEBHOOK = {"push": "webhook", "webhook_listen": "0.0.0.0:8779", "webhook_url": "http://web:8779"}


@pytest.mark.parametrize(
    ("metadata", "told"),
    [
        (hot.wishes(push="pigeon"), "push is 'pigeon', and must be one of auto, websocket,"),
        (hot.wishes(push="webhook"), "webhook_listen must be ADDRESS:PORT when push is webhook"),
        (hot.wishes(push="webhook", webhook_listen="80"), "webhook_listen must be ADDRESS:PORT"),
        (hot.wishes(**WEBHOOK | {"webhook_url": "web:8779"}), "webhook_url must be http(s)://"),
        (hot.wishes(ca_certificates="?"), "ca_certificates cannot be used: it is not in base64"),
        ({"os-collect-config": {"zaqar": "text"}}, "os-collect-config.zaqar is not an object"),
        ({"os-collect-config": ["text"]}, "os-collect-config is not an object"),
    ],
)
def test_a_wish_that_cannot_be_met_is_refused_before_anything_is_made(heat, metadata, told):
    with pytest.raises(StackValidationFailed) as caught:
        heat.create(hot.alone(metadata=metadata))
    assert "server: metadata os-collect-config.zaqar: " in str(caught.value)
    assert told in str(caught.value)
    assert heat.zaqar.calls == []
    assert heat.keystone.users == heat.keystone.projects == {}


@pytest.mark.parametrize(
    ("properties", "told"),
    [
        ({"transport": "PIGEON"}, ["PIGEON", "POLL_SERVER_CFN", "ZAQAR_MESSAGE", "AUTO"]),
        ({"colour": "blue"}, ["Unknown Property colour"]),
        ({"deployment_swift_data": {"container": ""}}, ["container"]),
    ],
)
def test_a_wrong_property_is_refused_with_the_right_ones(heat, properties, told):
    with pytest.raises(StackValidationFailed) as caught:
        heat.create(hot.alone(**properties))
    for words in told:
        assert words in str(caught.value)
    assert heat.zaqar.calls == []
    assert heat.keystone.users == {}


def test_a_wish_that_is_refused_in_an_update_leaves_the_stack_as_it_is(heat):
    stack = heat.create(hot.alone(metadata=hot.wishes(push="poll")))
    agent = heat.agent(stack)
    before = agent.snapshot
    with pytest.raises(StackValidationFailed, match="must be one of"):
        stack.update(hot.alone(metadata=hot.wishes(push="pigeon")))
    heat.settle()
    assert stack.state == "CREATE_COMPLETE"
    assert agent.snapshot == before


# The template's metadata.


def test_metadata_of_the_template_reach_the_server_and_keep_the_channel(heat):
    def template(**metadata):
        made = hot.one_script("#!/bin/sh\ntrue\n", name="one")
        made["resources"]["server"]["metadata"] = metadata
        return made

    stack = heat.create(template(word="first"))
    agent = heat.agent(stack)
    assert agent.document["word"] == "first"
    channel, ran = stack.collect_config(), agent.document["deployments"]
    assert len(ran) == 1
    posts = heat.zaqar.calls.count(("post", agent.queue_names[0], "signature"))
    stack.update(template(word="second"))
    assert stack.state == "UPDATE_COMPLETE"
    assert agent.document["word"] == "second"
    assert agent.document["deployments"] == ran
    assert agent.document["os-collect-config"] == channel == stack.collect_config()
    assert heat.zaqar.calls.count(("post", agent.queue_names[0], "signature")) == posts + 1
    stack.update(template(**{"word": "third", "os-collect-config": {"other": {"a": 1}}}))
    assert agent.document["os-collect-config"] == {**channel, "other": {"a": 1}}
    assert agent.runs == [ran[0]["id"]]


def test_options_of_the_agent_change_and_end_with_the_template(heat):
    stack = heat.create(hot.alone(metadata=hot.wishes(push="poll", poll_longest=60, tries=3)))
    agent = heat.agent(stack)
    first = dict(agent.options)
    assert (first["push"], first["poll_longest"], first["tries"]) == ("poll", 60, 3)
    assert not {"websocket_url", "user_id", "password"} & set(first)

    # From now on it may be pushed, and gets what that takes; the channel stays as it is.
    stack.update(hot.alone(metadata=hot.wishes(push="auto", poll_longest=90)))
    assert stack.state == "UPDATE_COMPLETE"
    second = stack.collect_config()["zaqar"]
    changed = {name: second[name] for name in second if second[name] != first.get(name, "-")}
    wished = [changed.pop(name) for name in ("push", "poll_longest", "tries")]
    assert wished == ["auto", 90, None]
    pushed = {"websocket_url", "user_id", "auth_url", "project_id", "queue_id", "region_name"}
    assert set(changed) == {"password", *pushed}
    assert agent.document["os-collect-config"]["zaqar"] == second == agent.options

    # What is not in the template any more is null, which overrides the boot configuration, too.
    stack.update(hot.alone(metadata=hot.wishes(push="poll")))
    third = stack.collect_config()["zaqar"]
    assert {third[name] for name in {"tries", "poll_longest", *pushed}} == {None}
    assert {name for name in third if third[name] == first.get(name)} >= {
        "push", "channel", "metadata_url", "signal_url", "seal_keys", "credentials", "renew_at",
    }  # fmt: skip
    stack.update(hot.alone())
    fourth = stack.collect_config()["zaqar"]
    assert fourth == second | {"push": None, "poll_longest": None}
    assert agent.document["os-collect-config"]["zaqar"] == fourth


def test_metadata_that_follow_a_signal_reach_the_server_without_an_update(heat):
    """Heat refreshes the metadata of all resources when one of them is signalled."""
    made = hot.alone(metadata={"word": {"get_attr": ["wait", "data"]}, **hot.wishes(tries=1)})
    handle = {"handle": {"get_resource": "handle"}, "timeout": 60}
    made["resources"]["handle"] = {"type": "OS::Heat::WaitConditionHandle"}
    made["resources"]["wait"] = {"type": "OS::Heat::WaitCondition", "properties": handle}
    stack = heat.create(made, wait=False)
    heat.turn(5)
    stack.signal("handle", {"id": "1", "data": "one"})
    assert stack.state == "CREATE_COMPLETE"
    agent = heat.agent(stack)
    channel = dict(agent.options)
    assert agent.document["word"] == '{"1": "one"}'
    stack.signal("handle", {"id": "2", "data": "two"})
    assert agent.document["word"] == '{"1": "one", "2": "two"}'
    assert agent.options == channel == stack.collect_config()["zaqar"]
    # One that changes nothing is not told.
    generation, calls = agent.snapshot.generation, heat.zaqar.calls
    del calls[:]
    stack.signal("handle", {"id": "2", "data": "two"})
    assert ("post", agent.queue_names[0], "signature") not in calls
    assert agent.snapshot.generation == generation


def test_a_server_of_another_transport_is_told_nothing_of_ours(heat):
    metadata = {"word": 1, **hot.wishes(tries=1)}
    stack = heat.create(hot.alone("POLL_SERVER_CFN", metadata=metadata))
    stack.update(hot.alone("POLL_SERVER_CFN", metadata={**metadata, "word": 2})).check()
    assert stack.state == "CHECK_COMPLETE"
    assert stack.metadata()["word"] == 2
    assert stack.collect_config()["zaqar"] == {"tries": 1}
    assert heat.zaqar.calls == []


# The webhook.


def called_urls(heat):
    return heat.zaqar.subscribers("hz-m")


def test_a_webhook_is_called_moves_and_ends_as_the_template_says(heat):
    stack = heat.create(hot.alone(metadata=hot.wishes(**WEBHOOK)))
    agent = heat.agent(stack)
    path = agent.options["webhook_path"]
    assert path.startswith("/hz-w-")
    assert agent.options["webhook_listen"] == "0.0.0.0:8779"
    # The address is Zaqar's to know; and who is called needs no password.
    assert "password" not in agent.options
    assert agent.options["webhook_url"] is agent.options.get("websocket_url") is None
    assert called_urls(heat) == [f"http://web:8779{path}"]
    heat.called.clear()
    del heat.zaqar.calls[:]
    stack.update(hot.alone(metadata={"word": 1, **hot.wishes(**WEBHOOK)}))
    assert not {"subscribe", "unsubscribe"} & {call for call, *_ in heat.zaqar.calls}
    ((url, told),) = heat.called
    assert (url, called_urls(heat)) == (f"http://web:8779{path}", [url])
    assert set(told["body"]) == {"heat-zaqar", "sealed"}

    moved = WEBHOOK | {"webhook_url": "https://other:1/"}
    stack.update(hot.alone(metadata=hot.wishes(**moved)))
    assert stack.state == "UPDATE_COMPLETE"
    assert called_urls(heat) == [f"https://other:1{path}"]
    assert agent.options["webhook_path"] == path

    stack.update(hot.alone(metadata=hot.wishes(**moved | {"push": "poll"})))
    assert called_urls(heat) == []
    assert agent.options["webhook_path"] is None
    stack.update(hot.alone(metadata=hot.wishes(**WEBHOOK)))
    assert called_urls(heat) == [f"http://web:8779{path}"]
    assert agent.options["webhook_path"] == path


def test_who_asks_for_a_webhook_later_is_called_from_then_on(heat):
    stack = heat.create(hot.alone(metadata=hot.wishes(push="poll")))
    assert called_urls(heat) == []
    stack.update(hot.alone(metadata=hot.wishes(**WEBHOOK)))
    assert stack.state == "UPDATE_COMPLETE"
    path = heat.agent(stack).options["webhook_path"]
    assert called_urls(heat) == [f"http://web:8779{path}"]
    stored = heat.zaqar.queues[heat.agent(stack).queue_names[0]]
    (ends_at,) = stored.subscribers.values()
    assert ends_at - heat.clock.time() == pytest.approx(options.ENGINE_LIFETIME_S, abs=60)


def test_each_server_is_called_by_a_path_of_its_own(heat):
    made = hot.alone(metadata=hot.wishes(**WEBHOOK))
    made["resources"]["other"] = made["resources"]["server"]
    stack = heat.create(made)
    paths = {stack.collect_config(name)["zaqar"]["webhook_path"] for name in ("server", "other")}
    assert len(paths) == 2
    assert sorted(called_urls(heat)) == sorted(f"http://web:8779{path}" for path in paths)


def test_a_server_whose_address_nobody_knows_says_what_to_do_and_an_update_mends_it(heat):
    nowhere = {name: value for name, value in WEBHOOK.items() if name != "webhook_url"}
    stack = heat.create(hot.alone(metadata=hot.wishes(**nowhere)))
    assert stack.state == "CREATE_FAILED"
    assert "push is webhook, and no address of the server is known: say webhook_url" in stack.reason
    stack.update(hot.alone(metadata=hot.wishes(**WEBHOOK)))
    assert stack.state == "UPDATE_COMPLETE"
    path = stack.collect_config()["zaqar"]["webhook_path"]
    assert called_urls(heat) == [f"http://web:8779{path}"]
    stack.delete()
    assert stack.state == "DELETE_COMPLETE"
    assert heat.zaqar.queues == {}
