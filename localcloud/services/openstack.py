"""What the OpenStack services have in common: an ini file, tokens, a WSGI server."""

from __future__ import annotations

import sys
from abc import abstractmethod
from functools import cached_property
from pathlib import Path

from keystoneauth1.session import Session

from localcloud.clients import session
from localcloud.config import Sections, Value, merge, render_ini, write_private
from localcloud.plan import Plan
from localcloud.protocol import Command
from localcloud.services.base import NO_OVERRIDES, Service, python_env


class OpenStackService(Service):
    """A service that is configured by one ini file of its own.

    Attributes:
        wsgi_workers: worker processes, when it runs under the WSGI server.
        wsgi_threads: requests that each worker serves at a time.
        asker: the user as whom it is asked for an answer.
    """

    wsgi_workers = 2
    wsgi_threads = 8
    asker = "demo"

    @cached_property
    def session(self) -> Session:
        """What it is asked with; a login for each time would keep Keystone busy meanwhile."""
        return session(self.plan, self.asker)

    @property
    def python(self) -> str:
        """The Python that it is installed into."""
        return sys.executable

    @property
    def config_file(self) -> Path:
        """Its configuration file."""
        return self.plan.conf / f"{self.name}.conf"

    @abstractmethod
    def sections(self) -> Sections:
        """Give its usual configuration."""

    def configure(self, overrides: Sections = NO_OVERRIDES) -> None:
        """Write its configuration file."""
        write_private(self.config_file, render_ini(merge(self.sections(), overrides)))

    def wsgi_command(
        self, application: str, arguments: tuple[str, ...] = (), env: dict[str, str] | None = None
    ) -> Command:
        """Say how to start a WSGI application on the port that has the service's name.

        Args:
            application: ``module:attribute``.
            arguments: what the application shall find in ``sys.argv``.
            env: additions to its environment.
        """
        options = {
            "name": self.name,
            "application": application,
            "bind": self.plan.backend(self.name),
            "workers": self.wsgi_workers,
            "threads": self.wsgi_threads,
            "access-log": self.plan.logs / f"{self.name}-access.log",
        }
        settings = (f"--{name}={value}" for name, value in options.items())
        argv = (self.python, "-m", "localcloud.wsgi", *settings)
        return self.make_command((*argv, "--", *arguments), env={**python_env(), **(env or {})})


def credentials(plan: Plan, user: str) -> dict[str, Value]:
    """Give the options by which a service logs in to Keystone.

    Args:
        plan: the cloud.
        user: a user of the project ``service``.
    """
    return {
        "auth_type": "password",
        "auth_url": plan.url("keystone"),
        "username": user,
        "password": plan.secrets[user],
        "user_domain_id": "default",
        "project_name": "service",
        "project_domain_id": "default",
    }


def session_options(plan: Plan) -> dict[str, Value]:
    """Give keystoneauth's options of how a service verifies TLS."""
    return {"cafile": str(plan.ca_file)} if plan.ca_file else {}


def token_section(plan: Plan, user: str) -> dict[str, Value]:
    """Give keystonemiddleware's options, with the token cache."""
    return {
        **credentials(plan, user),
        **session_options(plan),
        "www_authenticate_uri": plan.url("keystone"),
        "memcached_servers": plan.address("memcached"),
        "interface": "public",
    }
