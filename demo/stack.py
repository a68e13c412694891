# SPDX-License-Identifier: Apache-2.0
"""The demo's stack, as an operator handles it: through Heat's API only."""

from pathlib import Path
from typing import Any

from demo.errors import DemoFailed

TEMPLATE = Path(__file__).parent.parent / "templates" / "hello-world.yaml"
TIMEOUT_MIN = 3


class DemoStack:
    """One stack from the template hello-world.

    Args:
        heat: Client of Heat's API.
        name: The stack's name.
    """

    def __init__(self, heat: Any, name: str) -> None:
        self._heat = heat
        self.name = name
        self.id = ""

    def create(self) -> None:
        """Ask for its creation."""
        answer = self._heat.stacks.create(
            stack_name=self.name, template=TEMPLATE.read_text(), timeout_mins=TIMEOUT_MIN
        )
        self.id = answer["stack"]["id"]

    def update(self, **parameters: str) -> None:
        """Ask for an update with other parameters."""
        self._heat.stacks.update(
            self.id,
            template=TEMPLATE.read_text(),
            parameters=parameters,
            existing=True,
            timeout_mins=TIMEOUT_MIN,
        )

    def delete(self) -> None:
        """Ask for its deletion."""
        self._heat.stacks.delete(self.id)

    def events(self) -> list[Any]:
        """Return all its events, oldest first."""
        return list(self._heat.events.list(self.id, sort_dir="asc"))

    def collect_config(self, server: str) -> dict[str, Any]:
        """Return what a server's agent is configured from.

        Raises:
            DemoFailed: The server has nothing of the sort.
        """
        config = self._heat.resources.get(self.id, server).attributes.get("os_collect_config")
        if not config:
            raise DemoFailed(f"Heat gives no os_collect_config for the resource {server}")
        return dict(config)

    def outputs(self) -> dict[str, object]:
        """Return its outputs by name."""
        shown = self._heat.stacks.get(self.id)
        return {each["output_key"]: each.get("output_value") for each in shown.outputs}
