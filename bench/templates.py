# SPDX-License-Identifier: Apache-2.0
"""The templates of the stacks that are measured: one server, and at most one deployment. Pure."""

from collections.abc import Mapping
from typing import Any

SERVER = "server"
DEPLOYMENT = "deployment"

# The time is taken before anything else is started, then the change's number beside it.
MARKING_SCRIPT = """\
#!/bin/sh
now=$(date +%s.%N)
echo "$change $now" >> "$marks"
"""

Template = dict[str, Any]


def deployed_server(transport: str, metadata: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Describe a server that Nova does not know.

    Args:
        transport: Its software_config_transport.
        metadata: Its metadata in the template; `None`: it has none there.
    """
    described: dict[str, Any] = {
        "type": "OS::Heat::DeployedServer",
        "properties": {"software_config_transport": transport},
    }
    return described if not metadata else {**described, "metadata": dict(metadata)}


def only_server(transport: str, metadata: Mapping[str, Any] | None = None) -> Template:
    """Describe a stack of one server."""
    return _template({SERVER: deployed_server(transport, metadata)})


def marking(
    transport: str, signal_transport: str, metadata: Mapping[str, Any] | None = None
) -> Template:
    """Describe a server whose deployment's script notes the time at once.

    Parameters: `change`, its number; `marks`, the file to note it in.

    Args:
        transport: The server's software_config_transport.
        signal_transport: The deployment's.
        metadata: The server's metadata in the template; `None`: none.
    """
    inputs = ("change", "marks")
    resources = {
        SERVER: deployed_server(transport, metadata),
        "config": {
            "type": "OS::Heat::SoftwareConfig",
            "properties": {
                "group": "script",
                "config": MARKING_SCRIPT,
                "inputs": [{"name": name} for name in inputs],
            },
        },
        DEPLOYMENT: {
            "type": "OS::Heat::SoftwareDeployment",
            "properties": {
                "config": {"get_resource": "config"},
                "server": {"get_resource": SERVER},
                "signal_transport": signal_transport,
                "input_values": {name: {"get_param": name} for name in inputs},
            },
        },
    }
    return _template(resources, inputs)


def _template(resources: dict[str, Any], parameters: tuple[str, ...] = ()) -> Template:
    return {
        "heat_template_version": "2021-04-16",
        "parameters": {name: {"type": "string"} for name in parameters},
        "resources": resources,
    }
