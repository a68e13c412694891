"""Sealed messages: what a key opens, and all that it does not."""

import base64
import json
from pathlib import Path
from random import Random

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given
from hypothesis import strategies as st

from heat_zaqar_transport.wire import (
    Ack,
    Goodbye,
    Hello,
    Limits,
    QueuedMessage,
    Result,
    Secret,
    Snapshot,
    canonical_json,
    choose,
    gather,
    pack,
    parse,
    serialize,
    upkeep,
)
from heat_zaqar_transport.wire.errors import UnknownVersion, WireFormatError
from heat_zaqar_transport.wire.limits import size_of
from heat_zaqar_transport.wire.parts import PLAIN_BYTES
from heat_zaqar_transport.wire.sealing import NO_SEAL, SealKeys, new_key
from support.strategies import json_of, messages, narrow_limits, plain_snapshots, texts

GOLDEN = Path(__file__).parents[2] / "golden"
CHANNEL = "hz-c-0123"

RAW = b"\x07" * 32
KEY = new_key(lambda size: b"\x07" * size)
OTHER_KEY = new_key(lambda size: b"\x08" * size)
SEAL = SealKeys([KEY], Random(1).randbytes)
OTHER = SealKeys([OTHER_KEY], Random(2).randbytes)
# As in the golden files.
FIXED = SealKeys([KEY], lambda size: b"\x01" * size)

PASSWORD = "s3cret-of-the-document"
SNAPSHOT = Snapshot(CHANNEL, 17, {"password": PASSWORD, "deployments": [{"id": "c1"}]})
MESSAGES = {
    "snapshot": SNAPSHOT,
    "empty snapshot": Snapshot(CHANNEL, 0, {}),
    "result": Result(CHANNEL, "a0e1", {"deploy_stdout": PASSWORD}, attempt=2),
    "hello": Hello(CHANNEL, "empty queue", 16, "hz-k-4567"),
    "hello that holds nothing": Hello(CHANNEL, "start"),
    "ack": Ack(CHANNEL, "a0e1", 2),
    "goodbye": Goodbye(CHANNEL),
}
LARGE = Snapshot(CHANNEL, 18, {"text": Random(3).randbytes(3000).hex()})
NARROW = Limits(post_bytes=2000)


def golden(name):
    return json.loads((GOLDEN / f"{name}.json").read_text())


def queued(bodies):
    return [QueuedMessage(str(at), body, 0, 100) for at, body in enumerate(bodies)]


def sent(bodies):
    return queued(json.loads(json.dumps(bodies)))


def found(bodies, seal=SEAL):
    gathered = gather(sent(bodies), seal)
    assert (gathered.incomplete, gathered.rejected) == ((), ())
    return [each.message for each in gathered.found]


def sealed_part():
    """Return the one part of a change: its header has every field."""
    deployments = [{"config": Random(at).randbytes(600).hex()} for at in range(20)]
    base = Snapshot(CHANNEL, 17, {"deployments": deployments[1:], "password": PASSWORD})
    newer = Snapshot(CHANNEL, 18, {"deployments": deployments, "password": PASSWORD})
    (body,) = pack(newer, base=base, seal=SEAL)
    return body


def refusal(body, seal=SEAL):
    """Return the text with which a body is refused, which quotes nothing."""
    with pytest.raises(WireFormatError) as caught:
        seal.unseal(body)
    said = str(caught.value)
    for each in (KEY.reveal(), OTHER_KEY.reveal(), PASSWORD, CHANNEL):
        assert each not in said
    return said


CANNOT_BE_OPENED = "the message cannot be opened"


# There and back


def test_a_snapshot_is_sealed_as_the_golden_file_says():
    plain = golden("snapshot")
    assert FIXED.seal(plain) == golden("sealed-snapshot")
    assert SEAL.unseal(golden("sealed-snapshot")) == plain


def test_a_part_is_sealed_as_the_golden_file_says():
    plain = golden("snapshot-as-change")[0]
    assert FIXED.seal(plain) == golden("sealed-part")
    assert SEAL.unseal(golden("sealed-part")) == plain


