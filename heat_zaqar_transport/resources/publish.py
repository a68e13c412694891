# SPDX-License-Identifier: Apache-2.0
"""Publishing: a server's metadata, as its row says it now, to its metadata queue.

The document and its generation (the row's `atomic_key`) are read together, so that
two engines that publish at the same time cannot give one generation two contents. The
queue keeps the newest snapshot, never a backlog, and what is there is not posted again.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from heat.common import crypt
from heat.common.context import RequestContext
from heat.db import api as db_api
from heat.db import models
from oslo_log import log as logging
from tenacity import retry, retry_if_exception_type, stop_after_attempt, wait_random_exponential

from heat_zaqar_transport.posting import Poster
from heat_zaqar_transport.queues import PUSH_OPTIONS, MessageQueue
from heat_zaqar_transport.resources import options
from heat_zaqar_transport.resources.channel import (
    SERVER_KEY,
    WEBHOOK_KEY,
    Channel,
    SignalQueue,
    Webhook,
)
from heat_zaqar_transport.resources.credentials import KnownCredentials
from heat_zaqar_transport.resources.owner import open_as_engine, open_signals
from heat_zaqar_transport.resources.turns import Turns
from heat_zaqar_transport.wire import Ack, Goodbye, Snapshot, gather, upkeep
from heat_zaqar_transport.wire.errors import Retriable
from heat_zaqar_transport.wire.parts import is_plain
from heat_zaqar_transport.wire.sealing import Seal

LOG = logging.getLogger(__name__)

_DELETE = "DELETE"

# Seconds that an ack may wait for the server. One that is gone by then is made again for
# the result that the server sends again.
ACK_TTL_S = 300
# The queue, and this with it, is deleted in a moment.
GOODBYE_TTL_S = 60
# Seconds that a server gets to read a goodbye. One that is pushed answers in a fraction of that,
# also while it runs a hook; one that polls may miss the goodbye.
PUSHED_GOODBYE_S = 10.0
UNPUSHED_GOODBYE_S = 1.0
# Between two looks for the answer.
GOODBYE_LOOK_S = 0.2


@dataclass(frozen=True)
class ServerRow:
    """One reading of a server resource's row.

    Attributes:
        metadata: Its metadata, which names the server's credentials and holds none.
        generation: The `atomic_key` that belongs to it.
        channel: `None` when the server has none.
        credentials: What the server gets into it with: the present ones and those before.
        webhook: `None` when Zaqar does not call the server.
        deleting: Whether the server is on its way out.
        in_nova: Whether Nova made it; a DeployedServer's physical id is its resource's own.
    """

    metadata: dict[str, Any]
    generation: int
    channel: Channel | None
    credentials: KnownCredentials
    webhook: Webhook | None
    deleting: bool
    in_nova: bool

    @property
    def channel_in_use(self) -> Channel | None:
        """The channel, if the server's present configuration names it.

        A server that has changed to another transport keeps its channel, to be told so,
        but its agent forgets it.
        """
        config = self.metadata.get("os-collect-config") or {}
        named = (config.get("zaqar") or {}).get("channel")
        return self.channel if self.channel and self.channel.name == named else None

    @property
    def document(self) -> dict[str, Any]:
        """What the server is sent: the metadata with the credentials in it."""
        return self.credentials.filled_in(self.metadata)


# Reads a server's row as it is now.
ReadRow = Callable[[], ServerRow | None]

_POSTER = Poster()
_TURNS = Turns()


def read_server(context: RequestContext, server_id: str) -> ServerRow | None:
    """Read a server's row by its physical resource id.

    Returns:
        `None` when no resource of the caller's project has that id: a server that Heat
        did not make.
    """
    row = db_api.resource_get_by_physical_resource_id(context, server_id)
    return None if row is None else _reading(row)


def read_resource(context: RequestContext, resource_id: int) -> ServerRow:
    """Read a server's row by its own key: a server in the making has no physical id yet."""
    return _reading(db_api.resource_get(context, resource_id, refresh=True, refresh_data=True))


def publish(read: ReadRow) -> None:
    """Post a server's snapshot, unless it is there, and delete what it replaces.

    Nothing happens for a server without a channel, or one that is being deleted. Callers
    that come while another one posts take turns; by the time of its turn the row may be
    newer, and those whose change was in it have nothing left to do.

    Args:
        read: Reads the row. It is called again when it is this caller's turn.

    Raises:
        TransportError: Zaqar did not take it, three tries long where that makes sense.
        TooLarge: The metadata is larger than what can be carried.
        WireFormatError: The metadata cannot be told in a snapshot.
    """
    wanted = read()
    if wanted is None or wanted.channel is None or wanted.deleting:
        return
    with _TURNS.of(wanted.channel.name) as turn:
        if turn.done is None or turn.done < wanted.generation:
            turn.done = _publish_now(read()) or turn.done


