"""Command line: ``python -m localcloud up|status|down|install``."""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

from rich.console import Console
from rich.table import Table

from localcloud import boot_state, display, packages
from localcloud.cloud import LocalCloud
from localcloud.errors import LocalCloudError, NotRunning, ServiceDied, describe_exit
from localcloud.protocol import Status

_CHECK_INTERVAL_S = 1.0
_MIB = 1 << 20
_EXIT_INTERRUPTED = 130
_EPILOG = """\
examples:
  python -m localcloud up                      boot, print the endpoints, run until Ctrl-C
  python -m localcloud up --scratch /tmp/lc    the same, in a directory of your choice
  python -m localcloud up --tls                with https:// and wss://
  python -m localcloud up --no-heat            Keystone and Zaqar only, in seconds
  . /tmp/lc/openrc                             in another shell: be the user demo
  python -m localcloud status --scratch /tmp/lc --wait 120
  python -m localcloud down --scratch /tmp/lc
"""


def main(argv: list[str] | None = None) -> int:
    """Run one command.

    Args:
        argv: arguments; default: those of the process.

    Returns:
        Exit status: 0 done, 1 failed (or, for ``status``, not ready for use), 2 wrong usage.
    """
    arguments = _parser().parse_args(argv)
    try:
        return int(arguments.run(arguments))
    except LocalCloudError as error:
        print(f"localcloud: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return _EXIT_INTERRUPTED
    except BrokenPipeError:
        # Whoever read our output has gone; the interpreter must not flush into the pipe again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1


def describe(cloud: LocalCloud) -> dict[str, Any]:
    """Give what a user needs to know of a running cloud, as JSON types; no secrets."""
    endpoints = {
        "keystone": cloud.auth_url,
        "zaqar": cloud.zaqar_url,
        "zaqar-websocket": cloud.websocket_url,
    }
    if cloud.plan.heat:
        endpoints |= {"heat-api": cloud.heat_url, "heat-api-cfn": cloud.cfn_url}
    return {
        "scratch": str(cloud.scratch),
        "openrc": str(cloud.openrc),
        "logs": str(cloud.logs),
        "seconds_to_ready": round(cloud.seconds_to_ready, 1),
        "endpoints": endpoints,
    }


def _up(arguments: argparse.Namespace) -> int:
    for number in (signal.SIGINT, signal.SIGTERM):
        # SIGINT too: a shell makes its background jobs ignore it.
        signal.signal(number, _interrupt)
    with display.for_stream(sys.stderr) as shown:
        cloud = LocalCloud.start(
            arguments.scratch,
            keep=arguments.keep,
            debug=arguments.debug,
            on_progress=shown.show,
            plugin_dirs=arguments.plugin_dirs,
            tls=arguments.tls,
            heat=not arguments.no_heat,
        )
    with cloud:
        _announce(cloud, as_json=arguments.json)
        try:
            _watch(cloud)
        except KeyboardInterrupt:
            print("stopping ...", file=sys.stderr)
    return 0


def _interrupt(_signal: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _announce(cloud: LocalCloud, *, as_json: bool) -> None:
    facts = describe(cloud)
    if as_json:
        print(json.dumps(facts), flush=True)
        return
    lines = [f"ready after {facts['seconds_to_ready']} s"]
    lines += [f"  {name:<16} {url}" for name, url in facts["endpoints"].items()]
    lines += [
        f"logs: {facts['logs']}",
        f"to use it: . {facts['openrc']} && openstack catalog list",
        "Ctrl-C stops everything" + ("" if cloud.plan.keep else f" and removes {cloud.scratch}"),
    ]
    print("\n".join(lines), flush=True)


def _watch(cloud: LocalCloud) -> None:
    """Report services that die; return when the cloud was taken down from elsewhere."""
    reported = set()
    while True:
        try:
            cloud.check()
        except ServiceDied as death:
            if death.service not in reported:
                reported.add(death.service)
                print(f"localcloud: {death}", file=sys.stderr)
        except NotRunning:
            return
        time.sleep(_CHECK_INTERVAL_S)


def _status(arguments: argparse.Namespace) -> int:
    cloud = LocalCloud.attach(arguments.scratch, wait_s=arguments.wait)
    state, found = boot_state.load(cloud.scratch), cloud.status()
    if arguments.json:
        print(json.dumps({name: vars(status) for name, status in found.items()}))
    else:
        Console(soft_wrap=True).print(_status_table(found))
    if not state.ready:
        print(f"localcloud: not ready, {state}", file=sys.stderr)
    return 0 if state.ready and all(status.running for status in found.values()) else 1


def _status_table(found: dict[str, Status]) -> Table:
    table = Table(box=None, pad_edge=False)
    for title in ("service", "state", "pid", "MiB"):
        table.add_column(title, justify="right" if title in ("pid", "MiB") else "left")
    for name, status in found.items():
        memory = f"{status.memory_bytes / _MIB:.0f}"
        table.add_row(name, _state(status), str(status.pid), memory)
    return table


def _state(status: Status) -> str:
    if status.returncode is None:
        return "running"
    verb = "stopped" if status.asked else "died"
    return f"{verb} ({describe_exit(status.returncode)})"


def _down(arguments: argparse.Namespace) -> int:
    LocalCloud.attach(arguments.scratch).stop()
    return 0


def _install(_arguments: argparse.Namespace) -> int:
    names = packages.ensure()
    print(f"installed: {' '.join(names)}" if names else "nothing to install")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m localcloud",
        description="A real Keystone, Zaqar and Heat on loopback ports of this machine.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _add_up(commands)
    status = _add(
        commands,
        "status",
        _status,
        "show the services of a running cloud; the exit status is 0 when it is ready for use",
    )
    status.add_argument(
        "--wait",
        type=float,
        metavar="SECONDS",
        help="wait until the cloud is ready, or its boot has failed; it need not be there yet",
    )
    status.add_argument("--json", action="store_true", help="print JSON")
    down = _add(commands, "down", _down, "stop a cloud that runs in another process")
    for command in (status, down):
        command.add_argument(
            "--scratch", type=Path, required=True, metavar="DIR", help="the cloud's directory"
        )
    _add(commands, "install", _install, "install the Debian packages that are missing (as root)")
    return parser


def _add_up(commands: Any) -> None:
    up = _add(commands, "up", _up, "boot a cloud, and run it until Ctrl-C or SIGTERM")
    up.add_argument(
        "--scratch",
        type=Path,
        metavar="DIR",
        help="directory for data, configuration and logs; must be empty or not exist, and is "
        "removed at the end (default: a new temporary one)",
    )
    up.add_argument("--keep", action="store_true", help="do not remove the directory at the end")
    up.add_argument("--debug", action="store_true", help="services log at DEBUG (default: INFO)")
    up.add_argument(
        "--tls", action="store_true", help="put the services behind TLS, with a CA of their own"
    )
    up.add_argument(
        "--no-heat",
        action="store_true",
        help="boot Keystone, Zaqar, Redis and memcached only, which takes seconds",
    )
    up.add_argument("--json", action="store_true", help="print the endpoints as one line of JSON")
    plugins = up.add_mutually_exclusive_group()
    plugins.add_argument(
        "--plugin-dir",
        dest="plugin_dirs",
        type=_plugin_dirs,
        metavar="DIR",
        help="Heat plugin directory (default: heat_zaqar_transport/plugin of this checkout)",
    )
    plugins.add_argument(
        "--no-plugin",
        dest="plugin_dirs",
        action="store_const",
        const=(),
        help="run Heat as released",
    )


def _plugin_dirs(text: str) -> tuple[Path, ...]:
    path = Path(text).absolute()
    if not path.is_dir():
        raise argparse.ArgumentTypeError(f"{text} is not a directory")
    return (path,)


def _add(
    commands: Any, name: str, run: Callable[[argparse.Namespace], int], text: str
) -> argparse.ArgumentParser:
    command: argparse.ArgumentParser = commands.add_parser(name, help=text, description=text)
    command.set_defaults(run=run)
    return command


if __name__ == "__main__":
    sys.exit(main())
