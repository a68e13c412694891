# SPDX-License-Identifier: Apache-2.0
"""What can be asked for on the command line, within bounds."""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench import fleet, latency, push, released, signals
from bench.lab import Run
from bench.report import Report

_EPILOG = """\
examples:
  python -m bench latency                      all ways side by side, about 15 minutes
  python -m bench latency --samples 3 --only websocket poll
  python -m bench push --changes 50
  python -m bench signal --without-notifications
  python -m bench fleet --servers 300          each with a user of its own
  python -m bench push --cloud /tmp/lc --json  on a cloud that runs already, and stays

exit status: 0 all was measured; 1 something failed, and the lines say what; 2 wrong usage;
130 interrupted by Ctrl-C: what was measured so far is printed, everything is stopped
"""

Measure = Callable[[Run, argparse.Namespace, Report], None]


def parse(argv: list[str] | None) -> argparse.Namespace:
    """Read arguments; on wrong ones, say so and exit with status 2."""
    return parser().parse_args(argv)


def parser() -> argparse.ArgumentParser:
    """Describe the command line."""
    described = argparse.ArgumentParser(
        prog="python -m bench",
        description="Measure deployments on a real Keystone, Zaqar and Heat on this machine.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = described.add_subparsers(required=True, metavar="COMMAND", dest="command")
    _add_latency(commands)
    _add_push(commands)
    _add_signal(commands)
    _add_fleet(commands)
    return described


def _add_latency(commands: Any) -> None:
    text = "from Heat's commit of a change to the hook's start on the server"
    command = _add(commands, "latency", text, latency.TITLE, _latency)
    _add_samples(command, "--samples", 12, 500, "changes of each way")
    names = [way.name for way in latency.WAYS]
    command.add_argument(
        "--only", nargs="+", choices=names, default=names, metavar="WAY",
        help=f"the ways to measure, out of {', '.join(names)} (default: all)",
    )  # fmt: skip
    _add_seconds(command, "--spread", 30, 120, "longest random pause between a way's changes")
    _add_seconds(command, "--settle", 40, 600, "pause before the first change")
    _add_cache(command)


def _latency(run: Run, arguments: argparse.Namespace, report: Report) -> None:
    ways = [way for way in latency.WAYS if way.name in arguments.only]
    plan = latency.Plan(ways, arguments.samples, arguments.spread, arguments.settle)
    needed = any(way.released for way in ways)
    scripts = released.fetch(arguments.cache) if needed else None
    latency.measure(run, plan, report, scripts)


def _add_push(commands: Any) -> None:
    text = "from the end of Heat's publish to the start of the agent's command on the server"
    command = _add(commands, "push", text, push.TITLE, _push)
    _add_samples(command, "--changes", 200, 5000, "changes")
    _add_seconds(command, "--settle", 20, 600, "pause before the first change")


def _push(run: Run, arguments: argparse.Namespace, report: Report) -> None:
    push.measure(run, arguments.changes, arguments.settle, report)


def _add_signal(commands: Any) -> None:
    text = "from heat-config-notify's start on the server to the deployment's end in Heat"
    command = _add(commands, "signal", text, signals.TITLE, _signal)
    _add_samples(command, "--samples", 12, 500, "signals of each way")
    command.add_argument(
        "--without-notifications", action="store_true",
        help="then restart Zaqar without its notifier, and measure ZAQAR_MESSAGE once more: by "
        "the safety net",
    )  # fmt: skip
    _add_seconds(
        command, "--script", 20, 120, "without notifications, longest random time before notify"
    )
    _add_cache(command)


def _signal(run: Run, arguments: argparse.Namespace, report: Report) -> None:
    scripts = released.fetch(arguments.cache)
    plan = signals.Plan(arguments.samples, arguments.without_notifications, arguments.script)
    signals.measure(run, plan, report, scripts)


def _add_fleet(commands: Any) -> None:
    text = "many servers on one websocket server: connecting, changes, and its restart"
    command = _add(commands, "fleet", text, fleet.TITLE, _fleet)
    _add_samples(command, "--servers", 300, 2000, "servers")


def _fleet(run: Run, arguments: argparse.Namespace, report: Report) -> None:
    fleet.measure(run, arguments.servers, report)


def _add(
    commands: Any, name: str, text: str, title: str, measure: Measure
) -> argparse.ArgumentParser:
    command: argparse.ArgumentParser = commands.add_parser(name, help=text, description=text)
    command.set_defaults(measure=measure, title=title)
    command.add_argument(
        "--cloud", type=Path, metavar="DIR",
        help="use the local cloud that runs in this directory, and leave it running; where "
        "another sort of Heat is needed, one is booted all the same (default: boot one)",
    )  # fmt: skip
    command.add_argument("--json", action="store_true", help="print JSON in place of a table")
    command.add_argument("--output", type=_new_file, metavar="FILE", help="also write JSON there")
    command.add_argument("--keep", action="store_true", help="leave the scratch directory")
    command.add_argument(
        "--time-limit", type=_number(float, 1, 600), default=60, metavar="MINUTES",
        help="end then with what there is (default: %(default)s)",
    )  # fmt: skip
    return command


def _add_samples(
    command: argparse.ArgumentParser, name: str, default: int, most: int, text: str
) -> None:
    command.add_argument(
        name, type=_number(int, 1, most), default=default, metavar="N",
        help=f"{text}, at most {most} (default: %(default)s)",
    )  # fmt: skip


def _add_seconds(
    command: argparse.ArgumentParser, name: str, default: float, most: float, text: str
) -> None:
    command.add_argument(
        name, type=_number(float, 0, most), default=default, metavar="SECONDS",
        help=f"{text} (default: %(default)s)",
    )  # fmt: skip


def _add_cache(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--cache", type=Path, metavar="DIR", default=released.default_cache(),
        help="where heat-agents' released scripts are kept once they have been fetched by pip "
        "(default: heat-zaqar-bench in the user's cache)",
    )  # fmt: skip


def _number(kind: type[int] | type[float], least: float, most: float) -> Callable[[str], float]:
    def parse_number(text: str) -> float:
        try:
            value = kind(text)
        except ValueError:
            raise argparse.ArgumentTypeError(f"{text!r} is no number") from None
        if not least <= value <= most:
            raise argparse.ArgumentTypeError(f"{text} is not from {least:g} to {most:g}")
        return value

    return parse_number


def _new_file(text: str) -> Path:
    path = Path(text)
    if path.is_dir() or not path.absolute().parent.is_dir():
        raise argparse.ArgumentTypeError(f"{text} cannot be a file")
    return path
