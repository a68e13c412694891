"""The templates that we give away, as they stand."""

import pytest


@pytest.mark.parametrize(
    ("template", "servers"),
    [
        ("hello-world", ["server"]),
        ("lifecycle", ["server"]),
        ("structured", ["server"]),
        ("group", ["server_1", "server_2", "server_3"]),
    ],
)
def test_every_template_runs_as_it_stands(site, template, servers):
    stack = site.stack(template)
    for server in servers:
        site.boot(stack, server)
    stack.wait("CREATE_COMPLETE")
    outputs = {name: value for name, value in stack.outputs().items() if name != "stderr"}
    assert outputs
    assert not [name for name, value in outputs.items() if value in (None, "", {})]
    stack.delete()
    stack.wait("DELETE_COMPLETE")
