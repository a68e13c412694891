# SPDX-License-Identifier: Apache-2.0
"""Zaqar queues: the one adapter over python-zaqarclient.

Whatever goes wrong below comes out as one of `wire.errors.TransportError`'s classes, by
answers.py. Three habits of python-zaqarclient 4.7 are mended on
the way: it waits without limit for an answer, it opens a new connection for every
request, and it takes a status it does not know (413, 429, 502, 504, ...) for success.
"""

import contextlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from http.client import RemoteDisconnected
from itertools import chain
from typing import Any, Protocol

import requests
from keystoneauth1.identity import v3
from keystoneauth1.session import Session
from requests.adapters import HTTPAdapter
from urllib3.exceptions import ProtocolError
from zaqarclient.queues.v2 import client as zaqar_client
from zaqarclient.transport import http as zaqar_http

from heat_zaqar_transport.answers import UnexpectedStatus, translated
from heat_zaqar_transport.listing import METADATA
from heat_zaqar_transport.wire import KeystoneUrl, QueuedMessage, QueueUrl, SignedUrl
from heat_zaqar_transport.wire.errors import RequestRefused, TransportError
from heat_zaqar_transport.wire.secret import Secret

SERVICE_TYPE = "messaging"
WEBSOCKET_SERVICE_TYPE = "messaging-websocket"
DEFAULT_TIMEOUT_S = 30.0

# Zaqar's default for messages per page and per delete ([transport] max_messages_per_*).
PAGE_SIZE = 20

# How Zaqar's notifier shall push: a doorbell, with nothing of the message in it. When it
# cannot deliver, its own default keeps one of its few threads busy for three minutes, and
# results behind that wait. This is the least that Zaqar takes: two more tries at once and
# one after 5 s.
PUSH_OPTIONS: Mapping[str, Any] = {
    "post_data": "{}",
    "_retry_policy": {
        "retries_with_no_delay": 1,
        "minimum_delay_retries": 0,
        "minimum_delay": 0,
        "maximum_delay": 10,
        "maximum_delay_retries": 0,
    },
}


Enough = Callable[[list[QueuedMessage]], bool]


def never_enough(_page: list[QueuedMessage]) -> bool:
    """Want all that there is."""
    return False


class MessageQueue(Protocol):
    """What the rest of the project does with a queue; `testing.MemoryQueue` does it too."""

    def post(self, body: Mapping[str, Any], ttl_s: int) -> str:
        """Post one message and return its id."""

    def fetch(self, enough: Enough = never_enough) -> list[QueuedMessage]:
        """List what of the queue is in its window, oldest first; none is an empty list.

        Args:
            enough: Given the first page, of at most 20: whether that is all that is wanted.
        """

    def peek(self) -> list[QueuedMessage]:
        """List the oldest messages, a page of them, in one request."""

    def delete(self, ids: Iterable[str]) -> None:
        """Delete messages; ids that are gone already do not matter."""


