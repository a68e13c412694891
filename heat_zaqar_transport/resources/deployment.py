# SPDX-License-Identifier: Apache-2.0
"""Heat's software deployments and their groups, with ZAQAR_MESSAGE and AUTO as signal transport."""

import contextlib
import functools
import time
from collections.abc import Callable, Iterator
from typing import Any

from heat.common import exception
from heat.engine import resource
from heat.engine import software_config_io as swc_io
from heat.engine.resources.openstack.heat import software_deployment, structured_config
from heat.rpc import api as rpc_api
from oslo_log import log as logging

from heat_zaqar_transport import seals
from heat_zaqar_transport.resources import channel as channels
from heat_zaqar_transport.resources import options, publish, receive, schema, transports
from heat_zaqar_transport.resources.owner import QueueOwner, open_signals
from heat_zaqar_transport.resources.safety_net import LOOKS, NOTIFIER, SafetyNet
from heat_zaqar_transport.resources.turns import Turns
from heat_zaqar_transport.wire import Ack
from heat_zaqar_transport.wire.bounds import quoted
from heat_zaqar_transport.wire.errors import Retriable, TooLarge, TransportError
from heat_zaqar_transport.wire.sealing import Seal

LOG = logging.getLogger(__name__)

ADDED_TRANSPORTS = (transports.ZAQAR_MESSAGE, transports.AUTO)

# Input of a deployment that has a signal queue of its own; the queue's name and
# pre-signed URL travel in Heat's own deploy_queue_id and deploy_signal_id.
DEPLOY_CHANNEL = "deploy_channel"
DEPLOY_SEAL_KEYS = "deploy_seal_keys"

# Characters that go into the stack's reason: of what Heat makes of the outputs, and of a failed
# hook's stderr. Heat's column takes 64 KiB on MariaDB.
REASON_HEAD = 2000
STDERR_TAIL = 500

_ROWS = Turns()
# What may stay in them of the characters that steer a terminal.
_LAYOUT = "\n\t"


