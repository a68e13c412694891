"""Whatever reaches the agent: a clear error, and nothing lost."""

import itertools
import json
import os
import subprocess

import pytest

from heat_zaqar_transport.wire import Snapshot, serialize
from support.follower import Follower
from support.guests import Guests
from support.intruder import post_anything
from support.played_heat import PlayedHeat

# They share a server.
pytestmark = pytest.mark.xdist_group("bad-input")

SCRIPT = "#!/bin/sh\necho did $word\n"
_numbers = itertools.count(1)


@pytest.fixture(scope="module")
def heat(cloud):
    with PlayedHeat(cloud) as heat:
        yield heat


@pytest.fixture(scope="module")
def site(heat, tmp_path_factory):
    with Guests(tmp_path_factory.mktemp("bad-input")) as site:
        yield site


@pytest.fixture(scope="module")
def server(heat, site):
    """A server that has done its first deployment."""
    server = Follower(heat, site, poll_longest=1)
    completes(server, "first")
    return server


@pytest.fixture
def running(server):
    if not server.guest.running:
        server.guest.start()
    return server


def completes(server, word):
    """Deploy, and see the right output."""
    done(server, server.played.deploy(SCRIPT, word=word), word)


def done(server, config_id, word):
    assert server.played.result(config_id, 60)["deploy_stdout"] == f"did {word}\n"


def without_acks(queue):
    """Return what a metadata queue lists but for acks, which stay there for a while."""
    return [each for each in queue.fetch() if '"type": "ack"' not in json.dumps(each.body)]


def sealed(played, message):
    return played.seal.seal(serialize(message))


def truncated(played):
    body = sealed(played, Snapshot(played.channel, 10**6, {"deployments": ["one", "two"]}))
    return {**body, "sealed": body["sealed"][:-4]}


def damaged(played):
    body = serialize(Snapshot(played.channel, 10**6, {"deployments": ["one", "two"]}))
    return played.seal.seal({**body, "deployments": ["one"]})


@pytest.mark.parametrize(
    ("rubbish", "told"),
    [
        (lambda played: ["no", "object"], "must be a JSON object, not an array"),
        (lambda played: "text", "must be a JSON object, not a text"),
        (lambda played: {"heat-zaqar": {"version": 99}, "sealed": "x"}, "version 99 is not spoken"),
        (truncated, "cannot be opened"),
        (damaged, "generation 1000000 is damaged"),
        (lambda played: serialize(Snapshot(played.channel, 10**6, {})), "is not sealed"),
        (lambda played: sealed(played, Snapshot("other", 10**6, {})), "another channel"),
    ],
    ids=["array", "text", "version", "truncated", "damaged", "unsealed", "other channel"],
)
def test_rubbish_in_the_queue_is_reported_and_cleared_and_costs_nothing(running, rubbish, told):
    guest, played = running.guest, running.played
    before, log_size = without_acks(played.metadata), guest.log_size
    post_anything(played.metadata, rubbish(played))
    guest.wait_log(told, 30, since=log_size)
    guest.wait_log(r"Asked Heat for the present snapshot \(rejected\)", 30, since=log_size)
    played.hello("rejected")
    # Heat's answer to the hello: the queue holds its snapshot again, and that alone.
    (left,) = without_acks(played.metadata)
    assert left.body == before[-1].body
    # The server keeps its configuration, and the next change arrives.
    assert played.channel in guest.path("etc/os-collect-config.conf").read_text()
    completes(running, f"change-{next(_numbers)}")


def test_an_emptied_queue_is_filled_again_for_a_new_server(site, running):
    """A server that is rebuilt, when its queue was flushed meanwhile, gets the present."""
    played = running.played
    running.guest.stop()
    played.metadata.delete(message.id for message in played.metadata.fetch())
    rebuilt = site.guest(played.config, "rebuilt", polling_interval_s=60)
    rebuilt.start()
    rebuilt.wait_log(r"Asked Heat for the present snapshot \(empty queue\)", 60)
    played.hello("empty queue")
    rebuilt.wait_log(r"Generation \d+ of channel .* collected", 60)
    rebuilt.stop()


def test_an_option_that_is_missing_or_cannot_be_used_is_named_and_not_quoted(site, running):
    options = running.options
    # Without Keystone's options, too, by which the queue could be read.
    crippled = {name: options[name] for name in ("channel", "signal_url")}
    broken = {**options, "metadata_url": "http://host/s3cret"}
    guests = [
        site.guest({"collectors": ["zaqar", "local"], "zaqar": each}, name)
        for name, each in (("crippled", crippled), ("broken", broken))
    ]
    for guest in guests:
        guest.start()
    guests[0].wait_log(r"option \[zaqar\] metadata_url is not set", 60)
    guests[1].wait_log(r"option \[zaqar\] metadata_url cannot be used: not a pre-signed URL", 60)
    assert "s3cret" not in guests[1].log.read_text()
    for guest in guests:
        guest.kill()


@pytest.fixture
def small_disk(running):
    """The agent's state directory on a file system of its own that is easily filled."""
    assert os.getuid() == 0, "this test mounts a tmpfs, as root"
    guest = running.guest
    guest.stop()
    state = guest.path("var/lib/heat-zaqar-transport")
    kept = {path.relative_to(state): path.read_bytes() for path in state.rglob("*.json")}
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", state], check=True)
    try:
        for path, content in kept.items():
            (state / path).parent.mkdir(exist_ok=True)
            (state / path).write_bytes(content)
        yield state
    finally:
        guest.kill()
        subprocess.run(["umount", state], check=True)


def test_a_full_disk_costs_nothing_once_there_is_room(running, small_disk):
    guest, played = running.guest, running.played
    filler = small_disk / "filler"
    with filler.open("wb", buffering=0) as file, pytest.raises(OSError, match="No space"):
        while True:
            file.write(b"x" * 4096)
    log_size = guest.log_size
    guest.start()
    run = played.deploy(SCRIPT, word="on a full disk")
    # After the second look the first one has had its consequences.
    told = "not applied yet: .*No space left on device"
    guest.wait_log(rf"{told}\n(?:.*\n)*?.*{told}", 60, since=log_size)
    assert played.channel in guest.path("etc/os-collect-config.conf").read_text()
    filler.unlink()
    done(running, run, "on a full disk")


def test_killed_between_reading_and_applying(running):
    """The agent dies with the new snapshot on its disk, before any of it is applied."""
    guest, played = running.guest, running.played
    gate = guest.path("usr/libexec/os-refresh-config/pre-configure.d/01-wait")
    gate.parent.mkdir(parents=True, exist_ok=True)
    gate.write_text('#!/bin/sh\nwhile [ -e "$HOME/closed" ]; do sleep 0.1; done\n')
    gate.chmod(0o755)
    completes(running, "one")

    guest.path("root/closed").touch()
    log_size = guest.log_size
    run = played.deploy(SCRIPT, word="two")
    guest.wait_log(r"Generation \d+ of channel .* collected(.*\n)+?.*Executing", 60, since=log_size)
    guest.kill()
    kept = json.loads(guest.path("var/lib/heat-zaqar-transport/snapshot.json").read_text())
    assert "two" in json.dumps(kept)
    played.hear()
    assert run not in played.results

    guest.path("root/closed").unlink()
    guest.start()
    done(running, run, "two")
