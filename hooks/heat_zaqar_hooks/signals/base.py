# SPDX-License-Identifier: Apache-2.0
"""What every transport has in common: the interface, and what an HTTP status means."""

import logging
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from heat_zaqar_collector.settings import Settings
from heat_zaqar_hooks.inputs import Inputs
from heat_zaqar_transport.wire.errors import (
    AccessRefused,
    HeatZaqarError,
    RequestRefused,
    ServiceFailed,
    TransportError,
)

LOG = logging.getLogger(__name__)

# Seconds to wait for a connection, and for an answer, where the agent's settings do not say.
DEFAULT_TIMEOUT_S = 30.0

# Reads the agent's settings when a transport needs them; may raise NotConfigured.
Agent = Callable[[], Settings]

_ACCESS = frozenset({401, 403, 404})
_TOO_MANY = 429


class Signal(Protocol):
    """One way to bring a result to Heat."""

    @property
    def transport(self) -> str:
        """Heat's name of it, for the log."""

    @property
    def limit_bytes(self) -> int:
        """The most bytes of outputs, as JSON, that it carries."""

    def send(self, outputs: Mapping[str, Any]) -> None:
        """Deliver the outputs of one run; returning means that the other side has them.

        Raises:
            TransportError: They were not delivered; `Retriable` when trying again may help.
        """


def has_own_queue(inputs: Inputs) -> bool:
    """Tell whether a deployment names a signal queue of its own, for ZAQAR_MESSAGE."""
    return bool(inputs.get("deploy_queue_id") and inputs.get("deploy_signal_id"))


def verify_of(agent: Agent) -> bool | str:
    """Return how to verify TLS for a transport that needs nothing else of the agent.

    A server may have no agent of ours, or one whose settings cannot be read. Then it is True,
    the CAs of requests.
    """
    try:
        return agent().verify
    except HeatZaqarError as exc:
        LOG.info("TLS is verified with the CAs of python-requests: %s", exc)
        return True


def check_status(operation: str, status: int, phrase: str = "") -> None:
    """Take an HTTP status for success only when it says so.

    Args:
        operation: What was tried.
        status: What came back.
        phrase: Words of the answer that are safe to quote. The rest is not: it may echo
            a URL.

    Raises:
        TransportError: It is no 2xx.
    """
    if not 200 <= status < 300:
        problem = f"HTTP status {status}: {phrase}" if phrase else f"HTTP status {status}"
        raise error_class(status)(operation, problem)


def error_class(status: int) -> Callable[[str, str], TransportError]:
    """Return the error for an HTTP status that is no success."""
    if status in _ACCESS:
        return AccessRefused
    return ServiceFailed if status == _TOO_MANY or status >= 500 else RequestRefused
