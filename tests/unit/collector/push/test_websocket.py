"""The life of the connection, without a thread, a network or a clock that runs."""

import logging
import random
from dataclasses import replace

import pytest

from heat_zaqar_collector.push import websocket as module
from heat_zaqar_collector.push.base import State
from heat_zaqar_collector.push.websocket import Line, WebsocketPush
from heat_zaqar_collector.tokens import Token
from heat_zaqar_transport.wire import Secret
from heat_zaqar_transport.wire.errors import AccessRefused, ServiceFailed, Unreachable

HOUR_S = 3600
TTL_S = 1000


class Over(Exception):
    """Ends a test that would go on for ever."""


class World:
    """Everything outside of the push, and what has been done to it.

    Attributes:
        now: Seconds.
        done: What was done to Keystone, the REST API and the connections, in order.
        script: What the next calls of `wait` come to: seconds until a notification, or
            `None` for none in time, or an exception. At its end the test is over.
        failing: An error for each call of that name, until it is taken away.
        ids: What a list of the queue finds.
        seen: What the collector has listed.
        lifetime_s: Of each token.
        gone: Whether Heat has said goodbye.
    """

    def __init__(self):
        self.now = 1000.0
        self.done = []
        self.script = []
        self.failing = {}
        self.ids = ["m1"]
        self.seen = ["m1"]
        self.lifetime_s = HOUR_S
        self.gone = False
        self.push = None
        self.slept = []
        self.waited = []
        self.states = []
        self._tokens = 0
        self._token = None

    def do(self, *what):
        self.done.append(what)
        error = self.failing.get(what[0])
        if error is not None:
            raise error

    # Keystone

    def current(self):
        if self._token is None or self.now >= self._token.renew_at:
            self.do("token")
            self._tokens += 1
            self._token = Token(Secret(f"t{self._tokens}"), self.now + self.lifetime_s)
        return self._token

    def forget(self):
        self.do("forget")
        self._token = None

    # the goodbye

    def is_gone(self):
        return self.gone

    # the REST API

    def list_ids(self, token):
        self.do("list", token.secret.reveal())
        return self.ids

    # the connection

    def connect(self):
        self.do("connect")
        return self

    def authenticate(self, token):
        self.do("authenticate", token.reveal())

    def subscribe(self, queue, ttl_s):
        self.do("subscribe", queue, ttl_s)

    def close(self):
        self.do("close")

    def wait(self, timeout_s):
        assert timeout_s > 0, "waiting without time to pass is a busy loop"
        self.waited.append(timeout_s)
        self.states.append((self.push.state, self.push.bell.is_set()))
        self.push.bell.clear()
        if not self.script:
            raise Over
        outcome = self.script.pop(0)
        if callable(outcome):
            outcome, timeout_s = outcome(), 0
        if isinstance(outcome, Exception):
            raise outcome
        self.now += timeout_s if outcome is None else min(timeout_s, outcome)
        return outcome is not None and outcome <= timeout_s

    def sleep(self, seconds):
        self.slept.append(seconds)
        self.now += seconds

    def names(self):
        return [each[0] for each in self.done]


@pytest.fixture
def world():
    return World()


@pytest.fixture
def push(world):
    line = Line(
        queue="hz-m-1",
        tokens=world,
        connect=world.connect,
        list_ids=world.list_ids,
        is_news=lambda ids: list(ids) != world.seen,
        is_gone=world.is_gone,
        subscription_ttl_s=TTL_S,
    )
    world.push = WebsocketPush(line, lambda: world.now, world.sleep)
    return world.push


def lasts(world, seconds, then):
    """Let a connection last, then end it so."""

    def end():
        world.now += seconds
        return then

    return end


GONE = Unreachable("wait", "the connection was closed")


# Connecting


def test_a_connection_is_made_in_this_order(world, push):
    with pytest.raises(Over):
        push._hold_one()
    assert world.done == [
        ("connect",),
        ("token",),
        ("list", "t1"),
        ("authenticate", "t1"),
        ("subscribe", "hz-m-1", TTL_S),
        ("close",),
    ]


