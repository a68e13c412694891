"""Nova as Heat's engine sees it: python-novaclient itself, answered without a network."""

import base64
import itertools
from dataclasses import dataclass
from types import SimpleNamespace
from unittest import mock

import requests
from heat.engine.clients.os import glance, neutron
from heat.engine.clients.os import nova as heat_nova
from heat.tests.openstack.nova import fakes
from novaclient import client as novaclient
from novaclient import exceptions

VERSION = "2.1"


@dataclass
class Booted:
    """A server.

    Attributes:
        user_data: What it boots with.
        networks: Its addresses by network.
    """

    id: str
    name: str
    user_data: str
    networks: dict[str, list[str]]
    status: str


class Nova:
    """Attributes:
    servers: By id. A test deletes what is to be lost.
    networks, status: Of the servers that are booted from now on.
    refusal: With what Nova refuses to boot; `None`: it does not.
    """

    def __init__(self):
        self.servers = {}
        self.networks = {"net": ["10.0.0.5"]}
        self.status, self.refusal = "ACTIVE", None
        self._ids = itertools.count(1)

    def install(self, heat):
        """Give the cloud of an engine a Nova, with any image and any flavor."""
        heat.catalog.urls["compute"] = "http://nova"
        client = fakes.FakeClient()
        client.client = _Session(self)
        anything = SimpleNamespace(id="any", status="active", min_ram=0, min_disk=0, ram=1, disk=1)
        anything.get = {}.get
        heat.patch(heat_nova.NovaClientPlugin, "client", lambda plugin, version=None: client)
        heat.patch(heat_nova.NovaClientPlugin, "get_flavor", lambda plugin, name: anything)
        heat.patch(heat_nova.NovaClientPlugin, "max_microversion", VERSION)
        heat.patch(glance.GlanceClientPlugin, "get_image", lambda plugin, name: anything)
        heat.patch(glance.GlanceClientPlugin, "find_image_by_name_or_id", lambda plugin, name: name)
        ports = mock.Mock(list_ports=lambda **filters: {"ports": []})
        heat.patch(neutron.NeutronClientPlugin, "_create", lambda plugin: ports)

    # The REST API.

    def post_servers(self, body):
        if self.refusal is not None:
            raise self.refusal
        asked = body["server"]
        user_data = base64.b64decode(asked.get("user_data", "")).decode()
        name = f"nova-{next(self._ids)}"
        booted = Booted(name, asked["name"], user_data, dict(self.networks), self.status)
        self.servers[booted.id] = booted
        return {"server": _shown(booted)}

    def get_servers(self, server_id):
        return {"server": _shown(self._found(server_id))}

    def get_interfaces(self, server_id):
        self._found(server_id)
        return {"interfaceAttachments": []}

    def put_servers(self, server_id, body):
        found = self._found(server_id)
        found.name = body["server"].get("name", found.name)
        return {"server": _shown(found)}

    def post_action(self, server_id, body):
        statuses = {"suspend": "SUSPENDED", "resume": "ACTIVE"}
        (action,) = body
        self._found(server_id).status = statuses[action]

    def delete_servers(self, server_id):
        self._found(server_id)
        del self.servers[server_id]

    def _found(self, server_id):
        if server_id not in self.servers:
            raise exceptions.NotFound(404, f"Instance {server_id} could not be found.")
        return self.servers[server_id]


class _Session(novaclient.SessionClient):
    def __init__(self, nova):
        super().__init__(session=mock.Mock())
        self._nova = nova

    def request(self, url, method, body=None, **kwargs):
        response = requests.Response()
        response.status_code = 200
        match method, url.strip("/").split("/"):
            case "POST", ["servers"]:
                return response, self._nova.post_servers(body)
            case "GET", ["servers", server_id]:
                return response, self._nova.get_servers(server_id)
            case "GET", ["servers", server_id, "os-interface"]:
                return response, self._nova.get_interfaces(server_id)
            case "PUT", ["servers", server_id]:
                return response, self._nova.put_servers(server_id, body)
            case "POST", ["servers", server_id, "action"]:
                return response, self._nova.post_action(server_id, body)
            case "DELETE", ["servers", server_id]:
                return response, self._nova.delete_servers(server_id)
        raise AssertionError(f"Nova's double has no {method} {url}")


def _shown(server):
    addresses = {
        network: [{"addr": each, "version": 6 if ":" in each else 4} for each in addresses]
        for network, addresses in server.networks.items()
    }
    return {
        "id": server.id,
        "name": server.name,
        "status": server.status,
        "addresses": addresses,
        "flavor": {"id": "any"},
        "image": {"id": "any"},
        "metadata": {},
        "links": [],
    }
