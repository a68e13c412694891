# SPDX-License-Identifier: Apache-2.0
"""The module that Heat's `plugin_dirs` finds: which types are replaced by ours.

Heat loads it as `heat.engine.plugins.zaqar_transport` and warns once for each type
that it replaces a built-in one; that is meant.
"""

from typing import Any

from heat_zaqar_transport.resources import deployment, server


def resource_mapping() -> dict[str, Any]:
    """Return resource type names and the classes that serve them."""
    return {
        "OS::Heat::DeployedServer": server.DeployedServer,
        "OS::Nova::Server": server.Server,
        "OS::Heat::SoftwareDeployment": deployment.SoftwareDeployment,
        "OS::Heat::SoftwareDeploymentGroup": deployment.SoftwareDeploymentGroup,
        "OS::Heat::SoftwareDeployments": deployment.SoftwareDeployments,
        "OS::Heat::StructuredDeployment": deployment.StructuredDeployment,
        "OS::Heat::StructuredDeploymentGroup": deployment.StructuredDeploymentGroup,
        "OS::Heat::StructuredDeployments": deployment.StructuredDeployments,
    }
