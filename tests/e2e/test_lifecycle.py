"""A stack's life, through Heat's API: create, update, delete, and nothing left of it."""

from support import hot
from support.ends import Ends
from support.intruder import open_as_intruder
from support.leftovers import assert_left, assert_nothing_left, leftovers
from support.rig import wait_until


def counting(name, actions=None):
    """A deployment that notes each run of it on the server."""
    properties = {"actions": actions} if actions else {}
    return hot.deployment("config", input_values={"what": name}, name=name, **properties)


SCRIPT = '#!/bin/sh\necho "$what $deploy_action" >> "$HOME/runs"\necho "ran $what"\n'


def stack_of(**deployments):
    return hot.template(
        {"server": hot.server(), "config": hot.config(SCRIPT, inputs=["what"]), **deployments},
        {name: {"get_attr": [name, "deploy_stdout"]} for name in deployments},
    )


def test_a_whole_life(cloud, site):
    stack = site.stack(stack_of(first=counting("first")))
    guest = site.boot(stack)
    stack.wait("CREATE_COMPLETE")
    assert stack.outputs() == {"first": "ran first\n"}

    # A changed input, and a deployment added, whose last act is on DELETE.
    changed = hot.deployment("config", input_values={"what": "first again"}, name="first")
    second = counting("second", ["CREATE", "DELETE"])
    stack.update(stack_of(first=changed, second=second))
    stack.wait("UPDATE_COMPLETE")
    assert stack.outputs() == {"first": "ran first again\n", "second": "ran second\n"}

    # It is removed: its DELETE action runs on the server before it goes.
    stack.update(stack_of(first=changed))
    stack.wait("UPDATE_COMPLETE")

    third = counting("third", ["CREATE", "DELETE"])
    stack.update(stack_of(first=changed, third=third))
    stack.wait("UPDATE_COMPLETE")

    # Zaqar tells both Heat and the agent.
    one_server = {"projects": 1, "users": 1, "key_pairs": 1, "queues": 2, "subscriptions": 2}
    assert_left(cloud, stack, one_server)
    stack.delete()
    stack.wait("DELETE_COMPLETE")
    runs = guest.path("root/runs").read_text().splitlines()
    # These two do not wait for each other.
    runs[1:3] = sorted(runs[1:3])
    assert runs == [
        "first CREATE",
        "first again UPDATE",
        "second CREATE",
        "second DELETE",
        "third CREATE",
        "third DELETE",
    ]
    # The agent lives on and looks several times more, which must leave nothing behind.
    looks = guest.log.read_text().count("Sleeping")
    guest.wait_for(lambda: guest.log.read_text().count("Sleeping") > looks + 3, 30, "some looks")
    assert_nothing_left(cloud, stack)


def test_a_suspended_stack_resumes_and_can_be_deleted_asleep(cloud, site):
    stack = site.stack(stack_of(only=counting("only", ["CREATE", "SUSPEND", "RESUME"])))
    guest = site.boot(stack)
    stack.wait("CREATE_COMPLETE")
    site.heat.actions.suspend(stack.id)
    stack.wait("SUSPEND_COMPLETE")
    site.heat.actions.resume(stack.id)
    stack.wait("RESUME_COMPLETE")
    site.heat.actions.suspend(stack.id)
    stack.wait("SUSPEND_COMPLETE")
    assert guest.path("root/runs").read_text().split("\n")[:-1] == [
        "only CREATE", "only SUSPEND", "only RESUME", "only SUSPEND",
    ]  # fmt: skip
    leftovers(cloud, stack)
    stack.delete()
    stack.wait("DELETE_COMPLETE")
    assert_nothing_left(cloud, stack)


def test_a_check_of_the_stack_puts_back_what_zaqar_has_lost(cloud, site):
    stack = site.stack(hot.template({"server": hot.server()}))
    stack.wait("CREATE_COMPLETE")
    ends = Ends(stack.collect_config("server")["zaqar"])
    queue = open_as_intruder(cloud, ends.metadata_url)
    queue.delete(each.id for each in queue.fetch())
    assert ends.found() == []
    site.heat.actions.check(stack.id)
    wait_until(ends.found, 30, "the snapshot to be put back")
