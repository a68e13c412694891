import pytest

from heat_zaqar_transport import seals
from heat_zaqar_transport.wire import Ack, Secret, serialize
from heat_zaqar_transport.wire.errors import WireFormatError
from heat_zaqar_transport.wire.sealing import NO_SEAL, SealKeys

BODY = serialize(Ack("hz-c-1", "c1"))


def test_each_key_is_another():
    keys = {seals.new_key().reveal() for _ in range(50)}
    assert len(keys) == 50
    assert {len(key) for key in keys} == {43}


def test_what_one_seals_another_with_the_key_opens():
    key = seals.new_key()
    one, other = seals.seal_of([key]), seals.seal_of([key])
    assert other.unseal(one.seal(BODY)) == BODY
    assert one.seal(BODY) != one.seal(BODY)


def test_of_several_keys_the_first_seals():
    new, old = seals.new_key(), seals.new_key()
    body = seals.seal_of([new, old]).seal(BODY)
    assert seals.seal_of([new]).unseal(body) == BODY
    with pytest.raises(WireFormatError):
        seals.seal_of([old]).unseal(body)


def test_without_a_key_nothing_is_sealed():
    assert seals.seal_of([]) is seals.seal_of(iter(())) is NO_SEAL


def test_keys_survive_their_way_as_a_text():
    new, old = seals.new_key(), seals.new_key()
    text = seals.text_of([new, old])
    assert text == f"{new.reveal()},{old.reveal()}"
    read = seals.seal_of_text(text)
    assert isinstance(read, SealKeys)
    assert read.unseal(seals.seal_of([old]).seal(BODY)) == BODY
    assert seals.seal_of([new]).unseal(read.seal(BODY)) == BODY


@pytest.mark.parametrize("text", [None, "", seals.text_of([])])
def test_no_text_is_no_key(text):
    assert seals.seal_of_text(text) is NO_SEAL


@pytest.mark.parametrize(
    "text",
    [",", "s3cret", f"{seals.new_key().reveal()},", f"{seals.new_key().reveal()},s3cret"],
    ids=["a comma", "none", "one and a comma", "one and none"],
)
def test_a_text_that_is_no_key_is_refused_and_not_quoted(text):
    with pytest.raises(WireFormatError, match="the seal key") as caught:
        seals.seal_of_text(text)
    assert "s3cret" not in str(caught.value)


def test_what_is_no_key_is_refused():
    with pytest.raises(WireFormatError, match="2 bytes, not 32"):
        seals.seal_of([Secret("AAA")])
