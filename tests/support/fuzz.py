"""What the fuzz tests have in common: how long they run, and hostile values.

HEAT_ZAQAR_FUZZ=50 has each test that draws at random try fifty times as many examples. Values
that keep to the format are in `strategies`.
"""

import base64
import copy
import functools
import json
import os
import zlib
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from heat_zaqar_transport.seals import new_key, seal_of
from heat_zaqar_transport.wire import QueuedMessage, canonical_json
from heat_zaqar_transport.wire.bounds import (
    MAX_DEPTH,
    MAX_GENERATION,
    MAX_NAME_CHARS,
    MAX_SMALL_NUMBER,
)
from heat_zaqar_transport.wire.errors import WireFormatError
from heat_zaqar_transport.wire.messages import HEADER
from heat_zaqar_transport.wire.sealing import SEALED
from support import strategies
from support.strategies import json_of, nested

GOLDEN = Path(__file__).parents[1] / "golden"
FACTOR = int(os.environ.get("HEAT_ZAQAR_FUZZ", "1"))
MIB = 1024 * 1024
CHANNEL = "hz-c-0123"

KEY = new_key()
SEAL = seal_of([KEY])


def fuzzed(examples=40):
    """Return the settings of a test that tries so many examples, times the factor."""
    return settings(
        max_examples=examples * FACTOR,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )


@functools.cache
def bomb(size_bytes, byte=b" "):
    """Return zlib's text of so many equal bytes, in base64."""
    packer = zlib.compressobj(9)
    pieces = [packer.compress(byte * MIB) for _ in range(size_bytes // MIB)]
    return base64.b64encode(b"".join([*pieces, packer.flush()])).decode()


def _bodies():
    for path in sorted(GOLDEN.glob("*.json")):
        value = json.loads(path.read_text())
        yield from value if isinstance(value, list) else [value]


BODIES = list(_bodies())
_WORDS = [
    *("heat-zaqar", "content", "payload", "sealed", "version", "type", "channel", "generation"),
    *("digest", "part", "encoding", "base", "config_id", "attempt", "outputs", "reason"),
    *("snapshot", "result", "hello", "ack", "goodbye", "zlib", "deployments", "rest", CHANNEL),
    *("deploy_status_code", "deploy_stdout", "id", "inputs", "name", "value", "config", "group"),
]

# Texts, the format's own words among them.
words = strategies.texts | st.sampled_from(_WORDS)
# All that Python's json reads and writes, which is more than JSON.
odd_values = json_of(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | words
    | st.sampled_from(
        [
            *(MAX_SMALL_NUMBER + 1, MAX_GENERATION + 1, 2 * MAX_GENERATION + 2, -1, 10**4000),
            *("x" * (MAX_NAME_CHARS + 1), "\0", "\ud800", "a\x1b[31m"),
        ]
    ),
    words,
)
hostile = (
    odd_values
    | st.sampled_from([*range(MAX_DEPTH - 1, MAX_DEPTH + 3), 70, 500, 900]).map(nested)
    | st.sampled_from([bomb(3 * MIB), bomb(MIB, b"[")])
    # Copies: they are changed later.
    | st.sampled_from([*BODIES, [1, 1], [2, 512]]).map(copy.deepcopy)
)


def _places(value, path=()):
    """Yield the paths of all values in a value."""
    yield path
    if len(path) > 8:
        return
    match value:
        case dict():
            below = list(value.items())
        case list():
            below = list(enumerate(value))
        case _:
            below = []
    for key, each in below:
        yield from _places(each, (*path, key))


@st.composite
def damaged(draw, text):
    """Return a text with a stretch of it replaced, or cut off."""
    at, length = draw(st.integers(0, len(text))), draw(st.integers(0, 9))
    return text[:at] + draw(st.sampled_from("[]@%:/,A!=\0é") | words) + text[at + length :]


@st.composite
def mutated(draw, values):
    """Return one of some values with a few of the values within it replaced, or taken out."""
    whole = [copy.deepcopy(draw(st.sampled_from(values)))]
    for _ in range(draw(st.integers(0, 3))):
        *path, last = draw(st.sampled_from([each for each in _places(whole) if each]))
        holder = whole
        for step in path:
            holder = holder[step]
        match draw(st.integers(0, 7)):
            case 0 if path:
                del holder[last]
            case 1 if isinstance(holder, dict):
                holder[draw(words)] = draw(hostile)
            case 2 | 3 if isinstance(holder[last], str):
                holder[last] = draw(damaged(holder[last]))
            case _:
                holder[last] = draw(hostile)
    return whole[0]


def sealed(header, text):
    """Return a body that was sealed with the genuine key, whatever it holds."""
    nonce = bytes(12)
    packed = nonce + SEAL._ciphers[0].encrypt(nonce, text, canonical_json(header))
    return {HEADER: header, SEALED: base64.b64encode(packed).decode()}


def sealed_if_possible(body):
    """Return the body as a hostile server that has the key would seal it."""
    try:
        return SEAL.seal(body)
    except (WireFormatError, KeyError, TypeError, ValueError, AttributeError):
        return body


@st.composite
def mostly_mutated(draw, values):
    """Return what is nearly one of some values, and now and then anything."""
    # Not by `|`: that makes one choice of all that is within.
    return draw(mutated(values) if draw(st.integers(0, 4)) else hostile)


bodies = mostly_mutated(BODIES)
SEALED_BODIES = [SEAL.seal(each) for each in BODIES if HEADER in each and SEALED not in each]


@st.composite
def raw_sealed(draw):
    """Return what was sealed with the key and is no message: bytes that are not even JSON."""
    header = draw(mutated(BODIES))
    header = header.get(HEADER) if isinstance(header, dict) else header
    inside = draw(st.binary(max_size=40) | hostile.map(lambda each: json.dumps(each).encode()))
    content = draw(st.binary(max_size=40) | hostile.map(lambda each: json.dumps(each).encode()))
    try:
        return sealed(header, inside + b"\n" + content)
    except WireFormatError:
        return header


def listings(bodies_of):
    """Return lists of queued messages."""
    ages = st.sampled_from([0, 6, 3600, 10**9])
    return st.lists(st.tuples(bodies_of, ages), max_size=6).map(
        lambda drawn: [
            QueuedMessage(str(at), body, age_s, 3600) for at, (body, age_s) in enumerate(drawn)
        ]
    )


sealed_bodies = (
    bodies.map(sealed_if_possible) | raw_sealed() | mostly_mutated(SEALED_BODIES) | bodies
)
