# SPDX-License-Identifier: Apache-2.0
"""Ways to bring a result to Heat: one class per transport, chosen from the config's inputs.

The input `deploy_signal_transport` names the transport. Heat before Newton did not send
it; then the other inputs tell, as they do for heat-agents.
"""

from collections.abc import Callable

from heat_zaqar_hooks.errors import UnusableConfig
from heat_zaqar_hooks.inputs import Inputs
from heat_zaqar_hooks.signals.base import Agent, Signal
from heat_zaqar_hooks.signals.keystone import HeatSignal, ZaqarSignal
from heat_zaqar_hooks.signals.message import MessageSignal
from heat_zaqar_hooks.signals.silent import NoSignal
from heat_zaqar_hooks.signals.url import CfnSignal, TempUrlSignal

INPUT_TRANSPORT = "deploy_signal_transport"

_BUILDERS: dict[str, Callable[[Inputs, Agent], Signal]] = {
    CfnSignal.transport: CfnSignal.from_inputs,
    TempUrlSignal.transport: TempUrlSignal.from_inputs,
    HeatSignal.transport: HeatSignal.from_inputs,
    ZaqarSignal.transport: ZaqarSignal.from_inputs,
    MessageSignal.transport: MessageSignal.from_inputs,
    NoSignal.transport: NoSignal.from_inputs,
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
    if name not in _BUILDERS:
        raise UnusableConfig(inputs.which, f"signal transport {name!r:.40} is not known here")
    return _BUILDERS[name](inputs, agent)


def _inferred(inputs: Inputs) -> str:
    if inputs.get("deploy_signal_id"):
        put = inputs.get("deploy_signal_verb") == "PUT"
        return TempUrlSignal.transport if put else CfnSignal.transport
    if inputs.get("deploy_queue_id"):
        return ZaqarSignal.transport
    return HeatSignal.transport if inputs.get("deploy_auth_url") else NoSignal.transport