class ChannelDeployment(QueueOwner):
    """What a deployment class of Heat's gains: publishing, and signals over Zaqar."""

    _safety_net: SafetyNet | None = None

    # Which transport: AUTO is resolved before Heat's code compares names.

    def _signal_transport(self) -> str:
        return self.resolve_auto(self.properties[self.SIGNAL_TRANSPORT], transports.SIGNAL)

    def _signal_transport_ours(self) -> bool:
        return self._signal_transport() == transports.ZAQAR_MESSAGE

    def _signal_transport_cfn(self) -> bool:
        return self._signal_transport() == self.CFN_SIGNAL

    def _signal_transport_heat(self) -> bool:
        return self._signal_transport() == self.HEAT_SIGNAL

    def _signal_transport_none(self) -> bool:
        return self._signal_transport() == self.NO_SIGNAL

    def _signal_transport_temp_url(self) -> bool:
        return self._signal_transport() == self.TEMP_URL_SIGNAL

    def _signal_transport_zaqar(self) -> bool:
        return self._signal_transport() == self.ZAQAR_SIGNAL

    # Heat to server.

    def _build_derived_inputs(self, action: str, source: Any) -> list[swc_io.InputConfig]:
        inputs = super()._build_derived_inputs(action, source)
        for index, each in enumerate(inputs):
            if each.name() == self.DEPLOY_SIGNAL_TRANSPORT:
                inputs[index] = swc_io.InputConfig(
                    **{**each.as_dict(), "value": self._signal_transport()}
                )
        if self._signal_transport_ours() and self._server_channel() is None:
            inputs.extend(self._own_queue_inputs())
        return inputs

    def _own_queue_inputs(self) -> Iterator[swc_io.InputConfig]:
        own = self._ensure_own_queue()
        yield swc_io.InputConfig(
            name=self.DEPLOY_SIGNAL_ID,
            value=own.server_url.serialize(),
            description="Pre-signed URL of the queue to use for signaling output values",
        )
        yield swc_io.InputConfig(
            name=self.DEPLOY_QUEUE_ID,
            value=own.signal.queue_name,
            description="ID of queue to use for signaling output values",
        )
        yield swc_io.InputConfig(
            name=DEPLOY_CHANNEL,
            value=own.signal.channel,
            description="Channel that signaled output values must name",
        )
        if own.seal_key is not None:
            yield swc_io.InputConfig(
                name=DEPLOY_SEAL_KEYS,
                value=seals.text_of([own.seal_key]),
                description="Key to seal signaled output values with",
            )

    def _handle_action(
        self, action: str, config: Any = None, prev_derived_config: Any = None
    ) -> Any:
        with self._turn():
            waiting = super()._handle_action(action, config, prev_derived_config)
        try:
            publish.publish(self._server_row)
        except Retriable as exc:
            if waiting is None:
                raise  # nobody would try again
            LOG.warning("%s: not published yet, tried again while waiting: %s", self.name, exc)
        times = options.get()
        self._safety_net = SafetyNet(
            times.safety_net_first, times.safety_net_longest, time.monotonic, NOTIFIER
        )
        return waiting

    def _turn(self) -> contextlib.AbstractContextManager[object]:
        """Let one deployment of a server at a time change its row, in this engine process.

        Heat's optimistic lock lets one win, and the others give up after some ten tries: two
        hundred at the same time do not all get through.
        """
        if self._server_channel() is None:
            return contextlib.nullcontext()
        return _ROWS.of(str(self.properties[self.SERVER]))

    def _server_exists(self, sd: Any) -> bool:
        """Tell whether a DELETE action has anyone to wait for.

        Heat asks Nova, which knows nothing of a DeployedServer, or is not there at all.
        """
        row = self._server_row()
        if row is not None and not row.in_nova:
            return not row.deleting
        return bool(super()._server_exists(sd))

    def _delete_resource(self) -> None:
        with self._turn():
            super()._delete_resource()
        try:
            publish.publish(self._server_row)
        except (TransportError, TooLarge) as exc:
            # The next publish will not name it either; a delete does not wait for Zaqar.
            LOG.warning("%s: the server is not told of the deletion yet: %s", self.name, exc)

    def _restore(self) -> None:
        publish.restore(self._server_row)

    def _server_row(self) -> publish.ServerRow | None:
        return publish.read_server(self.context, self.properties[self.SERVER])

    def _server_channel(self) -> channels.Channel | None:
        row = self._server_row()
        return row.channel_in_use if row else None

    # Server to Heat.

    def handle_signal(self, details: Any) -> Any:
        """Take a signal: through the deployment's own queue, or as Heat does."""
        own = self._own_queue()
        if own is None or not _from_notifier(details, own.signal):
            return super().handle_signal(details)
        queue = open_signals(own.signal)
        said = self._receiver_of(own).notified(receive.unwrapped(details), queue)
        if not said:
            raise resource.NoActionRequired(self.name, "nothing new")
        return "; ".join(dict.fromkeys(said))

    def _check_complete(self) -> Any:
        try:
            complete = super()._check_complete()
        except exception.Error as failure:
            reason = quoted(str(failure), REASON_HEAD, _LAYOUT)
            raise exception.Error(f"{reason}{self._stderr_tail()}") from failure
        if self._safety_net is not None:
            self._watch_over(self._safety_net, complete)
        return complete

    def _stderr_tail(self) -> str:
        """Tell what the hook wrote last: the status code alone helps nobody."""
        deployment = self.rpc_client().show_software_deployment(self.context, self.resource_id)
        outputs = deployment[rpc_api.SOFTWARE_DEPLOYMENT_OUTPUT_VALUES] or {}
        stderr = str(outputs.get(self.STDERR) or "").strip()
        return f"\n{quoted(stderr[-STDERR_TAIL:], STDERR_TAIL, _LAYOUT)}" if stderr else ""

    def _watch_over(self, net: SafetyNet, complete: bool) -> None:
        if complete:
            net.completed()
        elif net.due() and LOOKS.due(self._looked_into(), net.first_s / 2):
            net.looked(self._look_into_queues())

    def _looked_into(self) -> str:
        """Name what a look serves: all deployments of the server, or this one's own queue."""
        own = self._own_queue()
        return own.signal.queue_name if own else str(self.properties[self.SERVER])

    def _look_into_queues(self) -> list[int] | None:
        """Put back what Zaqar may have lost, and take what lies in the signal queue.

        Returns:
            The ages of the messages in the signal queue, in seconds; `None`: it could not
            be looked into.
        """
        try:
            self._restore()
            return self._sweep() if self._signal_transport_ours() else []
        except TransportError as exc:
            LOG.warning("%s: no look into the queues: %s", self.name, exc)
            return None

    def _sweep(self) -> list[int]:
        receiving = self._receiving()
        if receiving is None:
            return []
        receiver, signal = receiving
        swept = receiver.sweep(open_signals(signal))
        for sentence in swept.said:
            self._add_event("SIGNAL", self.status, f"Signal: {sentence}")
        return swept.ages_s

    def _receiving(self) -> tuple[receive.Receiver, channels.SignalQueue] | None:
        """Return what takes messages, and the queue they come by; `None`: there is none."""
        own = self._own_queue()
        if own is not None:
            return self._receiver_of(own), own.signal
        row = self._server_row()
        if row is None or row.channel_in_use is None:
            return None
        channel, credentials = row.channel_in_use, row.credentials
        acknowledge = functools.partial(publish.acknowledge, channel, credentials.to_server)
        receiver = self._receiver(channel.name, credentials.from_server, acknowledge)
        return receiver, channel.signal

    def _receiver_of(self, own: channels.OwnQueue) -> receive.Receiver:
        return self._receiver(own.signal.channel, own.seal)

    def _receiver(
        self, channel: str, seal: Seal, acknowledge: Callable[[Ack], None] | None = None
    ) -> receive.Receiver:
        server_id = self.properties[self.SERVER]
        return receive.Receiver(
            channel=channel,
            context=self.context,
            rpc=self.rpc_client(),
            deployments=lambda: receive.deployments_of(self.context, server_id),
            exists=functools.partial(receive.config_exists, self.context),
            # Credentials are the server resource's business, which is told first.
            answer=lambda _: self._restore(),
            acknowledge=acknowledge,
            seal=seal,
        )

    # A queue of its own, for a server whose transport is another.

    def _own_queue(self) -> channels.OwnQueue | None:
        stored = self.data().get(channels.DEPLOYMENT_KEY)
        return None if stored is None else channels.OwnQueue.parse(stored)

    def _ensure_own_queue(self) -> channels.OwnQueue:
        before = own = self._own_queue()
        if own is None:
            own = self.create_own_queue()
        elif time.time() >= own.renew_at:
            own = self.renewed_own_queue(own)
        if own != before:
            self.data_set(channels.DEPLOYMENT_KEY, own.serialize(), redact=True)
        return own

    def _delete_signals(self) -> None:
        own = self._own_queue()
        if own is not None:
            self.destroy_queues([own.signal.queue_name])
            self.data_delete(channels.DEPLOYMENT_KEY)
        super()._delete_signals()


