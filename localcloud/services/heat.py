"""Heat's three processes: the engine, its API, and the CFN API that signals go to.

Each has a configuration file of its own, so that one can be reconfigured without the others.
"""

from __future__ import annotations

from importlib import metadata
from pathlib import Path

import requests

from localcloud.config import Sections, Value
from localcloud.errors import LocalCloudError
from localcloud.plan import REGION, Plan
from localcloud.protocol import Command
from localcloud.services.base import NoAnswer, python_env, script
from localcloud.services.mariadb import connection_url
from localcloud.services.openstack import (
    OpenStackService,
    credentials,
    session_options,
    token_section,
)
from localcloud.services.rabbitmq import broker, transport_url

ENGINE_WORKERS = 2
STACK_DOMAIN = "heat"
STACK_DOMAIN_ADMIN = "heat_domain_admin"
_TIMEOUT_S = 5.0
_ENGINE_TIMEOUT_S = 10.0
# Heat answers its list of versions with "multiple choices".
_VERSIONS_STATUS = 300
# heat-engine's two work queues: for the API's requests, and between engines.
_ENGINE_QUEUES = ("engine", "engine_worker")


class HeatService(OpenStackService):
    """What the three have in common: nearly all of heat.conf."""

    needs: tuple[str, ...] = ("heat-schema",)

    def sections(self) -> Sections:
        """Give heat.conf."""
        keystone = self.plan.url("keystone")
        return {
            "DEFAULT": self._default_section(),
            "database": {"connection": connection_url(self.plan, "heat")},
            "clients_keystone": {"auth_uri": keystone},
            "keystone_authtoken": token_section(self.plan, "heat"),
            "trustee": self._trustee(),
            # Keystone lets only a known service check a CFN signature.
            "ec2authtoken": {
                **credentials(self.plan, "heat"),
                **session_options(self.plan),
                "region_name": REGION,
            },
            "paste_deploy": {"api_paste_config": str(paste_file())},
            # Under the new defaults a stack's own user may not poll its metadata.
            "oslo_policy": {"enforce_new_defaults": False},
            **self._tls_sections(),
        }

    def _tls_sections(self) -> dict[str, dict[str, Value]]:
        """Give the CA, to Heat itself and to servers; nothing where there is no TLS."""
        if self.plan.ca_file is None:
            return {}
        path = str(self.plan.ca_file)
        return {"clients": {"ca_file": path}, "zaqar_transport": {"servers_ca_file": path}}

    def _trustee(self) -> dict[str, Value]:
        """Give the user that acts on trusts: a trust says the project, so none is named here."""
        named = credentials(self.plan, "heat")
        return {key: value for key, value in named.items() if not key.startswith("project")}

    def _default_section(self) -> dict[str, Value]:
        cfn = self.plan.url("heat-api-cfn")
        options: dict[str, Value] = {
            "debug": self.plan.debug,
            "transport_url": transport_url(self.plan),
            "auth_encryption_key": self.plan.secrets["heat_encryption_key"],
            "region_name_for_services": REGION,
            "heat_metadata_server_url": cfn,
            "heat_waitcondition_server_url": f"{cfn}/v1/waitcondition",
            "stack_user_domain_name": STACK_DOMAIN,
            "stack_domain_admin": STACK_DOMAIN_ADMIN,
            "stack_domain_admin_password": self.plan.secrets[STACK_DOMAIN_ADMIN],
            "num_engine_workers": ENGINE_WORKERS,
            # A minute is not enough where all of a cloud shares two cores.
            "rpc_response_timeout": 300,
            # Templates of hundreds of deployments with a text in each.
            "max_json_body_size": 4 * 1024 * 1024,
            "max_template_size": 4 * 1024 * 1024,
            "max_resources_per_stack": -1,
            "max_stacks_per_tenant": 10000,
            # The machine's own files in /etc/heat are none of ours.
            "environment_dir": str(self.plan.conf / "heat-environment.d"),
            "template_dir": str(self.plan.conf / "heat-templates"),
        }
        if self.plan.plugin_dirs:
            options["plugin_dirs"] = [str(path) for path in self.plan.plugin_dirs]
        return options


