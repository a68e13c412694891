"""Keystone, and the making of its keys."""

from __future__ import annotations

import base64
import os
from collections.abc import Mapping
from pathlib import Path

import requests

from localcloud.config import Sections, Value, write_private
from localcloud.plan import REGION, Plan
from localcloud.protocol import Command
from localcloud.services.base import NO_OVERRIDES
from localcloud.services.mariadb import connection_url
from localcloud.services.openstack import OpenStackService

_KEY_BYTES = 32


class Keystone(OpenStackService):
    """Keystone's API."""

    name = "keystone"
    # Keystone makes its policy enforcer without a lock: with threads, a second request during the
    # first one is refused with 403. So it gets processes instead.
    wsgi_workers = 3
    wsgi_threads = 1

    def __init__(self, plan: Plan) -> None:
        super().__init__(plan)
        if plan.heat:
            self.needs = ("mariadb",)
        else:
            # SQLite answers two writers with "database is locked", so there is one worker.
            self.wsgi_workers = 1

    def sections(self) -> Sections:
        """Give keystone.conf."""
        return {
            "DEFAULT": {"debug": self.plan.debug},
            "database": self._database(),
            "token": {"provider": "fernet"},
            "fernet_tokens": {"key_repository": str(self.home / "fernet")},
            "fernet_receipts": {"key_repository": str(self.home / "fernet")},
            "credential": {"key_repository": str(self.home / "credential")},
            # Without it each request costs Keystone 70 ms of computing instead of 20.
            "cache": {
                "enabled": True,
                # This one does without a memcached that is down; dogpile's own answer 500.
                "backend": "oslo_cache.memcache_pool",
                "memcache_servers": self.plan.address("memcached"),
            },
            # The least that bcrypt takes: the passwords here are random and short-lived.
            "identity": {"password_hash_rounds": 4},
        }

    def _database(self) -> Mapping[str, Value]:
        """Say where its database is: without Heat there is no MariaDB."""
        if self.plan.heat:
            return {"connection": connection_url(self.plan, "keystone")}
        return {"connection": f"sqlite:///{self.home}/keystone.db", "sqlite_synchronous": False}

    def configure(self, overrides: Sections = NO_OVERRIDES) -> None:
        """Write its configuration file and, once, its keys."""
        super().configure(overrides)
        for repository in ("fernet", "credential"):
            if not (self.home / repository).exists():
                self._write_keys(self.home / repository)

    def _write_keys(self, repository: Path) -> None:
        """Make keys that encrypt tokens or stored credentials (0 is the next one)."""
        for index in ("0", "1"):
            key = base64.urlsafe_b64encode(os.urandom(_KEY_BYTES)).decode()
            write_private(repository / index, key)

    def command(self) -> Command:
        """Start under the WSGI server; the first start makes the tables and the user admin."""
        # Without /v3: heat-api-cfn appends it to the catalog's address.
        urls = ("OS_BOOTSTRAP_PUBLIC_URL", "OS_BOOTSTRAP_INTERNAL_URL", "OS_BOOTSTRAP_ADMIN_URL")
        env = {
            "OS_KEYSTONE_CONFIG_FILES": str(self.config_file),
            "OS_BOOTSTRAP_PASSWORD": self.plan.secrets["admin"],
            "OS_BOOTSTRAP_REGION_ID": REGION,
            **dict.fromkeys(urls, self.plan.url("keystone")),
        }
        return self.wsgi_command("localcloud.keystone_app:application", env=env)

    def ask(self) -> None:
        """Read the description of its API."""
        url = f"{self.plan.url('keystone')}/v3"
        answer = requests.get(url, timeout=5, verify=self.plan.verify)
        answer.raise_for_status()
        answer.json()["version"]
