"""Redis: Zaqar's message store and management store. In memory only, no password."""

from __future__ import annotations

import redis

from localcloud.config import Value, render_pairs, write_private
from localcloud.ports import HOST
from localcloud.protocol import Command
from localcloud.services.base import Store


class Redis(Store):
    """A private redis-server."""

    name = "redis"

    def write_config(self) -> None:
        """Write redis.conf: what is stored survives a restart, as it must for a message service."""
        options: dict[str, Value] = {
            "bind": HOST,
            "port": self.plan.ports["redis"],
            "dir": str(self.home),
            "save": '""',
            "appendonly": "yes",
            "daemonize": "no",
            # Its title would overwrite the environment, by which its processes are found.
            "set-proc-title": "no",
        }
        write_private(self.plan.conf / "redis.conf", render_pairs(options, " "))

    def command(self) -> Command:
        """Start in the foreground."""
        return self.make_command(("redis-server", str(self.plan.conf / "redis.conf")))

    def ask(self) -> None:
        """PING."""
        with redis.Redis(host=HOST, port=self.plan.ports["redis"], socket_timeout=2) as client:
            client.ping()
