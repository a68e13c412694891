"""A server behind TLS on a loopback port, with any of localcloud's certificates."""

import contextlib
import http.server
import json
import ssl
import threading

from localcloud import tls


def certificates(directory):
    """Make a CA and its certificates in a directory, and return it."""
    tls.write_all(directory)
    return directory


def context(directory, kind=tls.GOOD):
    """Return a server's side with one of them."""
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.load_cert_chain(directory / f"{kind}.pem")
    return made


class _Answering(http.server.BaseHTTPRequestHandler):
    def _answer(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.server.seen.append((self.command, self.path, body))
        status, headers, text = self.server.answer
        self.send_response(status)
        for name, value in {"Content-Length": str(len(text)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(text)

    do_GET = do_POST = do_PUT = _answer  # noqa: N815

    def log_message(self, *_):
        pass


@contextlib.contextmanager
def https_server(tls_context):
    """Serve HTTPS; `seen` has the requests, `answer` is what each one gets."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Answering)
    server.seen = []
    server.answer = (200, {}, json.dumps({"messages": [], "links": []}).encode())
    server.handle_error = lambda *_: None  # a client that has refused us
    server.socket = tls_context.wrap_socket(server.socket, server_side=True)
    server.url = f"https://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
