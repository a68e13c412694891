"""Results in Heat at once, nobody asking; and by the safety net when Zaqar does not tell."""

import contextlib
import time
from datetime import datetime

from support import hot

CHANGING = "#!/bin/sh\nsleep $seconds\necho $seconds\n"


def stack_of(seconds):
    return hot.one_script(CHANGING, input_values={"seconds": str(seconds)})


def signal_queue_requests(cloud, stack, size):
    queue = stack.collect_config("server")["zaqar"]["signal_url"]
    name = queue.split("/queues/")[1].split("?")[0]
    lines = (cloud.logs / "zaqar-access.log").read_text()[size:].splitlines()
    return [line for line in lines if name in line]


def test_nobody_asks_while_a_deployment_waits(cloud, site):
    """No request in the first 10 s, and from then on after 10, 20 and 40 s; see test_safety_net."""
    stack = site.stack(stack_of(0))
    guest = site.boot(stack)
    stack.wait("CREATE_COMPLETE")
    since = guest.log_size
    stack.update(stack_of(33))
    guest.wait_log("hook script started", 60, since=since)
    size = (cloud.logs / "zaqar-access.log").stat().st_size
    time.sleep(8)
    assert signal_queue_requests(cloud, stack, size) == []
    time.sleep(23)
    looks = signal_queue_requests(cloud, stack, size)
    assert len(looks) == 2
    assert all("GET" in look and "messages" in look for look in looks)
    stack.wait("UPDATE_COMPLETE")
    ended = ended_at(guest, since)
    assert time.time() - ended < 4  # of which Heat's own looks at its deployments are 1 s


def ended_at(guest, since):
    said = guest.wait_log(r"^(\S+ \S+) .*hook ended", 30, since=since)[1]
    return datetime.fromisoformat(said.replace(",", ".")).timestamp()


def polled(seconds):
    """A server that polls: one that pushes have reached already would rely on them."""
    template = stack_of(seconds)
    options = {"os-collect-config": {"zaqar": {"push": "poll", "poll_longest": 2}}}
    template["resources"]["server"]["metadata"] = options
    return template


def test_without_notifications_a_result_takes_less_than_15_seconds(cloud, site):
    stack = site.stack(polled(0))
    guest = site.boot(stack)
    stack.wait("CREATE_COMPLETE")
    with no_notifications(cloud):
        # The first one teaches the engine that nobody tells; then time does not matter.
        for seconds in (1, 17, 24):
            since = guest.log_size
            stack.update(polled(seconds))
            ended = ended_at(guest, since)
            stack.wait("UPDATE_COMPLETE")
            assert time.time() - ended < 15


@contextlib.contextmanager
def no_notifications(cloud):
    cloud.reconfigure("zaqar", {"storage": {"message_pipeline": ""}})
    try:
        yield
    finally:
        cloud.reconfigure("zaqar", {})
