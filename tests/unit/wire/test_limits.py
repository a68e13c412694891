"""What Zaqar's own words teach; its validation makes them, so that a change of them shows."""

import json

import pytest
from oslo_config import cfg
from zaqar.transport.validation import ValidationFailed, Validator

from heat_zaqar_transport.wire import Limits
from heat_zaqar_transport.wire.errors import WireFormatError
from heat_zaqar_transport.wire.limits import phrase_of, size_of


def zaqar(**limits):
    conf = cfg.ConfigOpts()
    conf([])
    validator = Validator(conf)
    for name, value in limits.items():
        conf.set_override(name, value, "transport")
    return validator


def said(refuse, *args):
    with pytest.raises(ValidationFailed) as caught:
        refuse(*args)
    return str(caught.value)


SIZE = said(zaqar(max_messages_post_size=65536).message_length, 65537)
SIZE_OF_QUEUE = said(zaqar().message_length, 32769, 32768)
TTL = said(zaqar(max_message_ttl=3600).message_content, {"ttl": 3601})
DELAY = said(zaqar().message_content, {"ttl": 60, "delay": 901})
STOCK_SIZE = said(zaqar().message_length, 262145)
STOCK_TTL = said(zaqar().message_content, {"ttl": 59})


def wrapped(phrase):
    """Return a refusal as python-zaqarclient passes it on."""
    return (
        "Error response from Zaqar. Code: 400. Title: Invalid API request. Description: " + phrase
    )


@pytest.mark.parametrize("wrap", [str, wrapped])
@pytest.mark.parametrize(
    ("phrase", "learned"),
    [
        (SIZE, Limits(post_bytes=65536)),
        (SIZE_OF_QUEUE, Limits(post_bytes=32768)),
        (TTL, Limits(longest_ttl_s=3600)),
    ],
)
def test_a_narrower_limit_is_learned(wrap, phrase, learned):
    assert Limits().learned(wrap(phrase)) == learned


def test_what_was_learned_before_is_kept():
    limits = Limits().learned(SIZE).learned(TTL).learned(SIZE_OF_QUEUE)
    assert limits == Limits(32768, 3600)


@pytest.mark.parametrize(
    "refusal",
    [
        "",
        "Queue metadata is too large. Max size: 100",
        "Message collection size is too large.",
        "Message collection size is too large. Max size many",
        STOCK_SIZE,
        "Message collection size is too large. Max size 9999999",
        "Message collection size is too large. Max size " + "9" * 5000,
        STOCK_TTL,
        "The TTL for a claim may not exceed 60 seconds, and must be at least 60 seconds long.",
        DELAY,
        "The format of the submitted queue name or project id is not valid.",
    ],
)
def test_anything_else_teaches_nothing(refusal):
    assert Limits().learned(refusal) is None


@pytest.mark.parametrize(
    ("refusal", "phrase"),
    [
        (wrapped(SIZE) + " secret", SIZE),
        (wrapped(TTL), "The TTL for a message may not exceed 3600 seconds"),
        (
            wrapped(SIZE_OF_QUEUE),
            "Message collection size is too large. The max size for current queue is 32768",
        ),
        ("secret", ""),
    ],
)
def test_only_the_words_that_name_the_limit_are_passed_on(refusal, phrase):
    assert phrase_of(refusal) == phrase
    if phrase:
        assert Limits().learned(phrase) == Limits().learned(refusal)


def test_the_size_is_that_of_what_python_zaqarclient_writes():
    body = {"a": "é", "b": [1, {"c": None}]}
    assert size_of(body) == len(json.dumps(body)) == len(json.dumps(body).encode())


def test_a_body_of_the_largest_size_fits_the_request():
    body = {"a": "x" * (Limits().body_bytes - len('{"a": ""}'))}
    assert size_of(body) == Limits().body_bytes
    assert len(json.dumps({"messages": [{"ttl": 1209600, "body": body}]})) <= 262144


@pytest.mark.parametrize("value", [{1}, b"x", float("inf")])
def test_what_is_no_json_has_no_size(value):
    with pytest.raises(WireFormatError, match="not expressible in JSON"):
        size_of({"a": value})
