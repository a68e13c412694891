"""HAProxy: ends TLS before the services that clients speak to.

It listens on the address that the catalog names. The service behind it has the same port on
another loopback address, and speaks plain HTTP. See docs/adr/0020 for why it is this one.
"""

from __future__ import annotations

import shutil
import socket
import ssl
from pathlib import Path

from localcloud import tls
from localcloud.config import write_private
from localcloud.ports import HOST
from localcloud.protocol import Command
from localcloud.services.base import Store

_TIMEOUT_S = 5.0

_HEAD = """\
global
    log stdout format raw local0
    maxconn 4096
    nbthread 2

defaults
    mode http
    log global
    timeout connect 5s
    timeout client 150s
    timeout server 150s
    timeout tunnel 1h
"""

# Without the header services would name themselves http:// in redirections and links; gunicorn
# heeds it when it comes from 127.0.0.1.
_LISTEN = """
listen {name}
    bind {address} ssl crt {certificate}
    http-request set-header X-Forwarded-Proto https
    server plain {backend}
"""


class HAProxy(Store):
    """A private haproxy."""

    name = "haproxy"

    def write_config(self) -> None:
        """Make the certificates, have each service show the good one, and write haproxy.cfg."""
        tls.write_all(self.plan.tls_dir)
        for name in self.plan.tls_names:
            self.show(tls.GOOD, name)
        listens = (
            _LISTEN.format(
                name=name,
                address=self.plan.address(name),
                certificate=self._shown(name),
                backend=self.plan.backend(name),
            )
            for name in self.plan.tls_names
        )
        write_private(self._config_file, "".join((_HEAD, *listens)))

    def show(self, kind: str, service: str) -> None:
        """Choose the certificate that a service shows from the next start on.

        Args:
            kind: one of ``tls.KINDS``.
            service: one of ``plan.tls_names``.
        """
        text = (self.plan.tls_dir / f"{kind}.pem").read_text()
        write_private(self._shown(service), text)

    def command(self) -> Command:
        """Start in the foreground."""
        program = shutil.which("haproxy") or "/usr/sbin/haproxy"
        return self.make_command((program, "-db", "-f", str(self._config_file)))

    def ask(self) -> None:
        """Shake hands at each port; whom the certificates are for is the clients' business."""
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        for name in self.plan.tls_names:
            address = (HOST, self.plan.ports[name])
            with (
                socket.create_connection(address, timeout=_TIMEOUT_S) as plain,
                context.wrap_socket(plain),
            ):
                pass

    @property
    def _config_file(self) -> Path:
        return self.plan.conf / "haproxy.cfg"

    def _shown(self, service: str) -> Path:
        return self.plan.tls_dir / "shown" / f"{service}.pem"
