"""What Hypothesis draws for each value of the wire format, in the format's own ranges.

The limits are the constants of `heat_zaqar_transport.wire`: whatever is drawn here, the parser
takes. A test that draws what is valid draws it from here, so that none has a range of its own
that is wider than the format's. What a hostile sender makes of these values is in `fuzz`.
"""

from hypothesis import strategies as st

from heat_zaqar_hooks.results import STATUS, STDERR, STDOUT
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
)
from heat_zaqar_transport.wire.bounds import (
    MAX_DEPTH,
    MAX_DIGEST_CHARS,
    MAX_GENERATION,
    MAX_NAME_CHARS,
    MAX_SMALL_NUMBER,
    MAX_STATUS_CHARS,
)
from heat_zaqar_transport.wire.limits import LONGEST_TTL_S, POST_BYTES
from heat_zaqar_transport.wire.messages import (
    HEADER,
    KEY_BASE,
    KEY_ENCODING,
    KEY_PART,
    MAX_PARTS,
    PAYLOAD,
    RESULT,
    SNAPSHOT,
    Base,
    PartKey,
)
from heat_zaqar_transport.wire.sealing import NO_SEAL

# Levels of objects and arrays around a document's value, and around one of a result's outputs.
_AROUND_A_DOCUMENTS = 1
_AROUND_AN_OUTPUTS = 3
# Of a part. As many as a message may have then carry more than Hypothesis ever draws for one: it
# has 8 KiB for that.
_LEAST_PAYLOAD_CHARS = 40


def nested(levels, value=None):
    """Return a value in so many arrays and objects."""
    for level in range(levels):
        value = [value] if level % 2 else {"deep": value}
    return value


def whole_numbers(least, most):
    """Return whole numbers, each end of their range now and then."""
    return st.integers(least, most) | st.sampled_from([least, most])


# JSON

# Halves of surrogate pairs among them: JSON can tell those, too.
characters = st.characters()
texts = st.text(characters, max_size=20)
numbers = st.integers() | st.floats(allow_nan=False, allow_infinity=False)


def json_of(leaves, keys=texts):
    """Return JSON values that are made of such ones."""
    return st.recursive(
        leaves,
        lambda below: st.lists(below, max_size=4) | st.dictionaries(keys, below, max_size=4),
        max_leaves=8,
    )


json_values = json_of(st.none() | st.booleans() | numbers | texts)


def _deep(around):
    """Return values that lie as deep as may be, or nearly."""
    most = MAX_DEPTH - around
    return st.sampled_from([most - 1, most]).map(nested)


# Fields

# Short ones, and the longest there may be, which is costly to draw character by character.
names = st.text(characters, min_size=1, max_size=20) | characters.map(
    lambda each: each * MAX_NAME_CHARS
)
channels = config_ids = credentials = reasons = names
# As Heat makes it: short and in ASCII, which the sizes of parts rely on.
made_channels = st.binary(min_size=16, max_size=16).map(lambda bits: f"hz-c-{bits.hex()}")
generations = whole_numbers(0, MAX_GENERATION)
attempts = whole_numbers(1, MAX_SMALL_NUMBER)
digests = st.binary(min_size=MAX_DIGEST_CHARS // 2, max_size=MAX_DIGEST_CHARS // 2).map(bytes.hex)
bases = st.builds(Base, generations, digests)
# [number, count].
places = st.lists(whole_numbers(1, MAX_PARTS), min_size=2, max_size=2).map(sorted)
_printable = st.characters(categories="LMNPS", include_characters=" ")
statuses = (
    st.none()
    | st.booleans()
    | whole_numbers(-MAX_SMALL_NUMBER, MAX_SMALL_NUMBER)
    | st.text(_printable, max_size=MAX_STATUS_CHARS)
    | _printable.map(lambda each: each * MAX_STATUS_CHARS)
)
payloads = st.text("ABCXYZabcxyz0189+/=", min_size=1, max_size=20)


# Documents and outputs

documents = st.dictionaries(
    texts.filter(lambda key: key != HEADER),
    json_values | _deep(_AROUND_A_DOCUMENTS),
    max_size=4,
)
_own_outputs = st.dictionaries(
    st.just("") | names, json_values | _deep(_AROUND_AN_OUTPUTS), max_size=4
)
_outputs_of_heat = st.fixed_dictionaries(
    {}, optional={STATUS: statuses, STDOUT: texts, STDERR: texts}
)
outputs = st.builds(lambda own, heats: {**own, **heats}, _own_outputs, _outputs_of_heat)


# Messages


def snapshots(of_channel=channels):
    return st.builds(Snapshot, of_channel, generations, documents)


def results(of_channel=channels):
    return st.builds(Result, of_channel, config_ids, outputs, attempts)


hellos = st.builds(Hello, channels, reasons, st.none() | generations, st.none() | credentials)
acks = st.builds(Ack, channels, config_ids, attempts)
goodbyes = st.builds(Goodbye, channels)
plain_snapshots = st.builds(PlainSnapshot, documents)
# All that have a header.
messages = st.one_of(snapshots(), results(), hellos, acks, goodbyes)


# Parts


def _part(kind, channel, generation, digest, place, base, payload):
    number, count = place
    ordered = kind == SNAPSHOT
    key = PartKey(
        kind, channel, generation if ordered else None, digest, count, base if ordered else None
    )
    return Part(key, number, payload)


parts = st.builds(
    _part,
    kind=st.sampled_from([SNAPSHOT, RESULT]),
    channel=channels,
    generation=generations,
    digest=digests,
    place=places,
    base=st.none() | bases,
    payload=payloads,
)


def body_of_part(part):
    """Return the body that is read as such a part."""
    header = {
        **part.key.header(),
        KEY_PART: [part.number, part.key.count],
        KEY_ENCODING: "zlib",
    }
    if part.key.base is not None:
        header[KEY_BASE] = [part.key.base.generation, part.key.base.digest]
    return {HEADER: header, PAYLOAD: part.payload}


# Queues

ttls_s = whole_numbers(60, LONGEST_TTL_S)


def listed(bodies, **kwargs):
    """Return lists of some bodies as a queue lists them, each of some age below its TTL."""
    ttl_s = 100
    aged = st.tuples(bodies, st.integers(0, ttl_s - 1))
    return st.lists(aged, **kwargs).map(
        lambda drawn: [
            QueuedMessage(str(at), body, age_s, ttl_s) for at, (body, age_s) in enumerate(drawn)
        ]
    )


def narrow_limits(most_post_bytes, seal=NO_SEAL):
    """Return limits of Zaqars that take little, and yet any message that is drawn here."""
    least_post_bytes = next(
        post_bytes
        for post_bytes in range(POST_BYTES)
        if seal.payload_room(Limits(post_bytes).body_bytes) >= _LEAST_PAYLOAD_CHARS
    )
    return st.integers(least_post_bytes, most_post_bytes).map(Limits)


# Time

chances = st.floats(0, 1)


def spans_s(least_s, most_s):
    """Return lengths of time."""
    return st.floats(least_s, most_s)
