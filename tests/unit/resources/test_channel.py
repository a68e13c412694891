"""What resource data holds of a channel comes back the same, and shows no secret."""

import re
from dataclasses import replace

import pytest

from heat_zaqar_transport.resources.channel import (
    Channel,
    Credentials,
    OwnQueue,
    SignalQueue,
    Webhook,
    new_name,
)
from heat_zaqar_transport.wire import Ack, Secret, SignedUrl, serialize
from heat_zaqar_transport.wire.errors import WireFormatError
from heat_zaqar_transport.wire.sealing import NO_SEAL

KEY, OLD_KEY = Secret("A" * 43), Secret("B" * 42 + "A")


def url(queue, *methods):
    return SignedUrl(
        "http://zaqar:8888",
        queue,
        "p1",
        (f"/v2/queues/{queue}/messages",),
        methods,
        "2036-01-01T00:00:00",
        Secret("s3cret-signature"),
    )


SIGNAL = SignalQueue("hz-c-1", url("hz-s-1", "GET", "POST"), Secret("http://heat/s3cret"))
CREDENTIALS = Credentials(
    name="hz-k-1",
    metadata_url=url("hz-m-1", "GET"),
    signal_url=url("hz-s-1", "POST"),
    seal_keys=(KEY, OLD_KEY),
    password=Secret("s3cret-password"),
    renew_at=1000,
    expires_at=2500,
)
UNSEALED = replace(CREDENTIALS, seal_keys=())
KEPT = [
    Channel(SIGNAL, url("hz-m-1", "GET")),
    OwnQueue(SIGNAL, url("hz-s-1", "POST"), KEY, 1000),
    OwnQueue(SIGNAL, url("hz-s-1", "POST"), None, 1000),
    CREDENTIALS,
    UNSEALED,
    replace(CREDENTIALS, password=None),
    Webhook("/hz-w-1"),
    Webhook("/hz-w-1", "http://server/hz-w-1"),
]


@pytest.mark.parametrize("kept", KEPT, ids=lambda each: type(each).__name__)
def test_it_comes_back_the_same(kept):
    assert type(kept).parse(kept.serialize()) == kept


@pytest.mark.parametrize("kept", KEPT, ids=lambda each: type(each).__name__)
def test_a_repr_shows_no_secret(kept):
    for secret in ("s3cret", KEY.reveal(), OLD_KEY.reveal()):
        assert secret not in repr(kept)


def test_a_channel_knows_its_names():
    channel = Channel(SIGNAL, url("hz-m-1", "GET"))
    assert (channel.name, channel.queue_names) == ("hz-c-1", ("hz-m-1", "hz-s-1"))


def test_a_new_name_cannot_be_guessed_and_pleases_zaqar():
    names = {new_name("hz-m") for _ in range(50)}
    assert len(names) == 50
    assert all(re.fullmatch(r"hz-m-[0-9a-f]{32}", name) for name in names)


# A queue of a deployment's own


def test_an_own_queue_opens_what_its_key_sealed():
    body = serialize(Ack("hz-c-1", "c1"))
    seal = OwnQueue(SIGNAL, url("hz-s-1", "POST"), KEY, 1000).seal
    assert seal.unseal(seal.seal(body)) == body
    with pytest.raises(WireFormatError):
        seal.unseal(body)


def test_an_own_queue_without_a_key_takes_what_is_not_sealed():
    assert OwnQueue(SIGNAL, url("hz-s-1", "POST"), None, 1000).seal is NO_SEAL


# Credentials


def test_the_agents_options_are_the_credentials():
    assert CREDENTIALS.options() == {
        "metadata_url": CREDENTIALS.metadata_url.serialize(),
        "signal_url": CREDENTIALS.signal_url.serialize(),
        "seal_keys": f"{KEY.reveal()},{OLD_KEY.reveal()}",
        "password": "s3cret-password",
    }


def test_credentials_are_named_without_one_of_their_values():
    places = {"metadata_url": None, "signal_url": None, "seal_keys": None}
    name = {"credentials": "hz-k-1", "renew_at": 1000}
    assert CREDENTIALS.naming() == places | name


def test_who_seals_nothing_gets_no_place_for_a_key():
    assert "seal_keys" not in UNSEALED.naming()
    assert "seal_keys" not in UNSEALED.options()


def test_who_has_no_password_gets_none():
    without = replace(CREDENTIALS, password=None)
    assert "password" not in without.options()
    assert without.naming() == CREDENTIALS.naming()
