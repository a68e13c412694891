# SPDX-License-Identifier: Apache-2.0
"""A Heat resource that owns queues in Zaqar: its stack user, and what is made with it."""

import functools
import time
from collections.abc import Iterable
from dataclasses import replace

from heat.common import config, exception, password_gen
from heat.engine import resource
from keystoneauth1 import exceptions as keystone_errors
from oslo_config import cfg
from oslo_log import log as logging
from tenacity import retry, retry_if_exception_type, stop_after_attempt

from heat_zaqar_transport import queues, seals
from heat_zaqar_transport.listing import SIGNALS
from heat_zaqar_transport.resources import channel as channels
from heat_zaqar_transport.resources import options, transports
from heat_zaqar_transport.wire import KeystoneUrl, QueueUrl, Secret, SignedUrl

LOG = logging.getLogger(__name__)

RESOLVED_KEY = "zaqar_transport_auto"

# The part of their lifetime after which credentials are renewed: before half of it.
RENEWAL_PART = 0.4


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
        notify_url = Secret(self._get_ec2_signed_url(never_expire=True))
        queue = self._open_as_owner(name, self._endpoint_of_engine())
        queue.subscribe(notify_url.reveal(), options.ENGINE_LIFETIME_S)
        return channels.SignalQueue(
            channel=channels.new_name("hz-c"),
            engine_url=self._sign_for_engine(name),
            notify_url=notify_url,
        )

    def create_channel(self) -> channels.Channel:
        """Make a metadata queue and a signal queue."""
        signal = self.create_signal_queue()
        return channels.Channel(signal, self._sign_for_engine(channels.new_name("hz-m")))

    def create_own_queue(self) -> channels.OwnQueue:
        """Make a signal queue with what a server posts to it."""
        signal = self.create_signal_queue()
        return self._own_queue_of(signal, seals.new_key() if options.get().seal else None)

    def renewed_own_queue(self, own: channels.OwnQueue) -> channels.OwnQueue:
        """Return the same queue with new URLs; its key stays, for results on their way."""
        return self._own_queue_of(self.renewed_signal(own.signal), own.seal_key)

    def _own_queue_of(
        self, signal: channels.SignalQueue, seal_key: Secret | None
    ) -> channels.OwnQueue:
        url = self._sign_for_server(signal.queue_name, channels.SERVER_SIGNAL_METHODS)
        return channels.OwnQueue(signal, url, seal_key, renewal_time())

    def issue_credentials(
        self, channel: channels.Channel, before: channels.Credentials | None = None
    ) -> channels.Credentials:
        """Make what a server gets into its channel with.

        Args:
            channel: The channel.
            before: What it has now; `None`: nothing. A new password takes the place of the
                one it has; the first one is the stack user's present one.
        """
        metadata_queue, signal_queue = channel.queue_names
        # A URL that holds the password could not tell of another one.
        changes = before is not None and isinstance(before.signal_url, SignedUrl)
        password = password_gen.generate_openstack_password() if changes else self.password
        # A server keeps to what it was created with.
        sealed = bool(before.seal_keys) if before else options.get().seal
        keys_before = before.seal_keys[:1] if before else ()
        return channels.Credentials(
            name=channels.new_name("hz-k"),
            metadata_url=self._sign_for_server(metadata_queue, channels.SERVER_METADATA_METHODS),
            signal_url=self._sign_for_server(signal_queue, channels.SERVER_SIGNAL_METHODS),
            seal_keys=(seals.new_key(), *keys_before) if sealed else (),
            password=Secret(password),
            renew_at=renewal_time(),
            expires_at=int(time.time()) + options.get().channel_lifetime,
        )

    def renewed(self, channel: channels.Channel) -> channels.Channel:
        """Return the channel with new URLs for the engine, and have Zaqar call on."""
        signal = self.renewed_signal(channel.signal)
        return channels.Channel(signal, self._sign_for_engine(channel.queue_names[0]))

    def renewed_signal(self, signal: channels.SignalQueue) -> channels.SignalQueue:
        """Return a signal queue with a new URL for the engine, and have Zaqar call on."""
        queue = self._open_as_owner(signal.queue_name, self._endpoint_of_engine())
        queue.prolong(signal.notify_url.reveal(), options.ENGINE_LIFETIME_S)
        return replace(signal, engine_url=self._sign_for_engine(signal.queue_name))

    def change_password(self, password: Secret) -> None:
        """Have Keystone know another password of the stack user's."""
        keystone = self.keystone()
        user_id = self._get_user_id()
        client = keystone.domain_admin_client if keystone.stack_domain else keystone.client
        client.users.update(user=user_id, password=password.reveal())
        self.password = password.reveal()

    def _sign_for_engine(self, name: str) -> QueueUrl:
        methods, lifetime_s = channels.ENGINE_METHODS, options.ENGINE_LIFETIME_S
        return self._sign(name, channels.ENGINE_PATHS, methods, lifetime_s)

    def _sign_for_server(self, name: str, methods: Iterable[str]) -> QueueUrl:
        lifetime_s = options.get().channel_lifetime
        url = self._sign(name, channels.SERVER_PATHS, methods, lifetime_s)
        return url.at(self._endpoint_of_servers())

    def _sign(
        self, name: str, paths: Iterable[str], methods: Iterable[str], lifetime_s: int
    ) -> QueueUrl:
        """Return access to a queue: what Zaqar signs, or else the stack user's password."""
        queue = self._open_as_owner(name, self._endpoint_of_engine())
        try:
            return queue.sign(paths, methods, lifetime_s)
        except queues.SigningOff as exc:
            if options.get().server_credentials == options.NEVER:
                raise exception.Error(
                    "Zaqar signs no URLs ([signed_url] secret_key in zaqar.conf is not set), and "
                    "[zaqar_transport] server_credentials = never allows nothing else"
                ) from exc
            _warn_once()
            return self._as_stack_user(name)

    def _as_stack_user(self, name: str) -> KeystoneUrl:
        return KeystoneUrl(
            endpoint=self._endpoint_of_engine(),
            queue=name,
            project_id=self.stack.stack_user_project_id,
            auth_url=self._auth_url_of_servers(),
            user_id=self._get_user_id(),
            password=Secret(self.password),
        )

    def _auth_url_of_servers(self) -> str:
        found = self.keystone().server_keystone_endpoint_url(
            fallback_endpoint=self.context.auth_url
        )
        return str(found)

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
        return self._token_of_woken_user()

    @retry(
        retry=retry_if_exception_type(keystone_errors.Unauthorized),
        stop=stop_after_attempt(10),
        reraise=True,
    )
    def _token_of_woken_user(self) -> str:
        # Putting it to sleep has revoked its tokens, which Keystone counts in whole seconds: one
        # that it gets in the same second would be refused. A busy Keystone was seen to refuse
        # the password, too, a second after the user was enabled.
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


@functools.cache
def _warn_once() -> None:
    LOG.warning(
        "Zaqar signs no URLs: [signed_url] secret_key in zaqar.conf is not set. Engines and "
        "servers use Keystone users in place of them, who reach every queue of their stack"
    )


def renewal_time() -> int:
    """Return when credentials that are made now are due for renewal, seconds since 1970."""
    return int(time.time() + RENEWAL_PART * options.get().channel_lifetime)


def engine_verify() -> bool | str:
    """Return how engines check Zaqar's TLS certificate: [clients_zaqar] ca_file, insecure."""
    if config.get_client_option("zaqar", "insecure"):
        return False
    return config.get_client_option("zaqar", "ca_file") or True


def open_as_engine(url: QueueUrl) -> queues.Queue:
    """Open a queue by an engine's own pre-signed URL: one request a call, and no Keystone."""
    return queues.open_url(url, timeout_s=options.get().timeout, verify=engine_verify())


def open_signals(signal: channels.SignalQueue) -> queues.Queue:
    """Open a signal queue as `open_as_engine` does, to take what a server has posted."""
    queue = open_as_engine(signal.engine_url)
    queue.window = SIGNALS
    return queue
