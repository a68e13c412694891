"""A message of any size goes to a Zaqar of any limits; these are learned by its refusals."""

import hashlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from heat_zaqar_transport import seals
from heat_zaqar_transport.posting import Poster, post_message
from heat_zaqar_transport.wire import Hello, Limits, QueuedMessage, Snapshot, gather, serialize
from heat_zaqar_transport.wire.errors import (
    AccessRefused,
    RequestRefused,
    TooLarge,
    Unreachable,
    WireFormatError,
)
from support.strategies import narrow_limits, ttls_s

TEXT = "".join(hashlib.sha512(b"%d" % at).hexdigest() for at in range(100))
SNAPSHOT = Snapshot("ours", 3, {"text": TEXT})


class Zaqar:
    """Refuses in Zaqar's words what is too large, or shall live too long or too short."""

    def __init__(self, post_bytes=262144, longest_ttl_s=1209600):
        self.post_bytes = post_bytes
        self.longest_ttl_s = longest_ttl_s
        self.taken = []
        self.asked = 0

    def __call__(self, body, ttl_s):
        self.asked += 1
        if len(json.dumps({"messages": [{"ttl": ttl_s, "body": body}]})) > self.post_bytes:
            raise RequestRefused(
                "post", f"Message collection size is too large. Max size {self.post_bytes}"
            )
        if not 60 <= ttl_s <= self.longest_ttl_s:
            raise RequestRefused(
                "post",
                f"The TTL for a message may not exceed {self.longest_ttl_s} seconds, "
                "and must be at least 60 seconds long.",
            )
        self.taken.append((body, ttl_s))

    @property
    def whole(self):
        """Return the messages that came whole."""
        queued = [QueuedMessage(str(at), body) for at, (body, _) in enumerate(self.taken)]
        return [found.message for found in gather(queued).found]


def test_a_stock_zaqar_is_asked_once():
    zaqar = Zaqar()
    Poster().post(zaqar, SNAPSHOT, 3600)
    assert (zaqar.asked, zaqar.whole, zaqar.taken[0][1]) == (1, [SNAPSHOT], 3600)


def test_a_small_message_stays_as_it_is():
    zaqar = Zaqar()
    post_message(zaqar, Hello("ours", "x"), 3600)
    assert zaqar.taken == [(serialize(Hello("ours", "x")), 3600)]


def test_up_to_the_size_that_is_told_it_stays_plain():
    zaqar = Zaqar()
    Poster().post(zaqar, SNAPSHOT, 3600, plain_bytes=100_000)
    assert zaqar.taken == [(serialize(SNAPSHOT), 3600)]


def test_a_limit_is_learned_and_the_message_cut_anew():
    zaqar, poster = Zaqar(post_bytes=2000), Poster()
    poster.post(zaqar, SNAPSHOT, 3600)
    assert zaqar.whole == [SNAPSHOT]
    assert poster.limits == Limits(post_bytes=2000)
    asked, zaqar.taken[:] = zaqar.asked, []
    poster.post(zaqar, SNAPSHOT, 3600)
    assert zaqar.asked - asked == len(zaqar.taken)  # none was refused


def test_a_limit_that_is_narrowed_later_is_learned_too():
    zaqar, poster = Zaqar(post_bytes=4000), Poster()
    poster.post(zaqar, SNAPSHOT, 3600)
    zaqar.post_bytes, zaqar.taken[:] = 1500, []
    poster.post(zaqar, SNAPSHOT, 3600)
    assert zaqar.whole == [SNAPSHOT]


def test_a_limit_that_is_widened_later_is_learned_when_nothing_else_helps():
    zaqar, poster = Zaqar(), Poster(Limits(post_bytes=625))
    poster.post(zaqar, SNAPSHOT, 3600)
    assert (zaqar.whole, poster.limits) == ([SNAPSHOT], Limits())


def test_limits_that_are_widened_a_little_are_learned_anew():
    zaqar, poster = Zaqar(post_bytes=2000), Poster(Limits(post_bytes=625))
    poster.post(zaqar, SNAPSHOT, 3600)
    assert (zaqar.whole, poster.limits) == ([SNAPSHOT], Limits(post_bytes=2000))


@pytest.mark.parametrize("post_bytes", [262144, 900])
def test_a_snapshot_is_posted_as_a_change_of_its_base(post_bytes):
    base, newer = (Snapshot("ours", n, {"deployments": [TEXT], "n": n}) for n in (3, 4))
    zaqar, poster = Zaqar(post_bytes), Poster()
    poster.post(zaqar, base, 3600)
    before = len(zaqar.taken)
    poster.post(zaqar, newer, 3600, base=base)
    assert zaqar.whole == [base, newer]
    assert [body["heat-zaqar"]["base"] for body, _ in zaqar.taken[before:]] == [[3, base.digest]]


@pytest.mark.parametrize("message", [SNAPSHOT, Hello("ours", "x")])
def test_the_longest_life_is_honoured(message):
    zaqar, poster = Zaqar(longest_ttl_s=600), Poster()
    poster.post(zaqar, message, 86400)
    poster.post(zaqar, message, 300)
    assert [ttl_s for _, ttl_s in zaqar.taken] == [600, 300]
    assert poster.limits == Limits(longest_ttl_s=600)


