"""Keystone, and the making of its schema, keys and administrator."""

from __future__ import annotations

import base64
import os
import sys

import requests

from localcloud.config import Sections, write_private
from localcloud.plan import REGION
from localcloud.protocol import Command
from localcloud.services.base import python_env
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

    def sections(self) -> Sections:
        """Give keystone.conf."""
        return {
            "DEFAULT": {"debug": self.plan.debug},
            "database": {"connection": connection_url(self.plan, "keystone")},
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

    def write_keys(self) -> None:
        """Make the keys that encrypt tokens and stored credentials (0 is the next one)."""
        for repository in ("fernet", "credential"):
            for index in ("0", "1"):
                key = base64.urlsafe_b64encode(os.urandom(_KEY_BYTES)).decode()
                write_private(self.home / repository / index, key)

    def schema_command(self) -> Command:
        """Say how to make the database's tables and the user admin, once."""
        self.configure()
        self.write_keys()
        argv = (sys.executable, "-m", "localcloud.keystone_setup")
        arguments = (str(self.config_file), self.plan.url("keystone"), REGION)
        env = {**python_env(), "OS_BOOTSTRAP_PASSWORD": self.plan.secrets["admin"]}
        log = self.plan.logs / "keystone-schema.log"
        return Command("keystone-schema", (*argv, *arguments), log, self.home, env)

    def command(self) -> Command:
        """Start under the WSGI server."""
        env = {"OS_KEYSTONE_CONFIG_FILES": str(self.config_file)}
        return self.wsgi_command("keystone.wsgi.api:application", env=env)

    def ask(self) -> None:
        """Read the description of its API."""
        url = f"{self.plan.url('keystone')}/v3"
        answer = requests.get(url, timeout=5, verify=self.plan.verify)
        answer.raise_for_status()
        answer.json()["version"]