class Queue:
    """One queue, with one set of credentials, over one kept-alive connection.

    Zaqar creates a queue with its first message, so there is no call for that.
    Each method may raise any `TransportError`.
    """

    def __init__(self, client: zaqar_client.Client, name: str) -> None:
        self._client = client
        # What `fetch` lists.
        self.window = METADATA
        self.name = name
        # auto_create only costs an object here: it makes no request.
        self._queue = client.queue(name, auto_create=False)

    def __repr__(self) -> str:
        return f"Queue({self.name!r})"

    def post(self, body: Mapping[str, Any], ttl_s: int) -> str:
        """Post one message.

        Args:
            body: A JSON object. Zaqar takes 262144 bytes a request unless told otherwise.
            ttl_s: Seconds it lives: 60 to the operator's max_message_ttl (1209600).

        Returns:
            The message's id.
        """
        with translated(f"post to queue {self.name}"):
            answer = self._queue.post({"body": dict(body), "ttl": ttl_s})
            return str(answer["resources"][0].rsplit("/", 1)[-1])

    def fetch(self, enough: Enough = never_enough) -> list[QueuedMessage]:
        """List what is in the window, oldest first, without changing anything.

        It takes two requests at least, unless the first page is enough.

        Args:
            enough: Given the first page, of at most 20: whether that is all that is wanted.
        """
        with translated(f"list queue {self.name}"):
            listing = self._list()
            page = [_queued(each) for each in listing]
            if enough(page):
                return page
            return self.window.of(_once_each(chain(page, map(_queued, listing.stream()))))

    def peek(self) -> list[QueuedMessage]:
        """List the oldest messages, at most 20, in one request and without changing anything."""
        with translated(f"list queue {self.name}"):
            return [_queued(each) for each in self._list()]

    def _list(self) -> Any:
        # echo: our own posts too; without it Zaqar hides what this Client-ID posted.
        return self._queue.messages(echo=True, limit=PAGE_SIZE)

    def delete(self, ids: Iterable[str]) -> None:
        """Delete messages by id; one that is gone does not matter."""
        pending = list(ids)
        with translated(f"delete from queue {self.name}"):
            for start in range(0, len(pending), PAGE_SIZE):
                self._queue.delete_messages(*pending[start : start + PAGE_SIZE])

    def sign(self, paths: Iterable[str], methods: Iterable[str], lifetime_s: int) -> SignedUrl:
        """Have Zaqar sign access to this queue.

        Args:
            paths: Out of messages, subscriptions and claims.
            methods: Out of GET, POST, PUT, PATCH and DELETE.
            lifetime_s: Seconds the signature is good for; years are accepted.

        Raises:
            SigningOff: Zaqar has no key to sign with.
        """
        with _signing(f"sign a URL of queue {self.name}"):
            signed = self._queue.signed_url(list(paths), lifetime_s, list(methods))
            return SignedUrl(
                endpoint=self._client.api_url,
                queue=self.name,
                project_id=signed["project"],
                paths=tuple(signed["paths"]),
                methods=tuple(signed["methods"]),
                expires=signed["expires"],
                signature=Secret(signed["signature"]),
            )

    def subscribe(self, url: str, ttl_s: int, options: Mapping[str, Any] | None = None) -> None:
        """Have Zaqar call a URL for each message posted from now on.

        A subscription of the same URL that exists already is kept as it is.

        Args:
            url: What Zaqar's notifier posts to: http, https, mailto or trust+http(s).
            ttl_s: Seconds the subscription lives; there is no maximum.
            options: Zaqar's, such as `_retry_policy`.
        """
        with (
            contextlib.suppress(_Exists),
            translated(f"subscribe to queue {self.name}", {409: _Exists}),
        ):
            self._client.subscription(
                self.name, subscriber=url, ttl=ttl_s, options=dict(options or {})
            )

    def subscribers(self) -> list[str]:
        """List the URLs that Zaqar calls, those of websocket connections among them."""
        with translated(f"list the subscriptions of queue {self.name}"):
            return [str(each.subscriber) for each in self._queue.subscriptions()]

    def prolong(self, url: str, ttl_s: int, options: Mapping[str, Any] | None = None) -> None:
        """Have Zaqar call a URL for so many seconds from now on, whether it does now or not.

        Args:
            url: What it calls, or shall.
            ttl_s: Seconds that the subscription lives, from now on.
            options: Of a new one; a subscription that is there keeps its own.
        """
        with translated(f"subscribe to queue {self.name}"):
            for subscription in list(self._queue.subscriptions()):
                if subscription.subscriber == url:
                    subscription.update({"ttl": ttl_s})
                    return
        self.subscribe(url, ttl_s, options)

    def unsubscribe(self, url: str) -> None:
        """Have Zaqar call a URL no more; one that it does not call does not matter."""
        with translated(f"unsubscribe from queue {self.name}"):
            for subscription in list(self._queue.subscriptions()):
                if subscription.subscriber == url:
                    subscription.delete()

    def destroy(self) -> None:
        """Delete the queue's subscriptions, and the queue with all its messages.

        Zaqar leaves the subscriptions of a deleted queue behind, to fire again should a
        queue of that name come back.
        """
        with translated(f"delete queue {self.name}"):
            for subscription in list(self._queue.subscriptions()):
                subscription.delete()
            self._queue.delete()