@pytest.mark.parametrize("message", MESSAGES.values(), ids=MESSAGES)
def test_each_message_is_found_again(message):
    (body,) = pack(message, seal=SEAL)
    assert set(body) == {"heat-zaqar", "sealed"}
    assert found([body]) == [message]


@given(messages, narrow_limits(4000, SEAL), st.sampled_from([0, 600, PLAIN_BYTES]))
def test_any_message_is_found_again_whole_or_in_parts(message, limits, plain_bytes):
    bodies = pack(message, limits, plain_bytes, seal=SEAL)
    assert all(set(body) == {"heat-zaqar", "sealed"} for body in bodies)
    assert found(bodies) == [message]


@given(st.integers(0, 3000), st.integers(0, 100))
def test_a_message_in_parts_is_found_again(size, seed):
    message = Snapshot(CHANNEL, 1, {"text": Random(seed).randbytes(size).hex()})
    bodies = pack(message, NARROW, plain_bytes=0, seal=SEAL)
    assert len(bodies) > 1 or size < 1000
    order = Random(seed).sample(bodies, len(bodies))
    assert found(order) == [message]
    assert gather(queued(bodies[1:]), SEAL).found == ()


def grown(generation):
    deployments = [{"config": Random(at).randbytes(600).hex()} for at in range(generation)]
    return Snapshot(CHANNEL, generation, {"deployments": deployments})


@pytest.mark.parametrize("limits", [Limits(), Limits(post_bytes=1400)])
def test_a_change_and_its_base_are_put_together(limits):
    base, newer = grown(20), grown(21)
    whole = pack(base, limits, seal=SEAL)
    change = pack(newer, limits, base=base, seal=SEAL)
    assert len(json.dumps(change)) * 3 < len(json.dumps(whole))
    assert found([*change, *whole]) == [base, newer]
    choice = choose(CHANNEL, None, sent([*whole, *change]), SEAL)
    assert (choice.snapshot, choice.rejected) == (newer, ())


def test_a_key_that_a_reader_does_not_know_is_sealed_with_the_header():
    plain = serialize(SNAPSHOT)
    plain["heat-zaqar"]["extra"] = {"of": "a later version"}
    body = SEAL.seal(plain)
    assert body["heat-zaqar"]["extra"] == {"of": "a later version"}
    assert SEAL.unseal(body) == plain
    assert found([body]) == [SNAPSHOT]


def test_what_lies_beside_a_sealed_text_is_not_read():
    body = SEAL.seal(serialize(SNAPSHOT)) | {"password": "another", "content": {}}
    assert found([body]) == [SNAPSHOT]


# What can be seen


def test_only_order_and_way_are_in_the_clear():
    body = sealed_part()
    assert body["heat-zaqar"] == {
        "version": 1,
        "type": "snapshot",
        "channel": CHANNEL,
        "generation": 18,
        "part": [1, 1],
        "encoding": "zlib",
    }
    assert "digest" in SEAL.unseal(body)["heat-zaqar"]
    assert "base" in SEAL.unseal(body)["heat-zaqar"]


@pytest.mark.parametrize("message", MESSAGES.values(), ids=MESSAGES)
def test_neither_content_nor_digest_can_be_seen(message):
    (body,) = pack(message, seal=SEAL)
    text = json.dumps(body) + base64.b64decode(body["sealed"]).decode("latin-1")
    for hidden in (PASSWORD, "a0e1", "empty queue", "hz-k-4567", "digest", SNAPSHOT.digest):
        assert hidden not in text


def test_each_message_has_a_nonce_of_its_own():
    asked = []

    def random_bytes(size):
        asked.append(size)
        return bytes([len(asked)]) * size

    seal = SealKeys([KEY], random_bytes)
    texts = [base64.b64decode(seal.seal(serialize(SNAPSHOT))["sealed"]) for _ in range(3)]
    assert asked == [12, 12, 12]
    assert [text[:12] for text in texts] == [b"\x01" * 12, b"\x02" * 12, b"\x03" * 12]
    assert len({text[12:] for text in texts}) == 3


def test_it_is_aes_256_gcm_with_the_header_as_it_stands():
    body = FIXED.seal(serialize(Ack(CHANNEL, "a0e1")))
    sealed = base64.b64decode(body["sealed"])
    clear = b'{"channel":"hz-c-0123","type":"ack","version":1}'
    text = AESGCM(RAW).decrypt(sealed[:12], sealed[12:], clear)
    assert text == b'{}\n{"content":{"attempt":1,"config_id":"a0e1"}}'


