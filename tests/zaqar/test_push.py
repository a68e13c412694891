"""Changes arrive at once, by Zaqar's websocket server; or by polling, where there is none."""

import re
import signal
import statistics
from datetime import datetime

import pytest

from support.follower import CONNECTED, Follower
from support.guests import Guests
from support.played_heat import PlayedHeat

together = pytest.mark.xdist_group("zaqar-push")


@pytest.fixture(scope="module")
def pushed(cloud, tmp_path_factory):
    with PlayedHeat(cloud) as heat, Guests(tmp_path_factory.mktemp("pushed")) as site:
        yield Follower(heat, site, poll_longest=1)


@pytest.fixture
def server(pushed):
    """The one that these tests share."""
    since = pushed.guest.log_size
    if not pushed.guest.running:
        pushed.guest.start()
        pushed.connects(since=since)
    pushed.connects()
    # The agent starts itself anew with the configuration that it renders, and connects again.
    pushed.arrives(30)
    return pushed


def without_scripts(server):
    """Leave nothing for the command to do, which takes most of a change's time."""
    for script in server.guest.path("usr/libexec/os-refresh-config/configure.d").iterdir():
        script.unlink()


@pytest.mark.xdist_group("serial")
def test_each_change_of_a_steady_run_arrives_at_once(heat, site):
    server = Follower(heat, site)
    server.connects()
    server.arrives(30)
    without_scripts(server)
    latencies = [server.arrives(5) for _ in range(30)]
    assert statistics.median(latencies) < 0.1
    assert max(latencies) < 0.5


@together
def test_many_changes_at_once_end_in_the_newest_one(server):
    for _ in range(30):
        server.change()
    server.applied()
    collected = server.collected()
    assert collected[-1] == server.played.generation
    assert collected == sorted(set(collected))


@pytest.mark.xdist_group("serial")
def test_by_poll_a_change_after_a_change_arrives_within_a_second(heat, site):
    server = Follower(heat, site, push="poll")
    server.applied()
    server.arrives(40)
    assert server.arrives(5) < 1.2


def test_without_a_websocket_server_in_the_catalog_it_polls(cloud, tmp_path):
    with PlayedHeat(cloud, websocket=False) as heat, Guests(tmp_path) as site:
        server = Follower(heat, site)
        assert not {"password", "websocket_url"} & set(server.options)
        server.applied()
        server.arrives(40)
        assert CONNECTED not in server.logged()


@together
def test_a_command_that_fails_is_run_again_and_not_all_the_time(server):
    bad = server.guest.path("usr/libexec/os-refresh-config/configure.d/99-bad")
    bad.write_text("#!/bin/sh\nexit 1\n")
    bad.chmod(0o755)
    since = server.guest.log_size
    server.change()
    guest = server.guest
    guest.wait_for(lambda: len(times(server, since, "Executing")) > 3, 60, "three more tries")
    bad.unlink()
    failed, begun = times(server, since, "Command failed"), times(server, since, "Executing")
    for failed_at, begun_at, pause_s in zip(failed, begun[1:], (1, 2, 4), strict=False):
        assert pause_s - 0.1 < begun_at - failed_at < pause_s + 5
    server.applied()
    # What mends it need not wait for a pause.
    server.arrives(5)


def times(server, since, words):
    found = re.findall(rf"^(\S+ \S+) \d+ \w+ .*{words}", server.logged(since), re.MULTILINE)
    return [datetime.fromisoformat(each).timestamp() for each in found]


@together
def test_a_signal_or_a_new_configuration_ends_the_waiting(server):
    guest = server.guest
    for end in (lambda: guest._agent.send_signal(signal.SIGHUP), lambda: touch_config(guest)):
        since = guest.log_size
        end()
        guest.wait_log("Re-executing|starting anew", 5, since=since)
        server.connects(since=since)
        server.arrives(5)
        server.is_told()
    guest._agent.terminate()
    guest._agent.wait(5)


def touch_config(guest):
    with guest.path("etc/os-collect-config-local.conf").open("a") as conf:
        conf.write("\n[zaqar]\ntimeout = 29\n")
