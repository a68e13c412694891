"""Messages in parts: cut for any limits, put together from any order, refused when damaged."""

import base64
import json
import random
import string
import tracemalloc
import zlib
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from heat_zaqar_transport.wire import (
    Ack,
    Goodbye,
    Hello,
    Limits,
    PlainSnapshot,
    QueuedMessage,
    Result,
    Snapshot,
    canonical_json,
    gather,
    pack,
    serialize,
)
from heat_zaqar_transport.wire.bounds import MAX_RESULT_WHOLE_BYTES, MAX_WHOLE_BYTES
from heat_zaqar_transport.wire.errors import TooLarge, WireFormatError
from heat_zaqar_transport.wire.messages import MAX_PARTS
from heat_zaqar_transport.wire.parts import PLAIN_BYTES
from support.fuzz import odd_values
from support.strategies import (
    channels,
    digests,
    generations,
    made_channels,
    narrow_limits,
    payloads,
    places,
    results,
    snapshots,
    texts,
)

MIB = 1024 * 1024
# A Zaqar that takes so little cuts small documents into parts of 120 characters.
TINY = Limits(post_bytes=732)


def noise(size):
    """Return base64 text that zlib can only make three quarters of."""
    return base64.b64encode(random.Random(size).randbytes(size)).decode()[:size]


SNAPSHOT = Snapshot("ours", 3, {"text": noise(400)})
RESULT = Result("ours", "c1", {"text": noise(400)}, attempt=2)
LONG = Snapshot("ours", 3, {"text": noise(2000)})


def queued(bodies):
    return [QueuedMessage(str(at), body) for at, body in enumerate(bodies)]


def parts_of(message, limits=TINY):
    return pack(message, limits, plain_bytes=0)


def request_bytes(body):
    """Return what Zaqar counts, as python-zaqarclient 4.7 writes it."""
    return len(json.dumps({"messages": [{"ttl": 1209600, "body": body}]}))


def forged(message, whole, **header):
    """Return a message's one part with another whole in it."""
    payload = base64.b64encode(zlib.compress(whole)).decode()
    said = {**message.header(), "part": [1, 1], "encoding": "zlib", **header}
    return {"heat-zaqar": said, "payload": payload}


@given(
    snapshots(made_channels) | results(made_channels),
    narrow_limits(2000) | st.just(Limits()),
    st.sampled_from([0, 600, PLAIN_BYTES]),
    st.data(),
)
def test_any_message_survives_any_cut_and_any_order(message, limits, plain_bytes, data):
    bodies = pack(message, limits, plain_bytes)
    assert all(request_bytes(body) <= limits.post_bytes for body in bodies)
    others = [serialize(Hello("ours", "x")), *parts_of(SNAPSHOT)[:1], "broken"]
    again = data.draw(st.lists(st.sampled_from(bodies), max_size=4))
    wire = json.loads(json.dumps(data.draw(st.permutations([*bodies, *again, *others]))))
    gathered = gather(queued(wire))
    found = [each for each in gathered.found if not isinstance(each.message, Hello)]
    assert {each.message.digest for each in found} == {message.digest}
    assert [type(each.message) for each in found] == [type(message)] * len(found)
    assert found[0].message == message
    assert sum(len(each.carriers) for each in found) == len(bodies) + len(again)
    assert len(gathered.incomplete) == len(gathered.rejected) == 1


@pytest.mark.parametrize("message", [SNAPSHOT, RESULT])
def test_without_one_of_its_parts_a_message_is_incomplete(message):
    bodies = parts_of(message)
    assert len(bodies) > 2
    for lost in range(len(bodies)):
        rest = queued(bodies[:lost] + bodies[lost + 1 :])
        gathered = gather(rest)
        assert (gathered.found, gathered.rejected) == ((), ())
        ((key, carriers),) = gathered.incomplete
        assert (key.kind, key.channel, key.count) == (message.kind, "ours", len(bodies))
        assert carriers == tuple(rest)


def test_parts_for_two_sizes_of_post_are_not_mixed():
    wide = parts_of(SNAPSHOT, Limits(post_bytes=800))
    narrow = parts_of(SNAPSHOT)
    assert len(wide) < len(narrow)
    gathered = gather(queued([*wide[:1], *narrow[1:]]))
    assert (gathered.found, gathered.rejected, len(gathered.incomplete)) == ((), (), 2)
    (found,) = gather(queued([*wide[:1], *narrow])).found
    assert (found.message, len(found.carriers)) == (SNAPSHOT, len(narrow))


def test_results_in_parts_are_told_apart():
    second = Result("ours", "c1", RESULT.outputs, attempt=3)
    bodies = [
        body for pair in zip(parts_of(RESULT), parts_of(second), strict=True) for body in pair
    ]
    assert [found.message for found in gather(queued(bodies)).found] == [RESULT, second]