def test_a_repr_shows_no_key():
    assert repr(SealKeys([KEY, OTHER_KEY], Random(1).randbytes)) == "SealKeys(2 keys)"


# Keys


def test_the_first_key_seals_and_each_opens():
    both = SealKeys([OTHER_KEY, KEY], Random(4).randbytes)
    body = both.seal(serialize(SNAPSHOT))
    assert found([body], OTHER) == [SNAPSHOT]
    assert refusal(body, SEAL).startswith(CANNOT_BE_OPENED)
    assert found(pack(SNAPSHOT, seal=SEAL) + pack(LARGE, seal=OTHER), both) == [SNAPSHOT, LARGE]


@pytest.mark.parametrize("message", MESSAGES.values(), ids=MESSAGES)
def test_another_key_does_not_open(message):
    (body,) = pack(message, seal=OTHER)
    assert refusal(body).startswith(CANNOT_BE_OPENED)


def test_a_new_key_is_43_characters_of_base64url():
    key = new_key(lambda size: b"\xfb\xff" * (size // 2))
    assert key.reveal() == "-__7__v_" * 5 + "-_8"
    assert len(key.reveal()) == 43
    assert found(pack(SNAPSHOT, seal=SealKeys([key], Random(1).randbytes)),
                 SealKeys([key], Random(1).randbytes)) == [SNAPSHOT]  # fmt: skip


BAD_KEYS = {
    "empty": "",
    "short": KEY.reveal()[:-2],
    "three bytes short": base64.urlsafe_b64encode(b"\x07" * 29).decode().rstrip("="),
    "three bytes long": base64.urlsafe_b64encode(b"\x07" * 35).decode().rstrip("="),
    "128 bits": base64.urlsafe_b64encode(b"\x07" * 16).decode().rstrip("="),
    "no base64": "!" * 43,
    "beyond ASCII": "ü" * 43,
    "a blank": " " + KEY.reveal(),
    "two": f"{KEY.reveal()},{KEY.reveal()}",
}


@pytest.mark.parametrize("text", BAD_KEYS.values(), ids=BAD_KEYS)
def test_what_is_no_key_is_refused_and_not_quoted(text):
    with pytest.raises(WireFormatError, match="the seal key") as caught:
        SealKeys([KEY, Secret(text)], Random(1).randbytes)
    assert not text or text not in str(caught.value)
    assert KEY.reveal()[:8] not in str(caught.value)


def test_there_must_be_a_key():
    with pytest.raises(WireFormatError, match="no seal key"):
        SealKeys([], Random(1).randbytes)


# What was changed


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("version", 1.0),
        ("type", "result"),
        ("type", None),
        ("channel", "hz-c-4567"),
        ("generation", 19),
        ("generation", 18.0),
        ("part", [1, 2]),
        ("part", None),
        ("encoding", "none"),
        ("digest", SNAPSHOT.digest),
        ("base", [17, SNAPSHOT.digest]),
        ("extra", 1),
        ("extra", float("nan")),
    ],
)
def test_a_header_that_was_changed_is_refused(field, value):
    body = sealed_part()
    body["heat-zaqar"][field] = value
    refusal(body)


@pytest.mark.parametrize("field", ["type", "channel", "generation", "part", "encoding"])
def test_a_header_without_one_of_its_fields_is_refused(field):
    body = sealed_part()
    del body["heat-zaqar"][field]
    assert refusal(body).startswith(CANNOT_BE_OPENED)


@pytest.mark.parametrize("version", [0, 2, "1", True, None])
def test_an_unknown_version_is_told_before_all_else(version):
    body = sealed_part()
    body["heat-zaqar"]["version"] = version
    body["sealed"] = "!"
    with pytest.raises(UnknownVersion, match="only version 1"):
        SEAL.unseal(body)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (SNAPSHOT, Snapshot(CHANNEL, 18, SNAPSHOT.document)),
        (SNAPSHOT, Snapshot("hz-c-4567", 17, SNAPSHOT.document)),
        (Ack(CHANNEL, "a0e1"), Hello(CHANNEL, "start")),
        (Goodbye(CHANNEL), Ack(CHANNEL, "a0e1")),
    ],
)
def test_a_sealed_text_is_of_no_use_with_another_header(one, other):
    one, other = (SEAL.seal(serialize(each)) for each in (one, other))
    one["sealed"], other["sealed"] = other["sealed"], one["sealed"]
    for body in (one, other):
        assert refusal(body).startswith(CANNOT_BE_OPENED)


