# SPDX-License-Identifier: Apache-2.0
"""Being pushed by a call from Zaqar, for servers that Zaqar can reach.

Heat subscribes this server's URL to its metadata queue; the URL's path is a secret. A
call to it rings the bell, and its body is thrown away: it can neither lie nor weigh.
Everything else is answered 404. Nobody notices when calls do not arrive any more, so that
the queue is looked into every few minutes all the same.
"""

import hmac
import logging
import re
import threading
from collections.abc import Callable, Iterable
from typing import Any

import waitress

from heat_zaqar_collector.push.base import Push
from heat_zaqar_transport.wire import Secret

LOG = logging.getLogger(__name__)

# A call is one small request. Zaqar's notification holds the message (256 KiB, unless an
# operator raised it), which is read away up to this size, in bytes, and not beyond.
MAX_BODY_BYTES = 1024 * 1024
MAX_CONNECTIONS = 20
# Seconds until a connection that says nothing is closed.
IDLE_TIMEOUT_S = 10
# Between two looks while calls come.
SAFETY_S = 300.0

# An address, which the system checks, and a port, which it would take modulo 65536.
LISTEN = r"\S+:(\d{1,4}|[1-5]\d{4}|6[0-4]\d{3}|65[0-4]\d\d|655[0-2]\d|6553[0-5])"

_OK = "204 No Content"
_NOT_FOUND = "404 Not Found"

StartResponse = Callable[[str, list[tuple[str, str]]], Any]


class WebhookPush(Push):
    """Listens for Zaqar's calls.

    Args:
        listen: `ADDRESS:PORT` to listen on; `[ADDRESS]:PORT` for IPv6.
        path: The one path that rings the bell, with its slash.
    """

    safety_s = SAFETY_S

    def __init__(self, listen: str, path: Secret) -> None:
        super().__init__()
        self._listen = listen
        self._path = path.reveal().encode()

    def start(self) -> None:
        """Begin to listen; an address that is not to be had is told in the log."""
        try:
            server = self._server()
        except (OSError, ValueError) as exc:
            LOG.error(
                "No push, the queue is polled instead: [zaqar] webhook_listen = %s: %s",
                self._listen,
                exc,
            )
            return
        threading.Thread(target=server.run, name="webhook", daemon=True).start()
        LOG.info("Listening for Zaqar's calls on %s", self._listen)
        self.opened()

    def _server(self) -> Any:
        if not re.fullmatch(LISTEN, self._listen, re.ASCII):
            raise ValueError("is no ADDRESS:PORT")
        return waitress.create_server(
            self.application,
            listen=self._listen,
            threads=1,
            ident=None,
            connection_limit=MAX_CONNECTIONS,
            channel_timeout=IDLE_TIMEOUT_S,
            cleanup_interval=IDLE_TIMEOUT_S / 2,
            max_request_body_size=MAX_BODY_BYTES,
            max_request_header_size=8192,
        )

    def application(
        self, environ: dict[str, Any], start_response: StartResponse
    ) -> Iterable[bytes]:
        """Answer one call (WSGI)."""
        path = environ["PATH_INFO"].encode("latin-1")
        mine = environ["REQUEST_METHOD"] == "POST" and hmac.compare_digest(path, self._path)
        if mine:
            self.told()
        start_response(_OK if mine else _NOT_FOUND, [])
        return []
