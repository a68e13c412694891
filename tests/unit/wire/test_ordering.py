"""Which snapshot wins, as tables of what is held, what is queued, and what must come of it."""

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
    Upkeep,
    choose,
    pack,
    serialize,
    upkeep,
)
from support.strategies import listed

CHANNEL = "ours"
ACK = Ack(CHANNEL, "c1")


def snapshot(generation, content="x", channel=CHANNEL):
    return Snapshot(channel, generation, {"content": content})


def queued(*messages, age_s=0, ttl_s=100):
    """Return messages as a queue lists them; what is no message is a body as it stands."""
    return [
        QueuedMessage(
            str(at),
            serialize(each) if hasattr(each, "__dataclass_fields__") else each,
            age_s,
            ttl_s,
        )
        for at, each in enumerate(messages)
    ]


def parts_of(message, size=8):
    """Return the bodies of a message's parts, of so many characters each."""
    return pack(message, Limits(post_bytes=612 + size), plain_bytes=0)


def aged(messages, *lives):
    """Return listed messages with the ages and TTLs of `lives`."""
    return [
        QueuedMessage(each.id, each.body, age_s, ttl_s)
        for each, (age_s, ttl_s) in zip(messages, lives, strict=True)
    ]


@pytest.mark.parametrize(
    ("held", "found", "winner"),
    [
        (None, [], None),
        (snapshot(1), [], snapshot(1)),
        (None, [snapshot(1)], snapshot(1)),
        (snapshot(1), [snapshot(2)], snapshot(2)),
        (snapshot(3), [snapshot(2)], snapshot(3)),
        (None, [snapshot(3), snapshot(2)], snapshot(3)),
        (None, [snapshot(2), snapshot(3)], snapshot(3)),
        (snapshot(1), [snapshot(1)], snapshot(1)),
        # A server that is rebuilt from another channel's disk starts anew.
        (snapshot(9, channel="other"), [snapshot(1)], snapshot(1)),
        (PlainSnapshot({"a": 1}), [snapshot(1)], snapshot(1)),
        (PlainSnapshot({"a": 1}), [], None),
    ],
)
def test_the_highest_generation_wins_without_a_rejection(held, found, winner):
    choice = choose(CHANNEL, held, queued(*found))
    assert choice.snapshot == winner
    assert choice.rejected == ()


@pytest.mark.parametrize(
    ("held", "found", "told"),
    [
        (snapshot(1), snapshot(1, "y"), "generation 1 again, with other content"),
        (snapshot(1), snapshot(2, channel="other"), "another channel"),
        (snapshot(1), PlainSnapshot({"a": 1}), "without a header"),
        (snapshot(1), Hello(CHANNEL, "x"), "not a snapshot"),
        (snapshot(1), Result(CHANNEL, "c1", {}), "not a snapshot"),
        (snapshot(1), Ack("other", "c1"), "ack of another channel"),
        (snapshot(1), Goodbye("other"), "a goodbye of another channel"),
        (snapshot(1), ["no", "object"], "must be a JSON object"),
        (None, "text", "must be a JSON object"),
    ],
)
def test_a_rejection_costs_nothing_that_is_held(held, found, told):
    choice = choose(CHANNEL, held, queued(found))
    assert choice.snapshot == held
    assert [told in rejection.reason for rejection in choice.rejected] == [True]


def test_what_follows_a_rejected_message_is_still_read():
    choice = choose(CHANNEL, None, queued("broken", snapshot(4)))
    assert choice.snapshot == snapshot(4)
    assert choice.rejected[0].message_id == "0"


def test_without_a_channel_the_last_plain_document_wins():
    first, second = PlainSnapshot({"n": 1}), PlainSnapshot({"n": 2})
    assert choose(None, None, queued(first, second)).snapshot == second
    assert choose(None, second, []).snapshot == second


def test_without_a_channel_a_snapshot_of_a_channel_is_rejected():
    choice = choose(None, None, queued(snapshot(1)))
    assert choice.snapshot is None
    assert "another channel" in choice.rejected[0].reason


@given(st.lists(st.integers(min_value=0, max_value=9)), st.randoms())
def test_the_order_of_arrival_does_not_matter(generations, random):
    bodies = queued(*(snapshot(each, f"of {each}") for each in generations))
    random.shuffle(bodies)
    winner = choose(CHANNEL, None, bodies).snapshot
    assert winner == (snapshot(max(generations), f"of {max(generations)}") if generations else None)


def test_acks_are_passed_on_in_the_order_of_the_queue():
    second = Ack(CHANNEL, "c1", 2)
    choice = choose(CHANNEL, None, queued(second, snapshot(1), ACK, ACK))
    assert choice.acks == (second, ACK, ACK)
    assert choice.rejected == ()


def test_a_goodbye_is_told_and_costs_nothing_that_is_held():
    choice = choose(CHANNEL, snapshot(1), queued(Goodbye(CHANNEL)))
    assert (choice.goodbye, choice.snapshot, choice.rejected) == (True, snapshot(1), ())
    assert not choose(CHANNEL, snapshot(1), []).goodbye