def test_the_bell_rings_once_it_is_subscribed_and_not_before(world, push):
    world.failing["subscribe"] = ServiceFailed("subscription_create", "503")
    with pytest.raises(ServiceFailed):
        push._hold_one()
    assert (push.state, push.bell.is_set()) == (State.AWAY, False)
    world.failing.clear()
    with pytest.raises(Over):
        push._hold_one()
    assert world.states == [(State.CONNECTED, True)]


def test_a_notification_rings_and_silence_does_not(world, push):
    world.lifetime_s = 100
    world.script = [5, None]
    with pytest.raises(Over):
        push._hold_one()
    assert world.states == [
        (State.CONNECTED, True),
        (State.PROVEN, True),
        (State.PROVEN, False),
    ]


@pytest.mark.parametrize("call", ["token", "list", "connect", "authenticate", "subscribe"])
def test_a_connection_that_fails_on_the_way_is_away_and_closed(world, push, call):
    world.failing[call] = Unreachable(call, "refused")
    with pytest.raises(Unreachable):
        push._hold_one()
    assert push.state is State.AWAY
    assert world.names().count("connect") == world.names().count("close") + (call == "connect")


def test_when_a_connection_ends_nothing_is_relied_on_any_more(world, push):
    world.script = [5, GONE]
    with pytest.raises(Unreachable):
        push._hold_one()
    assert push.state is State.AWAY
    assert world.names()[-1] == "close"


def test_what_the_collector_has_not_seen_rings_at_once(world, push):
    world.ids = ["1"]
    world.failing["authenticate"] = GONE
    with pytest.raises(Unreachable):
        push._hold_one()
    assert push.bell.is_set()
    assert push.confirmed_at == float("-inf")


def test_a_list_of_what_the_collector_has_seen_counts_as_a_look(world, push):
    world.ids = world.seen = ["1"]
    world.failing["authenticate"] = GONE
    with pytest.raises(Unreachable):
        push._hold_one()
    assert not push.bell.is_set()
    assert push.confirmed_at == 1000


def test_a_token_that_is_refused_is_not_used_again(world, push):
    world.failing["list"] = AccessRefused("list queue", "401")
    with pytest.raises(AccessRefused):
        push._hold_one()
    assert world.names() == ["connect", "token", "list", "forget", "close"]
    world.failing.clear()
    with pytest.raises(Over):
        push._hold_one()
    assert ("authenticate", "t2") in world.done


def test_a_token_outlives_a_connection(world, push):
    """Each new one costs Keystone work."""
    for _ in range(3):
        world.script = [GONE]
        with pytest.raises(Unreachable):
            push._hold_one()
    assert world.names().count("token") == 1


# Renewing


def test_a_token_is_renewed_on_the_same_connection_before_its_end(world, push):
    world.lifetime_s = 100
    world.script = [None, None]
    with pytest.raises(Over):
        push._hold_one()
    assert world.waited[0] == 100
    assert world.names().count("connect") == world.names().count("subscribe") == 1
    assert [each for each in world.done if each[0] in ("authenticate", "list")] == [
        ("list", "t1"),
        ("authenticate", "t1"),
        ("list", "t2"),
        ("authenticate", "t2"),
        ("list", "t3"),
        ("authenticate", "t3"),
    ]


def test_a_notification_does_not_put_the_renewal_off(world, push):
    world.lifetime_s = 100
    world.script = [60, 60, None]
    with pytest.raises(Over):
        push._hold_one()
    assert world.waited[:2] == [100, 40]
    assert ("authenticate", "t2") in world.done


@pytest.mark.parametrize("call", ["token", "list"])
def test_a_renewal_that_fails_keeps_the_connection_and_is_tried_again(world, push, call, caplog):
    world.lifetime_s = 100

    def fail():
        world.failing[call] = Unreachable(call, "refused")
        world.now += 100

    def recover():
        world.failing.clear()
        world.now += world.waited[-1]

    world.script = [fail, recover, None]
    with pytest.raises(Over), caplog.at_level(logging.WARNING):
        push._hold_one()
    assert 5 <= world.waited[1] <= 10
    assert world.names().count("connect") == 1
    assert ("authenticate", "t2") in world.done
    assert "cannot be renewed yet" in caplog.text


