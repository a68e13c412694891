# SPDX-License-Identifier: Apache-2.0
"""Ways to bring a result to Heat: one class per transport, chosen from the config's inputs.

The input `deploy_signal_transport` names the transport. Heat before Newton did not send
it; then the other inputs tell, as they do for heat-agents.
"""

import contextlib
import importlib
from typing import cast

from heat_zaqar_hooks.errors import UnusableConfig
from heat_zaqar_hooks.inputs import Inputs
from heat_zaqar_hooks.signals.base import Agent, Signal, has_own_queue
from heat_zaqar_transport.wire.errors import NotConfigured

INPUT_TRANSPORT = "deploy_signal_transport"
MESSAGE = "ZAQAR_MESSAGE"

# Module and class by transport. Only the one that is needed is loaded: Keystone's client
# alone takes a quarter of a second, which each deployment would wait for.
_CLASSES = {
    "CFN_SIGNAL": ("url", "CfnSignal"),
    "TEMP_URL_SIGNAL": ("url", "TempUrlSignal"),
    "HEAT_SIGNAL": ("keystone", "HeatSignal"),
    "ZAQAR_SIGNAL": ("keystone", "ZaqarSignal"),
    MESSAGE: ("message", "MessageSignal"),
    "NO_SIGNAL": ("silent", "NoSignal"),
}


def choose(inputs: Inputs, agent: Agent, attempt: int = 1) -> Signal:
    """Return the way to answer Heat that a config's inputs ask for.

    Args:
        inputs: Of the config.
        agent: Called for the agent's own settings by transports that need them.
        attempt: Which run of the hook the result is of, for transports that tell.

    Raises:
        UnusableConfig: The transport is not known, or an input it needs is missing.
        NotConfigured: The agent lacks an option that the transport needs.
    """
    name = transport_of(inputs)
    if name not in _CLASSES:
        raise UnusableConfig(inputs.which, f"signal transport {name!r:.40} is not known here")
    module, class_name = _CLASSES[name]
    built = getattr(importlib.import_module(f"{__name__}.{module}"), class_name)
    return cast(Signal, built.from_inputs(inputs, agent, attempt))


def transport_of(inputs: Inputs) -> str:
    """Return the transport's name, be it known here or not.

    Raises:
        UnusableConfig: The input that should name it is no text.
    """
    return inputs.optional_text(INPUT_TRANSPORT) or _inferred(inputs)


def ack_channel(inputs: Inputs, agent: Agent) -> str | None:
    """Return the channel on which Heat acks the result of a config.

    `None`: nothing is acked, by the config's transport or because it is unusable.
    """
    with contextlib.suppress(UnusableConfig, NotConfigured):
        if transport_of(inputs) == MESSAGE and not has_own_queue(inputs):
            return agent().channel
    return None


def _inferred(inputs: Inputs) -> str:
    if inputs.get("deploy_signal_id"):
        put = inputs.get("deploy_signal_verb") == "PUT"
        return "TEMP_URL_SIGNAL" if put else "CFN_SIGNAL"
    if inputs.get("deploy_queue_id"):
        return "ZAQAR_SIGNAL"
    return "HEAT_SIGNAL" if inputs.get("deploy_auth_url") else "NO_SIGNAL"