def open_url(
    url: QueueUrl, *, timeout_s: float = DEFAULT_TIMEOUT_S, verify: bool | str = True
) -> Queue:
    """Open a queue by whatever access there is.

    Args:
        url: A pre-signed URL, or a Keystone user.
        timeout_s: Seconds to wait for each answer.
        verify: True: the CAs of requests; a path: that CA bundle.
    """
    match url:
        case SignedUrl():
            return open_signed(url, timeout_s=timeout_s, verify=verify)
        case KeystoneUrl():
            return _open_as_user(url, timeout_s, verify)
    raise TypeError(f"no way to open a queue by a {type(url).__name__}")


def _open_as_user(url: KeystoneUrl, timeout_s: float, verify: bool | str) -> Queue:
    login = v3.Password(
        auth_url=url.auth_url,
        user_id=url.user_id,
        password=url.password.reveal(),
        project_id=url.project_id,
    )
    session = Session(auth=login, verify=verify, timeout=timeout_s)
    return Queue(
        _session_client(url.endpoint, url.project_id, session, timeout_s, verify), url.queue
    )


def _session_client(
    endpoint: str, project_id: str | None, session: Session, timeout_s: float, verify: bool | str
) -> "_Client":
    conf = {"auth_opts": {"backend": "keystone", "options": {"os_project_id": project_id}}}
    return _Client(endpoint, conf, session=session, timeout_s=timeout_s, verify=verify)


def open_signed(
    url: SignedUrl, *, timeout_s: float = DEFAULT_TIMEOUT_S, verify: bool | str = True
) -> Queue:
    """Open a queue by a pre-signed URL: no Keystone, and only what was signed.

    Args:
        url: Says the endpoint, the queue and what may be done with it.
        timeout_s: Seconds to wait for each answer.
        verify: True: the CAs of requests; a path: that CA bundle; False: none, by an
            explicit choice.
    """
    options = {
        "paths": url.paths,
        "methods": url.methods,
        "expires": url.expires,
        "signature": url.signature.reveal(),
        "os_project_id": url.project_id,
    }
    conf = {"auth_opts": {"backend": "signed-url", "options": options}}
    return Queue(_Client(url.endpoint, conf, timeout_s=timeout_s, verify=verify), url.queue)


def open_with_token(
    endpoint: str,
    token: str,
    project_id: str,
    queue: str,
    *,
    timeout_s: float = DEFAULT_TIMEOUT_S,
    verify: bool | str = True,
) -> Queue:
    """Open a queue with a Keystone token that is at hand.

    Args:
        endpoint: The messaging endpoint without API version.
        token: Good for `project_id`.
        project_id: The project whose queue it is.
        queue: The queue's name.
        timeout_s: Seconds to wait for each answer.
        verify: True: the CAs of requests; a path: that CA bundle; False: none, by an
            explicit choice.
    """
    options = {"os_auth_token": token, "os_project_id": project_id}
    conf = {"auth_opts": {"backend": "keystone", "options": options}}
    return Queue(_Client(endpoint, conf, timeout_s=timeout_s, verify=verify), queue)


def open_with_keystone(
    session: Session,
    queue: str,
    *,
    region_name: str | None = None,
    timeout_s: float = DEFAULT_TIMEOUT_S,
    verify: bool | str = True,
) -> Queue:
    """Open a queue with a Keystone session, which finds the endpoint and renews its token.

    Args:
        session: Authenticated for the project whose queue it is.
        queue: The queue's name.
        region_name: Region of the messaging endpoint; `None`: the catalog's first.
        timeout_s: Seconds to wait for each answer of Zaqar.
        verify: True: the CAs of requests; a path: that CA bundle; False: none, by an
            explicit choice.

    Raises:
        TransportError: Keystone did not answer, refused the credentials, or knows no
            messaging endpoint.
    """
    with translated("find Zaqar in Keystone's catalog"):
        endpoint = session.get_endpoint(service_type=SERVICE_TYPE, region_name=region_name)
        project_id = session.get_project_id()
    if not endpoint:
        raise RequestRefused("find Zaqar in Keystone's catalog", "no messaging endpoint")
    return Queue(_session_client(endpoint, project_id, session, timeout_s, verify), queue)


