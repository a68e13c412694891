"""A proxy in front of Zaqar that misbehaves as it is told.

It stands in the catalog in Zaqar's place (`in_catalog`), so that the signed URLs of stacks that
are created meanwhile, the engine's and the server's alike, lead through it. Without a rule it
passes everything on.
"""

import contextlib
import http.client
import json
import re
import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

ANSWER_TIMEOUT_S = 60
# How long a message that has been overtaken by none is held back.
LATE_S = 20
_PER_HOP = {"connection", "keep-alive", "transfer-encoding", "content-length", "host"}

# What can be done, each to one request.
FAULTS = (
    "503 before",
    "500 before",
    "503 after",
    "500 after",
    "hang before",
    "hang after",
    "half",
    "drop before",
    "drop after",
    "twice",
    "swallow",
    "late",
)


@dataclass(frozen=True)
class Request:
    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def by_server(self):
        """Whether a server's own signature is used: it allows one method and no more."""
        return self.headers.get("url-methods", "").count(",") == 0


@dataclass(frozen=True)
class Answer:
    status: int
    headers: list[tuple[str, str]]
    body: bytes


@dataclass
class Rule:
    """What to do with requests of a kind.

    Attributes:
        count: So many requests more; None: all.
        hang_s: For "hang": how long, if the client has that much patience.
        done: How many requests it has been done to.
    """

    fault: str
    method: str
    path: re.Pattern[str]
    count: int | None
    hang_s: float
    who: Callable[[Request], bool]
    done: int = 0
    held: list[Request] = field(default_factory=list)

    def fits(self, request):
        return (
            self.method == request.method
            and self.path.search(request.path)
            and self.who(request)
            and (self.count is None or self.done < self.count)
        )


class FaultProxy:
    """Listens on a port of its own, on loopback."""

    def __init__(self, cloud):
        self._cloud = cloud
        self._upstream = urlsplit(cloud.zaqar_url).netloc
        self._rules = []
        self._lock = threading.Lock()
        self._over = threading.Event()
        self.requests = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self):
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *exc_info):
        self._over.set()
        self._server.shutdown()
        self._server.server_close()

    @contextlib.contextmanager
    def in_catalog(self):
        """Have Keystone name the proxy where it names Zaqar."""
        admin, url = self._cloud.admin_session(), self._cloud.auth_url
        (service,) = [
            each
            for each in admin.get(f"{url}/services").json()["services"]
            if each["type"] == "messaging"
        ]
        endpoints = admin.get(f"{url}/endpoints?service_id={service['id']}").json()["endpoints"]

        def name(address):
            for each in endpoints:
                admin.patch(f"{url}/endpoints/{each['id']}", json={"endpoint": {"url": address}})

        name(self.url)
        try:
            yield
        finally:
            name(self._cloud.zaqar_url)

    @contextlib.contextmanager
    def rule(self, fault, method, path, count=None, *, hang_s=60.0, who=lambda request: True):
        """Do something to requests of a kind until the block is left.

        The first rule that fits a request is the one that counts.
        """
        assert fault in FAULTS
        rule = Rule(fault, method, re.compile(path), count, hang_s, who)
        with self._lock:
            self._rules.append(rule)
        try:
            yield rule
        finally:
            with self._lock:
                self._rules.remove(rule)
            self._release(rule)

    def answer(self, request):
        """Return what the client gets: an answer, half of one (a tuple), or None: silence."""
        with self._lock:
            self.requests.append(request)
            rule = next((rule for rule in self._rules if rule.fits(request)), None)
            if rule:
                rule.done += 1
        answer = self._faulty(rule, request) if rule else self._forward(request)
        self._release_overtaken(request)
        return answer

    def _faulty(self, rule, request):
        fault, _, when = rule.fault.partition(" ")
        if fault == "late":
            self._hold(rule, request)
            return _pretended(request)
        if fault == "swallow":
            return _pretended(request)
        answer = None if when == "before" else self._forward(request)
        if fault == "twice":
            self._forward(request)
            return answer
        if fault == "half":
            return answer, len(answer.body) // 2
        if fault == "hang":
            self._over.wait(rule.hang_s)
        return _error(int(fault)) if fault.isdigit() else None

    def _hold(self, rule, request):
        rule.held.append(request)
        timer = threading.Timer(LATE_S, self._release, [rule])
        timer.daemon = True
        timer.start()

    def _release_overtaken(self, request):
        for rule in list(self._rules):
            if any(held is not request and _alike(held, request) for held in rule.held):
                self._release(rule)

    def _release(self, rule):
        with self._lock:
            held, rule.held = rule.held, []
        for request in held:
            self._forward(request)

    def _forward(self, request):
        connection = http.client.HTTPConnection(self._upstream, timeout=ANSWER_TIMEOUT_S)
        try:
            headers = {k: v for k, v in request.headers.items() if k not in _PER_HOP}
            connection.request(request.method, request.path, request.body or None, headers)
            answer = connection.getresponse()
            kept = [(k, v) for k, v in answer.getheaders() if k.lower() not in _PER_HOP]
            return Answer(answer.status, kept, answer.read())
        except OSError:
            return _error(502)
        finally:
            connection.close()


def _alike(held, request):
    """Tell whether a later request has overtaken one that is held back."""
    return (held.method, held.path) == (request.method, request.path)


def _error(status):
    return Answer(status, [("Content-Type", "application/json")], b'{"title": "a fault of ours"}')


def _pretended(request):
    """Return the answer to a post that Zaqar would give, with an id of no message."""
    count = len(json.loads(request.body)["messages"])
    path = request.path.partition("?")[0]
    body = json.dumps({"resources": [f"{path}/{secrets.token_hex(12)}" for _ in range(count)]})
    return Answer(201, [("Content-Type", "application/json")], body.encode())


def _handler(proxy):
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        # A client that goes away unseen shall not keep a thread.
        timeout = 120
        disable_nagle_algorithm = True

        def _pass(self):
            length = int(self.headers.get("Content-Length") or 0)
            headers = {name.lower(): value for name, value in self.headers.items()}
            request = Request(self.command, self.path, headers, self.rfile.read(length))
            answer = proxy.answer(request)
            match answer:
                case None:
                    self.close_connection = True
                case (whole, length):
                    self._send(whole, whole.body[:length])
                    self.close_connection = True
                case whole:
                    self._send(whole, whole.body)

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = _pass  # noqa: N815

        def _send(self, answer, body):
            with contextlib.suppress(OSError):
                self.send_response(answer.status)
                for name, value in answer.headers:
                    self.send_header(name, value)
                if answer.status != 204:
                    self.send_header("Content-Length", str(len(answer.body)))
                self.end_headers()
                self.wfile.write(body)

        def handle(self):
            # Clients are killed, too.
            with contextlib.suppress(ConnectionError, TimeoutError):
                super().handle()

        def log_message(self, *args):
            pass

    return Handler


def wait_done(rule, count, timeout_s):
    """Wait until something has been done to so many requests."""
    deadline = time.monotonic() + timeout_s
    while rule.done < count:
        assert time.monotonic() < deadline, f"{rule.fault}: done to {rule.done} requests"
        time.sleep(0.05)
