# SPDX-License-Identifier: Apache-2.0
"""ZAQAR_MESSAGE: a result message on a signal queue, by a pre-signed URL.

The queue is the server's own, from the agent's settings; or the deployment's own, named
in its inputs, where the server has no channel.
"""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, TypeVar

from heat_zaqar_collector.settings import Settings
from heat_zaqar_hooks.errors import UnusableConfig
from heat_zaqar_hooks.inputs import Inputs
from heat_zaqar_hooks.signals.base import Agent
from heat_zaqar_hooks.signals.http import send_json
from heat_zaqar_transport.wire import Result, SignedUrl, serialize
from heat_zaqar_transport.wire.errors import NotConfigured, WireFormatError

_T = TypeVar("_T")


@dataclass(frozen=True)
class MessageSignal:
    """A result message for one run.

    Attributes:
        url: Lets its holder post to the signal queue.
        channel: Goes into the message.
        config_id: Likewise.
        settings: Say TTL, timeout and CA bundle.
    """

    transport: ClassVar[str] = "ZAQAR_MESSAGE"

    url: SignedUrl
    channel: str
    config_id: str
    settings: Settings

    @classmethod
    def from_inputs(cls, inputs: Inputs, agent: Agent) -> "MessageSignal":
        """Take the deployment's own queue from the inputs, or else the agent's.

        Raises:
            UnusableConfig: The inputs name a queue, but not all that it takes.
            NotConfigured: The agent has no signal queue, or its settings cannot be read.
        """
        settings = agent()
        if inputs.get("deploy_queue_id") and inputs.get("deploy_signal_id"):
            url, channel = _own_url(inputs), inputs.text("deploy_channel")
        else:
            url = _needed("signal_url", settings.signal_url)
            channel = _needed("channel", settings.channel)
        return cls(url, channel, inputs.which, settings)

    def send(self, outputs: Mapping[str, Any]) -> None:
        """Deliver the outputs."""
        message = serialize(Result(self.channel, self.config_id, outputs))
        send_json(
            f"post to queue {self.url.queue}",
            "POST",
            self.url.messages_url,
            {"messages": [{"ttl": self.settings.signal_ttl_s, "body": message}]},
            # Zaqar wants to know its clients apart; this one asks for nothing back.
            headers={**self.url.headers(), "Client-ID": str(uuid.uuid4())},
            timeout_s=self.settings.timeout_s,
            verify=self.settings.verify,
        )


def _own_url(inputs: Inputs) -> SignedUrl:
    try:
        return SignedUrl.parse(inputs.text("deploy_signal_id"))
    except WireFormatError as exc:
        raise UnusableConfig(inputs.which, f"input deploy_signal_id: {exc}") from exc


def _needed(option: str, value: _T | None) -> _T:
    if value is None:
        raise NotConfigured(f"[zaqar] {option}")
    return value
