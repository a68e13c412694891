# SPDX-License-Identifier: Apache-2.0
"""One stack: changed through Heat's API as an operator does it, watched in Heat's database."""

import contextlib
import json
import secrets
from collections.abc import Mapping
from typing import Any

from heatclient.exc import HTTPException, HTTPNotFound

from bench.errors import BenchFailed
from bench.heat_rows import HeatRows, StackRow
from bench.templates import SERVER, Template
from bench.waiting import Clock

# Minutes after which Heat itself gives an action up.
TIMEOUT_MIN = 5
# Seconds.
ACTION_TIMEOUT_S = 180.0
DELETE_TIMEOUT_S = 60.0
POLL_S = 0.1


class BenchStack:
    """One stack.

    Args:
        heat: Client of Heat's API.
        rows: Heat's database.
        clock: The run's.
        name: What its name begins with.
    """

    def __init__(self, heat: Any, rows: HeatRows, clock: Clock, name: str) -> None:
        self._heat = heat
        self._rows = rows
        self._clock = clock
        self.name = f"bench-{name}-{secrets.token_hex(3)}"
        self.id = ""
        self._traversal = ""

    def create(self, template: Template, parameters: Mapping[str, str] | None = None) -> None:
        """Ask for the stack."""
        answer = self._heat.stacks.create(
            stack_name=self.name,
            template=json.dumps(template),
            parameters=dict(parameters or {}),
            timeout_mins=TIMEOUT_MIN,
        )
        self.id = answer["stack"]["id"]

    def update(
        self, template: Template | None = None, parameters: Mapping[str, str] | None = None
    ) -> None:
        """Ask for a change.

        Args:
            template: `None`: the one that the stack has.
            parameters: The ones to change; `None`: none.
        """
        self._traversal = self._rows.stack(self.id).traversal
        text = {} if template is None else {"template": json.dumps(template)}
        self._heat.stacks.update(
            self.id,
            parameters=dict(parameters or {}),
            existing=True,
            timeout_mins=TIMEOUT_MIN,
            **text,
        )

    def wait(self, timeout_s: float = ACTION_TIMEOUT_S) -> None:
        """Wait until what was asked for last is complete.

        Raises:
            BenchFailed: It failed.
            Late: It takes longer.
        """
        what = f"the stack {self.name}"
        ended = self._clock.until(self._ended, timeout_s, what, POLL_S)
        if ended.status != "COMPLETE":
            raise BenchFailed(f"{what} is {ended.action}_{ended.status}: {ended.reason}")

    def collect_config(self) -> dict[str, Any]:
        """Wait for what the server's agent is configured from, and return it."""
        what = f"{self.name}: the server's os_collect_config"
        return self._clock.until(self._collect_config, ACTION_TIMEOUT_S, what, 0.25)

    def delete(self) -> None:
        """Delete the stack as far as that can be done now; for the end of a run."""
        if not self.id:
            return
        with contextlib.suppress(HTTPException, BenchFailed):
            self._heat.stacks.delete(self.id)
            clock = Clock(DELETE_TIMEOUT_S)
            clock.until(self._deleted, DELETE_TIMEOUT_S, f"the end of {self.name}", 0.5)

    def _ended(self) -> StackRow | None:
        row = self._rows.stack(self.id)
        # Heat accepts an update some time before it begins.
        begun = row.traversal != self._traversal
        return row if begun and row.status != "IN_PROGRESS" else None

    def _collect_config(self) -> dict[str, Any] | None:
        with contextlib.suppress(HTTPNotFound):
            found = self._heat.resources.get(self.id, SERVER).attributes
            config = found.get("os_collect_config") or {}
            # What the template says of it is there before what Heat adds.
            return config if "collectors" in config else None
        return None

    def _deleted(self) -> bool | None:
        try:
            status = self._heat.stacks.get(self.id).stack_status
        except HTTPNotFound:
            return True
        return True if status in ("DELETE_COMPLETE", "DELETE_FAILED") else None
