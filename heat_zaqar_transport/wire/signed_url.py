# SPDX-License-Identifier: Apache-2.0
"""A Zaqar pre-signed URL as one text.

Zaqar signs a set of paths and methods of one queue and expects the signature in
request headers (Zaqar API v2, "Pre-Signed Queue"). Five loose values are clumsy in
configuration files, so that here they travel as the query of one URL::

    https://zaqar.example.org:8888/v2/queues/NAME?project=...&paths=...&methods=...
        &expires=2036-01-01T00:00:00&signature=...

Such a URL is not for a browser: `queues.open_signed` takes it apart again.
"""

from dataclasses import dataclass

from heat_zaqar_transport.wire.queue_url import QueueUrl, UrlParts
from heat_zaqar_transport.wire.secret import Secret

_FIELDS = ("project", "paths", "methods", "expires", "signature")


@dataclass(frozen=True)
class SignedUrl(QueueUrl):
    """Access to some paths of one queue, by some methods, until some time.

    Attributes:
        endpoint, queue, project_id: See `QueueUrl`.
        paths: Signed paths as Zaqar names them, such as `/v2/queues/NAME/messages`.
        methods: Signed HTTP methods.
        expires: End of validity, UTC, `YYYY-MM-DDTHH:MM:SS`.
        signature: The signature itself.
    """

    paths: tuple[str, ...]
    methods: tuple[str, ...]
    expires: str
    signature: Secret

    def serialize(self) -> str:
        """Return the text form. It is a credential: store and log it as one."""
        return self._with_query(
            {
                "paths": ",".join(self.paths),
                "methods": ",".join(self.methods),
                "expires": self.expires,
                "signature": self.signature.reveal(),
            }
        )

    @classmethod
    def parse(cls, text: str) -> "SignedUrl":
        """Read the text form.

        Raises:
            WireFormatError: A part is missing; the text itself is not quoted.
        """
        parts = UrlParts.of(text)
        project_id, paths, methods, expires, signature = parts.required(_FIELDS)
        return cls(
            endpoint=parts.endpoint,
            queue=parts.queue,
            project_id=project_id,
            paths=tuple(paths.split(",")),
            methods=tuple(methods.split(",")),
            expires=expires,
            signature=Secret(signature),
        )

    @property
    def messages_url(self) -> str:
        """The plain URL of the queue's messages; it takes `headers()` to use it."""
        return f"{self.queue_url}/messages"

    def headers(self) -> dict[str, str]:
        """Return the HTTP headers by which Zaqar takes the signature. They are a credential.

        Source: Zaqar's API reference, "Pre-signed queue".
        """
        return {
            "URL-Signature": self.signature.reveal(),
            "URL-Expires": self.expires,
            "URL-Methods": ",".join(self.methods),
            "URL-Paths": ",".join(self.paths),
            "X-Project-ID": self.project_id,
        }