def test_pieces_that_changed_places_are_refused():
    first, second, *_ = pack(LARGE, NARROW, seal=SEAL)
    first["sealed"], second["sealed"] = second["sealed"], first["sealed"]
    for body in (first, second):
        assert refusal(body).startswith(CANNOT_BE_OPENED)


TEXTS = {
    "cut": lambda text: text[:-4],
    "cut within four": lambda text: text[:-5],
    "without its beginning": lambda text: text[4:],
    "extended": lambda text: text.rstrip("=") + "AAAA",
    "extended in front": lambda text: "AAAA" + text,
    "twice": lambda text: text + text,
    "a nonce alone": lambda text: text[:16],
    "less than a nonce": lambda text: text[:4],
    "less than a tag": lambda text: text[:24],
    "no base64": lambda text: "!" + text[1:],
    "base64url": lambda text: "-_" + text[2:],
    "beyond ASCII": lambda text: "ü" + text[1:],
    "a blank": lambda text: " " + text,
    "a line break": lambda text: text[:8] + "\n" + text[8:],
    "empty": lambda text: "",
    "null": lambda text: None,
    "a number": lambda text: 7,
    "a list": lambda text: [text],
}


@pytest.mark.parametrize("change", TEXTS.values(), ids=TEXTS)
@pytest.mark.parametrize("body", [SEAL.seal(serialize(SNAPSHOT)), sealed_part()], ids=["", "part"])
def test_a_sealed_text_that_was_changed_is_refused(body, change):
    refusal(body | {"sealed": change(body["sealed"])})


@given(st.data())
def test_each_bit_counts(data):
    body = sealed_part()
    sealed = bytearray(base64.b64decode(body["sealed"]))
    at = data.draw(st.integers(0, len(sealed) - 1))
    sealed[at] ^= 1 << data.draw(st.integers(0, 7))
    body["sealed"] = base64.b64encode(sealed).decode()
    assert refusal(body).startswith(CANNOT_BE_OPENED)


NOT_SEALED = {
    "snapshot": serialize(SNAPSHOT),
    "goodbye": serialize(Goodbye(CHANNEL)),
    "document alone": {"password": PASSWORD},
    "sealed text alone": {"sealed": SEAL.seal(serialize(SNAPSHOT))["sealed"]},
    "header without a sealed text": {"heat-zaqar": SEAL.seal(serialize(SNAPSHOT))["heat-zaqar"]},
    "part": pack(LARGE, NARROW)[0],
}


@pytest.mark.parametrize("body", NOT_SEALED.values(), ids=NOT_SEALED)
def test_what_is_not_sealed_is_refused_where_there_is_a_key(body):
    assert refusal(body) == "the message is not sealed, and this channel's must be"


@pytest.mark.parametrize(
    "body",
    [SEAL.seal(serialize(each)) for each in MESSAGES.values()] + [sealed_part()],
    ids=[*MESSAGES, "part"],
)
def test_what_is_sealed_is_refused_where_there_is_no_key(body):
    assert "there is no key" in refusal(body, NO_SEAL)


@pytest.mark.parametrize("seal", [SEAL, NO_SEAL], ids=["sealed", "plain"])
def test_a_document_may_have_a_key_of_that_name(seal):
    message = Snapshot(CHANNEL, 1, {"sealed": "envelopes"})
    assert found(pack(message, seal=seal), seal) == [message]


def test_a_header_that_is_none_is_refused():
    for header in ("text", 1, [], True):
        refusal({"heat-zaqar": header, "sealed": "AAAA"})
        with pytest.raises(WireFormatError):
            parse(NO_SEAL.unseal({"heat-zaqar": header, "sealed": "AAAA"}))


