"""A server that is pushed needs Keystone for its token alone; one that polls never does."""

import contextlib
import re
import time

import pytest

from support.follower import AWAY, CONNECTED, Follower
from support.guests import Guests
from support.played_heat import PlayedHeat

pytestmark = pytest.mark.xdist_group("own-zaqar")

# Keystone's tokens are good for an hour by default. Here the agent renews them after 18 s, so
# that a busy machine has 6 s for it.
TOKEN_S = 24
SHOWN = 'Request: action "authenticate"'
# Zaqar, which gets a token of its own to validate others with.
ZAQARS_OWN_TOKEN = re.compile(r'POST /v3/auth/tokens \d+ "zaqar/')


@pytest.fixture(scope="module")
def heat(own_cloud):
    with short_tokens(own_cloud), PlayedHeat(own_cloud) as heat:
        yield heat


@contextlib.contextmanager
def short_tokens(cloud):
    cloud.reconfigure("keystone", {"token": {"expiration": TOKEN_S}})
    try:
        yield
    finally:
        cloud.reconfigure("keystone", {})


@pytest.fixture(scope="module")
def site(heat, tmp_path_factory):
    with Guests(tmp_path_factory.mktemp("tokens")) as site:
        yield site


@pytest.fixture(scope="module")
def server(heat, site):
    server = Follower(heat, site, poll_longest=1)
    server.connects()
    server.arrives(30)
    return server


def test_an_idle_server_renews_its_token_and_costs_four_requests_each_time(own_cloud, server):
    server.arrives(5)  # so that push is known to work
    since = server.guest.log_size
    wait_renewal(own_cloud)
    with counted(own_cloud) as requests:
        wait_renewal(own_cloud)
    # Beyond the life of the token before.
    server.is_told()
    assert CONNECTED not in server.logged(since)
    assert AWAY not in server.logged(since)
    renewals = sum("POST /v3/auth/tokens" in each and "os-collect" in each for each in requests)
    assert renewals == 1
    assert len(requests) <= 4 * renewals, requests
    kinds = {" ".join(re.sub(r"hz-m-\w+", "Q", each).split()[:2]) for each in requests}
    assert kinds == {
        "POST /v3/auth/tokens",
        "GET /v3/auth/tokens",
        "GET /v2/queues/Q/messages",
        "websocket authenticate",
    }


def wait_renewal(cloud):
    """Wait until a server has shown a token to the websocket server, and all is logged."""
    log = cloud.log("zaqar-websocket")
    size = log.stat().st_size
    deadline = time.monotonic() + 2 * TOKEN_S
    while SHOWN not in log.read_text()[size:]:
        assert time.monotonic() < deadline, "no token was renewed"
        time.sleep(0.1)
    time.sleep(1)


@contextlib.contextmanager
def counted(cloud):
    """Collect what is asked of Keystone and of Zaqar meanwhile, by anybody.

    Zaqar's own tokens are left out: a process of it that has one as short-lived as the server's
    renews it when it validates, and which have one depends on the tests before.
    """
    logs = [cloud.logs / f"{name}-access.log" for name in ("keystone", "zaqar")]
    websocket = cloud.log("zaqar-websocket")
    sizes = {log: log.stat().st_size for log in (*logs, websocket)}
    requests = []
    yield requests
    for log in logs:
        lines = log.read_text()[sizes[log] :].splitlines()
        requests += [line.split("] ", 1)[1] for line in lines if not ZAQARS_OWN_TOKEN.search(line)]
    actions = re.findall(r'Request: action "(\w+)"', websocket.read_text()[sizes[websocket] :])
    requests += [f"websocket {action}" for action in actions]


def test_keystone_is_down_until_the_token_has_expired(own_cloud, heat, site, server):
    polling = Follower(heat, site, push="poll", poll_longest=2)
    assert "password" not in polling.options
    polling.arrives(30)
    since = server.guest.log_size
    wait_renewal(own_cloud)
    own_cloud.stop_service("keystone")
    try:
        # The token is good for a while yet.
        server.arrives(5)
        assert AWAY not in server.logged(since)
        # Who polls never asks Keystone.
        for _ in range(3):
            polling.arrives(10)
        server.guest.wait_log("cannot be renewed yet", 60, since=since)
        server.guest.wait_log(f"4003.*|{AWAY}", 60, since=since)
        server.arrives(10)
        server.guest.wait_log(f"{AWAY}: get a token from Keystone", 60, since=since)
    finally:
        own_cloud.start_service("keystone")
    server.connects(120, since=since)
    server.arrives(10)
    server.is_told()
