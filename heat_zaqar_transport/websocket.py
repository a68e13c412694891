# SPDX-License-Identifier: Apache-2.0
"""Zaqar's websocket server: the one adapter over it.

A connection here is good for one thing: to hear that something was posted to a queue.
Messages are read over the REST API, by pre-signed URL.

What is said is Zaqar's websocket API of version 2: a JSON object with `action`,
`headers` and `body`, answered by one with the status in `headers`. Notifications come
in between, whenever they like, and have no such headers.
"""

import contextlib
import json
import logging
import os
import ssl
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import requests.utils
from websockets.exceptions import ConnectionClosed, InvalidURI, WebSocketException
from websockets.sync.client import ClientConnection, connect

from heat_zaqar_transport.queues import PUSH_OPTIONS
from heat_zaqar_transport.wire import Secret
from heat_zaqar_transport.wire.bounds import quoted
from heat_zaqar_transport.wire.errors import (
    AccessRefused,
    RequestRefused,
    ServiceFailed,
    TransportError,
    Unreachable,
)

DEFAULT_TIMEOUT_S = 30.0

# The library sends a ping this often, and gives the connection up when it stays unanswered
# for as long again: less than the idle timeout of the usual load balancers.
PING_INTERVAL_S = 30.0

# A notification holds the whole message: Zaqar's limit is 256 KiB, unless an operator raised it.
MAX_FRAME_BYTES = 16 * 1024 * 1024

# Each failure of this kind clears one expired subscription away (Zaqar's Redis store).
_SUBSCRIBE_TRIES = 20

# At DEBUG the library logs each frame, and the first one holds a token.
_LIBRARY_LOG = logging.getLogger(f"{__name__}.library")
_LIBRARY_LOG.setLevel(logging.WARNING)

NO_ADDRESS = "the address is no ws:// or wss:// URL"

_OK = frozenset({200, 201})
_EXISTS = 409
_REFUSED = frozenset({401, 403, 404})


class PushConnection:
    """One connection to Zaqar's websocket server. Each method may raise any `TransportError`.

    After an error the connection is of no use any more; close it.
    """

    def __init__(
        self, connection: ClientConnection, project_id: str, timeout_s: float, ends: ExitStack
    ) -> None:
        self._connection = connection
        self._project_id = project_id
        self._timeout_s = timeout_s
        self._ends = ends
        self._client_id = str(uuid.uuid4())
        self._notified = False

    def authenticate(self, token: Secret) -> None:
        """Show a Keystone token; a newer one in its place keeps connection and subscription.

        Zaqar closes the connection when the token expires.
        """
        self._ask("authenticate", {"X-Auth-Token": token.reveal()}, {})

    def subscribe(self, queue: str, ttl_s: int) -> None:
        """Have this connection told of each message posted to a queue from now on.

        Args:
            queue: Its name; it need not exist yet.
            ttl_s: Seconds until the subscription ends: 60 and more. It ends with the
                connection, too.
        """
        body = {"queue_name": queue, "ttl": ttl_s, "options": dict(PUSH_OPTIONS)}
        for _ in range(_SUBSCRIBE_TRIES - 1):
            with contextlib.suppress(ServiceFailed):
                return self._ask("subscription_create", {}, body, also_good=_EXISTS)
        return self._ask("subscription_create", {}, body, also_good=_EXISTS)

    def wait(self, timeout_s: float) -> bool:
        """Wait for a notification; False: none came.

        Args:
            timeout_s: Seconds.
        """
        if not self._notified:
            with _translated("wait for Zaqar's notification"), contextlib.suppress(TimeoutError):
                self._connection.recv(timeout=timeout_s)
                self._notified = True
        notified, self._notified = self._notified, False
        return notified

    def close(self) -> None:
        """Close the connection; never fails."""
        with contextlib.suppress(WebSocketException, OSError):
            self._ends.close()

    def _ask(
        self,
        action: str,
        headers: Mapping[str, str],
        body: Mapping[str, Any],
        also_good: int | None = None,
    ) -> None:
        sent = {"Client-ID": self._client_id, "X-Project-ID": self._project_id, **headers}
        with _translated(action):
            self._connection.send(json.dumps({"action": action, "headers": sent, "body": body}))
            status = self._answer()
        if status not in _OK and status != also_good:
            raise _error_of(status)(action, f"Zaqar's websocket server answered {status}")

    def _answer(self) -> int:
        """Return the status that answers the question just asked."""
        deadline = time.monotonic() + self._timeout_s
        while True:
            left_s = deadline - time.monotonic()
            headers = _headers(json.loads(self._connection.recv(timeout=max(0.0, left_s))))
            if headers is not None:
                return int(headers["status"])
            self._notified = True


