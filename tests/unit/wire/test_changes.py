"""Snapshots told by what is other than in an earlier one that lies in the queue."""

import base64
import hashlib
import json
import tracemalloc
import zlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from heat_zaqar_transport.wire import (
    Limits,
    QueuedMessage,
    Snapshot,
    Upkeep,
    canonical_json,
    choose,
    gather,
    pack,
    serialize,
    upkeep,
)
from heat_zaqar_transport.wire.bounds import MAX_WHOLE_BYTES
from heat_zaqar_transport.wire.changes import applied, change_since
from heat_zaqar_transport.wire.errors import WireFormatError
from heat_zaqar_transport.wire.messages import Base, PartKey
from heat_zaqar_transport.wire.reading import parse_change
from support.strategies import json_values, narrow_limits

GOLDEN = Path(__file__).parents[2] / "golden"
CHANNEL = "hz-c-0123"


def deployment(number):
    return {"id": f"c{number}", "config": hashlib.sha512(b"%d" % number).hexdigest() * 8}


def snapshot(generation, *numbers, **rest):
    document = {**rest, "deployments": [deployment(number) for number in numbers]}
    return Snapshot(CHANNEL, generation, document)


BASE = snapshot(1, *range(20))
NEXT = snapshot(2, *range(1, 21), name="new")


def queued(*bodies, first=0, age_s=0):
    return [QueuedMessage(str(at), body, age_s, 100) for at, body in enumerate(bodies, first)]


def ids(messages):
    return [each.id for each in messages]


def change_bodies(message=NEXT, base=BASE, limits=None):
    bodies = pack(message, limits, base=base)
    assert all("base" in body["heat-zaqar"] for body in bodies)
    return bodies


def test_a_change_holds_what_is_new_and_the_places_of_the_rest():
    change = change_since(BASE, NEXT)
    assert change.deployments == (*range(1, 20), deployment(20))
    assert change.rest == {"name": "new"}
    assert change.base == Base(1, BASE.digest)
    assert change.digest == NEXT.digest


def test_the_bytes_of_a_change_are_those_of_what_is_new():
    size = len(json.dumps(pack(BASE)))
    assert len(json.dumps(change_bodies())) * 3 < size


@pytest.mark.parametrize("limits", [Limits(), Limits(post_bytes=650)])
def test_with_its_base_a_change_is_a_snapshot(limits):
    bodies = change_bodies(limits=limits)
    assert len(bodies) == 1 or limits != Limits()
    found = queued(*bodies, *pack(BASE, limits))
    for messages in (found, found[::-1]):
        gathered = gather(messages)
        assert [each.message for each in gathered.found] == [BASE, NEXT]
        assert [each.changed for each in gathered.found] == [False, True]
        assert set(ids(gathered.found[1].carriers)) == set(ids(found))
        choice = choose(CHANNEL, None, messages)
        assert choice.snapshot == NEXT
        assert set(ids(choice.carriers)) == set(ids(found))


def test_a_change_lives_no_longer_than_its_base():
    found = queued(*pack(BASE), age_s=30) + queued(*change_bodies(), first=1, age_s=1)
    assert choose(CHANNEL, None, found).half_life_in_s == 20


def test_without_its_base_a_change_waits():
    gathered = gather(queued(*change_bodies()))
    assert (gathered.found, gathered.rejected, len(gathered.incomplete)) == ((), (), 1)
    assert choose(CHANNEL, BASE, queued(*change_bodies())).incomplete


@pytest.mark.parametrize(
    "other",
    [snapshot(1, 5), snapshot(3, *range(20)), Snapshot("other", 1, BASE.document)],
    ids=["digest", "generation", "channel"],
)
def test_another_snapshot_is_not_its_base(other):
    assert len(gather(queued(*change_bodies(), *pack(other))).incomplete) == 1


def test_a_change_is_no_base():
    third = snapshot(3, *range(2, 22))
    on_base, on_change = change_bodies(), change_bodies(third, NEXT)
    gathered = gather(queued(*pack(BASE), *on_base, *on_change))
    assert [each.message for each in gathered.found] == [BASE, NEXT]
    assert len(gathered.incomplete) == 1
    # And so none is made: the base is the newest that is whole.
    todo = upkeep(third, queued(*pack(BASE), *on_base), plain=False)
    assert (todo.post, todo.base) == (True, BASE)


