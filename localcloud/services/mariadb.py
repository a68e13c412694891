"""MariaDB: the databases of Keystone, Heat and, if they are there, Nova and its like.

SQLite would lock up under Heat's engine workers, and under more than one worker of Keystone.
Durability is switched off: the data go away with the cloud.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pymysql

from localcloud.config import Value, render_ini, write_private
from localcloud.plan import COMPUTE_DATABASES, Plan
from localcloud.ports import HOST
from localcloud.protocol import Command
from localcloud.services.base import NoAnswer, Store, user_if_root

USER = "mysql"
_DATABASES = ("keystone", "heat")
_PROGRAM_DIRS = "/usr/sbin:/usr/bin:/usr/libexec:/usr/local/sbin:/usr/local/bin"


class MariaDB(Store):
    """A private mariadbd with one user for each database."""

    name = "mariadb"
    needs = ("mariadb-files",)

    def __init__(self, plan: Plan) -> None:
        super().__init__(plan)
        self.data = self.home / "data"
        # A server that starts deletes all temporary tables in its tmpdir, those of other servers
        # in /tmp included.
        self._tmp = self.home / "tmp"
        self._options_file = self.home / "my.cnf"
        self._first_statements = self.home / "first.sql"

    def write_config(self) -> None:
        """Write the options and what is executed at each start; both for its user alone to read."""
        write_private(self._options_file, render_ini({"mariadbd": self._options()}))
        write_private(self._first_statements, self._statements())
        if os.geteuid() == 0:
            for path in (self.home, self._options_file, self._first_statements):
                shutil.chown(path, USER, USER)

    def files_command(self) -> Command:
        """Say how to make the data directory, once."""
        self._tmp.mkdir(parents=True, exist_ok=True)
        if os.geteuid() == 0:
            for path in (self.home, self._tmp):
                shutil.chown(path, USER, USER)
        argv = (
            _find("mariadb-install-db"),
            "--no-defaults",
            f"--datadir={self.data}",
            f"--tmpdir={self._tmp}",
            "--skip-test-db",
            # Otherwise root may come in from the same Unix user only, and no password helps.
            "--auth-root-authentication-method=normal",
        )
        log = self.plan.logs / "mariadb-files.log"
        user = user_if_root(USER)
        return Command("mariadb-files", argv, log, self.home, {}, user)

    def command(self) -> Command:
        """Start in the foreground."""
        argv = (_find("mariadbd"), f"--defaults-file={self._options_file}")
        return self.make_command(argv, user=user_if_root(USER))

    def ask(self) -> None:
        """Log in to each database as its user, and select."""
        for database in databases(self.plan):
            connection = pymysql.connect(
                host=HOST,
                port=self.plan.ports["mariadb"],
                user=database,
                password=self.plan.secrets[f"mariadb_{database}"],
                database=database,
                connect_timeout=2,
            )
            with connection, connection.cursor() as cursor:
                cursor.execute("SELECT 1")
                if cursor.fetchone() != (1,):
                    raise NoAnswer(f"database {database} cannot add up to 1")

    def _options(self) -> dict[str, Value]:
        return {
            "datadir": str(self.data),
            "tmpdir": str(self._tmp),
            "socket": str(self.home / "s.sock"),
            "pid-file": str(self.home / "pid"),
            "bind-address": HOST,
            "port": self.plan.ports["mariadb"],
            "init-file": str(self._first_statements),
            "character-set-server": "utf8mb3",
            "skip-name-resolve": True,
            "max-connections": 600,
            "performance-schema": False,
            "innodb-flush-log-at-trx-commit": 0,
            "innodb-doublewrite": False,
            "innodb-fast-shutdown": 2,
            "innodb-log-file-size": "48M",
        }

    def _statements(self) -> str:
        secrets = self.plan.secrets
        lines = [f"ALTER USER root@localhost IDENTIFIED BY '{secrets['mariadb_root']}';"]
        for name in databases(self.plan):
            user = f"{name}@'{HOST}'"
            password = secrets[f"mariadb_{name}"]
            lines += [
                f"CREATE DATABASE IF NOT EXISTS {name} CHARACTER SET utf8mb3;",
                f"CREATE USER IF NOT EXISTS {user} IDENTIFIED BY '{password}';",
                f"GRANT ALL ON {name}.* TO {user};",
            ]
        return "\n".join(lines) + "\n"


def databases(plan: Plan) -> tuple[str, ...]:
    """List a cloud's databases; each has a user of its own name."""
    return _DATABASES if plan.compute is None else (*_DATABASES, *COMPUTE_DATABASES)


def connection_url(plan: Plan, database: str) -> str:
    """Give SQLAlchemy's address of a database, password included."""
    password = plan.secrets[f"mariadb_{database}"]
    return (
        f"mysql+pymysql://{database}:{password}@{plan.address('mariadb')}/{database}?charset=utf8"
    )


def _find(program: str) -> str:
    """Find a program that may lie where a user's PATH does not lead."""
    path = shutil.which(program) or shutil.which(program, path=_PROGRAM_DIRS)
    return str(Path(path)) if path else program
