# SPDX-License-Identifier: Apache-2.0
"""Being pushed over Zaqar's websocket server: one connection, kept for as long as it holds.

It lives in a thread of its own, so that a Keystone or a websocket server that is slow or
away never keeps the collector from polling, and a long hook never from renewing the token.
"""

import contextlib
import logging
import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import NoReturn

import tenacity

from heat_zaqar_collector.push.base import Push
from heat_zaqar_collector.tokens import Token, TokenKeeper
from heat_zaqar_transport.websocket import PushConnection
from heat_zaqar_transport.wire.errors import AccessRefused, TransportError

LOG = logging.getLogger(__name__)

# Full jitter: a new attempt comes after anything between 0 and 5, 10, 20, ... seconds, so that
# the servers of a cloud come back spread out.
FIRST_WAIT_S = 5.0
LONGEST_WAIT_S = 30.0
# The same for a user that Keystone or Zaqar refuses: its stack is suspended, or deleted.
LONGEST_WAIT_REFUSED_S = 900.0
# A connection that has lasted this long is a good one: the waits begin anew after it.
STABLE_S = 60.0

# Zaqar forgets a subscription after this time; at half of it the connection is made anew.
SUBSCRIPTION_TTL_S = 86400


@dataclass(frozen=True)
class Line:
    """What it takes to be connected.

    Attributes:
        queue: Name of the metadata queue.
        tokens: For the websocket server.
        connect: Opens a connection.
        list_ids: Lists the queue over the REST API with a token. By that Zaqar learns and
            remembers the token, which the websocket server alone would take half a second
            for, during which it serves nobody.
        is_news: Whether such a list is another one than the collector has seen.
        is_gone: Whether Heat has said goodbye.
        subscription_ttl_s: Seconds.
    """

    queue: str
    tokens: TokenKeeper
    connect: Callable[[], PushConnection]
    list_ids: Callable[[Token], frozenset[str]]
    is_news: Callable[[frozenset[str]], bool]
    is_gone: Callable[[], bool]
    subscription_ttl_s: int = SUBSCRIPTION_TTL_S


class QueueEmpty(AccessRefused):
    """The queue holds nothing, as that of a deleted stack does.

    Zaqar makes a queue anew with its first subscription, and would do so for a user that is
    deleted, too, as long as it remembers the token.
    """

    def __init__(self, queue: str) -> None:
        super().__init__(f"subscribe to queue {queue}", "it is empty; its stack may be deleted")


class QueueGone(AccessRefused):
    """Heat has said goodbye: the same would happen as with an empty queue."""

    def __init__(self, queue: str) -> None:
        super().__init__(f"subscribe to queue {queue}", "its server is being deleted")


class WebsocketPush(Push):
    """Keeps a connection, and rings the bell.

    Args:
        line: What it takes to be connected.
        clock: Seconds that only go up, shared with the collector.
        sleep: Waits, seconds.
    """

    def __init__(
        self,
        line: Line,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        super().__init__()
        self._line = line
        self._clock = clock
        self._sleep = sleep
        self._connection: PushConnection | None = None

    def start(self) -> None:
        """Begin to connect, in a thread that ends with the process."""
        threading.Thread(target=self._keep_connected, name="push", daemon=True).start()

    def doubt(self) -> None:
        """Rely on it no more, and connect anew: Zaqar may have lost the subscription."""
        super().doubt()
        connection = self._connection  # the other thread may drop it at any time
        if connection is not None:
            connection.close()

    def _keep_connected(self) -> NoReturn:
        retrying = tenacity.Retrying(
            retry=tenacity.retry_if_exception_type(TransportError),
            wait=_wait_s,
            sleep=self._sleep,
            before_sleep=_log_retry,
        )
        while True:
            retrying(self._hold_one)
            self._sleep(random.uniform(0, FIRST_WAIT_S))

    def _hold_one(self) -> None:
        """Connect, and ring until the connection ends.

        Returns:
            After a connection that has lasted.

        Raises:
            TransportError: It could not be made, or did not last.
        """
        since = self._clock()
        try:
            self._connect_and_listen(until=since + self._line.subscription_ttl_s / 2)
        except TransportError as exc:
            if self._clock() - since < STABLE_S:
                raise
            LOG.warning("Zaqar's websocket server is gone, polling meanwhile: %s", exc)

    def _connect_and_listen(self, until: float) -> None:
        self._heed_goodbye()
        with contextlib.closing(self._line.connect()) as connection:
            token, ids = self._known_token()
            if not ids:
                raise QueueEmpty(self._line.queue)
            self._heed_goodbye()  # which may have come meanwhile
            connection.authenticate(token.secret)
            connection.subscribe(self._line.queue, self._line.subscription_ttl_s)
            LOG.info("Connected to Zaqar's websocket server")
            self._connection = connection
            self.opened()
            try:
                self._listen(connection, token, until)
            finally:
                self.closed()
                self._connection = None

    def _heed_goodbye(self) -> None:
        if self._line.is_gone():
            raise QueueGone(self._line.queue)

    def _listen(self, connection: PushConnection, token: Token, until: float) -> None:
        renew_at = token.renew_at
        while (now := self._clock()) < until:
            if now >= renew_at:
                renew_at = self._renewed(connection)
            elif connection.wait(min(renew_at, until) - now):
                self.told()

    def _renewed(self, connection: PushConnection) -> float:
        """Show the next token; return when to do so again."""
        try:
            token, _ = self._known_token()
        except TransportError as exc:
            # The old one is good for a while yet; then Zaqar hangs up.
            LOG.warning("The token for push cannot be renewed yet: %s", exc)
            return self._clock() + random.uniform(FIRST_WAIT_S, 2 * FIRST_WAIT_S)
        connection.authenticate(token.secret)
        return token.renew_at

    def _known_token(self) -> tuple[Token, frozenset[str]]:
        """Return a token that Zaqar has seen already, and the queue that it was shown with."""
        token = self._line.tokens.current()
        try:
            ids = self._line.list_ids(token)
        except AccessRefused:
            self._line.tokens.forget()
            raise
        if self._line.is_news(ids):
            self.bell.set()
        else:
            self.confirmed_at = self._clock()
        return token, ids


def _wait_s(state: tenacity.RetryCallState) -> float:
    refused = state.outcome is not None and isinstance(state.outcome.exception(), AccessRefused)
    longest_s = LONGEST_WAIT_REFUSED_S if refused else LONGEST_WAIT_S
    return tenacity.wait_random_exponential(multiplier=FIRST_WAIT_S, max=longest_s)(state)


def _log_retry(state: tenacity.RetryCallState) -> None:
    LOG.warning(
        "No push from Zaqar, polling meanwhile: %s; next attempt in %.0f s",
        state.outcome and state.outcome.exception(),
        state.upcoming_sleep,
    )
