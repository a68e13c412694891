"""AUTO is resolved once: a catalog that changes later moves no server."""

from heat_zaqar_transport.resources.owner import QueueOwner
from heat_zaqar_transport.resources.transports import SERVER, Catalog

WITH_ZAQAR = Catalog(messaging=True, object_store=False, cfn=True)
WITHOUT = Catalog(messaging=False, object_store=False, cfn=True)


class Owner:
    """A resource as far as `resolve_auto` sees it."""

    def __init__(self, resource_id, catalog):
        self.id, self.catalog, self.stored = resource_id, catalog, {}

    def data(self):
        return self.stored

    def data_set(self, key, value):
        self.stored[key] = value

    def _catalog(self):
        return self.catalog

    resolve_auto = QueueOwner.resolve_auto


def test_a_name_is_itself():
    assert Owner(1, None).resolve_auto("POLL_SERVER_CFN", SERVER) == "POLL_SERVER_CFN"


def test_auto_keeps_what_it_was_resolved_to():
    owner = Owner(1, WITH_ZAQAR)
    assert owner.resolve_auto("AUTO", SERVER) == "ZAQAR_MESSAGE"
    owner.catalog = WITHOUT
    assert owner.resolve_auto("AUTO", SERVER) == "ZAQAR_MESSAGE"


def test_before_the_resource_is_stored_nothing_is_kept():
    owner = Owner(None, WITHOUT)
    assert owner.resolve_auto("AUTO", SERVER) == "POLL_SERVER_CFN"
    assert owner.stored == {}
