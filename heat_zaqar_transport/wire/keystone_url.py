# SPDX-License-Identifier: Apache-2.0
"""A queue's URL with a Keystone user in place of a signature.

It reaches whatever that user reaches, which is more than one queue; it is what is left where
Zaqar has no key to sign with::

    https://zaqar.example.org:8888/v2/queues/NAME?project=...&auth_url=...&user_id=...
        &password=...
"""

from dataclasses import dataclass

from heat_zaqar_transport.wire.queue_url import QueueUrl, UrlParts
from heat_zaqar_transport.wire.secret import Secret
from heat_zaqar_transport.wire.signed_url import SignedUrl

_AUTH_URL = "auth_url"
_FIELDS = ("project", _AUTH_URL, "user_id", "password")


@dataclass(frozen=True)
class KeystoneUrl(QueueUrl):
    """Access to a queue with a Keystone user's password.

    Attributes:
        endpoint, queue, project_id: See `QueueUrl`.
        auth_url: Keystone.
        user_id: The user.
        password: Of the user.
    """

    auth_url: str
    user_id: str
    password: Secret

    def serialize(self) -> str:
        """Return the text form. It is a credential: store and log it as one."""
        return self._with_query(
            {
                _AUTH_URL: self.auth_url,
                "user_id": self.user_id,
                "password": self.password.reveal(),
            }
        )

    @classmethod
    def parse(cls, text: str) -> "KeystoneUrl":
        """Read the text form.

        Raises:
            WireFormatError: A part is missing; the text itself is not quoted.
        """
        parts = UrlParts.of(text)
        project_id, auth_url, user_id, password = parts.required(_FIELDS)
        return cls(parts.endpoint, parts.queue, project_id, auth_url, user_id, Secret(password))


def parse_queue_url(text: str) -> QueueUrl:
    """Read the text form of a pre-signed URL, or of one with a Keystone user.

    Raises:
        WireFormatError: It is neither; the text itself is not quoted.
    """
    keystone = _AUTH_URL in UrlParts.of(text).fields
    return KeystoneUrl.parse(text) if keystone else SignedUrl.parse(text)
