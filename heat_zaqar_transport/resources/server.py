# SPDX-License-Identifier: Apache-2.0
"""OS::Heat::DeployedServer and OS::Nova::Server with a channel over Zaqar."""

import functools
from collections.abc import Mapping
from typing import Any

from heat.common import exception
from heat.engine import resource, rsrc_defn
from heat.engine.resources import signal_responder
from heat.engine.resources.openstack.heat import deployed_server
from heat.engine.resources.openstack.nova import server as nova_server
from oslo_log import log as logging

from heat_zaqar_transport.queues import PUSH_OPTIONS
from heat_zaqar_transport.resources import channel as channels
from heat_zaqar_transport.resources import (
    options,
    publish,
    receive,
    schema,
    transports,
    trust,
)
from heat_zaqar_transport.resources.credentials import KnownCredentials
from heat_zaqar_transport.resources.owner import open_signals
from heat_zaqar_transport.resources.publish import ServerRow
from heat_zaqar_transport.resources.server_channel import ServerChannel
from heat_zaqar_transport.resources.wishes import COLLECTOR, SECTION, WEBHOOK_URL, Unfit, Wishes
from heat_zaqar_transport.wire import Hello, digest_of
from heat_zaqar_transport.wire.errors import NotConfigured, TransportError

LOG = logging.getLogger(__name__)