# What one who has the key sealed, and is no message


def sealed_by_hand(text, **header):
    outside = {"version": 1, "type": "snapshot", "channel": CHANNEL, "generation": 1, **header}
    sealed = AESGCM(RAW).encrypt(b"\x01" * 12, text, canonical_json(outside))
    return {
        "heat-zaqar": outside,
        "sealed": base64.b64encode(b"\x01" * 12 + sealed).decode("ascii"),
    }


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (b"", CANNOT_BE_OPENED),
        (b'{"digest":"s3cret"}', CANNOT_BE_OPENED),
        (b"\n{}", "holds no JSON"),
        (b"s3cret\n{}", "holds no JSON"),
        (b"[]\n{}", "the sealed header must be a JSON object, not an array"),
        (b"{}\n", "holds no JSON"),
        (b"{}\ns3cret", "holds no JSON"),
        (b'{}\n"s3cret"', "the sealed content must be a JSON object, not a text"),
        (b"{}\n\xff\xfe", "holds no JSON"),
        (b'{}\n{"a":' + b"[" * 100_000, "holds no JSON"),
        (b'{}\n{"a":' + b"9" * 5000 + b"}", "holds no JSON"),
    ],
)
def test_what_is_sealed_and_no_message_is_refused(text, told):
    said = refusal(sealed_by_hand(text))
    assert told in said
    assert "s3cret" not in said


def test_only_digest_and_base_are_read_from_inside():
    inside = {"digest": "d", "base": "b", "channel": "other", "generation": 99, "extra": 1}
    body = SEAL.unseal(sealed_by_hand(canonical_json(inside) + b'\n{"heat-zaqar":{},"a":1}'))
    assert body == {
        "heat-zaqar": {
            "version": 1, "type": "snapshot", "channel": CHANNEL, "generation": 1,
            "digest": "d", "base": "b",
        },
        "a": 1,
    }  # fmt: skip


def test_a_digest_in_the_clear_is_not_read():
    body = SEAL.unseal(sealed_by_hand(b"{}\n{}", digest="d", base=[1, "d"]))
    assert body["heat-zaqar"] == {
        "version": 1, "type": "snapshot", "channel": CHANNEL, "generation": 1,
    }  # fmt: skip


hostile = st.recursive(
    json_of(st.none() | st.booleans() | st.integers() | st.floats() | texts),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(texts, inner, max_size=4)
        | st.fixed_dictionaries(
            {},
            optional={
                "heat-zaqar": st.fixed_dictionaries(
                    {}, optional={"version": st.just(1), "part": inner, "digest": inner, "x": inner}
                )
                | inner,
                "sealed": st.text("ABCd01+/=") | inner,
            },
        )
    ),
    max_leaves=8,
)


@given(hostile)
def test_whatever_arrives_is_refused_by_one_who_has_a_key(body):
    refusal(body)


@given(hostile)
def test_whatever_arrives_is_a_message_or_refused_by_one_who_has_none(body):
    gathered = gather(queued([body]))
    assert len(gathered.found) + len(gathered.incomplete) + len(gathered.rejected) == 1


# In a queue


def test_a_forged_part_is_refused_by_itself_and_the_genuine_one_counts():
    bodies = pack(LARGE, NARROW, seal=SEAL)
    forged = [
        OTHER.seal(SEAL.unseal(bodies[1])),
        SEAL.unseal(bodies[1]),
        bodies[1] | {"sealed": bodies[0]["sealed"]},
    ]
    gathered = gather(sent([*forged, *bodies]), SEAL)
    assert [each.message for each in gathered.found] == [LARGE]
    assert len(gathered.found[0].carriers) == len(bodies)
    assert [each.message_id for each in gathered.rejected] == ["0", "1", "2"]


def test_a_forged_snapshot_has_no_say():
    newer = Snapshot(CHANNEL, 99, {"command": "forged"})
    bodies = [*pack(SNAPSHOT, seal=SEAL), *pack(newer, seal=OTHER), *pack(newer)]
    bodies += [*pack(Goodbye(CHANNEL)), *pack(Ack(CHANNEL, "a0e1"), seal=OTHER)]
    choice = choose(CHANNEL, None, sent(bodies), SEAL)
    assert (choice.snapshot, choice.acks, choice.goodbye) == (SNAPSHOT, (), False)
    assert [each.message_id for each in choice.rejected] == ["1", "2", "3", "4"]