def test_a_renewed_token_that_is_refused_is_forgotten_and_the_connection_kept(world, push):
    world.lifetime_s = 100

    def refuse():
        world.failing["list"] = AccessRefused("list queue", "401")
        world.now += 100

    def recover():
        world.failing.clear()
        world.now += world.waited[-1]

    world.script = [refuse, recover]
    with pytest.raises(Over):
        push._hold_one()
    assert "forget" in world.names()
    assert ("authenticate", "t3") in world.done
    assert world.names().count("connect") == 1


def test_a_renewal_that_the_websocket_server_refuses_ends_the_connection(world, push):
    world.lifetime_s = 100

    def refuse():
        world.failing["authenticate"] = AccessRefused("authenticate", "403")
        world.now += 100

    world.script = [refuse]
    push._hold_one()  # it had lasted
    assert push.state is State.AWAY
    assert world.names()[-1] == "close"


def test_a_renewal_finds_what_no_notification_told_of(world, push):
    world.lifetime_s = 100

    def post():
        world.ids = ["1"]
        world.now += 100

    world.script = [post]
    with pytest.raises(Over):
        push._hold_one()
    assert world.states[1] == (State.CONNECTED, True)


def test_half_of_the_subscriptions_life_ends_a_connection_in_peace(world, push):
    world.script = [None, None]
    push._hold_one()
    assert world.waited == [TTL_S / 2]
    assert push.state is State.AWAY
    assert world.names()[-1] == "close"


def test_a_zaqar_day_is_the_subscriptions_life():
    assert module.SUBSCRIPTION_TTL_S == 86400


# Doubt


def test_a_doubted_connection_is_closed_so_that_it_is_made_anew(world, push):
    def doubt():
        push.doubt()
        assert world.names()[-1] == "close"
        return GONE

    world.script = [doubt]
    with pytest.raises(Unreachable):
        push._hold_one()
    world.script = []
    with pytest.raises(Over):
        push._hold_one()
    assert world.states[-1] == (State.DOUBTED, True)
    assert world.names().count("subscribe") == 2


def test_doubt_without_a_connection_closes_none(world, push):
    push.doubt()
    assert world.done == []


# Trying again


def attempts(world, push, count):
    """Keep connecting until so many sleeps have passed."""

    def sleep(seconds):
        world.sleep(seconds)
        if len(world.slept) >= count:
            raise Over

    push._sleep = sleep
    with pytest.raises(Over):
        push._keep_connected()
    return world.slept


@pytest.fixture
def widest(monkeypatch):
    """Chance says the longest pause each time."""
    monkeypatch.setattr(random, "uniform", lambda _, high: high)


@pytest.mark.usefixtures("widest")
def test_pauses_grow_from_five_seconds_to_thirty(world, push):
    world.failing["connect"] = Unreachable("connect", "refused")
    assert attempts(world, push, 6) == [5, 10, 20, 30, 30, 30]
    assert world.names().count("connect") == 6


@pytest.mark.usefixtures("widest")
@pytest.mark.parametrize("call", ["token", "list", "authenticate"])
def test_for_one_who_is_refused_pauses_grow_to_a_quarter_of_an_hour(world, push, call):
    world.failing[call] = AccessRefused(call, "401")
    assert attempts(world, push, 10) == [5, 10, 20, 40, 80, 160, 320, 640, 900, 900]


@pytest.mark.usefixtures("widest")
def test_a_server_that_is_away_after_a_refusal_is_called_every_thirty_seconds(world, push):
    world.failing["list"] = AccessRefused("list", "401")

    def sleep(seconds):
        world.sleep(seconds)
        if len(world.slept) == 7:
            world.failing = {"connect": Unreachable("connect", "refused")}
        if len(world.slept) == 8:
            raise Over

    push._sleep = sleep
    with pytest.raises(Over):
        push._keep_connected()
    assert world.slept[-2:] == [320, 30]


