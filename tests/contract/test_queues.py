"""What the project expects of a queue, of the double in memory and of real Zaqar alike."""

import pytest

from heat_zaqar_transport import queues
from heat_zaqar_transport.resources.channel import ENGINE_METHODS, ENGINE_PATHS, new_name
from heat_zaqar_transport.testing import MemoryQueue
from heat_zaqar_transport.wire import Limits
from heat_zaqar_transport.wire.errors import RequestRefused


def keystone_queue(cloud):
    return queues.open_with_keystone(
        cloud.demo_session(), new_name("test"), region_name="RegionOne"
    )


def signed_queue(cloud):
    owner = keystone_queue(cloud)
    return queues.open_signed(owner.sign(ENGINE_PATHS, ENGINE_METHODS, 600))


@pytest.fixture(params=["memory", "zaqar by Keystone", "zaqar by signature"])
def queue(request):
    if request.param == "memory":
        return MemoryQueue()
    opener = keystone_queue if "Keystone" in request.param else signed_queue
    return opener(request.getfixturevalue("cloud"))


def bodies(messages):
    return [message.body for message in messages]


def test_a_queue_that_nobody_posted_to_is_empty(queue):
    assert queue.fetch() == []


def test_what_is_posted_is_listed_in_order_and_stays(queue):
    sent = [{"n": n, "text": "grüße\n", "nested": {"list": [None, True, 1.5]}} for n in range(3)]
    ids = [queue.post(body, 60) for body in sent]
    for _ in range(2):
        found = queue.fetch()
        assert bodies(found) == sent
        assert [message.id for message in found] == ids
        assert all(message.ttl_s == 60 and message.age_s >= 0 for message in found)


def test_more_than_a_page_is_listed(queue):
    for n in range(45):
        queue.post({"n": n}, 60)
    assert [message.body["n"] for message in queue.fetch()] == list(range(45))


def test_a_peek_is_the_oldest_page(queue):
    assert queue.peek() == []
    ids = [queue.post({"n": n}, 60) for n in range(25)]
    assert [message.id for message in queue.peek()] == ids[:20]
    assert len(queue.fetch()) == 25


def test_a_first_page_that_is_enough_is_all_that_is_listed(queue):
    ids = [queue.post({"n": n}, 60) for n in range(25)]
    pages = []

    def enough(page):
        pages.append([message.id for message in page])
        return len(pages) == 1

    assert [message.id for message in queue.fetch(enough)] == ids[:20]
    assert [message.id for message in queue.fetch(enough)] == ids
    assert pages == [ids[:20]] * 2


def test_deleting(queue):
    ids = [queue.post({"n": n}, 60) for n in range(25)]
    queue.delete(ids[1:])
    assert bodies(queue.fetch()) == [{"n": 0}]
    queue.delete(ids)
    queue.delete([])
    assert queue.fetch() == []


@pytest.mark.parametrize("ttl_s", [59, 1209601])
def test_a_ttl_beyond_the_limits_is_refused_and_the_longest_is_told(queue, ttl_s):
    with pytest.raises(RequestRefused, match="TTL") as caught:
        queue.post({}, ttl_s)
    assert Limits(longest_ttl_s=10**9).learned(caught.value.problem) == Limits()


def test_a_post_that_is_too_large_is_refused_and_the_limit_is_told(queue):
    with pytest.raises(RequestRefused) as caught:
        queue.post({"text": "x" * Limits().post_bytes}, 60)
    assert Limits(post_bytes=10**9).learned(caught.value.problem) == Limits()


def test_the_largest_body_that_is_said_to_fit_does(queue):
    room = Limits().body_bytes - len('{"text": ""}')
    queue.post({"text": "x" * room}, 1209600)
    assert [len(each.body["text"]) for each in queue.fetch()] == [room]


def test_a_body_is_a_copy(queue):
    body = {"list": [1]}
    queue.post(body, 60)
    body["list"].append(2)
    assert bodies(queue.fetch()) == [{"list": [1]}]


def subscriptions_of(queue):
    return {each.subscriber: each for each in queue._queue.subscriptions()}


def test_a_subscription_is_prolonged_and_else_stays(cloud):
    # As the owner: no signature of ours allows PATCH.
    queue = keystone_queue(cloud)
    queue.subscribe("http://192.0.2.7/a", 600, queues.PUSH_OPTIONS)
    queue.subscribe("http://192.0.2.7/b", 600)
    before = subscriptions_of(queue)
    queue.prolong("http://192.0.2.7/a", 3600)
    after = subscriptions_of(queue)
    assert {url: each.ttl for url, each in after.items()} == {
        "http://192.0.2.7/a": 3600,
        "http://192.0.2.7/b": 600,
    }
    assert {url: each.id for url, each in after.items()} == {
        url: each.id for url, each in before.items()
    }
    assert after["http://192.0.2.7/a"].options == dict(queues.PUSH_OPTIONS)


@pytest.mark.parametrize("opener", [keystone_queue, signed_queue])
def test_what_is_prolonged_and_gone_is_subscribed(cloud, opener):
    queue = opener(cloud)
    queue.prolong("http://192.0.2.7/a", 3600, queues.PUSH_OPTIONS)
    (made,) = subscriptions_of(queue).values()
    assert (made.subscriber, made.ttl) == ("http://192.0.2.7/a", 3600)
    assert made.options == dict(queues.PUSH_OPTIONS)
