"""What of queue owners needs no Heat: AUTO, and what a server is given."""

from types import SimpleNamespace

import pytest
from heat.common import exception

from heat_zaqar_transport import queues
from heat_zaqar_transport.resources import options, owner
from heat_zaqar_transport.resources.channel import Channel, SignalQueue
from heat_zaqar_transport.resources.owner import QueueOwner, renewal_time
from heat_zaqar_transport.resources.transports import SERVER, Catalog
from heat_zaqar_transport.wire import KeystoneUrl, Secret, SignedUrl

WITH_ZAQAR = Catalog(messaging=True, object_store=False, cfn=True)
WITHOUT = Catalog(messaging=False, object_store=False, cfn=True)


class Owner:
    """A resource as far as `resolve_auto` sees it."""

    def __init__(self, resource_id, catalog):
        self.id, self.catalog, self.stored = resource_id, catalog, {}

    def data(self):
        return self.stored

    def data_set(self, key, value):
        self.stored[key] = value

    def _catalog(self):
        return self.catalog

    resolve_auto = QueueOwner.resolve_auto


def test_a_name_is_itself():
    assert Owner(1, None).resolve_auto("POLL_SERVER_CFN", SERVER) == "POLL_SERVER_CFN"


def test_auto_keeps_what_it_was_resolved_to():
    owner = Owner(1, WITH_ZAQAR)
    assert owner.resolve_auto("AUTO", SERVER) == "ZAQAR_MESSAGE"
    owner.catalog = WITHOUT
    assert owner.resolve_auto("AUTO", SERVER) == "ZAQAR_MESSAGE"


def test_before_the_resource_is_stored_nothing_is_kept():
    owner = Owner(None, WITHOUT)
    assert owner.resolve_auto("AUTO", SERVER) == "POLL_SERVER_CFN"
    assert owner.stored == {}


# Credentials


def url(queue, *methods):
    path = f"/v2/queues/{queue}/messages"
    return SignedUrl("http://zaqar", queue, "p", (path,), methods, "2036", Secret("s"))


SIGNAL = SignalQueue("hz-c-1", url("hz-s-1", "POST"), Secret("http://heat/signal"))
CHANNEL = Channel(SIGNAL, url("hz-m-1", "GET"))


class Issuer:
    """A resource as far as it issues credentials."""

    password = "of-the-stack-user"

    def __init__(self):
        self.prolonged = []

    def _sign_for_server(self, name, methods):
        return url(name, *methods)

    def _sign_for_engine(self, name):
        return url(name, "GET", "POST", "DELETE")

    def _open_as_owner(self, name, endpoint):
        return SimpleNamespace(prolong=lambda *args: self.prolonged.append((name, *args)))

    def _endpoint_of_engine(self):
        return "http://zaqar"

    def create_signal_queue(self):
        return SIGNAL

    _own_queue_of = QueueOwner._own_queue_of
    create_own_queue = QueueOwner.create_own_queue
    issue_credentials = QueueOwner.issue_credentials
    renewed = QueueOwner.renewed
    renewed_own_queue = QueueOwner.renewed_own_queue
    renewed_signal = QueueOwner.renewed_signal


@pytest.fixture
def operator(monkeypatch):
    """What the operator says, at the time 5000."""
    said = SimpleNamespace(seal=True, channel_lifetime=1000)
    monkeypatch.setattr(options, "get", lambda: said)
    monkeypatch.setattr(owner.time, "time", lambda: 5000.5)
    return said


@pytest.mark.usefixtures("operator")
def test_credentials_are_due_before_half_of_their_life():
    assert renewal_time() == 5400
    issued = Issuer().issue_credentials(CHANNEL)
    assert (issued.renew_at, issued.expires_at) == (5400, 6000)


@pytest.mark.usefixtures("operator")
def test_a_server_may_read_one_queue_and_write_to_the_other():
    issued = Issuer().issue_credentials(CHANNEL)
    assert issued.metadata_url == url("hz-m-1", "GET")
    assert issued.signal_url == url("hz-s-1", "POST")


@pytest.mark.usefixtures("operator")
def test_the_first_credentials_have_one_key_and_the_users_password():
    issued = Issuer().issue_credentials(CHANNEL)
    assert len(issued.seal_keys) == 1
    assert issued.password == Secret("of-the-stack-user")


@pytest.mark.usefixtures("operator")
def test_the_next_have_a_name_a_key_and_a_password_of_their_own_and_the_key_before():
    first = Issuer().issue_credentials(CHANNEL)
    second = Issuer().issue_credentials(CHANNEL, first)
    third = Issuer().issue_credentials(CHANNEL, second)
    assert second.seal_keys[1:] == first.seal_keys
    assert third.seal_keys[1:] == second.seal_keys[:1]
    for part in ("name", "password"):
        assert len({getattr(each, part) for each in (first, second, third)}) == 3
    assert len({each.seal_keys[0] for each in (first, second, third)}) == 3


