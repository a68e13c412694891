import pytest

from heat_zaqar_transport.wire import canonical_json, digest_of
from heat_zaqar_transport.wire.errors import WireFormatError


def test_the_text_is_fixed():
    assert (
        canonical_json({"b": [1, 2.5, None], "a": "é\n"}) == b'{"a":"\\u00e9\\n","b":[1,2.5,null]}'
    )


def test_the_order_of_keys_does_not_matter():
    assert digest_of({"a": 1, "b": 2}) == digest_of({"b": 2, "a": 1})


def test_the_digest_is_sha256_of_the_text():
    assert digest_of({}) == "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"


def test_a_lone_surrogate_has_a_digest_too():
    assert len(digest_of("\ud800")) == 64


@pytest.mark.parametrize("value", [float("nan"), float("inf"), {1, 2}, b"x"])
def test_what_is_no_json_is_refused(value):
    with pytest.raises(WireFormatError, match="not expressible in JSON"):
        canonical_json(value)


def test_a_bottomless_value_is_refused():
    value = []
    value.append(value)
    with pytest.raises(WireFormatError):
        canonical_json(value)