@pytest.mark.parametrize(
    ("messages", "todo"),
    [
        ([], Upkeep(True, (), None)),
        (queued(*pack(BASE)), Upkeep(True, (), BASE)),
        (queued(*pack(BASE), *change_bodies()), Upkeep(False, (), None)),
        (queued(*pack(BASE), *pack(NEXT)), Upkeep(False, ("0",), None)),
        (queued(*change_bodies()), Upkeep(True, ("0",), None)),
        # Who holds this one refuses what is told as a change of it.
        (queued(*pack(snapshot(2, *range(20)))), Upkeep(True, ("0",), None)),
        # A base with half of its life over takes its changes with it.
        (queued(*pack(BASE), age_s=50), Upkeep(True, ("0",), None)),
        (
            queued(*pack(BASE), age_s=50) + queued(*change_bodies(), first=1),
            Upkeep(True, ("0", "1"), None),
        ),
        # Of its own generation, with other content: nobody would take what is told of it.
        (queued(*pack(snapshot(2, *range(20)))), Upkeep(True, ("0",), None)),
        # A change that is old itself is told anew.
        (
            queued(*pack(BASE)) + queued(*change_bodies(), first=1, age_s=50),
            Upkeep(True, ("1",), BASE),
        ),
    ],
)
def test_upkeep_keeps_the_base_of_the_newest(messages, todo):
    assert upkeep(NEXT, messages, plain=False) == todo


def test_the_base_of_an_engine_that_is_behind_stays():
    newer = snapshot(3, *range(50, 70))
    listed = queued(*pack(BASE), *pack(newer))
    assert upkeep(NEXT, listed, plain=False) == Upkeep(False, ("0",))


def test_a_small_snapshot_needs_no_base():
    assert upkeep(NEXT, queued(*pack(BASE))) == Upkeep(True, ("0",), None)


def forged(whole, **header):
    """Return the one part of a change that carries something else than it should."""
    said = change_bodies()[0]["heat-zaqar"]
    payload = base64.b64encode(zlib.compress(canonical_json(whole))).decode()
    return {"heat-zaqar": {**said, **header}, "payload": payload}


PAD = "x" * 300


@pytest.mark.parametrize(
    ("whole", "told"),
    [
        ({"rest": {"pad": PAD}, "deployments": [20]}, "its base has not"),
        ({"rest": {"pad": PAD}, "deployments": [-1]}, "no place"),
        ({"rest": {"pad": PAD}, "deployments": [True]}, "no place"),
        ({"rest": {"pad": PAD}, "deployments": [0]}, "its digest does not fit"),
        ({"rest": {"pad": PAD}, "deployments": {}}, "'deployments' must be"),
        ({"rest": [PAD], "deployments": []}, "'rest' must be"),
        ({"rest": {"heat-zaqar": PAD}, "deployments": []}, "must not have a key 'heat-zaqar'"),
        ({"pad": PAD}, "must be"),
        ({"rest": {"heat-zaqar": PAD}, "deployments": []}, "key 'heat-zaqar' of its own"),
    ],
)
def test_a_change_that_does_not_fit_is_rejected_and_costs_no_base(whole, told):
    gathered = gather(queued(*pack(BASE), forged(whole)))
    assert [each.message for each in gathered.found] == [BASE]
    (rejection,) = gathered.rejected
    assert told in rejection.reason


def test_a_change_told_to_be_something_else_is_rejected():
    whole = change_since(BASE, NEXT).whole
    for lie in ({"digest": "0" * 64}, {"digest": BASE.digest}):
        gathered = gather(queued(*pack(BASE), forged(whole, **lie)))
        assert [each.message for each in gathered.found] == [BASE]
        assert "its digest does not fit" in gathered.rejected[0].reason


@pytest.mark.parametrize("base", [1, [], [1], [1, 2], ["1", "x"], [-1, "x"], [True, "x"], {}])
def test_a_base_is_a_generation_and_a_digest(base):
    (rejection,) = gather(queued(forged({"pad": PAD}, base=base))).rejected
    assert "'base' must be" in rejection.reason


def test_a_place_that_is_named_ten_thousand_times_does_not_fill_the_memory():
    large = Snapshot(CHANNEL, 1, {"deployments": ["x" * 100_000]})
    bomb = forged({"rest": {}, "deployments": [0] * 10_000}, base=[large.generation, large.digest])
    assert len(json.dumps(bomb)) < 1000  # and it tells of a gigabyte
    messages = queued(*pack(large), bomb)
    tracemalloc.start()
    try:
        gathered = gather(messages)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert f"larger than {MAX_WHOLE_BYTES} bytes" in gathered.rejected[0].reason
    assert peak < 3 * MAX_WHOLE_BYTES


@pytest.mark.parametrize(
    "document", [{}, {"deployments": {}}, {"deployments": [1]}, {"deployments": [True]}]
)
def test_what_has_no_list_of_deployments_is_told_whole(document):
    assert change_since(BASE, Snapshot(CHANNEL, 2, document)) is None


