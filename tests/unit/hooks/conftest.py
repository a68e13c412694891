"""A server's worth of directories, real hook programs, and a loopback HTTP server."""

import http.server
import json
import threading
import time

import pytest

from heat_zaqar_collector.settings import Settings
from heat_zaqar_hooks import configs, hooks
from heat_zaqar_transport.wire import Secret, SignedUrl


class Answering(http.server.BaseHTTPRequestHandler):
    """Notes each request and answers what the test wants: the next status of `answers`."""

    def _answer(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.server.seen.append((self.command, self.path, body))
        status, headers, text = self.server.next_answer(body)
        self.send_response(status)
        for name, value in {"Content-Length": str(len(text)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(text)

    do_GET = do_POST = do_PUT = _answer  # noqa: N815

    def log_message(self, *_):
        pass


class Server(http.server.ThreadingHTTPServer):
    """Listens on a free loopback port."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Answering)
        self.seen = []
        self.answers = [(200, {}, b"")]
        self.handler = None
        self.url = f"http://127.0.0.1:{self.server_port}"

    def answer(self, *statuses):
        """Answer these statuses in turn, and the last one from then on."""
        self.answers = [(status, {}, b"") for status in statuses]

    def next_answer(self, body):
        """Return status, headers and text; `handler` decides where a test has set one."""
        if self.handler:
            status, text = self.handler(body)
            return status, {}, text
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]

    def bodies(self):
        return [json.loads(body) for _, _, body in self.seen]


@pytest.fixture
def server():
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def make_settings(tmp_path):
    def make(**changes):
        values = {
            "channel": "the-channel",
            "metadata_url": None,
            "signal_url": None,
            "keystone": None,
            "push": "auto",
            "websocket_url": None,
            "webhook_listen": None,
            "webhook_path": None,
            "poll_longest_s": 30.0,
            "state_dir": tmp_path / "state",
            "signal_ttl_s": 86400,
            "timeout_s": 5,
            "verify": True,
        }
        return Settings(**{**values, **changes})

    return make


@pytest.fixture
def signed_url():
    def make(endpoint="http://127.0.0.1:9", queue="signal-queue"):
        return SignedUrl(
            endpoint=endpoint,
            queue=queue,
            project_id="p1",
            paths=(f"/v2/queues/{queue}/messages",),
            methods=("POST",),
            expires="2036-01-01T00:00:00",
            signature=Secret("secret-signature"),
        )

    return make


@pytest.fixture
def entry():
    """Make an entry of the list as Heat derives it."""

    def make(config_id="c1", group="script", inputs=None, **more):
        values = {"deploy_signal_transport": "NO_SIGNAL", **(inputs or {})}
        named = [{"name": name, "type": "Text", "value": value} for name, value in values.items()]
        first = {"id": config_id, "name": "web", "group": group, "config": "the config's text"}
        return {**first, "inputs": named, "outputs": [], "options": {}, **more}

    return make


@pytest.fixture
def config(entry):
    return lambda *args, **kwargs: configs.parse(entry(*args, **kwargs), 1)


@pytest.fixture
def hook_dir(tmp_path):
    directory = tmp_path / "hooks"
    directory.mkdir()
    return directory


@pytest.fixture
def until():
    """Wait for what must come, however busy the machine is."""

    def wait(seen):
        for _ in range(6000):
            if seen():
                return
            time.sleep(0.01)
        pytest.fail("waited a minute")

    return wait


@pytest.fixture
def begun(tmp_path, monkeypatch, until):
    """Return the command by which a hook says that its time may begin to count.

    However long a busy machine takes to start it, a limit of a few hundredths of a second then
    finds it where the test wants it. Each hook of the test must say so.
    """
    mark, real = tmp_path / "begun", hooks.run

    def run(path, document, *, started=lambda pid, start_time: None, **more):
        def begin(pid, start_time):
            started(pid, start_time)
            until(mark.exists)

        mark.unlink(missing_ok=True)
        return real(path, document, started=begin, **more)

    monkeypatch.setattr(hooks, "run", run)
    return f"echo $$ > {mark}.new; mv {mark}.new {mark}"


@pytest.fixture
def hook(hook_dir):
    """Write a hook: a shell script, executable unless told otherwise."""

    def make(text, name="script", mode=0o755):
        path = hook_dir / name
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(mode)
        return path

    return make
