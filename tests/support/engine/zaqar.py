"""A Zaqar of queues in memory: access by token and by signature, subscriptions, and faults.

It takes the place of what `heat_zaqar_transport.queues` opens. The queues themselves are
`testing.MemoryQueue`, which the contract suite holds against the real Zaqar.
"""

import contextlib
import itertools
from dataclasses import dataclass, field

from heat_zaqar_transport import queues
from heat_zaqar_transport.listing import METADATA
from heat_zaqar_transport.testing import MemoryQueue
from heat_zaqar_transport.wire import KeystoneUrl, Secret, SignedUrl
from heat_zaqar_transport.wire.errors import AccessRefused, Unreachable

# The method of the REST API, and the part of the queue, that each call needs access to.
CALLS = {
    "post": ("POST", "messages"),
    "fetch": ("GET", "messages"),
    "peek": ("GET", "messages"),
    "delete": ("DELETE", "messages"),
    "subscribe": ("POST", "subscriptions"),
    "subscribers": ("GET", "subscriptions"),
    "prolong": (None, "subscriptions"),
    "unsubscribe": (None, "subscriptions"),
    "sign": (None, None),
    "destroy": (None, None),
}


@dataclass
class Stored:
    """One queue.

    Attributes:
        subscribers: When each URL's subscription ends, seconds since 1970.
    """

    project: str
    messages: MemoryQueue
    subscribers: dict[str, float] = field(default_factory=dict)


@dataclass
class Fault:
    call: str
    queue: str
    error: Exception
    left: int | None


class Zaqar:
    """Attributes: what a test looks at, and turns.

    queues: What is stored, by queue name. A test deletes what Zaqar is to lose.
    signing_key: Its number; `None`: URLs are not signed. Another one makes all earlier
        signatures worthless.
    notifies: Whether subscribers are called.
    limits: What a queue that is made from now on takes; `None`: Zaqar's defaults.
    calls: All calls, as (name of the call, queue, kind of access: "token" or "signature").
    opened: How queues were opened, as (endpoint, timeout in seconds, how TLS is verified).
    """

    def __init__(self, clock, keystone):
        self._clock, self._keystone = clock, keystone
        self.queues = {}
        self.signing_key = 1
        self.notifies = True
        self.limits = None
        self.calls, self.opened = [], set()
        self.notifications = []
        self._faults, self._slow = [], []
        self._signed = {}
        self._numbers = itertools.count(1)

    def patch(self, monkeypatch):
        monkeypatch.setattr(queues, "open_signed", self.open_by_url)
        monkeypatch.setattr(queues, "open_url", self.open_by_url)
        monkeypatch.setattr(queues, "open_with_token", self.open_with_token)

    @contextlib.contextmanager
    def failing(self, call, queue="", error=None, times=None):
        """Have calls fail while the block lasts.

        Args:
            call: A name of CALLS, or "" for all.
            queue: What the queue's name begins with, such as "hz-m".
            error: What is raised; default: `Unreachable`.
            times: After so many the calls succeed again; None: while the block lasts.
        """
        error = error or Unreachable(f"{call or 'ask'} queue", "connection refused")
        fault = Fault(call, queue, error, times)
        self._faults.append(fault)
        try:
            yield fault
        finally:
            self._faults.remove(fault)

    @contextlib.contextmanager
    def slow(self, call, queue="", seconds=1):
        """Have the engine's calls take their time while the block lasts: others run meanwhile.

        Args:
            call, queue: See `failing`.
            seconds: Until the call begins.
        """
        self._slow.append(slow := (call, queue, seconds))
        try:
            yield
        finally:
            self._slow.remove(slow)

    def subscribers(self, prefix):
        """Return the URLs that the queues of a prefix, such as "hz-m", tell of messages."""
        return [url for name in self.names(prefix) for url in self.queues[name].subscribers]

    def open_by_url(self, url, *, timeout_s=None, verify=None):
        self.opened.add((url.endpoint, timeout_s, verify))
        if isinstance(url, KeystoneUrl):
            return Opened(self, url.queue, url.project_id, url=url, endpoint=url.endpoint)
        assert isinstance(url, SignedUrl)
        return Opened(self, url.queue, url.project_id, url=url, endpoint=url.endpoint)

    def open_with_token(self, endpoint, token, project_id, queue, *, timeout_s=None, verify=None):
        self.opened.add((endpoint, timeout_s, verify))
        return Opened(self, queue, project_id, token=token, endpoint=endpoint)

    def names(self, prefix):
        """Return the names of the queues that begin with a prefix, such as "hz-m"."""
        return [name for name in self.queues if name.startswith(prefix)]

    def messages(self, name):
        """Return what lies in a queue, oldest first."""
        stored = self.queues.get(name)
        return stored.messages.fetch() if stored else []

    def take_notifications(self):
        """Return the subscribers to be called, with what they are told, and forget them."""
        due, self.notifications = self.notifications, []
        return due

    # What an opened queue asks.

    def checked(self, opened, call):
        """Take notice of a call; raise what it meets."""
        self.calls.append((call, opened.name, "token" if opened.token else "signature"))
        for slow_call, queue, seconds in self._slow:
            chosen = slow_call in ("", call) and opened.name.startswith(queue)
            if chosen and self._clock.in_task:
                self._clock.sleep(seconds)
        for fault in self._faults:
            if fault.call in ("", call) and opened.name.startswith(fault.queue):
                if fault.left == 0:
                    continue
                if fault.left is not None:
                    fault.left -= 1
                raise fault.error
        operation = f"{call} queue {opened.name}"
        if isinstance(opened.url, SignedUrl):
            self._check_signature(opened.url, call, operation)
        elif isinstance(opened.url, KeystoneUrl):
            url = opened.url
            with _refusing(operation):
                self._keystone.login(url.user_id, url.password.reveal(), url.project_id)
        else:
            user = self._keystone.validated(opened.token)
            if user is None or user.project != opened.project:
                raise AccessRefused(operation, "The token is not valid (401)")

    def _check_signature(self, url, call, operation):
        method, path = CALLS[call]
        key, signed = self._signed.get(url.signature.reveal(), (None, None))
        good = (
            key == self.signing_key
            and key is not None
            and (signed.queue, signed.project_id) == (url.queue, url.project_id)
            and self._clock.time() < signed.expires_at
            and path in signed.paths
            and (method is None or method in signed.methods)
        )
        if not good:
            # Zaqar tells of no queue, whatever is wrong with a signature.
            raise AccessRefused(operation, "404 Not Found")

    def sign(self, opened, paths, methods, lifetime_s):
        if self.signing_key is None:
            raise queues.SigningOff(f"sign a URL of queue {opened.name}", "`key` can't be None")
        signature = f"signature-{next(self._numbers)}"
        url = SignedUrl(
            endpoint=opened.endpoint,
            queue=opened.name,
            project_id=opened.project,
            paths=tuple(paths),
            methods=tuple(methods),
            expires=str(self._clock.time() + lifetime_s),
            signature=Secret(signature),
        )
        signed = _Signed(url.queue, url.project_id, paths, methods, self._clock.time() + lifetime_s)
        self._signed[signature] = (self.signing_key, signed)
        return url

    def stored(self, opened):
        """Return a queue, which the first message or subscription makes."""
        if opened.name not in self.queues:
            messages = MemoryQueue(self._clock.time, self.limits)
            self.queues[opened.name] = Stored(opened.project, messages)
        return self.queues[opened.name]

    def notify(self, opened, body):
        for url, ends_at in self.stored(opened).subscribers.items():
            if self.notifies and self._clock.time() < ends_at:
                told = {"body": body, "queue_name": opened.name, "Message_Type": "Notification"}
                self.notifications.append((url, told))