def _from_notifier(details: object, queue: channels.SignalQueue) -> bool:
    return isinstance(details, dict) and details.get("queue_name") == queue.queue_name


def _widened(heat_class: Any) -> Any:
    """Return the class's properties schema with our signal transports allowed too."""
    return schema.with_values(
        heat_class.properties_schema,
        heat_class.SIGNAL_TRANSPORT,
        ADDED_TRANSPORTS,
        schema.SIGNAL_HELP,
    )


class SoftwareDeployment(ChannelDeployment, software_deployment.SoftwareDeployment):
    """Heat's OS::Heat::SoftwareDeployment, with signals over Zaqar."""

    properties_schema = _widened(software_deployment.SoftwareDeployment)


class StructuredDeployment(ChannelDeployment, structured_config.StructuredDeployment):
    """Heat's OS::Heat::StructuredDeployment, with signals over Zaqar."""

    properties_schema = _widened(structured_config.StructuredDeployment)


class SoftwareDeploymentGroup(software_deployment.SoftwareDeploymentGroup):
    """Heat's OS::Heat::SoftwareDeploymentGroup; its members are of our type."""

    properties_schema = _widened(software_deployment.SoftwareDeploymentGroup)


class StructuredDeploymentGroup(structured_config.StructuredDeploymentGroup):
    """Heat's OS::Heat::StructuredDeploymentGroup; its members are of our type."""

    properties_schema = _widened(structured_config.StructuredDeploymentGroup)


class SoftwareDeployments(software_deployment.SoftwareDeployments):
    """Heat's hidden older name of SoftwareDeploymentGroup."""

    properties_schema = _widened(software_deployment.SoftwareDeployments)


class StructuredDeployments(structured_config.StructuredDeployments):
    """Heat's hidden older name of StructuredDeploymentGroup."""

    properties_schema = _widened(structured_config.StructuredDeployments)
