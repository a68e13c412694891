"""Nova with the fake driver, and the services that it does not start without.

Servers become ACTIVE, and nothing is behind them. They have no network (``networks: none``):
Neutron is here because Nova's API asks it about every server that it shows; it has no agents and
cannot bind a port.

All run from a virtual environment of their own, ``plan.compute``; see
:mod:`localcloud.compute_env`.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any, ClassVar

from keystoneauth1.adapter import Adapter

from localcloud.clients import session
from localcloud.config import Sections, Value
from localcloud.plan import COMPUTE_USERS, REGION, Plan
from localcloud.protocol import Command
from localcloud.services.base import NO_OVERRIDES, NoAnswer, python_env
from localcloud.services.mariadb import connection_url
from localcloud.services.openstack import OpenStackService, credentials, token_section
from localcloud.services.rabbitmq import transport_url

_HOST_NAME = "localcloud"
_TIMEOUT_S = 10.0


class ComputeService(OpenStackService):
    """What they have in common: the virtual environment, and who they are in Keystone.

    Attributes:
        user: its user in Keystone and in the database.
        path: what is asked for, of ``port``'s server, to see that it answers.
        port: name of the port that is asked.
    """

    user: ClassVar[str]
    port: ClassVar[str]
    path: ClassVar[str]
    answer_needs: tuple[str, ...] = ("catalog",)
    wsgi_workers = 1
    asker = "admin"

    @property
    def venv(self) -> Path:
        """The virtual environment."""
        assert self.plan.compute is not None  # or this service would not have been made
        return self.plan.compute

    @property
    def python(self) -> str:
        """The virtual environment's Python."""
        return str(self.venv / "bin" / "python")

    @property
    def token(self) -> dict[str, Value]:
        """How it checks its callers' tokens."""
        return token_section(self.plan, self.user)

    def program(self, name: str) -> tuple[str, ...]:
        """Give a command of the virtual environment, with the configuration file."""
        return (str(self.venv / "bin" / name), "--config-file", str(self.config_file))

    def schema_command(self) -> Command:
        """Say how to make the database's tables, once."""
        self.configure()
        self.home.mkdir(parents=True, exist_ok=True)
        name = f"{self.user}-schema"
        log = self.plan.logs / f"{name}.log"
        return Command(name, self.schema_argv(), log, self.home, self.schema_env())

    def schema_argv(self) -> tuple[str, ...]:
        """Give the command that makes the tables."""
        raise NotImplementedError

    def schema_env(self) -> dict[str, str]:
        """Give that command's environment."""
        return python_env()

    def ask(self) -> None:
        """Ask for something that takes Keystone and the database, as admin."""
        url = f"{self.plan.url(self.port)}{self.path}"
        self.look(self.session.get(url, timeout=_TIMEOUT_S).json())

    def look(self, answer: Any) -> None:
        """See whether the answer is as it should be; anything will do by default."""


class Placement(ComputeService):
    """Placement's API."""

    name = user = port = "placement"
    path = "/resource_providers"
    needs = ("placement-schema",)

    @property
    def config_file(self) -> Path:
        """Its configuration file, which must have this name."""
        return self.plan.conf / self.name / "placement.conf"

    def sections(self) -> Sections:
        """Give placement.conf."""
        return {
            "DEFAULT": {"debug": self.plan.debug},
            "placement_database": {"connection": connection_url(self.plan, self.user)},
            "keystone_authtoken": self.token,
        }

    def schema_argv(self) -> tuple[str, ...]:
        """Give the command that makes the tables."""
        return (*self.program("placement-manage"), "db", "sync")

    def command(self) -> Command:
        """Start under the WSGI server."""
        env = {"OS_PLACEMENT_CONFIG_DIR": str(self.config_file.parent)}
        return self.wsgi_command("placement.wsgi.api:application", env=env)


