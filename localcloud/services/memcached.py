"""memcached: where keystonemiddleware remembers tokens it has seen."""

from __future__ import annotations

import socket

from localcloud.ports import HOST
from localcloud.protocol import Command
from localcloud.services.base import NoAnswer, Store, user_if_root

_TIMEOUT_S = 2.0


class Memcached(Store):
    """A private memcached."""

    name = "memcached"

    def command(self) -> Command:
        """Start in the foreground, TCP only; it refuses to run as root."""
        argv = ("memcached", "-l", HOST, "-p", str(self.plan.ports["memcached"]), "-U", "0")
        return self.make_command((*argv, "-m", "64", "-c", "2048"), user=user_if_root("memcache"))

    def ask(self) -> None:
        """Ask for its version."""
        address = (HOST, self.plan.ports["memcached"])
        with socket.create_connection(address, timeout=_TIMEOUT_S) as connection:
            connection.sendall(b"version\r\n")
            answer = connection.recv(100)
        if not answer.startswith(b"VERSION"):
            raise NoAnswer(f"unexpected answer {answer!r}")