def test_keystone_is_not_asked_while_the_websocket_server_is_away(world, push):
    world.failing["connect"] = Unreachable("connect", "refused")
    attempts(world, push, 3)
    assert set(world.names()) == {"connect"}


def test_a_pause_is_anything_between_nothing_and_its_bound(world, push, monkeypatch):
    bounds = []
    monkeypatch.setattr(random, "uniform", lambda low, high: bounds.append((low, high)) or low)
    world.failing["connect"] = Unreachable("connect", "refused")
    assert attempts(world, push, 3) == [0, 0, 0]
    assert bounds == [(0, 5), (0, 10), (0, 20)]


@pytest.mark.usefixtures("widest")
def test_a_connection_that_did_not_last_is_a_failure_like_any_other(world, push):
    """Else a server that hangs up on everybody would be called every few seconds."""
    world.script = [lasts(world, module.STABLE_S - 1, GONE) for _ in range(4)]
    assert attempts(world, push, 4) == [5, 10, 20, 30]


@pytest.mark.usefixtures("widest")
def test_a_connection_that_has_lasted_begins_the_pauses_anew(world, push):
    fail = Unreachable("connect", "refused")
    world.failing["connect"] = fail

    def sleep(seconds):
        world.sleep(seconds)
        world.failing = {} if len(world.slept) == 3 else {"connect": fail}
        if len(world.slept) == 7:
            raise Over

    push._sleep = sleep
    world.script = [lasts(world, module.STABLE_S, GONE)]
    with pytest.raises(Over):
        push._keep_connected()
    # Three failures, one good connection and its own pause, and failures from the beginning.
    assert world.slept == [5, 10, 20, 5, 5, 10, 20]


def test_after_half_of_the_subscriptions_life_it_connects_anew(world, push):
    world.script = [None, None]
    slept = attempts(world, push, 2)
    assert all(0 <= each <= 5 for each in slept)
    assert world.names().count("subscribe") == 2


def test_no_failure_of_zaqar_or_keystone_ends_the_trying(world, push, caplog):
    errors = [
        Unreachable("a", "b"),
        ServiceFailed("a", "b"),
        AccessRefused("a", "b"),
        module.TransportError("a", "b"),
    ]
    remaining = iter([*errors, *errors])

    def connect():
        raise next(remaining, Over())

    push._line = replace(push._line, connect=connect)
    with pytest.raises(Over), caplog.at_level(logging.WARNING):
        push._keep_connected()
    assert len(world.slept) == 8
    assert caplog.text.count("No push from Zaqar, polling meanwhile: a: b; next attempt in") == 8


def test_no_token_is_logged(world, push, caplog):
    world.script = [5, GONE]
    with caplog.at_level(logging.DEBUG):
        attempts(world, push, 2)
    assert "Connected to Zaqar" in caplog.text
    assert "t1" not in caplog.text


def test_an_empty_queue_is_not_subscribed_to_as_that_would_make_a_deleted_one_anew(world, push):
    world.ids = world.seen = []
    with pytest.raises(AccessRefused, match="its stack may be deleted"):
        push._hold_one()
    assert "subscribe" not in world.names()
    assert world.names()[-1] == "close"
    assert push.state is State.AWAY


@pytest.mark.usefixtures("widest")
def test_after_a_goodbye_nobody_is_called_at_all(world, push):
    world.gone = True
    assert attempts(world, push, 9)[-1] == module.LONGEST_WAIT_REFUSED_S
    assert world.done == []


def test_a_goodbye_that_comes_while_connecting_is_heeded(world, push):
    answers = iter([False, True])
    push._line = replace(push._line, is_gone=lambda: next(answers))
    with pytest.raises(AccessRefused, match="is being deleted"):
        push._hold_one()
    assert world.names() == ["connect", "token", "list", "close"]


def test_a_channel_that_is_in_use_again_is_connected_to(world, push):
    world.gone = True
    with pytest.raises(AccessRefused):
        push._hold_one()
    world.gone = False
    with pytest.raises(Over):
        push._hold_one()
    assert "subscribe" in world.names()
