# SPDX-License-Identifier: Apache-2.0
"""What a server resource keeps of its channel: the queues, its credentials, its webhook.

Which credentials are for what: see credentials.py.
"""

import time
from collections.abc import Iterable, Mapping
from typing import Any

from oslo_log import log as logging

from heat_zaqar_transport.queues import PUSH_OPTIONS
from heat_zaqar_transport.resources import channel as channels
from heat_zaqar_transport.resources import options
from heat_zaqar_transport.resources.credentials import KnownCredentials, renamed
from heat_zaqar_transport.resources.owner import QueueOwner

LOG = logging.getLogger(__name__)


class ServerChannel(QueueOwner):
    """Mixin of server resources: makes what belongs to the channel, stores it, and renews it."""

    def channel(self) -> channels.Channel | None:
        """Return the server's channel, if it has one."""
        stored = self.data().get(channels.SERVER_KEY)
        return None if stored is None else channels.Channel.parse(stored)

    def _ensure_channel(self) -> channels.Channel:
        channel = self.channel()
        if channel is None:
            channel = self.create_channel()
            first = self.issue_credentials(channel)
            self._store_credentials(first)
            self.data_set(channels.TOLD_KEY, first.name)
            self.data_set(channels.SERVER_KEY, channel.serialize(), redact=True)
        return channel

    def _credentials(self) -> KnownCredentials:
        return KnownCredentials.of(self.data())

    def _present_credentials(self) -> channels.Credentials:
        """Return those that the metadata names, or that will be named in it."""
        known = self._credentials()
        present = known.present(self.metadata_get(refresh=True))
        return present or known.by_name[str(known.told)]

    def _store_credentials(self, credentials: channels.Credentials) -> None:
        key = f"{channels.CREDENTIALS_KEY}{credentials.name}"
        self.data_set(key, credentials.serialize(), redact=True)

    def _forget_credentials(self, names: Iterable[str]) -> None:
        for name in names:
            self.data_delete(f"{channels.CREDENTIALS_KEY}{name}")

    def _renew_credentials(self) -> None:
        """Name new credentials in the metadata, if those that it names are due.

        The old ones go on to work: the server may be off. Two engines may do this at the same
        time: what the metadata comes to name is what counts, and the other one is forgotten.
        """
        channel, meta = self.channel(), self.metadata_get(refresh=True) or {}
        present = self._credentials().present(meta)
        if channel is None or present is None or time.time() < present.renew_at:
            return
        fresh = self.issue_credentials(channel, present)
        self._store_credentials(fresh)

        def renewed(_: Any, current: Mapping[str, Any]) -> dict[str, Any]:
            still = self._credentials().present(current) == present
            return renamed(current, fresh) if still else dict(current)

        self.metadata_set(meta, merge_metadata=renewed)
        if self._credentials().present(self.metadata_get(refresh=True)) != fresh:
            self._forget_credentials([fresh.name])
            return
        LOG.info("Channel %s: credentials renewed", channel.name)
        self._forget_credentials(self._credentials().expired(time.time(), self.metadata_get()))
        self.data_set(channels.SERVER_KEY, self.renewed(channel).serialize(), redact=True)
        webhook = self._webhook()
        if webhook is not None and webhook.url:
            queue = self._open_as_owner(channel.queue_names[0], self._endpoint_of_engine())
            queue.prolong(webhook.url, options.ENGINE_LIFETIME_S, PUSH_OPTIONS)

    def _note_told(self, name: str | None) -> None:
        """Take notice of the credentials that a server tells of: it has no others, perhaps."""
        known = self._credentials()
        told = known.by_name.get(name or "")
        if told is None or told.name == known.told:
            return
        if told.password is not None:
            self.change_password(told.password)
        self.data_set(channels.TOLD_KEY, told.name)

    def _webhook(self) -> channels.Webhook | None:
        stored = self.data().get(channels.WEBHOOK_KEY)
        return None if stored is None else channels.Webhook.parse(stored)

    def _ensure_webhook(self) -> channels.Webhook:
        webhook = self._webhook() or channels.Webhook(f"/{channels.new_name('hz-w')}")
        self.data_set(channels.WEBHOOK_KEY, webhook.serialize(), redact=True)
        return webhook
