"""Which way of being pushed is taken, and what it is made of."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from heat_zaqar_collector import push as module
from heat_zaqar_collector.push import Push, choose
from heat_zaqar_collector.push.base import State
from heat_zaqar_collector.push.webhook import WebhookPush
from heat_zaqar_collector.push.websocket import WebsocketPush
from heat_zaqar_collector.settings import KeystoneCredentials, Settings
from heat_zaqar_collector.tokens import Token
from heat_zaqar_transport.testing import MemoryQueue
from heat_zaqar_transport.wire import Secret, SignedUrl
from heat_zaqar_transport.wire.errors import NotConfigured

URL = SignedUrl(
    endpoint="http://zaqar:8888",
    queue="hz-m-1",
    project_id="p1",
    paths=("/v2/queues/hz-m-1/messages",),
    methods=("GET",),
    expires="2036-01-01T00:00:00",
    signature=Secret("5ignature"),
)
FULL = Settings(
    channel="c",
    metadata_url=URL,
    signal_url=None,
    keystone=KeystoneCredentials("http://keystone/v3", "u", Secret("s3cret"), "p1", "hz-m-1"),
    push="auto",
    websocket_url="ws://zaqar:9000/",
    webhook_listen="127.0.0.1:8779",
    webhook_path=Secret("/hz-w-1"),
    poll_longest_s=30.0,
    state_dir=Path("/nonexistent"),
    signal_ttl_s=60,
    timeout_s=7.5,
    verify="/ca.pem",
)


def chosen(**changes):
    return choose(replace(FULL, **changes), SimpleNamespace(listed=frozenset()))


@pytest.mark.parametrize(
    ("way", "kind"),
    [("auto", WebsocketPush), ("websocket", WebsocketPush), ("webhook", WebhookPush)],
)
def test_the_way_that_is_named_is_taken(way, kind):
    assert type(chosen(push=way)) is kind


def test_poll_is_taken_though_all_else_is_there():
    assert type(chosen(push="poll")) is Push


@pytest.mark.parametrize("lacking", ["websocket_url", "keystone", "metadata_url"])
def test_auto_without_what_the_websocket_needs_polls(lacking):
    assert type(chosen(**{lacking: None})) is Push


@pytest.mark.parametrize(
    ("way", "lacking", "named"),
    [
        ("websocket", "websocket_url", "websocket_url"),
        ("websocket", "metadata_url", "metadata_url"),
        ("websocket", "keystone", "password"),
        ("webhook", "webhook_listen", "webhook_listen"),
        ("webhook", "webhook_path", "webhook_path"),
    ],
)
def test_a_way_that_is_named_and_lacks_an_option_names_it(way, lacking, named):
    with pytest.raises(NotConfigured, match=rf"\[zaqar\] {named}"):
        chosen(push=way, **{lacking: None})


def test_choosing_starts_nothing():
    assert chosen().state is chosen(push="webhook").state is State.AWAY


def test_the_websocket_is_opened_for_the_queues_project(monkeypatch):
    opened = []
    monkeypatch.setattr(module, "open_push", lambda *args, **kwargs: opened.append((args, kwargs)))
    push = chosen()
    push._line.connect()
    assert push._line.queue == "hz-m-1"
    assert opened == [(("ws://zaqar:9000/", "p1"), {"timeout_s": 7.5, "verify": "/ca.pem"})]


def test_the_list_is_read_with_the_token_over_the_rest_api(monkeypatch):
    opened, queue = [], MemoryQueue()
    first, second = queue.post({}, 60), queue.post({}, 60)

    def open_with_token(*args, **kwargs):
        opened.append((args, kwargs))
        return queue

    monkeypatch.setattr(module.queues, "open_with_token", open_with_token)
    assert chosen()._line.list_ids(Token(Secret("t0ken"), 0.0)) == {first, second}
    assert opened == [
        (
            ("http://zaqar:8888", "t0ken", "p1", "hz-m-1"),
            {"timeout_s": 7.5, "verify": "/ca.pem"},
        )
    ]


def test_news_is_what_the_collectors_last_look_does_not_know():
    source = SimpleNamespace(knows=lambda page: page == {"1", "2"})
    is_news = choose(FULL, source)._line.is_news
    assert not is_news(frozenset("21"))
    assert is_news(frozenset("1"))


def test_a_goodbye_is_what_the_source_has_heard():
    source = SimpleNamespace(farewell=SimpleNamespace(gone=False))
    is_gone = choose(FULL, source)._line.is_gone
    assert not is_gone()
    source.farewell.gone = True
    assert is_gone()
