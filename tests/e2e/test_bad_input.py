"""Whatever reaches the agent: a clear error, and nothing lost."""

import itertools
import json
import os
import subprocess
import time

import pytest

from heat_zaqar_transport.wire import SignedUrl, Snapshot, serialize
from support import hot
from support.ends import Ends
from support.intruder import open_as_intruder, post_anything
from support.site import Site

_numbers = itertools.count(1)


def echo(word):
    return hot.one_script("#!/bin/sh\necho did $word\n", input_values={"word": word})


def completes(stack, word):
    stack.wait("UPDATE_COMPLETE")
    assert stack.outputs()["stdout"] == f"did {word}\n"


@pytest.fixture(scope="module")
def running(cloud, tmp_path_factory):
    """A stack that is complete, its guest, and what an intruder can do to its queue."""
    with Site(cloud, tmp_path_factory.mktemp("running")) as site:
        stack = site.stack(echo("first"))
        guest = site.boot(stack)
        stack.wait("CREATE_COMPLETE")
        yield stack, guest, stack.collect_config("server")["zaqar"]


def without_acks(queue):
    """Return what a metadata queue lists but for acks, which stay there for a while."""
    return [each for each in queue.fetch() if '"type": "ack"' not in json.dumps(each.body)]


def sealed(ends, message):
    return ends.seal.seal(serialize(message))


def truncated(ends):
    body = sealed(ends, Snapshot(ends.channel, 10**6, {"deployments": ["one", "two"]}))
    return {**body, "sealed": body["sealed"][:-4]}


def damaged(ends):
    body = serialize(Snapshot(ends.channel, 10**6, {"deployments": ["one", "two"]}))
    return ends.seal.seal({**body, "deployments": ["one"]})


@pytest.mark.parametrize(
    ("rubbish", "told"),
    [
        (lambda ends: ["no", "object"], "must be a JSON object, not an array"),
        (lambda ends: "text", "must be a JSON object, not a text"),
        (lambda ends: {"heat-zaqar": {"version": 99}, "sealed": "x"}, "version 99 is not spoken"),
        (truncated, "cannot be opened"),
        (damaged, "generation 1000000 is damaged"),
        (lambda ends: serialize(Snapshot(ends.channel, 10**6, {})), "is not sealed"),
        (lambda ends: sealed(ends, Snapshot("other", 10**6, {})), "another channel"),
    ],
    ids=["array", "text", "version", "truncated", "damaged", "unsealed", "other channel"],
)
def test_rubbish_in_the_queue_is_reported_and_cleared_and_costs_nothing(
    cloud, running, rubbish, told
):
    stack, guest, options = running
    ends = Ends(options)
    queue = open_as_intruder(cloud, ends.metadata_url)
    before, log_size = without_acks(queue), guest.log_size
    post_anything(queue, rubbish(ends))
    guest.wait_log(told, 30, since=log_size)
    guest.wait_log(r"Asked Heat for the present snapshot \(rejected\)", 30, since=log_size)
    # Heat's answer to the hello: the queue holds its snapshot again, and that alone.
    guest.wait_for(lambda: len(without_acks(queue)) == 1, 30, "a clean queue")
    assert without_acks(queue)[0].body == before[-1].body
    # The server keeps its configuration, and the next change arrives.
    assert options["channel"] in guest.path("etc/os-collect-config.conf").read_text()
    word = f"change-{next(_numbers)}"
    stack.update(echo(word))
    completes(stack, word)


def test_an_emptied_queue_is_filled_again_for_a_new_server(cloud, site, running):
    """A server that is rebuilt, when its queue was flushed meanwhile, gets the present."""
    _, guest, options = running
    queue = open_as_intruder(cloud, SignedUrl.parse(options["metadata_url"]))
    guest.stop()
    queue.delete(message.id for message in queue.fetch())
    rebuilt = site.guest({"collectors": ["zaqar", "local"], "zaqar": options}, "rebuilt")
    rebuilt.start()
    rebuilt.wait_log(r"Asked Heat for the present snapshot \(empty queue\)", 60)
    rebuilt.wait_log(r"Generation \d+ of channel .* collected", 60)


def test_a_missing_option_is_named(site, running):
    _, _, options = running
    # Without Keystone's options, too, by which the queue could be read.
    crippled = {name: options[name] for name in ("channel", "signal_url")}
    guest = site.guest({"collectors": ["zaqar", "local"], "zaqar": crippled}, "crippled")
    guest.start()
    guest.wait_log(r"option \[zaqar\] metadata_url is not set", 60)


def test_an_option_that_cannot_be_used_is_named_and_not_quoted(site, running):
    _, _, options = running
    broken = {**options, "metadata_url": "http://host/s3cret"}
    guest = site.guest({"collectors": ["zaqar", "local"], "zaqar": broken}, "broken")
    guest.start()
    guest.wait_log(r"option \[zaqar\] metadata_url cannot be used: not a pre-signed URL", 60)
    assert "s3cret" not in guest.log.read_text()


@pytest.fixture
def small_disk(running):
    """The agent's state directory on a file system of its own that is easily filled."""
    assert os.getuid() == 0, "this test mounts a tmpfs, as root"
    _, guest, _ = running
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
    stack, guest, options = running
    filler = small_disk / "filler"
    with filler.open("wb", buffering=0) as file, pytest.raises(OSError, match="No space"):
        while True:
            file.write(b"x" * 4096)
    log_size = guest.log_size
    guest.start()
    stack.update(echo("on a full disk"))
    guest.wait_log("not applied yet: .*No space left on device", 60, since=log_size)
    assert options["channel"] in guest.path("etc/os-collect-config.conf").read_text()
    filler.unlink()
    completes(stack, "on a full disk")


def test_killed_between_reading_and_applying(site):
    """The agent dies with the new snapshot on its disk, before any of it is applied."""
    stack = site.stack(echo("one"))
    guest = site.guest(stack.collect_config("server"))
    gate = guest.path("usr/libexec/os-refresh-config/pre-configure.d/01-wait")
    gate.parent.mkdir(parents=True, exist_ok=True)
    gate.write_text('#!/bin/sh\nwhile [ -e "$HOME/closed" ]; do sleep 0.1; done\n')
    gate.chmod(0o755)
    guest.start()
    stack.wait("CREATE_COMPLETE")

    guest.path("root/closed").touch()
    log_size = guest.log_size
    stack.update(echo("two"))
    guest.wait_log(r"Generation \d+ of channel .* collected", 60, since=log_size)
    guest.kill()
    kept = json.loads(guest.path("var/lib/heat-zaqar-transport/snapshot.json").read_text())
    assert "two" in json.dumps(kept)
    time.sleep(1)
    assert stack.show().stack_status == "UPDATE_IN_PROGRESS"

    guest.path("root/closed").unlink()
    guest.start()
    stack.wait("UPDATE_COMPLETE")
    assert stack.outputs()["stdout"] == "did two\n"
