# SPDX-License-Identifier: Apache-2.0
"""What every transport has in common: the interface, and what an HTTP status means."""

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from heat_zaqar_collector.settings import Settings
from heat_zaqar_transport.wire.errors import (
    AccessRefused,
    RequestRefused,
    ServiceFailed,
    TransportError,
)

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

    def send(self, outputs: Mapping[str, Any]) -> None:
        """Deliver the outputs of one run; returning means that the other side has them.

        Raises:
            TransportError: They were not delivered; `Retriable` when trying again may help.
        """


def check_status(operation: str, status: int) -> None:
    """Take an HTTP status for success only when it says so.

    Raises:
        TransportError: It is no 2xx. The answer's text is not quoted: it may echo a URL.
    """
    if not 200 <= status < 300:
        raise error_class(status)(operation, f"HTTP status {status}")


def error_class(status: int) -> Callable[[str, str], TransportError]:
    """Return the error for an HTTP status that is no success."""
    if status in _ACCESS:
        return AccessRefused
    return ServiceFailed if status == _TOO_MANY or status >= 500 else RequestRefused