@dataclass
class _Signed:
    queue: str
    project_id: str
    paths: tuple[str, ...]
    methods: tuple[str, ...]
    expires_at: float


class Opened:
    """A queue, as somebody sees it who has a token or a URL: `queues.Queue`'s methods."""

    def __init__(self, zaqar, name, project, endpoint, *, token=None, url=None):
        self._zaqar = zaqar
        self.name, self.project, self.endpoint = name, project, endpoint
        self.token, self.url = token, url
        self.window = METADATA

    def post(self, body, ttl_s):
        self._zaqar.checked(self, "post")
        posted = self._zaqar.stored(self).messages.post(body, ttl_s)
        self._zaqar.notify(self, body)
        return posted

    def fetch(self, enough=queues.never_enough):
        self._zaqar.checked(self, "fetch")
        messages = self._messages()
        messages.window = self.window
        return messages.fetch(enough)

    def peek(self):
        self._zaqar.checked(self, "peek")
        return self._messages().peek()

    def delete(self, ids):
        ids = list(ids)
        if ids:
            self._zaqar.checked(self, "delete")
            self._messages().delete(ids)

    def sign(self, paths, methods, lifetime_s):
        self._zaqar.checked(self, "sign")
        return self._zaqar.sign(self, tuple(paths), tuple(methods), lifetime_s)

    def subscribe(self, url, ttl_s, options=None):
        self._zaqar.checked(self, "subscribe")
        until = self._zaqar._clock.time() + ttl_s
        self._zaqar.stored(self).subscribers.setdefault(url, until)

    def subscribers(self):
        self._zaqar.checked(self, "subscribers")
        stored = self._zaqar.queues.get(self.name)
        return list(stored.subscribers) if stored else []

    def prolong(self, url, ttl_s, options=None):
        self._zaqar.checked(self, "prolong")
        until = self._zaqar._clock.time() + ttl_s
        self._zaqar.stored(self).subscribers[url] = until

    def unsubscribe(self, url):
        self._zaqar.checked(self, "unsubscribe")
        self._zaqar.stored(self).subscribers.pop(url, None)

    def destroy(self):
        self._zaqar.checked(self, "destroy")
        self._zaqar.queues.pop(self.name, None)

    def _messages(self):
        # A look makes no queue.
        stored = self._zaqar.queues.get(self.name)
        return stored.messages if stored else MemoryQueue()


@contextlib.contextmanager
def _refusing(operation):
    try:
        yield
    except Exception as exc:
        raise AccessRefused(operation, str(exc)) from exc
