# SPDX-License-Identifier: Apache-2.0
"""The directory of configs that have been run, in the place and form of heat-agents.

Its tools and hooks look there, and `heat-config-notify` takes such a file. The files
hold inputs with their secrets: mode 0600.
"""

import contextlib
from pathlib import Path
from typing import Any

from heat_zaqar_hooks.configs import Config
from heat_zaqar_transport import durable
from heat_zaqar_transport.wire.errors import StateError


class Deployed:
    """One file `<config id>.json` for each config."""

    def __init__(self, directory: Path) -> None:
        """Use a directory, which need not exist yet."""
        self._directory = directory

    def path(self, config_id: str) -> Path:
        """Return the file of one config."""
        return self._directory / f"{config_id}.json"

    def has(self, config_id: str) -> bool:
        """Tell whether the file is there."""
        return self.path(config_id).exists()

    def is_mark(self, config_id: str) -> bool:
        """Tell whether the file is empty: heat-config-rebuild-deployed's "do not run"."""
        return self.path(config_id).stat().st_size == 0

    def kept_result(self, config_id: str) -> dict[str, Any] | None:
        """Return heat-agents' copy of a result; `None`: none that can be read."""
        with contextlib.suppress(StateError):
            found = durable.read_json(self._result_path(config_id))
            return found if isinstance(found, dict) else None
        return None

    def write(self, config: Config) -> None:
        """Keep a config, durably.

        Raises:
            StateError: The disk is unwilling.
        """
        durable.write_json(self.path(config.id), config.document)

    def remove(self, config_id: str) -> None:
        """Remove what is kept of a config, heat-agents' copy of its result included.

        Raises:
            StateError: The disk is unwilling.
        """
        durable.remove(self.path(config_id))
        durable.remove(self._result_path(config_id))

    def remove_litter(self) -> None:
        """Remove what writes left behind that a crash cut short; the runner alone writes.

        Raises:
            StateError: The disk is unwilling.
        """
        durable.remove_litter(self._directory)

    def _result_path(self, config_id: str) -> Path:
        return self._directory / f"{config_id}.notify.json"
