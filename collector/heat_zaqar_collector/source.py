# SPDX-License-Identifier: Apache-2.0
"""Where the agent's metadata comes from: look into the queue, choose, keep.

Looking never destroys anything, so that whatever dies in between, the next look finds
the same again.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from keystoneauth1.identity import v3
from keystoneauth1.session import Session
from oslo_log import log as logging

from heat_zaqar_collector.settings import KeystoneCredentials, Settings
from heat_zaqar_collector.store import SnapshotStore
from heat_zaqar_transport import queues
from heat_zaqar_transport.queues import PAGE_SIZE, MessageQueue, QueuedMessage
from heat_zaqar_transport.wire import Choice, Hello, PlainSnapshot, Snapshot, choose, serialize
from heat_zaqar_transport.wire.errors import NotConfigured, StateError, TransportError

LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Look:
    """What one look into the queue came to.

    Attributes:
        snapshot: The one to apply; `None` when there has never been one.
        news: Whether it is another one than before.
        age_s: How long a new one has lain in the queue, in seconds.
        emptied: Whether the queue is empty now and was not before.
        failed: Whether the queue could not be read, or what it holds not be kept.
    """

    snapshot: Snapshot | PlainSnapshot | None
    news: bool = False
    age_s: int = 0
    emptied: bool = False
    failed: bool = False


@dataclass
class Source:
    """One server's metadata.

    Attributes:
        channel: The server's channel; `None` with a Heat without the plugin.
        open_metadata: Opens the queue from Heat. It is called at the first look, and again
            until it succeeds: with Keystone credentials opening takes Keystone.
        signals: The queue to Heat, for a hello; `None`: there is none.
        store: Where the last good snapshot is kept.
        signal_ttl_s: How long a hello may wait for Heat, in seconds.
        listed: Ids of the messages that the last look found.
    """

    channel: str | None
    open_metadata: Callable[[], MessageQueue]
    signals: MessageQueue | None
    store: SnapshotStore
    signal_ttl_s: int
    listed: frozenset[str] = frozenset()
    _settled: bool = False
    _metadata: MessageQueue | None = None
    _asked_for: str | None = None

    def look(self) -> Look:
        """Look into the queue, and keep what is new there.

        A newer snapshot that cannot be kept (a full disk) is left for the next look, and
        the one that is held is returned: without any, os-apply-config would wipe this
        server's `[zaqar]` options, and with them its way to Heat.
        """
        held, before = self.held(), self.listed
        try:
            # One request in place of two, as long as nothing has happened.
            if held is not None and self._settled and self.knows(ids_of(self._open().peek())):
                return Look(held)
            found = self._open().fetch()
        except TransportError as exc:
            LOG.warning("Zaqar cannot be read, going on with what is held: %s", exc)
            return Look(held, failed=True)
        self.listed = ids_of(found)
        choice = choose(self.channel, held, [(message.id, message.body) for message in found])
        self._report(choice)
        if choice.snapshot is None or choice.snapshot == held:
            return Look(held, emptied=bool(before) and not found)
        try:
            self.store.keep(choice.snapshot)
        except StateError as exc:
            LOG.error("%s is not applied yet: %s", _described(choice.snapshot), exc)
            # Not seen yet, as far as anybody is concerned who compares.
            self.listed = before
            self._settled = False
            return Look(held, failed=True)
        LOG.info("%s collected", _described(choice.snapshot))
        return Look(choice.snapshot, news=True, age_s=min(message.age_s for message in found))

    def held(self) -> Snapshot | PlainSnapshot | None:
        """Return the snapshot that was kept last; `None` when there has never been one."""
        return self.store.load()

    def knows(self, page: frozenset[str]) -> bool:
        """Tell whether the last look found the same as this page, and there can be no more."""
        return page == self.listed and len(page) < PAGE_SIZE

    def _open(self) -> MessageQueue:
        if self._metadata is None:
            self._metadata = self.open_metadata()
        return self._metadata

    def _report(self, choice: Choice) -> None:
        self._settled = choice.snapshot is not None and not choice.rejected
        for rejection in choice.rejected:
            LOG.error("Message %s is not used: %s", rejection.message_id, rejection.reason)
        if choice.rejected:
            self._ask_again("rejected", choice)
        elif choice.snapshot is None:
            # Not when one is held: the queue of a deleted stack is empty too, and whatever
            # is posted to its signal queue would make that queue anew.
            self._ask_again("empty queue", choice)
        else:
            self._asked_for = None

    def _ask_again(self, reason: str, choice: Choice) -> None:
        """Say hello, once for each trouble: Heat then posts the present snapshot."""
        trouble = f"{reason} {choice.rejected}"
        if self.channel is None or self.signals is None or trouble == self._asked_for:
            return
        generation = getattr(choice.snapshot, "generation", None)
        try:
            self.signals.post(serialize(Hello(self.channel, reason, generation)), self.signal_ttl_s)
            self._asked_for = trouble
            LOG.info("Asked Heat for the present snapshot (%s)", reason)
        except TransportError as exc:
            LOG.warning("Heat could not be asked for the present snapshot: %s", exc)


def ids_of(messages: Iterable[QueuedMessage]) -> frozenset[str]:
    """Return what tells one listing of a queue from another."""
    return frozenset(message.id for message in messages)


def open_source(settings: Settings) -> Source:
    """Open the source that the settings describe.

    Raises:
        NotConfigured: Neither a pre-signed URL nor full Keystone credentials are there.
    """
    return Source(
        channel=settings.channel,
        open_metadata=_metadata_opener(settings),
        signals=_open_signals(settings),
        store=SnapshotStore(settings.state_dir),
        signal_ttl_s=settings.signal_ttl_s,
    )


def keystone_login(credentials: KeystoneCredentials) -> v3.Password:
    """Return what gets tokens with these credentials."""
    return v3.Password(
        auth_url=credentials.auth_url,
        user_id=credentials.user_id,
        password=credentials.password.reveal(),
        project_id=credentials.project_id,
    )


def keystone_session(credentials: KeystoneCredentials, settings: Settings) -> Session:
    """Return a session that gets its token at the first use and renews it in time."""
    return Session(
        auth=keystone_login(credentials), verify=settings.verify, timeout=settings.timeout_s
    )


def _metadata_opener(settings: Settings) -> Callable[[], MessageQueue]:
    url, credentials = settings.metadata_url, settings.keystone
    if url is not None:
        return lambda: queues.open_signed(url, timeout_s=settings.timeout_s, verify=settings.verify)
    if credentials is not None:
        return lambda: queues.open_with_keystone(
            keystone_session(credentials, settings),
            credentials.queue_id,
            region_name=credentials.region_name,
            timeout_s=settings.timeout_s,
            verify=settings.verify,
        )
    raise NotConfigured("[zaqar] metadata_url")


def _open_signals(settings: Settings) -> MessageQueue | None:
    if settings.signal_url is None:
        return None
    return queues.open_signed(
        settings.signal_url, timeout_s=settings.timeout_s, verify=settings.verify
    )


def _described(snapshot: Snapshot | PlainSnapshot) -> str:
    if isinstance(snapshot, Snapshot):
        return f"Generation {snapshot.generation} of channel {snapshot.channel}"
    return "A snapshot of a Heat without heat-zaqar-transport"
