"""Services that die, at moments when it matters."""

import contextlib
import re
import time

import pytest
import redis

from support.fault_proxy import wait_done
from support.rig import LONGEST_S, Rig, wait_until


@contextlib.contextmanager
def stopped(cloud, name):
    cloud.stop_service(name)
    try:
        yield
    finally:
        cloud.start_service(name)


def flush(cloud):
    redis.Redis(*cloud.redis_url).flushall()


@pytest.fixture
def rig(site):
    return Rig(site)


@pytest.mark.parametrize("push", ["poll", "websocket"])
def test_redis_is_flushed_while_nothing_happens(cloud, site, push):
    rig = Rig(site, agent={"push": push, "poll_longest": 5})
    flush(cloud)
    if push == "websocket":
        # Its agents cannot notice and look once an hour; docs/operators.md says to do this.
        cloud.restart_service("zaqar-websocket")
    rig.update("after the flush", 60)
    rig.settled()
    # And Zaqar tells of results again: nobody has to look for them.
    began = time.monotonic()
    rig.update("soon")
    assert time.monotonic() - began < 12


def test_redis_is_flushed_before_the_server_has_read(cloud, rig, proxy):
    rig.guest.stop()
    asked = len(proxy.requests)
    rig.start_update("flushed")
    wait_until(lambda: published(rig, proxy.requests[asked:]), LONGEST_S, "the publish")
    flush(cloud)
    rig.guest.start()
    rig.completes(60)
    rig.settled()


def test_redis_is_flushed_before_heat_has_read_the_result(cloud, rig):
    with stopped(cloud, "heat-api-cfn"):
        rig.start_update("flushed")
        rig.guest.wait_for(lambda: state_of(rig, "sent"), LONGEST_S, "the result to be sent")
        flush(cloud)
    rig.completes(60)
    rig.settled()


def published(rig, requests):
    return any(
        each.method == "POST" and re.search(rig.metadata_queue, each.path) for each in requests
    )


def state_of(rig, state):
    return any(each["state"] == state for each in rig.records())


def test_keystone_is_down_while_a_server_that_polls_is_deployed_to(cloud, site):
    rig = Rig(site, "sleep 4", agent={"push": "poll", "poll_longest": 1})
    rig.start_update("without keystone")
    rig.wait_run()
    with stopped(cloud, "keystone"):
        rig.guest.wait_for(lambda: state_of(rig, "sent"), LONGEST_S, "the result to be sent")
    rig.completes()
    rig.settled()


@contextlib.contextmanager
def engine_killed(cloud):
    """The engine is dead on entry; it lives again afterwards."""
    cloud.kill_service("heat-engine")
    try:
        yield
    finally:
        cloud.start_service("heat-engine")


def mended(rig, word):
    """Heat leaves what a dead engine was at work on in progress; an update takes it over."""
    rig.update(word, 60)
    rig.settled()


def test_the_engine_dies_between_its_database_and_the_publish(cloud, rig, proxy):
    who = lambda request: not request.by_server  # noqa: E731
    with proxy.rule("hang before", "GET", rig.metadata_queue, who=who) as rule:
        rig.start_update("unpublished")
        wait_done(rule, 1, LONGEST_S)
        cloud.kill_service("heat-engine")
    cloud.start_service("heat-engine")
    mended(rig, "published")
    assert rig.runs("unpublished") <= 1


def test_the_engine_dies_before_a_result_is_in_its_database(cloud, rig):
    with stopped(cloud, "heat-api-cfn"):
        rig.start_update("unrecorded")
        rig.guest.wait_for(lambda: state_of(rig, "sent"), LONGEST_S, "the result to be sent")
        with engine_killed(cloud):
            time.sleep(1)
    # The agent sends it again, and Heat records it, whatever has become of the stack.
    rig.settled()
    assert rig.runs("unrecorded") == 1
    mended(rig, "recorded")


def test_the_engine_dies_between_its_database_and_the_ack(cloud, rig, proxy):
    who = lambda request: not request.by_server  # noqa: E731
    rig.start_update("recorded")
    rig.wait_run()
    with proxy.rule("hang before", "POST", rig.metadata_queue, who=who) as rule:
        wait_done(rule, 1, LONGEST_S)
        cloud.kill_service("heat-engine")
    cloud.start_service("heat-engine")
    rig.settled()
    assert rig.runs("recorded") == 1
    mended(rig, "after that")


def test_the_engine_dies_after_the_ack(cloud, rig, proxy):
    """What is acked is recorded: nobody sends it again."""
    who = lambda request: not request.by_server  # noqa: E731
    rig.start_update("acked")
    rig.wait_run()
    with proxy.rule("hang after", "POST", rig.metadata_queue, who=who) as rule:
        wait_done(rule, 1, LONGEST_S)
        rig.settled()
        cloud.kill_service("heat-engine")
    cloud.start_service("heat-engine")
    deployment_id = rig.stack.resource("deployment").physical_resource_id
    recorded = rig.site.heat.software_deployments.get(deployment_id)
    assert recorded.output_values["deploy_stdout"] == "did acked\n"
    mended(rig, "after that")
