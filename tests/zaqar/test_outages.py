"""Changes arrive whatever service goes away and comes back.

The agent is never touched here: it is started once, and what happens is up to it.
"""

import contextlib
import time

import pytest

from heat_zaqar_transport import queues
from heat_zaqar_transport.wire import SignedUrl
from heat_zaqar_transport.wire.errors import TransportError
from support.follower import AWAY, GROWN_S, SOON_S, Follower
from support.played_heat import PlayedHeat

pytestmark = pytest.mark.xdist_group("own-zaqar")


@pytest.fixture
def heat(own_cloud):
    with PlayedHeat(own_cloud) as heat:
        yield heat


@pytest.fixture
def server(heat, site):
    # New for each test: the pauses before an agent connects again grow with each time.
    server = Follower(heat, site, poll_longest=1)
    server.connects()
    server.arrives(30)
    return server


@pytest.mark.parametrize("how", ["killed", "stopped"])
def test_the_websocket_server_goes_away_and_comes_back(own_cloud, server, how):
    server.rests()
    since = server.guest.log_size
    (own_cloud.kill_service if how == "killed" else own_cloud.stop_service)("zaqar-websocket")
    try:
        server.guest.wait_log(AWAY, 10, since=since)
        server.arrives(10)
    finally:
        own_cloud.start_service("zaqar-websocket")
    server.connects(since=since)
    server.arrives(10)
    server.is_told()


def test_redis_restarts(own_cloud, server):
    server.is_told()
    since = server.guest.log_size
    # From now on it looks when it is told, and in an hour.
    server.rests()
    own_cloud.restart_service("redis")
    server.arrives(SOON_S)
    server.rests()
    own_cloud.stop_service("redis")
    try:
        signals = SignedUrl.parse(server.options["signal_url"])
        with pytest.raises(TransportError):
            queues.open_signed(signals, timeout_s=2).post({}, 60)
    finally:
        own_cloud.start_service("redis")
    server.arrives(SOON_S)
    assert AWAY not in server.logged(since)


def test_without_notifications_the_agent_finds_out_and_polls(own_cloud, server):
    since = server.guest.log_size
    # That server has to be started anew: the agent relies on a push that has come once.
    with no_notifications(own_cloud, "zaqar-websocket"):
        with no_notifications(own_cloud, "zaqar"):
            server.connects(since=since)
            # A change that is found late teaches the agent; how late depends on its next look.
            for _ in range(8):
                time.sleep(GROWN_S)
                doubted = server.guest.log_size
                server.arrives(60)
                if "push did not tell" in server.logged(doubted):
                    break
            else:
                raise AssertionError("the agent relies on a push that never comes")
            server.connects(since=doubted)
            # Its pauses would be of 4 s and more by then, if it still did.
            time.sleep(4)
            server.polls()
        # Back with it, for all that is posted by REST: a push that comes is relied on again.
        server.arrives(10)
        server.is_told()


@contextlib.contextmanager
def no_notifications(cloud, name):
    """One of Zaqar's two servers without its notifier."""
    cloud.reconfigure(name, {"storage": {"message_pipeline": ""}})
    try:
        yield
    finally:
        cloud.reconfigure(name, {})
