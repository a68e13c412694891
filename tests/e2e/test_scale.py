"""Many of each at once."""

from support import hot

DEPLOYMENTS = 20
SERVERS = 5


def group_of(count):
    servers = {f"server_{n}": hot.server(name=f"server-{n}") for n in range(count)}
    group = {
        "type": "OS::Heat::SoftwareDeploymentGroup",
        "properties": {
            "config": {"get_resource": "config"},
            "servers": {name: {"get_resource": name} for name in servers},
            "signal_transport": "ZAQAR_MESSAGE",
        },
    }
    return hot.template(
        {**servers, "config": hot.config("#!/bin/sh\necho here\n"), "group": group},
        {"stdouts": {"get_attr": ["group", "deploy_stdouts"]}},
    )


def test_four_stacks_at_once_one_of_twenty_deployments_one_of_five_servers(site):
    twenty = site.stack(hot.many_scripts(DEPLOYMENTS))
    five = site.stack(group_of(SERVERS))
    others = [site.stack("hello-world") for _ in range(2)]

    for stack in (twenty, *others):
        site.boot(stack)
    for n in range(SERVERS):
        site.boot(five, f"server_{n}")

    for stack in (twenty, five, *others):
        stack.wait("CREATE_COMPLETE", 240)
    assert twenty.outputs() == {f"deployment_{n}": f"did {n}\n" for n in range(DEPLOYMENTS)}
    assert five.outputs()["stdouts"] == {f"server_{n}": "here\n" for n in range(SERVERS)}
    assert [stack.outputs()["result"] for stack in others] == ["hello, world"] * 2

    for stack in (twenty, five, *others):
        stack.delete()
    for stack in (twenty, five, *others):
        stack.wait("DELETE_COMPLETE", 240)


def test_the_group_template_runs_as_it_stands(site):
    stack = site.stack("group")
    servers = [
        each.resource_name
        for each in _once_listed(site, stack)
        if each.resource_type == "OS::Heat::DeployedServer"
    ]
    assert len(servers) > 1
    for name in servers:
        site.boot(stack, name)
    stack.wait("CREATE_COMPLETE")


def _once_listed(site, stack):
    stack.collect_config("server_1")
    return site.heat.resources.list(stack.id)
