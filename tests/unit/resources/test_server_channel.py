"""A server's credentials: made, named, renewed, told of; and where they stand."""

import json
from dataclasses import replace
from types import SimpleNamespace
from unittest.mock import Mock

import pytest

from heat_zaqar_transport import seals
from heat_zaqar_transport.queues import PUSH_OPTIONS
from heat_zaqar_transport.resources import options, server_channel
from heat_zaqar_transport.resources.channel import (
    CREDENTIALS_KEY,
    POLLED_KEY,
    SERVER_KEY,
    TOLD_KEY,
    WEBHOOK_KEY,
    Channel,
    Credentials,
    SignalQueue,
    Webhook,
)
from heat_zaqar_transport.resources.credentials import naming
from heat_zaqar_transport.resources.server import ChannelServer
from heat_zaqar_transport.wire import Hello, Secret, SignedUrl

URL = SignedUrl("http://zaqar", "q", "p", ("/v2/queues/q/messages",), ("GET",), "2036", Secret("s"))
CHANNEL = Channel(SignalQueue("hz-c-1", URL, Secret("http://heat/signal")), URL)
LIFETIME_S = 1000


def credentials(number, renew_at=400):
    return Credentials(
        f"hz-k-{number}",
        URL,
        URL,
        (seals.new_key(),),
        Secret(f"s3cret-{number}"),
        renew_at,
        renew_at + 600,
    )


class Row:
    """A server resource as far as its credentials see it.

    Attributes:
        now: Seconds since 1970.
        did: What was done, in order.
        meanwhile: Called before metadata is stored, when another engine may have been faster.
    """

    id = 1
    action = CREATE = "CREATE"
    resource_id = "s1"
    OS_COLLECT_CONFIG = "os_collect_config"
    t = Mock(metadata=dict)

    def __init__(self, *stored, told=None):
        self.now = 0.0
        self.did = []
        self.meanwhile = lambda: None
        self.stored = {SERVER_KEY: CHANNEL.serialize()}
        for each in stored:
            self.stored[CREDENTIALS_KEY + each.name] = each.serialize()
        if told:
            self.stored[TOLD_KEY] = told.name
        self.metadata = {"os-collect-config": {"zaqar": stored[0].naming()}} if stored else {}
        self.issued = 0

    def data(self):
        return dict(self.stored)

    def data_set(self, key, value, redact=False):
        assert redact or key in (TOLD_KEY, POLLED_KEY)
        self.stored[key] = value
        if key == TOLD_KEY:
            self.did.append(f"told {value}")

    def data_delete(self, key):
        del self.stored[key]

    def metadata_get(self, refresh=False):
        return json.loads(json.dumps(self.metadata))

    def metadata_set(self, metadata, merge_metadata=None):
        self.meanwhile()
        self.metadata = merge_metadata(metadata, self.metadata) if merge_metadata else metadata

    def issue_credentials(self, channel, before=None):
        assert channel.name == CHANNEL.name
        self.issued += 1
        return credentials(f"new-{self.issued}", int(self.now) + 400)

    def create_channel(self):
        return CHANNEL

    def renewed(self, channel):
        self.did.append("urls renewed")
        return channel

    def change_password(self, password):
        self.did.append(f"password {password.reveal()}")

    def restore(self):
        self.did.append("restored")

    def transport_zaqar_message(self, props):
        return True

    def publish(self):
        self.did.append("published")

    def _with_channel(self, meta, wishes):
        self._ensure_channel()
        return {**meta, "os-collect-config": {"zaqar": self._present_credentials().naming()}}

    def _open_as_owner(self, name, endpoint):
        def prolong(url, ttl_s, options):
            self.did.append(("prolonged", url, ttl_s, options))

        assert (name, endpoint) == ("q", "http://zaqar")
        return SimpleNamespace(prolong=prolong)

    def _endpoint_of_engine(self):
        return "http://zaqar"

    channel = ChannelServer.channel
    _answer = ChannelServer._answer
    _as_stored = ChannelServer._as_stored
    _hide_credentials = ChannelServer._hide_credentials
    _name_in_metadata = ChannelServer._name_in_metadata
    _credentials = ChannelServer._credentials
    _ensure_channel = ChannelServer._ensure_channel
    _forget_credentials = ChannelServer._forget_credentials
    _note_told = ChannelServer._note_told
    _populate_deployments_metadata = ChannelServer._populate_deployments_metadata
    _present_credentials = ChannelServer._present_credentials
    _renew_credentials = ChannelServer._renew_credentials
    _boot_config = ChannelServer._boot_config
    _resolve_attribute = ChannelServer._resolve_attribute
    _store_credentials = ChannelServer._store_credentials
    _webhook = ChannelServer._webhook

    def _row(self):
        return SimpleNamespace(document=self._credentials().filled_in(self.metadata))

    @property
    def names(self):
        """Return the names of all credentials that are stored, and of the present ones."""
        known = self._credentials()
        present = known.present(self.metadata)
        return sorted(known.by_name), present and present.name


