"""Round trips of every message type, through golden files that are never regenerated."""

import base64
import json
import zlib
from pathlib import Path

import pytest
from hypothesis import given

from heat_zaqar_transport.wire import (
    Ack,
    Goodbye,
    Hello,
    Limits,
    Part,
    PlainSnapshot,
    QueuedMessage,
    Result,
    Snapshot,
    gather,
    pack,
    parse,
    serialize,
)
from heat_zaqar_transport.wire.errors import UnknownVersion, WireFormatError
from support.fuzz import odd_values
from support.strategies import body_of_part, messages, parts, plain_snapshots

GOLDEN = Path(__file__).parents[2] / "golden"

DOCUMENT = {
    "os-collect-config": {"collectors": ["zaqar", "local"]},
    "deployments": [{"id": "c1", "group": "script", "config": "echo 'grüße'\n", "inputs": []}],
}
OUTPUTS = {
    "deploy_stdout": "ok\n",
    "deploy_stderr": "",
    "deploy_status_code": 0,
    "greeting": "hi",
}
GOLDEN_MESSAGES = {
    "snapshot": Snapshot("hz-c-0123", 17, DOCUMENT),
    "snapshot-empty": Snapshot("hz-c-0123", 0, {}),
    "plain-snapshot": PlainSnapshot(DOCUMENT),
    "result": Result("hz-c-0123", "a0e1", OUTPUTS),
    "result-after-reboot": Result("hz-c-0123", "a0e1", OUTPUTS, attempt=2),
    "hello": Hello("hz-c-0123", "empty queue", 16, "hz-k-4567"),
    "hello-holding-nothing": Hello("hz-c-0123", "empty queue"),
    "ack": Ack("hz-c-0123", "a0e1"),
    "goodbye": Goodbye("hz-c-0123"),
}
# Each is an array of bodies, cut for a Zaqar that takes few bytes.
GOLDEN_IN_PARTS = {
    "snapshot-in-parts": Snapshot("hz-c-0123", 17, DOCUMENT),
    "result-in-parts": Result("hz-c-0123", "a0e1", OUTPUTS, attempt=2),
}
TINY = Limits(post_bytes=732)


def body_of(name):
    return json.loads((GOLDEN / f"{name}.json").read_text())


@pytest.mark.parametrize("name", GOLDEN_MESSAGES)
def test_written_as_the_golden_file_says(name):
    assert serialize(GOLDEN_MESSAGES[name]) == body_of(name)


@pytest.mark.parametrize("name", GOLDEN_MESSAGES)
def test_the_golden_file_is_read(name):
    assert parse(body_of(name)) == GOLDEN_MESSAGES[name]


def test_every_golden_file_is_tested():
    assert {path.stem for path in GOLDEN.glob("*.json")} == {
        *GOLDEN_MESSAGES,
        *GOLDEN_IN_PARTS,
        "snapshot-as-change",  # in test_changes
        "sealed-snapshot",  # in test_sealing
        "sealed-part",
    }


def joined(bodies):
    """Return what is fixed of parts: zlib's bytes may differ from one build to the next."""
    headers = [{**body["heat-zaqar"], "part": None} for body in bodies]
    payload = "".join(body["payload"] for body in bodies)
    return headers[0], zlib.decompress(base64.b64decode(payload))


@pytest.mark.parametrize("name", GOLDEN_IN_PARTS)
def test_parts_are_written_as_the_golden_file_says(name):
    bodies = pack(GOLDEN_IN_PARTS[name], TINY, plain_bytes=0)
    assert joined(bodies) == joined(body_of(name))
    assert [body["heat-zaqar"]["part"] for body in bodies] == [[1, 2], [2, 2]]
    assert {frozenset(body) for body in bodies} == {frozenset({"heat-zaqar", "payload"})}


@pytest.mark.parametrize("name", GOLDEN_IN_PARTS)
def test_the_golden_parts_are_read(name):
    bodies = body_of(name)
    assert [parse(body).number for body in bodies] == [1, 2]
    (found,) = gather(QueuedMessage(str(at), body) for at, body in enumerate(bodies)).found
    assert found.message == GOLDEN_IN_PARTS[name]


@given(messages | plain_snapshots)
def test_any_message_survives_its_way_as_json_text(message):
    assert parse(json.loads(json.dumps(serialize(message)))) == message


@given(parts)
def test_any_part_is_read_as_it_was_written(part):
    assert parse(json.loads(json.dumps(body_of_part(part)))) == part


@given(odd_values)
def test_whatever_arrives_is_a_message_or_a_wire_format_error(body):
    try:
        parse(body)
    except WireFormatError:
        return
    assert isinstance(body, dict)


@given(odd_values)
def test_whatever_stands_in_a_header_is_a_message_or_a_wire_format_error(header):
    try:
        message = parse({"heat-zaqar": header})
    except WireFormatError:
        return
    assert serialize(message)["heat-zaqar"].items() <= header.items()


