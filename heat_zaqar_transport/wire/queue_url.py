# SPDX-License-Identifier: Apache-2.0
"""Access to one queue, written as one text: the URL of the queue, with credentials as its query."""

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from typing import Self
from urllib.parse import parse_qs, quote, unquote, urlencode, urlsplit

from heat_zaqar_transport.wire.errors import WireFormatError

_QUEUES = "/v2/queues/"
_NOT_ONE = "not a pre-signed URL of a Zaqar queue: http(s)://.../v2/queues/NAME?..."


@dataclass(frozen=True)
class QueueUrl(ABC):
    """Where a queue is, and what lets one in.

    Attributes:
        endpoint: The messaging endpoint without API version, such as `https://host:8888`.
        queue: The queue's name.
        project_id: The Keystone project whose queue it is.
    """

    endpoint: str
    queue: str
    project_id: str

    @abstractmethod
    def serialize(self) -> str:
        """Return the text form. It is a credential: store and log it as one."""

    @property
    def queue_url(self) -> str:
        """The queue's plain URL, which lets nobody in."""
        return f"{self.endpoint.rstrip('/')}{_QUEUES}{quote(self.queue)}"

    def at(self, endpoint: str) -> Self:
        """Return the same access through another endpoint of the same Zaqar."""
        return replace(self, endpoint=endpoint)

    def _with_query(self, fields: dict[str, str]) -> str:
        query = urlencode({"project": self.project_id, **fields}, safe=",:/")
        return f"{self.queue_url}?{query}"


@dataclass(frozen=True)
class UrlParts:
    """A queue's URL, taken apart.

    Attributes:
        endpoint: The messaging endpoint.
        queue: The queue's name.
        fields: The query; of a name that comes twice the last value.
    """

    endpoint: str
    queue: str
    fields: dict[str, str]

    @classmethod
    def of(cls, text: str) -> "UrlParts":
        """Take a text apart.

        Raises:
            WireFormatError: It is no URL of a queue; the text itself is not quoted.
        """
        try:
            parts = urlsplit(text)
            query = parse_qs(parts.query)
        except ValueError as exc:
            raise WireFormatError(_NOT_ONE) from exc
        prefix, found, queue = parts.path.partition(_QUEUES)
        if parts.scheme not in ("http", "https") or not parts.netloc or not found or not queue:
            raise WireFormatError(_NOT_ONE)
        fields = {key: values[-1] for key, values in query.items()}
        return cls(f"{parts.scheme}://{parts.netloc}{prefix}", unquote(queue), fields)

    def required(self, names: tuple[str, ...]) -> list[str]:
        """Return values of the query.

        Raises:
            WireFormatError: One is missing.
        """
        missing = [name for name in names if not self.fields.get(name)]
        if missing:
            raise WireFormatError(f"the queue's URL has no {', '.join(missing)} in its query")
        return [self.fields[name] for name in names]