@pytest.fixture
def at(monkeypatch):
    """Have a row, its time and its lifetimes be those of the code."""

    def at(row, now):
        row.now = now
        monkeypatch.setattr(server_channel.time, "time", lambda: row.now)
        return row

    monkeypatch.setattr(options, "get", lambda: SimpleNamespace(channel_lifetime=LIFETIME_S))
    return at


FIRST = credentials(1)


@pytest.mark.parametrize("now", [0, 399, 399.9])
def test_credentials_that_are_not_due_stay(at, now):
    row = at(Row(FIRST, told=FIRST), now)
    row._renew_credentials()
    assert row.names == (["hz-k-1"], "hz-k-1")
    assert (row.did, row.issued) == ([], 0)


@pytest.mark.parametrize("now", [400, 5000])
def test_credentials_that_are_due_are_renewed_and_go_on_to_work(at, now):
    row = at(Row(replace(FIRST, expires_at=9999), told=FIRST), now)
    row._renew_credentials()
    assert row.names == (["hz-k-1", "hz-k-new-1"], "hz-k-new-1")
    assert row.did == ["urls renewed"]
    assert row._credentials().told == "hz-k-1"
    row._renew_credentials()
    assert row.issued == 1


def test_renewed_credentials_are_named_in_what_the_metadata_is_by_then(at):
    row = at(Row(FIRST, told=FIRST), 400)

    def deploy():
        row.metadata["deployments"] = [{"id": "d1"}]
        row.metadata["os-collect-config"]["zaqar"]["push"] = "poll"

    row.meanwhile = deploy
    row._renew_credentials()
    assert row.metadata["deployments"] == [{"id": "d1"}]
    assert row.metadata["os-collect-config"]["zaqar"]["push"] == "poll"
    assert row.names[1] == "hz-k-new-1"
    assert "s3cret" not in json.dumps(row.metadata)


def test_of_two_engines_the_one_that_is_late_forgets_its_own(at):
    row = at(Row(FIRST, told=FIRST), 400)
    others = credentials("others", 800)

    def other_engine():
        row._store_credentials(others)
        row.metadata["os-collect-config"]["zaqar"] = others.naming()

    row.meanwhile = other_engine
    row._renew_credentials()
    assert row.issued == 1
    assert row.names == (["hz-k-1", "hz-k-others"], "hz-k-others")
    assert row.did == []


def test_at_a_renewal_what_has_expired_is_forgotten(at):
    old = replace(credentials("old"), expires_at=400)
    older = replace(credentials("older"), expires_at=401)
    row = at(Row(FIRST, old, older, told=FIRST), 400)
    row._renew_credentials()
    assert row.names[0] == ["hz-k-1", "hz-k-new-1", "hz-k-older"]


def test_what_the_server_told_of_is_not_forgotten(at):
    old = replace(credentials("old"), expires_at=400)
    row = at(Row(FIRST, old, told=old), 400)
    row._renew_credentials()
    assert "hz-k-old" in row.names[0]


def test_with_the_credentials_zaqars_calls_of_the_server_are_prolonged(at):
    row = at(Row(FIRST, told=FIRST), 400)
    row.stored[WEBHOOK_KEY] = Webhook("/p", "http://server/p").serialize()
    row._renew_credentials()
    called = ("prolonged", "http://server/p", options.ENGINE_LIFETIME_S, PUSH_OPTIONS)
    assert row.did == ["urls renewed", called]


def test_a_server_that_zaqar_does_not_call_yet_has_nothing_prolonged(at):
    row = at(Row(FIRST, told=FIRST), 400)
    row.stored[WEBHOOK_KEY] = Webhook("/p").serialize()
    row._renew_credentials()
    assert row.did == ["urls renewed"]


