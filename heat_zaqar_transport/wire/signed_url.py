# SPDX-License-Identifier: Apache-2.0
"""A Zaqar pre-signed URL as one text.

Zaqar signs a set of paths and methods of one queue and expects the signature in
request headers (Zaqar API v2, "Pre-Signed Queue"). Five loose values are clumsy in
configuration files, so that here they travel as the query of one URL::

    https://zaqar.example.org:8888/v2/queues/NAME?project=...&paths=...&methods=...
        &expires=2036-01-01T00:00:00&signature=...

Such a URL is not for a browser: `queues.open_signed` takes it apart again.
"""

from dataclasses import dataclass, replace
from urllib.parse import parse_qs, quote, unquote, urlencode, urlsplit

from heat_zaqar_transport.wire.errors import WireFormatError
from heat_zaqar_transport.wire.secret import Secret

_QUEUES = "/v2/queues/"
_NOT_ONE = "not a pre-signed URL of a Zaqar queue: http(s)://.../v2/queues/NAME?..."


@dataclass(frozen=True)
class SignedUrl:
    """Access to some paths of one queue, by some methods, until some time.

    Attributes:
        endpoint: The messaging endpoint without API version, such as `https://host:8888`.
        queue: The queue's name.
        project_id: The Keystone project whose queue it is.
        paths: Signed paths as Zaqar names them, such as `/v2/queues/NAME/messages`.
        methods: Signed HTTP methods.
        expires: End of validity, UTC, `YYYY-MM-DDTHH:MM:SS`.
        signature: The signature itself.
    """

    endpoint: str
    queue: str
    project_id: str
    paths: tuple[str, ...]
    methods: tuple[str, ...]
    expires: str
    signature: Secret

    def serialize(self) -> str:
        """Return the text form. It is a credential: store and log it as one."""
        query = urlencode(
            {
                "project": self.project_id,
                "paths": ",".join(self.paths),
                "methods": ",".join(self.methods),
                "expires": self.expires,
                "signature": self.signature.reveal(),
            },
            safe=",:/",
        )
        return f"{self.endpoint.rstrip('/')}{_QUEUES}{quote(self.queue)}?{query}"

    @classmethod
    def parse(cls, text: str) -> "SignedUrl":
        """Read the text form.

        Raises:
            WireFormatError: A part is missing; the text itself is not quoted.
        """
        try:
            parts = urlsplit(text)
        except ValueError as exc:
            raise WireFormatError(_NOT_ONE) from exc
        prefix, found, queue = parts.path.partition(_QUEUES)
        if parts.scheme not in ("http", "https") or not parts.netloc or not found or not queue:
            raise WireFormatError(_NOT_ONE)
        fields = {key: values[-1] for key, values in parse_qs(parts.query).items()}
        missing = [key for key in _FIELDS if not fields.get(key)]
        if missing:
            raise WireFormatError(f"the pre-signed URL has no {', '.join(missing)} in its query")
        return cls(
            endpoint=f"{parts.scheme}://{parts.netloc}{prefix}",
            queue=unquote(queue),
            project_id=fields["project"],
            paths=tuple(fields["paths"].split(",")),
            methods=tuple(fields["methods"].split(",")),
            expires=fields["expires"],
            signature=Secret(fields["signature"]),
        )

    @property
    def messages_url(self) -> str:
        """The plain URL of the queue's messages; it takes `headers()` to use it."""
        return f"{self.endpoint.rstrip('/')}{_QUEUES}{quote(self.queue)}/messages"

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

    def at(self, endpoint: str) -> "SignedUrl":
        """Return the same access through another endpoint of the same Zaqar."""
        return replace(self, endpoint=endpoint)


_FIELDS = ("project", "paths", "methods", "expires", "signature")
