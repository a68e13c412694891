# SPDX-License-Identifier: Apache-2.0
"""`heat-config-run`: runs the server's deployments. Called by 55-heat-config."""

import argparse
import logging
import os
from collections.abc import Sequence
from pathlib import Path

from heat_zaqar_collector import settings
from heat_zaqar_collector.settings import Settings
from heat_zaqar_hooks import logs
from heat_zaqar_hooks.deployed import Deployed
from heat_zaqar_hooks.places import Places
from heat_zaqar_hooks.runner import Runner, only_runner
from heat_zaqar_hooks.sending import Sender
from heat_zaqar_hooks.states import Store
from heat_zaqar_transport.wire.errors import HeatZaqarError

LOG = logging.getLogger(__name__)

BOOT_ID_FILE = Path("/proc/sys/kernel/random/boot_id")

_DESCRIPTION = """\
Run each deployment of this server that has not run yet, and send its result to Heat.
Results that could not be sent are sent by the next run; no hook runs twice for that."""

_EPILOG = """\
environment (with defaults):
  HEAT_SHELL_CONFIG     list of derived configs (/var/run/heat-config/heat-config)
  HEAT_CONFIG_HOOKS     a directory of hooks, before /usr/libexec/heat-config/hooks
                        and /var/lib/heat-config/hooks
  HEAT_CONFIG_DEPLOYED  configs that have run (/var/lib/heat-config/deployed)
  HEAT_CONFIG_NOTIFY    program that sends results (none: this one does)
  HEAT_ZAQAR_CONFIG     agent's configuration files, ":" between them
                        (/etc/os-collect-config.conf); section [zaqar] is read

exit status:
  0  every deployment has been answered, failed ones too
  1  something could not be read or sent; the log on standard error says what"""


def run(places: Places, agent: Settings, boot_id: str) -> int:
    """Run and answer what is in the list, as the only runner of this server.

    Args:
        places: Files and directories.
        agent: The agent's settings.
        boot_id: The kernel's; empty: not known.

    Returns:
        How many configs are left without an answer.

    Raises:
        StateError: The list or the state directory cannot be used.
    """
    deployed = Deployed(places.deployed_dir)
    runner = Runner(
        config_list=places.config_list,
        hook_dirs=places.hook_dirs,
        store=Store(agent.state_dir),
        deployed=deployed,
        send=Sender(lambda: agent, deployed, places.notify_program),
        boot_id=boot_id,
    )
    with only_runner(agent.state_dir):
        return runner.run()


def main(argv: Sequence[str] | None = None) -> int:
    """Read arguments and environment, and run; return the exit status."""
    _parser().parse_args(argv)
    logs.configure()
    try:
        return min(run(Places.from_environ(os.environ), settings.load(), _boot_id()), 1)
    except HeatZaqarError as exc:
        LOG.error("%s", exc)
    except Exception as exc:
        logs.unexpected(LOG, exc)
    return 1


def _boot_id() -> str:
    try:
        return BOOT_ID_FILE.read_text(encoding="ascii").strip()
    except OSError:
        return ""


def _parser() -> argparse.ArgumentParser:
    return argparse.ArgumentParser(
        prog="heat-config-run",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
