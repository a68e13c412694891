# SPDX-License-Identifier: Apache-2.0
"""`heat-config-notify CONFIG.json < result.json`: sends one result to Heat.

What Heat acks is put into the outbox first, the deployment's record: the agent posts it
again until the ack is there. Not while the runner runs that deployment's hook, whose
result is yet to come.
"""

import argparse
import functools
import logging
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TextIO

from heat_zaqar_collector import settings
from heat_zaqar_hooks import logs, signals
from heat_zaqar_hooks.bounds import MAX_RESULT_BYTES, bounded
from heat_zaqar_hooks.configs import is_id
from heat_zaqar_hooks.inputs import Inputs
from heat_zaqar_hooks.results import Outputs, parse_outputs
from heat_zaqar_hooks.sending import Sleep, deliver
from heat_zaqar_hooks.signals.base import Agent
from heat_zaqar_hooks.states import Deployment, State, Store, utc_now
from heat_zaqar_transport import durable
from heat_zaqar_transport.wire.errors import HeatZaqarError, StateError

LOG = logging.getLogger(__name__)

# The hook still runs, or will run again: its own result is yet to come.
_IN_THE_RUNNERS_HANDS = (State.RUNNING, State.REBOOTING)

_DESCRIPTION = """\
Send one deployment's result to Heat, by the transport that the config's inputs name.
The result is a JSON object of outputs on standard input; nothing there: no outputs."""

_EPILOG = """\
environment:
  HEAT_ZAQAR_CONFIG  agent's configuration files, ":" between them
                     (/etc/os-collect-config.conf); their section
                     [zaqar] is read for ZAQAR_MESSAGE and ZAQAR_SIGNAL,
                     and of TLS for the others, where it is there

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
    document = _document(config_path)
    inputs = Inputs.parse(document)
    outputs = bounded(_outputs(result), MAX_RESULT_BYTES)
    channel = signals.ack_channel(inputs, agent)
    if channel is None or not is_id(inputs.which):
        return _send(inputs, outputs, agent, 1, sleep)
    store = Store(agent().state_dir)
    kept = _kept(store, _unkept(document, inputs).finished(outputs, utc_now(), channel))
    transport = _send(inputs, outputs, agent, kept.attempt, sleep)
    _note_sent(store, kept)
    return transport


def main(argv: Sequence[str] | None = None, stdin: TextIO | None = None) -> int:
    """Read arguments and standard input, and send; return the exit status."""
    arguments = _parser().parse_args(argv)
    logs.configure()
    try:
        result = (stdin or sys.stdin).read()
        transport = run(arguments.config, result, functools.cache(settings.load))
    except HeatZaqarError as exc:
        LOG.error("not sent: %s", exc)
        return 1
    except Exception as exc:
        logs.unexpected(LOG, exc)
        return 1
    LOG.info("result sent by %s", transport)
    return 0


def _send(inputs: Inputs, outputs: Outputs, agent: Agent, attempt: int, sleep: Sleep) -> str:
    signal = signals.choose(inputs, agent, attempt)
    deliver(signal, outputs, sleep)
    return signal.transport


def _unkept(document: Mapping[str, Any], inputs: Inputs) -> Deployment:
    """Return the record of a config that the runner knows nothing of."""
    name, group = document.get("name"), document.get("group")
    return Deployment(
        inputs.which,
        name if isinstance(name, str) else "",
        group if isinstance(group, str) else None,
    )


def _kept(store: Store, finished: Deployment) -> Deployment:
    """Put a result into the outbox, and return the record as it is then.

    Whatever the state directory is like, the result is to be sent.
    """
    try:
        present = store.read(finished.config_id)
        if present and present.state in _IN_THE_RUNNERS_HANDS:
            return present
        return store.write(finished)
    except StateError as exc:
        LOG.warning("%s; the result is sent without being kept", exc)
        return finished


def _note_sent(store: Store, kept: Deployment) -> None:
    try:
        store.advance(kept.config_id, kept.attempt, State.SENT)
    except StateError as exc:
        LOG.warning("%s; the agent will send the result again", exc)


def _document(path: Path) -> dict[str, Any]:
    document = durable.read_json(path)
    if document is None:
        raise StateError(path, "there is no such file")
    if not isinstance(document, dict):
        raise StateError(path, "is no JSON object")
    return document


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
