"""Which snapshot wins, as tables of what is held, what is queued, and what must come of it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from heat_zaqar_transport.wire import (
    Hello,
    PlainSnapshot,
    Snapshot,
    Upkeep,
    choose,
    serialize,
    upkeep,
)

CHANNEL = "ours"


def snapshot(generation, content="x", channel=CHANNEL):
    return Snapshot(channel, generation, {"content": content})


def queued(*messages):
    return [
        (str(index), message if isinstance(message, list | str) else serialize(message))
        for index, message in enumerate(messages)
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


@pytest.mark.parametrize(
    ("found", "post", "delete"),
    [
        ([], True, ()),
        ([snapshot(1)], True, ("0",)),
        ([snapshot(2)], False, ()),
        ([snapshot(2), snapshot(2)], False, ("1",)),
        ([snapshot(1), snapshot(3), snapshot(2)], False, ("0", "2")),
        ([snapshot(2, "forged")], True, ("0",)),
        (["broken", snapshot(2), snapshot(9, channel="other")], False, ("0", "2")),
        (["broken"], True, ("0",)),
        ([PlainSnapshot({"a": 1}), Hello(CHANNEL, "x")], True, ("0", "1")),
    ],
)
def test_the_queue_is_left_with_the_newest_snapshot_alone(found, post, delete):
    assert upkeep(snapshot(2), queued(*found)) == Upkeep(post, delete)
