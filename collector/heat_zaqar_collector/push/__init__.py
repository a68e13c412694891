# SPDX-License-Identifier: Apache-2.0
"""Ways to be told that something is in the queue, one class each; `choose` picks one."""

import contextlib
from collections.abc import Callable
from typing import TypeVar

from heat_zaqar_collector.push.base import Push
from heat_zaqar_collector.push.webhook import WebhookPush
from heat_zaqar_collector.push.websocket import Line, WebsocketPush
from heat_zaqar_collector.settings import Settings
from heat_zaqar_collector.source import Source, ids_of, keystone_login, keystone_session
from heat_zaqar_collector.tokens import Token, TokenKeeper
from heat_zaqar_transport import queues
from heat_zaqar_transport.websocket import open_push
from heat_zaqar_transport.wire import QueueUrl
from heat_zaqar_transport.wire.errors import NotConfigured

_T = TypeVar("_T")

__all__ = ["Push", "choose"]


def choose(settings: Settings, source: Source) -> Push:
    """Return the way that the settings name, or, with `auto`, the best they allow.

    Raises:
        NotConfigured: The way that is named lacks an option.
    """
    return _BUILDERS[settings.push](settings, source)


def _auto(settings: Settings, source: Source) -> Push:
    with contextlib.suppress(NotConfigured):
        return _websocket(settings, source)
    return Push()


def _websocket(settings: Settings, source: Source) -> Push:
    url = _needed("websocket_url", settings.websocket_url)
    queue = _needed("metadata_url", settings.metadata_url)
    login = _needed("password", settings.keystone)
    line = Line(
        queue=queue.queue,
        tokens=TokenKeeper(keystone_login(login), keystone_session(login, settings)),
        connect=lambda: open_push(
            url, queue.project_id, timeout_s=settings.timeout_s, verify=settings.verify
        ),
        list_ids=lambda token: _list_ids(queue, token, settings),
        is_news=lambda page: not source.knows(page),
        is_gone=lambda: source.farewell.gone,
    )
    return WebsocketPush(line)


def _webhook(settings: Settings, source: Source) -> Push:
    return WebhookPush(
        _needed("webhook_listen", settings.webhook_listen),
        _needed("webhook_path", settings.webhook_path),
    )


def _poll(settings: Settings, source: Source) -> Push:
    return Push()


_BUILDERS: dict[str, Callable[[Settings, Source], Push]] = {
    "auto": _auto,
    "websocket": _websocket,
    "webhook": _webhook,
    "poll": _poll,
}


def _list_ids(queue: QueueUrl, token: Token, settings: Settings) -> frozenset[str]:
    opened = queues.open_with_token(
        queue.endpoint,
        token.secret.reveal(),
        queue.project_id,
        queue.queue,
        timeout_s=settings.timeout_s,
        verify=settings.verify,
    )
    return ids_of(opened.peek())


def _needed(option: str, value: _T | None) -> _T:
    if value is None:
        raise NotConfigured(f"[zaqar] {option}", "is not set, and this way to be pushed needs it")
    return value