def restore(read: ReadRow) -> None:
    """Publish, whatever has been posted before: the queue may have lost it.

    Raises:
        TransportError, TooLarge, WireFormatError: See `publish`.
    """
    _publish_now(read())


def acknowledge(channel: Channel, seal: Seal, ack: Ack) -> None:
    """Tell the server that its result has been read.

    Raises:
        TransportError: It was not told; it will send its result again.
    """
    _POSTER.post(open_as_engine(channel.engine_metadata_url).post, ack, ACK_TTL_S, seal)


def say_goodbye(channel: Channel, credentials: KnownCredentials) -> None:
    """Tell the server that its queues are about to be deleted, and let it hear that.

    A server that is pushed answers, as soon as it has read the goodbye. Others have a moment
    to read it.

    Raises:
        TransportError: It was not told.
    """
    metadata = open_as_engine(channel.engine_metadata_url)
    pushed = bool(metadata.subscribers())
    _POSTER.post(metadata.post, Goodbye(channel.name), GOODBYE_TTL_S, credentials.to_server)
    if not pushed:
        time.sleep(UNPUSHED_GOODBYE_S)
        return
    signals = open_signals(channel.signal)
    deadline = time.monotonic() + PUSHED_GOODBYE_S
    while time.monotonic() < deadline:
        time.sleep(GOODBYE_LOOK_S)
        found = gather(signals.fetch(), credentials.from_server).found
        if any(each.message == Goodbye(channel.name) for each in found):
            return
    LOG.warning("Channel %s: the server has not answered the goodbye", channel.name)


def _publish_now(row: ServerRow | None) -> int | None:
    """Publish a row; return its generation, or `None` when nothing may be published."""
    if row is None or row.channel is None or row.deleting:
        return None
    snapshot = Snapshot(row.channel.name, row.generation, row.document)
    if _put(open_as_engine(row.channel.engine_metadata_url), snapshot, row.credentials.to_server):
        _subscribe_again(row.channel, row.webhook)
    return row.generation


@retry(
    retry=retry_if_exception_type(Retriable),
    stop=stop_after_attempt(3),
    wait=wait_random_exponential(multiplier=0.5, max=5),
    reraise=True,
)
def _put(queue: MessageQueue, snapshot: Snapshot, seal: Seal) -> bool:
    """Bring the queue up to the snapshot; tell whether it was empty."""
    settings = options.get()
    plain_bytes = settings.plain_snapshot_bytes
    found = queue.fetch()
    todo = upkeep(snapshot, found, plain=is_plain(snapshot, plain_bytes), seal=seal)
    if todo.post:
        _POSTER.post(queue.post, snapshot, settings.snapshot_ttl, seal, plain_bytes, todo.base)
        LOG.info("Channel %s: posted generation %d", snapshot.channel, snapshot.generation)
    # Only after the post: at no time is the queue without a snapshot.
    queue.delete(todo.delete)
    return not found


def _subscribe_again(channel: Channel, webhook: Webhook | None) -> None:
    """Have Zaqar tell Heat, and call the server, as when the channel was made.

    An empty queue may be new, or Zaqar has lost all that it held: subscriptions, too. One
    that it still has is kept as it is.
    """
    subscribe_signals(channel.signal)
    if webhook is not None and webhook.url is not None:
        queue = open_as_engine(channel.engine_metadata_url)
        queue.subscribe(webhook.url, options.ENGINE_LIFETIME_S, PUSH_OPTIONS)


def subscribe_signals(signal: SignalQueue) -> None:
    """Have Zaqar call Heat for each message of a signal queue.

    Raises:
        TransportError: It does not.
    """
    url = signal.notify_url.reveal()
    open_as_engine(signal.engine_url).subscribe(url, options.ENGINE_LIFETIME_S)


def _reading(row: models.Resource) -> ServerRow:
    stored = {each.key: _text_of(each) for each in row.data}
    return ServerRow(
        metadata=dict(row.rsrc_metadata or {}),
        generation=row.atomic_key or 0,
        channel=Channel.parse(stored[SERVER_KEY]) if SERVER_KEY in stored else None,
        credentials=KnownCredentials.of(stored),
        webhook=Webhook.parse(stored[WEBHOOK_KEY]) if WEBHOOK_KEY in stored else None,
        deleting=row.action == _DELETE,
        in_nova=row.physical_resource_id != row.uuid,
    )


def _text_of(entry: Any) -> str:
    """Return an entry of resource data in the clear."""
    stored = crypt.decrypt(entry.decrypt_method, entry.value) if entry.redact else entry.value
    return str(stored)
