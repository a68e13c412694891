# SPDX-License-Identifier: Apache-2.0
"""What the engine keeps of a channel: names, pre-signed URLs, keys.

All of it is redacted (encrypted) in the resource's data, under keys of our own: with Heat's
`metadata_queue_id` Heat itself would post a second copy. A server's metadata, which Heat
stores in the clear, names the server's credentials and holds none; they are put into each
snapshot on its way out, and into the boot configuration.
"""

import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from heat_zaqar_transport import seals
from heat_zaqar_transport.wire import QueueUrl, Secret, parse_queue_url
from heat_zaqar_transport.wire.sealing import Seal

# Keys of the resource data.
SERVER_KEY = "zaqar_transport_channel"
DEPLOYMENT_KEY = "zaqar_transport_signal"
WEBHOOK_KEY = "zaqar_transport_webhook"
CREDENTIALS_KEY = "zaqar_transport_credentials_"
TOLD_KEY = "zaqar_transport_told"
POLLED_KEY = "zaqar_transport_polled"

# What the engine itself does with the two queues, and what the server may do: nothing more.
ENGINE_METHODS = ("GET", "POST", "DELETE")
ENGINE_PATHS = ("messages", "subscriptions")
SERVER_PATHS = ("messages",)
SERVER_METADATA_METHODS = ("GET",)
SERVER_SIGNAL_METHODS = ("POST",)

# Agent options of the server's metadata that name and date its credentials, and those that
# are credentials, which the metadata has no values of.
CREDENTIALS, RENEW_AT = "credentials", "renew_at"
PASSWORD, SEAL_KEYS = "password", "seal_keys"


@dataclass(frozen=True)
class SignalQueue:
    """The engine's end of a queue that a server posts to.

    Attributes:
        channel: The channel's name, which each message must carry.
        engine_url: GET, POST and DELETE on messages and subscriptions.
        notify_url: What Zaqar's notifier calls: the pre-signed signal URL of a resource.
    """

    channel: str
    engine_url: QueueUrl
    notify_url: Secret

    @property
    def queue_name(self) -> str:
        """The queue's name in Zaqar."""
        return self.engine_url.queue

    def fields(self) -> dict[str, Any]:
        """Return what resource data holds."""
        return {
            "channel": self.channel,
            "engine_url": self.engine_url.serialize(),
            "notify_url": self.notify_url.reveal(),
        }

    @classmethod
    def of(cls, fields: Mapping[str, Any]) -> "SignalQueue":
        """Read what `fields` returned."""
        return cls(
            channel=fields["channel"],
            engine_url=parse_queue_url(fields["engine_url"]),
            notify_url=Secret(fields["notify_url"]),
        )


@dataclass(frozen=True)
class OwnQueue:
    """A deployment's own signal queue, both ends.

    Attributes:
        signal: The engine's end.
        server_url: POST on messages.
        seal_key: What the server seals with; `None`: it does not.
        renew_at: When new credentials are due, seconds since 1970.
    """

    signal: SignalQueue
    server_url: QueueUrl
    seal_key: Secret | None
    renew_at: int

    @property
    def seal(self) -> Seal:
        """What opens the server's messages."""
        return seals.seal_of([self.seal_key] if self.seal_key else [])

    def serialize(self) -> str:
        """Return the text that resource data holds."""
        return json.dumps(
            {
                "signal": self.signal.fields(),
                "server_url": self.server_url.serialize(),
                "seal_key": self.seal_key and self.seal_key.reveal(),
                "renew_at": self.renew_at,
            }
        )

    @classmethod
    def parse(cls, text: str) -> "OwnQueue":
        """Read what `serialize` wrote."""
        fields = json.loads(text)
        return cls(
            signal=SignalQueue.of(fields["signal"]),
            server_url=parse_queue_url(fields["server_url"]),
            seal_key=Secret(fields["seal_key"]) if fields["seal_key"] else None,
            renew_at=fields["renew_at"],
        )


@dataclass(frozen=True)
class Channel:
    """The engine's ends of what it talks to one server through.

    Attributes:
        signal: The queue from the server to Heat.
        engine_metadata_url: GET, POST and DELETE on the metadata queue's messages and
            subscriptions.
    """

    signal: SignalQueue
    engine_metadata_url: QueueUrl

    @property
    def name(self) -> str:
        """The channel's name."""
        return self.signal.channel

    @property
    def queue_names(self) -> tuple[str, str]:
        """Names of the metadata queue and of the signal queue."""
        return self.engine_metadata_url.queue, self.signal.queue_name

    def serialize(self) -> str:
        """Return the text that resource data holds."""
        return json.dumps(
            {
                "signal": self.signal.fields(),
                "engine_metadata_url": self.engine_metadata_url.serialize(),
            }
        )

    @classmethod
    def parse(cls, text: str) -> "Channel":
        """Read what `serialize` wrote."""
        fields = json.loads(text)
        return cls(
            signal=SignalQueue.of(fields["signal"]),
            engine_metadata_url=parse_queue_url(fields["engine_metadata_url"]),
        )


@dataclass(frozen=True)
class Credentials:
    """What a server gets into its channel with, until it is given the next.

    Attributes:
        name: Tells it from others of the same channel.
        metadata_url: GET on the metadata queue's messages.
        signal_url: POST on the signal queue's.
        seal_keys: The key to seal with, then that of the credentials before; empty: nothing is
            sealed.
        password: Of the stack user, for Keystone; `None`: the server gets none.
        renew_at: When the next are due, seconds since 1970.
        expires_at: When the URLs are good no more, likewise.
    """

    name: str
    metadata_url: QueueUrl
    signal_url: QueueUrl
    seal_keys: tuple[Secret, ...]
    password: Secret | None
    renew_at: int
    expires_at: int

    def naming(self) -> dict[str, Any]:
        """Return the agent options that name them, with nulls where they belong."""
        places = dict.fromkeys(self.options())
        if self.password:
            del places[PASSWORD]  # which not every server gets
        return {**places, CREDENTIALS: self.name, RENEW_AT: self.renew_at}

    def options(self) -> dict[str, str]:
        """Return the agent options that are credentials."""
        found = {
            "metadata_url": self.metadata_url.serialize(),
            "signal_url": self.signal_url.serialize(),
        }
        if self.seal_keys:
            found[SEAL_KEYS] = seals.text_of(self.seal_keys)
        if self.password:
            found[PASSWORD] = self.password.reveal()
        return found

    def serialize(self) -> str:
        """Return the text that resource data holds."""
        return json.dumps(
            {
                "name": self.name,
                "metadata_url": self.metadata_url.serialize(),
                "signal_url": self.signal_url.serialize(),
                "seal_keys": [key.reveal() for key in self.seal_keys],
                "password": self.password and self.password.reveal(),
                "renew_at": self.renew_at,
                "expires_at": self.expires_at,
            }
        )

    @classmethod
    def parse(cls, text: str) -> "Credentials":
        """Read what `serialize` wrote."""
        fields = json.loads(text)
        return cls(
            name=fields["name"],
            metadata_url=parse_queue_url(fields["metadata_url"]),
            signal_url=parse_queue_url(fields["signal_url"]),
            seal_keys=tuple(map(Secret, fields["seal_keys"])),
            password=Secret(fields["password"]) if fields["password"] else None,
            renew_at=fields["renew_at"],
            expires_at=fields["expires_at"],
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
