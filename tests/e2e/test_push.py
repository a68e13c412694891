"""Changes arrive at once, and arrive whatever service goes away and comes back.

The agent is never touched here: it is started once, and what happens is up to it.
"""

import contextlib
import re
import signal
import statistics
import time
from datetime import datetime

import pytest

from heat_zaqar_transport.wire.errors import TransportError
from support import hot
from support.changes import Changes

CONNECTED = "Connected to Zaqar's websocket server"
AWAY = "polling meanwhile"
# Zaqar, which gets a token of its own to validate others with.
ZAQARS_OWN_TOKEN = re.compile(r'POST /v3/auth/tokens \d+ "zaqar/')
# The longest pause between two polls, as configured for an agent unless something else is said.
POLL_LONGEST_S = 30
# Connecting again is tried after 0 to 5 s, then 0 to 10, 0 to 20.
RECONNECT_S = 60


class Server:
    """One server that is pushed, and changes for it."""

    def __init__(self, cloud, site, debug=False, **options):
        resource = hot.server()
        resource["metadata"] = {"os-collect-config": {"zaqar": options}}
        self.stack = site.stack(hot.template({"server": resource}))
        self.stack.wait("CREATE_COMPLETE")
        config = self.stack.collect_config("server")
        self.options = config["zaqar"]
        self.guest = site.guest(config, polling_interval_s=POLL_LONGEST_S)
        self.changes = Changes(cloud, self.guest, self.options)
        self.guest.start(debug=debug)

    def connects(self, within_s, since=0):
        self.guest.wait_log(CONNECTED, within_s, since=since)

    def arrives(self, within_s):
        """Change something; return after how many seconds the server begins to apply it."""
        posted = self.changes.post()
        latency_s = self.changes.wait(within_s) - posted
        self.changes.applied(30)
        return latency_s


@pytest.fixture
def server(cloud, site):
    server = Server(cloud, site)
    server.connects(60)
    # The agent starts itself anew with the configuration that it renders, and connects again.
    server.arrives(30)
    return server


def test_each_change_of_a_steady_run_arrives_at_once(server):
    latencies = [server.arrives(5) for _ in range(30)]
    assert statistics.median(latencies) < 0.1
    assert max(latencies) < 0.5


def test_many_changes_at_once_end_in_the_newest_one(server):
    for _ in range(30):
        server.changes.post()
    server.changes.applied(30)
    collected = server.changes.collected()
    assert collected[-1] == server.changes.generation
    assert collected == sorted(set(collected))


@pytest.mark.parametrize("how", ["killed", "stopped"])
def test_the_websocket_server_goes_away_and_comes_back(cloud, server, how):
    since = server.guest.log_size
    (cloud.kill_service if how == "killed" else cloud.stop_service)("zaqar-websocket")
    try:
        server.guest.wait_log(AWAY, 10, since=since)
        assert server.arrives(POLL_LONGEST_S + 5) < POLL_LONGEST_S
    finally:
        cloud.start_service("zaqar-websocket")
    server.connects(RECONNECT_S, since=since)
    assert server.arrives(5) < 0.5


def test_redis_restarts(cloud, server):
    # Each time without the look that follows a change by 2.56 s: it would wait for Redis.
    time.sleep(3)
    cloud.restart_service("redis")
    assert server.arrives(5) < 0.5
    time.sleep(3)
    cloud.stop_service("redis")
    try:
        with pytest.raises(TransportError):
            server.changes.post()
    finally:
        cloud.start_service("redis")
    assert server.arrives(5) < 0.5


def test_keystone_is_down_until_the_token_has_expired(cloud, site):
    with short_tokens(cloud, 40):
        server = Server(cloud, site)
        server.connects(60)
        server.arrives(30)
        since = server.guest.log_size
        cloud.stop_service("keystone")
        try:
            # It is good for a while yet.
            assert server.arrives(5) < 0.5
            server.guest.wait_log("cannot be renewed yet", 60, since=since)
            server.guest.wait_log(f"4003.*|{AWAY}", 60, since=since)
            assert server.arrives(POLL_LONGEST_S + 5) < POLL_LONGEST_S
            time.sleep(10)
        finally:
            cloud.start_service("keystone")
        back = server.guest.log_size
        server.connects(2 * RECONNECT_S, since=back)
        assert server.arrives(5) < 0.5


@contextlib.contextmanager
def short_tokens(cloud, seconds):
    cloud.reconfigure("keystone", {"token": {"expiration": seconds}})
    try:
        yield
    finally:
        cloud.reconfigure("keystone", {})


