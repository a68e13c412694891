"""A template's options for the agent."""

from support import hot


def stack_of(**options):
    resource = hot.server()
    resource["metadata"] = {"os-collect-config": {"zaqar": options}}
    return hot.template({"server": resource})


def test_a_change_of_the_agents_options_reaches_a_running_server(site):
    stack = site.stack(stack_of(poll_longest=20))
    guest = site.boot(stack)
    stack.wait("CREATE_COMPLETE")
    conf = guest.path("etc/os-collect-config.conf")
    guest.wait_for(lambda: "poll_longest = 20" in conf.read_text(), 30, "the first value")
    channel = stack.collect_config("server")["zaqar"]["channel"]
    stack.update(stack_of(poll_longest=10))
    stack.wait("UPDATE_COMPLETE")
    guest.wait_for(lambda: "poll_longest = 10" in conf.read_text(), 30, "the second value")
    stack.update(stack_of())
    stack.wait("UPDATE_COMPLETE")
    guest.wait_for(lambda: "poll_longest" not in conf.read_text(), 30, "the default")
    assert channel in conf.read_text()