def test_found_is_in_the_order_of_the_list_with_what_came_in_parts_last():
    hello, ack = Hello("ours", "x"), Ack("ours", "c1")
    bodies = [*parts_of(RESULT), serialize(hello), serialize(ack)]
    gathered = gather(queued(bodies))
    assert [found.message for found in gathered.found] == [hello, ack, RESULT]


def renumbered(bodies, digest):
    return [{**body, "heat-zaqar": {**body["heat-zaqar"], "digest": digest}} for body in bodies]


def with_payload(bodies, at, change):
    return [
        {**body, "payload": change(body["payload"])} if place == at else body
        for place, body in enumerate(bodies)
    ]


DAMAGED = {
    "a digit of base64 changed": lambda parts: with_payload(
        parts, 0, lambda text: text[:9] + ("A" if text[9] != "A" else "B") + text[10:]
    ),
    "a part cut short": lambda parts: with_payload(parts, 1, lambda text: text[:-4]),
    "a part empty but for one digit": lambda parts: with_payload(
        parts, -1 % len(parts), lambda _: "x"
    ),
    "no base64": lambda parts: with_payload(parts, 0, lambda text: "!" + text[1:]),
    "beyond ASCII": lambda parts: with_payload(parts, 0, lambda text: "é" + text[1:]),
    "white space": lambda parts: with_payload(parts, 0, lambda text: " " + text[1:]),
    "the pieces changed places": lambda parts: [
        {**parts[0], "payload": parts[1]["payload"]},
        {**parts[1], "payload": parts[0]["payload"]},
        *parts[2:],
    ],
    "another digest": lambda parts: renumbered(parts, "0" * 64),
}


@pytest.mark.parametrize("damage", DAMAGED)
@pytest.mark.parametrize("message", [SNAPSHOT, RESULT], ids=["snapshot", "result"])
def test_damaged_parts_are_rejected_once_and_cost_nothing_else(message, damage):
    bodies = DAMAGED[damage](parts_of(message))
    gathered = gather(queued([*bodies, serialize(Ack("ours", "c1"))]))
    assert [found.message for found in gathered.found] == [Ack("ours", "c1")]
    assert gathered.incomplete == ()
    (rejection,) = gathered.rejected
    assert rejection.message_id == "0"
    assert message.kind in rejection.reason


NOT_THE_WHOLE = {
    "no object": b"[1]",
    "no JSON": b"{",
    "no UTF-8": b'{"a": "\xff"}',
    "not a number": b'{"a": NaN}',
    "too deep": b'{"a": ' + b"[" * 100_000,
    "a number without end": b'{"a": ' + b"9" * 5000 + b"}",
    "nothing": b"",
}


@pytest.mark.parametrize("whole", NOT_THE_WHOLE.values(), ids=NOT_THE_WHOLE)
@pytest.mark.parametrize("message", [SNAPSHOT, RESULT], ids=["snapshot", "result"])
def test_what_is_unpacked_must_be_the_message(message, whole):
    gathered = gather(queued([forged(message, whole)]))
    assert (gathered.found, len(gathered.rejected)) == ((), 1)


def test_a_result_in_parts_must_be_a_result():
    gathered = gather(queued([forged(RESULT, b'{"outputs": {}}')]))
    assert "'config_id' must be" in gathered.rejected[0].reason


@pytest.mark.parametrize("change", [{"encoding": "lzma"}, {"part": [2, 1]}, {"type": "hello"}])
def test_a_part_that_breaks_the_format_is_rejected_by_itself(change):
    first, *others = parts_of(SNAPSHOT)
    broken = {**first, "heat-zaqar": {**first["heat-zaqar"], **change}}
    gathered = gather(queued([broken, first, *others]))
    assert [found.message for found in gathered.found] == [SNAPSHOT]
    assert [rejection.message_id for rejection in gathered.rejected] == ["0"]


@given(st.recursive(odd_values, lambda inner: st.fixed_dictionaries({}, optional={
    "heat-zaqar": st.fixed_dictionaries({}, optional={
        "version": st.just(1), "type": st.sampled_from(["snapshot", "result", "ack"]),
        "channel": channels | texts, "digest": digests | texts,
        "generation": generations | st.integers(),
        "part": places | st.lists(st.integers(1, 2)), "encoding": st.just("zlib"),
    }), "payload": payloads, "content": inner,
}), max_leaves=8))  # fmt: skip
def test_whatever_is_queued_is_found_or_rejected_or_waits(body):
    gathered = gather(queued([body]))
    assert len(gathered.found) + len(gathered.rejected) + len(gathered.incomplete) == 1