class ChannelServer(ServerChannel):
    """What a server class of Heat's gains: a channel, publishing, and signals."""

    @property
    def requires_deferred_auth(self) -> bool:
        """Whether the stack must keep credentials: taking a result acts on its behalf."""
        return self.transport_zaqar_message(self.properties)

    # Which transport: AUTO is resolved before Heat's code compares names.

    def transport_zaqar_message(self, props: Any) -> bool:
        """Tell whether the server's transport is ours."""
        return self._transport(props) == self.ZAQAR_MESSAGE

    def transport_poll_server_cfn(self, props: Any) -> bool:
        """Tell whether the server polls heat-api-cfn."""
        return self._transport(props) == self.POLL_SERVER_CFN

    def transport_poll_server_heat(self, props: Any) -> bool:
        """Tell whether the server polls heat-api."""
        return self._transport(props) == self.POLL_SERVER_HEAT

    def transport_poll_temp_url(self, props: Any) -> bool:
        """Tell whether the server polls Swift."""
        return self._transport(props) == self.POLL_TEMP_URL

    def _transport(self, props: Any) -> str:
        name = props[self.SOFTWARE_CONFIG_TRANSPORT]
        if name is None:
            # An update that drops the property from the template names no transport.
            name = self.properties_schema[self.SOFTWARE_CONFIG_TRANSPORT].default
        return self.resolve_auto(name, transports.SERVER)

    # The channel.

    def _create_transport_credentials(self, props: Any) -> None:
        if self.transport_zaqar_message(props):
            self._ensure_stack_user()
            self._register_access_key()
        else:
            super()._create_transport_credentials(props)

    def _delete(self) -> Any:
        channel = self.channel()
        if channel is not None:
            _say_goodbye(channel, self._credentials())
            self.destroy_queues(channel.queue_names)
            self.data_delete(channels.SERVER_KEY)
        return super()._delete()

    def handle_check(self) -> None:
        """Check the server as Heat does, and put back what Zaqar may have lost.

        What heat.conf now says to servers, such as another CA, goes to this one.
        """
        check = getattr(super(), "handle_check", None)
        if check is not None:
            check()
        if self.transport_zaqar_message(self.properties):
            self._restore_channel_metadata(self.t.metadata(), self._agent_options())
        self._renew_credentials()
        self.restore()

    # Heat to server.

    def _populate_deployments_metadata(self, meta: dict[str, Any], props: Any) -> None:
        if self.transport_zaqar_message(props):
            named = self._with_channel(meta, Wishes.of(self.t.metadata()))
            if self.action != self.CREATE:
                self.data_set(channels.POLLED_KEY, self.action)
            self.metadata_set(self._as_stored(named))
            # In place: Heat makes a server's user data of it.
            meta.update(self._credentials().filled_in(named))
        else:
            super()._populate_deployments_metadata(meta, props)
        # A server that leaves our transport reads of it on the channel that it still has.
        self.publish()

    def _with_channel(self, meta: Mapping[str, Any], wishes: Wishes) -> dict[str, Any]:
        """Return metadata that names the channel, and no other source."""
        config = dict(meta.get(SECTION) or {})
        _forget_other_sources(config)
        config["collectors"] = [*self.default_collectors, COLLECTOR, "local"]
        config[COLLECTOR] = {
            **(config.get(COLLECTOR) or {}),
            **wishes.for_agent(),
            **self._collector_options(wishes),
        }
        return {"deployments": [], **meta, SECTION: config}

    def _collector_options(self, wishes: Wishes) -> dict[str, Any]:
        channel = self._ensure_channel()
        options_of_server = {
            "channel": channel.name,
            **self._present_credentials().naming(),
            **trust.agent_options(),
        }
        credentials = options.get().server_credentials
        websocket = self._websocket_of_servers() if wishes.websocket else None
        if websocket and credentials != options.NEVER:
            options_of_server["websocket_url"] = websocket
        if credentials == options.ALWAYS or "websocket_url" in options_of_server:
            options_of_server |= self._keystone_options(channel)
        if wishes.webhook:
            options_of_server["webhook_path"] = self._ensure_webhook().path
        return options_of_server

    def _keystone_options(self, channel: channels.Channel) -> dict[str, Any]:
        return {
            "user_id": self._get_user_id(),
            channels.PASSWORD: None,
            "auth_url": self._auth_url_of_servers(),
            "project_id": self.stack.stack_user_project_id,
            "queue_id": channel.queue_names[0],
            "region_name": self._get_region_name(),
        }

    def publish(self) -> None:
        """Post the present snapshot, if the server has a channel."""
        publish.publish(self._row)

    def restore(self) -> None:
        """Post it if the queue has it not, whatever has been posted before."""
        publish.restore(self._row)

    def _row(self) -> ServerRow:
        return publish.read_resource(self.context, self.id)

    def handle_update(
        self, json_snippet: rsrc_defn.ResourceDefinition, tmpl_diff: Any, prop_diff: Any
    ) -> Any:
        """Update the server as Heat does, then tell it."""
        options_before = self._agent_options()
        updaters = super().handle_update(json_snippet, tmpl_diff, prop_diff)
        if tmpl_diff.metadata_changed():
            properties = json_snippet.properties(self.properties_schema, self.context)
            if self.transport_zaqar_message(properties):
                self._restore_channel_metadata(json_snippet.metadata(), options_before)
            self._renew_credentials()
            self.publish()
        return updaters

    def metadata_update(self, new_metadata: Any = None) -> None:
        """Refresh the template's metadata as Heat does, then tell the server if it changed."""
        before = digest_of(self.metadata_get(refresh=True))
        options_before = self._agent_options()
        super().metadata_update(new_metadata)
        if self.transport_zaqar_message(self.properties):
            self._restore_channel_metadata(self.t.metadata(), options_before)
        if digest_of(self.metadata_get(refresh=True)) != before:
            self.publish()

    def _agent_options(self) -> list[str]:
        """Name the options that the server's agent has been sent."""
        config = (self.metadata_get(refresh=True) or {}).get(SECTION) or {}
        return list(config.get(COLLECTOR) or ())

    def _restore_channel_metadata(self, template: Any, options_before: list[str]) -> None:
        """Put the channel back: Heat has put the template's agent options in its place.

        Options that are no longer in the template are set to null, which also overrides the
        boot configuration.
        """
        wishes = Wishes.of(template)
        if self.channel() is None:
            return

        def restored(_: Any, meta: Mapping[str, Any]) -> dict[str, Any]:
            config = {**(meta.get(SECTION) or {}), COLLECTOR: dict.fromkeys(options_before)}
            return self._as_stored(self._with_channel({**meta, SECTION: config}, wishes))

        meta = self.metadata_get(refresh=True) or {}
        # Mostly there is nothing to put back, and nothing is written.
        if restored(None, meta) != meta:
            self.metadata_set(meta, merge_metadata=restored)
        self._subscribe_webhook(wishes)

    # Being called by Zaqar.

    def check_create_complete(self, server_id: Any) -> Any:
        """Have Zaqar call the server, if it shall, as soon as it has an address."""
        complete = super().check_create_complete(server_id)
        if complete and self.transport_zaqar_message(self.properties):
            self._subscribe_webhook(Wishes.of(self.t.metadata()))
        return complete

    def _subscribe_webhook(self, wishes: Wishes) -> None:
        """Have Zaqar call what the template, or Nova, says, and nothing else."""
        webhook, channel = self._webhook(), self.channel()
        if webhook is None or channel is None:
            return
        base = (wishes.webhook_base or self._base_at_address(wishes)) if wishes.webhook else None
        url = f"{base}{webhook.path}" if base else None
        if url == webhook.url:
            return
        queue = self._open_as_owner(channel.queue_names[0], self._endpoint_of_engine())
        if webhook.url:
            queue.unsubscribe(webhook.url)
        if url:
            queue.subscribe(url, options.ENGINE_LIFETIME_S, PUSH_OPTIONS)
        called = channels.Webhook(webhook.path, url)
        self.data_set(channels.WEBHOOK_KEY, called.serialize(), redact=True)

    def _base_at_address(self, wishes: Wishes) -> str:
        address = self._address()
        if address is None:
            raise exception.Error(
                f"push is webhook, and no address of the server is known: say {WEBHOOK_URL}"
            )
        return wishes.webhook_base_at(address)

    def _address(self) -> str | None:
        """Return the server's first address; `None`: there is none, or nobody says it."""
        return None

    def validate(self) -> Any:
        """Check the template as Heat does, and what it and heat.conf say to the agent."""
        valid = super().validate()
        self._validate_trust()
        try:
            Wishes.of(self.t.metadata())
        except Unfit as exc:
            raise exception.StackValidationFailed(
                message=f"{self.name}: metadata {SECTION}.{COLLECTOR}: {exc}"
            ) from exc
        return valid

    def _validate_trust(self) -> None:
        if not self.transport_zaqar_message(self.properties):
            return
        try:
            trust.agent_options()
        except NotConfigured as exc:
            raise exception.StackValidationFailed(message=f"{self.name}: {exc}") from exc

    def _resolve_attribute(self, name: str) -> Any:
        if name == self.OS_COLLECT_CONFIG and self.resource_id is not None:
            return self._boot_config()
        return super()._resolve_attribute(name)

    def _show_resource(self) -> Any:
        # Heat's API tells of a server in Nova what Nova tells, and this beside it.
        return {**super()._show_resource(), self.OS_COLLECT_CONFIG: self._boot_config()}

    def _boot_config(self) -> Any:
        return self._row().document.get(SECTION, {})

    # Server to Heat.

    def handle_signal(self, details: object = None) -> str:
        """Take a message that Zaqar's notifier delivered, or an operator's call for help.

        Args:
            details: The notification; nothing: an operator wants the server to have what it
                needs, also while an update waits for it.

        Returns:
            A sentence for the event list.

        Raises:
            NoActionRequired: There was nothing to do, so there is no event.
        """
        channel = self.channel()
        if channel is None:
            raise resource.NoActionRequired(self.name, "the server has no channel")
        if not details:
            self._renew_credentials()
            self.restore()
            return "the queue holds what the server needs"
        queue = open_signals(channel.signal)
        said = self._receiver(channel).notified(receive.unwrapped(details), queue)
        if not said:
            raise resource.NoActionRequired(self.name, "nothing new")
        return "; ".join(dict.fromkeys(said))

    def _receiver(self, channel: channels.Channel) -> receive.Receiver:
        credentials = self._credentials()
        return receive.Receiver(
            channel=channel.name,
            context=self.context,
            rpc=self.rpc_client(),
            deployments=lambda: receive.deployments_of(self.context, self.resource_id),
            exists=functools.partial(receive.config_exists, self.context),
            answer=self._answer,
            acknowledge=functools.partial(publish.acknowledge, channel, credentials.to_server),
            seal=credentials.from_server,
        )

    def _answer(self, hello: Hello) -> None:
        """Give a server what it lacks: the snapshot, and credentials in their time."""
        self._note_told(hello.credentials)
        self._hide_credentials(hello.credentials)
        self._renew_credentials()
        self.restore()


