# SPDX-License-Identifier: Apache-2.0
"""What a template's author asks of a server's agent, in the metadata of the server resource.

::

    metadata:
      os-collect-config:
        zaqar:
          push: webhook
          webhook_listen: 0.0.0.0:8779

The options are the agent's own. A few of them tell Heat, too, what to do.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from heat_zaqar_transport import certificates
from heat_zaqar_transport.wire.errors import WireFormatError

SECTION = "os-collect-config"
COLLECTOR = "zaqar"

PUSH = "push"
AUTO, WEBSOCKET, WEBHOOK, POLL = "auto", "websocket", "webhook", "poll"
WAYS = (AUTO, WEBSOCKET, WEBHOOK, POLL)

CA_CERTIFICATES = "ca_certificates"

WEBHOOK_LISTEN = "webhook_listen"
WEBHOOK_URL = "webhook_url"


class Unfit(ValueError):
    """A wish that cannot be met; the text says which and why."""


@dataclass(frozen=True)
class Wishes:
    """The agent's options in a template.

    Attributes:
        options: As they are written there.
    """

    options: Mapping[str, Any]

    @classmethod
    def of(cls, metadata: object) -> "Wishes":
        """Read a template's metadata.

        Raises:
            Unfit: It is no object where it must be one, or one of the options that Heat
                heeds is none.
        """
        section = _object("metadata", metadata).get(SECTION)
        options = _object(SECTION, section).get(COLLECTOR)
        wishes = cls(_object(f"{SECTION}.{COLLECTOR}", options))
        wishes._check()
        return wishes

    @property
    def push(self) -> str:
        """How the server shall hear of changes."""
        value = self.options.get(PUSH)
        return AUTO if value is None or value == "" else str(value)

    @property
    def websocket(self) -> bool:
        """Whether the server may want Zaqar's websocket server."""
        return self.push in (AUTO, WEBSOCKET)

    @property
    def webhook(self) -> bool:
        """Whether Zaqar shall call the server."""
        return self.push == WEBHOOK

    @property
    def webhook_base(self) -> str | None:
        """The URL that Zaqar shall call, without a path; `None`: at the server's address."""
        url = self.options.get(WEBHOOK_URL)
        return str(url).rstrip("/") if url else None

    def webhook_base_at(self, address: str) -> str:
        """Return the URL to call for a server with an IP address."""
        host = f"[{address}]" if ":" in address else address
        return f"http://{host}:{self._port()}"

    def for_agent(self) -> dict[str, Any]:
        """Return the options that the agent gets."""
        return {name: value for name, value in self.options.items() if name != WEBHOOK_URL}

    def _port(self) -> int:
        listen = str(self.options.get(WEBHOOK_LISTEN) or "")
        found = re.fullmatch(r"\S+:(\d{1,5})", listen, re.ASCII)
        if not found or not 0 < int(found[1]) < 65536:
            raise Unfit(f"{WEBHOOK_LISTEN} must be ADDRESS:PORT when {PUSH} is {WEBHOOK}")
        return int(found[1])

    def _check(self) -> None:
        if self.push not in WAYS:
            raise Unfit(f"{PUSH} is {self.push!r:.40}, and must be one of {', '.join(WAYS)}")
        if self.webhook:
            self._port()
            if self.webhook_base is not None:
                _check_url(self.webhook_base)
        if sent := self.options.get(CA_CERTIFICATES):
            _check_certificates(str(sent))


def _object(name: str, value: object) -> Mapping[str, Any]:
    """Return an object that may be missing."""
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise Unfit(f"{name} is not an object")
    return value


def _check_certificates(text: str) -> None:
    """See that the agent can use them: with others it would never hear of Heat again."""
    try:
        certificates.from_text(text)
    except WireFormatError as exc:
        raise Unfit(f"{CA_CERTIFICATES} cannot be used: {exc}") from exc


def _check_url(url: str) -> None:
    try:
        parts = urlsplit(url)
        # Nothing but scheme, host and port: what is left out of them is not the same again.
        plain = url == f"{parts.scheme}://{parts.netloc}" and not re.search(r"\s", url)
        good = plain and parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        good = False
    if not good:
        raise Unfit(f"{WEBHOOK_URL} must be http(s)://HOST:PORT, without a path")
