# SPDX-License-Identifier: Apache-2.0
"""Where the runner finds and leaves its files: heat-agents' environment variables and defaults."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

CONFIG_LIST_VARIABLE = "HEAT_SHELL_CONFIG"
DEPLOYED_VARIABLE = "HEAT_CONFIG_DEPLOYED"
HOOKS_VARIABLE = "HEAT_CONFIG_HOOKS"
NOTIFY_VARIABLE = "HEAT_CONFIG_NOTIFY"
# Not of heat-agents: lets a directory that stands for a server be "rebooted".
BOOT_ID_VARIABLE = "HEAT_ZAQAR_BOOT_ID_FILE"

DEFAULT_CONFIG_LIST = "/var/run/heat-config/heat-config"
DEFAULT_DEPLOYED = "/var/lib/heat-config/deployed"
DEFAULT_BOOT_ID_FILE = "/proc/sys/kernel/random/boot_id"
DEFAULT_HOOK_DIRS = (
    Path("/usr/libexec/heat-config/hooks"),
    Path("/var/lib/heat-config/hooks"),
)


@dataclass(frozen=True)
class Places:
    """Paths and programs of one runner.

    Attributes:
        config_list: The derived configs, a JSON array that os-apply-config renders.
        deployed_dir: Gets `<config id>.json` of each config before its hook runs.
        hook_dirs: Searched in this order for a hook.
        notify_program: Run to send a result, as heat-agents does; `None`: our own code.
        boot_id_file: Holds another text after each boot.
    """

    config_list: Path
    deployed_dir: Path
    hook_dirs: tuple[Path, ...]
    notify_program: str | None = None
    boot_id_file: Path = Path(DEFAULT_BOOT_ID_FILE)

    @classmethod
    def from_environ(cls, environ: Mapping[str, str]) -> "Places":
        """Read the environment; a variable that is empty counts as not set."""
        own_hooks = environ.get(HOOKS_VARIABLE)
        return cls(
            config_list=Path(environ.get(CONFIG_LIST_VARIABLE) or DEFAULT_CONFIG_LIST),
            deployed_dir=Path(environ.get(DEPLOYED_VARIABLE) or DEFAULT_DEPLOYED),
            hook_dirs=(Path(own_hooks), *DEFAULT_HOOK_DIRS) if own_hooks else DEFAULT_HOOK_DIRS,
            notify_program=environ.get(NOTIFY_VARIABLE) or None,
            boot_id_file=Path(environ.get(BOOT_ID_VARIABLE) or DEFAULT_BOOT_ID_FILE),
        )