def test_without_notifications_the_agent_finds_out_and_polls(cloud, site):
    with no_notifications(cloud):
        server = Server(cloud, site, poll_longest=5)
        server.connects(60)
        server.arrives(30)
        # A change that is found late teaches the agent; how late depends on its next look.
        for _ in range(8):
            time.sleep(10)
            server.arrives(60)
            if "push did not tell" in server.guest.log.read_text():
                break
        else:
            raise AssertionError("the agent relies on a push that never comes")
        # Its pauses would be of 16 s by now, if it still did.
        time.sleep(16)
        assert server.arrives(10) < 5.5
        since = server.guest.log_size
    # Back with it: the websocket server has been started anew, and connected to again.
    server.connects(RECONNECT_S, since=since)
    server.arrives(10)
    assert server.arrives(5) < 0.5


@contextlib.contextmanager
def no_notifications(cloud):
    """Zaqar without its notifier; back with it, the servers that were told connect again."""
    for name in ("zaqar", "zaqar-websocket"):
        cloud.reconfigure(name, {"storage": {"message_pipeline": ""}})
    try:
        yield
    finally:
        for name in ("zaqar", "zaqar-websocket"):
            cloud.reconfigure(name, {})


def test_by_poll_keystone_is_never_asked(cloud, site):
    server = Server(cloud, site, push="poll", poll_longest=2)
    assert "password" not in server.options
    server.arrives(30)
    cloud.stop_service("keystone")
    try:
        for _ in range(3):
            assert server.arrives(5) < 2.5
    finally:
        cloud.start_service("keystone")


def test_without_a_websocket_server_in_the_catalog_it_polls_without_a_password(cloud, site):
    admin, services = cloud.admin_session(), f"{cloud.auth_url}/services"
    (entry,) = [
        each
        for each in admin.get(services).json()["services"]
        if each["type"] == "messaging-websocket"
    ]
    path = f"{services}/{entry['id']}"
    admin.patch(path, json={"service": {"enabled": False}})
    try:
        server = Server(cloud, site)
    finally:
        admin.patch(path, json={"service": {"enabled": True}})
    assert not {"password", "websocket_url"} & set(server.options)
    server.arrives(40)
    assert CONNECTED not in server.guest.log.read_text()


def test_by_poll_a_change_after_a_change_arrives_within_a_second(cloud, site):
    server = Server(cloud, site, push="poll")
    server.arrives(40)
    assert server.arrives(5) < 1.2


def test_an_idle_server_renews_its_token_and_costs_four_requests_each_time(cloud, site):
    """Keystone's tokens are good for an hour by default; here it is 40 s, renewed after 30."""
    with short_tokens(cloud, 40):
        server = Server(cloud, site)
        server.connects(60)
        server.arrives(30)
        server.arrives(5)  # so that push is known to work, and no look follows
        time.sleep(5)
        connections = server.guest.log.read_text().count(CONNECTED)
        with counted(cloud) as requests:
            time.sleep(95)
        assert server.guest.log.read_text().count(CONNECTED) == connections
        assert AWAY not in server.guest.log.read_text()
        assert server.arrives(5) < 0.5
    renewals = sum("POST /v3/auth/tokens" in each and "os-collect" in each for each in requests)
    assert renewals in (3, 4)
    assert len(requests) <= 4 * renewals
    kinds = {" ".join(re.sub(r"hz-m-\w+", "Q", each).split()[:2]) for each in requests}
    assert kinds == {
        "POST /v3/auth/tokens",
        "GET /v3/auth/tokens",
        "GET /v2/queues/Q/messages",
        "websocket authenticate",
    }


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


def test_a_signal_or_a_new_configuration_ends_the_waiting(server):
    guest = server.guest
    for end in (lambda: guest._agent.send_signal(signal.SIGHUP), lambda: touch_config(guest)):
        since, began = guest.log_size, time.time()
        end()
        at = guest.wait_log(r"^(\S+ \S+) .*(Re-executing|starting anew)", 5, since=since)[1]
        assert datetime.fromisoformat(at).timestamp() - began < 1
        server.connects(30, since=since)
        assert server.arrives(5) < 0.5
    began = time.monotonic()
    guest._agent.terminate()
    guest._agent.wait(5)
    assert time.monotonic() - began < 1


def touch_config(guest):
    with guest.path("etc/os-collect-config-local.conf").open("a") as conf:
        conf.write("\n[zaqar]\ntimeout = 29\n")


def test_a_command_that_fails_is_run_again_and_not_all_the_time(server):
    bad = server.guest.path("usr/libexec/os-refresh-config/configure.d/99-bad")
    bad.write_text("#!/bin/sh\nexit 1\n")
    bad.chmod(0o755)
    since = server.guest.log_size
    server.changes.post()
    server.guest.wait_log("Command failed", 30, since=since)
    time.sleep(10)
    text = server.guest.log.read_text()[since:]
    # After pauses of 1, 2, 4 s.
    assert 3 <= text.count("Command failed") <= 5
    bad.unlink()
    server.changes.applied(30)
    # What mends it need not wait for a pause.
    assert server.arrives(5) < 0.5