def open_push(
    url: str,
    project_id: str,
    *,
    timeout_s: float = DEFAULT_TIMEOUT_S,
    verify: bool | str = True,
) -> PushConnection:
    """Connect to Zaqar's websocket server.

    Args:
        url: ws:// or wss://.
        project_id: The project whose queues are meant.
        timeout_s: Seconds to wait for the connection, and for each answer.
        verify: For wss: True: the CAs of requests (those of certifi, or
            $REQUESTS_CA_BUNDLE); a path: that CA bundle; False: none, by an explicit choice.

    Raises:
        TransportError: It cannot be reached, or is no websocket server.
    """
    operation = "connect to Zaqar's websocket server"
    _check_url(operation, url)
    ends = ExitStack()
    with _translated(operation):
        connection = ends.enter_context(
            connect(
                url,
                ssl=_tls(verify) if url.startswith("wss:") else None,
                open_timeout=timeout_s,
                ping_interval=PING_INTERVAL_S,
                ping_timeout=PING_INTERVAL_S,
                close_timeout=1,
                max_size=MAX_FRAME_BYTES,
                compression=None,
                logger=_LIBRARY_LOG,
            )
        )
    return PushConnection(connection, project_id, timeout_s, ends)


def _check_url(operation: str, url: str) -> None:
    try:
        parts = urlsplit(url)
        good = parts.scheme in ("ws", "wss") and parts.hostname and parts.port != 0
    except ValueError:
        good = False
    if not good:
        raise RequestRefused(operation, NO_ADDRESS)


def _tls(verify: bool | str) -> ssl.SSLContext:
    """Return what checks a server as requests would, so that one setting serves both."""
    if verify is False:
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        return context
    bundle = verify if isinstance(verify, str) else _bundle_of_requests()
    if Path(bundle).is_dir():
        return ssl.create_default_context(capath=bundle)
    return ssl.create_default_context(cafile=bundle)


def _bundle_of_requests() -> str:
    named = os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE")
    return named or requests.utils.DEFAULT_CA_BUNDLE_PATH


def _headers(frame: object) -> Mapping[str, Any] | None:
    """Return the headers of an answer; `None`: the frame is a notification."""
    headers = frame.get("headers") if isinstance(frame, dict) else None
    return headers if isinstance(headers, dict) and "status" in headers else None


def _error_of(status: int) -> type[TransportError]:
    if status in _REFUSED:
        return AccessRefused
    return ServiceFailed if status >= 500 else RequestRefused


@contextlib.contextmanager
def _translated(operation: str) -> Iterator[None]:
    """Turn errors of the library and of the answers into ours."""
    try:
        yield
    except ConnectionClosed as exc:
        raise Unreachable(operation, f"the connection was closed ({quoted(str(exc))})") from exc
    except InvalidURI as exc:
        raise RequestRefused(operation, NO_ADDRESS) from exc
    except TimeoutError as exc:
        raise Unreachable(operation, "no answer in time") from exc
    except ssl.SSLError as exc:  # before ValueError, which a refused certificate is, too
        raise Unreachable(operation, f"{type(exc).__name__}: {exc}") from exc
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError) as exc:
        raise ServiceFailed(operation, f"unreadable answer ({type(exc).__name__})") from exc
    except (WebSocketException, OSError) as exc:
        raise Unreachable(operation, f"{type(exc).__name__}: {quoted(str(exc))}") from exc