def test_an_ack_and_a_goodbye_of_another_channel_are_not_heeded():
    choice = choose(CHANNEL, None, queued(Ack("other", "c1"), Goodbye("other")))
    assert (choice.acks, choice.goodbye, len(choice.rejected)) == ((), False, 2)


@pytest.mark.parametrize("held", [None, snapshot(1), snapshot(2), PlainSnapshot({"a": 1})])
def test_the_carriers_are_those_of_the_winner(held):
    bodies = parts_of(snapshot(2))
    found = queued(snapshot(1), *bodies[1:], ACK, bodies[0])
    choice = choose(CHANNEL, held, found)
    assert choice.snapshot == snapshot(2)
    assert {each.id for each in choice.carriers} == {each.id for each in found} - {
        "0",
        str(len(bodies)),
    }


@pytest.mark.parametrize("found", [[], [snapshot(1)], ["broken"], [snapshot(2, "y")]])
def test_the_queue_may_not_have_what_is_held(found):
    choice = choose(CHANNEL, snapshot(2), queued(*found))
    assert (choice.carriers, choice.half_life_in_s) == ((), None)


@pytest.mark.parametrize(
    ("age_s", "ttl_s", "left"), [(0, 100, 50), (49, 100, 1), (50, 100, 0), (80, 100, -30)]
)
def test_half_of_a_life_is_counted_from_the_post(age_s, ttl_s, left):
    choice = choose(CHANNEL, None, queued(snapshot(1), age_s=age_s, ttl_s=ttl_s))
    assert choice.half_life_in_s == left


def test_of_two_copies_the_later_one_tells_the_life():
    found = aged(queued(snapshot(1), snapshot(1)), (90, 100), (1, 100))
    assert choose(CHANNEL, None, found).half_life_in_s == 49


def test_parts_live_as_long_as_the_first_that_goes():
    bodies = parts_of(snapshot(1), 16)
    assert len(bodies) == 2
    found = aged(queued(*bodies), (0, 100), (30, 100))
    assert choose(CHANNEL, None, found).half_life_in_s == 20


def test_an_older_snapshots_life_does_not_matter():
    found = aged(queued(snapshot(1), snapshot(2)), (90, 100), (0, 100))
    assert choose(CHANNEL, None, found).half_life_in_s == 50


def some_parts_of(message):
    return parts_of(message)[:-1]


@pytest.mark.parametrize(
    ("held", "found", "incomplete"),
    [
        (None, some_parts_of(snapshot(1)), True),
        (snapshot(1), some_parts_of(snapshot(2)), True),
        (PlainSnapshot({"a": 1}), some_parts_of(snapshot(2)), True),
        (snapshot(1, channel="other"), some_parts_of(snapshot(1)), True),
        (snapshot(1), parts_of(snapshot(2)), False),
        (snapshot(1), some_parts_of(snapshot(1)), False),
        (snapshot(2), some_parts_of(snapshot(1)), False),
        (None, [*some_parts_of(snapshot(1)), snapshot(1)], False),
        (None, [*some_parts_of(snapshot(1)), snapshot(2)], False),
        (None, [*some_parts_of(snapshot(2)), snapshot(1)], True),
        # Of no interest here, whole or not.
        (None, some_parts_of(snapshot(1, channel="other")), False),
        (None, some_parts_of(Result(CHANNEL, "c1", {"a": 1})), False),
    ],
)
def test_parts_of_something_newer_make_it_incomplete(held, found, incomplete):
    choice = choose(CHANNEL, held, queued(*found))
    assert choice.incomplete is incomplete
    assert choice.rejected == ()


@pytest.mark.parametrize(
    ("message", "told"),
    [
        (snapshot(2, channel="other"), "a snapshot of another channel"),
        (Result(CHANNEL, "c1", {"a": 1}), "not a snapshot"),
        (snapshot(1, "y"), "generation 1 again, with other content"),
    ],
)
def test_what_is_rejected_whole_is_rejected_in_parts(message, told):
    choice = choose(CHANNEL, snapshot(1), queued(*parts_of(message)))
    assert choice.snapshot == snapshot(1)
    (rejection,) = choice.rejected
    assert told in rejection.reason


def test_without_a_channel_nothing_of_a_channel_is_heeded():
    found = queued(ACK, Goodbye(CHANNEL), *some_parts_of(snapshot(1)), PlainSnapshot({"n": 1}))
    choice = choose(None, None, found)
    assert choice.snapshot == PlainSnapshot({"n": 1})
    assert (choice.acks, choice.goodbye, choice.incomplete) == ((), False, False)
    assert len(choice.rejected) == 2


