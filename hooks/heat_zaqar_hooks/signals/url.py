# SPDX-License-Identifier: Apache-2.0
"""CFN_SIGNAL and TEMP_URL_SIGNAL: one request to a URL that is its own credential."""

from collections.abc import Mapping
from typing import Any, ClassVar, Self
from urllib.parse import urlsplit

from heat_zaqar_hooks.bounds import MAX_SIGNAL_BYTES
from heat_zaqar_hooks.errors import UnusableConfig
from heat_zaqar_hooks.inputs import Inputs
from heat_zaqar_hooks.signals.base import DEFAULT_TIMEOUT_S, Agent, verify_of
from heat_zaqar_hooks.signals.http import send_json
from heat_zaqar_transport.wire import Secret

_VERBS = ("POST", "PUT")


class UrlSignal:
    """Sends the outputs as JSON to one URL."""

    transport: ClassVar[str]
    limit_bytes: ClassVar[int] = MAX_SIGNAL_BYTES
    default_verb: ClassVar[str]

    def __init__(
        self,
        url: Secret,
        verb: str,
        timeout_s: float = DEFAULT_TIMEOUT_S,
        verify: bool | str = True,
    ) -> None:
        """Take where to send to.

        Args:
            url: With its signature.
            verb: POST or PUT.
            timeout_s: Seconds to wait for a connection, and again for the answer.
            verify: As for `send_json`.
        """
        self._url = url
        self._verb = verb
        self._timeout_s = timeout_s
        self._verify = verify

    @classmethod
    def from_inputs(cls, inputs: Inputs, agent: Agent, attempt: int = 1) -> Self:
        """Read `deploy_signal_id`, and `deploy_signal_verb` if it is there.

        Raises:
            UnusableConfig: The URL is missing or none, or the verb is neither POST nor PUT.
        """
        url = inputs.text("deploy_signal_id")
        verb = inputs.optional_text("deploy_signal_verb") or cls.default_verb
        if verb not in _VERBS:
            raise UnusableConfig(inputs.which, "input deploy_signal_verb is neither POST nor PUT")
        if _host(url) is None:
            raise UnusableConfig(inputs.which, "input deploy_signal_id is no http(s) URL")
        return cls(Secret(url), verb, verify=verify_of(agent))

    def send(self, outputs: Mapping[str, Any]) -> None:
        """Deliver the outputs."""
        url = self._url.reveal()
        operation = f"{self._verb} the result to {_host(url)}"
        send_json(
            operation,
            self._verb,
            url,
            outputs,
            timeout_s=self._timeout_s,
            verify=self._verify,
        )


class CfnSignal(UrlSignal):
    """Heat's CloudFormation API, by a pre-signed URL."""

    transport = "CFN_SIGNAL"
    default_verb = "POST"


class TempUrlSignal(UrlSignal):
    """An object in Swift, by a temporary URL; Heat looks for it."""

    transport = "TEMP_URL_SIGNAL"
    default_verb = "PUT"


def _host(url: str) -> str | None:
    """Return the host and port of a URL without any user and password; `None`: it is no URL."""
    try:
        parts = urlsplit(url)
        host = parts.hostname
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        return None
    return f"{host}{port}" if host and parts.scheme in ("http", "https") else None
