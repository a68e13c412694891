# SPDX-License-Identifier: Apache-2.0
"""ZAQAR_MESSAGE: a result message on a signal queue, by its URL.

The queue is the server's own, from the agent's settings; or the deployment's own, named
in its inputs, where the server has no channel. What is too large for one post goes in
parts. Heat acks what comes over the server's own channel.
"""

import functools
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, TypeVar

from heat_zaqar_collector.settings import Settings
from heat_zaqar_hooks.bounds import MAX_RESULT_BYTES
from heat_zaqar_hooks.errors import UnusableConfig
from heat_zaqar_hooks.inputs import Inputs
from heat_zaqar_hooks.signals.base import Agent, has_own_queue
from heat_zaqar_hooks.signals.http import send_json
from heat_zaqar_transport import seals
from heat_zaqar_transport.posting import Post, post_message
from heat_zaqar_transport.wire import QueueUrl, Result, SignedUrl, parse_queue_url
from heat_zaqar_transport.wire.errors import NotConfigured, WireFormatError
from heat_zaqar_transport.wire.sealing import Seal

_T = TypeVar("_T")


@dataclass(frozen=True)
class MessageSignal:
    """A result message for one run.

    Attributes:
        url: Lets its holder post to the signal queue.
        channel: Goes into the message.
        config_id: Likewise.
        settings: Say TTL, timeout and CA bundle.
        seal: The queue's.
        attempt: Which run of the hook it is, from 1; goes into the message.
    """

    transport: ClassVar[str] = "ZAQAR_MESSAGE"
    limit_bytes: ClassVar[int] = MAX_RESULT_BYTES

    url: QueueUrl
    channel: str
    config_id: str
    settings: Settings
    seal: Seal
    attempt: int = 1

    @classmethod
    def from_inputs(cls, inputs: Inputs, agent: Agent, attempt: int = 1) -> "MessageSignal":
        """Take the deployment's own queue from the inputs, or else the agent's.

        Raises:
            UnusableConfig: The inputs name a queue, but not all that it takes.
            NotConfigured: The agent has no signal queue, or its settings cannot be read.
        """
        if not has_own_queue(inputs):
            return cls.on_agents_channel(inputs.which, attempt, agent())
        url, channel = _own_url(inputs), inputs.text("deploy_channel")
        return cls(url, channel, inputs.which, agent(), _own_seal(inputs), attempt)

    @classmethod
    def on_agents_channel(cls, config_id: str, attempt: int, settings: Settings) -> "MessageSignal":
        """Take the server's own queue. It needs no inputs, so a record will do to resend.

        Raises:
            NotConfigured: The agent has no signal queue.
        """
        url = _needed("signal_url", settings.signal_url)
        channel = _needed("channel", settings.channel)
        return cls(url, channel, config_id, settings, settings.seal, attempt)

    def send(self, outputs: Mapping[str, Any]) -> None:
        """Deliver the outputs."""
        result = Result(self.channel, self.config_id, outputs, self.attempt)
        post_message(self._posting(), result, self.settings.signal_ttl_s, self.seal)

    def _posting(self) -> Post:
        """Return what posts one body."""
        url = self.url
        if isinstance(url, SignedUrl):
            return functools.partial(self._post, url)
        # Loaded where it is needed: it takes longer than the request.
        from heat_zaqar_transport import queues

        timeout_s, verify = self.settings.timeout_s, self.settings.verify
        return queues.open_url(url, timeout_s=timeout_s, verify=verify).post

    def _post(self, url: SignedUrl, body: Mapping[str, Any], ttl_s: int) -> None:
        send_json(
            f"post to queue {url.queue}",
            "POST",
            url.messages_url,
            {"messages": [{"ttl": ttl_s, "body": body}]},
            # Zaqar wants to know its clients apart; this one asks for nothing back.
            headers={**url.headers(), "Client-ID": str(uuid.uuid4())},
            timeout_s=self.settings.timeout_s,
            verify=self.settings.verify,
        )


def _own_url(inputs: Inputs) -> QueueUrl:
    try:
        return parse_queue_url(inputs.text("deploy_signal_id"))
    except WireFormatError as exc:
        raise UnusableConfig(inputs.which, f"input deploy_signal_id: {exc}") from exc


def _own_seal(inputs: Inputs) -> Seal:
    keys = inputs.optional_text("deploy_seal_keys")
    try:
        return seals.seal_of_text(keys)
    except WireFormatError as exc:
        raise UnusableConfig(inputs.which, f"input deploy_seal_keys: {exc}") from exc


def _needed(option: str, value: _T | None) -> _T:
    if value is None:
        raise NotConfigured(f"[zaqar] {option}")
    return value
