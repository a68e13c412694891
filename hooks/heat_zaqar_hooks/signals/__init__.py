# SPDX-License-Identifier: Apache-2.0
"""Ways to bring a result to Heat: one class per transport, chosen from the config's inputs.

The input `deploy_signal_transport` names the transport. Heat before Newton did not send
it; then the other inputs tell, as they do for heat-agents.
"""

import importlib
from typing import cast

from heat_zaqar_hooks.errors import UnusableConfig
from heat_zaqar_hooks.inputs import Inputs
from heat_zaqar_hooks.signals.base import Agent, Signal

INPUT_TRANSPORT = "deploy_signal_transport"

# Module and class by transport. Only the one that is needed is loaded: Keystone's client
# alone takes a quarter of a second, which each deployment would wait for.
_CLASSES = {
    "CFN_SIGNAL": ("url", "CfnSignal"),
    "TEMP_URL_SIGNAL": ("url", "TempUrlSignal"),
    "HEAT_SIGNAL": ("keystone", "HeatSignal"),
    "ZAQAR_SIGNAL": ("keystone", "ZaqarSignal"),
    "ZAQAR_MESSAGE": ("message", "MessageSignal"),
    "NO_SIGNAL": ("silent", "NoSignal"),
}


def choose(inputs: Inputs, agent: Agent) -> Signal:
    """Return the way to answer Heat that a config's inputs ask for.

    Args:
        inputs: Of the config.
        agent: Called for the agent's own settings by transports that need them.

    Raises:
        UnusableConfig: The transport is not known, or an input it needs is missing.
        NotConfigured: The agent lacks an option that the transport needs.
    """
    name = inputs.optional_text(INPUT_TRANSPORT) or _inferred(inputs)
    if name not in _CLASSES:
        raise UnusableConfig(inputs.which, f"signal transport {name!r:.40} is not known here")
    module, class_name = _CLASSES[name]
    built = getattr(importlib.import_module(f"{__name__}.{module}"), class_name)
    return cast(Signal, built.from_inputs(inputs, agent))


def _inferred(inputs: Inputs) -> str:
    if inputs.get("deploy_signal_id"):
        put = inputs.get("deploy_signal_verb") == "PUT"
        return "TEMP_URL_SIGNAL" if put else "CFN_SIGNAL"
    if inputs.get("deploy_queue_id"):
        return "ZAQAR_SIGNAL"
    return "HEAT_SIGNAL" if inputs.get("deploy_auth_url") else "NO_SIGNAL"
