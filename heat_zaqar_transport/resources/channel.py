# SPDX-License-Identifier: Apache-2.0
"""What the engine keeps of a channel: names, and pre-signed URLs.

It is stored as one redacted (encrypted) entry of the resource's data, under keys of our
own: with Heat's `metadata_queue_id` Heat itself would post a second copy.
"""

import json
import secrets
from dataclasses import dataclass

from heat_zaqar_transport.wire import Secret, SignedUrl

# Keys of the resource data.
SERVER_KEY = "zaqar_transport_channel"
DEPLOYMENT_KEY = "zaqar_transport_signal"
WEBHOOK_KEY = "zaqar_transport_webhook"

# What the engine itself does with the two queues, and what the server may do: nothing more.
ENGINE_METHODS = ("GET", "POST", "DELETE")
ENGINE_PATHS = ("messages", "subscriptions")
SERVER_PATHS = ("messages",)
SERVER_METADATA_METHODS = ("GET",)
SERVER_SIGNAL_METHODS = ("POST",)


@dataclass(frozen=True)
class SignalQueue:
    """A queue that a server posts to and Heat reads.

    Attributes:
        channel: The channel's name, which each message must carry.
        engine_url: GET, POST and DELETE on messages and subscriptions.
        server_url: POST on messages.
        notify_url: What Zaqar's notifier calls: the pre-signed signal URL of a resource.
    """

    channel: str
    engine_url: SignedUrl
    server_url: SignedUrl
    notify_url: Secret

    @property
    def queue_name(self) -> str:
        """The queue's name in Zaqar."""
        return self.engine_url.queue

    def serialize(self) -> str:
        """Return the text that resource data holds."""
        return json.dumps(
            {
                "channel": self.channel,
                "engine_url": self.engine_url.serialize(),
                "server_url": self.server_url.serialize(),
                "notify_url": self.notify_url.reveal(),
            }
        )

    @classmethod
    def parse(cls, text: str) -> "SignalQueue":
        """Read what `serialize` wrote."""
        fields = json.loads(text)
        return cls(
            channel=fields["channel"],
            engine_url=SignedUrl.parse(fields["engine_url"]),
            server_url=SignedUrl.parse(fields["server_url"]),
            notify_url=Secret(fields["notify_url"]),
        )


@dataclass(frozen=True)
class Channel:
    """What one server and Heat talk through.

    Attributes:
        signal: The queue from the server to Heat.
        engine_metadata_url: GET, POST and DELETE on the metadata queue's messages and
            subscriptions.
        server_metadata_url: GET on the same.
    """

    signal: SignalQueue
    engine_metadata_url: SignedUrl
    server_metadata_url: SignedUrl

    @property
    def name(self) -> str:
        """The channel's name."""
        return self.signal.channel

    @property
    def queue_names(self) -> tuple[str, str]:
        """Names of the metadata queue and of the signal queue."""
        return self.engine_metadata_url.queue, self.signal.queue_name

    def server_options(self) -> dict[str, str]:
        """Return the server's `[zaqar]` options: all that it needs, and no more."""
        return {
            "channel": self.name,
            "metadata_url": self.server_metadata_url.serialize(),
            "signal_url": self.signal.server_url.serialize(),
        }

    def serialize(self) -> str:
        """Return the text that resource data holds."""
        return json.dumps(
            {
                "signal": self.signal.serialize(),
                "engine_metadata_url": self.engine_metadata_url.serialize(),
                "server_metadata_url": self.server_metadata_url.serialize(),
            }
        )

    @classmethod
    def parse(cls, text: str) -> "Channel":
        """Read what `serialize` wrote."""
        fields = json.loads(text)
        return cls(
            signal=SignalQueue.parse(fields["signal"]),
            engine_metadata_url=SignedUrl.parse(fields["engine_metadata_url"]),
            server_metadata_url=SignedUrl.parse(fields["server_metadata_url"]),
        )


@dataclass(frozen=True)
class Webhook:
    """How Zaqar calls a server that has asked for it.

    Attributes:
        path: Unguessable, with its slash.
        url: What is subscribed to the metadata queue; `None`: nothing yet.
    """

    path: str
    url: str | None = None

    def serialize(self) -> str:
        """Return the text that resource data holds."""
        return json.dumps({"path": self.path, "url": self.url})

    @classmethod
    def parse(cls, text: str) -> "Webhook":
        """Read what `serialize` wrote."""
        fields = json.loads(text)
        return cls(path=fields["path"], url=fields["url"])


def new_name(prefix: str) -> str:
    """Return an unguessable name: the prefix and 128 random bits in hex.

    It is never derived from a stack's or resource's name, so that those may hold what
    they like; Zaqar takes 64 characters of `[a-zA-Z0-9_-]`.
    """
    return f"{prefix}-{secrets.token_hex(16)}"
