# SPDX-License-Identifier: Apache-2.0
"""Receiving: what a server says through a signal queue.

Everything that arrives is hostile until it has proved itself. A server can only
answer for runs of its own: a result counts when its config is the present config of a
deployment whose server is the one the queue belongs to. A late result of an earlier
action names a config that is no longer the present one, and changes nothing; handling
the same message twice does no more than once.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from heat.common.context import RequestContext
from heat.db import api as db_api
from heat.rpc import api as rpc_api
from heat.rpc.client import EngineClient
from oslo_log import log as logging
from oslo_utils import timeutils

from heat_zaqar_transport.queues import MessageQueue
from heat_zaqar_transport.wire import Hello, Result, parse
from heat_zaqar_transport.wire.errors import WireFormatError

LOG = logging.getLogger(__name__)

# Seconds that a look into the queue hides what it found from other engines: should this
# one die, the messages come back after that. Zaqar's least is 60.
CLAIM_TTL_S = 60

Deployment = Mapping[str, Any]


def deployments_of(context: RequestContext, server_id: str) -> list[Deployment]:
    """List the ids of a server's deployments, with those of their present configs.

    They are read where Heat's own service reads them: asking that costs each result
    another round through the message broker.
    """
    return [
        {
            rpc_api.SOFTWARE_DEPLOYMENT_ID: row.id,
            rpc_api.SOFTWARE_DEPLOYMENT_CONFIG_ID: row.config_id,
        }
        for row in db_api.software_deployment_get_all(context, server_id)
    ]


@dataclass(frozen=True)
class Receiver:
    """Takes the messages of one signal queue.

    Attributes:
        channel: The channel that each message must name.
        context: The stack's own stored context: that of the server's stack user
            could not see the deployments.
        rpc: Heat's engine client.
        deployments: Lists the deployments that this queue may answer for.
        publish: Sends the present snapshot again, for a hello.
    """

    channel: str
    context: RequestContext
    rpc: EngineClient
    deployments: Callable[[], Iterable[Deployment]]
    publish: Callable[[], None]

    def receive(self, body: object) -> str | None:
        """Take one message's body.

        Returns:
            A sentence for the event list, or `None` when there was nothing to do.
        """
        try:
            message = parse(body)
        except WireFormatError as exc:
            return self._refused(str(exc))
        match message:
            case Result() | Hello() if message.channel != self.channel:
                return self._refused("the message names another channel")
            case Result():
                return self._record(message)
            case Hello():
                LOG.info("Channel %s: hello (%.40r)", self.channel, message.reason)
                self.publish()
                return None
            case _:
                return self._refused("neither a result nor a hello")

    def sweep(self, queue: MessageQueue) -> "Swept":
        """Take whatever lies in the queue, and delete it.

        Messages stay in the queue when Zaqar's notifier has delivered them, and are
        nowhere else when it could not.
        """
        found = queue.claim(CLAIM_TTL_S)
        said = [self.receive(message.body) for message in found]
        queue.delete(message.id for message in found)
        return Swept([each for each in said if each], [message.age_s for message in found])

    def _record(self, result: Result) -> str | None:
        for deployment in self.deployments():
            if deployment[rpc_api.SOFTWARE_DEPLOYMENT_CONFIG_ID] == result.config_id:
                return self._signal(deployment[rpc_api.SOFTWARE_DEPLOYMENT_ID], result)
        LOG.info("Channel %s: late or foreign result, ignored", self.channel)
        return None

    def _signal(self, deployment_id: str, result: Result) -> str | None:
        # Heat itself ignores a deployment that is not IN_PROGRESS, and says None then.
        said = self.rpc.signal_software_deployment(
            self.context, deployment_id, dict(result.outputs), timeutils.utcnow().isoformat()
        )
        LOG.info("Channel %s: %s", self.channel, said or "the result was recorded before")
        return said if said is None else str(said)

    def _refused(self, reason: str) -> str:
        LOG.warning("Channel %s: refused a message: %s", self.channel, reason)
        return f"refused a message from the server: {reason}"


@dataclass(frozen=True)
class Swept:
    """What was found in a queue.

    Attributes:
        said: Sentences for the event list.
        ages_s: Seconds that each message lay there.
    """

    said: list[str]
    ages_s: list[int]


def unwrapped(details: object) -> object:
    """Return the body of what Zaqar's notifier posts.

    The notifier sends `{"body", "ttl", "queue_name", "Message_Type"}`.
    """
    return details.get("body") if isinstance(details, dict) else details