def test_both_limits_are_learned_in_one_post():
    zaqar, poster = Zaqar(2000, 600), Poster()
    poster.post(zaqar, SNAPSHOT, 86400)
    assert poster.limits == Limits(2000, 600)
    assert zaqar.whole == [SNAPSHOT]


@pytest.mark.parametrize(
    "refusal",
    [
        RequestRefused("post", "The format of the request is wrong"),
        AccessRefused("post", "Message collection size is too large. Max size 7"),
        Unreachable("post", "connection refused"),
    ],
)
def test_another_refusal_is_passed_on_at_once(refusal):
    asked = []

    def refuse(body, ttl_s):
        asked.append(ttl_s)
        raise refusal

    poster = Poster()
    with pytest.raises(type(refusal)) as caught:
        poster.post(refuse, SNAPSHOT, 3600)
    assert caught.value is refusal
    assert asked == [3600]
    assert poster.limits == Limits()


def test_a_life_that_is_too_short_teaches_nothing():
    zaqar = Zaqar()
    with pytest.raises(RequestRefused, match="at least 60"):
        Poster().post(zaqar, SNAPSHOT, 30)
    assert zaqar.asked == 1


@pytest.mark.parametrize("post_bytes", [0, 99, 613, 625])
def test_a_zaqar_that_takes_next_to_nothing_is_not_tried_for_ever(post_bytes):
    zaqar = Zaqar(post_bytes)
    with pytest.raises(TooLarge) as caught:
        Poster().post(zaqar, SNAPSHOT, 3600)
    assert zaqar.asked == 2  # once with the limits known, once with none
    assert caught.value.found_bytes > caught.value.limit_bytes


def test_what_cannot_be_cut_is_refused_and_not_tried_for_ever():
    zaqar = Zaqar(post_bytes=50)
    with pytest.raises(RequestRefused, match="Max size 50"):
        Poster().post(zaqar, Hello("ours", "x"), 3600)
    assert zaqar.asked == 2


def test_what_is_no_json_is_not_posted():
    zaqar = Zaqar()
    with pytest.raises(WireFormatError):
        Poster().post(zaqar, Snapshot("ours", 1, {"a": {1}}), 3600)
    assert zaqar.asked == 0


@given(st.integers(0, 5000), st.integers(0, 59) | ttls_s)
def test_whatever_the_limits_are_it_ends(post_bytes, longest_ttl_s):
    zaqar = Zaqar(post_bytes, longest_ttl_s)
    try:
        Poster().post(zaqar, SNAPSHOT, 86400)
    except TooLarge:
        assert post_bytes < 700
    except RequestRefused as exc:
        assert longest_ttl_s < 60
        assert "TTL" in exc.problem
    else:
        assert zaqar.whole == [SNAPSHOT]


# Sealing


SEAL = seals.seal_of([seals.new_key()])


def opened(zaqar):
    queued = [QueuedMessage(str(at), body) for at, (body, _) in enumerate(zaqar.taken)]
    gathered = gather(queued, SEAL)
    assert gathered.rejected == ()
    return [found.message for found in gathered.found]


@pytest.mark.parametrize("message", [SNAPSHOT, Hello("ours", "x")])
def test_a_message_is_posted_sealed(message):
    zaqar = Zaqar()
    post_message(zaqar, message, 3600, SEAL)
    assert (zaqar.asked, opened(zaqar)) == (1, [message])


def test_up_to_the_size_that_is_told_it_is_sealed_uncompressed():
    zaqar = Zaqar()
    Poster().post(zaqar, SNAPSHOT, 3600, SEAL, plain_bytes=100_000)
    assert [set(body) for body, _ in zaqar.taken] == [{"heat-zaqar", "sealed"}]
    assert "part" not in zaqar.taken[0][0]["heat-zaqar"]
    assert opened(zaqar) == [SNAPSHOT]


def test_a_change_is_posted_sealed():
    base, newer = (Snapshot("ours", n, {"deployments": [TEXT], "n": n}) for n in (3, 4))
    zaqar, poster = Zaqar(), Poster()
    poster.post(zaqar, base, 3600, SEAL)
    poster.post(zaqar, newer, 3600, SEAL, base=base)
    assert opened(zaqar) == [base, newer]
    assert len(json.dumps(zaqar.taken[1])) * 4 < len(json.dumps(zaqar.taken[0]))


@given(narrow_limits(40_000, SEAL))
def test_whatever_the_limit_is_what_is_sealed_fits_once_it_is_known(limits):
    zaqar, poster = Zaqar(limits.post_bytes), Poster()
    poster.post(zaqar, SNAPSHOT, 3600, SEAL)
    assert opened(zaqar) == [SNAPSHOT]
    asked, zaqar.taken[:] = zaqar.asked, []
    poster.post(zaqar, SNAPSHOT, 3600, SEAL)
    assert zaqar.asked - asked == len(zaqar.taken)  # none was refused