class Glance(ComputeService):
    """Glance's API, with a directory as its store."""

    name = user = port = "glance"
    path = "/v2/images"
    needs = ("glance-schema",)

    @property
    def config_file(self) -> Path:
        """Its configuration file, which must have this name."""
        return self.plan.conf / self.name / "glance-api.conf"

    def sections(self) -> Sections:
        """Give glance-api.conf."""
        return {
            "DEFAULT": {
                "debug": self.plan.debug,
                "node_staging_uri": f"file://{self.home / 'staging'}",
            },
            "database": {"connection": connection_url(self.plan, self.user)},
            "glance_store": {
                "stores": "file",
                "default_store": "file",
                "filesystem_store_datadir": str(self.home / "images"),
            },
            "paste_deploy": {
                "flavor": "keystone",
                "config_file": str(self.venv / "etc" / "glance" / "glance-api-paste.ini"),
            },
            "keystone_authtoken": self.token,
        }

    def schema_argv(self) -> tuple[str, ...]:
        """Give the command that makes the tables."""
        return (*self.program("glance-manage"), "db_sync")

    def command(self) -> Command:
        """Start under the WSGI server."""
        env = {"OS_GLANCE_CONFIG_DIR": str(self.config_file.parent)}
        return self.wsgi_command("glance.wsgi.api:application", env=env)


class Neutron(ComputeService):
    """Neutron's API: ML2 without agents."""

    name = user = port = "neutron"
    path = "/v2.0/networks"
    needs = ("neutron-schema", "rabbitmq")

    def sections(self) -> Sections:
        """Give neutron.conf, ML2's options included."""
        return {
            "DEFAULT": {
                "debug": self.plan.debug,
                "transport_url": transport_url(self.plan),
                "state_path": str(self.home),
                "core_plugin": "ml2",
                "service_plugins": "",
                "api_paste_config": str(self.venv / "etc" / "neutron" / "api-paste.ini"),
                "notify_nova_on_port_status_changes": False,
                "notify_nova_on_port_data_changes": False,
            },
            "ml2": {
                "type_drivers": "local",
                "tenant_network_types": "local",
                "mechanism_drivers": "logger",
            },
            "database": {"connection": connection_url(self.plan, self.user)},
            "oslo_concurrency": {"lock_path": str(self.home / "locks")},
            "keystone_authtoken": self.token,
        }

    def schema_argv(self) -> tuple[str, ...]:
        """Give the command that makes the tables."""
        return (*self.program("neutron-db-manage"), "upgrade", "heads")

    def command(self) -> Command:
        """Start under the WSGI server."""
        arguments = ("--config-file", str(self.config_file))
        return self.wsgi_command("neutron.wsgi.api:application", arguments)


class NovaService(ComputeService):
    """What Nova's processes have in common: nova.conf."""

    user = "nova"
    port = "nova-api"
    path = "/v2.1/os-services"
    needs: tuple[str, ...] = ("nova-schema", "rabbitmq")
    answer_needs: tuple[str, ...] = ("catalog", "nova-api")

    @property
    def config_file(self) -> Path:
        """Its configuration file, which must have this name."""
        return self.plan.conf / self.name / "nova.conf"

    def sections(self) -> Sections:
        """Give nova.conf."""
        plan = self.plan
        named = {**credentials(plan, self.user), "region_name": REGION}
        return {
            "DEFAULT": {
                "debug": plan.debug,
                "transport_url": transport_url(plan),
                "state_path": str(self.home),
                "host": _HOST_NAME,
                "compute_driver": "fake.FakeDriver",
            },
            "database": {"connection": connection_url(plan, "nova")},
            "api_database": {"connection": connection_url(plan, "nova_api")},
            "oslo_concurrency": {"lock_path": str(self.home / "locks")},
            "conductor": {"workers": 1},
            # The host is found by itself, which otherwise takes a nova-manage.
            "scheduler": {"workers": 1, "discover_hosts_in_cells_interval": 1},
            "keystone_authtoken": self.token,
            "service_user": {**named, "send_service_user_token": True},
            "placement": named,
            "neutron": named,
            "glance": named,
        }

    def command(self) -> Command:
        """Start in the foreground."""
        return self.make_command(self.program(self.name), env=python_env())

    def look(self, answer: Any) -> None:
        """See whether Nova counts this process as up."""
        states = {each["binary"]: each["state"] for each in answer["services"]}
        if states.get(self.name) != "up":
            raise NoAnswer(f"Nova knows {states}")


