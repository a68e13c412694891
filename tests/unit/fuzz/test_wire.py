"""Whatever lies in a queue: an error of ours, or a message within its bounds."""

import base64
import hashlib
import json
import tracemalloc
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from heat_zaqar_transport.wire import (
    Ack,
    Hello,
    Limits,
    Part,
    PlainSnapshot,
    QueuedMessage,
    Result,
    SignedUrl,
    Snapshot,
    canonical_json,
    choose,
    gather,
    parse,
    parse_queue_url,
    serialize,
    upkeep,
)
from heat_zaqar_transport.wire.bounds import MAX_NAME_CHARS, check_depth, storable
from heat_zaqar_transport.wire.errors import WireFormatError
from heat_zaqar_transport.wire.messages import RESULT, SNAPSHOT
from heat_zaqar_transport.wire.sealing import NO_SEAL
from support.fuzz import (
    BODIES,
    CHANNEL,
    MIB,
    SEAL,
    bodies,
    bomb,
    damaged,
    fuzzed,
    hostile,
    listings,
    mutated,
    odd_values,
    raw_sealed,
    sealed_bodies,
    sealed_if_possible,
    words,
)
from support.strategies import nested

GOLDEN_URL = (
    "https://zaqar.example.org:8888/v2/queues/hz-s-1f0c?project=8e2d&paths=/v2/queues/hz-s-1f0c/"
    "messages&methods=POST&expires=2036-11-18T00:44:22&signature=5c9a"
)
HELD = Snapshot(CHANNEL, 17, {"a": 1})
# What an engine's look takes at most beyond what it listed: see docs/adr/0018.
PEAK_BYTES = 64 * MIB


def check(message):
    """Look whether a message keeps to what is promised of one."""
    check_depth(getattr(message, "document", None) or getattr(message, "outputs", None))
    if not isinstance(message, PlainSnapshot | Part):
        assert 0 < len(message.channel) <= MAX_NAME_CHARS
    match message:
        case Result():
            json.dumps(storable(message.outputs), allow_nan=False, ensure_ascii=False).encode()
            assert 1 <= message.attempt < 2**31
            assert len(message.config_id) <= MAX_NAME_CHARS
        case Hello():
            assert len(message.reason) <= MAX_NAME_CHARS
            assert message.generation is None or 0 <= message.generation < 2**63
        case Ack():
            assert 1 <= message.attempt < 2**31
        case Snapshot():
            assert 0 <= message.generation < 2**63
            canonical_json(message.document)


def check_error(exc):
    assert len(str(exc)) <= 300
    assert str(exc).isprintable()


@given(bodies)
@fuzzed(150)
def test_a_body_is_a_message_or_refused(body):
    try:
        message = parse(body)
    except WireFormatError as exc:
        check_error(exc)
    else:
        check(message)
        if not isinstance(message, Part):
            serialize(message)


@given(sealed_bodies | hostile)
@fuzzed(100)
def test_what_is_sealed_is_a_body_or_refused(body):
    for seal in (SEAL, NO_SEAL):
        try:
            check(parse(seal.unseal(body)))
        except WireFormatError as exc:
            check_error(exc)


@pytest.mark.parametrize("text", ["é", "A", "AAA!", "[", "AA=A", "AAAA", "\ud800", "A\nAA"])
def test_what_is_no_base64_of_anything_is_refused(text):
    sealed = {**SEAL.seal(BODIES[0]), "sealed": text}
    found = gather(queued(sealed, SEAL.seal(part_of(RESULT, "AAAA"))), SEAL)
    assert len(found.rejected) == 2
    assert len(gather(queued(part_of(RESULT, text))).rejected) == 1


@pytest.mark.parametrize("levels", [100, 5000])
def test_a_version_too_deep_to_be_quoted_is_refused(levels):
    body = {"heat-zaqar": {"version": nested(levels)}, "sealed": "AAAA"}
    for seal in (SEAL, NO_SEAL):
        with pytest.raises(WireFormatError, match=r"nested more than|no key to open"):
            parse(seal.unseal(body))


def look(listed, seal):
    gathered = gather(listed, seal)
    for found in gathered.found:
        check(found.message)
    for rejection in gathered.rejected:
        check_error(rejection.reason)
    for held in (None, HELD):
        choice = choose(CHANNEL, held, listed, seal)
        assert held is None or choice.snapshot is not None
    choose(None, None, listed, seal)
    todo = upkeep(HELD, listed, plain=False, seal=seal)
    assert set(todo.delete) <= {each.id for each in listed}


@given(listings(bodies))
@fuzzed()
def test_a_queue_without_a_seal(listed):
    look(listed, NO_SEAL)


@given(listings(sealed_bodies))
@fuzzed()
def test_a_queue_with_a_seal_whose_key_the_sender_has(listed):
    look(listed, SEAL)


@given(listings(raw_sealed()))
@fuzzed(30)
def test_what_is_sealed_need_not_be_json(listed):
    look(listed, SEAL)


def part_of(kind, payload, digest="0" * 64, number=1, count=1, generation=1, **others):
    header = {"version": 1, "type": kind, "channel": CHANNEL, "digest": digest, **others}
    if kind == SNAPSHOT:
        header["generation"] = generation
    header |= {"part": [number, count], "encoding": "zlib"}
    return {"heat-zaqar": header, "payload": payload}


def packed(value):
    text = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.b64encode(zlib.compress(text)).decode()


def queued(*found, age_s=0):
    return [QueuedMessage(str(at), each, age_s, 3600) for at, each in enumerate(found)]


