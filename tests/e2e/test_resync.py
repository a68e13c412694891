"""A server comes back by itself: after snapshots have run out, after it was away or rebuilt."""

import contextlib
import time

from support import hot
from support.ends import Ends
from support.intruder import open_as_intruder

LIFE_S = 60


@contextlib.contextmanager
def short_lives(cloud):
    """The operator lets messages live for a minute and no longer."""
    cloud.reconfigure("zaqar", {"transport": {"max_message_ttl": LIFE_S}})
    try:
        yield
    finally:
        cloud.reconfigure("zaqar", {})


def test_a_short_life_is_honoured_and_renewed_and_survived(cloud, site):
    with short_lives(cloud):
        stack = site.stack(hot.one_script("#!/bin/sh\necho once >> $HOME/runs\n"))
        guest = site.boot(stack)
        stack.wait("CREATE_COMPLETE")
        options = stack.collect_config("server")["zaqar"]
        ends = Ends(options)
        until = time.monotonic() + LIFE_S + 10
        while time.monotonic() < until:
            found = ends.found()
            assert found, "the queue is without a snapshot"
            assert found[-1].carriers[0].ttl_s == LIFE_S
            time.sleep(1)
        assert "(expiring)" in guest.log.read_text()

        # Asleep for longer than that, and rebuilt meanwhile.
        guest.stop()
        while ends.found():
            time.sleep(1)
        rebuilt = site.guest({"collectors": ["zaqar", "local"], "zaqar": options}, "rebuilt")
        rebuilt.start()
        rebuilt.wait_log("hook ended with status 0", 60)
        # What it answers is no news to Heat, and acked all the same.
        record = rebuilt.path("var/lib/heat-zaqar-transport/deployments")
        rebuilt.wait_for(
            lambda: all('"acked"' in each.read_text() for each in record.glob("*.json")),
            30,
            "the ack",
        )
    assert stack.show().stack_status == "CREATE_COMPLETE"


def test_a_hello_at_each_start_and_none_after_the_end(cloud, site):
    stack = site.stack(hot.one_script("#!/bin/sh\necho yes\n"))
    guest = site.boot(stack)
    stack.wait("CREATE_COMPLETE")
    since = guest.log_size
    guest.stop()
    guest.start()
    guest.wait_log(r"Asked Heat for the present snapshot \(start\)", 30, since=since)
    since = guest.log_size
    stack.delete()
    stack.wait("DELETE_COMPLETE")
    guest.wait_log("deleted", 30, since=since)
    time.sleep(5)
    assert "Asked Heat" not in guest.log.read_text()[since:]


def test_a_check_of_the_stack_puts_back_what_zaqar_has_lost(cloud, site):
    stack = site.stack(hot.one_script("#!/bin/sh\necho yes\n"))
    guest = site.boot(stack)
    stack.wait("CREATE_COMPLETE")
    guest.stop()
    options = stack.collect_config("server")["zaqar"]
    ends = Ends(options)
    queue = open_as_intruder(cloud, ends.metadata_url)
    queue.delete(each.id for each in queue.fetch())
    site.heat.actions.check(stack.id)
    deadline = time.monotonic() + 30
    while not ends.found():
        assert time.monotonic() < deadline, "nothing was put back"
        time.sleep(0.5)
