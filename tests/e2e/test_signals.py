"""Results in Heat when Zaqar does not tell of them: by the engine's own looks."""

import contextlib
import time
from datetime import datetime

import pytest

from support import hot


def polled(seconds):
    """A server that polls: one that pushes have reached already would rely on them."""
    template = hot.one_script(
        "#!/bin/sh\nsleep $seconds\necho $seconds\n", input_values={"seconds": str(seconds)}
    )
    options = {"os-collect-config": {"zaqar": {"push": "poll", "poll_longest": 2}}}
    template["resources"]["server"]["metadata"] = options
    return template


def ended_at(guest, since):
    said = guest.wait_log(r"^(\S+ \S+) .*hook ended", 30, since=since)[1]
    return datetime.fromisoformat(said.replace(",", ".")).timestamp()


@pytest.mark.xdist_group("serial")
def test_without_notifications_a_result_takes_less_than_15_seconds(cloud, site):
    stack = site.stack(polled(0))
    guest = site.boot(stack)
    stack.wait("CREATE_COMPLETE")
    with no_notifications(cloud):
        # The first one teaches the engine that nobody tells; then time does not matter.
        for seconds in (1, 17):
            since = guest.log_size
            stack.update(polled(seconds))
            ended = ended_at(guest, since)
            stack.wait("UPDATE_COMPLETE")
            assert time.time() - ended < 15
    assert stack.outputs()["stdout"] == "17\n"


@contextlib.contextmanager
def no_notifications(cloud):
    """Zaqar as it comes: a subscription is taken, and never fires."""
    cloud.reconfigure("zaqar", {"storage": {"message_pipeline": ""}})
    try:
        yield
    finally:
        cloud.reconfigure("zaqar", {})