def test_a_zlib_bomb_is_refused_before_it_fills_the_memory():
    packer = zlib.compressobj(9)
    bomb = b"".join([*(packer.compress(b" " * MIB) for _ in range(64)), packer.flush()])
    body = {**forged(RESULT, b""), "payload": base64.b64encode(bomb).decode()}
    assert len(body["payload"]) < MIB
    tracemalloc.start()
    try:
        gathered = gather(queued([body]))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert f"larger than {MAX_RESULT_WHOLE_BYTES} bytes" in gathered.rejected[0].reason
    assert peak < 3 * MAX_RESULT_WHOLE_BYTES


@pytest.mark.parametrize("text", ["x", noise(3 * MIB)], ids=["compressible", "noise"])
def test_the_largest_whole_is_carried_and_one_byte_more_is_not(text):
    room = MAX_WHOLE_BYTES - len(canonical_json({"a": ""}))
    text = (text * room)[:room] if len(text) == 1 else (text * 6)[:room]
    (found,) = gather(queued(pack(Snapshot("ours", 1, {"a": text})))).found
    assert found.message.document == {"a": text}
    with pytest.raises(TooLarge) as caught:
        pack(Snapshot("ours", 1, {"a": text + "x"}))
    assert (caught.value.found_bytes, caught.value.limit_bytes) == (
        MAX_WHOLE_BYTES + 1,
        MAX_WHOLE_BYTES,
    )
    # A sender that does not keep to it is refused.
    whole = canonical_json({"a": text + "x"})
    assert gather(queued([forged(SNAPSHOT, whole)])).rejected


@pytest.mark.parametrize(
    ("message", "most"),
    [
        (Snapshot("hz-c-" + "0" * 32, 10**9, {"deployments": [{"config": noise(8 * MIB)}]}), 34),
        (Result("hz-c-" + "0" * 32, "c" * 36, {"deploy_stdout": noise(MIB)}), 5),
    ],
    ids=["snapshot of 8 MiB", "result of 1 MiB"],
)
def test_the_largest_messages_that_are_promised_fit_a_stock_zaqar(message, most):
    bodies = pack(message)
    assert len(bodies) <= most
    assert max(request_bytes(body) for body in bodies) <= 262144
    (found,) = gather(queued(bodies)).found
    assert found.message == message


def test_a_small_message_is_sent_as_it_is():
    small = Snapshot("ours", 1, {"a": "x" * 3000})
    assert pack(small) == [serialize(small)]


def test_a_larger_one_is_compressed_even_into_one_part():
    (body,) = pack(Snapshot("ours", 1, {"a": "x" * 100_000}))
    assert body["heat-zaqar"]["part"] == [1, 1]
    assert request_bytes(body) < 1000


def test_unless_it_shall_be_plain():
    # For os-collect-config as released, which knows no parts.
    plain = Snapshot("ours", 1, {"a": "x" * 100_000})
    assert pack(plain, plain_bytes=262144) == [serialize(plain)]
    assert len(pack(plain, TINY, plain_bytes=262144)) > 1


def test_what_compressing_makes_larger_is_sent_as_it_is():
    # Random text of all printable characters has more bits than base64 can tell in as many.
    text = "".join(
        random.Random(1).choices("".join(map(chr, range(35, 92))) + string.ascii_lowercase, k=9000)
    )
    result = Result("ours", "c1", {"a": text})
    assert pack(result) == [serialize(result)]


@pytest.mark.parametrize(
    "message",
    [
        Hello("ours", "x" * 5000),
        Ack("ours", "c1"),
        Goodbye("ours"),
        PlainSnapshot({"a": "x" * 5000}),
    ],
    ids=lambda message: type(message).__name__,
)
def test_other_messages_are_never_cut(message):
    assert pack(message, TINY) == [serialize(message)]


@pytest.mark.parametrize("message", [LONG, replace(RESULT, outputs=LONG.document)])
@pytest.mark.parametrize("post_bytes", [0, 50, 100, 612, 613])
def test_limits_in_which_nothing_fits_name_both_sizes(message, post_bytes):
    with pytest.raises(TooLarge) as caught:
        pack(message, Limits(post_bytes=post_bytes))
    assert caught.value.found_bytes > 100
    assert caught.value.limit_bytes == (0 if post_bytes < 613 else MAX_PARTS)
    assert str(caught.value.found_bytes) in str(caught.value)
    assert str(caught.value.limit_bytes) in str(caught.value)


@pytest.mark.parametrize("outputs", [{"a": {1}}, {"a": float("nan")}, {"a": b"x"}])
def test_what_is_no_json_cannot_be_packed(outputs):
    for message in (Result("ours", "c1", outputs), Snapshot("ours", 1, outputs)):
        with pytest.raises(WireFormatError, match="not expressible in JSON"):
            pack(message)
