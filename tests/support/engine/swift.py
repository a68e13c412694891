"""Swift as Heat's engine sees it: containers of objects, without versions."""

from email.utils import formatdate
from urllib.parse import urlsplit

from heat.engine.clients.os import swift as heat_swift
from swiftclient.exceptions import ClientException


class Swift:
    """What Heat's client of Swift returns.

    Attributes:
        containers: By name, their objects' texts by name.
    """

    url = "http://swift/v1/AUTH_project"

    def __init__(self):
        self.containers = {}
        self._account, self._stored_at, self._clock = {}, {}, None

    def install(self, heat):
        """Give the cloud of an engine a Swift, with its endpoint in the catalog."""
        self._clock = heat.clock
        heat.catalog.urls["object-store"] = self.url
        heat.patch(heat_swift.SwiftClientPlugin, "_create", lambda plugin: self)

    def put(self, url, text):
        """Store an object by its pre-signed URL, as a server does."""
        parts = urlsplit(url)
        assert "temp_url_sig=" in parts.query
        container, name = parts.path.split("/")[-2:]
        self.put_object(container, name, text)

    # What Heat's engine calls.

    def head_account(self):
        return dict(self._account)

    def post_account(self, headers):
        self._account.update(headers)

    def put_container(self, name, headers=None):
        self.containers.setdefault(name, {})

    def head_container(self, name):
        return {"x-container-object-count": str(len(self._found(name)))}

    def get_container(self, name):
        return {}, [{"name": each} for each in self._found(name)]

    def delete_container(self, name):
        del self.containers[name]

    def put_object(self, container, name, text):
        self._found(container)[name] = text
        self._stored_at[container, name] = self._clock.time()

    def head_object(self, container, name):
        if name not in self._found(container):
            raise ClientException("Object not found", http_status=404)
        return {"last-modified": formatdate(self._stored_at[container, name], usegmt=True)}

    def get_object(self, container, name):
        return self.head_object(container, name), self._found(container)[name]

    def delete_object(self, container, name):
        self._found(container).pop(name)

    def _found(self, name):
        if name not in self.containers:
            raise ClientException("Container not found", http_status=404)
        return self.containers[name]
