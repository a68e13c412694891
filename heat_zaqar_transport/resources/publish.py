# SPDX-License-Identifier: Apache-2.0
"""Publishing: a server's metadata, as its row says it now, to its metadata queue.

The document and its generation (the row's `atomic_key`) are read together, so that
two engines that publish at the same time cannot give one generation two contents. The
queue keeps the newest snapshot, never a backlog, and what is there is not posted again.
"""

from dataclasses import dataclass
from typing import Any

from heat.common import crypt
from heat.common.context import RequestContext
from heat.db import api as db_api
from heat.db import models
from oslo_log import log as logging
from tenacity import retry, retry_if_exception_type, stop_after_attempt, wait_random_exponential

from heat_zaqar_transport.queues import MessageQueue
from heat_zaqar_transport.resources import options
from heat_zaqar_transport.resources.channel import SERVER_KEY, Channel
from heat_zaqar_transport.resources.owner import open_as_engine
from heat_zaqar_transport.wire import Snapshot, serialize, upkeep
from heat_zaqar_transport.wire.errors import Retriable

LOG = logging.getLogger(__name__)

_DELETE = "DELETE"


@dataclass(frozen=True)
class ServerRow:
    """One reading of a server resource's row.

    Attributes:
        document: Its metadata.
        generation: The `atomic_key` that belongs to it.
        channel: `None` when the server has none.
        deleting: Whether the server is on its way out.
        in_nova: Whether Nova made it; a DeployedServer's physical id is its resource's own.
    """

    document: dict[str, Any]
    generation: int
    channel: Channel | None
    deleting: bool
    in_nova: bool

    @property
    def channel_in_use(self) -> Channel | None:
        """The channel, if the server's present configuration names it.

        A server that has changed to another transport keeps its channel, to be told so,
        but its agent forgets it.
        """
        config = self.document.get("os-collect-config") or {}
        named = (config.get("zaqar") or {}).get("channel")
        return self.channel if self.channel and self.channel.name == named else None


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


def publish(row: ServerRow | None) -> None:
    """Post a server's snapshot, unless it is there, and delete what it replaces.

    Nothing happens for a server without a channel, or one that is being deleted.

    Raises:
        TransportError: Zaqar did not take it, three tries long where that makes sense.
        WireFormatError: The metadata cannot be told in a snapshot.
    """
    if row is None or row.channel is None or row.deleting:
        return
    snapshot = Snapshot(row.channel.name, row.generation, row.document)
    _put(open_as_engine(row.channel.engine_metadata_url), snapshot)


@retry(
    retry=retry_if_exception_type(Retriable),
    stop=stop_after_attempt(3),
    wait=wait_random_exponential(multiplier=0.5, max=5),
    reraise=True,
)
def _put(queue: MessageQueue, snapshot: Snapshot) -> None:
    todo = upkeep(snapshot, [(message.id, message.body) for message in queue.fetch()])
    if todo.post:
        queue.post(serialize(snapshot), options.get().snapshot_ttl)
        LOG.info("Channel %s: posted generation %d", snapshot.channel, snapshot.generation)
    # Only after the post: at no time is the queue without a snapshot.
    queue.delete(todo.delete)


def _reading(row: models.Resource) -> ServerRow:
    stored = {each.key: each for each in row.data}
    channel = None
    if SERVER_KEY in stored:
        entry = stored[SERVER_KEY]
        text = crypt.decrypt(entry.decrypt_method, entry.value) if entry.redact else entry.value
        channel = Channel.parse(text)
    return ServerRow(
        document=dict(row.rsrc_metadata or {}),
        generation=row.atomic_key or 0,
        channel=channel,
        deleting=row.action == _DELETE,
        in_nova=row.physical_resource_id != row.uuid,
    )