class SigningOff(RequestRefused):
    """Zaqar signs no URLs: its [signed_url] secret_key is not set."""


@contextlib.contextmanager
def _signing(operation: str) -> Iterator[None]:
    try:
        with translated(operation):
            yield
    except RequestRefused as exc:
        # Source: zaqar/common/urls.py, an error 400.
        if "`key` can't be None" in exc.problem:
            raise SigningOff(operation, exc.problem) from exc
        raise


class _Exists(TransportError):
    """Zaqar answered 409: there is one already. Never leaves this module."""


class _Client(zaqar_client.Client):
    """python-zaqarclient's client with one connection, a deadline, and no status overlooked."""

    def __init__(
        self,
        endpoint: str,
        conf: Mapping[str, Any],
        *,
        timeout_s: float,
        verify: bool | str,
        session: Session | None = None,
    ) -> None:
        super().__init__(endpoint, version=2, conf=conf, session=session)
        self._verify = verify
        self._http = zaqar_http.HttpTransport(conf)
        for scheme in ("http://", "https://"):
            self._http.client.session.mount(scheme, _DeadlineAdapter(timeout_s))
        self._http.client.session.hooks["response"].append(_refuse_unreadable)

    def _get_transport(self, request: object) -> zaqar_http.HttpTransport:
        return self._http

    def _request_and_transport(self) -> tuple[Any, zaqar_http.HttpTransport]:
        request, transport = super()._request_and_transport()
        # The signed-url backend knows no CA bundle, so it is said here for every backend.
        request.verify = self._verify is not False
        request.cert = self._verify if isinstance(self._verify, str) else None
        return request, transport


class _DeadlineAdapter(HTTPAdapter):
    """Gives every request a timeout, and a second try when its kept connection was dead."""

    def __init__(self, timeout_s: float) -> None:
        self._timeout_s = timeout_s
        super().__init__()

    def send(self, request: requests.PreparedRequest, **kwargs: Any) -> requests.Response:  # type: ignore[override]
        kwargs["timeout"] = kwargs.get("timeout") or self._timeout_s
        try:
            return super().send(request, **kwargs)
        except requests.ConnectionError as exc:
            if not _hung_up(exc):
                raise
            # Zaqar hangs up after refusing a large body unread, and servers hang up on
            # idle connections. Should the request have been taken after all, a message
            # is there twice, which every reader of ours knows how to take.
            return super().send(request, **kwargs)


def _hung_up(exc: requests.ConnectionError) -> bool:
    cause = exc.args[0] if exc.args else None
    return isinstance(cause, ProtocolError) and isinstance(cause.args[-1], RemoteDisconnected)


def _refuse_unreadable(response: requests.Response, **_: Any) -> None:
    """Check each answer before python-zaqarclient makes light of it."""
    known = zaqar_http.HttpTransport.http_to_zaqar
    if response.status_code >= 300 and response.status_code not in known:
        raise UnexpectedStatus(response.status_code, response.reason or "")
    # A cut or foreign body would come back as "no messages".
    if response.ok and response.content and not isinstance(response.json(), dict):
        raise TypeError("the answer is no JSON object")


def _once_each(messages: Iterable[QueuedMessage]) -> Iterator[QueuedMessage]:
    """Give messages until one comes again.

    A page may be short of what is expired, so that only an empty one is the last; and Zaqar's
    Redis store, asked for what follows the queue's first message, lists that one again, for ever.
    """
    found: set[str] = set()
    for message in messages:
        if message.id in found:
            return
        found.add(message.id)
        yield message


def _queued(message: Any) -> QueuedMessage:
    if not isinstance(message.id, str):
        raise TypeError("the id of a message is no text")
    return QueuedMessage(message.id, message.body, int(message.age), int(message.ttl))