@pytest.mark.parametrize(
    ("found", "post", "delete"),
    [
        ([], True, ()),
        ([snapshot(1)], True, ("0",)),
        ([snapshot(2, True)], False, ()),
        ([snapshot(2, True), snapshot(2, True)], False, ("0",)),
        ([snapshot(1), snapshot(3), snapshot(2, True)], False, ("0", "2")),
        ([snapshot(2, "forged")], True, ("0",)),
        (["broken", snapshot(2, True), snapshot(9, channel="other")], False, ("0", "2")),
        (["broken"], True, ("0",)),
        # 1 == True to Python; to JSON and the digest it is not.
        ([snapshot(2, 1)], True, ("0",)),
        ([ACK, snapshot(2, True), ACK, snapshot(1)], False, ("3",)),
        ([Ack("other", "c1"), snapshot(2, True)], False, ("0",)),
        ([Goodbye(CHANNEL), snapshot(2, True)], False, ("0",)),
        ([Result(CHANNEL, "c1", {}), snapshot(2, True)], False, ("0",)),
        ([PlainSnapshot({"a": 1}), Hello(CHANNEL, "x")], True, ("0", "1")),
    ],
)
def test_the_queue_is_left_with_the_newest_snapshot_and_the_acks(found, post, delete):
    assert upkeep(snapshot(2, True), queued(*found)) == Upkeep(post, delete)


@pytest.mark.parametrize(
    ("found", "post", "kept"),
    [
        (parts_of(snapshot(2)), False, "all"),
        (parts_of(snapshot(3)), False, "all"),
        (parts_of(snapshot(1)), True, "none"),
        (parts_of(snapshot(2, "forged")), True, "none"),
        (parts_of(snapshot(2, channel="other")), True, "none"),
        # Half a post of ours: an engine that died. Of another's newer one: it may live.
        (some_parts_of(snapshot(2)), True, "none"),
        (some_parts_of(snapshot(1)), True, "none"),
        (some_parts_of(snapshot(3)), True, "all"),
        (some_parts_of(snapshot(3, channel="other")), True, "none"),
        (some_parts_of(Result(CHANNEL, "c1", {"a": 1})), True, "none"),
    ],
)
def test_parts_stay_when_they_are_new_enough(found, post, kept):
    todo = upkeep(snapshot(2), queued(*found))
    everything = tuple(str(at) for at in range(len(found)))
    assert todo == Upkeep(post, everything if kept == "none" else ())


def test_parts_that_are_there_twice_stay():
    bodies = parts_of(snapshot(2))
    assert upkeep(snapshot(2), queued(*bodies, bodies[0])) == Upkeep(False, ())


def test_parts_that_are_damaged_go():
    bodies = [{**body, "payload": "AAAA"} for body in parts_of(snapshot(9))]
    todo = upkeep(snapshot(2), queued(*bodies, snapshot(2)))
    assert todo == Upkeep(False, tuple(str(at) for at in range(len(bodies))))


@pytest.mark.parametrize(
    ("lives", "todo"),
    [
        ([(49, 100)], Upkeep(False, ())),
        ([(50, 100)], Upkeep(True, ("0",))),
        ([(99, 100)], Upkeep(True, ("0",))),
        # A copy posted since then will do; the old one is in its way.
        ([(50, 100), (0, 100)], Upkeep(False, ("0",))),
        ([(60, 100), (50, 100)], Upkeep(True, ("0", "1"))),
    ],
)
@pytest.mark.parametrize("generation", [2, 3])
def test_past_half_of_its_life_a_snapshot_is_posted_again(lives, todo, generation):
    found = aged(queued(*[snapshot(generation)] * len(lives)), *lives)
    assert upkeep(snapshot(2), found) == todo


def test_one_part_past_half_of_its_life_is_enough():
    bodies = parts_of(snapshot(2), 16)
    found = aged(queued(*bodies, ACK), (0, 100), (50, 100), (90, 100))
    assert upkeep(snapshot(2), found) == Upkeep(True, ("0", "1"))


def test_an_ack_past_half_of_its_life_stays_and_is_no_matter():
    found = aged(queued(snapshot(2), ACK), (0, 100), (90, 100))
    assert upkeep(snapshot(2), found) == Upkeep(False, ())


messages = st.sampled_from(
    [
        *(serialize(snapshot(generation)) for generation in (1, 2, 3)),
        *(body for generation in (1, 2, 3) for body in parts_of(snapshot(generation))),
        serialize(snapshot(2, channel="other")),
        serialize(ACK),
        "broken",
    ]
)


@given(listed(messages, max_size=12))
def test_upkeep_done_is_nothing_to_do_and_shows_at_least_as_much(before):
    """Whatever lies there, an agent finds this generation or a newer one in the queue then."""
    todo = upkeep(snapshot(2), before)
    after = [each for each in before if each.id not in todo.delete]
    if todo.post:
        after.append(QueuedMessage("new", serialize(snapshot(2)), 0, 100))
    choice = choose(CHANNEL, None, after)
    assert choice.snapshot.generation >= 2
    assert choice.half_life_in_s > 0
    assert choice.rejected == ()
    assert upkeep(snapshot(2), after) == Upkeep(False, ())