def _say_goodbye(channel: channels.Channel, credentials: KnownCredentials) -> None:
    """Tell the agent, and let it hear it.

    Afterwards it finds an empty queue. To ask for a snapshot then would make the signal queue
    anew, and nobody would ever delete that.
    """
    try:
        publish.say_goodbye(channel, credentials)
    except TransportError as exc:
        LOG.warning("Channel %s: the server is not told of the end: %s", channel.name, exc)


def _forget_other_sources(config: dict[str, Any]) -> None:
    """Set what other transports left to null, which also overrides the boot configuration."""
    for name in ("heat", "cfn", "request", COLLECTOR):
        if isinstance(config.get(name), dict):
            config[name] = dict.fromkeys(config[name])


class DeployedServer(
    ChannelServer, deployed_server.DeployedServer, signal_responder.SignalResponder
):
    """Heat's OS::Heat::DeployedServer, with a channel over Zaqar."""

    properties_schema = schema.with_values(
        deployed_server.DeployedServer.properties_schema,
        deployed_server.DeployedServer.SOFTWARE_CONFIG_TRANSPORT,
        [transports.AUTO],
        schema.SERVER_HELP,
    )


class Server(ChannelServer, nova_server.Server, signal_responder.SignalResponder):
    """Heat's OS::Nova::Server, with a channel over Zaqar."""

    properties_schema = schema.with_values(
        nova_server.Server.properties_schema,
        nova_server.Server.SOFTWARE_CONFIG_TRANSPORT,
        [transports.AUTO],
        schema.SERVER_HELP,
    )

    def _address(self) -> str | None:
        addresses = self.client_plugin().get_server(self.resource_id).networks.values()
        return next((str(each) for network in addresses for each in network), None)
