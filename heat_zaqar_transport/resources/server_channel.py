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
from heat_zaqar_transport.resources.credentials import KnownCredentials, naming
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
        present = known.present(self.metadata_get(refresh=True)) or known.latest
        assert present is not None  # a channel is made with some
        return present

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
        self._name_in_metadata(meta, present, fresh)
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

    def _as_stored(self, named: dict[str, Any]) -> dict[str, Any]:
        """Return metadata as Heat shall store it: without the credentials that it names.

        But for a server that comes from a transport that polls, until it has told of them:
        the metadata is where it looks for them.
        """
        if channels.POLLED_KEY in self.data():
            return self._credentials().filled_in(named)
        return named

    def _hide_credentials(self, name: str | None) -> None:
        """Take credentials out of the metadata once the server has told of them."""
        meta = self.metadata_get(refresh=True) or {}
        present = self._credentials().present(meta)
        if channels.POLLED_KEY in self.data() and present and present.name == name:
            self.data_delete(channels.POLLED_KEY)
            self._name_in_metadata(meta, present, present)

    def _name_in_metadata(
        self, meta: dict[str, Any], before: channels.Credentials, named: channels.Credentials
    ) -> None:
        """Have the metadata name credentials, unless it no longer names those before."""

        def merged(_: Any, current: Mapping[str, Any]) -> dict[str, Any]:
            if self._credentials().present(current) != before:
                return dict(current)
            return self._as_stored(naming(current, named))

        self.metadata_set(meta, merge_metadata=merged)

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