class NovaAPI(NovaService):
    """nova-api."""

    name = "nova-api"
    path = "/v2.1/flavors"
    answer_needs = ("catalog",)

    def configure(self, overrides: Sections = NO_OVERRIDES) -> None:
        """Write its configuration; it looks for api-paste.ini beside it."""
        super().configure(overrides)
        shutil.copy(self.venv / "etc" / "nova" / "api-paste.ini", self.config_file.parent)

    def schema_argv(self) -> tuple[str, ...]:
        """Give the command that makes the tables, and the one cell."""
        return (self.python, "-m", "localcloud.nova_setup", str(self.config_file))

    def schema_env(self) -> dict[str, str]:
        """Give that command's environment."""
        return {**python_env(), "NOVA_CELL0_URL": connection_url(self.plan, "nova_cell0")}

    def command(self) -> Command:
        """Start under the WSGI server."""
        env = {"OS_NOVA_CONFIG_DIR": str(self.config_file.parent)}
        return self.wsgi_command("nova.wsgi.osapi_compute:application", env=env)

    def look(self, answer: Any) -> None:
        """An answer is enough."""


class NovaConductor(NovaService):
    """nova-conductor."""

    name = "nova-conductor"


class NovaScheduler(NovaService):
    """nova-scheduler."""

    name = "nova-scheduler"


class NovaCompute(NovaService):
    """nova-compute with the fake driver. It does not start twice on one database."""

    name = "nova-compute"
    needs = ("nova-schema", "catalog", "placement", "nova-conductor", "nova-scheduler")
    path = "/v2.1/os-hypervisors"

    def sections(self) -> Sections:
        """Give nova.conf; it gets at the databases through nova-conductor only."""
        found = super().sections()
        return {name: options for name, options in found.items() if "database" not in name}

    def look(self, answer: Any) -> None:
        """See whether its one hypervisor was found, which makes it fit to be chosen."""
        if not answer["hypervisors"]:
            raise NoAnswer("Nova knows of no hypervisor")


COMPUTE_CLASSES: tuple[type[ComputeService], ...] = (
    Placement,
    Glance,
    Neutron,
    NovaAPI,
    NovaConductor,
    NovaScheduler,
    NovaCompute,
)


def schema_commands(plan: Plan) -> list[Command]:
    """Say how to make all tables, once."""
    owners = (Placement(plan), Glance(plan), Neutron(plan), NovaAPI(plan))
    return [owner.schema_command() for owner in owners]


def endpoints(plan: Plan) -> dict[str, tuple[str, str]]:
    """Give the catalog's entries: (name, address) by service type."""
    return {
        "placement": ("placement", plan.url("placement")),
        "image": ("glance", plan.url("glance")),
        "network": ("neutron", plan.url("neutron")),
        "compute": ("nova", f"{plan.url('nova-api')}/v2.1"),
    }


def service_roles() -> dict[str, tuple[str, ...]]:
    """Give the users' roles in the project ``service``."""
    return dict.fromkeys(COMPUTE_USERS, ("admin", "service"))


def admin(plan: Plan, port: str) -> Adapter:
    """Make a session of admin, bound to one server's address."""
    return Adapter(session(plan, "admin"), endpoint_override=plan.url(port))


def make_offer(plan: Plan, name: str = "tiny") -> None:
    """Make the flavor and the (empty) image that a server can be made from, both of one name."""
    flavor = {"name": name, "vcpus": 1, "ram": 64, "disk": 1}
    admin(plan, "nova-api").post("/v2.1/flavors", json={"flavor": flavor})
    image = {
        "name": name,
        "visibility": "public",
        "disk_format": "raw",
        "container_format": "bare",
    }
    glance = admin(plan, "glance")
    made = glance.post("/v2/images", json=image).json()["id"]
    headers = {"Content-Type": "application/octet-stream"}
    glance.put(f"/v2/images/{made}/file", data=b"\0" * 512, headers=headers)