class HeatEngine(HeatService):
    """heat-engine with its workers."""

    name = "heat-engine"
    needs = ("heat-schema", "rabbitmq")
    answer_needs = ("catalog", "heat-api")
    # After SIGTERM a worker finishes what it has begun.
    stop_grace_s = 20.0

    def schema_command(self) -> Command:
        """Say how to make the database's tables, once."""
        self.configure()
        self.home.mkdir(parents=True, exist_ok=True)
        argv = (script("heat-manage"), "--config-file", str(self.config_file), "db_sync")
        log = self.plan.logs / "heat-schema.log"
        return Command("heat-schema", argv, log, self.home, python_env())

    def command(self) -> Command:
        """Start in the foreground."""
        argv = (script("heat-engine"), "--config-file", str(self.config_file))
        return self.make_command(argv, env=python_env())

    def ask(self) -> None:
        """See that all workers listen, then ask one through the API.

        A request that no engine takes would occupy heat-api for a minute.
        """
        for queue in _ENGINE_QUEUES:
            listening = _consumers(self.plan, queue)
            if listening < ENGINE_WORKERS:
                raise NoAnswer(f"{listening} of {ENGINE_WORKERS} workers listen on {queue}")
        url = f"{self.plan.url('heat-api')}/v1/{self.session.get_project_id()}/build_info"
        self.session.get(url, timeout=_ENGINE_TIMEOUT_S).json()["engine"]


class HeatAPI(HeatService):
    """heat-api."""

    name = "heat-api"

    def command(self) -> Command:
        """Start under the WSGI server."""
        return self.wsgi_command(
            "heat.wsgi.api:application", ("--config-file", str(self.config_file))
        )

    def ask(self) -> None:
        """Read the list of its versions."""
        _ask_versions(self.plan, self.name)


class HeatAPICFN(HeatService):
    """heat-api-cfn."""

    name = "heat-api-cfn"

    def command(self) -> Command:
        """Start under the WSGI server."""
        return self.wsgi_command(
            "heat.wsgi.cfn:application", ("--config-file", str(self.config_file))
        )

    def ask(self) -> None:
        """Read the list of its versions."""
        _ask_versions(self.plan, self.name)


def endpoints(plan: Plan) -> dict[str, tuple[str, str]]:
    """Give the catalog's entries: (name, address) by service type."""
    return {
        "orchestration": ("heat", f"{plan.url('heat-api')}/v1/%(tenant_id)s"),
        "cloudformation": ("heat-cfn", f"{plan.url('heat-api-cfn')}/v1"),
    }


def paste_file() -> Path:
    """Find the api-paste.ini that was installed with Heat.

    Raises:
        LocalCloudError: this Python environment has no Heat.
    """
    try:
        installed = metadata.files("openstack-heat") or []
    except metadata.PackageNotFoundError:
        raise LocalCloudError("openstack-heat is not installed into this Python") from None
    for file in installed:
        if file.name == "api-paste.ini":
            return Path(str(file.locate())).resolve()
    raise LocalCloudError("openstack-heat was installed without its api-paste.ini")


def _ask_versions(plan: Plan, name: str) -> None:
    answer = requests.get(f"{plan.url(name)}/", timeout=_TIMEOUT_S, verify=plan.verify)
    if answer.status_code != _VERSIONS_STATUS:
        raise NoAnswer(f"GET / answered {answer.status_code}")
    answer.json()["versions"]


def _consumers(plan: Plan, queue: str) -> int:
    """Count who listens on a queue of the broker; 0 when it does not exist yet."""
    with broker(plan) as connection:
        try:
            answer = connection.channel().queue_declare(queue, passive=True)
        except connection.channel_errors:
            return 0
        return int(answer.consumer_count)
