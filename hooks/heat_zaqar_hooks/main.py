# SPDX-License-Identifier: Apache-2.0
"""`heat-config-run`: runs the server's deployments. Called by 55-heat-config."""

import argparse
import logging
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from heat_zaqar_collector import settings
from heat_zaqar_collector.settings import Settings
from heat_zaqar_hooks import logs
from heat_zaqar_hooks.deployed import Deployed
from heat_zaqar_hooks.places import Places
from heat_zaqar_hooks.reboot import Reboot
from heat_zaqar_hooks.runner import Runner, only_runner
from heat_zaqar_hooks.script import ScriptPlaces
from heat_zaqar_hooks.sending import Sender
from heat_zaqar_hooks.states import Store
from heat_zaqar_transport.wire.errors import HeatZaqarError

LOG = logging.getLogger(__name__)

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
  HEAT_ZAQAR_BOOT_ID_FILE
                        holds another text after each boot
                        (/proc/sys/kernel/random/boot_id)
  HEAT_SCRIPT_WORKING, HEAT_SCRIPT_OUTPUTS
                        as for heat-config-hook-script

environment of hooks, besides all of this:
  HEAT_DEPLOY_ATTEMPT   1, and one more after each reboot that the hook asked for
                        by its exit status 194

exit status:
  0  every deployment has been answered, failed ones too
  1  something could not be read or sent, or a hook asked for a reboot; the log on
     standard error says what"""


def run(places: Places, agent: Settings, scripts: ScriptPlaces) -> int:
    """Run and answer what is in the list, as the only runner of this server.

    Args:
        places: Files and directories.
        agent: The agent's settings.
        scripts: Directories of the script hook, where killed ones leave something behind.

    Returns:
        How many configs are left without an answer.

    Raises:
        StateError: The list or the state directory cannot be used.
    """
    deployed = Deployed(places.deployed_dir)
    send = Sender(lambda: agent, deployed, places.notify_program)
    runner = Runner(
        config_list=places.config_list,
        hook_dirs=places.hook_dirs,
        store=Store(agent.state_dir),
        deployed=deployed,
        send=send,
        ack_channel=send.ack_channel,
        reboot=Reboot(agent.reboot_command),
        boot_id=_boot_id(places.boot_id_file),
        limit_s=agent.deploy_timeout_s,
        clean=scripts.clean,
    )
    with only_runner(agent.state_dir):
        return runner.run()


def main(argv: Sequence[str] | None = None) -> int:
    """Read arguments and environment, and run; return the exit status."""
    _parser().parse_args(argv)
    logs.configure()
    try:
        return min(_run(os.environ), 1)
    except HeatZaqarError as exc:
        LOG.error("%s", exc)
    except Exception as exc:
        logs.unexpected(LOG, exc)
    return 1


def _run(environ: Mapping[str, str]) -> int:
    scripts = ScriptPlaces.from_environ(environ)
    return run(Places.from_environ(environ), settings.load(), scripts)


def _boot_id(path: Path) -> str:
    """Return what tells this boot from others; empty: not known."""
    try:
        return path.read_text(encoding="ascii").strip()
    except OSError:
        return ""


def _parser() -> argparse.ArgumentParser:
    return argparse.ArgumentParser(
        prog="heat-config-run",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
