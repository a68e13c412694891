"""Zaqar's two servers: the REST API and the websocket. Both notify subscribers."""

from __future__ import annotations

import json
import uuid
from contextlib import closing
from pathlib import Path

import websocket

from localcloud.config import Sections
from localcloud.plan import Plan
from localcloud.ports import HOST
from localcloud.protocol import Command
from localcloud.services.base import NoAnswer, python_env, script
from localcloud.services.openstack import OpenStackService, token_section

_TIMEOUT_S = 5.0
# Zaqar's own default of 0.1 s turns a busy moment into an error 503.
_REDIS_TIMEOUT_S = 10


def zaqar_sections(plan: Plan, transport: str) -> dict[str, dict[str, str | int | bool]]:
    """Give zaqar.conf, the same for both servers but for the transport."""
    store = f"redis://{plan.address('redis')}?socket_timeout={_REDIS_TIMEOUT_S}"
    return {
        "DEFAULT": {"debug": plan.debug, "auth_strategy": "keystone"},
        "drivers": {"transport": transport, "message_store": "redis", "management_store": "redis"},
        "drivers:message_store:redis": {"uri": store},
        "drivers:management_store:redis": {"uri": store},
        "drivers:transport:wsgi": {
            "bind": plan.backend_host("zaqar"),
            "port": plan.ports["zaqar"],
        },
        "drivers:transport:websocket": {
            "bind": plan.backend_host("zaqar-websocket"),
            "port": plan.ports["zaqar-websocket"],
            "notification_bind": HOST,
            "notification_port": plan.ports["zaqar-notification"],
        },
        # Without the notifier in it a subscription is accepted and never fires.
        "storage": {"message_pipeline": "zaqar.notification.notifier"},
        "signed_url": {"secret_key": plan.secrets["zaqar_signing_key"]},
    }


def notifier_env(plan: Plan) -> dict[str, str]:
    """Give the environment of Zaqar's notifier: it has no option for the CA of whom it calls."""
    return {"REQUESTS_CA_BUNDLE": str(plan.ca_file)} if plan.ca_file else {}


class Zaqar(OpenStackService):
    """Zaqar's REST API."""

    name = "zaqar"
    answer_needs = ("catalog", "redis", "memcached")

    @property
    def config_file(self) -> Path:
        """Its configuration file, where the application looks by itself: it takes no options."""
        return self.home / ".zaqar" / "zaqar.conf"

    def sections(self) -> Sections:
        """Give zaqar.conf."""
        return {
            **zaqar_sections(self.plan, "wsgi"),
            "keystone_authtoken": token_section(self.plan, "zaqar"),
        }

    def command(self) -> Command:
        """Start under the WSGI server."""
        return self.wsgi_command("zaqar.transport.wsgi.app:app", env=notifier_env(self.plan))

    def ask(self) -> None:
        """List the demo user's queues: it takes Keystone, memcached and Redis to answer."""
        answer = self.session.get(
            f"{self.plan.url('zaqar')}/v2/queues",
            headers={"Client-ID": str(uuid.uuid4())},
            timeout=_TIMEOUT_S,
        )
        answer.json()["queues"]


class ZaqarWebsocket(OpenStackService):
    """Zaqar's websocket server."""

    name = "zaqar-websocket"
    answer_needs = ("catalog", "redis", "memcached")

    def sections(self) -> Sections:
        """Give zaqar.conf."""
        return {
            **zaqar_sections(self.plan, "websocket"),
            "keystone_authtoken": token_section(self.plan, "zaqar"),
        }

    def command(self) -> Command:
        """Start in the foreground."""
        argv = (script("zaqar-server"), "--config-file", str(self.config_file))
        return self.make_command(argv, env={**python_env(), **notifier_env(self.plan)})

    def ask(self) -> None:
        """Authenticate as the demo user."""
        headers = {
            "X-Auth-Token": self.session.get_token(),
            "X-Project-ID": self.session.get_project_id(),
            "Client-ID": str(uuid.uuid4()),
        }
        url = self.plan.url("zaqar-websocket", "ws")
        tls = {"ca_certs": str(self.plan.ca_file)} if self.plan.ca_file else None
        opened = websocket.create_connection(url, timeout=_TIMEOUT_S, sslopt=tls)
        with closing(opened) as connection:
            connection.send(json.dumps({"action": "authenticate", "headers": headers}))
            answer = json.loads(connection.recv())
        if answer["headers"]["status"] != 200:
            raise NoAnswer(f"authentication answered {answer['headers']['status']}")
