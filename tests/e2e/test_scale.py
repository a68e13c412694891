"""Many of each at once."""

from support import hot

DEPLOYMENTS = 12
SERVERS = 3


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


def test_stacks_at_once_one_of_many_deployments_one_of_a_group_of_servers(site):
    many, group = site.stack(hot.many_scripts(DEPLOYMENTS)), site.stack(group_of(SERVERS))
    site.boot(many)
    for n in range(SERVERS):
        site.boot(group, f"server_{n}")
    for stack in (many, group):
        stack.wait("CREATE_COMPLETE", 240)
    assert many.outputs() == {f"deployment_{n}": f"did {n}\n" for n in range(DEPLOYMENTS)}
    assert group.outputs()["stdouts"] == {f"server_{n}": "here\n" for n in range(SERVERS)}
    for stack in (many, group):
        stack.delete()
    for stack in (many, group):
        stack.wait("DELETE_COMPLETE", 240)