def test_a_change_that_saves_little_is_not_made():
    other = snapshot(2, *range(50, 70))
    assert pack(other, base=BASE) == pack(other)


def test_the_largest_whole_is_not_too_large_for_being_told_as_a_change():
    document = {"deployments": [""]}
    room = MAX_WHOLE_BYTES - len(canonical_json(document))
    largest = Snapshot(CHANNEL, 2, {"deployments": ["x" * room]})
    assert pack(largest, base=BASE) == pack(largest)


pools = st.lists(json_values, min_size=1, max_size=4)
rests = st.dictionaries(st.sampled_from(["a", "rest", "base", "content", "payload"]), json_values)


@st.composite
def documents(draw, pool):
    """Return a document of deployments of a pool, which come again and change places."""
    lists = st.lists(st.sampled_from(pool), max_size=6)
    others = st.builds(dict) | json_values.map(lambda value: {"deployments": value})
    listed = lists.map(lambda deployments: {"deployments": deployments})
    return {**draw(rests), **draw(listed | listed | listed | others)}


pairs = pools.flatmap(lambda pool: st.tuples(documents(pool), documents(pool)))


@given(pairs)
def test_any_change_applied_is_the_snapshot(pair):
    base, after = (Snapshot(CHANNEL, at, document) for at, document in enumerate(pair))
    change = change_since(base, after)
    deployments = after.document.get("deployments")
    if change is None:
        assert not isinstance(deployments, list) or any(isinstance(n, int) for n in deployments)
        return
    wire = json.loads(json.dumps(change.whole))
    key = PartKey("snapshot", CHANNEL, 1, after.digest, 1, change.base)
    assert parse_change(key, change.base, wire) == change
    # 1 == True to Python; to JSON and the digest it is not.
    assert applied(change, base, MAX_WHOLE_BYTES).digest == after.digest


@given(pairs, narrow_limits(1000) | st.just(Limits()), st.data())
def test_any_snapshot_survives_with_any_base_in_any_order(pair, limits, data):
    # Enough that is in both, so that it is told as a change where that can be.
    base, after = (
        Snapshot(CHANNEL, at, {**document, **_padded(document)}) for at, document in enumerate(pair)
    )
    bodies = [*pack(base, limits, 0), *pack(after, limits, 0, base)]
    again = data.draw(st.lists(st.sampled_from(bodies), max_size=3))
    wire = json.loads(json.dumps(data.draw(st.permutations([*bodies, *again, "broken"]))))
    gathered = gather(queued(*wire))
    assert (len(gathered.rejected), gathered.incomplete) == (1, ())
    assert {each.message.digest for each in gathered.found} == {base.digest, after.digest}
    assert choose(CHANNEL, None, queued(*wire)).snapshot.digest == after.digest


def _padded(document):
    deployments = document.get("deployments")
    return {"deployments": [deployment(0), *deployments]} if isinstance(deployments, list) else {}


places = json_values | st.integers(-2, 21)


@given(rests | json_values, st.lists(places, max_size=5) | json_values)
def test_whatever_a_change_holds_it_is_the_snapshot_or_rejected(rest, deployments):
    whole = {"rest": rest, "deployments": deployments}
    gathered = gather(queued(*pack(BASE), forged(whole)))
    assert [each.message for each in gathered.found] == [BASE]
    assert (len(gathered.rejected), gathered.incomplete) == (1, ())


def test_a_change_needs_the_base_that_it_names():
    other = snapshot(1, *range(1, 21))
    with pytest.raises(WireFormatError, match="digest does not fit"):
        applied(change_since(BASE, NEXT), other, MAX_WHOLE_BYTES)


def test_the_golden_change_is_read_and_written():
    documents = [
        {"deployments": [{"id": "c1", "group": "script", "config": "echo 1\n"}]},
        {
            "os-collect-config": {"collectors": ["zaqar"]},
            "deployments": [
                {"id": "c1", "group": "script", "config": "echo 1\n"},
                {"id": "c2", "group": "script", "config": "echo 2\n"},
            ],
        },
    ]
    base, changed = (Snapshot(CHANNEL, 17 + at, each) for at, each in enumerate(documents))
    body, plain = json.loads((GOLDEN / "snapshot-as-change.json").read_text())
    (found,) = [each for each in gather(queued(body, plain)).found if each.changed]
    assert found.message == changed
    change = change_since(base, changed)
    said = {**change.header(), "part": [1, 1], "encoding": "zlib"}
    assert said == body["heat-zaqar"]
    # Not zlib's bytes, which may differ from one build to the next.
    assert zlib.decompress(base64.b64decode(body["payload"])) == canonical_json(change.whole)
    assert plain == serialize(base)