def changed(name, **fields):
    body = body_of(name)
    body = body[0] if isinstance(body, list) else body
    body["heat-zaqar"].update(fields)
    return body


def with_attempt(name, attempt):
    body = body_of(name)
    body["content"]["attempt"] = attempt
    return body


def without(name, part, key):
    body = body_of(name)
    del body[part][key]
    return body


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ([], "a message must be a JSON object, not an array"),
        ("x", "not a text"),
        (None, "not null"),
        ({"heat-zaqar": 1}, "the header must be a JSON object, not a number"),
        (changed("snapshot", type="tweet"), "unknown message type 'tweet'"),
        (changed("snapshot", type=7), "'type' must be a text"),
        (changed("snapshot", generation=-1), "'generation' must be a whole number from 0"),
        (changed("snapshot", generation=True), "'generation' must be a whole number from 0"),
        (changed("snapshot", generation=1.5), "'generation' must be a whole number from 0"),
        (changed("snapshot", generation="9"), "'generation' must be a whole number from 0"),
        (changed("snapshot", channel=""), "'channel' must be a text that is not empty"),
        (without("snapshot", "heat-zaqar", "channel"), "'channel' must be"),
        (without("snapshot", "heat-zaqar", "digest"), "'digest' must be"),
        (without("result", "content", "config_id"), "content field 'config_id' must be"),
        (without("result", "content", "outputs"), "'outputs' must be a JSON object, it is missing"),
        ({**body_of("result"), "content": []}, "the content must be a JSON object, not an array"),
        (without("result", "content", "attempt"), "'attempt' must be a whole number from 1"),
        (with_attempt("result", 0), "'attempt' must be a whole number from 1"),
        (with_attempt("result", True), "it is a boolean"),
        (without("ack", "content", "config_id"), "content field 'config_id' must be"),
        (without("ack", "content", "attempt"), "'attempt' must be a whole number from 1"),
        (with_attempt("ack", 1.0), "'attempt' must be a whole number from 1"),
        (changed("ack", channel=None), "'channel' must be"),
        (changed("goodbye", channel=""), "'channel' must be"),
        (changed("hello", part=[1, 1], encoding="zlib"), "'hello' cannot come in parts"),
        (changed("ack", part=[1, 1], encoding="zlib"), "'ack' cannot come in parts"),
        (changed("snapshot-in-parts", encoding="gzip"), "unknown encoding 'gzip'"),
        (changed("snapshot-in-parts", encoding=None), "'encoding' must be"),
        (changed("snapshot-in-parts", digest=7), "'digest' must be"),
        (changed("snapshot-in-parts", generation=None), "'generation' must be"),
        ({**changed("result-in-parts"), "payload": ""}, "body field 'payload' must be"),
        ({**changed("result-in-parts"), "payload": ["x"]}, "body field 'payload' must be"),
        (without("hello", "content", "reason"), "'reason' must be"),
        ({**body_of("hello"), "content": {"reason": "x", "generation": "1"}}, "whole number"),
    ],
)
def test_a_wrong_field_is_named(body, told):
    with pytest.raises(WireFormatError) as caught:
        parse(body)
    assert told in str(caught.value)


@pytest.mark.parametrize(
    "part",
    [1, [], [1], [1, 2, 3], [0, 2], [3, 2], [1, 513], [True, 2], [1, True], [1.0, 2], "12", {}],
)
def test_a_part_must_be_one_of_so_many(part):
    with pytest.raises(WireFormatError, match=r"must be \[number, count\] with 1 <= number"):
        parse(changed("snapshot-in-parts", part=part))


def test_a_part_is_read_as_a_part():
    part = parse(body_of("snapshot-in-parts")[1])
    assert isinstance(part, Part)
    assert (part.number, part.key.count, part.key.generation) == (2, 2, 17)


@pytest.mark.parametrize("version", [2, 0, "1", None, True, 1.5, [1]])
def test_an_unknown_version_names_both(version):
    with pytest.raises(UnknownVersion) as caught:
        parse(changed("snapshot", version=version))
    assert repr(version) in str(caught.value)
    assert "only version 1" in str(caught.value)


def test_an_unknown_header_key_is_ignored():
    assert parse(changed("snapshot", colour="blue")) == GOLDEN_MESSAGES["snapshot"]


def test_a_truncated_snapshot_is_refused():
    body = body_of("snapshot")
    body["deployments"] = []
    with pytest.raises(WireFormatError, match="generation 17 is damaged"):
        parse(body)


def test_metadata_with_the_headers_own_key_is_refused():
    with pytest.raises(WireFormatError, match="must not have a key 'heat-zaqar'"):
        serialize(Snapshot("c", 1, {"heat-zaqar": {}}))


def test_an_error_quotes_no_content():
    body = body_of("result")
    body["content"]["outputs"] = "s3cret"
    with pytest.raises(WireFormatError) as caught:
        parse(body)
    assert "s3cret" not in str(caught.value)
