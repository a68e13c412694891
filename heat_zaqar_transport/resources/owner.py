# SPDX-License-Identifier: Apache-2.0
"""A Heat resource that owns queues in Zaqar: its stack user, and what is made with it."""

import functools
import time
from collections.abc import Iterable

from heat.common import config, exception, password_gen
from heat.engine import resource
from keystoneauth1 import exceptions as keystone_errors
from oslo_config import cfg
from oslo_log import log as logging

from heat_zaqar_transport import queues
from heat_zaqar_transport.resources import channel as channels
from heat_zaqar_transport.resources import options, transports
from heat_zaqar_transport.wire import Secret, SignedUrl

LOG = logging.getLogger(__name__)

RESOLVED_KEY = "zaqar_transport_auto"


class QueueOwner(resource.Resource):
    """Mixin for resources that own queues.

    It leans on Heat's SignalResponder for the stack user, its key pair and the
    pre-signed signal URL that Zaqar's notifier calls: a class that mixes this in must
    have SignalResponder among its bases, after Heat's own class.
    """

    # A signal over Zaqar changes no other resource's metadata; refreshing all of them
    # would cost the stack a round of work for each result.
    signal_needs_metadata_updates = False

    def create_signal_queue(self) -> channels.SignalQueue:
        """Make a signal queue whose messages reach this resource's `handle_signal`."""
        self._ensure_stack_user()
        name = channels.new_name("hz-s")
        lifetime_s = options.get().channel_lifetime
        queue = self._open_as_owner(name, self._endpoint_of_engine())
        engine_url = queue.sign(channels.ENGINE_PATHS, channels.ENGINE_METHODS, lifetime_s)
        server_url = queue.sign(channels.SERVER_PATHS, channels.SERVER_SIGNAL_METHODS, lifetime_s)
        notify_url = Secret(self._get_ec2_signed_url(never_expire=True))
        queue.subscribe(notify_url.reveal(), lifetime_s)
        return channels.SignalQueue(
            channel=channels.new_name("hz-c"),
            engine_url=engine_url,
            server_url=server_url.at(self._endpoint_of_servers()),
            notify_url=notify_url,
        )

    def create_channel(self) -> channels.Channel:
        """Make a metadata queue and a signal queue."""
        signal = self.create_signal_queue()
        lifetime_s = options.get().channel_lifetime
        queue = self._open_as_owner(channels.new_name("hz-m"), self._endpoint_of_engine())
        engine_url = queue.sign(channels.ENGINE_PATHS, channels.ENGINE_METHODS, lifetime_s)
        server_url = queue.sign(channels.SERVER_PATHS, channels.SERVER_METADATA_METHODS, lifetime_s)
        return channels.Channel(signal, engine_url, server_url.at(self._endpoint_of_servers()))

    def destroy_queues(self, names: Iterable[str]) -> None:
        """Delete queues and their subscriptions; a Zaqar that is gone does not matter.

        Raises:
            TransportError: Zaqar is there and did not do it: the queues would stay for ever.
        """
        if not self._has_endpoint("zaqar", "messaging"):
            LOG.warning("%s: no messaging endpoint, its queues are left to expire", self.name)
            return
        for name in names:
            self._open_as_owner(name, self._endpoint_of_engine()).destroy()

    def resolve_auto(self, name: str, preference: transports.Preference) -> str:
        """Return a transport's name with AUTO resolved, once and for all.

        The answer is stored, so that a catalog that changes later moves no server.
        """
        if name != transports.AUTO:
            return name
        stored = self.data().get(RESOLVED_KEY)
        if stored is None:
            stored = preference.resolve(self._catalog())
            # Before the resource is stored (validation) there is nowhere to keep it.
            if self.id is not None:
                self.data_set(RESOLVED_KEY, stored)
        return str(stored)

    def _catalog(self) -> transports.Catalog:
        return transports.Catalog(
            messaging=self._has_endpoint("zaqar", "messaging"),
            object_store=self._has_endpoint("swift", "object-store"),
            cfn=bool(cfg.CONF.heat_waitcondition_server_url)
            or self._has_endpoint("heat", "cloudformation"),
        )

    def _has_endpoint(self, client: str, service_type: str) -> bool:
        return bool(self.client_plugin().does_endpoint_exist(service_type, client))

    def _ensure_stack_user(self) -> None:
        """Make the stack user with a password, for tokens, and a key pair, for signal URLs."""
        if not self.data().get("password"):
            self.password = password_gen.generate_openstack_password()
        self._create_user()
        self._create_keypair()

    def _open_as_owner(self, name: str, endpoint: str) -> queues.Queue:
        """Open a queue with a token of the stack user."""
        return queues.open_with_token(
            endpoint,
            self._owner_token,
            self.stack.stack_user_project_id,
            name,
            timeout_s=options.get().timeout,
            verify=engine_verify(),
        )

    @functools.cached_property
    def _owner_token(self) -> str:
        # A resource object lives for one operation, a token for an hour and more.
        try:
            return str(self._user_token())
        except keystone_errors.Unauthorized:
            # The user of a suspended stack sleeps; it must wake to delete its queues.
            self.keystone().enable_stack_domain_user(
                user_id=self._get_user_id(), project_id=self.stack.stack_user_project_id
            )
            # Putting it to sleep has revoked its tokens, which Keystone counts in whole
            # seconds: one that it gets in the same second would be refused.
            time.sleep(1)
            return str(self._user_token())

    def _endpoint_of_engine(self) -> str:
        """Return the messaging endpoint that Heat itself uses ([clients_zaqar] endpoint_type)."""
        return self._endpoint(config.get_client_option("zaqar", "endpoint_type"))

    def _endpoint_of_servers(self) -> str:
        """Return the messaging endpoint that servers can reach: the public one."""
        return self._endpoint("public")

    def _websocket_of_servers(self) -> str | None:
        """Return the address of Zaqar's websocket server; `None`: the catalog has none."""
        try:
            return self._url_for("public", queues.WEBSOCKET_SERVICE_TYPE)
        except keystone_errors.CatalogException:
            return None

    def _endpoint(self, interface: str) -> str:
        try:
            return self._url_for(interface, queues.SERVICE_TYPE)
        except keystone_errors.CatalogException as exc:
            raise exception.Error(
                "ZAQAR_MESSAGE needs Zaqar: the Keystone catalog has no "
                f"{interface} endpoint of service type {queues.SERVICE_TYPE!r}"
            ) from exc

    def _url_for(self, interface: str, service_type: str) -> str:
        zaqar = self.client_plugin("zaqar")
        return str(zaqar.url_for(service_type=service_type, interface=interface)).rstrip("/")


def engine_verify() -> bool | str:
    """Return how engines check Zaqar's TLS certificate: [clients_zaqar] ca_file, insecure."""
    if config.get_client_option("zaqar", "insecure"):
        return False
    return config.get_client_option("zaqar", "ca_file") or True


def open_as_engine(url: SignedUrl) -> queues.Queue:
    """Open a queue by an engine's own pre-signed URL: one request a call, and no Keystone."""
    return queues.open_signed(url, timeout_s=options.get().timeout, verify=engine_verify())
