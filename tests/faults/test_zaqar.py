"""Zaqar that fails, hangs, cuts its answers, loses, doubles and reorders messages."""

import pytest

from support.fault_proxy import wait_done
from support.rig import LONGEST_S, Rig

FAULTS = ["503 before", "500 after", "half", "drop before", "drop after", "hang before"]
# Poll servers look every half a second after a change; timeouts are short, so that a hang ends.
AGENT = {"push": "poll", "poll_longest": 2, "timeout": 3}


@pytest.fixture(scope="module")
def rig(cloud, proxy, tmp_path_factory):
    from support.site import Site

    with Site(cloud, tmp_path_factory.mktemp("zaqar")) as site:
        yield Rig(site, agent=AGENT)


def by_server(request):
    return request.by_server


def by_engine(request):
    return not request.by_server


@pytest.mark.parametrize("fault", FAULTS)
def test_the_server_cannot_read(rig, proxy, fault):
    with proxy.rule(fault, "GET", rig.metadata_queue, 3, who=by_server) as rule:
        rig.start_update(f"read {fault}")
        wait_done(rule, 3, LONGEST_S)
        rig.completes()
    rig.settled()


@pytest.mark.parametrize("fault", FAULTS)
def test_the_server_cannot_post(rig, proxy, fault):
    with proxy.rule(fault, "POST", rig.signal_queue, 2, who=by_server) as rule:
        rig.start_update(f"post {fault}")
        wait_done(rule, 1, LONGEST_S)
        rig.completes()
    rig.settled()


@pytest.mark.parametrize(
    ("fault", "times"),
    # Three tries, and then again while the deployment waits. What was posted in spite of the
    # answer is found by the second try.
    [("503 before", 4), ("drop before", 4), ("500 after", 1), ("half", 1)],
)
def test_the_engine_cannot_publish(rig, proxy, fault, times):
    with proxy.rule(fault, "POST", rig.metadata_queue, times, who=by_engine) as rule:
        rig.start_update(f"publish {fault}")
        wait_done(rule, times, LONGEST_S)
        rig.completes()
    rig.settled()


def test_the_engine_cannot_ack(rig, proxy):
    rig.start_update("unacked")
    rig.wait_run()
    with proxy.rule("503 before", "POST", rig.metadata_queue, 1, who=by_engine) as rule:
        rig.completes()
        wait_done(rule, 1, LONGEST_S)
        # The result comes again, and that one is acked.
        rig.settled()
    assert rig.runs() == 1


@pytest.mark.parametrize("fault", ["twice", "swallow", "late"])
def test_results_are_doubled_lost_and_late(rig, proxy, fault):
    with proxy.rule(fault, "POST", rig.signal_queue, 1, who=by_server) as rule:
        rig.start_update(f"result {fault}")
        wait_done(rule, 1, LONGEST_S)
        rig.completes()
        rig.settled()
    # What was held back has come by now, and is late for everything.
    rig.update(f"after {fault}")
    rig.settled()


@pytest.mark.parametrize("fault", ["twice", "swallow", "late"])
def test_snapshots_are_doubled_lost_and_late(rig, proxy, fault):
    with proxy.rule(fault, "POST", rig.metadata_queue, 1, who=by_engine) as rule:
        rig.start_update(f"snapshot {fault}")
        wait_done(rule, 1, LONGEST_S)
        rig.completes()
    rig.settled()
    rig.update(f"after snapshot {fault}")
    rig.settled()
