"""What a server can do with the pre-signed URLs that it is given: its own two things only."""

import pytest

from heat_zaqar_transport import queues
from heat_zaqar_transport.resources import channel
from heat_zaqar_transport.wire import Secret
from heat_zaqar_transport.wire.errors import AccessRefused, RequestRefused, TransportError

NOWHERE = "http://127.0.0.1:9/nowhere"
CLIENT_ID = {"Client-ID": "3381af92-2b9e-11e3-b191-71861300734c"}


@pytest.fixture(scope="module")
def owner(cloud):
    name = channel.new_name("test")
    queue = queues.open_with_keystone(cloud.demo_session(), name)
    queue.post({"n": 1}, 60)
    return queue


def signed(owner, methods):
    return owner.sign(channel.SERVER_PATHS, methods, 600)


def test_the_metadata_url_reads_and_does_nothing_else(owner):
    queue = queues.open_signed(signed(owner, channel.SERVER_METADATA_METHODS))
    (message,) = queue.fetch()
    assert message.body == {"n": 1}
    for forbidden in (lambda: queue.post({}, 60), lambda: queue.delete([message.id]),
                      lambda: queue.subscribe(NOWHERE, 600)):  # fmt: skip
        with pytest.raises(AccessRefused):
            forbidden()
    assert len(owner.fetch()) == 1


def test_the_signal_url_posts_and_does_nothing_else(owner):
    queue = queues.open_signed(signed(owner, channel.SERVER_SIGNAL_METHODS))
    message_id = queue.post({"n": 2}, 60)
    for forbidden in (queue.fetch, lambda: queue.delete([message_id]),
                      lambda: queue.subscribe(NOWHERE, 600)):  # fmt: skip
        with pytest.raises(AccessRefused):
            forbidden()
    owner.delete([message_id])


def test_a_signature_opens_no_other_queue(cloud, owner):
    url = signed(owner, channel.SERVER_METADATA_METHODS)
    other = queues.open_with_keystone(cloud.demo_session(), channel.new_name("test"))
    other.post({"secret": True}, 60)
    for forged in (_replaced(url, queue=other.name),
                   _replaced(url, queue=other.name, paths=(f"/v2/queues/{other.name}/messages",)),
                   _replaced(url, methods=("GET", "POST")),
                   _replaced(url, expires="2099-01-01T00:00:00"),
                   _replaced(url, signature=Secret("0" * 64))):  # fmt: skip
        with pytest.raises(TransportError) as caught:
            queues.open_signed(forged).fetch()
        assert isinstance(caught.value, AccessRefused | RequestRefused)


def _replaced(url, **fields):
    return type(url)(**{**vars(url), **fields})


def test_subscribing_twice_is_once_by_the_engines_signature_too(cloud, owner):
    engine = queues.open_signed(owner.sign(channel.ENGINE_PATHS, channel.ENGINE_METHODS, 600))
    for queue in (owner, engine, engine):
        queue.subscribe(NOWHERE, 600)
    answer = cloud.demo_session().get(
        f"{cloud.zaqar_url}/v2/queues/{owner.name}/subscriptions",
        headers=CLIENT_ID,
    )
    assert len(answer.json()["subscriptions"]) == 1


def test_destroying_takes_the_subscriptions_too(cloud):
    queue = queues.open_with_keystone(cloud.demo_session(), channel.new_name("test"))
    queue.post({}, 60)
    queue.subscribe(NOWHERE, 600)
    assert queue.name in queue_names(cloud)
    queue.destroy()
    session = cloud.demo_session()
    left = session.get(f"{cloud.zaqar_url}/v2/queues/{queue.name}/subscriptions", headers=CLIENT_ID)
    assert left.json()["subscriptions"] == []
    assert queue.name not in queue_names(cloud)


def queue_names(cloud):
    """List the project's queues, page by page."""
    session, names, path = cloud.demo_session(), [], "/v2/queues?limit=20"
    while True:
        page = session.get(f"{cloud.zaqar_url}{path}", headers=CLIENT_ID).json()
        if not page["queues"]:
            return names
        names += [each["name"] for each in page["queues"]]
        (path,) = [link["href"] for link in page["links"] if link["rel"] == "next"]
