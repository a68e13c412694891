# SPDX-License-Identifier: Apache-2.0
"""Where the agent's metadata comes from: look into the queue, choose, keep.

Looking never destroys anything, so that whatever dies in between, the next look finds
the same again.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from keystoneauth1.identity import v3
from keystoneauth1.session import Session
from oslo_log import log as logging

from heat_zaqar_collector.farewell import Farewell
from heat_zaqar_collector.greeter import Greeter, Identity
from heat_zaqar_collector.settings import KeystoneCredentials, Settings
from heat_zaqar_collector.store import SnapshotStore
from heat_zaqar_transport import queues
from heat_zaqar_transport.queues import PAGE_SIZE, MessageQueue
from heat_zaqar_transport.wire import (
    Ack,
    Choice,
    PlainSnapshot,
    QueuedMessage,
    Snapshot,
    choose,
)
from heat_zaqar_transport.wire.errors import NotConfigured, StateError, TransportError
from heat_zaqar_transport.wire.sealing import NO_SEAL, Seal

LOG = logging.getLogger(__name__)

# Seconds until the queue is looked into again when it lists a goodbye and a snapshot: Heat
# takes the goodbye back without a word, and an hourly look would be late to notice.
GOODBYE_LOOK_S = 60.0

# Refused messages of one look that the log names one by one.
REPORTED = 10


@dataclass(frozen=True)
class Look:
    """What one look into the queue came to.

    Attributes:
        snapshot: The one to apply; `None` when there has never been one.
        news: Whether it is another one than before.
        age_s: How long a new one has lain in the queue, in seconds.
        acks: Those that the look before did not find.
        renewed: Whether what was held lies in messages that the look before did not find.
        emptied: Whether the queue lists no snapshot that could be used, though one is held.
        failed: Whether the queue could not be read, or what it holds not be kept.
        again_in_s: The next look must come so many seconds later at the latest; `None`: at
            no certain time.
    """

    snapshot: Snapshot | PlainSnapshot | None
    news: bool = False
    age_s: int = 0
    acks: tuple[Ack, ...] = ()
    renewed: bool = False
    emptied: bool = False
    failed: bool = False
    again_in_s: float | None = None


@dataclass
class Source:
    """One server's metadata.

    Attributes:
        channel: The server's channel; `None` with a Heat without the plugin.
        open_metadata: Opens the queue from Heat. It is called at the first look, and again
            until it succeeds: with Keystone credentials opening takes Keystone.
        store: Where the last good snapshot is kept.
        farewell: Whether the channel is deleted.
        greeter: Says hello; `None`: there is no queue to Heat.
        seal: The channel's.
        listed: Ids of the messages that the last look found.
    """

    channel: str | None
    open_metadata: Callable[[], MessageQueue]
    store: SnapshotStore
    farewell: Farewell
    greeter: Greeter | None = None
    seal: Seal = NO_SEAL
    listed: frozenset[str] = frozenset()
    _metadata: MessageQueue | None = None
    _carriers: frozenset[str] = frozenset()
    _acks: frozenset[Ack] = frozenset()
    _refused: frozenset[str] = frozenset()

    def look(self) -> Look:
        """Look into the queue, keep what is new there, and say hello if there is reason to.

        A newer snapshot that cannot be kept (a full disk) is left for the next look, and
        the one that is held is returned: without any, os-apply-config would wipe this
        server's `[zaqar]` options, and with them its way to Heat.
        """
        held, before = self.held(), self.listed
        try:
            found, choice = self._search(held)
        except TransportError as exc:
            LOG.warning("Zaqar cannot be read, going on with what is held: %s", exc)
            return Look(held, failed=True)
        self.listed = ids_of(found)
        self._carriers = ids_of(choice.carriers)
        self._report(choice)
        look = replace(
            self._kept(choice, held, before),
            acks=self._new_acks(choice),
            emptied=held is not None and not choice.carriers,
        )
        return replace(look, again_in_s=self._greet(choice, look.snapshot))

    def held(self) -> Snapshot | PlainSnapshot | None:
        """Return the snapshot that was kept last; `None` when there has never been one."""
        return self.store.load()

    def knows(self, page: frozenset[str]) -> bool:
        """Tell whether a page is all there is, and has nothing that the last look did not find.

        Some may have gone, as acks do, but not what carries the snapshot.
        """
        return self._carriers <= page <= self.listed and len(page) < PAGE_SIZE

    def _search(self, held: Snapshot | PlainSnapshot | None) -> tuple[list[QueuedMessage], Choice]:
        """List the queue and choose.

        Zaqar finds the ids first, and then reads the messages. When Heat replaces a snapshot
        between the two, the list has neither the old one nor the new one. So a list that
        lacks what is held is made once more before it is believed.
        """
        found = self._list()
        choice = choose(self.channel, held, found, self.seal)
        if held is None or choice.carriers:
            return found, choice
        found = self._list()
        return found, choose(self.channel, held, found, self.seal)

    def _list(self) -> list[QueuedMessage]:
        """List the queue: in one request in place of two, as long as nothing has happened."""
        return self._open().fetch(lambda page: bool(self.listed) and self.knows(ids_of(page)))

    def _open(self) -> MessageQueue:
        if self._metadata is None:
            self._metadata = self.open_metadata()
        return self._metadata

    def _report(self, choice: Choice) -> None:
        refused = frozenset(rejection.message_id for rejection in choice.rejected)
        new = [each for each in choice.rejected if each.message_id not in self._refused]
        for rejection in new[:REPORTED]:
            LOG.error("Message %s is not used: %s", rejection.message_id, rejection.reason)
        if len(new) > REPORTED:
            LOG.error("%d more messages are not used", len(new) - REPORTED)
        self._refused = refused

    def _kept(
        self,
        choice: Choice,
        held: Snapshot | PlainSnapshot | None,
        before: frozenset[str],
    ) -> Look:
        """Keep a new snapshot; return what there is to tell of it."""
        if choice.snapshot is None or choice.snapshot == held:
            return Look(held, renewed=not self._carriers <= before)
        try:
            self.store.keep(choice.snapshot)
        except StateError as exc:
            LOG.error("%s is not applied yet: %s", _described(choice.snapshot), exc)
            # Not seen yet, as far as anybody is concerned who compares.
            self.listed = before
            return Look(held, failed=True)
        LOG.info("%s collected", _described(choice.snapshot))
        return Look(choice.snapshot, news=True, age_s=min(each.age_s for each in choice.carriers))

    def _new_acks(self, choice: Choice) -> tuple[Ack, ...]:
        before, self._acks = self._acks, frozenset(choice.acks)
        return tuple(ack for ack in choice.acks if ack not in before)

    def _greet(self, choice: Choice, holding: Snapshot | PlainSnapshot | None) -> float | None:
        """Say hello if there is reason to; return when to look again."""
        if choice.goodbye:
            self.farewell.heard()
        elif choice.carriers:
            self.farewell.lives()
        if self.farewell.gone:
            return GOODBYE_LOOK_S if choice.goodbye and choice.carriers else None
        if self.greeter is None:
            return None
        return self.greeter.greet(choice, getattr(holding, "generation", None))


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
        store=SnapshotStore(settings.state_dir),
        farewell=Farewell(settings.state_dir, settings.channel),
        greeter=_greeter(settings),
        seal=settings.seal,
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
        return lambda: queues.open_url(url, timeout_s=settings.timeout_s, verify=settings.verify)
    if credentials is not None:
        return lambda: queues.open_with_keystone(
            keystone_session(credentials, settings),
            credentials.queue_id,
            region_name=credentials.region_name,
            timeout_s=settings.timeout_s,
            verify=settings.verify,
        )
    raise NotConfigured("[zaqar] metadata_url")


def _greeter(settings: Settings) -> Greeter | None:
    url, channel = settings.signal_url, settings.channel
    if url is None or channel is None:
        return None
    signals = queues.open_url(url, timeout_s=settings.timeout_s, verify=settings.verify)
    me = Identity(channel, settings.seal, settings.credentials, settings.renew_at)
    return Greeter(me, signals, settings.signal_ttl_s)


def _described(snapshot: Snapshot | PlainSnapshot) -> str:
    if isinstance(snapshot, Snapshot):
        return f"Generation {snapshot.generation} of channel {snapshot.channel}"
    return "A snapshot of a Heat without heat-zaqar-transport"
