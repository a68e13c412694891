# SPDX-License-Identifier: Apache-2.0
"""The server's Keystone token: one, kept for as long as it is good.

A token lives on through lost connections, since each new one costs Keystone work. How long
it is good is counted on a clock of ours from the two times that Keystone writes into it:
a server's own time of day may be wrong.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from keystoneauth1.identity import BaseIdentityPlugin
from keystoneauth1.session import Session

from heat_zaqar_transport.answers import translated
from heat_zaqar_transport.wire import Secret

# A token is given back this long before its end, in seconds; of a short-lived one a quarter.
MARGIN_S = 120.0


@dataclass(frozen=True)
class Token:
    """A Keystone token.

    Attributes:
        secret: The token itself.
        renew_at: When to get the next one, on the keeper's clock.
    """

    secret: Secret
    renew_at: float


class TokenKeeper:
    """Gets tokens, and keeps the last one.

    Args:
        auth: Knows user, password and project.
        session: Makes the requests.
        clock: Seconds that only go up.
    """

    def __init__(
        self,
        auth: BaseIdentityPlugin,
        session: Session,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._auth = auth
        self._session = session
        self._clock = clock
        self._token: Token | None = None

    def current(self) -> Token:
        """Return the token, a new one if the last is at its end.

        Raises:
            TransportError: Keystone could not be reached, or refused.
        """
        if self._token is None or self._clock() >= self._token.renew_at:
            self._token = self._fetch()
        return self._token

    def forget(self) -> None:
        """Get a new token next time: this one was refused."""
        self._token = None

    def _fetch(self) -> Token:
        asked_at = self._clock()
        with translated("get a token from Keystone"):
            self._auth.invalidate()
            access: Any = self._auth.get_access(self._session)
            lifetime_s = (access.expires - access.issued).total_seconds()
            token = Secret(access.auth_token)
        return Token(token, asked_at + lifetime_s - min(MARGIN_S, lifetime_s / 4))
