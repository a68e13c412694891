# SPDX-License-Identifier: Apache-2.0
"""Receiving: what a server says through a signal queue.

Everything that arrives is hostile until it has proved itself. A server can only
answer for runs of its own: a result counts when its config is the present config of a
deployment whose server is the one the queue belongs to. A late result of an earlier
action names a config that is no longer the present one, and changes nothing; handling
the same message twice does no more than once. Each result is acked when nothing is left
to do about it, recorded or not, so that its sender stops; a message is deleted last.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from heat.common import exception
from heat.common.context import RequestContext
from heat.db import api as db_api
from heat.rpc import api as rpc_api
from heat.rpc.client import EngineClient
from oslo_log import log as logging
from oslo_utils import timeutils

from heat_zaqar_transport.queues import MessageQueue
from heat_zaqar_transport.wire import Ack, Goodbye, Hello, QueuedMessage, Result, gather
from heat_zaqar_transport.wire.bounds import check_depth, quoted, storable
from heat_zaqar_transport.wire.errors import TransportError, WireFormatError
from heat_zaqar_transport.wire.messages import RESULT
from heat_zaqar_transport.wire.parts import Gathered
from heat_zaqar_transport.wire.sealing import NO_SEAL, Seal

LOG = logging.getLogger(__name__)

# A message that lies in the queue for so many seconds should have been told by the notifier.
OVERDUE_S = 5
# Parts whose others have not come within so many seconds go. Whoever has sent them has no ack,
# or an error, and sends all of them again.
FORLORN_S = 600
# Sentences of one look that go into the event list.
MAX_SENTENCES = 8

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


def config_exists(context: RequestContext, config_id: str) -> bool:
    """Tell whether the project has a config, be it of whichever server's deployment.

    Heat deletes a derived config when the next one takes its place.
    """
    try:
        db_api.software_config_get(context, config_id)
    except exception.NotFound:
        return False
    return True


@dataclass(frozen=True)
class Swept:
    """What came of a look into the queue.

    Attributes:
        said: Sentences for the event list.
        ages_s: Seconds that each message lay there.
    """

    said: list[str]
    ages_s: list[int]


@dataclass(frozen=True)
class Receiver:
    """Takes the messages of one signal queue.

    Attributes:
        channel: The channel that each message must name.
        context: The stack's own stored context: that of the server's stack user
            could not see the deployments.
        rpc: Heat's engine client.
        deployments: Lists the deployments that this queue may answer for.
        exists: Tells whether there is a config, be it of whichever deployment.
        answer: Sends the present snapshot again, for a hello.
        acknowledge: Tells the server that a result has been read; `None`: it has no
            queue to be told by, and expects nothing.
        seal: Opens what arrives.
    """

    channel: str
    context: RequestContext
    rpc: EngineClient
    deployments: Callable[[], Iterable[Deployment]]
    exists: Callable[[str], bool]
    answer: Callable[[Hello], None]
    acknowledge: Callable[[Ack], None] | None = None
    seal: Seal = NO_SEAL

    def notified(self, body: object, queue: MessageQueue) -> list[str]:
        """Take the message that a notification has brought, and clear it away.

        It may be a part of a larger one, whose others lie in the queue. What has lain there
        for longer than a notification takes is taken, too: nobody has told of it.

        Returns:
            Sentences for the event list.
        """
        told = self._gather([QueuedMessage("", body)])
        said = self._handle(told)
        try:
            said += self._clear(queue, _comparable(body), in_part=bool(told.incomplete))
        except TransportError as exc:
            # What was delivered is dealt with; what stays in the queue is found by a sweep.
            LOG.warning("Channel %s: the signal queue was not cleared: %s", self.channel, exc)
        return _few(said)

    def sweep(self, queue: MessageQueue) -> "Swept":
        """Take whatever lies in the queue, and delete it.

        Messages stay in the queue when Zaqar's notifier has delivered them, and are
        nowhere else when it could not. Parts whose others are missing are left to wait.

        Raises:
            TransportError: The queue cannot be read, or not be cleared.
        """
        gathered = self._gather(queue.fetch())
        carriers = [each for found in gathered.found for each in found.carriers]
        said = self._handle(gathered)
        queue.delete(_ids_of(gathered))
        return Swept(_few(said), [each.age_s for each in carriers])

    def _clear(self, queue: MessageQueue, body: object, *, in_part: bool) -> list[str]:
        """Delete what was delivered, and take what nobody has told of, or what is whole now."""
        queued = queue.fetch()
        delivered = [each.id for each in queued if each.body == body and not in_part]
        rest = [each for each in queued if each.id not in delivered]
        if in_part and all(each.body != body for each in rest):
            # Zaqar tells of a message before it stores it.
            rest.append(QueuedMessage("", body))
        due = self._due(rest, body)
        said = self._handle(due)
        queue.delete([*delivered, *_ids_of(due)])
        return said

    def _gather(self, queued: Iterable[QueuedMessage]) -> Gathered:
        return gather(queued, self.seal, RESULT)

    def _due(self, queued: Sequence[QueuedMessage], body: object) -> Gathered:
        """Return what is overdue, and what the part with this body has made whole."""
        overdue = {each.id for each in queued if each.age_s >= OVERDUE_S}

        def is_due(carriers: Iterable[QueuedMessage]) -> bool:
            return any(each.body == body or each.id in overdue for each in carriers)

        gathered = gather(queued, self.seal, RESULT, is_due)
        return Gathered(
            found=tuple(found for found in gathered.found if is_due(found.carriers)),
            incomplete=gathered.incomplete,
            rejected=tuple(each for each in gathered.rejected if each.message_id in overdue),
        )

    def _handle(self, gathered: Gathered) -> list[str]:
        """Take messages: of equal results one, of hellos the last, of equal refusals one."""
        refused = [each.reason for each in gathered.rejected]
        results: dict[tuple[str, int], Result] = {}
        hello: Hello | None = None
        for found in gathered.found:
            match found.message:
                case Result() | Hello() | Goodbye() as other if other.channel != self.channel:
                    refused.append("the message names another channel")
                case Result() as result:
                    results.setdefault((result.config_id, result.attempt), result)
                case Hello():
                    hello = found.message
                case Goodbye():
                    pass  # the answer to ours, which who deletes the queue looks for
                case _:
                    refused.append("neither a result nor a hello")
        said = [self._refused(reason) for reason in dict.fromkeys(refused)]
        said += [sentence for each in results.values() if (sentence := self._take(each))]
        if hello is not None:
            self._answer(hello)
        return said

    def _take(self, result: Result) -> str | None:
        """Take a result; return a sentence, or `None` when there was nothing to do."""
        said = self._record(result)
        self._acknowledge(result)
        return said

    def _record(self, result: Result) -> str | None:
        for deployment in self.deployments():
            if deployment[rpc_api.SOFTWARE_DEPLOYMENT_CONFIG_ID] == result.config_id:
                return self._signal(deployment[rpc_api.SOFTWARE_DEPLOYMENT_ID], result)
        if self.exists(result.config_id):
            return self._refused("its result is of a deployment that is not this server's")
        LOG.info("Channel %s: late result, ignored", self.channel)
        return None

    def _signal(self, deployment_id: str, result: Result) -> str | None:
        # Heat itself ignores a deployment that is not IN_PROGRESS, and says None then.
        outputs = storable(dict(result.outputs))
        said = self.rpc.signal_software_deployment(
            self.context, deployment_id, outputs, timeutils.utcnow().isoformat()
        )
        sentence = None if said is None else quoted(str(said))
        LOG.info("Channel %s: %s", self.channel, sentence or "the result was recorded before")
        return sentence

    def _acknowledge(self, result: Result) -> None:
        if self.acknowledge is None:
            return
        try:
            self.acknowledge(Ack(self.channel, result.config_id, result.attempt))
        except TransportError as exc:
            # The server sends it again, and that one is acked.
            LOG.warning("Channel %s: no ack: %s", self.channel, exc)

    def _answer(self, hello: Hello) -> None:
        LOG.info("Channel %s: hello (%.40r)", self.channel, hello.reason)
        try:
            self.answer(hello)
        except TransportError as exc:
            # The server asks again. What lies behind the hello must not wait for that.
            LOG.warning("Channel %s: a hello is not answered: %s", self.channel, exc)

    def _refused(self, reason: str) -> str:
        LOG.warning("Channel %s: refused a message: %s", self.channel, reason)
        return f"refused a message from the server: {reason}"


def unwrapped(details: object) -> object:
    """Return the body of what Zaqar's notifier posts.

    The notifier sends `{"body", "ttl", "queue_name", "Message_Type"}`.
    """
    return details.get("body") if isinstance(details, dict) else details


def _comparable(body: object) -> object:
    """Return what other bodies may be compared with, which walks both by recursion."""
    try:
        check_depth(body)
    except WireFormatError:
        return None
    return body


def _few(said: list[str]) -> list[str]:
    """Return no more sentences than the event list shall have of one look."""
    more = len(said) - MAX_SENTENCES
    return [*said[:MAX_SENTENCES], f"and {more} more"] if more > 0 else said


def _ids_of(gathered: Gathered) -> list[str]:
    ids = [each.id for found in gathered.found for each in found.carriers]
    ids += [each.message_id for each in gathered.rejected]
    for _, carriers in gathered.incomplete:
        if all(each.age_s >= FORLORN_S for each in carriers):
            ids += [each.id for each in carriers]
    return [each for each in ids if each]