def test_without_a_channel_or_credentials_nothing_is_renewed(at):
    left, none = Row(FIRST, told=FIRST), Row()
    del left.stored[SERVER_KEY]
    for row in (left, none):
        at(row, 5000)._renew_credentials()
        assert (row.did, row.issued) == ([], 0)


def test_what_the_server_tells_of_is_noted_with_its_password(at):
    second = credentials(2)
    row = at(Row(second, FIRST, told=FIRST), 0)
    row._note_told("hz-k-2")
    assert row.did == ["password s3cret-2", "told hz-k-2"]
    assert row._credentials().told == "hz-k-2"


@pytest.mark.parametrize("name", [None, "", "hz-k-1", "hz-k-unknown"])
def test_what_is_nothing_new_or_not_ours_is_not_noted(at, name):
    row = at(Row(FIRST, credentials(2), told=FIRST), 0)
    row._note_told(name)
    assert row.did == []


def test_credentials_without_a_password_leave_it(at):
    second = replace(credentials(2), password=None)
    row = at(Row(second, FIRST, told=FIRST), 0)
    row._note_told("hz-k-2")
    assert row.did == ["told hz-k-2"]


def test_a_server_that_comes_with_earlier_ones_is_talked_to_with_those(at):
    second = credentials(2)
    row = at(Row(second, FIRST, told=second), 0)
    row._note_told("hz-k-1")
    assert row.did == ["password s3cret-1", "told hz-k-1"]


def test_a_hello_is_answered_with_all_that_the_server_lacks(at):
    second = credentials(2)
    row = at(Row(second, FIRST, told=FIRST), 400)
    row._answer(Hello("hz-c-1", "credentials", 7, "hz-k-2"))
    assert row.did == ["password s3cret-2", "told hz-k-2", "urls renewed", "restored"]


def test_a_channel_is_made_once_with_credentials_that_count_as_told():
    row = Row()
    row.stored.clear()
    assert row._ensure_channel() == CHANNEL
    assert row._ensure_channel() == CHANNEL
    known = row._credentials()
    assert (list(known.by_name), known.told) == (["hz-k-new-1"], "hz-k-new-1")
    assert row._present_credentials().name == "hz-k-new-1"


def test_the_boot_configuration_has_the_credentials_and_the_metadata_has_not():
    row = Row()
    row.stored.clear()
    meta = {"deployments": []}
    row._populate_deployments_metadata(meta, None)
    key = row._present_credentials().seal_keys[0].reveal()
    assert meta["os-collect-config"]["zaqar"]["seal_keys"] == key
    assert row.metadata["os-collect-config"]["zaqar"]["seal_keys"] is None
    assert row.did[-1] == "published"


def test_the_attribute_has_the_credentials():
    row = Row(FIRST, told=FIRST)
    assert row._resolve_attribute("os_collect_config") == {
        "zaqar": {**FIRST.naming(), **{
            name: value for name, value in FIRST.options().items() if name != "password"
        }}
    }  # fmt: skip


def zaqar_options(row):
    return row.metadata["os-collect-config"]["zaqar"]


def test_a_server_that_comes_from_polling_finds_its_credentials_where_it_polls(at):
    row = at(Row(), 0)
    row.stored.clear()
    row.action = "UPDATE"
    row._populate_deployments_metadata({"deployments": []}, None)
    named = row._present_credentials()
    assert zaqar_options(row)["seal_keys"] == named.seal_keys[0].reveal()
    # Until it has told of them, whatever else happens to the metadata.
    row._answer(Hello("hz-c-1", "start", 7, "hz-k-other"))
    assert row._as_stored(naming(row.metadata, named)) == row.metadata
    row._answer(Hello("hz-c-1", "start", 7, named.name))
    assert zaqar_options(row)["seal_keys"] is None
    assert POLLED_KEY not in row.stored


def test_what_it_is_to_find_is_renewed_with_the_rest(at):
    row = at(Row(FIRST, told=FIRST), 400)
    row.stored[POLLED_KEY] = "UPDATE"
    row._renew_credentials()
    fresh = row._present_credentials()
    assert zaqar_options(row)["seal_keys"] == seals.text_of(fresh.seal_keys)
    assert fresh.name == "hz-k-new-1"


def test_without_a_name_in_the_metadata_the_latest_are_meant():
    row = Row(FIRST, replace(credentials(2), renew_at=900), told=FIRST)
    row.metadata = {}
    assert row._present_credentials().name == "hz-k-2"
