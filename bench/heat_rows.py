# SPDX-License-Identifier: Apache-2.0
"""Heat's database, read only: what Heat has committed, and when that could first be seen.

A request to Heat's API takes some 30 ms of both API and engine, that is, of the cores
whose work is to be measured; a row takes less than 1 ms of MariaDB, and shows a change at its
commit. Changes are made through the API, as an operator makes them.
"""

import json
from dataclasses import dataclass
from typing import Any, Self

import pymysql

from bench.errors import BenchFailed
from localcloud.plan import Plan
from localcloud.ports import HOST

_SERVER = "SELECT atomic_key, rsrc_metadata FROM resource WHERE stack_id = %s AND name = %s"
_STACK = "SELECT action, status, status_reason, current_traversal FROM stack WHERE id = %s"
_DEPLOYMENT = "SELECT status FROM software_deployment WHERE config_id = %s"


@dataclass(frozen=True)
class ServerRow:
    """A server resource's row.

    Attributes:
        generation: Its `atomic_key`.
        document: Its metadata.
    """

    generation: int
    document: dict[str, Any]

    def config_of_change(self, change: int) -> dict[str, Any] | None:
        """Return the derived config whose input `change` has this value, if it is there."""
        for config in self.document.get("deployments") or []:
            if input_value(config, "change") == str(change):
                return dict(config)
        return None


@dataclass(frozen=True)
class StackRow:
    """A stack's row.

    Attributes:
        action: Such as UPDATE.
        status: Such as IN_PROGRESS.
        reason: For people.
        traversal: Names one run through the stack; each accepted update begins another.
    """

    action: str
    status: str
    reason: str
    traversal: str


class HeatRows:
    """One connection, which serves one thread at a time.

    Args:
        plan: The cloud's.
    """

    def __init__(self, plan: Plan) -> None:
        self._connection = pymysql.connect(
            host=HOST,
            port=plan.ports["mariadb"],
            user="heat",
            password=plan.secrets["mariadb_heat"],
            database="heat",
            # Otherwise a transaction would go on showing what its first look saw.
            autocommit=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self._connection.close()

    def server(self, stack_id: str, name: str) -> ServerRow | None:
        """Read a server's row; `None`: it has none yet."""
        row = self._one(_SERVER, stack_id, name)
        return None if row is None else ServerRow(row[0] or 0, json.loads(row[1] or "{}") or {})

    def stack(self, stack_id: str) -> StackRow:
        """Read a stack's row.

        Raises:
            BenchFailed: There is none.
        """
        row = self._one(_STACK, stack_id)
        if row is None:
            raise BenchFailed(f"the stack {stack_id} has vanished")
        return StackRow(*(each or "" for each in row))

    def deployment_status(self, config_id: str) -> str | None:
        """Read the status of the deployment whose present derived config this is, if there is."""
        row = self._one(_DEPLOYMENT, config_id)
        return None if row is None else str(row[0])

    def _one(self, query: str, *arguments: str) -> tuple[Any, ...] | None:
        with self._connection.cursor() as cursor:
            cursor.execute(query, arguments)
            row: tuple[Any, ...] | None = cursor.fetchone()
            return row


def input_value(config: dict[str, Any], name: str) -> str | None:
    """Return one input of a derived config as text; `None`: it has no such input."""
    for each in config.get("inputs") or []:
        if each.get("name") == name:
            return str(each.get("value"))
    return None
