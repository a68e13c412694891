# SPDX-License-Identifier: Apache-2.0
"""Sending one result: choose the transport, and try for half a minute.

What is not sent by then stays `finished` and is sent by the next run.
"""

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import tenacity

from heat_zaqar_hooks import signals
from heat_zaqar_hooks.bounds import MAX_RESULT_BYTES, MAX_SIGNAL_BYTES, bounded
from heat_zaqar_hooks.configs import Config
from heat_zaqar_hooks.deployed import Deployed
from heat_zaqar_hooks.signals.base import Agent, Signal
from heat_zaqar_hooks.signals.external import ExternalSignal
from heat_zaqar_transport.wire.errors import Retriable

LOG = logging.getLogger(__name__)

# Waits of about 0.5, 1, 2, 4, 8 and 8 s, each with up to 1 s of jitter.
ATTEMPTS = 7
FIRST_WAIT_S = 0.5
MAX_WAIT_S = 8.0
JITTER_S = 1.0
# No attempt begins later than this after the first.
GIVE_UP_AFTER_S = 30.0

Sleep = Callable[[float], None]


def deliver(signal: Signal, outputs: Mapping[str, Any], sleep: Sleep = time.sleep) -> None:
    """Send outputs, cut to what the transport carries, and again after errors that may pass.

    Raises:
        TransportError: The last attempt's error, or the first that will not pass.
    """
    retrying = tenacity.Retrying(
        retry=tenacity.retry_if_exception(lambda exc: isinstance(exc, Retriable)),
        wait=tenacity.wait_exponential(multiplier=FIRST_WAIT_S, max=MAX_WAIT_S)
        + tenacity.wait_random(0, JITTER_S),
        stop=tenacity.stop_after_attempt(ATTEMPTS) | tenacity.stop_before_delay(GIVE_UP_AFTER_S),
        before_sleep=_log_retry,
        sleep=sleep,
        reraise=True,
    )
    retrying(signal.send, bounded(outputs, signal.limit_bytes))


@dataclass(frozen=True)
class Sender:
    """Sends results for the runner.

    Attributes:
        agent: Called for the agent's settings by transports that need them.
        deployed: Where the config files for a notify program are.
        notify_program: Run instead of our own transports; `None`: none.
        sleep: Waits between attempts, seconds.
    """

    agent: Agent
    deployed: Deployed
    notify_program: str | None = None
    sleep: Sleep = time.sleep

    def __call__(self, config: Config, outputs: Mapping[str, Any], attempt: int) -> str:
        """Send the outputs of an attempt at a config.

        Returns:
            The transport's name, for the log.

        Raises:
            UnusableConfig: The inputs do not say how, or not all that it takes.
            NotConfigured: The agent lacks an option for it.
            TransportError: It was not delivered.
        """
        signal = self._signal(config, attempt)
        deliver(signal, outputs, self.sleep)
        return signal.transport

    def ack_channel(self, config: Config) -> str | None:
        """Return the channel on which Heat acks this config's result; `None`: on none."""
        return signals.ack_channel(config.inputs, self.agent)

    def _signal(self, config: Config, attempt: int) -> Signal:
        if self.notify_program is None:
            return signals.choose(config.inputs, self.agent, attempt)
        # A program that knows the channel is ours, or as able; it finds the attempt in the
        # record.
        limit = MAX_RESULT_BYTES if self.ack_channel(config) else MAX_SIGNAL_BYTES
        return ExternalSignal(self.notify_program, self.deployed.path(config.id), limit)


def _log_retry(state: tenacity.RetryCallState) -> None:
    LOG.warning("%s; trying again", state.outcome and state.outcome.exception())
