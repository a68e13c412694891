"""RabbitMQ: what heat-api and heat-engine talk through.

Nothing is shared with another RabbitMQ on the machine: the node has its own name, Erlang cookie,
home and port mapper (epmd). Debian's wrapper in PATH would switch to the user rabbitmq and its
fixed directories, so the server's own script is called.
"""

from __future__ import annotations

from kombu.connection import Connection

from localcloud.config import Value, render_pairs, write_private
from localcloud.plan import Plan
from localcloud.ports import HOST
from localcloud.protocol import Command
from localcloud.services.base import Store

SERVER_SCRIPT = "/usr/lib/rabbitmq/bin/rabbitmq-server"
_USER = "openstack"
_CONNECT_TIMEOUT_S = 2.0
# No busy waiting, few schedulers: the machine has other things to do.
_ERLANG_OPTIONS = "+S 2:2 +sbwt none +sbwtdcpu none +sbwtdio none"
_LOCAL_ONLY = "-kernel inet_dist_use_interface {127,0,0,1}"


class RabbitMQ(Store):
    """A private RabbitMQ node with its own epmd."""

    name = "rabbitmq"

    def write_config(self) -> None:
        """Write the node's options, its empty list of plugins, and its cookie."""
        options: dict[str, Value] = {
            "listeners.tcp.1": self.plan.address("rabbitmq"),
            "default_user": _USER,
            "default_pass": self.plan.secrets["rabbitmq"],
            "log.console": True,
            "log.file": False,
            "log.console.level": "info",
            "disk_free_limit.absolute": "50MB",
        }
        write_private(self.plan.conf / "rabbitmq.conf", render_pairs(options, " = "))
        write_private(self.home / "enabled_plugins", "[].\n")
        cookie = self.home / ".erlang.cookie"
        write_private(cookie, self.plan.secrets["erlang_cookie"])
        # Erlang refuses a cookie that anybody may write.
        cookie.chmod(0o400)

    def command(self) -> Command:
        """Start in the foreground; its epmd daemonizes itself."""
        return self.make_command((SERVER_SCRIPT,), env=self._environment())

    def ask(self) -> None:
        """Log in, and open a channel."""
        with broker(self.plan) as connection:
            connection.connect()
            connection.channel().close()

    def _environment(self) -> dict[str, str]:
        ports = self.plan.ports
        return {
            "HOME": str(self.home),
            "ERL_EPMD_PORT": str(ports["epmd"]),
            "ERL_EPMD_ADDRESS": HOST,
            "RABBITMQ_NODENAME": f"localcloud{ports['rabbitmq']}@localhost",
            "RABBITMQ_DIST_PORT": str(ports["rabbitmq-distribution"]),
            "RABBITMQ_CONF_ENV_FILE": "/dev/null",
            "RABBITMQ_CONFIG_FILE": str(self.plan.conf / "rabbitmq.conf"),
            "RABBITMQ_ADVANCED_CONFIG_FILE": str(self.home / "advanced.config"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(self.home / "enabled_plugins"),
            "RABBITMQ_MNESIA_BASE": str(self.home / "mnesia"),
            "RABBITMQ_GENERATED_CONFIG_DIR": str(self.home / "generated"),
            "RABBITMQ_LOG_BASE": str(self.home),
            "RABBITMQ_LOGS": "-",
            "RABBITMQ_PID_FILE": str(self.home / "pid"),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": f"{_ERLANG_OPTIONS} {_LOCAL_ONLY}",
        }


def transport_url(plan: Plan) -> str:
    """Give oslo.messaging's address of the broker, password included."""
    return f"rabbit://{_USER}:{plan.secrets['rabbitmq']}@{plan.address('rabbitmq')}/"


def broker(plan: Plan) -> Connection:
    """Make an (unopened) connection to the broker."""
    return Connection(  # type: ignore[no-untyped-call]
        hostname=HOST,
        port=plan.ports["rabbitmq"],
        userid=_USER,
        password=plan.secrets["rabbitmq"],
        connect_timeout=_CONNECT_TIMEOUT_S,
    )