@pytest.mark.parametrize("sealed", [True, False])
def test_a_server_keeps_to_what_it_was_created_with(operator, sealed):
    operator.seal = sealed
    first = Issuer().issue_credentials(CHANNEL)
    operator.seal = not sealed
    second = Issuer().issue_credentials(CHANNEL, first)
    assert bool(first.seal_keys) == bool(second.seal_keys) == sealed


@pytest.mark.usefixtures("operator")
def test_a_renewed_channel_is_the_same_and_zaqar_calls_on():
    issuer = Issuer()
    renewed = issuer.renewed(CHANNEL)
    assert (renewed.name, renewed.queue_names) == (CHANNEL.name, CHANNEL.queue_names)
    assert renewed.signal.notify_url == SIGNAL.notify_url
    assert renewed.signal.engine_url.methods == ("GET", "POST", "DELETE")
    assert renewed.engine_metadata_url.methods == ("GET", "POST", "DELETE")
    assert issuer.prolonged == [("hz-s-1", "http://heat/signal", options.ENGINE_LIFETIME_S)]


@pytest.mark.parametrize("sealed", [True, False])
def test_a_queue_of_a_deployments_own_keeps_its_key(operator, sealed):
    operator.seal = sealed
    issuer = Issuer()
    own = issuer.create_own_queue()
    assert (own.seal_key is not None, own.renew_at) == (sealed, 5400)
    operator.seal, operator.channel_lifetime = not sealed, 2000
    renewed = issuer.renewed_own_queue(own)
    assert (renewed.seal_key, renewed.renew_at) == (own.seal_key, 5800)
    assert renewed.server_url == url("hz-s-1", "POST")
    assert issuer.prolonged == [("hz-s-1", "http://heat/signal", options.ENGINE_LIFETIME_S)]


class Keystone:
    def __init__(self, domain):
        self.stack_domain = domain
        self.did = []
        users = {"domain": self._users("domain"), "project": self._users("project")}
        self.domain_admin_client = SimpleNamespace(users=users["domain"])
        self.client = SimpleNamespace(users=users["project"])

    def _users(self, by):
        return SimpleNamespace(update=lambda **what: self.did.append((by, what)))


@pytest.mark.parametrize(("domain", "by"), [("d1", "domain"), (None, "project")])
def test_a_password_is_changed_in_keystone_and_then_in_heat(domain, by):
    keystone = Keystone(domain)
    user = SimpleNamespace(
        keystone=lambda: keystone, _get_user_id=lambda: "u1", password="of-before"
    )
    QueueOwner.change_password(user, Secret("next"))
    assert keystone.did == [(by, {"user": "u1", "password": "next"})]
    assert user.password == "next"


def test_a_password_that_keystone_does_not_take_stays():
    user = SimpleNamespace(keystone=lambda: 1 / 0, _get_user_id=lambda: "u1", password="of-before")
    with pytest.raises(ZeroDivisionError):
        QueueOwner.change_password(user, Secret("next"))
    assert user.password == "of-before"


# A Zaqar that has no key to sign with.


class Unsigning:
    """A resource as far as it makes access to queues, with a Zaqar that does not sign."""

    password = "of-the-stack-user"
    stack = SimpleNamespace(stack_user_project_id="p")

    def _open_as_owner(self, name, endpoint):
        def sign(paths, methods, lifetime_s):
            raise queues.SigningOff("sign", "no key")

        return SimpleNamespace(sign=sign)

    def _endpoint_of_engine(self):
        return "http://internal"

    def _endpoint_of_servers(self):
        return "http://public"

    def _auth_url_of_servers(self):
        return "http://keystone"

    def _get_user_id(self):
        return "u"

    _as_stack_user = QueueOwner._as_stack_user
    _sign = QueueOwner._sign
    _sign_for_engine = QueueOwner._sign_for_engine
    _sign_for_server = QueueOwner._sign_for_server
    issue_credentials = QueueOwner.issue_credentials


@pytest.fixture
def unsigning(operator):
    operator.server_credentials = options.WEBSOCKET
    owner._warn_once.cache_clear()
    return Unsigning()


def test_a_stack_user_takes_the_place_of_a_signature(unsigning):
    user = ("p", "http://keystone", "u", Secret("of-the-stack-user"))
    assert unsigning._sign_for_engine("hz-m-1") == KeystoneUrl("http://internal", "hz-m-1", *user)
    assert unsigning._sign_for_server("hz-s-1", ["POST"]) == KeystoneUrl(
        "http://public", "hz-s-1", *user
    )


def test_the_missing_key_is_told_once(unsigning, caplog):
    unsigning.issue_credentials(CHANNEL)
    assert caplog.text.count("secret_key in zaqar.conf is not set") == 1


def test_a_password_that_urls_hold_is_not_changed(unsigning):
    first = unsigning.issue_credentials(CHANNEL)
    second = unsigning.issue_credentials(CHANNEL, first)
    assert second.password == first.password == Secret("of-the-stack-user")
    assert second.seal_keys[0] != first.seal_keys[0]


def test_who_allows_neither_is_told_so(unsigning, operator):
    operator.server_credentials = options.NEVER
    with pytest.raises(exception.Error, match=r"secret_key.*server_credentials = never"):
        unsigning._sign_for_engine("hz-m-1")
