"""What Keystone has to know: users, projects, roles, the stack domain, and the catalog.

It is written through Keystone's API as the administrator, in this process and in parallel: one
``openstack`` command a piece would take a minute.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from keystoneauth1.adapter import Adapter
from keystoneauth1.exceptions import Conflict

from localcloud.clients import password, session
from localcloud.plan import REGION, Plan
from localcloud.services import compute, heat

_PARALLEL = 4
_DEFAULT_DOMAIN = "default"
# Heat gives it to the users that it makes for servers.
_STACK_USER_ROLE = "heat_stack_user"
_DEMO_ROLES = ("member",)
# "service" is enough to check tokens; Heat also looks up what belongs to its users.
_SERVICE_ROLES = {"heat": ("admin", "service"), "zaqar": ("service",)}

_Item = TypeVar("_Item")


class Identity:
    """The few verbs of Keystone's API that are needed.

    Args:
        adapter: a session of the administrator, bound to Keystone's address.
    """

    def __init__(self, adapter: Adapter) -> None:
        self._adapter = adapter

    def create(self, kind: str, **fields: object) -> str:
        """Create a user, project, domain, role, service or endpoint; returns its id."""
        answer = self._adapter.post(f"/v3/{kind}s", json={kind: fields})
        return str(answer.json()[kind]["id"])

    def ensure(self, kind: str, name: str, **fields: object) -> str:
        """Create a user or project of the default domain unless it is there; returns its id."""
        fields = {"name": name, "domain_id": _DEFAULT_DOMAIN, **fields}
        try:
            return self.create(kind, **fields)
        except Conflict:
            (found,) = self._list(kind, name=name, domain_id=_DEFAULT_DOMAIN)
            return str(found["id"])

    def roles(self) -> dict[str, str]:
        """List the roles' ids by name."""
        return {role["name"]: role["id"] for role in self._list("role")}

    def grant(self, role: str, user: str, *, project: str = "", domain: str = "") -> None:
        """Give a user a role in a project or a domain; all are ids."""
        where = f"projects/{project}" if project else f"domains/{domain}"
        self._adapter.put(f"/v3/{where}/users/{user}/roles/{role}")

    def _list(self, kind: str, **filters: str) -> list[dict[str, Any]]:
        answer = self._adapter.get(f"/v3/{kind}s", params=filters)
        items: list[dict[str, Any]] = answer.json()[f"{kind}s"]
        return items


def endpoints(plan: Plan) -> dict[str, tuple[str, str]]:
    """Give the catalog's entries besides Keystone: (name, address) by service type."""
    return {
        "messaging": ("zaqar", plan.url("zaqar")),
        "messaging-websocket": ("zaqar-websocket", plan.url("zaqar-websocket", "ws")),
        **(heat.endpoints(plan) if plan.heat else {}),
        **(compute.endpoints(plan) if plan.compute else {}),
    }


def open_identity(plan: Plan) -> Identity:
    """Log in to Keystone as the administrator."""
    adapter = Adapter(session(plan, "admin"), endpoint_override=plan.url("keystone"))
    adapter.get_token()
    return Identity(adapter)


def fill(plan: Plan) -> None:
    """Create everything; Keystone must have its administrator and nothing else.

    Args:
        plan: the cloud.

    Raises:
        keystoneauth1.exceptions.ClientException: Keystone refused something.
    """
    # It logs in once, before the threads would each do so.
    identity = open_identity(plan)
    steps: tuple[Callable[[], None], ...] = (
        lambda: _make_users(identity, plan),
        *((lambda: _make_stack_domain(identity, plan),) if plan.heat else ()),
        lambda: _in_parallel(
            lambda entry: _make_endpoint(identity, entry[0], *entry[1]), endpoints(plan).items()
        ),
    )
    _in_parallel(lambda step: step(), steps)


def make_demo_user(plan: Plan, name: str) -> None:
    """Make a user and a project of one name with the roles of demo, unless they are there.

    Several processes may do so at the same time.

    Raises:
        keystoneauth1.exceptions.ClientException: Keystone refused something.
    """
    identity = open_identity(plan)
    project = identity.ensure("project", name)
    user = identity.ensure("user", name, password=password(plan, name))
    roles = identity.roles()
    for role in _DEMO_ROLES:
        identity.grant(roles[role], user, project=project)


def _make_users(identity: Identity, plan: Plan) -> None:
    roles = identity.roles()
    projects = {
        name: identity.create("project", name=name, domain_id=_DEFAULT_DOMAIN)
        for name in ("service", "demo")
    }
    more = compute.service_roles() if plan.compute else {}
    for user, names in {**_SERVICE_ROLES, **more, "demo": _DEMO_ROLES}.items():
        project = projects.get(user, projects["service"])
        _make_user(identity, plan, user, project, [roles[name] for name in names])


def _make_user(
    identity: Identity, plan: Plan, name: str, project: str, role_ids: Iterable[str]
) -> None:
    user = identity.create(
        "user", name=name, password=plan.secrets[name], domain_id=_DEFAULT_DOMAIN
    )
    for role in role_ids:
        identity.grant(role, user, project=project)


def _make_stack_domain(identity: Identity, plan: Plan) -> None:
    identity.create("role", name=_STACK_USER_ROLE)
    domain = identity.create("domain", name=heat.STACK_DOMAIN)
    admin = heat.STACK_DOMAIN_ADMIN
    user = identity.create("user", name=admin, password=plan.secrets[admin], domain_id=domain)
    identity.grant(identity.roles()["admin"], user, domain=domain)


def _make_endpoint(identity: Identity, service_type: str, name: str, url: str) -> None:
    service = identity.create("service", type=service_type, name=name)
    for interface in ("public", "internal", "admin"):
        identity.create(
            "endpoint", service_id=service, interface=interface, url=url, region_id=REGION
        )


def _in_parallel(work: Callable[[_Item], None], items: Iterable[_Item]) -> None:
    with ThreadPoolExecutor(_PARALLEL) as pool:
        list(pool.map(work, items))
