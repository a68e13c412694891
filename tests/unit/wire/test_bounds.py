import sys

import pytest

from heat_zaqar_transport.wire.bounds import (
    MAX_DEPTH,
    check_depth,
    parsed_json,
    quoted,
    storable,
    weight_of,
)
from heat_zaqar_transport.wire.errors import WireFormatError


def nested(levels):
    value = 1
    for level in range(levels):
        value = [value] if level % 2 else {"a": value}
    return value


@pytest.mark.parametrize("levels", [0, 1, MAX_DEPTH])
def test_up_to_its_bound_a_value_may_be_deep(levels):
    check_depth(nested(levels))


@pytest.mark.parametrize("levels", [MAX_DEPTH + 1, 100_000])
def test_beyond_it_a_value_is_refused_without_recursion(levels):
    assert levels == MAX_DEPTH + 1 or levels > sys.getrecursionlimit()
    with pytest.raises(WireFormatError, match="more than 64 levels"):
        check_depth(nested(levels))


def test_one_deep_value_among_others_is_enough():
    with pytest.raises(WireFormatError):
        check_depth([1, "a", {"b": [nested(MAX_DEPTH)]}])


@pytest.mark.parametrize("text", [b"", b"{", b"\xff", b"[" * 100_000, b"1" * 5000])
def test_what_is_no_json_is_refused(text):
    with pytest.raises(WireFormatError, match="holds no JSON"):
        parsed_json(text)


def test_the_weight_counts_characters_and_values():
    assert weight_of("x" * 100) == 164
    assert weight_of([[], {"key": "text"}]) == 4 * 64 + 7
    assert weight_of(nested(100_000)) > 100_000 * 64


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain grüße", "plain grüße"),
        ("a\nb\x1b[2J\0", "a b [2J "),
        ("\u202eright to left\ud800", " right to left "),
        ("x" * 11, "xxxxxxx..."),
        ("x" * 10, "x" * 10),
    ],
)
def test_what_is_quoted_is_short_and_steers_no_terminal(text, shown):
    assert quoted(text, max(10, len(shown))) == shown


def test_some_control_characters_may_stay():
    assert quoted("a\n\tb\r", keep="\n\t") == "a\n\tb "


@pytest.mark.parametrize("value", [1, None, True, "grü\n", {"a": ["😀", 1.5]}])
def test_what_can_be_stored_stays(value):
    assert storable(value) == value


@pytest.mark.parametrize(
    ("value", "stored"),
    [("a\0b", "a\ufffdb"), ("\udc00x", "\ufffdx"), ([{"\ud800": "\0"}], [{"\ufffd": "\ufffd"}])],
)
def test_what_cannot_is_replaced(value, stored):
    assert storable(value) == stored