def test_upkeep_leaves_what_it_can_open_and_nothing_else():
    ack = Ack(CHANNEL, "a0e1")
    bodies = [*pack(SNAPSHOT, seal=SEAL), *pack(SNAPSHOT, seal=OTHER), *pack(SNAPSHOT)]
    bodies += [*pack(ack, seal=SEAL), *pack(ack, seal=OTHER), *pack(ack)]
    todo = upkeep(SNAPSHOT, sent(bodies), seal=SEAL)
    assert (todo.post, todo.delete) == (False, ("1", "2", "4", "5"))


def test_a_snapshot_that_is_sealed_with_another_key_is_posted_anew_and_is_no_base():
    todo = upkeep(SNAPSHOT, sent(pack(SNAPSHOT, seal=OTHER)), plain=False, seal=SEAL)
    assert (todo.post, todo.delete, todo.base) == (True, ("0",), None)
    todo = upkeep(grown(21), sent(pack(grown(20), seal=SEAL)), plain=False, seal=SEAL)
    assert (todo.post, todo.base) == (True, grown(20))


# Sizes

LONGEST_NAME = "hz-c-" + "0" * 32


def document_of(size):
    """Return a snapshot whose body has so many bytes."""
    message = Snapshot(LONGEST_NAME, 2**31, {"text": ""})
    return Snapshot(LONGEST_NAME, 2**31, {"text": "x" * (size - size_of(serialize(message)))})


@pytest.mark.parametrize("post_bytes", [3000, 3001, 3002, 3003])
def test_what_is_sealed_fits_a_post_at_every_size_around_the_limit(post_bytes):
    limits = Limits(post_bytes)
    room = SEAL.room(limits.body_bytes)
    for size in range(room - 6, room + 7):
        (body,) = pack(document_of(size), limits, plain_bytes=10**9, seal=SEAL)
        assert size_of(body) <= limits.body_bytes
        assert ("part" in body["heat-zaqar"]) == (size > room)
        assert found([body]) == [document_of(size)]


@pytest.mark.parametrize("post_bytes", range(1140, 1150))
def test_parts_fit_a_post_at_every_size_around_the_limit(post_bytes):
    limits = Limits(post_bytes)
    for size in range(40, 80):
        text = Random(size).randbytes(size).hex()
        base = Snapshot(LONGEST_NAME, 2**31, {"deployments": [text * 9]})
        newer = Snapshot(LONGEST_NAME, 2**31 + 1, {"deployments": [text * 9, text[:9]]})
        for message, known in ((base, None), (newer, base)):
            bodies = pack(message, limits, plain_bytes=0, base=known, seal=SEAL)
            assert all(size_of(body) <= limits.body_bytes for body in bodies)
            assert gather(queued(bodies), SEAL).rejected == ()


def test_the_largest_sealed_bodies_fill_a_post():
    room = Limits().body_bytes
    text = Random(1).randbytes(200_000).hex()
    whole = pack(document_of(SEAL.room(room)), plain_bytes=10**9, seal=SEAL)[0]
    part = pack(Snapshot(CHANNEL, 1, {"text": text}), plain_bytes=0, seal=SEAL)[0]
    assert [0.99 * room < size_of(body) <= room for body in (whole, part)] == [True, True]


def test_sealing_does_not_cost_base64_twice():
    text = Random(1).randbytes(300_000).hex()
    plain, sealed = (pack(Snapshot(CHANNEL, 1, {"text": text}), seal=each)
                     for each in (NO_SEAL, SEAL))  # fmt: skip
    assert len(json.dumps(sealed)) < 1.01 * len(json.dumps(plain))


@pytest.mark.parametrize("size", [0, 1, 4096, 262044])
def test_without_a_key_there_is_all_the_room(size):
    assert NO_SEAL.room(size) == size


@given(messages | plain_snapshots)
def test_without_a_key_bodies_stay_as_they_are(message):
    body = serialize(message)
    assert NO_SEAL.seal(body) == body
    assert NO_SEAL.unseal(body) is body
