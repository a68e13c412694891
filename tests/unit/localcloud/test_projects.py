"""Users with a project of their own, on which several processes agree without talking."""

import dataclasses

import pytest
from keystoneauth1.exceptions import Conflict

from localcloud import LocalCloudError, clients
from localcloud.catalog import Identity
from localcloud.plan import ZAQAR_PORT_NAMES, load_plan


@pytest.fixture
def plan(plan):
    return dataclasses.replace(plan, ports=dict.fromkeys(ZAQAR_PORT_NAMES, 1), heat=False)


def test_every_process_comes_to_the_same_password(plan):
    plan.save()
    other = clients.credentials(load_plan(plan.scratch), "demo-gw0")
    assert clients.credentials(plan, "demo-gw0") == other
    assert (other["username"], other["project_name"]) == ("demo-gw0", "demo-gw0")


def test_nobody_has_the_password_of_another(plan):
    users = ["demo", "admin", "demo-gw0", "demo-gw1"]
    assert len({clients.password(plan, user) for user in users}) == len(users)


@pytest.mark.parametrize("user", ["heat", "nobody"])
def test_other_users_are_refused(plan, user):
    with pytest.raises(LocalCloudError, match=f"no user {user}, there are demo and admin"):
        clients.session(plan, user)


class Answer:
    def __init__(self, content):
        self._content = content

    def json(self):
        return self._content


class Keystone:
    """A Keystone with one kind of thing; as the real one it finds by all of the filters."""

    def __init__(self, *things):
        self.things = list(things)

    def post(self, path, json):
        ((kind, fields),) = json.items()
        assert path == f"/v3/{kind}s"
        if self._find(name=fields["name"], domain_id=fields["domain_id"]):
            raise Conflict
        self.things.append({**fields, "id": f"id-{len(self.things)}"})
        return Answer({kind: self.things[-1]})

    def get(self, path, params):
        return Answer({path.removeprefix("/v3/"): self._find(**params)})

    def _find(self, **wanted):
        return [thing for thing in self.things if wanted.items() <= thing.items()]


def test_what_is_there_already_is_found():
    other = {"name": "demo-gw0", "domain_id": "heat", "id": "of another domain"}
    keystone = Keystone(other)
    identity = Identity(keystone)
    made = identity.ensure("user", "demo-gw0", password="p")
    assert identity.ensure("user", "demo-gw0", password="p") == made == "id-1"
    assert keystone.things[1]["password"] == "p"
    assert identity.ensure("user", "demo-gw1", password="p") == "id-2"
