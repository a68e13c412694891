"""Which credentials a server has, what is sealed for it, and what it is told."""

import json
from dataclasses import replace

import pytest

from heat_zaqar_transport import seals
from heat_zaqar_transport.resources.channel import (
    CREDENTIALS_KEY,
    SERVER_KEY,
    TOLD_KEY,
    Credentials,
)
from heat_zaqar_transport.resources.credentials import KnownCredentials, naming
from heat_zaqar_transport.wire import Ack, Secret, SignedUrl, serialize
from heat_zaqar_transport.wire.errors import WireFormatError
from heat_zaqar_transport.wire.sealing import NO_SEAL

BODY = serialize(Ack("hz-c-1", "c1"))
KEYS = [seals.new_key() for _ in range(3)]


def url(signature):
    secret = Secret(signature)
    return SignedUrl("http://zaqar", "q", "p", ("/v2/queues/q/messages",), ("GET",), "2036", secret)


def credentials(number, *keys, expires_at=1000):
    return Credentials(
        f"hz-k-{number}",
        url(f"s3cret-m-{number}"),
        url(f"s3cret-s-{number}"),
        keys,
        Secret(f"s3cret-p-{number}"),
        renew_at=number,
        expires_at=expires_at,
    )


# Each was given to the server in the place of the one before.
FIRST = credentials(1, KEYS[0])
SECOND = credentials(2, KEYS[1], KEYS[0])
THIRD = credentials(3, KEYS[2], KEYS[1])


def known(*all_of_them, told=None):
    return KnownCredentials({each.name: each for each in all_of_them}, told and told.name)


def opens(seal, key):
    """Tell whether a seal opens what the key has sealed."""
    try:
        return seal.unseal(seals.seal_of([key]).seal(BODY)) == BODY
    except WireFormatError:
        return False


def metadata(**options):
    return {
        "deployments": [{"id": "d1"}],
        "os-collect-config": {"collectors": ["zaqar"], "zaqar": {"channel": "hz-c-1", **options}},
    }


def named(these, **options):
    return metadata(**these.naming(), **options)


# In resource data


def test_they_are_read_from_among_other_data():
    data = {
        f"{CREDENTIALS_KEY}{FIRST.name}": FIRST.serialize(),
        f"{CREDENTIALS_KEY}{SECOND.name}": SECOND.serialize(),
        TOLD_KEY: FIRST.name,
        SERVER_KEY: "{}",
        "password": "x",
    }
    assert KnownCredentials.of(data) == known(FIRST, SECOND, told=FIRST)


def test_of_a_server_without_a_channel_there_are_none():
    nothing = KnownCredentials.of({"password": "x"})
    assert nothing == known()
    assert nothing.to_server is nothing.from_server is NO_SEAL


# Sealing


@pytest.mark.parametrize("told", [FIRST, SECOND, THIRD])
def test_what_heat_says_is_sealed_with_what_the_server_told_of(told):
    seal = known(FIRST, SECOND, THIRD, told=told).to_server
    assert seals.seal_of(told.seal_keys[:1]).unseal(seal.seal(BODY)) == BODY


def test_what_the_server_could_not_open_counts_as_not_posted():
    seal = known(FIRST, SECOND, THIRD, told=SECOND).to_server
    assert [opens(seal, key) for key in KEYS] == [False, True, False]


def test_a_server_that_has_the_next_ones_opens_what_is_sealed_with_those_before():
    body = known(FIRST, SECOND, told=FIRST).to_server.seal(BODY)
    assert seals.seal_of(SECOND.seal_keys).unseal(body) == BODY


def test_nothing_is_told_in_the_clear_because_a_name_is_lost():
    seal = KnownCredentials({"a": FIRST, "b": SECOND}, "hz-k-lost").to_server
    latest = max(FIRST, SECOND, key=lambda each: each.renew_at)
    assert seals.seal_of(latest.seal_keys[:1]).unseal(seal.seal(BODY)) == BODY


@pytest.mark.parametrize("told", [FIRST, SECOND, None])
def test_whatever_the_server_may_have_sealed_with_is_opened(told):
    seal = known(FIRST, SECOND, told=told).from_server
    assert [opens(seal, key) for key in KEYS] == [True, True, False]
    with pytest.raises(WireFormatError):
        seal.unseal(BODY)


def test_a_server_that_seals_nothing_is_talked_to_in_the_clear():
    unsealed = replace(FIRST, seal_keys=())
    these = known(unsealed, told=unsealed)
    assert these.to_server is these.from_server is NO_SEAL


# In metadata


def test_the_present_ones_are_those_that_metadata_names():
    these = known(FIRST, SECOND, told=FIRST)
    assert these.present(named(SECOND)) == SECOND
    assert these.present(named(FIRST)) == FIRST


@pytest.mark.parametrize(
    "without",
    [
        None,
        {},
        "text",
        {"os-collect-config": None},
        {"os-collect-config": []},
        {"os-collect-config": {"zaqar": None}},
        {"os-collect-config": {"zaqar": "text"}},
        metadata(),
        metadata(credentials=None),
        metadata(credentials=[1]),
        named(THIRD),
    ],
    ids=json.dumps,
)
def test_metadata_that_names_none_of_them_is_left_as_it_is(without):
    these = known(FIRST, SECOND, told=FIRST)
    assert these.present(without) is None
    if isinstance(without, dict):
        assert these.filled_in(without) == without


def test_metadata_is_filled_in_where_it_has_a_place():
    filled = known(FIRST, SECOND, told=FIRST).filled_in(named(SECOND, push="poll"))
    assert filled == metadata(
        metadata_url=SECOND.metadata_url.serialize(),
        signal_url=SECOND.signal_url.serialize(),
        seal_keys=seals.text_of(SECOND.seal_keys),
        credentials="hz-k-2",
        renew_at=2,
        push="poll",
    )


def test_a_server_with_a_place_for_a_password_gets_it():
    filled = known(FIRST, told=FIRST).filled_in(named(FIRST, password=None))
    assert filled["os-collect-config"]["zaqar"]["password"] == "s3cret-p-1"


def test_metadata_that_names_them_is_not_changed_and_has_no_secret():
    meta = named(SECOND, password=None)
    before = json.dumps(meta)
    known(SECOND, told=SECOND).filled_in(meta)
    assert json.dumps(meta) == before
    assert "s3cret" not in before
    assert not any(key.reveal() in before for key in KEYS)


def test_naming_metadata_names_the_others_and_is_else_the_same():
    meta = named(FIRST, push="poll", password=None)
    assert naming(meta, SECOND) == named(SECOND, push="poll", password=None)
    assert meta == named(FIRST, push="poll", password=None)


# Forgetting


def test_what_has_expired_can_be_forgotten():
    these = known(FIRST, SECOND, THIRD, told=THIRD)
    assert these.expired(999, named(THIRD)) == []
    assert these.expired(1000, named(THIRD)) == [FIRST.name, SECOND.name]


def test_each_has_a_time_of_its_own():
    later = replace(SECOND, expires_at=1001)
    these = known(FIRST, later, THIRD, told=THIRD)
    assert these.expired(1000, named(THIRD)) == [FIRST.name]


def test_the_present_ones_and_those_that_the_server_told_of_stay():
    these = known(FIRST, SECOND, THIRD, told=FIRST)
    assert these.expired(9999, named(THIRD)) == [SECOND.name]
    assert these.expired(9999, metadata()) == [SECOND.name, THIRD.name]
