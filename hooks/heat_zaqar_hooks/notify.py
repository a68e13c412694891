# SPDX-License-Identifier: Apache-2.0
"""`heat-config-notify CONFIG.json < result.json`: sends one result to Heat."""

import argparse
import logging
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TextIO

from heat_zaqar_collector import settings
from heat_zaqar_hooks import logs, signals
from heat_zaqar_hooks.bounds import bounded
from heat_zaqar_hooks.inputs import Inputs
from heat_zaqar_hooks.results import Outputs, parse_outputs
from heat_zaqar_hooks.sending import Sleep, deliver
from heat_zaqar_hooks.signals.base import Agent
from heat_zaqar_transport import durable
from heat_zaqar_transport.wire.errors import HeatZaqarError, StateError

LOG = logging.getLogger(__name__)

_DESCRIPTION = """\
Send one deployment's result to Heat, by the transport that the config's inputs name.
The result is a JSON object of outputs on standard input; nothing there: no outputs."""

_EPILOG = """\
environment:
  HEAT_ZAQAR_CONFIG  agent's configuration files, ":" between them
                     (/etc/os-collect-config.conf); their section
                     [zaqar] is read for ZAQAR_MESSAGE and ZAQAR_SIGNAL

exit status:
  0  sent
  1  not sent; standard error says why
  2  wrong usage"""


def run(config_path: Path, result: str, agent: Agent, sleep: Sleep = time.sleep) -> str:
    """Send a result.

    Args:
        config_path: File of the derived config.
        result: A JSON object; blank: no outputs.
        agent: Called for the agent's settings by transports that need them.
        sleep: Waits between attempts, seconds.

    Returns:
        The transport's name.

    Raises:
        StateError: The config or the result cannot be read.
        UnusableConfig: The inputs do not say how to send, or not all that it takes.
        NotConfigured: The agent lacks an option for it.
        TransportError: It was not delivered.
    """
    signal = signals.choose(_inputs(config_path), agent)
    deliver(signal, bounded(_outputs(result)), sleep)
    return signal.transport


def main(argv: Sequence[str] | None = None, stdin: TextIO | None = None) -> int:
    """Read arguments and standard input, and send; return the exit status."""
    arguments = _parser().parse_args(argv)
    logs.configure()
    try:
        result = (stdin or sys.stdin).read()
        transport = run(arguments.config, result, settings.load)
    except HeatZaqarError as exc:
        LOG.error("not sent: %s", exc)
        return 1
    except Exception as exc:
        logs.unexpected(LOG, exc)
        return 1
    LOG.info("result sent by %s", transport)
    return 0


def _inputs(path: Path) -> Inputs:
    document = durable.read_json(path)
    if document is None:
        raise StateError(path, "there is no such file")
    if not isinstance(document, dict):
        raise StateError(path, "is no JSON object")
    return Inputs.parse(document)


def _outputs(text: str) -> Outputs:
    outputs = parse_outputs(text) if text.strip() else {}
    if outputs is None:
        raise StateError("standard input", "is no JSON object")
    return outputs


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="heat-config-notify",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("config", type=Path, metavar="CONFIG.json", help="the derived config")
    return parser