def genuine_digest(value):
    """Return the digest that a hostile sender would tell, where there is one."""
    try:
        return hashlib.sha256(canonical_json(value)).hexdigest()
    except WireFormatError:
        return "0" * 64


wholes = mutated([each["content"] for each in BODIES if "content" in each]) | hostile


@given(st.sampled_from([RESULT, SNAPSHOT]), wholes | st.binary(max_size=30), st.booleans())
@fuzzed(80)
def test_a_whole_in_one_part_with_its_genuine_digest(kind, whole, is_sealed):
    digest = genuine_digest(whole) if not isinstance(whole, bytes) else "0" * 64
    body = part_of(kind, packed(whole), digest)
    seal = SEAL if is_sealed else NO_SEAL
    look(queued(sealed_if_possible(body) if is_sealed else body), seal)


deployments = st.lists(
    st.integers(-3, 3) | st.sampled_from([2**70, True, None, 1.0]) | odd_values, max_size=5
)


@given(deployments, odd_values, odd_values, st.booleans())
@fuzzed(80)
def test_a_change(told, rest, base_deployments, fits):
    document = {"deployments": base_deployments}
    change = {"rest": rest if not fits else {"a": rest}, "deployments": told}
    try:
        base = Snapshot(CHANNEL, 1, document)
        listed = [part_of(SNAPSHOT, packed(change), generation=2, base=[1, base.digest])]
    except WireFormatError:  # no JSON
        return
    look(queued(serialize(base), *listed), NO_SEAL)


def peak_of(action):
    tracemalloc.start()
    try:
        action()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    ("kind", "size", "limit"), [(RESULT, 64 * MIB, 7 * MIB), (SNAPSHOT, 64 * MIB, 50 * MIB)]
)
@pytest.mark.parametrize("byte", [b" ", b"["])
@pytest.mark.parametrize("seal", [NO_SEAL, SEAL], ids=["plain", "sealed"])
def test_a_bomb_is_refused_at_the_limit_of_its_kind(kind, size, limit, byte, seal):
    listed = queued(seal.seal(part_of(kind, bomb(size, byte))))
    assert peak_of(lambda: gather(listed, seal)) < limit


def test_a_thousand_bombs_are_no_more_than_a_few():
    """Each is well-formed and as large as may be: 2 GiB in 2 MB."""
    outputs = {"deploy_stdout": "x" * (2 * MIB - 200)}
    wholes = [{"config_id": f"c{n}", "attempt": 1, "outputs": outputs} for n in range(6)]
    bombs = [part_of(RESULT, packed(each), genuine_digest(each)) for each in wholes]
    bombs += [part_of(RESULT, bombs[0]["payload"], f"{n:064}") for n in range(1000)]
    found = []
    assert peak_of(lambda: found.extend(gather(queued(*bombs), kind=RESULT).found)) < PEAK_BYTES
    assert len(found) == 5


def test_snapshots_that_unpack_to_much_have_no_place_in_a_signal_queue():
    gathered = gather(queued(part_of(SNAPSHOT, bomb(16 * MIB))), kind=RESULT)
    assert "has no place here" in gathered.rejected[0].reason


def test_the_newest_snapshot_is_among_those_that_are_unpacked():
    old = [part_of(SNAPSHOT, bomb(15 * MIB), f"{n:064}", generation=n) for n in range(1, 9)]
    newest = Snapshot(CHANNEL, 9, {"a": 1})
    body = part_of(SNAPSHOT, packed(newest.document), newest.digest, generation=9)
    assert choose(CHANNEL, None, queued(*old, body)).snapshot == newest


def test_changes_that_tell_of_much_are_applied_a_few_times():
    base = Snapshot(CHANNEL, 1, {"deployments": ["x" * 100_000]})
    changes = [
        part_of(
            SNAPSHOT,
            packed({"rest": {"n": n}, "deployments": [0] * 100}),
            f"{n:064}",
            generation=n,
            base=[1, base.digest],
        )
        for n in range(2, 100)
    ]
    gathered = gather(queued(serialize(base), *changes))
    assert len(gathered.rejected) == 16


urls = st.lists(
    st.sampled_from(["http://", "https://", "[", "]", "h:99999", "/v2/queues/", "q", "?", "&", "="])
    | st.sampled_from(["project=p", "&paths=/a,b", "&methods=GET", "&expires=x", "&signature=s"])
    | st.sampled_from(["&auth_url=http://k", "&user_id=u", "&password=p"])
    | words,
    max_size=12,
).map("".join)


@given(urls | damaged(GOLDEN_URL) | st.text())
@fuzzed(150)
def test_the_url_of_a_queue(text):
    try:
        url = parse_queue_url(text)
    except WireFormatError as exc:
        check_error(exc)
        return
    assert parse_queue_url(url.serialize()).serialize() == url.serialize()
    if isinstance(url, SignedUrl):
        assert url.messages_url
        assert url.headers()


refusals = st.lists(
    st.sampled_from(
        [
            "Message collection size is too large. Max size ",
            "Message collection size is too large. The max size for current queue is ",
            "The TTL for a message may not exceed ",
            " seconds",
        ]
    )
    | st.integers().map(str)
    | words,
    max_size=6,
).map("".join)


@given(refusals, st.integers(0, 10**6), st.integers(0, 10**7))
@fuzzed(150)
def test_what_a_refusal_teaches_is_narrower(refusal, post_bytes, ttl_s):
    limits = Limits(post_bytes, ttl_s)
    learned = limits.learned(refusal)
    if learned is not None:
        assert learned != limits
        assert learned.post_bytes <= post_bytes
        assert learned.longest_ttl_s <= ttl_s
